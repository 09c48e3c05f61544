"""Both sides of each threshold of tables: how much is trained unasked, what is told, when a column holds numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("polars")
pytest.importorskip("msgspec")
import polars as pl
from test_thresholds import own_constants

from fastbp.population.folds import folds_of
from fastbp.population.search import Budget
from fastbp.population.settings import Settings, cost_of
from fastbp.tables.cells import mixtures
from fastbp.tables.modelling import ensemble, scores

SETTINGS = Settings((64,), batch_size=32)


def training_of(n_rows, epochs=100):
    """Return what is asked of a table before its training."""
    options = SimpleNamespace(epochs=epochs, settings=SETTINGS, seed=0, threads=1)
    return SimpleNamespace(
        learnt_rows=np.arange(n_rows), options=options, net=SimpleNamespace(n_inputs=10, n_outputs=1)
    )


# --- networks that nobody asked for, and rows of a search ----------------------------------------------


@pytest.mark.parametrize("n", [8, 4, 3])
def test_networks_that_nobody_asked_for_take_so_many_products(n):
    of_a_row = 3 * 100 * cost_of(SETTINGS, 10, 1)
    just = int(ensemble.UNASKED_PRODUCTS / n / of_a_row)
    assert ensemble.n_networks(training_of(just), SETTINGS) == n
    fewer = n - 1 if n > ensemble.FEWEST_NETWORKS else 1
    assert ensemble.n_networks(training_of(just + 1), SETTINGS) == fewer
    assert ensemble.n_networks(training_of(just // 2), SETTINGS) == min(ensemble.USUAL_NETWORKS, 2 * n)


def test_each_fold_has_some_rows():
    rows = {n: ensemble.n_networks(training_of(ensemble.FEWEST_IN_FOLD * n), SETTINGS) for n in (2, 3, 7, 8, 9)}
    assert rows == {2: 1, 3: 3, 7: 7, 8: 8, 9: 8}
    assert ensemble.n_networks(training_of(ensemble.FEWEST_IN_FOLD * 7 - 1), SETTINGS) == 6


def test_rows_of_a_search_follow_from_its_seconds():
    training = training_of(10**7)
    one = ensemble._most_rows(training, SETTINGS, Budget(1.0))
    of_a_row = ensemble.SEARCH_FOLDS * 20 * 3 * cost_of(SETTINGS, 10, 1)  # of the first round
    assert one == int(ensemble.SEARCH_PRODUCTS / 3 / of_a_row) > ensemble.FEWEST_SEARCHED
    assert ensemble._most_rows(training, SETTINGS, Budget(2.0)) in (2 * one, 2 * one + 1)
    assert ensemble._most_rows(training, SETTINGS, Budget(1e-3)) == ensemble.FEWEST_SEARCHED
    assert ensemble._most_rows(training, SETTINGS, Budget(1.0, 5)) == 10**7


@pytest.mark.parametrize("n_rows", [ensemble.MANY_ROWS, ensemble.MANY_ROWS + 1])
def test_of_many_rows_fewer_folds_tell_settings_apart(n_rows, monkeypatch):
    found = []

    class Stopped(Exception):
        pass

    def search(problem, folds, *_rest):
        found.append(folds)
        raise Stopped

    monkeypatch.setattr(ensemble, "Search", search)
    monkeypatch.setattr(ensemble.TableProblem, "of", lambda _t, rows: SimpleNamespace(strata=np.zeros(len(rows), int)))
    with pytest.raises(Stopped):
        ensemble.choose(training_of(n_rows), [], Budget(2.0, 5), print)
    many = n_rows > ensemble.MANY_ROWS
    assert len(found[0]) == (ensemble.FOLDS_OF_MANY if many else ensemble.SEARCH_FOLDS)
    expected = folds_of(np.zeros(n_rows, int), ensemble.SEARCH_FOLDS, np.random.default_rng(0))
    assert np.array_equal(found[0][1].unseen, expected[1].unseen)


# --- what is told ----------------------------------------------------------------------------------------


def test_a_class_is_rare_beside_so_many_rows_of_another():
    target = SimpleNamespace(classes=["often", "seldom"])
    n = 10
    often = int(scores.RARE * n)
    assert scores.rare_class(target, np.array([[often - 1, 0], [n, 0]]), balanced=False) is None
    rare = scores.rare_class(target, np.array([[often, 0], [n - 3, 3]]), balanced=False)
    assert rare == scores.RareClass("seldom", n, 3, False)


@pytest.mark.parametrize(("n_rows", "n_groups"), [(39, 1), (40, 2), (199, 9), (200, 10), (1000, 10)])
def test_groups_of_a_calibration(n_rows, n_groups):
    sure = np.linspace(0.3, 0.9, n_rows)
    groups = scores.calibration_of(sure, np.arange(n_rows) % 2 == 0)
    assert len(groups) == n_groups
    assert groups[:, 2].sum() == n_rows


# --- numbers beside other things -----------------------------------------------------------------------


def are_numbers(n_numbers, n_different, n_words, n_different_words):
    """Return what is said of a column of so many numbers and words."""
    values = [str(k % n_different) for k in range(n_numbers)] + [f"w{k % n_different_words}" for k in range(n_words)]
    given = pl.Series(values)
    return mixtures.are_numbers(given, given.cast(pl.Float64, strict=False))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((95, 20, 5, 5), True),  # MOSTLY
        ((94, 20, 6, 6), False),
        ((90, 44, 10, 7), True),  # _MANY different values
        ((90, 43, 10, 7), False),
        ((90, 26, 10, 3), True),  # _MORE_THAN_CODES, _FEW_WORDS
        ((90, 25, 10, 3), False),
        ((90, 26, 10, 4), False),
        ((68, 60, 34, 5), True),  # twice as many numbers
        ((67, 60, 34, 5), False),
    ],
)
def test_a_column_of_numbers_with_exceptions(counts, expected):
    assert are_numbers(*counts) is expected


@pytest.mark.parametrize(
    ("n_different", "n_limits", "expected"),
    [(10, 10, True), (11, 10, False), (10, 9, False), (100, 100, True), (10, 0, False)],
)
def test_limits_are_steps_of_a_scale(n_different, n_limits, expected):
    given = pl.Series([f"<{k % n_different}" for k in range(100)])
    assert mixtures.are_steps(given, n_limits) is expected


@pytest.mark.parametrize(
    ("n_rows", "n_zeros", "expected"), [(19, 1, True), (20, 1, False), (20, 2, True), (200, 2, False), (200, 3, True)]
)
def test_digits_with_zeros_before_them_are_codes(n_rows, n_zeros, expected):
    """Of several lengths; of one length nearly all are codes."""
    values = ["07"] * n_zeros + ["1" * (1 + k % 4) for k in range(n_rows - n_zeros)]
    assert mixtures.are_codes(pl.Series(values)) is expected


@pytest.mark.parametrize(("n_longer", "expected"), [(5, True), (6, False)])
def test_codes_are_of_one_length(n_longer, expected):
    values = ["07123"] + ["12345"] * (99 - n_longer) + ["123456"] * n_longer
    assert mixtures.are_codes(pl.Series(values)) is expected


CROSSED = {
    ensemble: {"USUAL_NETWORKS", "FEWEST_NETWORKS", "FEWEST_IN_FOLD", "UNASKED_PRODUCTS", "SEARCH_FOLDS",
               "SEARCH_PRODUCTS", "FEWEST_SEARCHED", "MANY_ROWS", "FOLDS_OF_MANY",
               "FEWEST_TO_TUNE", "_PASSES", "_SHOWN"},  # these three: see `test_cli_ensemble.py`
    scores: {"MOST_GROUPS", "FEWEST_IN_GROUP", "RARE"},
    mixtures: {"MOSTLY", "_FEW_NUMBERS", "_MANY", "_MORE_THAN_CODES", "_FEW_WORDS", "_STRAY", "_FEWEST_ROWS"},
}  # fmt: skip


@pytest.mark.parametrize("module", CROSSED, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_threshold_is_crossed_here(module):
    assert own_constants(module) == CROSSED[module]
