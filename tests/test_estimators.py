"""The estimators beside scikit-learn's: the same numbers from the same random state."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn.datasets
import sklearn.neural_network as sk
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import fastbp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
WAYS = [
    {"solver": "adam"},
    {"solver": "adam", "early_stopping": True},
    *({"solver": "sgd", "learning_rate": s} for s in ("constant", "invscaling", "adaptive")),
    *({"solver": "sgd", "learning_rate": s, "early_stopping": True} for s in ("constant", "invscaling", "adaptive")),
    {"solver": "lbfgs"},
]
DATA = ("iris", "breast_cancer", "digits", "diabetes")


def load(name, n_samples=None, dtype=np.float64):
    X, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:n_samples]
    return StandardScaler().fit_transform(X[rows]).astype(dtype), y[rows]


def pair(kind, **options):
    """(scikit-learn's estimator, fastbp's)."""
    return getattr(sk, kind)(**options), getattr(fastbp, kind)(**options)


def kind_of(name):
    return "MLPRegressor" if name == "diabetes" else "MLPClassifier"


def assert_same(theirs, ours, X, rtol=1e-7):
    """Every attribute, the weights, and what is predicted."""
    assert theirs.n_iter_ == ours.n_iter_
    assert theirs.t_ == ours.t_
    assert theirs.out_activation_ == ours.out_activation_
    assert theirs.n_layers_ == ours.n_layers_
    assert theirs.n_outputs_ == ours.n_outputs_
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=rtol)
    if theirs.solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=rtol)
        assert (theirs.best_loss_ is None) == (ours.best_loss_ is None)
        assert theirs._no_improvement_count == ours._no_improvement_count
        if theirs.validation_scores_ is None:
            assert ours.validation_scores_ is None
            assert ours.best_validation_score_ is None
            np.testing.assert_allclose(ours.best_loss_, theirs.best_loss_, rtol=rtol)
        else:
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=rtol, atol=rtol)
            np.testing.assert_allclose(ours.best_validation_score_, theirs.best_validation_score_, rtol=rtol)
    for a, b in zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=0, atol=100 * rtol * np.abs(a).max())
    a, b = theirs.predict(X), ours.predict(X)
    assert a.dtype == b.dtype
    if a.dtype.kind == "f":
        np.testing.assert_allclose(b, a, rtol=0, atol=100 * rtol * np.abs(a).max())
    else:
        assert np.array_equal(a, b)


def assert_same_fit(kind, X, y, *, rtol=1e-7, sample_weight=None, **options):
    theirs, ours = pair(kind, **options)
    assert_same(theirs.fit(X, y, sample_weight), ours.fit(X, y, sample_weight), X, rtol)
    return theirs, ours


# Every way with every data set; activations take turns, so that each meets every way and every data set.
MATRIX = [
    (name, way, ACTIVATIONS[(d + w) % len(ACTIVATIONS)]) for d, name in enumerate(DATA) for w, way in enumerate(WAYS)
]


@pytest.mark.compiled_only
@pytest.mark.parametrize(("name", "way", "activation"), MATRIX, ids=str)
def test_same_numbers_as_scikit_learn(name, way, activation):
    X, y = load(name)
    assert_same_fit(kind_of(name), X, y, activation=activation, max_iter=25, random_state=0, **way)


SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 4, "random_state": 3}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_same_numbers_of_small_networks(name, way):
    X, y = load(name, 60)
    assert_same_fit(kind_of(name), X, y, batch_size=16, **SMALL, **way)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3], WAYS[-1]], ids=str)
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_float32(name, way):
    X, y = load(name, 60, np.float32)
    y = y.astype(np.float32) if name == "diabetes" else y
    assert_same_fit(kind_of(name), X, y, rtol=2e-4, batch_size=16, **SMALL, **way)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[2], WAYS[-1]], ids=str)
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_sample_weights(name, way):
    X, y = load(name, 60)
    weight = np.random.default_rng(1).uniform(0, 3, len(X))
    weight[:5] = 0.0
    assert_same_fit(kind_of(name), X, y, sample_weight=weight, batch_size=16, **SMALL, **way)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[-1]], ids=str)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_poisson(way, n_outputs):
    X, y = load("diabetes", 60)
    counts = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, :n_outputs])).astype(float)
    y = counts if n_outputs > 1 else counts.ravel()
    theirs, _ = assert_same_fit("MLPRegressor", X, y, loss="poisson", **SMALL, **way)
    assert theirs.out_activation_ == "exp"


@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[-1]], ids=str)
def test_several_outputs(way):
    X, y = load("diabetes", 60)
    assert_same_fit("MLPRegressor", X, np.column_stack([y, X[:, 0] ** 2, -y]), **SMALL, **way)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[-1]], ids=str)
def test_multilabel(way):
    X, Y = sklearn.datasets.make_multilabel_classification(60, 8, n_classes=4, random_state=0)
    theirs, ours = assert_same_fit("MLPClassifier", X, Y, **SMALL, **way)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("labels", [
    ["no", "yes"], ["a", "b", "c"], [3, 7], [-1, 0, 5], [False, True], [1.0, 2.0], ["one"],
], ids=str)  # fmt: skip
def test_kinds_of_labels(labels):
    X, y = load("iris", 40)
    for dtype in (None, object) if isinstance(labels[0], str) else (None,):
        of_kind = np.array(labels, dtype)[y % len(labels)]
        options = SMALL | {"early_stopping": True}
        try:
            sk.MLPClassifier(**options).fit(X, of_kind)
        except TypeError:  # scikit-learn 1.7 cannot score texts
            options["early_stopping"] = False
        theirs, ours = assert_same_fit("MLPClassifier", X, of_kind, **options)
        assert np.array_equal(theirs.classes_, ours.classes_)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
        np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6)
        assert ours.score(X, of_kind) == theirs.score(X, of_kind)


@pytest.mark.parametrize("options", [
    {"shuffle": False}, {"shuffle": False, "early_stopping": True}, {"batch_size": 7}, {"batch_size": 1},
    {"alpha": 0.0}, {"alpha": 3.0}, {"hidden_layer_sizes": ()}, {"hidden_layer_sizes": 6},
    {"solver": "sgd", "nesterovs_momentum": False}, {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 1e-5}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2}, {"solver": "lbfgs", "max_fun": 3},
    {"validation_fraction": 0.4, "early_stopping": True}, {"solver": "lbfgs", "tol": 0.1},
    {"tol": 10.0, "max_iter": 30, "n_iter_no_change": 2},
    {"tol": 10.0, "max_iter": 60, "n_iter_no_change": 2, "solver": "sgd", "learning_rate": "adaptive"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_options(name, options):
    X, y = load(name, 50)
    assert_same_fit(kind_of(name), X, y, **(SMALL | options))


def test_losses_of_outputs_that_round_to_0_and_1():
    """scikit-learn clips them before it takes logarithms."""
    X, y = load("breast_cancer", 60)
    assert_same_fit("MLPClassifier", 300 * X, y, **SMALL)
    X, y = load("iris", 60)
    assert_same_fit("MLPClassifier", 300 * X, y, **SMALL)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_warm_start_goes_on(way):
    X, y = load("iris", 60)
    theirs, ours = pair("MLPClassifier", warm_start=True, **(SMALL | {"max_iter": 12}), **way)
    for _ in range(2):
        theirs.fit(X, y)
        coefs = ours.fit(X, y).coefs_[0]
        if not way.get("early_stopping"):  # there scikit-learn loses its best weights: docs/scikit-learn.md
            assert_same(theirs, ours, X)
    assert np.shares_memory(coefs, ours.network_.params)


@pytest.mark.parametrize("way", [w for w in WAYS if w["solver"] != "lbfgs" and "early_stopping" not in w], ids=str)
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_partial_fit_keeps_the_solvers_memory(name, way):
    X, y = load(name, 60)
    theirs, ours = pair(kind_of(name), **SMALL, **way)
    for part in (slice(0, 25), slice(25, 60), slice(10, 30)):
        first = {"classes": np.unique(y)} if name == "iris" else {}
        theirs.partial_fit(X[part], y[part], **first)
        ours.partial_fit(X[part], y[part], **first)
        assert_same(theirs, ours, X)
        ours = pickle.loads(pickle.dumps(ours))


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_training_goes_on_after_it_has_stopped(method):
    """Each call does an epoch at least, however many were without a lower loss before."""
    X, y = load("diabetes", 40)
    options = SMALL | {"tol": 1e3, "n_iter_no_change": 2, "warm_start": method == "fit"}
    theirs, ours = pair("MLPRegressor", **options)
    for _ in range(6):
        getattr(theirs, method)(X, y), getattr(ours, method)(X, y)
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("options", [{}, {"tol": 10.0, "n_iter_no_change": 3}, {"early_stopping": True}], ids=str)
def test_a_generator_of_the_users_is_left_as_scikit_learn_leaves_it(options):
    X, y = load("iris", 40)
    options = SMALL | {"max_iter": 15} | options
    generators = [np.random.RandomState(5) for _ in range(2)]
    sk.MLPClassifier(**(options | {"random_state": generators[0]})).fit(X, y)
    fastbp.MLPClassifier(**(options | {"random_state": generators[1]})).fit(X, y)
    assert generators[0].uniform() == generators[1].uniform()


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array, sparse.csr_array])
def test_sparse_inputs(container, monkeypatch):
    X, y = load("digits", 60)
    X = np.maximum(X, 0)
    dense = fastbp.MLPClassifier(**SMALL).fit(X, y)
    other = fastbp.MLPClassifier(**SMALL).fit(container(X), y)
    assert np.array_equal(dense.network_.params, other.network_.params)
    monkeypatch.setattr("fastbp.estimators.base.CHUNK_NUMBERS", 64 * 17)  # the last chunk is smaller
    np.testing.assert_allclose(other.predict_proba(container(X)), dense.predict_proba(X), rtol=1e-12)


# ---------------------------------------------------------------- weights


def fitted(**options):
    X, y = load("iris", 60)
    return X, fastbp.MLPClassifier(**(SMALL | options)).fit(X, y)


def test_weights_are_views_of_the_network():
    X, ours = fitted()
    assert [c.shape for c in ours.coefs_] == [(4, 5), (5, 4), (4, 3)]
    for part in ours.coefs_ + ours.intercepts_:
        assert np.shares_memory(part, ours.network_.params)
    ours.coefs_[-1][:] = 0.0
    ours.intercepts_[-1][:] = [0.0, 9.0, 0.0]
    assert (ours.predict(X) == 1).all()
    assert ours.predict(X[:1]) == [1]


@pytest.mark.parametrize("n_rows", [1, 60])
def test_arrays_put_in_the_place_of_weights_count(n_rows):
    X, ours = fitted()
    before = ours.predict_proba(X[:n_rows])
    ours.coefs_[0] = -ours.coefs_[0]
    ours.intercepts_ = [b + 1.0 for b in ours.intercepts_]
    theirs = sk.MLPClassifier(**SMALL).fit(*load("iris", 60))
    theirs.coefs_, theirs.intercepts_ = [np.array(c) for c in ours.coefs_], [np.array(b) for b in ours.intercepts_]
    after = ours.predict_proba(X[:n_rows])
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after, theirs.predict_proba(X[:n_rows]), rtol=1e-9)
    assert np.shares_memory(ours.coefs_[0], ours.network_.params)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"])
def test_copies_have_weights_of_their_own(copier):
    X, ours = fitted()
    other = copier(ours)
    assert np.array_equal(other.predict_proba(X), ours.predict_proba(X))
    other.coefs_[0][:] = 0.0
    assert not np.array_equal(other.predict_proba(X), ours.predict_proba(X))
    assert np.shares_memory(other.coefs_[0], other.network_.params)
    assert other.loss_curve_ == ours.loss_curve_


def test_the_network_underneath():
    X, ours = fitted()
    assert isinstance(ours.network_, fastbp.Network)
    assert ours.network_.sizes == (4, 5, 4, 3)
    np.testing.assert_allclose(ours.network_.forward(X), ours.predict_proba(X), rtol=1e-12)
    T = np.eye(3)[load("iris", 60)[1]]
    E = -np.sum(T * np.log(ours.predict_proba(X)))
    assert np.isclose(ours.network_.loss(X, T), E)


def test_a_new_fit_leaves_the_old_weights_alone():
    X, y = load("iris", 60)
    ours = fastbp.MLPClassifier(**SMALL).fit(X, y)
    old = ours.coefs_[0]
    values = old.copy()
    ours.fit(-X, y)
    assert np.array_equal(old, values)


@pytest.mark.parametrize("n_rows", [1, 16, 17, 60])
def test_few_rows_are_predicted_as_many(n_rows):
    X, ours = fitted()
    np.testing.assert_allclose(ours.predict_proba(X[:n_rows]), ours.predict_proba(X)[:n_rows], rtol=1e-12)
    for other in (X[:n_rows].tolist(), np.asfortranarray(X)[:n_rows], X.astype("f4")[:n_rows].astype("f8")):
        np.testing.assert_allclose(ours.predict_proba(other), ours.predict_proba(X)[:n_rows], rtol=1e-5)


# ---------------------------------------------------------------- messages


def message(call):
    """What a call raises, or warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except Exception as error:
            return type(error), str(error)
    return [(w.category, str(w.message)) for w in caught]


X_GOOD, Y_GOOD = np.arange(40.0).reshape(20, 2) / 40, np.arange(20) % 2


def in_order(text):
    """Return a message with the names in braces sorted: those of a set come in an order of their own."""
    return re.sub(r"\{([^}]*)\}", lambda names: str(sorted(names[1].split(", "))), text)


@pytest.mark.parametrize(("options", "X", "y"), [
    ({"alpha": -1}, X_GOOD, Y_GOOD),
    ({"max_iter": 0}, X_GOOD, Y_GOOD),
    ({"momentum": 2}, X_GOOD, Y_GOOD),
    ({"learning_rate": "fast"}, X_GOOD, Y_GOOD),
    ({"hidden_layer_sizes": (3, 0)}, X_GOOD, Y_GOOD),
    ({"hidden_layer_sizes": -1}, X_GOOD, Y_GOOD),
    ({"batch_size": 50, "max_iter": 1}, X_GOOD, Y_GOOD),
    ({"random_state": "x"}, X_GOOD, Y_GOOD),
    ({"random_state": -1}, X_GOOD, Y_GOOD),
    ({"max_iter": 2}, X_GOOD, Y_GOOD),
    ({"solver": "lbfgs", "max_iter": 2}, X_GOOD, Y_GOOD),
    ({"early_stopping": True, "validation_fraction": 0.05}, X_GOOD, Y_GOOD),
    ({}, np.where(X_GOOD == 0, np.nan, X_GOOD), Y_GOOD),
    ({}, np.where(X_GOOD == 0, np.inf, X_GOOD), Y_GOOD),
    ({}, X_GOOD[:, 0], Y_GOOD),
    ({}, X_GOOD[:0], Y_GOOD[:0]),
    ({}, X_GOOD, Y_GOOD[:5]),
    ({}, X_GOOD, X_GOOD[:, 0]),
    ({}, X_GOOD, None),
    ({}, np.full((20, 2), "a"), Y_GOOD),
    ({}, X_GOOD.astype(complex), Y_GOOD),
    ({"max_iter": 1}, X_GOOD, Y_GOOD.reshape(-1, 1)),
])  # fmt: skip
def test_messages_are_scikit_learns(options, X, y):
    theirs, ours = (in_order(str(message(lambda e=e: e.fit(X, y)))) for e in pair("MLPClassifier", **options))
    schedules = [f', "{name!r}"' for name in ("linear", "cosine", "coslog4", "step")]
    own = [""" or a str among ["'evidence'"]""", *schedules]
    for more in own:  # what alpha and learning_rate may be here
        ours = ours.replace(more, "")
    assert theirs == ours
    assert theirs != "[]", "scikit-learn says nothing"


@pytest.mark.parametrize("name", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("X", [X_GOOD[:1, :1], np.full((1, 2), np.nan), np.full((1, 2), np.inf), X_GOOD[0]], ids=str)
def test_messages_of_predictions_are_scikit_learns(name, X):
    theirs, ours = pair("MLPClassifier", max_iter=1, random_state=0)
    assert message(lambda: getattr(theirs, name)(X)) == message(lambda: getattr(ours, name)(X))  # not fitted
    theirs.fit(X_GOOD, Y_GOOD), ours.fit(X_GOOD, Y_GOOD)
    expected = message(lambda: getattr(theirs, name)(X))
    assert expected == message(lambda: getattr(ours, name)(X))
    assert expected[0] is ValueError


def test_the_solver_lbfgs_has_no_partial_fit():
    assert not hasattr(fastbp.MLPRegressor(solver="lbfgs"), "partial_fit")
    assert hasattr(fastbp.MLPRegressor(solver="rprop"), "partial_fit")


def test_verbose_prints_what_scikit_learn_prints(capsys):
    X, y = load("iris", 60)
    options = SMALL | {"verbose": True, "tol": 1.0, "max_iter": 20, "n_iter_no_change": 1, "solver": "sgd"}
    for more in ({}, {"early_stopping": True}, {"learning_rate": "adaptive"}):
        printed = []
        for estimator in pair("MLPClassifier", **options, **more):
            estimator.fit(X, y)
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
        assert "Iteration 2" in printed[0]


def test_not_converged():
    X, y = load("iris", 60)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations") as caught:
        fastbp.MLPClassifier(**SMALL).fit(X, y)
    assert caught[0].filename == __file__
