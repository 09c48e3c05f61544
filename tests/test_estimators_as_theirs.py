"""The estimators refuse what scikit-learn's refuse, apply what they apply, and say what is wrong with the rest."""

import ast
import pickle
from functools import partial

import joblib
import numpy as np
import pytest
import ways_in
from cases import COMPILED
from small_estimators import CLASSES, X, Y, classifier, kind_of_error, regressor

import fastbp

sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")
from sklearn import neural_network as theirs  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NO_TIME = np.array(["NaT"] * 100, "M8[s]")


REFUSED = {
    "None in a row": lambda L: classifier(L).fit(X, CLASSES).predict([[None, 1.0, 1.0, 1.0, 1.0]]),
    "NaT as targets": lambda L: regressor(L).fit(X, NO_TIME),
    "dates as targets": lambda L: regressor(L).fit(X, np.arange(100).astype("M8[s]")),
    "durations as targets": lambda L: regressor(L).fit(X, np.arange(100).astype("m8[s]")),
    "dates as targets, going on": lambda L: regressor(L).fit(X, Y).partial_fit(X, np.arange(100).astype("M8[s]")),
    "dates to predict from": lambda L: regressor(L).fit(X, Y).predict(X.astype("M8[s]")),
    "a date to predict from": lambda L: regressor(L).fit(X, Y).predict(X[:1].astype("M8[D]")),
    "durations to predict from": lambda L: classifier(L).fit(X, CLASSES).predict_proba(X.astype("m8[s]")),
    "text as targets": lambda L: regressor(L).fit(X, Y.astype(str)),
    "None as targets": lambda L: regressor(L).fit(X, [None] * 100),
    "complex targets": lambda L: regressor(L).fit(X, Y * 1j),
    "all weights 0": lambda L: regressor(L).fit(X, Y, np.zeros(100)),
    "all weights 0, lbfgs": lambda L: regressor(L, solver="lbfgs").fit(X, Y, np.zeros(100)),
    "text to predict from": lambda L: regressor(L).fit(X, Y).predict(X.astype(str)),
    "dates as classes": lambda L: classifier(L).fit(X, CLASSES.astype("M8[s]")),
    "classes missing, warm start": lambda L: classifier(L, warm_start=True).fit(X, CLASSES).partial_fit(X, CLASSES * 0),
    "classes missing": lambda L: classifier(L).fit(X, CLASSES).partial_fit(X, CLASSES * 0),
    "dates to fit": lambda L: regressor(L).fit(X.astype("M8[s]"), Y),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_as_scikit_learn_refuses(what):
    assert kind_of_error(lambda: REFUSED[what](fastbp)) is kind_of_error(lambda: REFUSED[what](theirs))


SIZES = [
    np.array(3.0),
    (10.7,),
    (True,),
    (3.0,),
    (np.float64(3),),
    True,
    3.0,
    np.array([3.0, 2.0]),
    ("3",),
    ((3,),),
    (None,),
    (3j,),
]
SIZES += [
    np.array(3.0),
    (0,),
    (-1,),
    (np.True_,),
    (2, -3),
    np.int32(3),
    (np.int64(3), 2),
    [2, 3],
    np.array([2, 3]),
    (),
    5,
    None,
    "3",
]


@pytest.mark.parametrize("sizes", SIZES, ids=repr)
def test_hidden_layer_sizes(sizes):
    kinds = [kind_of_error(lambda L=L: regressor(L, hidden_layer_sizes=sizes).fit(X, Y)) for L in (fastbp, theirs)]
    assert kinds[0] is kinds[1]


def test_dates_that_are_none_are_no_inputs():
    dates = X.astype("M8[s]")
    dates[3, 1] = "NaT"
    with pytest.raises(TypeError, match=r"X\[3, 1\] is NaT"):
        regressor().fit(dates, Y)


def test_another_width_of_the_targets():
    pairs = np.c_[Y, Y]
    going_on = regressor().partial_fit(X, Y)
    before = going_on.network_.params.copy()
    for call in (
        lambda: going_on.partial_fit(X, pairs),
        lambda: going_on.set_params(warm_start=True).fit(X, pairs),
        lambda: going_on.fit(X, Y, eval_set=(X, pairs)),
    ):
        with pytest.raises(ValueError, match=r"y must have shape \(n_samples, 1\).*\(100, 2\)"):
            call()
        assert np.array_equal(going_on.network_.params, before)
    labels = classifier(warm_start=True).fit(X, np.c_[CLASSES, 1 - CLASSES])
    with pytest.raises(ValueError, match=r"y must have shape \(n_samples, 2\).*\(100, 1\)"):
        labels.fit(X, CLASSES)


@pytest.mark.parametrize("option", [{"dropout": [0.1] * 5}, {"solver": "rprop", "batch_size": 3}, {"callback": [3]}])
def test_what_is_refused_changes_nothing(option):
    """Neither what was learnt of the columns nor the weights, be the error found as late as can be."""
    estimator = regressor().fit(X, Y)
    before = pickle.dumps(estimator)
    with pytest.raises((ValueError, TypeError), match=next(reversed(option))):
        estimator.set_params(**option).fit(X[:, :2], Y)
    estimator.set_params(**{name: getattr(regressor(), name) for name in option})
    assert pickle.dumps(estimator) == before
    unfitted = regressor(**option)
    with pytest.raises((ValueError, TypeError)):
        unfitted.partial_fit(X, Y)
    assert not hasattr(unfitted, "coefs_")


def test_weights_of_other_sizes():
    """Other hidden layers make another network, and the solver begins anew; other inputs and outputs are refused."""
    draw, estimator = np.random.default_rng(0), regressor().fit(X, Y)
    estimator.coefs_ = [draw.normal(size=(5, 7)), draw.normal(size=(7, 1))]
    estimator.intercepts_ = [np.zeros(7), np.zeros(1)]
    expected = np.maximum(X @ estimator.coefs_[0], 0) @ estimator.coefs_[1]
    assert np.allclose(estimator.predict(X), expected[:, 0])
    assert estimator.partial_fit(X, Y).network_.sizes == (5, 7, 1)
    for first, last in (((6, 7), (7, 1)), ((5, 7), (7, 2)), ((5, 7), (8, 1))):
        estimator.coefs_ = [np.zeros(first), np.zeros(last)]
        estimator.intercepts_ = [np.zeros(first[1]), np.zeros(last[1])]
        for call in (
            lambda: estimator.predict(X),
            lambda: estimator.partial_fit(X, Y),
            lambda: estimator.predict(X[:1]),
        ):
            with pytest.raises(ValueError, match=r"coefs_\[[01]\] must have shape"):
                call()


@pytest.mark.parametrize("solver", ["adam", "sgd", "rprop"])
def test_a_mapped_model_trains_on(solver, tmp_path):
    """Its solver's memory is read-only: a copy is trained on, with the bits of the model that was saved."""
    estimator = regressor(solver=solver).fit(X, Y)
    joblib.dump(estimator, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped._optimizer.solver.state.flags.writeable
    assert np.array_equal(mapped.partial_fit(X, Y).network_.params, estimator.partial_fit(X, Y).network_.params)
    assert np.array_equal(mapped.partial_fit(X, Y).network_.params, estimator.partial_fit(X, Y).network_.params)


@pytest.mark.skipif(not COMPILED, reason="processes of their own, which compile nothing")
def test_a_large_model_goes_to_workers():
    """Loky maps what has more than a megabyte into its workers' memory, read-only."""
    estimator = regressor(hidden_layer_sizes=(400, 400), max_iter=1).fit(X, Y)
    trained = joblib.Parallel(n_jobs=2)(joblib.delayed(train_on)(estimator) for _ in range(2))
    here = train_on(estimator)
    assert all(np.array_equal(params, here) for params in trained)


def train_on(estimator):
    return estimator.partial_fit(X, Y).network_.params.copy()


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_another_activation(activation):
    """It counts at once, in predictions and in what is trained on."""
    ours, other = (regressor(L, warm_start=True).fit(X, Y) for L in (fastbp, theirs))
    for estimator in (ours, other):
        estimator.set_params(activation=activation)
    assert np.allclose(ours.predict(X[:1]), other.predict(X[:1]))
    assert np.allclose(ours.predict(X), other.predict(X))
    for method in ("fit", "partial_fit"):
        for estimator in (ours, other):
            getattr(estimator, method)(X, Y)
        assert np.isclose(ours.loss_, other.loss_)
        assert np.allclose(ours.predict(X), other.predict(X), rtol=1e-6)


def test_another_loss():
    """With the weights and the function of the outputs that are there, as scikit-learn has it."""
    ours, other = (regressor(L, warm_start=True, loss="poisson").fit(X, Y**2) for L in (fastbp, theirs))
    for estimator in (ours, other):
        estimator.set_params(loss="squared_error", max_iter=1).fit(X, Y**2)
    assert ours.out_activation_ == other.out_activation_ == "exp"
    assert ours.network_.loss_name == "squared_error"
    assert np.isclose(ours.loss_, other.loss_)
    again = regressor(warm_start=True).fit(X, Y)
    again.set_params(loss="huber").fit(X, Y)
    assert again.network_.loss_name == "huber"


def test_what_no_weights_go_with():
    estimator = regressor(warm_start=True).fit(X, Y)
    for option, words in (({"hidden_layer_sizes": (4, 4)}, "hidden_layer_sizes"), ({"skip": "all"}, "skip")):
        estimator.set_params(**option)
        with pytest.raises(ValueError, match=rf"{words} must .*warm_start"):
            estimator.fit(X, Y)
        estimator.set_params(hidden_layer_sizes=(4,), skip=())
    estimator.coefs_[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="coefs_ and intercepts_ must be finite"):
        estimator.fit(X, Y)
    estimator.set_params(warm_start=False).fit(X, Y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_batches_without_weight(solver):
    """No step, and no part in the loss: as if their samples were not there."""
    options = {"solver": solver, "shuffle": False, "batch_size": 10, "alpha": 0.1}
    weight = np.ones(100)
    weight[[*range(20, 40), *range(90, 100)]] = 0.0
    with_all = regressor(**options).fit(X, Y, weight)
    without = regressor(**options).fit(X[weight > 0], Y[weight > 0])
    assert np.allclose(with_all.network_.params, without.network_.params, rtol=1e-12)
    assert np.allclose(with_all.loss_curve_, without.loss_curve_, rtol=1e-12)


def test_no_weight_at_all():
    zero = np.zeros(100)
    for call in (
        lambda: regressor().fit(X, Y, zero),
        lambda: regressor().partial_fit(X, Y, zero),
        lambda: regressor().fit(X, Y, eval_set=(X, Y, zero)),
        lambda: classifier(class_weight={0: 0.0, 1: 0.0}).fit(X, CLASSES),
        lambda: regressor(early_stopping=True).fit(X, Y, np.eye(100)[3]),
    ):
        with pytest.raises(ValueError, match=r"(?i)sample.weight"):
            call()


@pytest.mark.parametrize("loss", ["poisson", "squared_error", "huber"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_network_keeps_its_loss_in_callbacks(loss, solver):
    """Asked in a callback it is what it is afterwards, for the same weights: scikit-learn's losses are apart."""
    seen = []

    def look(estimator):
        seen.append((estimator.network_.params.copy(), estimator.network_.loss(X, Y**2)))

    estimator = regressor(loss=loss, solver=solver, callback=look).fit(X, Y**2)
    for params, value in seen:
        estimator.network_.params = params
        assert estimator.network_.loss(X, Y**2) == value
    assert len(seen) > 1
    if loss == "poisson" and solver == "adam":
        assert np.isclose(estimator.loss_curve_[0], regressor(theirs, loss=loss).fit(X, Y**2).loss_curve_[0])


def test_what_a_callback_sets():
    """Weights that it puts into `coefs_` are trained on; another network it may not make."""
    halve = partial(regressor, max_iter=1)

    def set_weights(estimator):
        estimator.coefs_[0] = estimator.coefs_[0] * 0.5

    estimator = halve(callback=set_weights).fit(X, Y)
    assert np.allclose(estimator.coefs_[0], halve().fit(X, Y).coefs_[0] * 0.5)
    assert np.shares_memory(estimator.coefs_[0], estimator.network_.params)
    for wrong in (lambda e: e.set_params(activation="tanh"), lambda e: e.set_params(callback=None).fit(X, Y) and None):
        with pytest.raises(ValueError, match="callback must leave the network"):
            regressor(callback=wrong).fit(X, Y)


@pytest.mark.parametrize("first", ["lbfgs", "adam", "stopped early"])
def test_goes_on_with_another_solver(first):
    """What the training before has not kept begins anew."""
    options = {"lbfgs": {"solver": "lbfgs"}, "adam": {}, "stopped early": {"early_stopping": True}}[first]
    estimator = regressor(warm_start=True, **options).fit(X, Y)
    for now in ({"solver": "adam", "early_stopping": False}, {"early_stopping": True}, {"solver": "lbfgs"}):
        estimator.set_params(**now).fit(X, Y, eval_set=(X, Y))
        assert len(estimator.validation_loss_curve_) > 0
    estimator.set_params(solver="sgd", early_stopping=False).partial_fit(X, Y)
    assert len(estimator.loss_curve_) > 0


def test_parameters_of_partial_fit_are_checked():
    estimator = regressor().fit(X, Y)
    with pytest.raises(ValueError, match="batch_size"):
        estimator.set_params(batch_size=2.5).partial_fit(X, Y)


def test_classes_of_a_refused_first_call_are_forgotten():
    estimator = classifier()
    with pytest.raises(ValueError, match="NaN"):
        estimator.partial_fit(X * np.nan, CLASSES, classes=[0, 1])
    assert estimator.partial_fit(X, CLASSES * 2, classes=[0, 2]).classes_.tolist() == [0, 2]


def test_private_names_of_scikit_learn_are_in_one_file():
    """`compat.py` is where a new release can break the package."""
    found = set()
    for path in ways_in.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                found |= {path.name for name in names if name.startswith("_")}
    assert found == {"compat.py"}


def test_convergence_is_warned_of_where_the_user_calls():
    with pytest.warns(ConvergenceWarning) as caught:
        regressor().fit(X, Y)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="batch_size") as caught:
        regressor(batch_size=1000).fit(X, Y)
    assert {warning.filename for warning in caught} == {__file__}


def test_classes_that_are_no_dates():
    dates = np.array(["2026-01-01", "2026-01-02"] * 50, "M8[D]")
    assert len(classifier().fit(X, dates).classes_) == 2
    dates[7] = "NaT"
    for call in (lambda: classifier().fit(X, dates), lambda: regressor().fit(X, dates)):
        with pytest.raises(TypeError, match=r"y must hold .*(y\[7\] is NaT|datetime64)"):
            call()


@pytest.mark.parametrize(
    ("name", "value"), [("t_", "x"), ("n_iter_", -5), ("best_loss_", "low"), ("loss_curve_", None)]
)
def test_what_a_callback_sets_is_looked_at(name, value):
    calls = []

    def spoil(estimator):
        calls.append(1)
        setattr(estimator, name, value)

    with pytest.raises((ValueError, TypeError), match=name):
        regressor(callback=spoil, max_iter=9).fit(X, Y)
    assert len(calls) == 1
