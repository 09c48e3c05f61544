"""The estimators refuse what scikit-learn's refuse, apply what they apply, and say what is wrong with the rest."""

import ast
import copy
import pickle
import warnings
from functools import partial

import joblib
import numpy as np
import pytest
import ways_in
from cases import COMPILED
from hypothesis import given
from hypothesis import strategies as st

import fastbp

sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")
from sklearn import neural_network as theirs  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
X = np.random.default_rng(0).normal(size=(100, 5))
Y = X[:, 0]
CLASSES = (Y > 0).astype(int)
NO_TIME = np.array(["NaT"] * 100, "M8[s]")


def regressor(library=fastbp, **options):
    return library.MLPRegressor(**OPTIONS | options)


def classifier(library=fastbp, **options):
    return library.MLPClassifier(**OPTIONS | options)


def kind_of_error(call):
    """Return TypeError or ValueError, whichever a call raises, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except (TypeError, ValueError, ZeroDivisionError) as error:  # the last for weights of 0, by scikit-learn 1.7.0
        return TypeError if isinstance(error, TypeError) else ValueError
    return None


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


SIZES = [(10.7,), (True,), (3.0,), (np.float64(3),), True, 3.0, np.array([3.0, 2.0]), ("3",), ((3,),), (None,), (3j,)]
SIZES += [(0,), (-1,), (np.True_,), (2, -3), np.int32(3), (np.int64(3), 2), [2, 3], np.array([2, 3]), (), 5, None, "3"]


@pytest.mark.parametrize("sizes", SIZES, ids=repr)
def test_hidden_layer_sizes(sizes):
    kinds = [kind_of_error(lambda L=L: regressor(L, hidden_layer_sizes=sizes).fit(X, Y)) for L in (fastbp, theirs)]
    assert kinds[0] is kinds[1]


def test_dates_that_are_none_are_no_inputs():
    dates = X.astype("M8[s]")
    dates[3, 1] = "NaT"
    with pytest.raises(ValueError, match=r"X\[3, 1\] is NaT"):
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


# ---------------------------------------------------------------- what a user has damaged

FITTED = regressor().partial_fit(X, Y)
CALLS = {
    "predict": lambda e: e.predict(X),
    "predict, a row": lambda e: e.predict(X[:1]),
    "partial_fit": lambda e: e.partial_fit(X, Y),
    "fit, warm start": lambda e: e.set_params(warm_start=True).fit(X, Y),
    "gradient_": lambda e: e.gradient_(X),
    "pickle": pickle.dumps,
    "deepcopy": copy.deepcopy,
}
INDICES = {
    "csr": ["indices", "indptr"], "csc": ["indices", "indptr"], "bsr": ["indices", "indptr"], "coo": ["row", "col"],
    "dia": ["offsets"], "lil": ["rows"],
}  # fmt: skip


@given(st.data(), st.sampled_from(sorted(INDICES)), st.sampled_from([-1, 5, 100, 10**6, -(10**6), 2**31 - 1]))
def test_a_sparse_matrix_with_other_indices(data, form, value):
    """Whatever stands in the arrays of one: all of it is within the matrix, or it is refused."""
    S = getattr(sparse, f"{form}_matrix")(X[:6])
    array = getattr(S, data.draw(st.sampled_from(INDICES[form])))
    array[data.draw(st.integers(0, len(array) - 1))] = value if form != "lil" else [value]
    try:
        FITTED.predict(S)
    except ValueError as error:
        assert "X must be a sparse matrix that is whole" in str(error)
    else:
        places = S.tocoo()
        assert 0 <= places.row.min() <= places.row.max() < 6
        assert 0 <= places.col.min() <= places.col.max() < 5


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_every_way_in_looks_at_sparse_indices(form):
    S = getattr(sparse, f"{form}_matrix")(X)
    getattr(S, "col" if form == "coo" else "indices")[0] = 10**6
    labels = sparse.csr_matrix(np.c_[CLASSES, 1 - CLASSES])
    labels.indices[0] = 10**6
    for call in (
        lambda: regressor().fit(S, Y),
        lambda: FITTED.predict(S),
        lambda: FITTED.gradient_(S),
        lambda: regressor().fit(X, Y, eval_set=(S, Y)),
        lambda: classifier().partial_fit(S, CLASSES, classes=[0, 1]),
        lambda: classifier().fit(X, labels),
        lambda: FITTED._samples(S, Y.reshape(-1, 1), None),
    ):
        with pytest.raises(ValueError, match=r"[Xy] must be a sparse matrix that is whole"):
            call()


def test_the_network_cannot_be_exchanged():
    estimator = copy.deepcopy(FITTED)
    for net in (fastbp.Network((5, 4, 2)), fastbp.Network((5, 4, 1), activation="relu"), None):
        with pytest.raises(AttributeError, match=r"network_ of a MLPRegressor cannot be set.*coefs_"):
            estimator.network_ = net
    with pytest.raises(AttributeError, match=r"network_ .* cannot be deleted"):
        del estimator.network_
    assert np.shares_memory(estimator.network_.params, estimator.coefs_[0])
    assert not hasattr(regressor(), "network_")
    with pytest.raises(AttributeError, match="no network_ before it is fitted"):
        _ = regressor().network_


def test_a_model_that_was_pickled_with_the_network_as_an_attribute():
    state = FITTED.__getstate__()
    state["network_"] = state.pop("_network")
    estimator = regressor()
    estimator.__setstate__(state)
    assert np.array_equal(estimator.predict(X), FITTED.predict(X))


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_list_of_arrays(name, call):
    estimator = copy.deepcopy(FITTED)
    for value in (None, 3.0, "abc", {}, iter([]), [None], [1j, 2j], object()):
        setattr(estimator, name, value)
        with pytest.raises(TypeError, match=rf"{name}(\[0\])? must"):
            CALLS[call](estimator)
    estimator.__dict__.pop(name)
    if call != "partial_fit" and name == "intercepts_":
        with pytest.raises(TypeError, match=f"{name} must"):
            CALLS[call](estimator)


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib"])
def test_weights_that_are_lost_can_be_copied(way, tmp_path):
    estimator = copy.deepcopy(FITTED)
    estimator.coefs_[0][0, 0] = np.nan
    joblib.dump(estimator, tmp_path / "model")
    ways = {"pickle": lambda e: pickle.loads(pickle.dumps(e)), "deepcopy": copy.deepcopy}
    other = ways.get(way, lambda _: joblib.load(tmp_path / "model"))(estimator)
    assert np.array_equal(other.coefs_[0], estimator.coefs_[0], equal_nan=True)


ODD = {
    "t_": [None, "x", {}, 1j, np.ones(2), [], 2**70, -1000, np.nan, 2.5, -1, True],
    "n_iter_": [None, np.ones(2), -1],
    "_no_improvement_count": [None, "x", 0.5],
    "best_loss_": ["x", 1j, [], True],
    "loss_curve_": [None, np.ones(3), 1.0],
    "validation_loss_curve_": [(), "x"],
    "_optimizer": [None, 3, "adam"],
}


@pytest.mark.parametrize("name", ODD)
def test_what_a_training_goes_on_from_is_looked_at(name):
    """Attributes that are no weights as well: nothing has changed where one of them is refused."""
    for value in ODD[name]:
        estimator = copy.deepcopy(FITTED)
        setattr(estimator, name, value)
        with pytest.raises((ValueError, TypeError), match=rf"^{name} must"):
            estimator.partial_fit(X, Y)
        assert np.array_equal(estimator.coefs_[0], FITTED.coefs_[0])
        assert vars(estimator)[name] is value


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64])
def test_counts_of_numpy_are_counted_on(dtype):
    estimator = copy.deepcopy(FITTED)
    estimator.t_ = dtype(100)
    assert estimator.partial_fit(X, Y).t_ == 200
    assert type(estimator.t_) is int


@pytest.mark.parametrize("field", ["state", "options", "decay", "mean"])
def test_a_solvers_memory_of_another_kind(field):
    for change in (lambda _: None, list, lambda a: a * 1j, lambda a: np.array(a).astype(str), lambda _: "x"):
        estimator = copy.deepcopy(FITTED)
        solver = estimator._optimizer.solver
        old = getattr(solver, field)
        value = change(np.asarray(old) if change is not list else np.zeros(7))
        estimator._optimizer.solver = solver._replace(**{field: value})
        with pytest.raises((ValueError, TypeError), match="the solver"):
            estimator.partial_fit(X, Y)
        assert np.array_equal(estimator.coefs_[0], FITTED.coefs_[0])


@pytest.mark.parametrize("rate", [np.nan, -1.0, "x", None])
def test_a_learning_rate_set_inside_the_optimizer(rate):
    estimator = copy.deepcopy(FITTED)
    estimator._optimizer.learning_rate = rate
    with pytest.raises((ValueError, TypeError), match="learning_rate must"):
        estimator.partial_fit(X, Y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_fails_leaves_finite_weights(solver):
    """Inputs whose squares overflow: the weights that it began with, and a solver that begins anew."""
    estimator = regressor(warm_start=True, solver=solver).fit(X, Y)
    estimator.coefs_[0][...] = np.abs(estimator.coefs_[0])  # so that some units are not 0
    before, huge = estimator.network_.params.copy(), np.full((100, 5), 1e300)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        estimator.fit(huge, Y)
    assert np.array_equal(estimator.network_.params, before)
    assert np.array_equal(estimator.coefs_[0].ravel("F"), before[:20])
    assert np.isfinite(estimator.fit(X, Y).loss_)


def test_weights_that_sum_to_nothing():
    for call in (
        lambda w: regressor().fit(X, Y, w),
        lambda w: regressor(solver="lbfgs").fit(X, Y, w),
        lambda w: regressor().fit(X, Y, eval_set=(X, Y, w)),
        lambda w: regressor().partial_fit(X, Y, w),
    ):
        with pytest.raises(ValueError, match="sample_weight must not sum to 0"):
            call(np.tile([1.0, -1.0], 50))
    assert np.isfinite(regressor().fit(X, Y, np.tile([2.0, -1.0], 50)).loss_)


@pytest.mark.parametrize("eval_set", [X, (X,), "held out", [X] * 4, 3])
def test_an_eval_set_of_another_kind(eval_set):
    """Said in a line, without the numbers of an array."""
    with pytest.raises(ValueError, match=r"eval_set must be \(X, y\).*; got") as caught:
        regressor().fit(X, Y, eval_set=eval_set)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("sizes", [(2**70,), 2**70, (2**33, 2**33), (2**62,), (2**31,) * 3])
def test_layers_that_no_machine_holds(sizes):
    with pytest.raises((ValueError, MemoryError), match="hidden_layer_sizes must"):
        regressor(hidden_layer_sizes=sizes).fit(X, Y)


def test_a_callback_that_returns_an_array():
    for fit in (
        lambda: regressor(callback=lambda e: e.coefs_[0]).fit(X, Y),
        lambda: regressor(callback=lambda e: e.coefs_[0], solver="lbfgs").fit(X, Y),
        lambda: fastbp.Network((5, 3, 1), seed=0).fit(X, Y, callback=lambda net, history: net.params),
    ):
        with pytest.raises(TypeError, match=r"callback must return True to stop.*ndarray"):
            fit()
