"""Is this machine right? Networks of all shapes compared with NumPy's products: nothing else needs this room.

No number that a user gets is computed here.
"""
