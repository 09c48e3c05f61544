"""E_n of one output and dE_n/dy for each loss of `codes.LOSSES`, and the canonical pairs.

With y an output and t its target; E_n is the sum over the outputs of a sample. `option` is the number that
some losses take: all have the place for it, so that any of them can be called through its address.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.kernels.codes import (
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    EXP,
    LINEAR,
    LOGISTIC,
    OF_LOSS,
    POISSON,
    SOFTMAX,
)
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas import activations as fn
from fastbp.kernels.formulas.elementary import log, smallest_normal
from fastbp.kernels.registers.lanes import absolute, copysign, first, fma, like, maximum, minimum, select, single


@kernel
def _normal(y):
    """y, at least the smallest normal number: what ln is taken of, and what divides."""
    return maximum(smallest_normal(y), y)


@kernel
def squared_error(y, t, option):
    """(y - t)**2 / 2."""
    return 0.5 * (y - t) * (y - t)


@kernel
def squared_error_slope(y, t, option):
    """Its derivative by y."""
    return y - t


@kernel
def sse(y, t, option):
    """(y - t)**2."""
    return (y - t) * (y - t)


@kernel
def sse_slope(y, t, option):
    """Its derivative by y."""
    return 2.0 * (y - t)


@kernel
def cross_entropy(y, t, option):
    """-t ln y."""
    return -t * log(_normal(y))


@kernel
def cross_entropy_slope(y, t, option):
    """Its derivative by y."""
    return -t / _normal(y)


@kernel
def binary_cross_entropy(y, t, option):
    """-t ln y - (1 - t) ln(1 - y)."""
    return -t * log(_normal(y)) - (1.0 - t) * log(_normal(1.0 - y))


@kernel
def binary_cross_entropy_slope(y, t, option):
    """Its derivative by y."""
    return (1.0 - t) / _normal(1.0 - y) - t / _normal(y)


@kernel
def poisson(y, t, option):
    """y - t ln y."""
    return y - t * log(_normal(y))


@kernel
def poisson_slope(y, t, option):
    """Its derivative by y."""
    return 1.0 - t / _normal(y)


@kernel
def absolute_error(y, t, option):
    """|y - t|."""
    return absolute(y - t)


@kernel
def absolute_error_slope(y, t, option):
    """Its derivative by y: the sign of y - t."""
    d = y - t
    return select(d == 0.0, d, copysign(like(d, 1.0), d))


@kernel
def huber(y, t, threshold):
    """d**2 / 2 where |d| = |y - t| is at most c, the threshold; else c (|d| - c / 2)."""
    d = y - t
    size = absolute(d)
    return select(size <= threshold, 0.5 * d * d, threshold * (size - 0.5 * threshold))


@kernel
def huber_slope(y, t, threshold):
    """Its derivative by y."""
    return maximum(-threshold, minimum(threshold, y - t))


@kernel
def quantile(y, t, q):
    """q (t - y) where t is above y, else (1 - q) (y - t): the q-quantile of the targets makes its mean least."""
    return quantile_rate(y, t, q) * (y - t)


@kernel
def quantile_slope(y, t, q):
    """Its derivative by y; 0 at y = t."""
    return select(y == t, y - t, quantile_rate(y, t, q))


@kernel
def quantile_rate(y, t, q):
    """-q where t is above y, else 1 - q."""
    return select(y < t, like(y, -q), like(y, 1.0 - q))


@kernel
def linear(y, v, option):
    """v y: its derivative by the inputs is v dy/dx."""
    return v * y


@kernel
def linear_slope(y, v, option):
    """Its derivative by y."""
    return v


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


# Second derivatives of these by a; of softmax it is that of all outputs together, see curvature/outputs.py


@kernel
def canonical_binary_cross_entropy_bend(y, t, option):
    """d2E_n/da2."""
    return y * (1.0 - y)


@kernel
def canonical_poisson_bend(y, t, option):
    """d2E_n/da2."""
    return y


# Second derivatives by y: never negative, for all losses are convex in y


@kernel
def squared_error_bend(y, t, option):
    """d2E_n/dy2."""
    return like(y, 1.0)


@kernel
def sse_bend(y, t, option):
    """d2E_n/dy2."""
    return like(y, 2.0)


@kernel
def cross_entropy_bend(y, t, option):
    """d2E_n/dy2."""
    return t / _normal(y) / _normal(y)


@kernel
def binary_cross_entropy_bend(y, t, option):
    """d2E_n/dy2."""
    return t / _normal(y) / _normal(y) + (1.0 - t) / _normal(1.0 - y) / _normal(1.0 - y)


@kernel
def poisson_bend(y, t, option):
    """d2E_n/dy2."""
    return t / _normal(y) / _normal(y)


@kernel
def absolute_error_bend(y, t, option):
    """d2E_n/dy2."""
    return like(y, 0.0)


@kernel
def huber_bend(y, t, threshold):
    """d2E_n/dy2."""
    return select(absolute(y - t) <= threshold, like(y, 1.0), 0.0)


@kernel
def quantile_bend(y, t, option):
    """d2E_n/dy2."""
    return like(y, 0.0)


@kernel
def linear_bend(y, t, option):
    """d2E_n/dy2."""
    return like(y, 0.0)


# code -> (E_n, dE_n/dy) of Vecs of outputs and targets, and the loss's option
LOSSES = {code: (globals()[name], globals()[f"{name}_slope"]) for name, code in (OF_LOSS | {"linear": LINEAR}).items()}

# code -> d2E_n/dy2, of those that say it: of the others second derivatives are NaN
BENDS = {
    code: globals()[f"{name}_bend"]
    for name, code in (OF_LOSS | {"linear": LINEAR}).items()
    if f"{name}_bend" in globals()
}

# (code of a loss, code of the output function) -> E_n of the canonical pair
CANONICAL = {
    (CROSS_ENTROPY, SOFTMAX): canonical_cross_entropy,
    (BINARY_CROSS_ENTROPY, LOGISTIC): canonical_binary_cross_entropy,
    (POISSON, EXP): canonical_poisson,
}

# code of a loss -> d2E_n/da2 of its canonical pair; of others second derivatives are NaN
CANONICAL_BENDS = {
    BINARY_CROSS_ENTROPY: canonical_binary_cross_entropy_bend,
    POISSON: canonical_poisson_bend,
}


# The same by a loss's code, for single numbers: what `derivation.py` calls


@kernel
def of_unknown(loss, y, t, option):
    """NaN: an error that ends a training."""
    return like(y, np.nan)


def by_code(functions: Any) -> Any:
    """A kernel (code, y, t, option) that calls the function of the code; of an unknown code it gives NaN."""
    chosen = of_unknown
    for code, function in functions.items():
        chosen = _if_code(code, function, chosen)
    return chosen


def _if_code(code, function, otherwise):
    def of_code(loss, y, t, option):
        if loss == code:
            return function(y, t, option)
        return otherwise(loss, y, t, option)

    of_code.__qualname__ += f"_{function.__name__}"  # see `entry`
    return kernel(of_code)


error: Callable[..., Any] = by_code({code: value for code, (value, _slope) in LOSSES.items()})
error_slope: Callable[..., Any] = by_code({code: slope for code, (_value, slope) in LOSSES.items()})
error_bend: Callable[..., Any] = by_code(BENDS)
canonical_error_bend: Callable[..., Any] = by_code(CANONICAL_BENDS)


def has_bend(loss: Any, function: Any) -> Any:
    """Whether the second derivative of a loss is known, by the code of it and of the output function."""
    if (loss, function) in CANONICAL:
        return function == SOFTMAX or loss in CANONICAL_BENDS
    return loss in BENDS


@kernel
def of_no_pair(loss, function):
    """False."""
    return False


def _or_pair(pair, otherwise):
    code, output = pair

    def is_pair(loss, function):
        return (loss == code and function == output) or otherwise(loss, function)

    is_pair.__qualname__ += f"_{code}_{output}"  # see `entry`
    return kernel(is_pair)


def by_pair(pairs: Any) -> Any:
    """A kernel (code of a loss, code of an output function): whether they are one of the pairs."""
    found = of_no_pair
    for pair in pairs:
        found = _or_pair(pair, found)
    return found


pair_is_canonical: Callable[..., Any] = by_pair(CANONICAL)


@entry
def is_canonical(loss, function):
    """True where delta_k = y_k - t_k (5.54), from a cross-entropy that is computed from a_k."""
    return pair_is_canonical(loss, function)


@kernel
def of_unknown_pair(loss, a, y, t, log_sum):
    """NaN: an error that ends a training."""
    return like(y, np.nan)


def _if_code_of_pair(code, function, otherwise):
    def of_pair(loss, a, y, t, log_sum):
        if loss == code:
            return function(a, y, t, log_sum)
        return otherwise(loss, a, y, t, log_sum)

    of_pair.__qualname__ += f"_{function.__name__}"  # see `entry`
    return kernel(of_pair)


def of_pairs(pairs: Any) -> Any:
    """A kernel (code of a loss, a, y, t, log of softmax's sum): E_n of the canonical pair that the loss is in."""
    chosen = of_unknown_pair
    for (code, _output), function in pairs.items():
        chosen = _if_code_of_pair(code, function, chosen)
    return chosen


canonical_error: Callable[..., Any] = of_pairs(CANONICAL)


@entry
def unit_error(loss, option, y, t):
    """E_n of one output."""
    return first(error(loss, single(y), single(t), option))


@entry
def unit_error_slope(loss, option, y, t):
    """dE_n/dy of one output."""
    return first(error_slope(loss, single(y), single(t), option))


@entry
def unit_error_bend(loss, option, y, t):
    """d2E_n/dy2 of one output."""
    return first(error_bend(loss, single(y), single(t), option))


@entry
def unit_canonical_error(loss, a, y, t, log_sum):
    """E_n of one output of a canonical pair, in float64."""
    a, y, t = single(np.float64(a)), single(np.float64(y)), single(np.float64(t))
    return first(canonical_error(loss, a, y, t, single(np.float64(log_sum))))
