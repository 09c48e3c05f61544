"""How files are written and read, whole or not at all, and a network's own format: no training."""
