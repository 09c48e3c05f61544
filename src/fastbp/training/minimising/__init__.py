"""Solvers that use second derivatives, or search along lines: they take all samples at once, in float64."""
