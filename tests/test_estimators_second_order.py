"""scikit-learn's face of the minimisers and of the evidence: the losses are those of its lbfgs, the errors honest."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge

from fastbp import MLPClassifier, MLPRegressor

MINIMISERS = ("lm", "scg", "cg", "newton_cg")
SMALL = {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": 0}


def wave(n_samples=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n_samples, 3))
    return X, np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=n_samples)


def classes(n_samples=150):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 2))
    return X, (X[:, 0] + 0.5 * rng.normal(size=n_samples) > 0).astype(int)


def loss_of(est, X, Y, weight):
    """scikit-learn's: the mean over samples and outputs of half the squares, and the penalty over the samples."""
    half = 0.5 * (np.asarray(Y) - est.predict(X).reshape(np.shape(Y))) ** 2
    penalty = 0.5 * est.alpha * sum((w**2).sum() for w in est.coefs_)
    return ((weight * half.reshape(len(X), -1).mean(axis=1)).sum() + penalty) / weight.sum()


@pytest.mark.parametrize("solver", MINIMISERS)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_minimum_is_that_of_lbfgs(solver, n_outputs):
    """Without hidden layers' freedom: a penalty so strong that there is one minimum."""
    X, y = wave()
    Y = y if n_outputs == 1 else np.column_stack([y, X[:, 1]])
    weight = np.linspace(0.5, 2.0, len(X))
    options = {"alpha": 3.0, "tol": 1e-9, "max_iter": 2000} | SMALL
    ours = MLPRegressor(solver=solver, **options).fit(X, Y, sample_weight=weight)
    if n_outputs == 1:  # of several, the gradient that scikit-learn follows is not that of its loss
        theirs = MLPRegressor(solver="lbfgs", **options).fit(X, Y, sample_weight=weight)
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    assert ours.loss_ == pytest.approx(loss_of(ours, X, Y, weight), rel=1e-12)
    assert ours.loss_curve_[-1] == ours.loss_
    assert ours.best_loss_ == min(ours.loss_curve_)
    assert len(ours.loss_curve_) == ours.n_iter_
    if n_outputs == 1:
        assert (np.diff(ours.loss_curve_) < 1e-12).all()


@pytest.mark.parametrize("solver", MINIMISERS)
def test_classes(solver):
    X, y = classes()
    est = MLPClassifier(solver=solver, alpha=0.1, max_iter=500, **SMALL).fit(X, y)
    assert est.score(X, y) > 0.8
    several = MLPClassifier(solver=solver, alpha=0.1, max_iter=500, **SMALL).fit(X, y + (X[:, 1] > 0))
    assert several.score(X, y + (X[:, 1] > 0)) > 0.75


def test_early_stopping_validation_and_callbacks():
    X, y = wave(60)
    other_X, other_y = wave(40, seed=1)
    seen = []
    est = MLPRegressor(
        solver="lm", early_stopping=True, n_iter_no_change=5, max_iter=500, tol=0.0,
        callback=lambda e: seen.append(e.n_iter_), **SMALL | {"hidden_layer_sizes": (20,)},
    )  # fmt: skip
    est.fit(X, y, eval_set=(other_X, other_y))
    assert est.n_iter_ < 100
    assert len(est.validation_loss_curve_) == len(est.validation_scores_) == est.n_iter_
    assert seen == list(range(1, est.n_iter_ + 1))
    assert est.score(other_X, other_y) == pytest.approx(max(est.validation_scores_))
    held = MLPRegressor(solver="lm", early_stopping=True, max_iter=300, **SMALL).fit(X, y)
    assert len(held.validation_scores_) == held.n_iter_


def test_iterations_warm_starts_and_clones():
    X, y = wave()
    est = MLPRegressor(solver="lm", max_iter=2, warm_start=True, tol=0.0, **SMALL)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        est.fit(X, y)
    first = est.loss_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert est.fit(X, y).loss_ < first
        assert clone(est).fit(X, y).loss_ == first
        assert np.array_equal(pickle.loads(pickle.dumps(est)).predict(X), est.predict(X))
        assert est.set_params(solver="adam").fit(X, y).loss_ < first
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        MLPRegressor(solver="lm").partial_fit(X, y)


def test_the_evidence_of_a_linear_network_is_bayesian_ridge():
    """Of one decay; with one for each input it is at least as likely."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    y = X @ [1.0, -2.0, 0.3, 0.5] + 0.5 * rng.normal(size=80)
    est = MLPRegressor(hidden_layer_sizes=(), alpha="evidence", max_iter=3000, random_state=0).fit(X, y)
    ridge = BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, y)
    mean, std = est.predict(X, return_std=True)
    expected, expected_std = ridge.predict(X, return_std=True)
    assert mean.shape == std.shape == (80,)
    assert np.allclose(mean, expected, atol=0.1)
    assert np.allclose(std, expected_std, rtol=0.1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evidence(dtype):
    X, y = wave()
    X = X.astype(dtype)
    est = MLPRegressor(alpha="evidence", max_iter=600, **SMALL).fit(X, y)
    fresh, truth = wave(2000, seed=5)
    mean, std = est.predict(fresh, return_std=True)
    assert np.array_equal(mean, est.predict(fresh))
    assert 0.9 < (abs(mean - truth) < 1.96 * std).mean() < 0.98
    assert est.evidence_.relevance[0, 0] > 5 * est.evidence_.relevance[0, 1:].max()
    assert est.loss_ == pytest.approx(0.5 * ((est.predict(X) - y) ** 2).mean())
    copy = pickle.loads(pickle.dumps(est))
    assert np.array_equal(copy.predict(fresh, return_std=True)[1], std)
    again = clone(est).fit(X, y)
    assert np.array_equal(again.predict(X), est.predict(X))
    est.coefs_[0][0, 0] += 1.0
    with pytest.raises(ValueError, match="have been changed since"):
        est.predict(X, return_std=True)


def test_evidence_of_several_outputs_and_of_classes():
    X, y = wave()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est = MLPRegressor(alpha="evidence", max_iter=300, **SMALL).fit(X, np.column_stack([y, X[:, 1]]))
    mean, std = est.predict(X, return_std=True)
    assert mean.shape == std.shape == (120, 2)
    X, labels = classes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = MLPClassifier(alpha="evidence", max_iter=200, **SMALL).fit(X, labels)
    plain, moderated = found.network_.forward(X)[:, 0], found.predict_proba(X)[:, 1]
    assert (abs(moderated - 0.5) <= abs(plain - 0.5) + 1e-12).all()
    assert found.score(X, labels) > 0.8


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"solver": "lm", "dropout": 0.2}, ValueError, "dropout must be 0 for solver 'lm'"),
        ({"solver": "scg", "l1": 0.2}, ValueError, "l1 must be 0 for solver 'scg'"),
        ({"solver": "lm", "loss": "absolute_error"}, ValueError, "second derivatives"),
        ({"alpha": "evidence", "loss": "huber"}, ValueError, "needs a loss and outputs that are a probability"),
        ({"alpha": "evidence", "early_stopping": True}, ValueError, "early_stopping must be False"),
        ({"alpha": "evident"}, ValueError, "alpha"),
        ({"solver": "lma"}, ValueError, "solver"),
    ],
)
def test_refusals(options, error, message):
    X, y = wave()
    est = MLPRegressor(**SMALL | options)
    with pytest.raises(error, match=message):
        est.fit(X, y)
    assert not hasattr(est, "coefs_")


def test_standard_deviations_need_the_evidence():
    X, y = wave()
    est = MLPRegressor(solver="lm", alpha=0.1, max_iter=300, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="need a fit with alpha='evidence'"):
        est.predict(X, return_std=True)
    with pytest.raises(ValueError, match="sample_weight must be None"):
        MLPRegressor(alpha="evidence", **SMALL).fit(X, y, sample_weight=np.ones(len(X)))
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        MLPRegressor(alpha="evidence").partial_fit(X, y)
