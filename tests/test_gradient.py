"""dE/dparams against the oracle, central differences and torch, for every function, loss and shape."""

import math

import numpy as np
import oracle
import pytest
from cases import (
    COMPILED,
    Case,
    assert_gradients_equal,
    describe,
    draw,
    flatten,
    must_move,
    numeric_gradient,
)
from hypothesis import given
from hypothesis import strategies as st
from shapes import COVERING, LARGE, SAMPLES, SKIPS, WIDTHS

import fastbp

OUTPUTS = [*oracle.ACTIVATIONS, "softmax"]
STEP = 1e-4

# Where a derivative of any order jumps, as a function of a, or of y - t: differences must not reach across.
KINKS = {
    "relu": [0],
    "leaky_relu": [0],
    "elu": [0],
    "selu": [0],
    "ramp": [0, 1],
    "softsign": [0],
    "absolute_error": [0],
    "quantile": [0],
}

LOSS_OPTIONS = [
    fastbp.Loss("quantile", quantile=0.9),
    fastbp.Loss("quantile", quantile=0.05),
    fastbp.Loss("huber", threshold=0.4),
    fastbp.Loss("huber", threshold=3.0),
]


def distance_from_kinks(net, X, T):
    """Return how close any activation, or any y - t, comes to a kink."""
    closest = math.inf
    for x, t in zip(X, T, strict=True):
        a, z = oracle.forward(net, x)
        d = [y_k - t_k for y_k, t_k in zip(z[-1], t, strict=True)]
        for name, values in [*zip(net.functions, a[1:], strict=True), (net.loss, d)]:
            threshold = net.loss_options.get("threshold")
            for kink in KINKS.get(name, [] if threshold is None else [-threshold, threshold]):
                closest = min(closest, *(abs(value - kink) for value in values))
    return closest


def draw_smooth(case):
    """Return the first problem of a case, over seeds, away from kinks and with units that are alive."""
    for seed in range(100):
        problem = draw(case._replace(seed=seed))
        net, X, T = describe(problem.net), problem.X.tolist(), problem.T.tolist()
        if distance_from_kinks(net, X, T) > 20 * STEP and np.any(oracle.gradient(net, X, T)[1][0, 1]):
            return problem
    raise AssertionError("no seed keeps all activations away from the kinks")


def check_against_oracle(case):
    """Compare E and the gradient with central differences and with the scalar automatic differentiation."""
    net, X, T, weight = draw_smooth(case)
    data = X.tolist(), T.tolist(), None if weight is None else weight.tolist()
    E, grad = net.gradient(X, T, sample_weight=weight)

    exact_E, d_weights, d_biases = oracle.gradient(describe(net), *data)
    assert math.isclose(E, exact_E, rel_tol=1e-12)
    assert math.isclose(net.loss(X, T, sample_weight=weight), exact_E, rel_tol=1e-12)
    assert_gradients_equal(net, grad, flatten(net, d_weights, d_biases), rtol=1e-12)

    numeric = numeric_gradient(lambda p: oracle.error(describe(net, p), *data), net.params, STEP)
    assert_gradients_equal(net, grad, numeric, rtol=1e-6)


def check_against_torch(case):
    peers = pytest.importorskip("peers")
    net, X, T, weight = draw(case)
    E, grad = net.gradient(X, T, sample_weight=weight)
    ref_E, d_weights, d_biases = peers.gradient(describe(net), X, T, weight)
    assert math.isclose(E, ref_E, rel_tol=1e-12)
    assert_gradients_equal(net, grad, flatten(net, d_weights, d_biases), rtol=1e-12)


def check_along_directions(case, n_directions=4):
    """Compare grad . direction with central differences of net.loss: cheap for any number of parameters."""
    net, X, T, weight = draw(case)
    _, grad = net.gradient(X, T, sample_weight=weight)
    assert np.any(grad != 0)
    params, rng = net.params.copy(), np.random.default_rng(case.seed)
    directions = rng.normal(size=(n_directions, params.size)) / math.sqrt(params.size)

    def error(p):
        net.params = p
        return net.loss(X, T, sample_weight=weight)

    for direction in directions:
        numeric = oracle.central_difference(lambda s, d=direction: error(params + s * d), 1e-3)
        assert abs(grad @ direction - numeric) <= 1e-6 * np.linalg.norm(grad)


@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_every_activation(name, bias):
    check_against_oracle(Case((3, 5, 4, 2), name, output=name, bias=bias, n_samples=5, weighted=True))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("loss", oracle.LOSSES)
def test_every_loss_with_every_output(loss, output):
    check_against_oracle(Case((2, 3, 3), "tanh", output, loss, n_samples=4, weighted=True))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("loss", oracle.LOSSES)
def test_every_loss_with_every_output_equals_torch(loss, output):
    check_against_torch(Case((5, 9, 4), "silu", output, loss, n_samples=37, weighted=True))


@pytest.mark.parametrize("output", ["identity", "softmax", "softplus"])
@pytest.mark.parametrize("loss", LOSS_OPTIONS, ids=str)
def test_losses_with_an_option(loss, output):
    check_against_oracle(Case((2, 3, 3), "tanh", output, loss, n_samples=4, weighted=True))
    check_against_torch(Case((5, 9, 4), "silu", output, loss, n_samples=37, weighted=True))


@pytest.mark.parametrize("case", SKIPS, ids=str)
def test_skip_connections(case):
    check_against_oracle(case)
    check_against_torch(case._replace(n_samples=65))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_no_hidden_layer(loss, bias):
    check_against_oracle(Case((4, 2), output="logistic", loss=loss, bias=bias, n_samples=9))


def test_a_function_for_each_layer():
    case = Case((2, 4, 3, 5, 2), ["relu", "tanh", "softplus"], "logistic", "huber")
    check_against_oracle(case)
    assert draw(case).net.layer_functions == ("relu", "tanh", "softplus", "logistic")


def test_the_covering_cases_cover():
    assert {case.n_samples for case in COVERING} == set(SAMPLES)
    assert {width for case in COVERING for width in case.sizes} == set(WIDTHS)
    assert {width for case in COVERING for width in case.sizes[1:-1]} >= {1, 16, 17, 64, 130}


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", [*COVERING, *LARGE], ids=str)
def test_sizes(case):
    check_against_torch(case)


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", [c for c in COVERING if c.activation not in KINKS], ids=str)
def test_sizes_by_central_differences(case):
    check_along_directions(case)


@pytest.mark.compiled_only
@pytest.mark.parametrize("n_samples", range(1, 34))
def test_every_small_number_of_samples(n_samples):
    check_against_torch(Case((3, 7, 5, 2), "tanh", n_samples=n_samples))


@pytest.mark.compiled_only
@pytest.mark.parametrize("width", range(1, 36))
def test_every_small_width(width):
    check_against_torch(Case((width, width, width), "tanh", n_samples=21))


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", [*COVERING, *SKIPS, *LARGE], ids=str)
def test_float32_is_close_to_float64(case):
    net, X, T, weight = draw(case, dtype="float32")
    E, grad = net.gradient(X, T, sample_weight=weight)
    assert grad.dtype == np.float32
    double = draw(case)
    double.net.params = net.params  # the rounded weights: the arithmetic is compared, not the rounding of weights
    ref_E, ref = double.net.gradient(X.astype(np.float32), T.astype(np.float32), sample_weight=weight)
    assert math.isclose(E, ref_E, rel_tol=1e-4)
    assert_gradients_equal(net, grad.astype(np.float64), ref, rtol=1e-4)


@st.composite
def drawn_cases(draw_from):
    """Any sizes, functions, skips; outputs and losses in every legal combination."""
    sizes = tuple(draw_from(st.lists(st.sampled_from(WIDTHS if COMPILED else WIDTHS[:6]), min_size=2, max_size=5)))
    outputs = OUTPUTS if sizes[-1] > 1 else list(oracle.ACTIVATIONS)
    output, loss = draw_from(st.sampled_from(outputs)), draw_from(st.sampled_from(list(oracle.LOSSES)))
    hidden = st.sampled_from([name for name in oracle.ACTIVATIONS if name != "exp"])  # e^e^a leaves double precision
    pairs = [(f, t) for t in range(2, len(sizes)) for f in range(t - 1)]
    return Case(
        sizes,
        [draw_from(hidden) for _ in sizes[1:-1]],
        output,
        loss,
        bias=draw_from(st.booleans()) or must_move(Case(output=output, loss=loss)),
        skip=tuple(draw_from(st.lists(st.sampled_from(pairs), unique=True))) if pairs else (),
        n_samples=draw_from(st.sampled_from(SAMPLES if COMPILED else SAMPLES[:5])),
        weighted=draw_from(st.booleans()),
        seed=draw_from(st.integers(0, 1000)),
    )


@given(drawn_cases())
def test_drawn_networks(case):
    net, *_ = draw(case)
    assert (
        net.n_params
        == net.params.size
        == sum(b.size for b in net.biases) + sum(w.size for w in [*net.weights, *net.skip_weights.values()])
    )
    check_against_torch(case)


def test_lanes_without_a_sample_add_nothing():
    """Far from 0, where no samples are, exp overflows: a register's empty lanes must not leak NaN."""
    net = draw(Case((1, 1, 1), "exp", n_samples=3)).net
    net.params = [-1.0, 0.5, 1000.0, 0.1]
    X, T = np.array([[999.0], [1000.0], [1001.5]]), np.zeros((3, 1))
    E, grad = net.gradient(X, T)
    ref_E, d_weights, d_biases = oracle.gradient(describe(net), X.tolist(), T.tolist())
    assert math.isclose(E, ref_E, rel_tol=1e-11)
    assert_gradients_equal(net, grad, flatten(net, d_weights, d_biases), rtol=1e-11)


# ---------------------------------------------------------------- properties of the sum over samples


@pytest.fixture
def problem():
    return draw(Case((4, 6, 3), "tanh", "softmax", "cross_entropy", n_samples=19, weighted=True))


def test_weights_count_samples(problem):
    net, X, T, _ = problem
    count = np.arange(19) % 3
    E, grad = net.gradient(X, T, sample_weight=count)
    ref_E, ref = net.gradient(np.repeat(X, count, axis=0), np.repeat(T, count, axis=0))
    assert math.isclose(E, ref_E, rel_tol=1e-13)
    assert_gradients_equal(net, grad, ref, rtol=1e-13)


def test_weights_of_one_change_nothing(problem):
    net, X, T, _ = problem
    E, grad = net.gradient(X, T, sample_weight=np.ones(19))
    ref_E, ref = net.gradient(X, T)
    assert ref_E == E
    assert np.array_equal(grad, ref)


@pytest.mark.parametrize("n_samples", [1, 8, 21])
def test_targets_of_one_output_may_be_1d(n_samples):
    net, X, T, weight = draw(Case((3, 4, 1), n_samples=n_samples, weighted=True))
    E, grad = net.gradient(X, T[:, 0], sample_weight=weight)
    ref_E, ref = net.gradient(X, T, sample_weight=weight)
    assert E == ref_E == net.loss(X, T[:, 0], sample_weight=weight)
    assert np.array_equal(grad, ref)


def test_gradient_is_the_callers_own(problem):
    net, X, T, _ = problem
    _, first = net.gradient(X, T)
    kept = first.copy()
    net.gradient(2 * X, T)
    assert np.array_equal(first, kept)
    assert not np.shares_memory(first, net.params)


@pytest.mark.filterwarnings("ignore:.*not finite everywhere")
@pytest.mark.parametrize("n_samples", [3, 70])
def test_a_call_leaves_nothing_behind(n_samples):
    """Inf and NaN of one call must not lie in wait for the next one of the same size."""
    case = Case((2, 5, 2), "exp", n_samples=n_samples)
    net, X, T, _ = draw(case)
    assert not np.isfinite(net.gradient(1e4 * X, T)[0])
    net.deltas(-1e4 * X, T)
    E, grad = net.gradient(X, T)
    ref_E, ref = draw(case).net.gradient(X, T)
    assert ref_E == E
    assert np.array_equal(grad, ref)
    net.gradient(1e4 * X, T)
    assert np.array_equal(net.forward(X), draw(case).net.forward(X))
    assert net.loss(X, T) == E


def test_gradient_changes_nothing(problem):
    net, X, T, weight = problem
    before = net.params.copy(), X.copy(), T.copy(), weight.copy()
    net.gradient(X, T, sample_weight=weight)
    for array, kept in zip((net.params, X, T, weight), before, strict=True):
        assert np.array_equal(array, kept)


@pytest.mark.parametrize(
    "as_given",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[::-1][::-1],
        lambda a: a.tolist(),
        lambda a: a.astype(">f8"),
    ],
    ids=["fortran", "strided", "reversed twice", "list", "big-endian"],
)
def test_any_memory_order(problem, as_given):
    net, X, T, weight = problem
    E, grad = net.gradient(as_given(X), as_given(T), sample_weight=as_given(weight))
    ref_E, ref = net.gradient(X, T, sample_weight=weight)
    assert ref_E == E
    assert np.array_equal(grad, ref)


def test_integers_are_converted():
    net, X, _, _ = draw(Case((3, 4, 2), n_samples=6))
    X = np.rint(3 * X).astype(np.int8)
    T = (X[:, :2] > 0).astype(bool)
    E, grad = net.gradient(X, T)
    ref_E, ref = net.gradient(X.astype(np.float64), T.astype(np.float64))
    assert ref_E == E
    assert np.array_equal(grad, ref)
