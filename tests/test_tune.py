"""`tune`: folds, settings, scores on unseen rows, what it refuses."""

import warnings

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.population import settings
from fastbp.population.folds import folds_of
from fastbp.population.search import Budget, Search
from fastbp.population.settings import Settings, drawn
from fastbp.population.tasks import score_of, task_of

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


def test_settings_are_those_of_their_number():
    """Whatever was drawn before; small budgets come to none of those with what seldom helps."""
    many = [drawn(3, number, 240, smooths=True) for number in range(400)]
    assert many[7] == drawn(3, 7, 240, smooths=True) != drawn(4, 7, 240, smooths=True)
    plain, others = many[: settings.FIRST_PLAIN], many[settings.FIRST_PLAIN :]
    assert {one[5:] for one in plain} == {Settings()[5:]}
    for share in (
        np.mean([one.dropout > 0 for one in others]),
        np.mean([one.label_smoothing > 0 for one in others]),
        np.mean([one.schedule != settings.SCHEDULE for one in others]),
    ):
        assert 0.15 < share < 0.35
    of_numbers = [drawn(3, number, 240, smooths=False) for number in range(400)]
    assert of_numbers == [one._replace(label_smoothing=0.0) for one in many]


def test_a_larger_budget_begins_with_what_a_smaller_one_tries():
    few, many = ({one.settings for one in fastbp.tune(X, Y, fits=n, seed=0).tried} for n in (20, 60))
    assert few < many


def searched(y, **options):
    """Return the networks of five folds with some settings, and the search."""
    task = task_of(X, y, 20)
    folds = folds_of(task.strata, 5, np.random.default_rng(0))
    search = Search(task, folds, 0, [Settings((6,), "tanh", **options)])
    search.run(Budget(1.0, 5))
    return search


def test_networks_learn_with_their_settings():
    """As `Network.fit` alone on the rows of the fold; with dropout otherwise."""
    search = searched(LABELS, label_smoothing=0.2, schedule="linear")
    fold, task = search.folds[1], search.problem
    alone = fastbp.Network(
        (4, 6, 2), activation="tanh", output="softmax", loss="cross_entropy", dtype="float32", seed=1
    )
    held = task.x[fold.validation], task.t[fold.validation]
    alone.fit(
        task.x[fold.training], task.t[fold.training], epochs=20, patience=6, learning_rate=0.003, l2=1e-4, seed=1,
        validation=held, label_smoothing=0.2, schedule="linear",
    )  # fmt: skip
    assert np.allclose(search.networks[1].params, alone.params, rtol=1e-3, atol=1e-5)
    dropped = searched(LABELS, label_smoothing=0.2, schedule="linear", dropout=0.3)
    assert not np.allclose(dropped.networks[1].params, alone.params, rtol=1e-2, atol=1e-2)


def test_all_settings_are_told_and_reproducible(monkeypatch):
    monkeypatch.setattr(settings, "FIRST_PLAIN", 0)
    monkeypatch.setattr(settings, "SELDOM", 1.0)
    one, other = (fastbp.tune(X, LABELS, fits=30, seed=2, n_threads=n) for n in (1, 2))
    assert one.tried == other.tried
    assert np.array_equal(one.population.params, other.population.params)
    words = [str(tried.settings) for tried in one.tried if tried.settings.dropout]
    assert len(words) == len(one.tried) - 1
    assert all("dropout 0." in word and "label smoothing 0." in word and word in str(one) for word in words)


@pytest.mark.parametrize(
    ("kind", "y"), [(fastbp.MLPClassifier, LABELS), (fastbp.MLPRegressor, (Y - Y.mean()) / Y.std())]
)
def test_an_estimator_with_the_settings(kind, y, monkeypatch):
    monkeypatch.setattr(settings, "FIRST_PLAIN", 0)
    tuned = fastbp.tune(X, y, fits=30, seed=0)
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    estimator = kind(random_state=0, **tuned.estimator_options())
    s = tuned.settings
    assert (estimator.hidden_layer_sizes, estimator.activation, estimator.dropout) == (
        s.hidden,
        s.activation,
        s.dropout,
    )
    assert (estimator.learning_rate, estimator.learning_rate_init, estimator.label_smoothing) == (
        s.schedule, s.learning_rate, s.label_smoothing,
    )  # fmt: skip
    assert estimator.alpha == s.l2 * s.batch_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge in so few epochs
        assert estimator.fit(standardised, y).score(standardised, y) > 0.8


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


def test_a_column_that_is_the_same_but_for_rounding_counts_nothing():
    constant = np.full((len(X), 1), 0.1)
    assert constant.std() > 0, "its mean is rounded"
    tuned = fastbp.tune(np.hstack([X, constant]), Y, fits=5, seed=0)
    elsewhere = tuned.predict(np.hstack([X, 2 * constant]))
    assert np.abs(elsewhere).max() < 10 * np.abs(Y).max()


NO_TABLES = [
    (X, np.full(len(X), 0.1), ValueError, "y must have numbers that differ"),
    (X, 1e-200 * Y, ValueError, "y must have numbers that differ"),
    (X, 1e200 * Y, ValueError, "y holds numbers too large"),
    (1e200 * X, Y, ValueError, "X holds numbers too large"),
    (X, np.arange(len(X)), ValueError, "astype"),
    (X, Y.astype(object), TypeError, "astype"),
    (X, Y + 1j, TypeError, "y must hold classes"),
    (X, np.arange(len(X)).astype("datetime64[D]"), TypeError, "y must hold classes"),
    (X, np.array(["a", None] * 120, dtype=object), TypeError, "y must hold classes of one type"),
]


@pytest.mark.parametrize(("x", "y", "kind", "words"), NO_TABLES, ids=range(len(NO_TABLES)))
def test_tables_that_are_refused(x, y, kind, words):
    with pytest.raises(kind, match=words):
        fastbp.tune(x, y, fits=5)


def test_unseen_rows_of_one_number_have_the_score_0():
    outputs, t = np.array([[0.5, 0.1], [0.5, 0.2], [0.1, 0.3]]), np.array([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3]])
    assert score_of(outputs, t, None) == pytest.approx((0.0 + 1.0) / 2)


@pytest.mark.parametrize("last", [2, 3])
def test_interrupted_rounds_replace_nothing(last, monkeypatch):
    fit, rounds = fastbp.Population.fit, []

    def interrupted(population, *args, **options):
        rounds.append(options["epochs"])
        if len(rounds) == last + 1:  # the first is the rehearsal

            def press(_population, _histories):
                raise KeyboardInterrupt

            options["callback"] = press
        return fit(population, *args, **options)

    monkeypatch.setattr(fastbp.Population, "fit", interrupted)
    tuned = fastbp.tune(X, Y, fits=100, seed=0)
    assert len(rounds) == last + 1
    assert max(one.epochs for one in tuned.tried) == (20, 60)[last - 2]
    assert tuned.tried[0].settings == tuned.settings
    assert tuned.score > 0.5, "the networks of the round before answer"
