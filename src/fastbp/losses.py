"""The table of losses: E_n of a sample and its derivative are in `kernels/loss.py`.

With y the outputs and t the targets of a sample, summed over the outputs:

=====================  ============================================  =======================
name                   E_n                                           canonical with
=====================  ============================================  =======================
squared_error          1/2 (y - t)**2                                identity
sse                    (y - t)**2
cross_entropy          -t ln y                                       softmax
binary_cross_entropy   -t ln y - (1 - t) ln(1 - y)                   logistic
poisson                y - t ln y                                    exp
absolute_error         abs(y - t)
huber                  1/2 d**2 if abs(d) <= 1, else abs(d) - 1/2,
                       d = y - t
=====================  ============================================  =======================

In a canonical pair delta_k = y_k - t_k (5.54), and the last three are computed from a_k, exactly even
where y rounds to 0 or 1. Any other pair takes the chain rule, delta_k = dE_n/dy_k h'(a_k); there y, and
1 - y, are kept at or above the smallest normal number before a logarithm is taken. What overflows, e**a or a
square, makes E_n infinite, with a warning: `docs/accuracy.md` says where.
"""

import numpy as np

from fastbp.checks import Array
from fastbp.kernels import loss as codes

LOSSES = {
    "squared_error": codes.SQUARED_ERROR,
    "sse": codes.SSE,
    "cross_entropy": codes.CROSS_ENTROPY,
    "binary_cross_entropy": codes.BINARY_CROSS_ENTROPY,
    "poisson": codes.POISSON,
    "absolute_error": codes.ABSOLUTE_ERROR,
    "huber": codes.HUBER,
}

# Losses whose targets are bounded: (lowest, highest)
_TARGET_RANGE = {"cross_entropy": (0.0, 1.0), "binary_cross_entropy": (0.0, 1.0), "poisson": (0.0, np.inf)}


def check_targets(loss: str, targets: Array, argument: str = "T") -> None:
    """Raise a ValueError for targets that the loss is not defined for."""
    low, high = _TARGET_RANGE.get(loss, (-np.inf, np.inf))
    if targets.size and (targets.min() < low or targets.max() > high):
        n, k = (int(i) for i in np.argwhere((targets < low) | (targets > high))[0])
        bounds = f"between {low:g} and {high:g}" if high < np.inf else f"at least {low:g}"
        raise ValueError(f"{argument} must be {bounds} for loss {loss!r}; {argument}[{n}, {k}] is {targets[n, k]:g}")
