"""`n_estimators`: several networks in an estimator, their folds, their mean, and scores of unseen samples."""

import pickle
import warnings

import numpy as np
import pytest
from cases import COMPILED
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score

from fastbp import MLPClassifier, MLPRegressor
from fastbp.engine.gate import Gate
from fastbp.population.folds import folds_of

if not COMPILED:
    pytest.skip("dozens of trainings", allow_module_level=True)

RNG = np.random.default_rng(3)
X = RNG.normal(size=(150, 4))
Y = X[:, 0] - X[:, 1] * X[:, 2] + 0.1 * RNG.normal(size=150)
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, [-0.7, 0.7])]
NEW = RNG.normal(size=(40, 4))
OPTIONS = {"hidden_layer_sizes": (8,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0, "n_estimators": 4}


@pytest.fixture(autouse=True)
def unconverged():
    """Few epochs are enough here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def regressor(**options):
    return MLPRegressor(**(OPTIONS | options)).fit(X, Y)


def classifier(**options):
    return MLPClassifier(**(OPTIONS | options)).fit(X, LABELS)


def test_the_mean_of_numbers_and_its_spread():
    model = regressor()
    by_hand = np.stack([member.predict(NEW) for member in model.estimators_])
    predicted, spread = model.predict(NEW, return_std=True)
    assert len(by_hand) == 4
    np.testing.assert_allclose(predicted, by_hand.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread, by_hand.std(axis=0, ddof=1), rtol=1e-9)
    assert np.array_equal(predicted, model.predict(NEW))
    assert len({member.n_iter_ for member in model.estimators_}) > 1 or spread.min() > 0


def test_the_mean_of_probabilities_and_its_spread():
    model = classifier()
    by_hand = np.stack([member.predict_proba(NEW) for member in model.estimators_])
    mean = by_hand.mean(axis=0)
    np.testing.assert_allclose(model.predict_proba(NEW), mean, rtol=1e-12)
    predicted, spread = model.predict(NEW, return_std=True)
    assert np.array_equal(predicted, model.classes_[mean.argmax(axis=1)])
    deviations = by_hand.std(axis=0, ddof=1)
    np.testing.assert_allclose(spread, deviations[np.arange(40), mean.argmax(axis=1)], rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "scg"])
def test_a_warning_of_all_networks_comes_once(solver):
    batch_size = 1000 if solver == "adam" else "auto"  # too large, of which adam warns
    model = MLPRegressor(**(OPTIONS | {"max_iter": 2, "solver": solver, "batch_size": batch_size}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    kinds = [ConvergenceWarning] + [UserWarning] * (solver == "adam")
    assert sorted(one.category.__name__ for one in caught) == [kind.__name__ for kind in kinds]
    assert {one.filename for one in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            clone(model).set_params(batch_size="auto").fit(X, Y)


def test_two_classes_and_several_labels():
    two = MLPClassifier(**OPTIONS).fit(X, Y > 0)
    assert two.oof_decision_function_.shape == (150, 2)
    assert two.predict(NEW, return_std=True)[1].shape == (40,)
    labels = np.column_stack([Y > 0, X[:, 3] > 0]).astype(int)
    both = MLPClassifier(**OPTIONS).fit(X, labels)
    assert both.predict(NEW).shape == both.predict(NEW, return_std=True)[1].shape == (40, 2)
    assert both.oof_score_ > 0.5


def test_scores_are_of_samples_that_a_network_has_not_seen():
    """Find the folds again, and from each network the predictions for the samples that it has not seen."""
    model = regressor()
    random = np.random.RandomState(0)
    folds = folds_of(np.zeros(150, int), 4, np.random.default_rng(random.randint(2**31)))
    expected = np.empty(150)
    for member, fold in zip(model.estimators_, folds, strict=True):
        expected[fold.unseen] = member.predict(X[fold.unseen])
    np.testing.assert_allclose(model.oof_prediction_, expected, rtol=1e-12)
    assert model.oof_score_ == pytest.approx(r2_score(Y, expected))
    assert 0.3 < model.oof_score_ < model.score(X, Y)
    classes = classifier()
    assert classes.oof_score_ == accuracy_score(LABELS, classes.classes_[classes.oof_decision_function_.argmax(axis=1)])


def test_of_noise_nothing_is_known():
    noise = np.random.default_rng(0).normal(size=150)
    model = MLPRegressor(**(OPTIONS | {"solver": "lbfgs", "max_iter": 200})).fit(X, noise)
    assert model.score(X, noise) > 0.3
    assert model.oof_score_ < 0.05


@pytest.mark.parametrize(
    ("kind", "y", "options"),
    [
        (MLPRegressor, Y, {}),
        (MLPClassifier, LABELS, {"batch_size": 16, "dropout": 0.2, "label_smoothing": 0.1}),
        (MLPClassifier, LABELS, {"solver": "sgd", "learning_rate": "adaptive", "max_iter": 200}),
        (MLPRegressor, Y, {"solver": "rmsprop", "learning_rate": "cosine", "verbose": True}),
    ],
    ids=["numbers", "dropout", "adaptive", "verbose"],
)
def test_each_network_is_what_an_estimator_of_one_makes_of_its_folds(kind, y, options):
    options = OPTIONS | options
    model = kind(**options).fit(X, y)
    random = np.random.RandomState(0)
    strata = np.unique(y, return_inverse=True)[1] if kind is MLPClassifier else np.zeros(150, int)
    folds = folds_of(strata, 4, np.random.default_rng(random.randint(2**31)))
    for member, fold in zip(model.estimators_, folds, strict=True):
        alone = kind(**options | {"n_estimators": 1, "early_stopping": True, "random_state": random.randint(2**31)})
        alone.fit(X[fold.training], y[fold.training], eval_set=(X[fold.validation], y[fold.validation]))
        assert np.array_equal(alone._outputs(NEW), member._outputs(NEW))
        assert alone.validation_scores_ == member.validation_scores_
        assert alone.loss_curve_ == member.loss_curve_
        assert member.validation_loss_curve_ is None


def test_python_does_not_wait_for_each_epoch(monkeypatch):
    """A network of a small table is trained in one compiled call, or two."""
    calls, train = [], Gate.train_epochs
    monkeypatch.setattr(Gate, "train_epochs", lambda *given: calls.append(1) or train(*given))
    model = regressor()
    assert min(member.n_iter_ for member in model.estimators_) > 2
    assert 4 <= len(calls) <= 8


def test_weights_that_are_set_answer():
    model = regressor()
    for member in model.estimators_:
        member.coefs_[1] = 0 * member.coefs_[1]
        member.intercepts_[1] = np.array([3.0])
    assert np.array_equal(model.predict(NEW), np.full(40, 3.0))


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "lbfgs", "lm"])
def test_solvers(solver):
    model = regressor(solver=solver, max_iter=20)
    assert np.isfinite(model.predict(NEW)).all()
    assert all(member.solver == solver for member in model.estimators_)


def test_with_a_preset():
    model = MLPClassifier(preset="realmlp", max_iter=10, hidden_layer_sizes=8, n_estimators=3, random_state=0)
    model.fit(X, LABELS)
    assert len(model.estimators_) == 3
    with pytest.raises(AttributeError, match="has no network_ of its own: estimators_ have"):
        _ = model.network_
    assert model.predict_proba(NEW).shape == model.gradient_(NEW).shape[:2] == (40, 3)


def test_rare_classes_are_known_to_all_networks():
    labels = np.where(np.arange(150) < 2, "rare", LABELS)
    model = MLPClassifier(**OPTIONS).fit(X, labels)
    assert list(model.classes_) == ["high", "low", "middle", "rare"]
    assert all(member.predict_proba(NEW).shape == (40, 4) for member in model.estimators_)


def test_weights_sparse_frames_and_gradients():
    import pandas as pd

    weight = np.where(np.arange(150) % 2, 1.0, 0.5)
    weighted = MLPRegressor(**OPTIONS).fit(X, Y, sample_weight=weight)
    assert not np.array_equal(weighted.predict(NEW), regressor().predict(NEW))
    assert weighted.oof_score_ == pytest.approx(r2_score(Y, weighted.oof_prediction_, sample_weight=weight))
    assert np.array_equal(MLPRegressor(**OPTIONS).fit(sparse.csc_matrix(X), Y).predict(NEW), regressor().predict(NEW))
    frame = pd.DataFrame(X, columns=list("abcd"))
    framed = MLPRegressor(**OPTIONS).fit(frame, Y)
    assert list(framed.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(framed.predict(pd.DataFrame(NEW, columns=list("abcd"))), regressor().predict(NEW))
    slopes = np.mean([member.gradient_(NEW) for member in framed.estimators_], axis=0)
    np.testing.assert_allclose(framed.gradient_(pd.DataFrame(NEW, columns=list("abcd"))), slopes)


def test_clone_pickle_and_the_same_bits():
    model = regressor()
    again = clone(model)
    assert again.get_params()["n_estimators"] == 4
    assert not hasattr(again, "estimators_")
    assert np.array_equal(again.fit(X, Y).predict(NEW), model.predict(NEW))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(NEW), model.predict(NEW))
    assert np.array_equal(regressor(n_jobs=1).predict(NEW), regressor(n_jobs=2).predict(NEW))


def test_from_one_network_to_several_and_back():
    model = regressor(n_estimators=1)
    model.set_params(n_estimators=3).fit(X, Y)
    assert not hasattr(model, "coefs_")
    assert not hasattr(model, "network_")
    model.set_params(n_estimators=1).fit(X, Y)
    assert not hasattr(model, "estimators_")
    assert not hasattr(model, "oof_score_")
    assert np.array_equal(model.predict(NEW), regressor(n_estimators=1).predict(NEW))


REFUSED = [
    ({"n_estimators": 2}, "n_estimators must be 1, or at least 3; got 2"),
    ({"n_estimators": 151}, "n_estimators must be at most n_samples = 150"),
    ({"n_estimators": 0}, "n_estimators"),
    ({"n_estimators": 4.0}, "n_estimators"),
    ({"n_estimators": True}, "'n_estimators' parameter .* must be an int in the range .* Got True"),
    ({"max_iter": True}, "'max_iter' parameter .* Got True"),
    ({"warm_start": True}, "warm_start must be False"),
    ({"alpha": "evidence"}, "alpha must be a number"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_is_refused_leaves_all_as_it_was(options, words):
    model = regressor()
    before = model.predict(NEW)
    with pytest.raises(ValueError, match=words):
        model.set_params(**options).fit(X, Y)
    assert np.array_equal(model.predict(NEW), before)
    assert hasattr(model, "oof_score_")


def test_what_is_for_one_network():
    with pytest.raises(ValueError, match="eval_set must be None"):
        MLPRegressor(**OPTIONS).fit(X, Y, eval_set=(X, Y))
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPRegressor(**OPTIONS).partial_fit(X, Y)
    with pytest.raises(ValueError, match="n_estimators of 3"):
        classifier(n_estimators=1).predict(NEW, return_std=True)


def test_an_interrupt_leaves_all_as_it_was():
    def interrupt(_estimator):
        raise KeyboardInterrupt

    model = regressor()
    before = model.predict(NEW)
    with pytest.raises(KeyboardInterrupt), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.set_params(callback=interrupt).fit(X, Y)
    assert np.array_equal(model.predict(NEW), before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_checks_of_estimators(kind):
    """All of scikit-learn's, but that a weight of 2 is a sample twice: its folds may part the two."""
    from sklearn.utils.estimator_checks import check_estimator

    weighted = [f"check_sample_weight_equivalence_on_{form}_data" for form in ("dense", "sparse")]
    several = kind(hidden_layer_sizes=20, solver="lbfgs", max_iter=100, n_estimators=3)
    check_estimator(
        several, expected_failed_checks=dict.fromkeys(weighted, "samples are cut into folds"), on_fail="raise"
    )
