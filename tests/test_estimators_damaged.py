"""What a user has damaged of an estimator, attribute by attribute, is refused by its name before a kernel sees it."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_estimators import CLASSES, X, Y, classifier, regressor

import fastbp

sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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
