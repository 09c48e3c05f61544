"""`preset` of the estimators: scaled inputs, rates by layer, and a plain network at the end."""

import pickle

import numpy as np
import pytest
from cases import COMPILED
from scipy import sparse

import fastbp
from fastbp.presets import PRESETS, preset_of

SMALL = {"preset": "realmlp", "hidden_layer_sizes": (8, 6), "max_iter": 60 if COMPILED else 2, "random_state": 0}
TASKS = ("classification", "regression")


def samples(n_outputs=1):
    """Draw columns with a value far out, of few values, and of one value alone; numbers, and classes from them."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(50, 3, 120), rng.integers(0, 3, 120), np.full(120, 4.0), rng.normal(size=120)])
    X[7, 0] = 1e6
    T = 1000 + 50 * np.column_stack([np.tanh(X[:, 3] * (k + 1)) + X[:, 1] for k in range(n_outputs)])
    return X, T[:, 0] if n_outputs == 1 else T


def scaled_by_hand(X, new):
    """Scale as the paper does, column by column."""
    columns = []
    for old, values in zip(X.T, new.T, strict=True):
        q1, q2, q3 = np.percentile(old, [25, 50, 75])
        factor = 1 / (q3 - q1) if q3 > q1 else 2 / np.ptp(old) if np.ptp(old) > 0 else 0.0
        x = factor * (values - q2)
        columns.append(x / np.sqrt(1 + (x / 3) ** 2))
    return np.column_stack(columns)


def test_outputs_are_those_of_a_plain_network_on_scaled_inputs():
    X, y = samples()
    model = fastbp.MLPRegressor(**SMALL).fit(X, y)
    new = np.concatenate([X, [[-1e140, 5, 9, 0]]])
    expected = model.network_.forward(scaled_by_hand(X, new))[:, 0]
    np.testing.assert_allclose(model.predict(new), expected, rtol=1e-12)
    assert model.predict(new[:1]) == pytest.approx(expected[:1], rel=1e-12)
    assert model.network_.layer_functions == ("mish", "mish", "identity")
    assert model.n_iter_ == SMALL["max_iter"] == len(model.loss_curve_)
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict(new), model.predict(new))
    np.testing.assert_allclose(model.predict(sparse.csr_array(X)), model.predict(X), rtol=1e-12)
    plain = model.set_params(preset=None, solver="lbfgs", max_iter=200).fit(X, y)
    np.testing.assert_allclose(plain.predict(X), plain.network_.forward(X)[:, 0], rtol=1e-12)


@pytest.mark.compiled_only
def test_it_learns():
    X, y = samples()
    assert fastbp.MLPRegressor(**SMALL).fit(X, y).score(X, y) > 0.95
    X, Y = samples(2)
    assert fastbp.MLPRegressor(**SMALL).fit(X, Y).score(X, Y) > 0.9
    classes = np.array(["low", "high"])[(y > 1050).astype(int)]
    model = fastbp.MLPClassifier(**SMALL).fit(X, classes, sample_weight=np.ones(120), eval_set=(X, classes))
    assert model.score(X, classes) > 0.95
    assert model.network_.layer_functions == ("selu", "selu", "logistic")
    assert len(model.validation_loss_curve_) == SMALL["max_iter"]


@pytest.mark.compiled_only
def test_derivatives_by_the_raw_inputs():
    X, y = samples()
    model = fastbp.MLPRegressor(**SMALL).fit(X, y)
    points = np.concatenate([X[:5], [[1e6, 1, 4, 0]]])
    for k, step in enumerate((1e-4, 1e-5, 1e-5, 1e-5)):
        ahead, behind = points.copy(), points.copy()
        ahead[:, k] += step
        behind[:, k] -= step
        numeric = (model.predict(ahead) - model.predict(behind)) / (2 * step)
        np.testing.assert_allclose(model.gradient_(points)[:, 0, k], numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_a_step_is_that_of_weights_that_are_divided_by_the_root_of_their_number(task):
    """Adam's first step has the size of its rate: of v in a = v z / sqrt(n_in), so much less of v / sqrt(n_in)."""
    preset = preset_of("realmlp", task)
    net = fastbp.Network((3, 4, 2), seed=0)
    before = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(2, 50, 5))[:, :, :3], rng.normal(size=(50, 2))
    net.fit(X[0], T, epochs=1, batch_size=None, learning_rate=preset.learning_rate, **preset.solver_options(net))
    for layer, n_in in enumerate((3, 4)):
        step = np.abs(net.weights[layer] - before[0][layer])
        np.testing.assert_allclose(step, preset.learning_rate / np.sqrt(n_in), rtol=1e-4)
        np.testing.assert_allclose(np.abs(net.biases[layer] - before[1][layer]), preset.learning_rate / 10, rtol=1e-4)


def test_the_settings_are_those_of_the_paper():
    classes, numbers = (PRESETS["realmlp"][task] for task in TASKS)
    assert (classes.activation, classes.learning_rate, classes.label_smoothing) == ("selu", 0.04, 0.1)
    assert (numbers.activation, numbers.learning_rate, numbers.label_smoothing) == ("mish", 0.2, 0.0)
    for preset in (classes, numbers):
        assert preset.hidden == (256, 256, 256)
        assert (preset.epochs, preset.batch_size, preset.schedule) == (256, 256, "coslog4")
        assert (preset.beta_2, preset.bias_rate, preset.dropout, preset.scaling) == (0.95, 0.1, 0.15, "robust")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "tabnet"}, "The 'preset' parameter of MLPRegressor must be"),
        ({"solver": "sgd"}, "solver must be left at its default, 'adam', with preset 'realmlp'; got 'sgd'"),
        ({"alpha": 0.1}, "alpha must be left at its default, 0.0001"),
        ({"warm_start": True}, "warm_start must be left at its default, False"),
        ({"early_stopping": True}, "early_stopping must be left at its default, False"),
        ({"loss": "poisson"}, "loss must be left at its default, 'squared_error'"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be > 0"),
        ({"dropout": [0.1]}, "dropout"),
    ],
)
def test_refusals(options, message):
    X, y = samples()
    model = fastbp.MLPRegressor(**SMALL).set_params(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "input_scale_")


def test_no_partial_fit():
    with pytest.raises(AttributeError, match="partial_fit"):
        _ = fastbp.MLPClassifier(preset="realmlp").partial_fit
