"""`fit`: learning to a real threshold, history, validation, stopping."""

import math

import numpy as np
import pytest
from cases import COMPILED, Case, blobs, draw, sine

import fastbp

CASE = Case((2, 8, 1), "tanh", n_samples=40, seed=6)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop", "rprop", "quickprop"])
def test_learns_xor(solver):
    X, T = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    rates = {"sgd": 2.0, "adam": 0.05, "rmsprop": 0.02, "rprop": 0.1, "quickprop": 1.0}
    options = {"momentum": 0.9, "nesterov": True} if solver == "sgd" else {}
    net = fastbp.Network([2, 6, 1], output="logistic", loss="binary_cross_entropy", seed=2)
    epochs = 400 if solver != "rprop" else 100
    history = net.fit(X, T, solver=solver, batch_size=None, learning_rate=rates[solver], epochs=epochs, **options)
    assert history.loss[-1] < 0.05
    assert np.array_equal(net.forward(X)[:, 0] > 0.5, T == 1)


@pytest.mark.compiled_only
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_learns_a_sine(dtype):
    X, T = sine(400)
    net = fastbp.Network([1, 20, 20, 1], seed=1, dtype=dtype)
    net.fit(X, T, epochs=300, learning_rate=0.01, schedule="cosine", seed=1)
    X_new, T_new = sine(200, seed=9)
    assert np.abs(net.forward(X_new) - T_new).max() < 0.05


@pytest.mark.compiled_only
@pytest.mark.parametrize("activation", ["relu", "gelu", "softsign", "elu"])
def test_learns_classes(activation):
    net = fastbp.Network([2, 16, 3], activation=activation, output="softmax", loss="cross_entropy", seed=0)
    X, T = blobs(300)
    net.fit(X, T, epochs=40, learning_rate=0.01, seed=0)
    X_new, T_new = blobs(300, seed=1)
    assert np.mean(net.forward(X_new).argmax(axis=1) == T_new.argmax(axis=1)) > 0.97


def test_a_linear_network_finds_least_squares():
    rng = np.random.default_rng(3)
    X, T = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    net = fastbp.Network([4, 2], seed=0)
    net.fit(X, T, solver="rprop", epochs=200)
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), T, rcond=None)[0]
    assert np.allclose(net.weights[0].T, exact[:-1], atol=1e-3)
    assert np.allclose(net.biases[0], exact[-1], atol=1e-3)


# ---------------------------------------------------------------- history and validation


def test_history():
    net, X, T, weight = draw(CASE._replace(weighted=True))
    mean = net.loss(X, T, sample_weight=weight) / len(X)
    history = net.fit(X, T, sample_weight=weight, solver="sgd", batch_size=None, epochs=7)
    assert isinstance(history, fastbp.History)
    assert len(history.loss) == history.n_epochs == 7
    assert history.validation_loss is None
    assert history.stopped_by == "epochs"
    assert history.time > 0
    assert math.isclose(history.loss[0], mean, rel_tol=1e-13)  # seen before the step
    assert all(isinstance(value, float) for value in history.loss)
    assert history.loss[-1] < history.loss[0]


def test_own_validation_set():
    net, X, T, _ = draw(CASE)
    X_val, T_val = X[::3] + 0.1, T[::3]
    expected = []
    history = net.fit(
        X,
        T,
        validation=(X_val, T_val),
        epochs=6,
        callback=lambda net, history: expected.append(net.loss(X_val, T_val) / len(X_val)),
    )
    assert np.allclose(history.validation_loss, expected, rtol=1e-12)
    assert len(set(expected)) == 6


def test_weighted_validation_set():
    net, X, T, _ = draw(CASE)
    weight = np.linspace(0.1, 2, len(X))
    history = net.fit(X, T, validation=(X, T, weight), epochs=3)
    assert math.isclose(history.validation_loss[-1], net.loss(X, T, sample_weight=weight) / len(X), rel_tol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_fraction_splits_the_samples(weighted):
    """With steps too small to matter, what is trained on and what is validated add up to all samples."""
    net, X, T, weight = draw(CASE._replace(weighted=weighted))
    total = net.loss(X, T, sample_weight=weight)
    history = net.fit(X, T, sample_weight=weight, validation=0.25, solver="sgd", learning_rate=1e-30, epochs=1, seed=1)
    assert math.isclose(30 * history.loss[0] + 10 * history.validation_loss[0], total, rel_tol=1e-12)
    other = draw(CASE).net.fit(
        X, T, sample_weight=weight, validation=0.25, solver="sgd", learning_rate=1e-30, epochs=1, seed=2
    )
    assert other.validation_loss != history.validation_loss  # the seed governs the split


def test_a_second_fit_goes_on_from_the_present_weights():
    net, X, T, _ = draw(CASE)
    first = net.fit(X, T, epochs=5, batch_size=None, learning_rate=0.01)
    reached = net.loss(X, T) / len(X)
    second = net.fit(X, T, epochs=1, batch_size=None)
    assert reached < first.loss[0]
    assert math.isclose(second.loss[0], reached, rel_tol=1e-12)


# ---------------------------------------------------------------- stopping


def overfitting_problem():
    """Return few noisy samples for a large network: the validation loss falls, then rises."""
    X, T = sine(12, seed=1)
    T = T + np.random.default_rng(2).normal(scale=0.5, size=T.shape)
    return fastbp.Network([1, 30, 1], seed=3), X, T, sine(40, seed=5)


def test_patience_restores_the_best_weights():
    net, X, T, (X_val, T_val) = overfitting_problem()
    saved = []
    history = net.fit(
        X,
        T,
        validation=(X_val, T_val),
        patience=8,
        epochs=3000 if COMPILED else 300,
        learning_rate=0.05,
        seed=0,
        callback=lambda net, history: saved.append(net.params.copy()),
    )
    best = int(np.argmin(history.validation_loss))
    assert history.stopped_by == "patience"
    assert history.best_epoch == best
    assert history.n_epochs == len(history.validation_loss) == best + 8 + 1
    assert np.array_equal(net.params, saved[best])
    assert math.isclose(net.loss(X_val, T_val) / len(X_val), min(history.validation_loss), rel_tol=1e-12)


def test_best_weights_are_restored_when_the_epochs_run_out():
    net, X, T, validation = overfitting_problem()
    history = net.fit(X, T, validation=validation, patience=10**6, epochs=60, learning_rate=0.2, seed=0)
    assert history.stopped_by == "epochs"
    assert history.best_epoch == int(np.argmin(history.validation_loss)) < 59
    reached = net.loss(*validation) / len(validation[0])
    assert math.isclose(reached, min(history.validation_loss), rel_tol=1e-12)


def test_patience_without_validation_watches_the_training_loss():
    net, X, T, _ = draw(CASE)
    rates = [0.01] * 5 + [3.0] * 50  # learns, then leaps about
    history = net.fit(X, T, solver="sgd", patience=4, epochs=50, batch_size=None, learning_rate=lambda e: rates[e])
    assert history.stopped_by == "patience"
    assert history.best_epoch == int(np.argmin(history.loss))
    assert history.n_epochs == history.best_epoch + 5


def test_the_weights_of_the_lowest_training_loss_are_restored():
    """The loss of an epoch is that before its steps: the weights before the leap are the best, not those after."""
    net, X, T, _ = draw(CASE)
    rates = [0.01] * 5 + [3.0] * 50
    history = net.fit(X, T, solver="sgd", patience=4, epochs=50, batch_size=None, learning_rate=lambda e: rates[e])
    assert math.isclose(net.loss(X, T) / len(X), min(history.loss), rel_tol=1e-12)


def test_patience_counts_only_gains_above_tol():
    net, X, T, _ = draw(CASE)
    options = {"solver": "sgd", "learning_rate": 1e-4, "patience": 3, "epochs": 30, "batch_size": None}
    assert draw(CASE).net.fit(X, T, **options).stopped_by == "epochs"
    history = net.fit(X, T, tol=1.0, **options)
    assert history.stopped_by == "patience"
    assert history.n_epochs == 4


@pytest.mark.parametrize(("part_of_gain", "best_epoch"), [(0.75, 1), (1.25, 0)])
def test_a_new_best_is_lower_by_more_than_tol(part_of_gain, best_epoch):
    options = {"solver": "sgd", "learning_rate": 1e-3, "batch_size": None, "epochs": 2}
    net, X, T, _ = draw(CASE)
    first, second = net.fit(X, T, **options).loss
    history = draw(CASE).net.fit(X, T, patience=10, tol=part_of_gain * (first - second), **options)
    assert history.best_epoch == best_epoch


def test_tol_alone_stops_after_ten_epochs_and_keeps_the_weights():
    net, X, T, _ = draw(CASE)
    saved = []
    history = net.fit(
        X,
        T,
        solver="sgd",
        learning_rate=1e-4,
        tol=1.0,
        epochs=100,
        batch_size=None,
        callback=lambda net, history: saved.append(net.params.copy()),
    )
    assert history.stopped_by == "tol"
    assert history.n_epochs == 11
    assert np.array_equal(net.params, saved[-1])


def test_tol_does_not_stop_a_run_that_learns():
    net, X, T, _ = draw(CASE)
    history = net.fit(X, T, solver="sgd", learning_rate=0.01, tol=1e-9, epochs=40, batch_size=None)
    assert history.stopped_by == "epochs"


@pytest.mark.parametrize("epochs", [1, 3])
def test_epochs(epochs):
    net, X, T, _ = draw(CASE)
    assert net.fit(X, T, epochs=epochs).n_epochs == epochs


@pytest.mark.parametrize("loss", ["sse", "huber", "absolute_error", "poisson"])
def test_every_loss_trains(loss):
    output = "exp" if loss == "poisson" else "identity"
    net, X, T, _ = draw(CASE._replace(loss=loss, output=output, n_samples=30))
    before = net.loss(X, T)
    net.fit(X, T, epochs=30, learning_rate=0.02)
    assert net.loss(X, T) < 0.9 * before
