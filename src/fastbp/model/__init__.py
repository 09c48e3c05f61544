"""A network's numbers, its parts, and what it computes: nothing here changes weights by training."""
