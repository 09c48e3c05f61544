"""The functions below the activations: exp, expm1, log and the normal distribution, against mpmath."""

import mpmath
import numpy as np
import pytest
from numba import njit
from ulps import exact, ulps_off, whole_range

from fastbp.kernels import functions
from fastbp.kernels.lanes import first, single


def on_arrays(function):
    """Return `function` of registers as a function of arrays, one number in a register."""

    @njit
    def loop(x, out):
        for n in range(x.size):
            out[n] = first(function(single(x[n])))

    def apply(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return apply


exp, expm1, log, normal_cdf = map(on_arrays, (functions.exp, functions.expm1, functions.log, functions.normal_cdf))

pytestmark = pytest.mark.compiled_only
both_formats = pytest.mark.parametrize("dtype", ["float64", "float32"])


@both_formats
def test_exp(dtype):
    points = whole_range(dtype)
    assert ulps_off(exp(points), *exact(mpmath.exp, points)).max() <= 2


@both_formats
def test_expm1(dtype):
    points = whole_range(dtype)
    points = points[points <= 40]
    assert ulps_off(expm1(points), *exact(mpmath.expm1, points)).max() <= 2


@both_formats
def test_log(dtype):
    points = whole_range(dtype)
    points = points[points >= np.finfo(dtype).tiny]
    near_one = (1 + np.linspace(-0.3, 0.4, 301)).astype(dtype)
    for x in (points, near_one):
        high, low = exact(mpmath.log, x)
        unit = np.maximum(np.spacing(np.abs(high).astype(dtype)), np.spacing(np.abs(x - x.dtype.type(1)))).astype(float)
        assert (np.abs(log(x).astype(float) - high - low) / unit).max() <= 2
    assert log(np.ones(1, dtype)) == 0


@both_formats
def test_normal_cdf(dtype):
    points = whole_range(dtype)
    tail = points[(points > -37) & (points < -12)]
    points = points[points >= -12]
    assert ulps_off(normal_cdf(points), *exact(mpmath.ncdf, points)).max() <= 16
    assert np.all(ulps_off(normal_cdf(tail), *exact(mpmath.ncdf, tail)) <= tail.astype(float) ** 2)


@both_formats
def test_special_arguments(dtype):
    points = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0], dtype)
    assert np.array_equal(exp(points), np.array([0, np.inf, np.nan, 1, 1], dtype), equal_nan=True)
    assert np.array_equal(expm1(points[[0, 2, 3, 4]]), np.array([-1, np.nan, 0, 0], dtype), equal_nan=True)
    assert np.signbit(expm1(points))[4]
