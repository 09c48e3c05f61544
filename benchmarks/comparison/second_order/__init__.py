"""Second derivatives and the solvers that use them, beside JAX, SciPy, optimistix and PyTorch; all in float64."""
