"""Activation functions over the whole range of both formats, against mpmath; and a user's own."""

import math
import pickle

import numba
import numpy as np
import oracle
import pytest
from cases import COMPILED, Case, assert_gradients_equal, draw
from ulps import exact, ulps_off, units_of_one_off, whole_range

import fastbp
from fastbp.activations import ACTIVATIONS, OUTPUTS

NAMES = [*oracle.ACTIVATIONS, "threshold"]

# Bounds as the docstrings of kernels/formulas/activations.py state them: units in the last place of the result ...
ULPS = {
    "identity": 0,
    "logistic": 4,
    "tanh": 3,
    "relu": 0,
    "ramp": 0,
    "leaky_relu": 1,
    "elu": 2,
    "softplus": 4,
    "softsign": 2,
    "gelu": 20,
    "silu": 5,
    "gaussian": 4,
    "exp": 2,
    "selu": 4,
    "mish": 6,
}
SLOPE_ULPS = {
    "identity": 0,
    "relu": 0,
    "ramp": 0,
    "leaky_relu": 0.5,
    "elu": 2,
    "softplus": 4,
    "softsign": 3,
    "gaussian": 5,
    "exp": 2,
    "selu": 3,
}
# ... or units in the last place of 1, for functions that cross zero, or whose h' is computed from z.
UNITS_OF_ONE = {"sin": 2}
SLOPE_UNITS_OF_ONE = {"tanh": 4, "logistic": 4, "gelu": 20, "silu": 8, "mish": 8, "sin": 2}


def slope(name):
    if name == "softsign":  # the quotient rule cancels where a is large
        return lambda a: 1 / (1 + abs(a)) ** 2
    return lambda a: oracle.derivative(oracle.ACTIVATIONS[name], a)


# A product with a factor that has become subnormal has few digits: the bounds hold above these a.
FACTOR_IS_NORMAL = {
    "gelu": {"float32": -12.9, "float64": -37.5},
    "silu": {"float32": -87.0, "float64": -708.0},
    "mish": {"float32": -87.0, "float64": -708.0},
}
SLOPE_FACTOR_IS_NORMAL = {"gaussian": {"float32": 9.3, "float64": 26.6}}  # of |a|


def where_bound_holds(name, points):
    """Return the points for which a bound in ulps is stated."""
    lowest = FACTOR_IS_NORMAL.get(name, {}).get(points.dtype.name, -np.inf)
    return points[points > lowest]


@pytest.mark.compiled_only
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ULPS)
def test_activation_within_its_bound(name, dtype):
    points = where_bound_holds(name, whole_range(dtype))
    result = ACTIVATIONS[name].h(points)
    assert result.dtype == dtype
    assert ulps_off(result, *exact(oracle.ACTIVATIONS[name], points)).max() <= ULPS[name]


@pytest.mark.compiled_only
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SLOPE_ULPS)
def test_derivative_within_its_bound(name, dtype):
    points = whole_range(dtype)
    points = points[np.abs(points) < SLOPE_FACTOR_IS_NORMAL.get(name, {}).get(dtype, np.inf)]
    result = ACTIVATIONS[name].dh(points)
    assert result.dtype == dtype
    assert ulps_off(result, *exact(slope(name), points)).max() <= SLOPE_ULPS[name]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SLOPE_UNITS_OF_ONE)
def test_derivative_within_units_of_one(name, dtype):
    points = whole_range(dtype)
    result = ACTIVATIONS[name].dh(points)
    assert units_of_one_off(result, *exact(slope(name), points)).max() <= SLOPE_UNITS_OF_ONE[name]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", UNITS_OF_ONE)
def test_activation_within_units_of_one(name, dtype):
    points = whole_range(dtype)
    result = ACTIVATIONS[name].h(points)
    assert units_of_one_off(result, *exact(oracle.ACTIVATIONS[name], points)).max() <= UNITS_OF_ONE[name]


def test_tail_of_gelu():
    """Below -5 the value is tiny, and its relative error grows with the square of the argument."""
    points = np.linspace(-37, -5, 200 if COMPILED else 20)
    errors = ulps_off(ACTIVATIONS["gelu"].h(points), *exact(oracle.gelu, points))
    assert np.all(errors <= 20 + 2 * points**2)
    far = ACTIVATIONS["gelu"].h(np.array([-39.0, -1e3, -1e300]))
    assert np.all(np.abs(far) < 1e-300)


# ---------------------------------------------------------------- float32: every bit pattern in turn

erfc = np.vectorize(math.erfc, otypes=[float])


def logistic(a):
    return np.where(a < 0, np.exp(np.minimum(a, 0)), 1.0) / (1 + np.exp(-np.abs(a)))


IN_DOUBLE = {
    "logistic": logistic,
    "tanh": np.tanh,
    "leaky_relu": lambda a: np.where(a > 0, a, a * 0.01),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "softplus": lambda a: np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "gelu": lambda a: a * erfc(-a / math.sqrt(2)) / 2,
    "silu": lambda a: a * logistic(a),
    "gaussian": lambda a: np.exp(-a * a),
    "exp": np.exp,
    "selu": lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(np.minimum(a, 0))),
    "ramp": lambda a: np.clip(a, 0, 1),
    "mish": lambda a: a * np.tanh(np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))),
}


def every_size_of_float32(stride=8191):
    """Return finite float32 numbers whose bit patterns are `stride` apart: half a million of them."""
    patterns = np.arange(0, 2**32, stride if COMPILED else 1000 * stride, dtype=np.uint64).astype(np.uint32)
    numbers = patterns.view(np.float32)
    return numbers[np.isfinite(numbers)]


@pytest.mark.compiled_only
@pytest.mark.parametrize("name", IN_DOUBLE)
def test_float32_everywhere(name):
    points = where_bound_holds(name, every_size_of_float32())
    with np.errstate(all="ignore"):
        reference = IN_DOUBLE[name](points.astype(np.float64))
    errors = ulps_off(ACTIVATIONS[name].h(points), reference, np.zeros(len(points)))
    assert errors.max() <= ULPS[name]


def test_float32_sine_everywhere():
    points = every_size_of_float32()
    wide = points.astype(np.float64)
    assert units_of_one_off(ACTIVATIONS["sin"].h(points), np.sin(wide), 0.0).max() <= UNITS_OF_ONE["sin"]
    assert units_of_one_off(ACTIVATIONS["sin"].dh(points), np.cos(wide), 0.0).max() <= SLOPE_UNITS_OF_ONE["sin"]


# ---------------------------------------------------------------- the ends of the range

LIMITS = {  # name: h(-inf), h(inf), h'(-inf), h'(inf)
    "identity": (-np.inf, np.inf, 1, 1),
    "logistic": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, np.inf, 0, 1),
    "leaky_relu": (-np.inf, np.inf, 0.01, 1),
    "elu": (-1, np.inf, 0, 1),
    "softplus": (0, np.inf, 0, 1),
    "softsign": (-1, 1, 0, 0),
    "gelu": (0, np.inf, 0, 1),
    "silu": (0, np.inf, 0, 1),
    "sin": (np.nan, np.nan, np.nan, np.nan),
    "gaussian": (0, 0, 0, 0),
    "exp": (0, np.inf, 0, np.inf),
    "selu": (-1.7580993408473766, np.inf, 0, 1.0507009873554805),
    "mish": (0, np.inf, 0, 1),
    "ramp": (0, 1, 0, 0),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LIMITS)
def test_infinite_arguments(name, dtype):
    ends = np.array([-np.inf, np.inf], dtype=dtype)
    low, high, slope_low, slope_high = LIMITS[name]
    tiny = float(np.finfo(dtype).tiny)
    assert np.allclose(ACTIVATIONS[name].h(ends), [low, high], rtol=1e-6, atol=tiny, equal_nan=True)
    assert np.allclose(ACTIVATIONS[name].dh(ends), [slope_low, slope_high], rtol=1e-6, atol=tiny, equal_nan=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "threshold"])
def test_nan_stays_nan(name, dtype):
    points = np.full(40, 0.5, dtype=dtype)  # NaN in one lane only, at the register's ends and in its middle
    points[[0, 7, 15, 16, 39]] = np.nan
    assert np.array_equal(np.isnan(ACTIVATIONS[name].h(points)), np.isnan(points))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"logistic", "softplus", "gaussian", "exp", "threshold"}))
def test_zero_and_the_smallest_numbers(name, dtype):
    """h(0) = 0 exactly, and h(a) = h'(0) a within an ulp (of a subnormal) for the smallest a."""
    info = np.finfo(dtype)
    points = np.array([0.0, -0.0, info.smallest_subnormal, info.tiny, -info.tiny], dtype=dtype)
    slopes = {
        "relu": np.array([0, 0, 1, 1, 0]),
        "ramp": np.array([0, 0, 1, 1, 0]),
        "leaky_relu": np.array([0.01, 0.01, 1, 1, 0.01]),
        "selu": np.where(points > 0, 1.0507009873554805, 1.7580993408473766),
        "gelu": 0.5,
        "silu": 0.5,
        "mish": 0.6,
    }
    expected = points * np.asarray(slopes.get(name, 1.0))
    result = ACTIVATIONS[name].h(points)
    assert np.all(result[:2] == 0)
    assert np.all(np.abs(result - expected) <= info.smallest_subnormal)


@pytest.mark.parametrize("name", ["logistic", "softplus", "gaussian", "exp"])
def test_value_at_zero(name):
    expected = {"logistic": 0.5, "softplus": math.log(2), "gaussian": 1.0, "exp": 1.0}[name]
    for dtype in ("float64", "float32"):
        zeros = np.array([0.0, -0.0], dtype=dtype)
        assert np.allclose(ACTIVATIONS[name].h(zeros), expected, rtol=2 * np.finfo(dtype).eps, atol=0)


def test_threshold_is_one_above_zero():
    a = np.array([-np.inf, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, np.inf])
    assert np.array_equal(ACTIVATIONS["threshold"].h(a), [0, 0, 0, 0, 0, 1, 1, 1])


def test_derivatives_at_kinks():
    """The kinks belong to the left branch: h'(0) of relu is 0."""
    zero = np.zeros(1)
    assert ACTIVATIONS["relu"].dh(zero) == 0
    assert ACTIVATIONS["ramp"].dh(np.array([0.0, 1.0])).tolist() == [0, 0]
    assert ACTIVATIONS["leaky_relu"].dh(zero) == 0.01
    assert ACTIVATIONS["elu"].dh(zero) == 1
    assert ACTIVATIONS["selu"].dh(zero) == 1.7580993408473766


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 3, 7), (129,)], ids=str)
def test_any_shape_and_dtype(name, shape):
    for dtype in ("float64", "float32"):
        a = np.linspace(-2, 2, math.prod(shape)).astype(dtype).reshape(shape)
        for function in (ACTIVATIONS[name].h, ACTIVATIONS[name].dh):
            if name == "threshold" and function == ACTIVATIONS[name].dh:
                continue
            result = function(a)
            assert np.shape(result) == shape
            assert result.dtype == dtype
            each = np.array([function(np.array([x]))[0] for x in a.ravel()], dtype=dtype)
            assert np.array_equal(np.ravel(result), each)


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    assert ACTIVATIONS[name].name == name
    assert isinstance(ACTIVATIONS[name], fastbp.Activation)


def test_softmax_is_no_function_of_one_number():
    with pytest.raises(ValueError, match="softmax"):
        OUTPUTS["softmax"].h(np.zeros(3))


# ---------------------------------------------------------------- a user's own


def bent(a):
    return a / math.sqrt(1 + a * a)


def bent_slope(a):
    return (1 + a * a) ** -1.5


def wrong_slope(a):
    return (1 + a * a) ** -1.4


BENT = fastbp.Activation("bent", bent, bent_slope)


def test_own_activation_on_arrays():
    a = np.linspace(-3, 3, 21).reshape(3, 7)
    assert np.allclose(BENT.h(a), a / np.sqrt(1 + a * a), rtol=1e-14)
    assert np.allclose(BENT.dh(a), (1 + a * a) ** -1.5, rtol=1e-14)
    assert BENT.name == "bent"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_samples", [1, 16, 67])
def test_own_activation_has_the_right_gradient(n_samples, dtype):
    case = Case((3, 6, 5, 2), [BENT, "tanh"], BENT, n_samples=n_samples)
    net, X, T, _ = draw(case, dtype)
    assert net.layer_functions == ("bent", "tanh", "bent")
    assert fastbp.check_gradient(net, X, T).worst < 1e-6

    a1 = X @ net.weights[0].T + net.biases[0]
    z2 = np.tanh(BENT.h(a1) @ net.weights[1].T + net.biases[1])
    a3 = z2 @ net.weights[2].T + net.biases[2]
    delta = (BENT.h(a3) - T) * BENT.dh(a3)
    _, grad = net.gradient(X, T)
    reference = np.concatenate([np.zeros(18 + 30), (delta.T @ z2).ravel(), np.zeros(6 + 5), delta.sum(axis=0)])
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    for part in (slice(48, 58), slice(69, 71)):
        assert np.allclose(grad[part], reference[part], rtol=tolerance, atol=tolerance)


@pytest.mark.compiled_only
def test_own_activation_of_compiled_functions():
    own = fastbp.Activation("compiled", numba.njit(bent), numba.njit(bent_slope))
    a = np.linspace(-3, 3, 21)
    assert np.array_equal(own.h(a), BENT.h(a))
    assert np.array_equal(own.dh(a), BENT.dh(a))
    assert "compiled" in repr(own)


def test_own_tanh_equals_the_built_in():
    own = fastbp.Activation("mine", lambda a: math.tanh(a) * 1, lambda a: 1 - math.tanh(a) ** 2)
    case = Case((4, 9, 3), own, n_samples=33)
    net, X, T, _ = draw(case)
    built_in = draw(case._replace(activation="tanh")).net
    assert_gradients_equal(net, net.gradient(X, T)[1], built_in.gradient(X, T)[1], rtol=1e-13)


def test_check_gradient_exposes_a_wrong_derivative():
    wrong = fastbp.Activation("wrong", bent, wrong_slope)
    net, X, T, _ = draw(Case((3, 4, 2), wrong, n_samples=9))
    check = fastbp.check_gradient(net, X, T)
    assert check.worst > 1e-3
    assert check.index < 3 * 4 or 3 * 4 + 4 * 2 <= check.index < 3 * 4 + 4 * 2 + 4  # a parameter below the layer
    assert abs(check.analytic - check.numeric) > 1e-4 * abs(check.numeric)


def test_own_activation_trains_and_travels(tmp_path):
    net, X, T, _ = draw(Case((3, 6, 2), BENT, n_samples=20))
    before = net.loss(X, T)
    net.fit(X, T, epochs=30, learning_rate=0.02)
    assert net.loss(X, T) < 0.9 * before
    net.save(tmp_path / "bent.net")
    loaded = fastbp.Network.load(tmp_path / "bent.net", activations=[BENT])
    copied = pickle.loads(pickle.dumps(net))
    for twin in (loaded, copied):
        assert np.array_equal(twin.forward(X), net.forward(X))
        assert np.array_equal(twin.gradient(X, T)[1], net.gradient(X, T)[1])
    with pytest.raises(ValueError, match="bent"):
        fastbp.Network.load(tmp_path / "bent.net")


@pytest.mark.compiled_only
@pytest.mark.parametrize("h", [lambda a: np.arange(1.0, 4.0), lambda a: np.zeros(0), lambda a: (a, a)])
def test_own_functions_that_return_no_number_are_refused(h):
    """Of an array Numba would take the first number."""
    with pytest.raises(TypeError, match=r"activation 'q': h, dh and d2h must be functions of one number"):
        fastbp.Activation("q", h, lambda a: 1.0).h(np.ones(3))
