"""The functions below the activations: exp, expm1, log and the normal distribution, against mpmath."""

import mpmath
import numpy as np
import pytest
from numba import njit
from ulps import exact, ulps_off, whole_range

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas import activations, elementary
from fastbp.kernels.registers.lanes import lanes, like, load_first, store_first, view, where_normal


def on_arrays(function):
    """Return `function` of registers as a function of arrays, a full register at a time."""

    @njit
    def loop(x, out):
        values, results = view(x), view(out)
        for k in range(0, x.size, lanes(values)):
            count = min(lanes(values), x.size - k)
            store_first(results, k, function(load_first(values, k, count)), count)

    def apply(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return apply


exp, expm1, log, normal_cdf, reciprocal = (
    on_arrays(getattr(elementary, name)) for name in ("exp", "expm1", "log", "normal_cdf", "reciprocal")
)
tanh, logistic = on_arrays(activations.tanh), on_arrays(activations.logistic)


@on_arrays
@kernel
def normal_or_zero(x):
    return where_normal(x, x)


def third_by_root(epsilon):
    """Return the function 1/3 / (sqrt(x) + epsilon) of arrays."""
    return on_arrays(kernel(lambda x: elementary.quotient_by_root(like(x, 1 / 3), x, epsilon)))


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
def test_reciprocal(dtype):
    points = whole_range(dtype)
    size, tiny = np.abs(points.astype(float)), np.finfo(dtype).tiny
    with np.errstate(divide="ignore", over="ignore"):
        points = points[(size >= tiny) & (1 / size >= tiny) & (size < np.inf)]
    assert ulps_off(reciprocal(points), *exact(lambda x: 1 / x, points)).max() <= 2


@both_formats
@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 0.25])
def test_quotient_by_root(dtype, epsilon):
    points = whole_range(dtype)
    points = points[(points >= np.finfo(dtype).tiny) & (points < np.inf)]
    third, epsilon = float(points.dtype.type(1 / 3)), float(points.dtype.type(epsilon))
    expected = exact(lambda x: third / (mpmath.sqrt(x) + epsilon), points)
    assert ulps_off(third_by_root(epsilon)(points), *expected).max() <= 4


@both_formats
def test_numbers_that_are_no_normal_ones_become_zero(dtype):
    info = np.finfo(dtype)
    small = np.array([info.smallest_subnormal, np.nextafter(info.tiny, info.tiny * 0), 0.0], dtype)
    others = np.array([info.tiny, 1.0, info.max, np.inf], dtype)
    for sign in (1, -1):
        assert np.array_equal(normal_or_zero(sign * small), np.zeros(3, dtype))
        assert np.array_equal(normal_or_zero(sign * others), sign * others)
    assert np.isnan(normal_or_zero(np.full(1, np.nan, dtype)))


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
    assert np.array_equal(tanh(points), np.array([-1, 1, np.nan, 0, 0], dtype), equal_nan=True)
    assert np.array_equal(np.signbit(tanh(points)), [True, False, np.signbit(points[2]), False, True])
    assert np.array_equal(logistic(points), np.array([0, 1, np.nan, 0.5, 0.5], dtype), equal_nan=True)


@both_formats
def test_tanh_is_odd(dtype):
    points = whole_range(dtype)
    points = points[~np.isnan(points)]
    assert np.array_equal(tanh(-points), -tanh(points))
    assert np.abs(tanh(points)).max() == 1


@both_formats
def test_tanh_and_logistic_where_their_reductions_meet(dtype):
    edges = np.arange(-40, 41) * (np.log(2) / 4)  # between two powers of 2, and in the middle
    points = np.concatenate([np.nextafter(edges, direction) for direction in (-np.inf, edges, np.inf)]).astype(dtype)
    assert ulps_off(tanh(points), *exact(mpmath.tanh, points)).max() <= 3
    assert ulps_off(logistic(points), *exact(lambda x: 1 / (1 + mpmath.exp(-x)), points)).max() <= 4
