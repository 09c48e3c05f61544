"""Label smoothing: what is learned is what targets that were smoothed beforehand teach."""

import numpy as np
import pytest
from cases import Case, draw

import fastbp

EPSILON = 0.3
CASES = [  # the outputs, and how many classes share what a target loses
    (Case((3, 5, 3), output="softmax", loss="cross_entropy", n_samples=40), 3),
    (Case((3, 5, 3), output="logistic", loss="cross_entropy", n_samples=40), 3),
    (Case((3, 5, 2), output="logistic", loss="binary_cross_entropy", skip="all", n_samples=40), 2),
]


def problem(case, dtype="float64"):
    """Return a network, inputs, and targets of 0 and 1."""
    net, X, T, _ = draw(case, dtype)
    if case.output == "softmax" or case.loss == "cross_entropy":
        return net, X, np.eye(T.shape[1])[T.argmax(axis=1)]
    return net, X, (np.median(T, axis=0) < T).astype(float)


def smoothed(T, n_classes):
    return T * (1 - EPSILON) + EPSILON / n_classes


@pytest.mark.parametrize("batch_size", [1, 16], ids=["on-line", "batches"])
@pytest.mark.parametrize(("case", "n_classes"), CASES, ids=str)
def test_as_with_smoothed_targets(case, n_classes, batch_size):
    options = {
        "epochs": 4,
        "batch_size": batch_size,
        "seed": 1,
        "validation": (np.zeros((2, 3)), np.eye(2, case.sizes[-1])),
    }
    net, X, T = problem(case)
    before, other = net.params.copy(), problem(case)[0]
    history = net.fit(X, T, label_smoothing=EPSILON, **options)
    wanted = other.fit(X, smoothed(T, n_classes), **options)
    assert np.abs(net.params - before).max() > 1e-3
    assert np.allclose(net.params, other.params, rtol=1e-9, atol=1e-12)
    assert np.allclose(history.loss, wanted.loss, rtol=1e-11)
    assert np.allclose(history.validation_loss, wanted.validation_loss, rtol=1e-9)  # not smoothed
    assert history.validation_loss[-1] == pytest.approx(net.loss(*options["validation"]) / 2, rel=1e-12)


def test_irregular_network():
    edges = [(0, 2), (1, 2), (0, 3), (2, 4), (3, 4), (1, 5), (2, 5)]
    net, other = (fastbp.Network.from_edges(2, 2, edges, output="softmax", loss="cross_entropy", seed=0) for _ in "ab")
    X = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    T = np.eye(2)[(X[:, 0] > 0).astype(int)]
    net.fit(X, T, label_smoothing=EPSILON, epochs=3, batch_size=5, seed=0)
    other.fit(X, smoothed(T, 2), epochs=3, batch_size=5, seed=0)
    assert np.allclose(net.params, other.params, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 8, None], ids=["on-line", "batches", "all"])
def test_population(batch_size):
    """Each network has its own, in the lanes and beside them."""
    case = CASES[0][0]
    _, X, T = problem(case)
    smoothings = [0.0, EPSILON, EPSILON, 0.1]
    pop = fastbp.Population.of(case.sizes, 4, seeds=0, output="softmax", loss="cross_entropy", dtype="float64")
    options = {"epochs": 3, "batch_size": batch_size, "solver": "rprop" if batch_size is None else "adam"}
    histories = pop.fit(X, T, label_smoothing=smoothings, seeds=5, validation=(X, T), **options)
    for k, (history, smoothing) in enumerate(zip(histories, smoothings, strict=True)):
        alone = fastbp.Network(case.sizes, output="softmax", loss="cross_entropy", dtype="float64", seed=k)
        wanted = alone.fit(X, T, label_smoothing=smoothing, seed=5 + k, validation=(X, T), **options)
        assert np.allclose(pop[k].params, alone.params, rtol=1e-9, atol=1e-12)
        assert np.allclose(history.loss, wanted.loss, rtol=1e-9)
        assert np.allclose(history.validation_loss, wanted.validation_loss, rtol=1e-9)


def test_refused():
    net, X, T = problem(CASES[0][0])
    numbers = fastbp.Network((3, 5, 3), dtype="float64", seed=0)
    before = net.params.copy()
    for call, words in (
        (lambda: numbers.fit(X, T, label_smoothing=0.1), "label_smoothing must be 0 for loss 'squared_error'"),
        (lambda: net.fit(X, T, label_smoothing=1.0), "label_smoothing"),
        (lambda: net.fit(X, T, label_smoothing=0.1, solver="lm"), "label_smoothing must be 0 for solver 'lm'"),
        (lambda: fastbp.Population([numbers]).fit(X, T, label_smoothing=0.1), "label_smoothing must be 0 for loss"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert np.array_equal(net.params, before)
