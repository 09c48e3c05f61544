"""`tune`: folds, settings, scores on unseen rows, what it refuses."""

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.population.folds import folds_of

if not COMPILED:
    pytest.skip("hundreds of trainings", allow_module_level=True)

RNG = np.random.default_rng(1)
X = RNG.uniform(-1, 1, size=(240, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 50.0, 0.0, 1.0]
Y = np.sin(3 * X[:, 0]) + 0.1 * (X[:, 1] - 50) + 0.05 * RNG.normal(size=240)
LABELS = np.where(Y > 0.3, "high", "low")
NEW = RNG.uniform(-1, 1, size=(300, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 50.0, 0.0, 1.0]
TRUE = np.sin(3 * NEW[:, 0]) + 0.1 * (NEW[:, 1] - 50)


def test_folds():
    strata = np.repeat([0, 1, 2], [60, 30, 10])
    folds = folds_of(strata, 5, np.random.default_rng(0))
    assert sorted(np.concatenate([fold.unseen for fold in folds])) == list(range(100))
    for k, fold in enumerate(folds):
        assert sorted(np.concatenate(fold)) == list(range(100))
        assert np.array_equal(fold.validation, folds[(k + 1) % 5].unseen)
        assert np.array_equal(np.bincount(strata[fold.unseen]), [12, 6, 2])


def test_numbers():
    tuned = fastbp.tune(X, Y, fits=60, seed=0)
    assert tuned.n_fits <= 60
    assert len(tuned.population) == 5
    predicted, spread = tuned.predict(NEW, return_std=True)
    assert predicted.shape == spread.shape == (300,)
    assert (spread > 0).all()
    r2 = 1 - ((predicted - TRUE) ** 2).mean() / TRUE.var()
    assert r2 > 0.9
    assert abs(r2 - tuned.score) < 0.1
    assert tuned.tried[0].settings == tuned.settings
    assert "R2" in repr(tuned)
    assert str(tuned.tried[1].settings) in str(tuned)
    with pytest.raises(AttributeError, match="classes"):
        tuned.predict_proba(NEW)


def test_same_fits_same_bits(capsys):
    one, other = (fastbp.tune(X, Y, fits=15, seed=4, n_threads=n, verbose=n == 2) for n in (1, 2))
    assert one.settings == other.settings
    assert np.array_equal(one.predict(NEW), other.predict(NEW))
    assert "round 1:" in capsys.readouterr().out
    assert fastbp.tune(X, Y, fits=15, seed=5).tried != one.tried


def test_the_score_is_of_rows_that_a_network_has_not_seen():
    """Of targets that are noise, nothing can be predicted."""
    noise = np.random.default_rng(0).normal(size=240)
    assert fastbp.tune(X, noise, fits=30, seed=0).score < 0.1


def test_classes():
    tuned = fastbp.tune(X, LABELS, fits=30, seed=0)
    probabilities = tuned.predict_proba(NEW)
    assert probabilities.shape == (300, 2)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    predicted, spread = tuned.predict(NEW, return_std=True)
    assert set(predicted) <= {"high", "low"}
    assert spread.shape == (300,)
    assert (predicted == np.where(TRUE > 0.3, "high", "low")).mean() > 0.85
    assert "accuracy" in repr(tuned)


def test_several_targets_in_seconds():
    both = np.column_stack([Y, -2 * Y + 5])
    tuned = fastbp.tune(X, both, seconds=0.2, seed=0)
    assert tuned.predict(NEW).shape == (300, 2)
    assert tuned.score > 0.5


def test_a_larger_budget_tries_more():
    few, many = (fastbp.tune(X, Y, fits=fits, seed=0) for fits in (5, 60))
    assert len(few.tried) == 1
    assert len(many.tried) > 4
    assert len(fastbp.tune(X, Y, seconds=1e-3, seed=0).tried) == 1


WRONG = [
    ({"X": X[:10], "y": Y[:10]}, ValueError, "at least 20 samples"),
    ({"y": Y[:-1]}, ValueError, "y must have a row for each sample"),
    ({"y": np.full(240, "a")}, ValueError, "two classes"),
    ({"y": np.where(Y > 0, np.nan, Y)}, ValueError, r"y\[\d+"),
    ({"X": np.where(X > 0, np.inf, X)}, ValueError, r"X\["),
    ({"seconds": 0}, ValueError, "seconds"),
    ({"seconds": "1"}, TypeError, "seconds"),
    ({"fits": 4}, ValueError, "fits must be at least 5"),
    ({"fits": 2.5}, TypeError, "fits"),
    ({"seed": -1}, ValueError, "seed"),
    ({"n_threads": 0}, ValueError, "n_threads"),
    ({"verbose": 1}, TypeError, "verbose"),
]


@pytest.mark.parametrize(("options", "kind", "words"), WRONG, ids=[words for _o, _k, words in WRONG])
def test_what_is_refused(options, kind, words):
    with pytest.raises(kind, match=words):
        fastbp.tune(**({"X": X, "y": Y, "fits": 5} | options))
