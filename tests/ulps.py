"""Errors in units in the last place, against values that mpmath computes to as many digits as it takes."""

import math

import mpmath
import numpy as np
from cases import COMPILED


def whole_range(dtype):
    """Return numbers of every size and both signs, more of them where functions bend."""
    info = np.finfo(dtype)
    n = 400 if COMPILED else 20
    sizes = np.geomspace(float(info.smallest_subnormal), float(info.max) * 0.999, n)
    bends = np.concatenate([np.linspace(0, 4, n), np.linspace(4, 45, n), np.linspace(45, 800, n // 3)])
    positive = np.concatenate([sizes, bends]).astype(dtype)
    return np.unique(np.concatenate([-positive, positive]))


def set_precision(a):
    """Give mpmath the digits that the textbook formulas lose at a: 1 - tanh**2, 1 + erf, exp(a) - 1.

    Beyond 800 (42 for the squares in exponents) what would be lost is below the smallest number anyway.
    """
    size = abs(float(a))
    lost = 0.0
    if 0 < size < 1:
        lost = -2 * math.log2(size)
    elif size < 800:
        lost = 3.0 * size + (0.75 * size * size if size < 42 else 0.0)
    mpmath.mp.prec = int(200 + lost)


def exact(function, points):
    """Return function(points) as the sum of two floats, so that 1/100 of an ulp can be seen."""
    high, low = np.empty(len(points)), np.zeros(len(points))
    with mpmath.workprec(200):
        for n, a in enumerate(points):
            set_precision(a)
            value = function(mpmath.mpf(float(a)))
            high[n] = float(value)
            if math.isfinite(high[n]):
                low[n] = float(value - high[n])
    return high, low


def ulps_off(result, high, low):
    """Return errors in units in the last place of the exact value in the result's dtype."""
    with np.errstate(over="ignore"):
        rounded = high.astype(result.dtype)
    finite = np.isfinite(rounded)
    beyond = ~finite & (result != rounded)
    overflow = result[beyond] == np.copysign(np.finfo(result.dtype).max, rounded[beyond])
    assert np.all(overflow), "no infinity where the exact value overflows"
    unit = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    return np.abs((result[finite].astype(np.float64) - high[finite]) - low[finite]) / unit


def units_of_one_off(result, high, low):
    return np.abs((result.astype(np.float64) - high) - low) / np.finfo(result.dtype).eps
