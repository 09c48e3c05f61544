"""`Network.update`: a step for each sample of a stream, the same bits as `fit` over the same samples in order."""

import copy
import pickle
import threading

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.solvers import SOLVERS

N = 60 if COMPILED else 8
SOLVERS_OF_STREAMS = [
    ("adam", {}), ("adam", {"beta_1": 0.8}), ("sgd", {}), ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.5, "nesterov": True}), ("rmsprop", {"l2": 0.01}), ("sgd", {"l1": 0.001}),
]  # fmt: skip


def samples(n_inputs, n_outputs, dtype="float64", n=N):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n, n_inputs)).astype(dtype), rng.random((n, n_outputs)).astype(dtype)


def fitted(net, X, T, **options):
    net.fit(X, T, batch_size=1, shuffle=False, epochs=1, **options)
    return net.params.copy()


def updated(net, X, T, size=1, **options):
    for start in range(0, len(X), size):
        rows = slice(start, start + size)
        net.update(X[start] if size == 1 else X[rows], T[start] if size == 1 else T[rows], **options)
    return net.params.copy()


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize(("solver", "options"), SOLVERS_OF_STREAMS)
def test_the_same_bits_as_fit(solver, options, size):
    X, T = samples(3, 2)
    net = fastbp.Network((3, 9, 2), seed=1)
    expected = fitted(copy.deepcopy(net), X, T, solver=solver, **options)
    before = net.params.copy()
    assert np.array_equal(updated(net, X, T, size, solver=solver, **options), expected)
    assert not np.array_equal(expected, before)


def networks():
    yield fastbp.Network((3, 8, 5, 2), activation="relu", output="softmax", loss="cross_entropy", seed=1)
    yield fastbp.Network((3, 17, 2), dtype="float32", output="logistic", loss="binary_cross_entropy", seed=1)
    yield fastbp.Network((3, 4, 4, 2), skip="all", bias=False, loss=fastbp.Loss("huber", threshold=0.1), seed=1)
    yield fastbp.Network((3, 2), output="logistic", seed=1)
    yield fastbp.Network((3, 6, 2), activation="gelu", output="exp", loss="poisson", seed=1)
    yield fastbp.Network.from_edges(3, 2, [(0, 3), (1, 4), (2, 4), (3, 5), (4, 6), (0, 6), (3, 4)], seed=1)


@pytest.mark.parametrize("number", range(6))
def test_networks_of_all_kinds(number):
    net = list(networks())[number]
    X, T = samples(3, 2, net.dtype.name)
    T /= T.sum(axis=1, keepdims=True)
    expected = fitted(copy.deepcopy(net), X, T)
    assert np.array_equal(updated(net, X, T), expected)


def test_the_error_is_that_before_the_step():
    X, T = samples(3, 2)
    net = fastbp.Network((3, 9, 2), seed=1)
    for size in (1, 5):
        twin, errors = copy.deepcopy(net), []
        for x, t in zip(X[:size], T[:size], strict=True):
            errors.append(twin.loss(x[None], t[None]))
            twin.update(x, t, solver="sgd")
        assert net.update(X[:size], T[:size], solver="sgd") == pytest.approx(np.mean(errors), rel=1e-12)


def test_what_the_solver_remembers():
    """It goes on with other rates and after `fit`, begins anew with other options, and is not copied."""
    X, T = samples(3, 2)
    start = fastbp.Network((3, 9, 2), seed=1)

    def after(*between, **options):
        net = copy.deepcopy(start)
        updated(net, X, T)
        for step in between:
            net = step(net) or net
        net.params = start.params
        net.update(X[0], T[0], **options)
        return net.params

    fresh = copy.deepcopy(start)
    fresh.update(X[0], T[0])
    assert not np.array_equal(after(), fresh.params)
    assert np.array_equal(after(lambda net: net.update(X[0], T[0], solver="sgd") and None), fresh.params)
    assert np.array_equal(after(copy.deepcopy), fresh.params)
    assert np.array_equal(after(lambda net: pickle.loads(pickle.dumps(net))), fresh.params)
    assert np.array_equal(after(lambda net: net.fit(X, T, epochs=1) and None), after())
    slow = after(learning_rate=0.0005) - start.params
    np.testing.assert_allclose(2 * slow, after() - start.params, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("x", "t"),
    [
        ([0.1, 0.2, 0.3], 1), ([[0.1, 0.2, 0.3]], [[1.0]]), (np.float32([0.1, 0.2, 0.3]), [1.0]),
        (np.array([0.1, 9, 0.2, 9, 0.3, 9])[::2], np.array([1.0])), (np.asfortranarray(np.ones((4, 3))), np.ones(4)),
        (np.ones((2, 3)), [1, 0]), (np.arange(3), np.array([True])), (np.ones((3, 3))[::-1], np.ones((3, 1))),
    ],
)  # fmt: skip
def test_samples_of_all_kinds(x, t):
    net, twin = (fastbp.Network((3, 4, 1), seed=1) for _ in range(2))
    rows = np.reshape(np.asarray(x, float), (-1, 3))
    error = net.update(x, t)
    assert error == twin.update(np.ascontiguousarray(rows), np.reshape(np.asarray(t, float), (-1, 1)))
    assert np.array_equal(net.params, twin.params)


@pytest.mark.parametrize(
    ("x", "t", "message"),
    [
        ([1.0, 2.0], [1.0, 0.0], r"x must have shape \(3,\)"), ([1.0, 2.0, 3.0], [1.0], r"t must have shape \(2,\)"),
        (np.ones((2, 2)), np.ones((2, 2)), "x must"), (np.ones((2, 3)), np.ones((3, 2)), "t must have as many samples"),
        ([1.0, np.nan, 2.0], [1.0, 0.0], "x must be finite"), (np.ones(3), np.array([np.inf, 0.0]), "t must be finite"),
        (np.ones((0, 3)), np.ones((0, 2)), "x must"), ("abc", [1.0, 0.0], "x must"),
        (np.ones((1, 2, 3)), [1.0, 0], "x must"),
    ],
)  # fmt: skip
def test_wrong_samples_change_nothing(x, t, message):
    net = fastbp.Network((3, 4, 2), seed=1)
    before = net.params.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        net.update(x, t)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rprop"}, "needs all samples at once"), ({"solver": "adma"}, "'adam'"),
        ({"learning_rate": 0.0}, "learning_rate"), ({"learning_rate": np.inf}, "learning_rate"),
        ({"learning_rate": lambda epoch: 0.1}, "learning_rate"), ({"l2": -1.0}, "l2"), ({"l1": "x"}, "l1"),
        ({"momentum": 0.9}, "momentum"), ({"schedule": "cosine"}, "a stream has no epochs"),
        ({"beta_1": [1]}, "beta_1"),
    ],
)  # fmt: skip
def test_wrong_options_change_nothing(options, message):
    net = fastbp.Network((3, 4, 2), seed=1)
    before = net.params.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        net.update(np.ones(3), np.ones(2), **options)
    assert np.array_equal(net.params, before)
    net.update(np.ones(3), np.ones(2))


def test_thresholds_cannot_learn():
    with pytest.raises(ValueError, match="update"):
        fastbp.Network((3, 4, 2), activation="threshold").update(np.ones(3), np.ones(2))


@pytest.mark.parametrize("edges", [False, True])
def test_an_error_that_is_not_finite_is_not_learnt_from(edges):
    net = fastbp.Network.from_edges(1, 1, [(0, 1)], seed=1) if edges else fastbp.Network((1, 1), seed=1)
    X, T = np.array([[1.0], [1e200], [1.0]]), np.zeros((3, 1))
    net.params = np.ones(net.n_params)
    twin = copy.deepcopy(net)
    twin.update(X[0], T[0])
    with pytest.warns(RuntimeWarning, match="error of sample 1 of this update is not finite"):
        assert not np.isfinite(net.update(X, T))
    assert np.array_equal(net.params, twin.params)


def test_another_thread_that_trains_is_refused():
    net, refusals = fastbp.Network((3, 4, 2), seed=1), []

    def callback(_net, _history):
        def other():
            try:
                net.update(np.ones(3), np.ones(2))
            except RuntimeError as error:
                refusals.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    net.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=1, callback=callback)
    assert len(refusals) == 1
    assert "another thread trains this network" in refusals[0]


def test_all_solvers_are_here():
    assert {name for name, _ in SOLVERS_OF_STREAMS} == set(SOLVERS) - {"rprop", "quickprop"}
