"""Dropout: steps under masks that are drawn here once more, by the hash that many_samples/dropout.py documents."""

import math

import numpy as np
import oracle
import pytest
from cases import COMPILED, Case, assert_gradients_equal, describe, draw, numeric_gradient
from refusals import T as TWO_OUTPUTS
from refusals import X as THREE_INPUTS
from refusals import refused

import fastbp
from fastbp.engine import engine
from fastbp.training import loop

BITS = 2**64 - 1


def nth(key, n):
    """Return number n that splitmix64 gives from a state on, in Python's own integers."""
    x = (key + (n + 1) * 0x9E3779B97F4A7C15) & BITS
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & BITS
    return x ^ (x >> 31)


def factors(key, epoch, row, units, rate):
    """Return m_j of the units for one sample."""
    sample = nth(nth(key, epoch), row)
    return [1 / (1 - rate) if nth(sample, j) >> 32 >= rate * 2**32 else 0.0 for j in units]


def key_of(seed):
    """Return the key of a run: what is drawn second, after the state of the shuffling."""
    return np.random.default_rng(seed).integers(0, 2**64, 2, np.uint64)[1].item()


def error(layers, x, t, m):
    """Return E_n of one sample with the hidden units times m: a list of factors for each hidden layer."""
    z = [list(x)]
    for layer, function in enumerate(layers.functions, start=1):
        a = list(layers.biases[layer - 1])
        for (sender, receiver), w in layers.weights.items():
            if receiver == layer:
                a = [
                    a_j + sum(w_ji * z_i for w_ji, z_i in zip(row, z[sender], strict=True))
                    for a_j, row in zip(a, w, strict=True)
                ]
        y = oracle.softmax(a) if function == "softmax" else [oracle.ACTIVATIONS[function](a_j) for a_j in a]
        z.append([m_j * y_j for m_j, y_j in zip(m[layer - 1], y, strict=True)] if layer < len(layers.functions) else y)
    return sum(oracle.LOSSES[layers.loss](y_k, t_k) for y_k, t_k in zip(z[-1], t, strict=True))


def reference_step(problem, rows, key, epoch, rates, learning_rate):
    """Take a step of gradient descent along the mean over the rows; return their error."""
    net, X, T, weight = problem
    starts = np.cumsum([0, *net.sizes])
    m = {
        n: [factors(key, epoch, n, range(starts[l], starts[l + 1]), rate) for l, rate in enumerate(rates, start=1)]
        for n in rows
    }

    def total(params):
        layers = describe(net, params)
        return sum(weight[n] * error(layers, X[n].tolist(), T[n].tolist(), m[n]) for n in rows)

    E, grad = total(net.params), numeric_gradient(total, net.params, 1e-3)
    net.params = net.params - learning_rate / len(rows) * grad
    return E


CASES = [
    Case((3, 5, 2), "tanh", n_samples=6, weighted=True),
    Case((2, 4, 3, 3), ["logistic", "gelu"], "softmax", "cross_entropy", skip="all", n_samples=5, weighted=True),
    Case((2, 7, 6, 1), ["silu", "softplus"], "logistic", "binary_cross_entropy", n_samples=9, weighted=True),
    Case((2, 4, 5, 1), ["identity", "sin"], "tanh", "sse", bias=False, n_samples=4, weighted=True),
    Case((3, 8, 2), "gaussian", "exp", "poisson", n_samples=3, weighted=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_under_known_masks(case):
    rates = [0.5, 0.2][: len(case.sizes) - 2]
    fitted, reference = draw(case), draw(case)
    before, rate = fitted.net.params.copy(), 0.01
    E = reference_step(reference, range(case.n_samples), key_of(7), 0, rates, rate)
    X, T, weight = fitted.data
    options = {"solver": "sgd", "learning_rate": rate, "epochs": 1, "batch_size": None, "seed": 7}
    history = fitted.net.fit(X, T, sample_weight=weight, dropout=rates, **options)
    assert math.isclose(history.loss[0], E / case.n_samples, rel_tol=1e-12)
    assert not math.isclose(history.loss[0], draw(case).net.loss(X, T, weight) / case.n_samples, rel_tol=1e-3)
    steps = [(net.params - before) / rate for net in (fitted.net, reference.net)]
    assert_gradients_equal(fitted.net, *steps, rtol=1e-7)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu"])
def test_functions_with_a_kink(activation):
    """The same far enough from the kink: relu is worked out in place, and its slope taken from z."""
    test_a_step_under_known_masks(Case((3, 6, 4, 2), activation, n_samples=4, weighted=True, seed=3))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_masks_change_with_the_epoch_and_belong_to_the_row(batch_size):
    case = Case((2, 5, 1), "tanh", n_samples=5, weighted=True)
    fitted, reference = draw(case), draw(case)
    losses = []
    for epoch in range(3):
        starts = range(0, case.n_samples, batch_size)
        batches = [range(start, min(start + batch_size, case.n_samples)) for start in starts]
        errors = [reference_step(reference, rows, key_of(3), epoch, [0.4], 0.05) for rows in batches]
        losses.append(sum(errors) / case.n_samples)
    X, T, weight = fitted.data
    options = {"solver": "sgd", "learning_rate": 0.05, "epochs": 3, "batch_size": batch_size, "shuffle": False}
    history = fitted.net.fit(X, T, sample_weight=weight, seed=3, dropout=0.4, **options)
    assert np.allclose(history.loss, losses, rtol=1e-9)
    assert np.allclose(fitted.net.params, reference.net.params, rtol=1e-8)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_rates(rate):
    """So many units are left out, and one says nothing of another: by epochs, rows and units."""
    key = key_of(0)
    left_out = np.array(
        [[[m == 0 for m in factors(key, epoch, row, range(30), rate)] for row in range(30)] for epoch in range(10)]
    )
    deviation = math.sqrt(rate * (1 - rate))
    assert abs(left_out.mean() - rate) < 4 * deviation / math.sqrt(left_out.size)
    for axis in range(3):
        ordered = np.moveaxis(left_out, axis, 0) - rate
        products = (ordered[1:] * ordered[:-1]).ravel()
        assert abs(products.mean()) < 4 * deviation**2 / math.sqrt(products.size)


@pytest.mark.compiled_only
def test_outputs_stay_what_they_are_on_average():
    """One hidden unit of 1,000 linear ones has no say: training losses are those of unbiased outputs."""
    net = fastbp.Network((1, 1000, 1), activation="identity", bias=False, init="zeros")
    net.weights[0][:], net.weights[1][:] = 1.0, 1e-3
    X, T = np.ones((2000, 1)), np.zeros((2000, 1))
    history = net.fit(X, T, solver="sgd", learning_rate=1e-12, epochs=1, batch_size=None, seed=0, dropout=0.25)
    variance = 1e-3 * 0.25 / 0.75
    assert math.isclose(history.loss[0], (1 + variance) / 2, rel_tol=1e-3)


def train(dropout, **options):
    """Return the parameters and losses of a short training."""
    net, X, T, weight = draw(Case((3, 20, 9, 2), ["tanh", "relu"], n_samples=150, weighted=True))
    history = net.fit(
        X, T, sample_weight=weight, **{"epochs": 3, "batch_size": 70, "seed": 5} | options, dropout=dropout
    )
    return np.append(net.params, history.loss)


def test_no_dropout_is_no_dropout():
    plain = train(0.0)
    assert np.array_equal(plain, train([0, 0.0]))
    net, X, T, weight = draw(Case((3, 20, 9, 2), ["tanh", "relu"], n_samples=150, weighted=True))
    history = net.fit(X, T, sample_weight=weight, epochs=3, batch_size=70, seed=5)
    assert np.array_equal(plain, np.append(net.params, history.loss))


def test_the_seed_governs_which_units():
    first = train(0.3)
    assert np.array_equal(first, train(np.array([0.3, 0.3])))
    assert not np.allclose(first, train(0.3, seed=6))
    assert not np.allclose(first, train(0.0))


def test_one_layer_alone():
    both, first, second = train([0.3, 0.3]), train([0.3, 0]), train([0, 0.3])
    assert not np.allclose(both, first)
    assert not np.allclose(first, second)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    """With thresholds as low as they go, a batch makes many chunks of many tiles; they leave out what one would."""
    whole = train(0.4, batch_size=140)
    monkeypatch.setattr(engine, "MIN_CHUNK_PRODUCTS", 1)
    for name, value in (("TILE_BYTES", 1), ("MIN_TILE", 64)):
        monkeypatch.setattr(engine, name, value)
    one, two = (train(0.4, batch_size=140, n_threads=n) for n in (1, 2))
    assert np.array_equal(one, two)
    assert np.allclose(one, whole, rtol=1e-9)
    assert COMPILED is False or draw(Case((3, 20, 9, 2), n_samples=1)).net.engine.n_chunks(140) > 1


@pytest.mark.parametrize("batch_size", [1, 50])
def test_control_goes_back_to_python_often(batch_size, monkeypatch):
    options = {"batch_size": batch_size, "epochs": 4 if COMPILED else 2}
    whole = train(0.3, **options)
    monkeypatch.setattr("fastbp.training.options.WINDOW", 1)
    monkeypatch.setattr(loop, "RETURN_SECONDS", 0.0)
    assert np.array_equal(whole, train(0.3, **options))
    monkeypatch.setattr(engine, "PART_PRODUCTS", 1 << 15)
    assert draw(Case((3, 20, 9, 2), n_samples=1)).net.engine.part_size < 50
    assert np.allclose(whole, train(0.3, **options), rtol=1e-9)


def test_validation_is_without_dropout():
    net, X, T, weight = draw(Case((3, 9, 2), n_samples=40, weighted=True))
    history = net.fit(X, T, epochs=2, validation=(X, T, weight), dropout=0.5, seed=0)
    assert math.isclose(history.validation_loss[-1], net.loss(X, T, sample_weight=weight) / 40, rel_tol=1e-12)
    assert np.array_equal(net.forward(X), net.forward(X))


def test_float32_is_close_to_float64():
    single, double = (draw(Case((3, 9, 2), n_samples=40), dtype) for dtype in ("float32", "float64"))
    losses = [p.net.fit(p.X, p.T, epochs=3, dropout=0.5, seed=0).loss for p in (single, double)]
    assert np.allclose(*losses, rtol=1e-4)


def test_a_fit_that_needs_it_generalizes_better():
    """Forty noisy samples and two hundred units: the validation loss is lower with dropout."""
    rng = np.random.default_rng(0)
    X, X_val = rng.normal(size=(2, 40, 10))
    T, T_val = X[:, :1] + rng.normal(size=(40, 1)), X_val[:, :1]
    losses = []
    for dropout in (0.0, 0.5):
        net = fastbp.Network((10, 60, 1), activation="relu", seed=0)
        net.fit(X, T, epochs=150 if COMPILED else 40, batch_size=None, learning_rate=0.01, dropout=dropout, seed=0)
        losses.append(net.loss(X_val, T_val))
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    "dropout", [1.0, -0.1, math.nan, "0.5", True, None, [0.5, 0.5], [], [[0.5]], ["a"], [1.0]], ids=str
)
def test_rates_that_make_no_sense(dropout):
    net = fastbp.Network((3, 4, 2), seed=0)
    before = net.params.copy()
    refused(lambda: net.fit(THREE_INPUTS, TWO_OUTPUTS, dropout=dropout), "dropout")
    assert np.array_equal(net.params, before)


def test_without_hidden_layers():
    net = fastbp.Network((3, 2), seed=0)
    refused(lambda: net.fit(THREE_INPUTS, TWO_OUTPUTS, dropout=0.5), "dropout", "hidden")
    net.fit(THREE_INPUTS, TWO_OUTPUTS, dropout=0.0, epochs=1)
