"""Losses as scikit-learn counts them, for its estimators; the deltas are those of the canonical pairs.

Its cross-entropies take the logarithm of outputs clipped to [eps, 1 - eps], eps the rounding unit of the format;
its Poisson loss is half the deviance, which is 0 where y = t.
"""

from functools import cache
from typing import Any

from fastbp.kernels.codes import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, EXP, LOGISTIC, POISSON, SOFTMAX, TANH
from fastbp.kernels.compiling.addresses import for_warm_up
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.elementary import exp, log, smallest_normal
from fastbp.kernels.formulas.losses import poisson_slope
from fastbp.kernels.many_samples.outputs import DELTAS, canonical_deltas, deltas
from fastbp.kernels.registers.lanes import absolute, maximum, minimum, precision, select


@kernel
def clipped(y):
    """y in [eps, 1 - eps]; NaN stays."""
    eps = 1.1920928955078125e-07 if precision(y) == 32 else 2.220446049250313e-16
    return maximum(eps, minimum(1.0 - eps, y))


@kernel
def log_loss(y, t, option):
    """-t ln y."""
    return -t * log(clipped(y))


@kernel
def difference(y, t, option):
    """(5.54)  y - t, or 0 where that is tiny: products with subnormal numbers take far longer than others.

    Outputs on raw columns, which reach thousands, saturate at such numbers.
    """
    delta = y - t
    least = 1e-34 if precision(y) == 32 else 1e-280
    return select(absolute(delta) < least, 0.0, delta)


@kernel
def binary_log_loss(a, y, t, log_sum):
    """-t ln y - (1 - t) ln(1 - y), t being 0 or 1.

    y = 1 / (1 + exp(-a)) is computed again, with one division: near 1 its last bit decides what 1 - y is.
    """
    p = clipped(1.0 / (1.0 + exp(-a)))
    return -log(select(t > 0.5, p, 1.0 - p))


@kernel
def poisson_deviance(y, t, option):
    """t ln(t / y) - t + y; NaN where t is negative."""
    positive = t * (log(maximum(smallest_normal(t), t)) - log(maximum(smallest_normal(y), y))) - t + y
    return select(t < 0.0, (t - t) / (t - t), positive)


@kernel
def canonical_poisson_deviance(a, y, t, log_sum):
    """The same with y = exp(a)."""
    deviance = t * (log(maximum(smallest_normal(t), t)) - a) - t + y
    return select(t < 0.0, (t - t) / (t - t), deviance)


# (loss, output function, None for any other) -> what fills delta of the outputs
KINDS: dict[tuple[int, int | None], Any] = {
    (CROSS_ENTROPY, SOFTMAX): deltas(log_loss, difference, "log loss"),
    (BINARY_CROSS_ENTROPY, LOGISTIC): canonical_deltas(binary_log_loss, False, "binary log loss", difference),
    (POISSON, EXP): canonical_deltas(canonical_poisson_deviance, False, "canonical Poisson deviance"),
    (POISSON, None): deltas(poisson_deviance, poisson_slope, "Poisson deviance"),
}


@for_warm_up(*((loss, TANH if function is None else function) for loss, function in KINDS))
@cache
def address_of_deviance(loss, function, dtype):
    """Address of what fills delta of the outputs and adds such a loss; 0 for losses that are the same anyway."""
    entry = KINDS.get((loss, function)) or KINDS.get((loss, None))
    return DELTAS.address(entry, dtype) if entry else 0
