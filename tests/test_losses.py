"""Losses: values and slopes by hand, canonical pairs far out, and logarithms of outputs that reach 0 or 1."""

import itertools
import math

import mpmath
import numpy as np
import oracle
import pytest
from cases import Case, draw
from refusals import refused

import fastbp
from fastbp import Loss
from fastbp.kernels import codes
from fastbp.kernels.compiling.decorators import unkept
from fastbp.kernels.formulas import losses as kernels
from fastbp.kernels.registers.lanes import first, single


def network_of(a, output, loss, dtype="float64"):
    """Return a network whose outputs have the activations `a` for the one sample X = [[1.0]]."""
    net = fastbp.Network([1, len(a)], output=output, loss=loss, bias=False, dtype=dtype)
    net.weights[0][:, 0] = a
    return net


ONE = np.ones((1, 1))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("loss", "values", "slopes"),
    [  # y - t = -3, -1, -0.5, 0, 0.5, 1, 3
        ("squared_error", [4.5, 0.5, 0.125, 0, 0.125, 0.5, 4.5], [-3, -1, -0.5, 0, 0.5, 1, 3]),
        ("sse", [9, 1, 0.25, 0, 0.25, 1, 9], [-6, -2, -1, 0, 1, 2, 6]),
        ("absolute_error", [3, 1, 0.5, 0, 0.5, 1, 3], [-1, -1, -1, 0, 1, 1, 1]),
        ("huber", [2.5, 0.5, 0.125, 0, 0.125, 0.5, 2.5], [-1, -1, -0.5, 0, 0.5, 1, 1]),
        (Loss("huber", threshold=2), [4, 0.5, 0.125, 0, 0.125, 0.5, 4], [-2, -1, -0.5, 0, 0.5, 1, 2]),
        ("quantile", [1.5, 0.5, 0.25, 0, 0.25, 0.5, 1.5], [-0.5, -0.5, -0.5, 0, 0.5, 0.5, 0.5]),
        (
            Loss("quantile", quantile=0.75),
            [2.25, 0.75, 0.375, 0, 0.125, 0.25, 0.75],
            [-0.75, -0.75, -0.75, 0, 0.25, 0.25, 0.25],
        ),
    ],
)
def test_losses_of_a_difference(loss, values, slopes, dtype):
    difference = np.array([-3, -1, -0.5, 0, 0.5, 1, 3])
    for d, value, slope in zip(difference, values, slopes, strict=True):
        net = network_of([2.0 + d], "identity", loss, dtype)
        E, grad = net.gradient(ONE, [[2.0]])
        assert E == net.loss(ONE, [[2.0]]) == value
        assert np.array_equal(grad, [slope])
    net = network_of(2.0 + difference, "identity", loss, dtype)
    E, grad = net.gradient(ONE, np.full((1, 7), 2.0))
    assert sum(values) == E
    assert np.array_equal(grad, slopes)


@pytest.mark.parametrize("code", kernels.LOSSES)
def test_the_loops_of_the_derivation_know_each_loss_of_the_table(code):
    value, slope = kernels.LOSSES[code]

    @unkept
    def of_table(y, t, option):
        return first(value(single(y), single(t), option)), first(slope(single(y), single(t), option))

    for y, t in ((0.3, 0.9), (0.9, 0.3), (0.5, 0.5)):
        by_code = kernels.unit_error(code, 0.25, y, t), kernels.unit_error_slope(code, 0.25, y, t)
        assert by_code == of_table(y, t, 0.25)
        assert all(map(math.isfinite, by_code))


@pytest.mark.parametrize("pair", kernels.CANONICAL)
def test_the_loops_of_the_derivation_know_each_canonical_pair_of_the_table(pair):
    value = kernels.CANONICAL[pair]

    @unkept
    def of_table(a, y, t, log_sum):
        return first(value(single(a), single(y), single(t), single(log_sum)))

    for t in (0.0, 0.3, 1.0):
        error = kernels.unit_canonical_error(pair[0], 0.4, 0.6, t, 1.2)
        assert error == of_table(0.4, 0.6, t, 1.2)
        assert math.isfinite(error)


def test_canonical_pairs_are_those_of_the_table():
    pairs = itertools.product(kernels.LOSSES, range(codes.CUSTOM + 1))
    assert {pair for pair in pairs if kernels.is_canonical(*pair)} == set(kernels.CANONICAL)


def test_each_loss_has_second_derivatives():
    assert set(kernels.BENDS) == set(kernels.LOSSES)
    of_softmax = {pair for pair in kernels.CANONICAL if pair[1] == codes.SOFTMAX}
    assert set(kernels.CANONICAL_BENDS) == {loss for loss, _ in set(kernels.CANONICAL) - of_softmax}


@pytest.mark.parametrize("code", [-1, len(kernels.LOSSES), 99])
def test_an_unknown_loss_is_no_other_one(code):
    assert code not in kernels.LOSSES
    assert math.isnan(kernels.unit_error(code, 0.25, 0.3, 0.9))
    assert math.isnan(kernels.unit_error_slope(code, 0.25, 0.3, 0.9))
    assert math.isnan(kernels.unit_canonical_error(code, 0.1, 0.3, 0.9, 0.0))


@pytest.mark.parametrize("loss", oracle.LOSSES)
def test_loss_equals_its_formula(loss):
    output = "logistic" if loss == "binary_cross_entropy" else "exp"
    net, X, T, weight = draw(Case((2, 4, 3), "tanh", output, loss, n_samples=18, weighted=True))
    E_n = [
        sum(oracle.LOSSES[loss](float(y_k), float(t_k)) for y_k, t_k in zip(y, t, strict=True))
        for y, t in zip(net.forward(X), T, strict=True)
    ]
    assert math.isclose(net.loss(X, T), sum(E_n), rel_tol=1e-12)
    assert math.isclose(net.loss(X, T, sample_weight=weight), weight @ E_n, rel_tol=1e-12)
    assert isinstance(net.loss(X, T), float)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("batch_size", [1, 20])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_a_constant_learns_the_quantile(quantile, batch_size):
    """One bias, and inputs that are zero: that part of the targets ends up below the output."""
    X, T = np.zeros((100, 1)), np.random.default_rng(3).exponential(size=100)
    net = fastbp.Network((1, 1), init="zeros", loss=Loss("quantile", quantile=quantile))
    net.fit(X, T, solver="sgd", learning_rate=0.05, schedule="cosine", epochs=100, batch_size=batch_size, seed=0)
    assert abs(np.mean(net.biases[0] > T) - quantile) < 0.03


def test_quantile_equals_the_pinball_loss_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    net, X, T, weight = draw(Case((3, 6, 2), loss=Loss("quantile", quantile=0.3), n_samples=40, weighted=True))
    mean = metrics.mean_pinball_loss(T, net.forward(X), sample_weight=weight, alpha=0.3)
    assert math.isclose(net.loss(X, T, sample_weight=weight), 2 * weight.sum() * mean, rel_tol=1e-12)


def test_a_name_stands_for_the_default_option():
    assert fastbp.Network((1, 1), loss="huber").loss_function == Loss("huber") == Loss("huber", threshold=1)
    assert fastbp.Network((1, 1), loss="quantile").loss_function == Loss("quantile", quantile=0.5)
    assert Loss("quantile", quantile=0.5) != Loss("quantile", quantile=0.6)
    assert fastbp.Network((1, 1), loss=Loss("sse")).loss_name == "sse"


@pytest.mark.parametrize(("name", "options", "words"), [
    ("quantile", {"quantile": 0.0}, ["quantile"]),
    ("quantile", {"quantile": 1.0}, ["quantile"]),
    ("quantile", {"quantile": math.nan}, ["quantile"]),
    ("quantile", {"quantile": "0.5"}, ["quantile"]),
    ("huber", {"threshold": 0.0}, ["threshold"]),
    ("huber", {"threshold": math.inf}, ["threshold"]),
    ("huber", {"quantile": 0.5}, ["quantile", "huber"]),
    ("squared_error", {"threshold": 1.0}, ["threshold", "squared_error"]),
    ("hubert", {}, ["name", "huber"]),
    (None, {}, ["name"]),
], ids=str)  # fmt: skip
def test_options_that_make_no_sense(name, options, words):
    refused(lambda: Loss(name, **options), *words)


# ---------------------------------------------------------------- canonical pairs far out


def exact_error(loss, a, t):
    """Return E_n of a canonical pair from the activations, to 60 digits, as a float."""
    with mpmath.workdps(60):
        a, t = [mpmath.mpf(x) for x in a], [mpmath.mpf(x) for x in t]
        if loss == "cross_entropy":
            log_sum = max(a) + mpmath.log(mpmath.fsum(mpmath.exp(x - max(a)) for x in a))
            return float(mpmath.fsum(t_k * (log_sum - a_k) for a_k, t_k in zip(a, t, strict=True)))
        if loss == "binary_cross_entropy":
            return float(mpmath.fsum(mpmath.log1p(mpmath.exp(x)) - t_k * x for x, t_k in zip(a, t, strict=True)))
        return float(mpmath.fsum(mpmath.exp(x) - t_k * x for x, t_k in zip(a, t, strict=True)))


FAR_OUT = [
    ("cross_entropy", "softmax", [1000.0, -1000.0, 999.0], [0, 1, 0]),
    ("cross_entropy", "softmax", [1e300, 0.0, -1e300], [1, 0, 0]),
    ("cross_entropy", "softmax", [-700.0, -701.0, -702.5], [0.25, 0.5, 0.25]),
    ("cross_entropy", "softmax", [40.0, 0.0, 0.0], [1, 0, 0]),
    ("binary_cross_entropy", "logistic", [800.0, -800.0, 40.0, -40.0], [1, 0, 1, 0]),
    ("binary_cross_entropy", "logistic", [800.0, -800.0, 40.0, -40.0], [0, 1, 0, 1]),
    ("binary_cross_entropy", "logistic", [1e5, -1e5, 0.0], [0.25, 0.75, 0.5]),
    ("poisson", "exp", [-1000.0, 0.0, 20.0], [3, 0, 1]),
    ("poisson", "exp", [300.0, -300.0], [7, 0]),
]


@pytest.mark.parametrize(("loss", "output", "a", "t"), FAR_OUT)
def test_canonical_pairs_far_out(loss, output, a, t):
    E, grad = network_of(a, output, loss).gradient(ONE, [t])
    assert math.isclose(E, exact_error(loss, a, t), rel_tol=1e-13, abs_tol=1e-16)
    y = network_of(a, output, loss).forward(ONE)[0]
    assert np.all(np.isfinite(y))
    assert np.allclose(grad, y - t, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("loss", "output", "a", "t"),
    [case for case in FAR_OUT if max(map(abs, case[2])) < 1e3 and case[2] != [300.0, -300.0]],
)
def test_canonical_pairs_far_out_in_float32(loss, output, a, t):
    E, grad = network_of(a, output, loss, "float32").gradient(ONE, [t])
    rounding = np.finfo(np.float32).eps * max(map(abs, a))  # of the activations themselves
    assert math.isclose(E, exact_error(loss, a, t), rel_tol=1e-5, abs_tol=rounding)
    assert np.all(np.isfinite(grad))


def test_softmax_sums_to_one_and_ignores_a_shift():
    net, X, _, _ = draw(Case((3, 5, 4), "tanh", "softmax", "cross_entropy", n_samples=33))
    y = net.forward(X)
    assert np.allclose(y.sum(axis=1), 1.0, rtol=1e-14)
    assert np.all(y > 0)
    net.biases[-1][:] += 500.0
    assert np.allclose(net.forward(X), y, rtol=1e-11)


def test_targets_of_a_softmax_need_not_sum_to_one():
    """E_n = -sum t ln y for any t: the slope is y sum(t) - t."""
    net, X, T, _ = draw(Case((3, 5, 4), "tanh", "softmax", "cross_entropy", n_samples=9))
    T = np.random.default_rng(0).uniform(size=T.shape)
    y = net.forward(X)
    assert np.allclose(net.deltas(X, T)[-1], y * T.sum(axis=1, keepdims=True) - T, rtol=1e-13, atol=1e-15)
    assert math.isclose(net.loss(X, T), -np.sum(T * np.log(y)), rel_tol=1e-13)
    assert fastbp.check_gradient(net, X, T).worst < 1e-6


# ---------------------------------------------------------------- other pairs at the ends


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("loss", "output", "a", "t"),
    [
        ("cross_entropy", "relu", -1.0, 1.0),  # y = 0
        ("cross_entropy", "logistic", -2000.0, 1.0),
        ("binary_cross_entropy", "relu", -1.0, 1.0),
        ("binary_cross_entropy", "identity", 1.0, 0.0),  # 1 - y = 0
        ("binary_cross_entropy", "tanh", 60.0, 0.0),
        ("poisson", "relu", -1.0, 2.0),
    ],
)
def test_the_logarithm_of_zero_is_that_of_the_smallest_normal_number(loss, output, a, t, dtype):
    net = network_of([a], output, loss, dtype)
    largest = -math.log(np.finfo(dtype).tiny)
    E, grad = net.gradient(ONE, [[t]])
    assert math.isclose(E, t * largest if t else largest, rel_tol=1e-5)
    assert np.all(np.isfinite(grad))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("loss", "output", "a", "t"),
    [
        ("cross_entropy", "relu", -1.0, 0.0),
        ("binary_cross_entropy", "relu", -1.0, 0.0),
        ("binary_cross_entropy", "identity", 1.0, 1.0),
        ("poisson", "relu", -1.0, 0.0),
    ],
)
def test_a_certain_output_that_is_right_costs_nothing(loss, output, a, t, dtype):
    assert network_of([a], output, loss, dtype).loss(ONE, [[t]]) == 0


def test_poisson_of_the_right_rate_is_least():
    net = network_of([math.log(3.0)], "exp", "poisson")
    E, grad = net.gradient(ONE, [[3.0]])
    assert math.isclose(E, 3 - 3 * math.log(3), rel_tol=1e-14)
    assert abs(grad[0]) < 1e-14


def test_zero_weights_leave_samples_out():
    net, X, T, _ = draw(Case((2, 4, 1), n_samples=20))
    weight = np.zeros(20)
    assert net.loss(X, T, sample_weight=weight) == 0
    weight[[3, 11]] = 1.0, 2.0
    expected = net.loss(X[3:4], T[3:4]) + 2 * net.loss(X[11:12], T[11:12])
    assert math.isclose(net.loss(X, T, sample_weight=weight), expected, rel_tol=1e-13)


@pytest.mark.compiled_only
def test_the_sum_over_many_samples_is_summed_without_drift():
    """100000 equal errors in float32: E is accurate to float32's own precision."""
    net = network_of([0.3], "identity", "squared_error", "float32")
    X = np.ones((100_000, 1), np.float32)
    single = net.loss(ONE, [[0.0]])
    assert math.isclose(net.loss(X, np.zeros((100_000, 1))), 100_000 * single, rel_tol=1e-5)
