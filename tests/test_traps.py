"""Traps of training: warned of once, with cause and remedy, and never where nothing is wrong."""

import warnings

import numpy as np
import pytest
from cases import blobs, sine
from refusals import refused

import fastbp
from fastbp.explaining import traps

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))


def warned(net, X, T, **options):
    """The warnings of a training, as texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, T, **({"epochs": 12, "seed": 0} | options))
    assert all(item.category is fastbp.TrainingWarning for item in caught)
    assert all(item.filename == __file__ for item in caught)  # the caller of fit
    return [str(item.message) for item in caught]


def test_targets_outside_the_range_of_the_outputs():
    net = fastbp.Network((2, 3, 1), output="logistic", seed=0)
    (message,) = warned(net, X, 10 * X[:, 0])
    assert "T[:, 0] goes from" in message and "between 0 and 1" in message and "output='identity'" in message
    assert warned(net, X, 10 * X[:, 0]) == []  # once
    assert warned(fastbp.Network((2, 3, 1), output="logistic"), X, 10 * X[:, 0]) != []


@pytest.mark.parametrize(
    ("output", "low", "high"),
    [("logistic", 0, 1), ("tanh", -1, 1), ("softsign", -1, 1), ("sin", -1, 1), ("gaussian", 0, 1), ("relu", 0, 1e6)],
)
def test_bounds_belong_to_the_range(output, low, high):
    net = fastbp.Network((2, 3, 2), output=output, seed=0)
    T = RNG.uniform(low, high, (60, 2))
    T[:2] = [[low, high], [high, low]]
    names = [finding.name for finding in net.diagnose(X, T)]
    assert "targets outside the range of the outputs" not in names
    T[5, 1] = low - 0.01
    finding = next(iter(net.diagnose(X, T)))
    assert finding.name == "targets outside the range of the outputs"
    assert "T[:, 1]" in finding.cause


def test_each_output_has_a_range_of_its_own():
    net = fastbp.Network.from_edges(2, 2, [(0, 2), (1, 3)], activation={2: "logistic", 3: "identity"}, seed=0)
    assert len(net.diagnose(X, np.stack([X[:, 0] > 0, 9 * X[:, 1]], axis=1))) == 0
    assert len(net.diagnose(X, np.stack([9 * X[:, 1], X[:, 0] > 0], axis=1))) == 1


def test_softmax_with_one_output():
    net = fastbp.Network((2, 3, 1), output="softmax", loss="cross_entropy", seed=0)
    (message,) = warned(net, X, X[:, 0] > 0)
    assert "always 1" in message and "binary_cross_entropy" in message


def test_cross_entropy_with_a_logistic_output():
    net = fastbp.Network((2, 3, 1), output="logistic", loss="cross_entropy", seed=0)
    (message,) = warned(net, X, X[:, 0] > 0)
    assert "every output grows to 1" in message


def test_inputs_of_very_different_scales():
    wide = X * [1.0, 1e6]
    (message, *_) = warned(fastbp.Network((2, 3, 1), seed=0), wide, X[:, 0])
    assert "X[:, 1]" in message and "X[:, 0]" in message and "Standardise" in message
    constant = np.stack([X[:, 0], np.full(60, 5.0), np.zeros(60)], axis=1)
    assert len(fastbp.Network((3, 3, 1), seed=0).diagnose(constant, X[:, 0])) == 0
    assert len(fastbp.Network((2, 3, 1), seed=0).diagnose(X * [1.0, 100.0], X[:, 0])) in (0, 1)


def test_a_dead_layer():
    net = fastbp.Network((2, 4, 1), activation="relu", seed=0)
    net.biases[0][:] = -100
    messages = warned(net, X, X[:, 0], learning_rate=1e-4)
    assert any("hidden layer 1 is dead" in message and "leaky_relu" in message for message in messages)
    diagnosis = net.diagnose(X, X[:, 0])
    assert diagnosis.layers[0].dead_units == 4
    assert diagnosis.layers[0].delta == 0
    assert diagnosis.layers[1].delta > 0


def test_a_saturated_layer():
    net = fastbp.Network((2, 4, 1), activation="tanh", seed=0)
    net.weights[0][:] *= 1000
    net.biases[0][:] = 1000
    messages = warned(net, X, X[:, 0], learning_rate=1e-6)
    assert any("hidden layer 1 is saturated" in message for message in messages)
    assert net.diagnose(X, X[:, 0]).layers[0].saturated > 0.9


def test_a_saturated_layer_under_a_bias_that_still_learns():
    """The loss falls to that of constant outputs, and no lower."""
    net = fastbp.Network((2, 8, 1), activation="tanh", seed=0)
    net.weights[0][:] *= 1000
    t = np.sin(X[:, 0]) * X[:, 1] + 3
    messages = warned(net, X, t, epochs=20)
    assert any("hidden layer 1 is saturated" in message for message in messages)
    assert net.diagnose(X, t).layers[0].saturated > 0.9


@pytest.mark.parametrize("function", ["tanh", "logistic", "relu"])
def test_the_remedy_is_one_for_the_function(function):
    net = fastbp.Network((2, 4, 1), activation=function, seed=0)
    net.biases[0][:] = -1000
    (finding,) = [found for found in net.diagnose(X, X[:, 0]) if found.name.startswith("hidden layer 1")]
    assert ("relu" in finding.remedy) == (function == "relu")


def test_bounds_are_said_as_they_are():
    (finding, *_) = fastbp.Network((2, 3, 1), output="relu", seed=0).diagnose(X, X[:, 0])
    assert "a relu output is 0 or above" in finding.cause


def test_no_word_where_nothing_is_wrong():
    x, t = sine(100)
    assert warned(fastbp.Network((1, 8, 1), seed=0), x, t, epochs=60, learning_rate=0.02) == []
    P, C = blobs(90)
    net = fastbp.Network((2, 6, 3), activation="relu", output="softmax", loss="cross_entropy", seed=0)
    assert warned(net, P, C, epochs=60, learning_rate=0.02) == []
    net = fastbp.Network((2, 6, 3), activation="relu", output="logistic", loss="binary_cross_entropy", seed=0)
    assert warned(net, P, C, epochs=60, learning_rate=0.02) == []
    assert len(net.diagnose(P, C)) == 0
    assert "Nothing that is known to go wrong" in str(net.diagnose(P, C))


def test_a_perfect_fit_may_be_saturated():
    """Exclusive or, learnt to the last digit with flat hidden units, is no training that got nowhere."""
    A = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    net = fastbp.Network((2, 3, 1), output="logistic", loss="binary_cross_entropy", seed=1)
    assert warned(net, A, A.sum(axis=1) % 2, solver="rprop", epochs=600) == []
    assert net.loss(A, A.sum(axis=1) % 2) < 1e-3


def test_a_few_epochs_are_no_training():
    net = fastbp.Network((2, 3, 1), output="logistic", seed=0)
    assert warned(net, X, 10 * X[:, 0], epochs=traps.FEWEST_EPOCHS - 1) == []
    assert len(warned(net, X, 10 * X[:, 0], epochs=traps.FEWEST_EPOCHS)) == 1


def test_warnings_as_errors_come_before_any_weight_changes():
    net = fastbp.Network((2, 3, 1), output="logistic", seed=0)
    before = net.params.copy()
    with pytest.raises(fastbp.TrainingWarning):
        net.fit(X, 10 * X[:, 0], epochs=20)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize("function", ["relu", "tanh", "logistic", "softsign", "gelu"])
def test_flat_units_are_those_with_a_small_slope(function):
    from fastbp.activations import ACTIVATIONS

    a = np.linspace(-30, 30, 2001)
    h, highest = ACTIVATIONS[function], {"logistic": 0.25}.get(function, 1.0)
    dead, saturated = traps.flat(function, h.h(a))
    if function == "gelu":
        assert not dead.any() and not saturated.any()
        return
    assert dead.any() == (function in ("relu", "tanh"))  # the others' slopes are tiny, but not 0
    assert np.abs(h.dh(a)[dead]).max(initial=0.0) < 1e-15
    if function == "relu":
        assert np.array_equal(dead, h.dh(a) == 0)
    else:
        assert np.array_equal(saturated, h.dh(a) < traps.SATURATED * highest)


def test_loss_of_constants_is_that_of_the_mean():
    T = RNG.normal(size=(50, 2))
    net = fastbp.Network((2, 3, 2), seed=0)
    samples = net.check_samples(RNG.normal(size=(50, 2)), T)
    assert traps.loss_of_constants(net, samples) == pytest.approx(0.5 * T.var(axis=0).sum())
    weight = np.arange(50.0)
    samples = net.check_samples(samples.x, T, weight)
    mean = np.average(T, axis=0, weights=weight)
    expected = (weight[:, None] * 0.5 * (T - mean) ** 2).sum() / 50
    assert traps.loss_of_constants(net, samples) == pytest.approx(expected)


def test_wrong_arguments():
    net = fastbp.Network((2, 3, 1), seed=0)
    refused(lambda: net.diagnose(X[:, :1], X[:, 0]), "X")
    refused(lambda: net.diagnose(X, X), "T")
