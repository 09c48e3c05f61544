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
    return maximum(fn.smallest_normal(y), y)


@kernel
def squared_error(y, t):
    """(y - t)**2 / 2."""
    return 0.5 * (y - t) * (y - t)


@kernel
def squared_error_slope(y, t):
    """Its derivative by y."""
    return y - t


@kernel
def sse(y, t):
    """(y - t)**2."""
    return (y - t) * (y - t)


@kernel
def sse_slope(y, t):
    """Its derivative by y."""
    return 2.0 * (y - t)


@kernel
def cross_entropy(y, t):
    """-t ln y."""
    return -t * fn.log(_normal(y))


@kernel
def cross_entropy_slope(y, t):
    """Its derivative by y."""
    return -t / _normal(y)


@kernel
def binary_cross_entropy(y, t):
    """-t ln y - (1 - t) ln(1 - y)."""
    return -t * fn.log(_normal(y)) - (1.0 - t) * fn.log(_normal(1.0 - y))


@kernel
def binary_cross_entropy_slope(y, t):
    """Its derivative by y."""
    return (1.0 - t) / _normal(1.0 - y) - t / _normal(y)


@kernel
def poisson(y, t):
    """y - t ln y."""
    return y - t * fn.log(_normal(y))


@kernel
def poisson_slope(y, t):
    """Its derivative by y."""
    return 1.0 - t / _normal(y)


@kernel
def absolute_error(y, t):
    """|y - t|."""
    return absolute(y - t)


@kernel
def absolute_error_slope(y, t):
    """Its derivative by y: the sign of y - t."""
    d = y - t
    return select(d == 0.0, d, copysign(like(d, 1.0), d))


@kernel
def huber(y, t):
    """d**2 / 2 where |d| = |y - t| is at most 1, else |d| - 1/2."""
    d = y - t
    size = absolute(d)
    return select(size <= 1.0, 0.5 * d * d, size - 0.5)


@kernel
def huber_slope(y, t):
    """Its derivative by y."""
    return maximum(-1.0, minimum(1.0, y - t))


# E_n of a canonical pair, from a, where y may have rounded to 0 or 1. log_sum = ln sum_k exp(a_k), the
# largest a subtracted from all a.


@kernel
def canonical_cross_entropy(a, y, t, log_sum):
    """-t ln y with softmax, ln y_k = a_k - log_sum."""
    return select(t == 0.0, t, t * (log_sum - a))  # a is -inf where the largest a is beyond it by more than there is


@kernel
def canonical_binary_cross_entropy(a, y, t, log_sum):
    """-t ln y - (1 - t) ln(1 - y) with the logistic function: ln(1 + exp(a)) - t a, in terms that do not cancel."""
    return select(a > 0.0, (1.0 - t) * a, -t * a) + fn.softplus(-absolute(a))


@kernel
def canonical_poisson(a, y, t, log_sum):
    """y - t ln y with y = exp(a): y - t a; where y has overflown, whatever a is."""
    return fma(-t, minimum(1e4, a), y)


# code -> (E_n, dE_n/dy) of Vecs of outputs and targets
LOSSES = {
    SQUARED_ERROR: (squared_error, squared_error_slope),
    SSE: (sse, sse_slope),
    CROSS_ENTROPY: (cross_entropy, cross_entropy_slope),
    BINARY_CROSS_ENTROPY: (binary_cross_entropy, binary_cross_entropy_slope),
    POISSON: (poisson, poisson_slope),
    ABSOLUTE_ERROR: (absolute_error, absolute_error_slope),
    HUBER: (huber, huber_slope),
}
# (code of a loss, code of the output function) -> E_n of the canonical pair
CANONICAL = {
    (CROSS_ENTROPY, activation.SOFTMAX): canonical_cross_entropy,
    (BINARY_CROSS_ENTROPY, activation.LOGISTIC): canonical_binary_cross_entropy,
    (POISSON, activation.EXP): canonical_poisson,
}


# The same for single numbers: what `sample.py` calls


@kernel
def error(loss, y, t):
    """E_n of a Vec of outputs, by the loss's code."""
    if loss == SQUARED_ERROR:
        return squared_error(y, t)
    if loss == SSE:
        return sse(y, t)
    if loss == CROSS_ENTROPY:
        return cross_entropy(y, t)
    if loss == BINARY_CROSS_ENTROPY:
        return binary_cross_entropy(y, t)
    if loss == POISSON:
        return poisson(y, t)
    if loss == ABSOLUTE_ERROR:
        return absolute_error(y, t)
    return huber(y, t)


@kernel
def error_slope(loss, y, t):
    """dE_n/dy of a Vec of outputs, by the loss's code."""
    if loss == SQUARED_ERROR:
        return squared_error_slope(y, t)
    if loss == SSE:
        return sse_slope(y, t)
    if loss == CROSS_ENTROPY:
        return cross_entropy_slope(y, t)
    if loss == BINARY_CROSS_ENTROPY:
        return binary_cross_entropy_slope(y, t)
    if loss == POISSON:
        return poisson_slope(y, t)
    if loss == ABSOLUTE_ERROR:
        return absolute_error_slope(y, t)
    return huber_slope(y, t)


@kernel
def canonical_error(loss, a, y, t, log_sum):
    """E_n of a canonical pair, by the loss's code."""
    if loss == CROSS_ENTROPY:
        return canonical_cross_entropy(a, y, t, log_sum)
    if loss == BINARY_CROSS_ENTROPY:
        return canonical_binary_cross_entropy(a, y, t, log_sum)
    return canonical_poisson(a, y, t, log_sum)


@entry
def unit_error(loss, y, t):
    """E_n of one output."""
    return first(error(loss, single(y), single(t)))


@entry
def unit_error_slope(loss, y, t):
    """dE_n/dy of one output."""
    return first(error_slope(loss, single(y), single(t)))


@entry
def unit_canonical_error(loss, a, y, t, log_sum):
    """E_n of one output of a canonical pair, in float64."""
    a, y, t = single(np.float64(a)), single(np.float64(y)), single(np.float64(t))
    return first(canonical_error(loss, a, y, t, single(np.float64(log_sum))))
