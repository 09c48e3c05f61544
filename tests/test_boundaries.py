"""Activation functions next to where their formulas change: at clamps, kinks, overflow and underflow."""

import mpmath
import numpy as np
import oracle
import pytest
from test_activations import (
    FACTOR_IS_NORMAL,
    SLOPE_FACTOR_IS_NORMAL,
    SLOPE_ULPS,
    SLOPE_UNITS_OF_ONE,
    ULPS,
    UNITS_OF_ONE,
    slope,
)
from test_elementary import log
from ulps import exact, ulps_off, units_of_one_off

from fastbp.activations import ACTIVATIONS

pytestmark = pytest.mark.compiled_only
both_formats = pytest.mark.parametrize("dtype", ["float64", "float32"])

# Clamps in kernels/formulas/activations.py, where e**a and e**-a**2 leave the format, where 1 + e**a is 1 or e**a.
EDGES = [0.0, 0.5, 1.0, np.log(2) / 2, 1e4, 1e8, 1e30, 16.635532, 36.736801, 20.0, 40.0, 60.0, 800.0,
         87.33654, 88.72284, 89.0, 103.97208, 104.0, 708.39642, 709.78271, 710.0, 745.13322, 746.0,
         9.3385, 10.1967, 26.6157, 27.2972, 12.9, 37.5]  # fmt: skip


def around_edges(dtype):
    """Return the numbers next to each edge, of both signs: the nearest, and some a little further off."""
    points = []
    for edge in np.array(EDGES, dtype):
        for towards in (-np.inf, np.inf):
            point = edge
            for _ in range(3):
                points.append(point)
                point = np.nextafter(point, np.array(towards, dtype))
        points.extend(edge * (1 + k * np.finfo(dtype).eps) for k in (-1000, -30, 30, 1000))
    points = np.array(points, dtype)
    return np.unique(np.concatenate([-points, points]))


@both_formats
@pytest.mark.parametrize("name", [*ULPS, *UNITS_OF_ONE])
def test_values_next_to_edges(name, dtype):
    points = around_edges(dtype)
    points = points[points > FACTOR_IS_NORMAL.get(name, {}).get(dtype, -np.inf)]
    result, right = ACTIVATIONS[name].h(points), exact(oracle.ACTIVATIONS[name], points)
    if name in ULPS:
        assert ulps_off(result, *right).max() <= ULPS[name]
    else:
        assert units_of_one_off(result, *right).max() <= UNITS_OF_ONE[name]


@both_formats
@pytest.mark.parametrize("name", [*SLOPE_ULPS, *SLOPE_UNITS_OF_ONE])
def test_derivatives_next_to_edges(name, dtype):
    points = around_edges(dtype)
    points = points[np.abs(points) < SLOPE_FACTOR_IS_NORMAL.get(name, {}).get(dtype, np.inf)]
    result, right = ACTIVATIONS[name].dh(points), exact(slope(name), points)
    if name in SLOPE_ULPS:
        kinks = points == 0 if name in ("relu", "leaky_relu", "elu", "selu", "ramp") else np.zeros(len(points), bool)
        right = tuple(part[~kinks] for part in right)
        assert ulps_off(result[~kinks], *right).max() <= SLOPE_ULPS[name]
    else:
        assert units_of_one_off(result, *right).max() <= SLOPE_UNITS_OF_ONE[name]


def test_the_tables_are_complete():
    names = set(ACTIVATIONS) - {"threshold"}
    assert set(ULPS) | set(UNITS_OF_ONE) == names
    assert set(SLOPE_ULPS) | set(SLOPE_UNITS_OF_ONE) == names


@both_formats
def test_log_keeps_infinity_and_nan(dtype):
    info = np.finfo(dtype)
    result = log(np.array([np.inf, np.nan, info.max, info.tiny], dtype))
    assert np.isposinf(result[0])
    assert np.isnan(result[1])
    expected = np.array([float(mpmath.log(float(x))) for x in (info.max, info.tiny)])
    assert np.allclose(result[2:], expected, rtol=2 * info.eps, atol=0)
