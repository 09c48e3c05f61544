"""Losses by integer code: E_n of one output, dE_n/dy, and the canonical pairs.

With y an output and t its target; E_n is the sum over the outputs of a sample.
"""

import numpy as np

from fastbp.kernels import activation
from fastbp.kernels import functions as fn
from fastbp.kernels.compiling import entry, kernel
from fastbp.kernels.lanes import (
    absolute,
    copysign,
    first,
    fma,
    like,
    maximum,
    minimum,
    precision,
    select,
    single,
)

SQUARED_ERROR, SSE, CROSS_ENTROPY, BINARY_CROSS_ENTROPY, POISSON, ABSOLUTE_ERROR, HUBER = range(7)


@entry
def is_canonical(loss, function):
    """True where delta_k = y_k - t_k (5.54), from a cross-entropy that is computed from a_k."""
    return (
        (loss == CROSS_ENTROPY and function == activation.SOFTMAX)
        or (loss == BINARY_CROSS_ENTROPY and function == activation.LOGISTIC)
        or (loss == POISSON and function == activation.EXP)
    )


@kernel
def _normal(y):
    """y, at least the smallest normal number: what ln is taken of, and what divides."""
    return maximum(1.1754943508222875e-38 if precision(y) == 32 else 2.2250738585072014e-308, y)


@kernel
def error(loss, y, t):
    """E_n of Vecs of outputs and targets."""
    d = y - t
    if loss == SQUARED_ERROR:
        return 0.5 * d * d
    if loss == SSE:
        return d * d
    if loss == CROSS_ENTROPY:
        return -t * fn.log(_normal(y))
    if loss == BINARY_CROSS_ENTROPY:
        return -t * fn.log(_normal(y)) - (1.0 - t) * fn.log(_normal(1.0 - y))
    if loss == POISSON:
        return y - t * fn.log(_normal(y))
    if loss == ABSOLUTE_ERROR:
        return absolute(d)
    size = absolute(d)
    return select(size <= 1.0, 0.5 * d * d, size - 0.5)


@kernel
def error_slope(loss, y, t):
    """dE_n/dy of Vecs of outputs and targets."""
    d = y - t
    if loss == SQUARED_ERROR:
        return d
    if loss == SSE:
        return 2.0 * d
    if loss == CROSS_ENTROPY:
        return -t / _normal(y)
    if loss == BINARY_CROSS_ENTROPY:
        return (1.0 - t) / _normal(1.0 - y) - t / _normal(y)
    if loss == POISSON:
        return 1.0 - t / _normal(y)
    if loss == ABSOLUTE_ERROR:
        return select(d == 0.0, d, copysign(like(d, 1.0), d))
    return maximum(-1.0, minimum(1.0, d))


@kernel
def canonical_error(loss, a, y, t, log_sum):
    """E_n of a canonical pair, from a, where y may have rounded to 0 or 1.

    -t ln y with ln y_k = a_k - log_sum, log_sum = ln sum_k exp(a_k), the largest a subtracted from all
    a; the logistic's -t ln y - (1 - t) ln(1 - y) = ln(1 + exp(a)) - t a; exp's y - t ln y = y - t a.
    """
    if loss == CROSS_ENTROPY:
        return t * (log_sum - a)
    if loss == BINARY_CROSS_ENTROPY:
        return fma(-t, a, fn.softplus(a))
    return fma(-t, a, y)


# The same for single numbers, in float64


@entry
def unit_error(loss, y, t):
    """E_n of one output."""
    return first(error(loss, single(np.float64(y)), single(np.float64(t))))


@entry
def unit_error_slope(loss, y, t):
    """dE_n/dy of one output."""
    return first(error_slope(loss, single(np.float64(y)), single(np.float64(t))))


@entry
def unit_canonical_error(loss, a, y, t, log_sum):
    """E_n of one output of a canonical pair."""
    a, y, t = single(np.float64(a)), single(np.float64(y)), single(np.float64(t))
    return first(canonical_error(loss, a, y, t, single(np.float64(log_sum))))
