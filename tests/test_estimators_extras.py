"""What the estimators have beyond scikit-learn's; all of it is off by default."""

import inspect
import math
import pickle

import numba
import numpy as np
import pytest
import sklearn.neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_sample_weight
from subprocesses import run_python

import fastbp
from fastbp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = (a[::3] for a in load_iris(return_X_y=True))
X_DIABETES, Y_DIABETES = (
    StandardScaler().fit_transform(a.reshape(442, -1))[:60] for a in load_diabetes(return_X_y=True)
)
Y_DIABETES = Y_DIABETES.ravel()
SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 3, "batch_size": 16}


def cube(a):
    return 0.1 * a * a * a + a


def cube_slope(a):
    return 0.3 * a * a + 1.0


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_signatures_begin_as_scikit_learns(ours):
    """Names, order, kinds and defaults; what is added comes after them, by keyword only."""
    theirs = list(inspect.signature(getattr(sk, ours.__name__)).parameters.values())
    found = list(inspect.signature(ours).parameters.values())
    for a, b in zip(theirs, found, strict=False):
        assert (a.name, a.kind, a.default) == (b.name, b.kind, b.default)
    assert len(found) > len(theirs)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in found[len(theirs) :])
    for method in ("fit", "partial_fit", "predict", "score"):
        names = list(inspect.signature(getattr(getattr(sk, ours.__name__), method)).parameters)
        assert list(inspect.signature(getattr(ours, method)).parameters)[: len(names)] == names


def same_weights(a, b):
    return np.array_equal(a.network_.params, b.network_.params)


# ---------------------------------------------------------------- layers


def test_an_activation_for_each_layer():
    both = [MLPClassifier(activation=a, **SMALL).fit(X_IRIS, Y_IRIS) for a in ("tanh", ["tanh", "tanh"])]
    assert same_weights(*both)
    mixed = MLPClassifier(activation=("gelu", "silu"), **SMALL).fit(X_IRIS, Y_IRIS)
    assert mixed.network_.layer_functions == ("gelu", "silu", "softmax")
    assert mixed.loss_curve_[-1] < mixed.loss_curve_[0]
    with pytest.raises(ValueError, match="activation must be one name, or one for each of the 2 hidden layers; got 3"):
        MLPClassifier(activation=["tanh"] * 3, **SMALL).fit(X_IRIS, Y_IRIS)
    with pytest.raises(ValueError, match="The 'activation' parameter of MLPClassifier must be"):
        MLPClassifier(activation="threshold", **SMALL).fit(X_IRIS, Y_IRIS)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_users_own_activation(solver):
    own = fastbp.Activation("cube", cube, cube_slope)
    estimator = clone(MLPRegressor(activation=own, output_activation=own, solver=solver, **SMALL))
    estimator.fit(X_DIABETES, Y_DIABETES)
    assert estimator.network_.layer_functions == ("cube",) * 3
    assert estimator.out_activation_ == "cube"
    assert fastbp.check_gradient(estimator.network_, X_DIABETES, Y_DIABETES).worst < 1e-6
    assert np.array_equal(pickle.loads(pickle.dumps(estimator)).predict(X_DIABETES), estimator.predict(X_DIABETES))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_skips(solver):
    plain = MLPRegressor(solver=solver, **SMALL).fit(X_DIABETES, Y_DIABETES)
    by_pairs = MLPRegressor(solver=solver, skip=[(0, 2), (0, 3), (1, 3)], **SMALL).fit(X_DIABETES, Y_DIABETES)
    to_all = MLPRegressor(solver=solver, skip="all", **SMALL).fit(X_DIABETES, Y_DIABETES)
    assert same_weights(by_pairs, to_all)
    assert to_all.network_.skip == ((0, 2), (0, 3), (1, 3))
    assert [c.shape for c in to_all.coefs_] == [c.shape for c in plain.coefs_]
    assert to_all.loss_ != plain.loss_
    with pytest.raises(ValueError, match="skip must go from a layer to one at least two further on"):
        MLPRegressor(skip=[(0, 1)], **SMALL).fit(X_DIABETES, Y_DIABETES)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_the_gradient_of_lbfgs(loss):
    """Against central differences of the loss, in scikit-learn's order of the weights.

    Of the squared error of several outputs scikit-learn has the mean as loss, and the gradient of the sum.
    """
    Y = Y_DIABETES.reshape(-1, 1) if loss == "squared_error" else np.column_stack([Y_DIABETES, np.sin(Y_DIABETES)])
    weight = np.linspace(0, 2, 60)
    estimator = MLPRegressor(loss, solver="lbfgs", skip="all", alpha=0.3, activation="tanh", **SMALL)
    estimator.fit(X_DIABETES, Y.squeeze(), weight)
    rng = np.random.default_rng(0)
    place = rng.normal(scale=0.3, size=estimator.network_.n_params)

    def loss(packed):
        return estimator._loss_grad_lbfgs(packed, X_DIABETES, Y, weight)[0]

    gradient = estimator._loss_grad_lbfgs(place, X_DIABETES, Y, weight)[1]
    assert np.abs(gradient).min() > 0
    for k in rng.choice(len(place), 12, replace=False):
        step = 1e-5 * np.eye(len(place))[k]
        assert math.isclose((loss(place + step) - loss(place - step)) / 2e-5, gradient[k], rel_tol=1e-5, abs_tol=1e-8)


def test_bounded_outputs():
    y = 1 / (1 + np.exp(-X_DIABETES[:, 0]))
    estimator = MLPRegressor(output_activation="logistic", **(SMALL | {"solver": "lbfgs", "max_iter": 30}))
    predicted = estimator.fit(X_DIABETES, y).predict(50 * X_DIABETES)
    assert estimator.out_activation_ == "logistic"
    assert 0 <= predicted.min() < 0.1
    assert 0.9 < predicted.max() <= 1


def test_poisson_with_another_output_function():
    y = np.random.default_rng(0).poisson(3, 60).astype(float)
    estimator = MLPRegressor("poisson", output_activation="softplus", **(SMALL | {"max_iter": 3})).fit(X_DIABETES, y)
    predicted = estimator.predict(X_DIABETES)
    expected = np.mean(np.where(y > 0, y * np.log(np.maximum(y, 1) / predicted), 0) - y + predicted)
    penalty = 0.5 * estimator.alpha * sum((c**2).sum() for c in estimator.coefs_) / 60
    follow = estimator.set_params(warm_start=True, batch_size=60, max_iter=1, shuffle=False).fit(X_DIABETES, y)
    assert math.isclose(follow.loss_curve_[-1], expected + penalty, rel_tol=1e-9)


# ---------------------------------------------------------------- losses and solvers


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("loss", "E"), [
    ("squared_error", lambda d: 0.5 * d**2),
    ("absolute_error", np.abs),
    ("huber", lambda d: np.where(np.abs(d) <= 1, 0.5 * d**2, np.abs(d) - 0.5)),
])  # fmt: skip
def test_losses_are_means_over_samples(loss, E, solver):
    """Sums over outputs; scikit-learn's squared error is a mean over these as well."""
    Y = np.column_stack([2 * Y_DIABETES, np.sin(Y_DIABETES)])
    options = SMALL | {"solver": solver, "max_iter": 5, "alpha": 0.5}
    estimator = MLPRegressor(loss, **options).fit(X_DIABETES, Y, eval_set=(X_DIABETES, Y))
    of_samples = E(estimator.predict(X_DIABETES) - Y).sum(axis=1)
    expected = of_samples.mean() / (2 if loss == "squared_error" else 1)
    assert math.isclose(estimator.validation_loss_curve_[-1], expected, rel_tol=1e-9)
    assert estimator.validation_loss_curve_[-1] < estimator.validation_loss_curve_[0]
    if solver == "lbfgs":
        assert math.isclose(estimator.loss_, expected + 0.25 * sum((c**2).sum() for c in estimator.coefs_) / 60)


@pytest.mark.parametrize("solver", ["rmsprop", "rprop"])
def test_further_solvers_take_the_steps_of_the_network(solver):
    """All samples in a batch: the mean over them, and alpha divided by their number."""
    options = SMALL | {"solver": solver, "batch_size": "auto", "alpha": 0.6, "learning_rate_init": 0.01}
    start = MLPRegressor(**(options | {"max_iter": 1, "learning_rate_init": 1e-300, "solver": "sgd"}))
    net = start.fit(X_DIABETES, Y_DIABETES).network_
    step = {"epsilon": 1e-8} if solver == "rmsprop" else {}
    net.fit(X_DIABETES, Y_DIABETES, solver=solver, epochs=6, batch_size=None, learning_rate=0.01, l2=0.6 / 60, **step)
    estimator = MLPRegressor(**options).fit(X_DIABETES, Y_DIABETES)
    np.testing.assert_allclose(estimator.network_.params, net.params, rtol=1e-9)
    assert estimator.n_iter_ == 6


def test_rprop_needs_all_samples():
    with pytest.raises(ValueError, match="batch_size must be 'auto' for solver 'rprop'"):
        MLPRegressor(solver="rprop", **SMALL).fit(X_DIABETES, Y_DIABETES)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_quantiles(solver):
    """A network without inputs that matter comes to the quantile of the targets."""
    y = np.sort(np.random.default_rng(0).normal(size=60))
    options = {"solver": solver, "hidden_layer_sizes": (), "alpha": 0.0, "random_state": 0, "max_iter": 4000}
    options |= {"tol": 0.0, "learning_rate": "invscaling", "learning_rate_init": 1.0, "n_iter_no_change": 4000}
    estimator = MLPRegressor("quantile", quantile=0.8, **options).fit(np.zeros((60, 1)), y)
    assert y[46] <= estimator.predict([[0.0]])[0] <= y[49]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_l1_is_divided_by_the_number_of_samples(solver):
    options = SMALL | {"solver": solver, "batch_size": 60, "alpha": 0.2, "momentum": 0.0, "learning_rate_init": 0.01}
    net = MLPRegressor(**(options | {"max_iter": 1, "learning_rate_init": 1e-300})).fit(X_DIABETES, Y_DIABETES).network_
    first = net.loss(X_DIABETES, Y_DIABETES) + 0.1 * sum((w**2).sum() for w in net.weights)
    first += 3.0 * sum(np.abs(w).sum() for w in net.weights)
    net.fit(
        X_DIABETES, Y_DIABETES, solver=solver, epochs=6, batch_size=None, learning_rate=0.01, l2=0.2 / 60, l1=3.0 / 60
    )
    estimator = MLPRegressor(l1=3.0, **options).fit(X_DIABETES, Y_DIABETES)
    np.testing.assert_allclose(estimator.network_.params, net.params, rtol=1e-9, atol=1e-14)
    assert math.isclose(estimator.loss_curve_[0], first / 60, rel_tol=1e-9)


def test_l1_of_lbfgs():
    options = SMALL | {"solver": "lbfgs", "max_iter": 200}
    plain, sparse = (MLPRegressor(l1=l1, **options).fit(X_DIABETES, Y_DIABETES) for l1 in (0.0, 5.0))
    small = [np.mean(np.abs(e.coefs_[0]) < 1e-2) for e in (plain, sparse)]
    assert small[0] < 0.2
    assert small[1] > 0.5


@pytest.mark.parametrize("rates", [0.5, [0.0, 0.5]], ids=str)
def test_dropout(rates):
    plain, dropped, again = (MLPRegressor(dropout=p, **SMALL).fit(X_DIABETES, Y_DIABETES) for p in (0.0, rates, rates))
    assert same_weights(dropped, again)
    assert not same_weights(dropped, plain)
    assert same_weights(plain, MLPRegressor(dropout=[0.0, 0.0], **SMALL).fit(X_DIABETES, Y_DIABETES))
    assert np.array_equal(dropped.predict(X_DIABETES), dropped.predict(X_DIABETES))
    whole = [
        MLPRegressor(dropout=rates, callback=c, **SMALL).fit(X_DIABETES, Y_DIABETES) for c in (None, lambda _e: False)
    ]
    assert same_weights(*whole), "a run of epochs in one call, and epoch by epoch"
    with pytest.raises(ValueError, match="dropout must be 0 for solver 'lbfgs'"):
        MLPRegressor(dropout=rates, **(SMALL | {"solver": "lbfgs"})).fit(X_DIABETES, Y_DIABETES)
    with pytest.raises(ValueError, match="dropout must be one rate or one for each of 2 hidden layers"):
        MLPRegressor(dropout=[0.5] * 3, **SMALL).fit(X_DIABETES, Y_DIABETES)


@pytest.mark.parametrize(("kind", "y"), [(MLPRegressor, Y_DIABETES), (MLPClassifier, Y_DIABETES > 0)])
def test_dropout_with_early_stopping_scores_whole_networks(kind, y):
    """The scores are those of all units; what leaves some out, called for them, would end the process."""
    held_out, options = (X_DIABETES[40:], y[40:]), SMALL | {"max_iter": 60, "dropout": 0.3, "early_stopping": True}
    estimator = kind(**options).fit(X_DIABETES[:40], y[:40], eval_set=held_out)
    assert math.isclose(estimator.score(*held_out), max(estimator.validation_scores_), rel_tol=1e-9)
    assert len(estimator.validation_scores_) == estimator.n_iter_
    assert not same_weights(estimator, clone(estimator).set_params(dropout=0.0).fit(X_DIABETES[:40], y[:40]))
    assert len(kind(**options).fit(X_DIABETES, y).validation_scores_) > 1


def test_units_that_are_left_out_differ_from_epoch_to_epoch():
    """One sample, no learning: the losses are those of whichever units were kept."""
    options = {
        "hidden_layer_sizes": 6,
        "solver": "sgd",
        "learning_rate_init": 1e-300,
        "random_state": 0,
        "max_iter": 30,
    }
    estimator = MLPRegressor(dropout=0.5, tol=0.0, n_iter_no_change=100, **options).fit(X_DIABETES[:2], [1.0, 1.0])
    assert len(set(estimator.loss_curve_)) > 20
    estimator = MLPRegressor(dropout=0.5, **options)
    losses = {estimator.partial_fit(X_DIABETES[:2], [1.0, 1.0]).loss_ for _ in range(30)}
    assert len(losses) > 20


@pytest.mark.parametrize("make", [
    lambda: MLPClassifier(**SMALL).fit(X_IRIS, Y_IRIS), lambda: MLPClassifier(**SMALL).fit(X_IRIS, Y_IRIS > 1),
    lambda: MLPRegressor("poisson", activation="tanh", **SMALL).fit(X_IRIS, Y_IRIS.astype(float)),
])  # fmt: skip
def test_derivatives_by_the_inputs(make):
    estimator = make()
    outputs = estimator.network_.forward
    gradient = estimator.gradient_(X_IRIS)
    assert gradient.shape == (len(X_IRIS), estimator.n_outputs_, 4)
    for i in range(4):
        step = 1e-6 * np.eye(4)[i]
        differences = (outputs(X_IRIS + step) - outputs(X_IRIS - step)) / 2e-6
        np.testing.assert_allclose(gradient[:, :, i], differences, rtol=1e-5, atol=1e-8)
    with pytest.raises(ValueError, match="X has 2 features"):
        estimator.gradient_(X_IRIS[:, :2])


# ---------------------------------------------------------------- weights of classes


@pytest.mark.parametrize("weights", ["balanced", {0: 3.0, 1: 0.5, 2: 1.0}], ids=str)
def test_class_weights_multiply_those_of_samples(weights):
    y, by_sample = np.minimum(Y_IRIS, 1) + (np.arange(len(Y_IRIS)) % 7 == 0), np.linspace(0.5, 2, len(Y_IRIS))
    by_class = MLPClassifier(class_weight=weights, **SMALL).fit(X_IRIS, y, by_sample)
    expected = MLPClassifier(**SMALL).fit(X_IRIS, y, by_sample * compute_sample_weight(weights, y))
    assert same_weights(by_class, expected)
    assert not same_weights(by_class, MLPClassifier(**SMALL).fit(X_IRIS, y, by_sample))


def test_balanced_classes_need_the_whole_data_set():
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(X_IRIS, Y_IRIS, classes=[0, 1, 2])


# ---------------------------------------------------------------- watching


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "rmsprop", "rprop"])
def test_the_evaluation_set_is_only_watched(solver):
    options = SMALL | {"solver": solver, "batch_size": "auto"}
    train, held_out = (X_IRIS[:40], Y_IRIS[:40]), (X_IRIS[40:], Y_IRIS[40:])
    watched = MLPClassifier(**options).fit(*train, eval_set=held_out)
    assert same_weights(watched, MLPClassifier(**options).fit(*train))
    assert len(watched.validation_loss_curve_) == watched.n_iter_
    E = -np.log(watched.predict_proba(held_out[0]))[np.arange(10), held_out[1]]
    assert math.isclose(watched.validation_loss_curve_[-1], E.mean(), rel_tol=1e-9)
    weight = np.linspace(0, 1, 10)
    weighted = MLPClassifier(**options).fit(*train, eval_set=(*held_out, weight))
    assert math.isclose(weighted.validation_loss_curve_[-1], np.average(E, weights=weight), rel_tol=1e-9)
    assert MLPClassifier(**options).fit(*train).validation_loss_curve_ is None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_early_stopping_on_ones_own_data(solver):
    """Targets that cannot be learnt: the score falls, the training stops, and the best weights are back."""
    rng = np.random.default_rng(0)
    held_out = X_DIABETES[40:], rng.normal(size=20)
    options = {"solver": solver, "early_stopping": True, "n_iter_no_change": 5, "learning_rate_init": 0.05}
    estimator = MLPRegressor(**(SMALL | {"max_iter": 300}), **options)
    estimator.fit(X_DIABETES[:40], Y_DIABETES[:40], eval_set=held_out)
    scores = estimator.validation_scores_
    assert 6 <= estimator.n_iter_ < 300
    assert len(scores) == estimator.n_iter_ == len(estimator.validation_loss_curve_)
    assert np.argmax(scores) < len(scores) - 5
    assert estimator.best_validation_score_ == max(scores)
    assert math.isclose(estimator.score(*held_out), max(scores), rel_tol=1e-9)
    assert estimator.t_ == (40 * estimator.n_iter_ if solver == "adam" else 0)


@pytest.mark.parametrize("wrong", [
    ((X_IRIS,), "eval_set must be"),
    (7, "eval_set must be"),
    ((X_IRIS[:, :2], Y_IRIS), "X has 2 features, but MLPClassifier is expecting 4 features"),
    ((X_IRIS, Y_IRIS + 1), "`y` has classes not in"),
    ((X_IRIS, Y_IRIS[:3]), "inconsistent numbers of samples"),
], ids=str)  # fmt: skip
def test_mistakes_in_the_evaluation_set(wrong):
    eval_set, match = wrong
    with pytest.raises(ValueError, match=match):
        MLPClassifier(**SMALL).fit(X_IRIS, Y_IRIS, eval_set=eval_set)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks(solver):
    seen = []

    def look(estimator):
        seen.append((estimator.n_iter_, estimator.coefs_[0].copy()))

    def stop(estimator):
        return estimator.n_iter_ == 3

    estimator = MLPClassifier(callback=[look, stop], **(SMALL | {"solver": solver})).fit(X_IRIS, Y_IRIS)
    assert [n for n, _ in seen] == [1, 2, 3] == list(range(1, estimator.n_iter_ + 1))
    assert np.array_equal(seen[-1][1], estimator.coefs_[0])
    assert not np.array_equal(seen[0][1], estimator.coefs_[0])
    assert math.isfinite(estimator.loss_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_progress(solver, capsys):
    pytest.importorskip("rich")
    MLPClassifier(progress=True, **(SMALL | {"solver": solver})).fit(X_IRIS, Y_IRIS)
    shown = capsys.readouterr()
    assert "6/6" in shown.err
    assert shown.out == ""


def test_interrupted_training_keeps_its_weights():
    def interrupt(estimator):
        if estimator.n_iter_ == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        estimator = MLPClassifier(callback=interrupt, **SMALL).fit(X_IRIS, Y_IRIS)
    assert same_weights(estimator, MLPClassifier(**(SMALL | {"max_iter": 2})).fit(X_IRIS, Y_IRIS))


# ---------------------------------------------------------------- threads


@pytest.mark.compiled_only
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_same_bits_for_any_number_of_threads(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 20))
    y = X[:, 0] * X[:, 1]
    before = numba.get_num_threads()
    options = {"solver": solver, "batch_size": 1500, "max_iter": 2, "random_state": 0, "hidden_layer_sizes": (120,)}
    estimators = [MLPRegressor(n_jobs=n, **options).fit(X, y) for n in (1, 2, -1, None, -2)]
    assert numba.get_num_threads() == before
    for other in estimators[1:]:
        assert same_weights(estimators[0], other)
        assert np.array_equal(estimators[0].predict(X), other.predict(X))


# ---------------------------------------------------------------- importing

WITHOUT = """
import sys
sys.modules["sklearn"] = None
import fastbp
try:
    fastbp.MLPClassifier
except ImportError as error:
    print(error)
print("MLPClassifier" in fastbp.__all__, hasattr(fastbp, "Multilayer"))
"""


def test_without_scikit_learn():
    shown = run_python(WITHOUT).splitlines()
    assert shown == ['fastbp.MLPClassifier needs scikit-learn: pip install "fastbp[sklearn]"', "True False"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_smoothing(n_classes):
    """What is certain is given the smoothed probability; without, nearly 1."""
    rows = n_classes > Y_IRIS
    options = SMALL | {"max_iter": 400, "learning_rate_init": 0.01, "n_iter_no_change": 400, "alpha": 0.0}
    X, y = X_IRIS[rows], Y_IRIS[rows]
    plain, smooth = (MLPClassifier(label_smoothing=e, **options).fit(X, y, eval_set=(X, y)) for e in (0.0, 0.3))
    setosa = X[y == 0]  # apart from all others
    assert plain.predict_proba(setosa)[:, 0].min() > 0.97
    assert abs(smooth.predict_proba(setosa)[:, 0].mean() - (0.7 + 0.3 / n_classes)) < 0.03
    wanted = np.array([0.7 + 0.3 / n_classes] + [0.3 / n_classes] * (n_classes - 1))
    assert smooth.loss_ > -0.95 * wanted @ np.log(wanted)  # what the best outputs of all have left
    assert smooth.loss_ > smooth.validation_loss_curve_[-1]  # which is of labels as they are
    with pytest.raises(ValueError, match="label_smoothing must be 0 for solver 'lbfgs'"):
        MLPClassifier(label_smoothing=0.1, **(options | {"solver": "lbfgs"})).fit(X, y)


@pytest.mark.parametrize("name", ["linear", "cosine", "coslog4", "step"])
def test_schedules_over_max_iter(name):
    """The steps are those of `Network.fit`; with a callback each epoch is a call of its own."""
    options = SMALL | {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False, "alpha": 0.0, "shuffle": False}
    options |= {"learning_rate": name, "learning_rate_init": 0.1, "activation": "tanh"}
    X, y = X_DIABETES[:50], (Y_DIABETES[:50] - 150) / 80
    start = MLPRegressor(**(options | {"max_iter": 1, "learning_rate_init": 1e-300})).fit(X, y)
    net = start.network_
    net.fit(
        X, y, solver="sgd", learning_rate=0.1, schedule=name, epochs=6, batch_size=16, shuffle=False,
    )  # fmt: skip
    for callback in (None, lambda _estimator: False):
        estimator = MLPRegressor(callback=callback, **options).fit(X, y)
        assert np.allclose(estimator.network_.params, net.params, rtol=1e-9)


def test_schedules_need_a_learning_rate_and_an_end():
    with pytest.raises(ValueError, match="learning_rate='cosine' is for solvers"):
        MLPRegressor(**(SMALL | {"solver": "lbfgs", "learning_rate": "cosine"})).fit(X_DIABETES, Y_DIABETES)
    with pytest.raises(ValueError, match="partial_fit does not know the last"):
        MLPRegressor(**(SMALL | {"learning_rate": "cosine"})).partial_fit(X_DIABETES, Y_DIABETES)
