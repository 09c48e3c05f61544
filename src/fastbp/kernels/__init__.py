"""Everything that is compiled. Imports NumPy and Numba, and nothing of the package above it."""
