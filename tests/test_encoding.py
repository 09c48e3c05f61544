"""Encoding columns and targets, and back; splitting rows."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from fastbp.cli.encoding import (
    BooleanColumn,
    CategoryColumn,
    ClassTarget,
    Encoder,
    NumberColumn,
    NumberTarget,
    target_from_json,
)
from fastbp.cli.tables import (
    TableError,
    TableWarning,
)
from fastbp.cli.training import split_rows

# --- encoding --------------------------------------------------------------------------------------------


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "size": rng.normal(170, 12, 50),
            "count": rng.integers(0, 9, 50),
            "city": rng.choice(["Bonn", "Kiel", "Ulm"], 50),
            "member": rng.integers(0, 2, 50).astype(bool),
        }
    )


def test_encoding_standardises_numbers_and_spreads_text(frame):
    X = Encoder.fit(frame).encode(frame)
    size, count = (frame[name].to_numpy() for name in ("size", "count"))
    expected = np.column_stack(
        [
            (size - size.mean()) / size.std(),
            (count - count.mean()) / count.std(),
            *(frame["city"].to_numpy() == city for city in ("Bonn", "Kiel", "Ulm")),
            frame["member"].to_numpy(),
        ]
    )
    assert X.dtype == np.float32
    np.testing.assert_allclose(X, expected, rtol=0, atol=1e-6)


def test_encoding_survives_json(frame):
    encoder = Encoder.fit(frame)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    assert [type(column) for column in again.columns] == [
        NumberColumn,
        NumberColumn,
        CategoryColumn,
        BooleanColumn,
    ]
    np.testing.assert_array_equal(again.encode(frame), encoder.encode(frame))


def test_encoding_takes_columns_by_name(frame):
    encoder = Encoder.fit(frame)
    shuffled = frame.select("member", pl.lit("2024-01-01").alias("date"), "city", "count", "size")
    np.testing.assert_array_equal(encoder.encode(shuffled), encoder.encode(frame))


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e15, 3, True])
def test_constant_column_is_no_division_by_zero(constant):
    encoder = Encoder.fit(pl.DataFrame({"x": [constant] * 7}))
    np.testing.assert_array_equal(encoder.encode(pl.DataFrame({"x": [constant] * 3})), [[float(constant is True)]] * 3)


def test_constant_column_stays_zero_for_other_values():
    encoder = Encoder.fit(pl.DataFrame({"x": [2.5] * 7}))
    np.testing.assert_array_equal(encoder.encode(pl.DataFrame({"x": [1e6]})), [[0.0]])


def test_large_offsets_keep_their_spread():
    seconds = 1.7e9 + np.arange(20.0)
    X = Encoder.fit(pl.DataFrame({"x": seconds})).encode(pl.DataFrame({"x": seconds}))
    np.testing.assert_allclose(X[:, 0], (np.arange(20.0) - 9.5) / np.arange(20.0).std(), rtol=1e-5)


def test_unseen_category_is_zeros_and_a_warning(frame):
    encoder = Encoder.fit(frame.select("city"))
    with pytest.warns(TableWarning, match="column 'city': not seen in training: 'Jena'"):
        X = encoder.encode(pl.DataFrame({"city": ["Jena", "Ulm"]}))
    np.testing.assert_array_equal(X, [[0, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("city"), "column 'city' is missing"),
        (lambda f: f.rename({"size": "Size"}), "column 'size' is missing.*did you mean 'Size'"),
        (lambda f: f.drop("city", "size"), r"column 'size' is missing.*and 1 more"),
        (lambda f: f.with_columns(size=pl.lit("tall")), "'size' held numbers in training; row 1 has 'tall'"),
        (lambda f: f.with_columns(size=pl.lit(datetime.date(2024, 1, 1))), "'size' held numbers"),
        (lambda f: f.with_columns(member=pl.lit(2)), "'member' held true and false"),
        (lambda f: f.with_columns(member=pl.lit("yes")), "'member' held true and false"),
        (lambda f: f.with_columns(count=pl.lit(None)), "'count' has no value in row 1"),
        (lambda f: f.with_columns(size=pl.lit(1e200)), "'size' has 1e.200 in row 1: too far"),
    ],
)
def test_other_tables_are_refused(frame, change, message):
    with pytest.raises(TableError, match=message):
        Encoder.fit(frame).encode(change(frame))


def test_numbers_0_and_1_do_for_booleans(frame):
    encoder = Encoder.fit(frame.select("member"))
    np.testing.assert_array_equal(
        encoder.encode(frame.select(pl.col("member").cast(pl.Int64))), encoder.encode(frame.select("member"))
    )


# --- targets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"] * 5, ("a", "b")),
        ([True, False, True] * 5, (False, True)),
        ([10, 2, 10] * 5, (2, 10)),
        ([2.0, 1.0, 2.0] * 5, (1, 2)),
        ([0.5, 1.5, 1.5] * 5, (0.5, 1.5)),
    ],
)
def test_classes_round_trip(values, classes):
    series = pl.Series("y", values)
    target = ClassTarget.fit(series, np.arange(len(values)))
    assert target.classes == classes
    assert target.classes[target.majority] == max(values, key=values.count)
    T = target.encode(series)
    np.testing.assert_array_equal(T.sum(axis=1), 1)
    decoded = target_from_json(**json.loads(json.dumps(target.to_json()))).decode(T)
    assert decoded["prediction"].to_list() == values
    names = [f"probability_{str(c).lower() if isinstance(c, bool) else c}" for c in classes]
    assert decoded.columns == ["prediction", *names]


def test_majority_is_that_of_the_training_rows():
    series = pl.Series("y", ["a"] * 6 + ["b"] * 4)
    target = ClassTarget.fit(series, np.arange(4, 10))
    assert target.classes[target.majority] == "b"


def test_numbers_round_trip():
    series = pl.Series("y", np.random.default_rng(3).normal(1e4, 37, 40))
    rows = np.arange(10, 40)
    target = NumberTarget.fit(series, rows)
    T = target.encode(series)
    np.testing.assert_allclose((T[rows].mean(), T[rows].std()), (0, 1), atol=1e-5)
    decoded = target_from_json(**json.loads(json.dumps(target.to_json()))).decode(T)
    np.testing.assert_allclose(decoded["prediction"].to_numpy(), series.to_numpy(), rtol=1e-7)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ClassTarget, ["a"] * 9, "single class, 'a'"),
        (ClassTarget, [str(k) for k in range(9)], "9 distinct values in 9 rows"),
        (NumberTarget, [2.5] * 9, "is 2.5 in every row"),
        (NumberTarget, ["a", "b", "c"] * 3, "is text: regression needs numbers"),
        (NumberTarget, [1e300, -1e300, 1e300] * 3, "too large"),
    ],
)
def test_targets_without_anything_to_learn_are_refused(kind, values, message):
    with pytest.raises(TableError, match=message):
        kind.fit(pl.Series("y", values), np.arange(9))


# --- splitting -------------------------------------------------------------------------------------------


def test_split_keeps_the_shares_of_the_classes():
    strata = np.repeat([0, 1, 2], [100, 50, 10])
    kept, taken = split_rows(strata, 0.2, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, taken])), np.arange(160))
    np.testing.assert_array_equal(np.bincount(strata[taken]), [20, 10, 2])


def test_split_is_seeded_and_random():
    strata = np.zeros(40, dtype=np.int64)
    first, again, other = (split_rows(strata, 0.25, np.random.default_rng(seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) == len(other) == 10
    assert not np.array_equal(first, other)


def test_split_at_its_ends():
    strata = np.arange(12) % 3
    kept, taken = split_rows(strata, 0.0, np.random.default_rng(0))
    assert (len(kept), len(taken)) == (12, 0)
    kept, taken = split_rows(strata, 0.01, np.random.default_rng(0))
    assert (len(kept), len(taken)) == (11, 1)
    lonely = np.array([0] * 9 + [1])  # a class of one sample is learnt from
    assert 9 in split_rows(lonely, 0.3, np.random.default_rng(0))[0]
