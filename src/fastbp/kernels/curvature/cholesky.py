"""A = U^T U of a symmetric matrix, and solutions with it: the same sums as everywhere, and the same bits everywhere."""

import math

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.vectors import add_scaled, scalar_product, scale
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import number, set_number, shift
from fastbp.kernels.tuning import DECOMPOSED_ROWS


@kernel
def factor(curve, u, n, stride):
    """From -A in the upper triangle to U; returns False if A is not positive definite.

    u_ij = (a_ij - sum_{k<i} u_ki u_kj) / u_ii
    """
    for start in range(0, n, DECOMPOSED_ROWS):
        stop = min(start + DECOMPOSED_ROWS, n)
        block = shift(u, start * stride + start)
        if start > 0:
            epilogue = Epilogue(True, curve.zeros, 0, NO_FLOOR, False, block)
            above = shift(u, start)
            size = Size(stop - start, n - start, start)
            weights, terms = Weights(above, 1, stride), terms_of(Rows(above, stride))
            SUMS.call(curve.sums, Rows(block, stride), weights, terms, epilogue, size)
        for i in range(start, stop):
            row_i, count = shift(u, i * stride + i), n - i
            for k in range(start, i):
                add_scaled(row_i, shift(u, k * stride + i), number(u, k * stride + i), count)
            pivot = -number(row_i, 0)
            if not (pivot > 0.0 and pivot < math.inf):
                return False
            scale(row_i, -1.0 / math.sqrt(pivot), count)
    return True


@kernel
def solve(u, n, stride, x):
    """From b to the solution of U^T U x = b, in its place."""
    for k in range(n):
        row = shift(u, k * stride + k)
        x_k = number(x, k) / number(row, 0)
        set_number(x, k, x_k)
        add_scaled(shift(x, k + 1), shift(row, 1), -x_k, n - k - 1)
    for k in range(n - 1, -1, -1):
        row = shift(u, k * stride + k)
        x_k = number(x, k) - scalar_product(shift(row, 1), shift(x, k + 1), n - k - 1)
        set_number(x, k, x_k / number(row, 0))
