"""Second derivatives of a network, many samples at a time: Jacobians, Hessians and what solves with them.

First derivatives are not computed here: they come from the rooms for many samples, or beside the second ones.
"""
