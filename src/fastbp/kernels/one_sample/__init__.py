"""The passes of one sample, units in the lanes: for on-line learning, and for calls from a user's compiled code.

No tiles, and no threads: what is for many samples stands in `many_samples` and `training`.
"""
