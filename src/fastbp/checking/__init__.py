"""Is this machine right? Networks of all shapes compared with NumPy's products: nothing else needs this room."""
