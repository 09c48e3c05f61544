"""Reading tables, telling the kinds of columns, encoding and standardising."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from fastbp.encoding import (
    BooleanColumn,
    CategoryColumn,
    ClassTarget,
    Encoder,
    NumberColumn,
    NumberTarget,
    check_categories,
    guess_task,
    target_from_json,
)
from fastbp.table_training import split_rows
from fastbp.tables import (
    BUNDLED_SETS,
    TableError,
    TableWarning,
    check_columns,
    column_kind,
    read_table,
    warn_of_row_numbers,
    write_table,
)


@pytest.fixture
def csv(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype", "read"),
    [
        (["1", " 2", "+3"], pl.Int64, [1, 2, 3]),
        (["1", "2.5", "1e3"], pl.Float64, [1.0, 2.5, 1000.0]),
        (["true", "False", " TRUE"], pl.Boolean, [True, False, True]),
        (["a", " b ", "1"], pl.String, ["a", "b", "1"]),
        (["1", "", "3"], pl.Int64, [1, None, 3]),
        (["1", "NA", "2.5"], pl.Float64, [1.0, None, 2.5]),
        (["1", "n/a", "?"], pl.Int64, [1, None, None]),
        (["NA", "none", "garage"], pl.String, ["NA", "none", "garage"]),
        (["1", "inf", "-Infinity"], pl.Float64, [1.0, np.inf, -np.inf]),
        (["12345678901234567890", "1", "2"], pl.Float64, [12345678901234567890.0, 1.0, 2.0]),
    ],
)
def test_csv_columns_are_understood_as_a_person_would(csv, values, dtype, read):
    frame = read_table(csv("x,y\n" + "".join(f"{value},0\n" for value in values)))
    assert frame["x"].dtype == dtype
    assert frame["x"].to_list() == read


def test_csv_nan_is_a_number_that_is_missing(csv):
    series = read_table(csv("x,y\n1.5,0\nnan,0\n"))["x"]
    assert series.dtype == pl.Float64
    assert np.isnan(series[1])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_separators(csv, separator):
    frame = read_table(csv(separator.join("xy") + "\n" + separator.join("12") + "\n"))
    assert frame.to_dicts() == [{"x": 1, "y": 2}]


@pytest.mark.parametrize(
    "text", ["\ufeffx,y\n1,2\n", "x,y\r\n1,2\r\n", "x, y\n1, 2\n", "x,y\n1,2\n\n\n", '"x","y"\n"1","2"\n']
)
def test_csv_from_other_programs(csv, text):
    assert read_table(csv(text)).to_dicts() == [{"x": 1, "y": 2}]


def test_columns_can_be_kept_as_text(csv):
    frame = read_table(csv("x,y\n01,2\n1.0,3\n"), text_columns=["x"])
    assert frame["x"].to_list() == ["01", "1.0"]
    assert frame["y"].to_list() == [2, 3]


def test_file_format_is_told_by_content(tmp_path):
    path = tmp_path / "table.data"
    pl.DataFrame({"x": [1.5, 2.5]}).write_parquet(path)
    assert read_table(str(path))["x"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("x,y\n", "no rows"),
        (b"PK\x03\x04\x00\x00", "neither a CSV file"),
        (b"\x1f\x8b\x08 gzip", "neither a CSV file"),
        ("stra\xdfe,y\n1,2\n".encode("latin-1"), "not UTF-8"),
        ("x,y\n1,2\n1,2,3\n", "more values than there are column names"),
        (b"PAR1 not really", "cannot read"),
    ],
)
def test_unreadable_files_are_refused_in_one_line(csv, content, message):
    path = csv(content)
    with pytest.raises(TableError, match=message) as caught:
        read_table(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_gets_the_nearest_set(tmp_path):
    with pytest.raises(TableError, match="did you mean 'iris'"):
        read_table("irsi")
    with pytest.raises(TableError, match="sets: breast_cancer, diabetes"):
        read_table(str(tmp_path / "nothing.csv"))
    with pytest.raises(TableError, match="is a folder"):
        read_table(str(tmp_path))


def test_file_wins_over_a_set_only_with_suffix_or_folder(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    csv("x,y\n1,2\n", "iris")
    assert read_table("iris").height == 150
    assert read_table("./iris").height == 1


@pytest.mark.parametrize("name", BUNDLED_SETS)
def test_bundled_sets_are_those_of_scikit_learn(name):
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    frame = read_table(name)
    assert frame.columns == [*bunch.feature_names, "target"]
    np.testing.assert_array_equal(frame.drop("target").to_numpy(), bunch.data)
    labels = bunch.target if name in ("digits", "diabetes") else bunch.target_names[bunch.target]
    assert frame["target"].to_list() == labels.tolist()


def test_first_line_of_numbers_is_suspicious(csv, recwarn):
    with pytest.warns(TableWarning, match="looks like data"):
        read_table(csv("5.1,3.5,setosa\n4.9,3.0,setosa\n"))
    read_table(csv("0,1,2\n4.9,3.0,setosa\n"))  # columns that are counted are names
    read_table(csv("a,b2,3\n4.9,3.0,setosa\n"))
    assert not recwarn


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_written_tables_read_back(tmp_path, suffix):
    frame = pl.DataFrame({"x": [1.25, -3.5e-7], "y": ["a,b", 'say "c"'], "z": [True, False]})
    path = tmp_path / f"table{suffix}"
    write_table(frame, path)
    assert read_table(str(path)).equals(frame)


# --- kinds and checks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (pl.Series([1, 2]), "number"),
        (pl.Series([1.5, 2]), "number"),
        (pl.Series(["1.5", "2"]).cast(pl.Decimal(10, 2)), "number"),
        (pl.Series([True, None]), "boolean"),
        (pl.Series(["a", None]), "text"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "text"),
        (pl.Series([None, None]), "text"),
        (pl.Series([datetime.date(2024, 2, 29)]), "dates or times"),
        (pl.Series([datetime.timedelta(1)]), "dates or times"),
        (pl.Series(["2024-02-29", None, "2024-03-01T10:00:00"]), "dates"),
        (pl.Series(["29.2.2024", "1.3.2024"]), "dates"),
        (pl.Series(["2024-02-29", "soon"]), "text"),
        (pl.Series([[1], [2]]), "values of type List(Int64)"),
    ],
)
def test_kinds_of_columns(series, kind):
    assert column_kind(series) == kind


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, None, 3.0], "column 'b' has no value in row 2:"),
        ([1.0, 2.0, np.nan], "column 'b' has NaN in row 3:"),
        ([-np.inf, 2.0, 3.0], "column 'b' has -inf in row 1:"),
        (["x", "y", None], "column 'b' has no value in row 3:"),
        ([True, None, None], r"column 'b' has no value in row 2 \(2 such values in 1 column\)"),
        ([None, None, None], r"column 'b' has no value in row 1 \(3 such values in 1 column\)"),
    ],
)
def test_missing_values_are_named_by_column_and_row(values, message):
    with pytest.raises(TableError, match=message):
        check_columns(pl.DataFrame({"a": [1, 2, 3], "b": values}))


def test_unusable_columns_are_named():
    frame = pl.DataFrame({"a": [1, 2], "when": [datetime.date(2024, 1, d) for d in (1, 2)]})
    with pytest.raises(TableError, match=r"column 'when' holds dates or times.*--drop 'when'"):
        check_columns(frame)


def test_ids_are_no_categories():
    with pytest.raises(TableError, match="'id' is text with 30 distinct values in 30 rows"):
        check_categories(pl.DataFrame({"id": [f"u{k}" for k in range(30)]}))
    with pytest.raises(TableError, match="most are numbers, but row 5 has 'many'"):
        check_categories(pl.DataFrame({"x": ["many" if k == 4 else str(k) for k in range(30)]}))
    check_categories(pl.DataFrame({"city": [f"c{k % 6}" for k in range(30)], "x": range(30)}))


def test_row_numbers_are_suspicious(recwarn):
    with pytest.warns(TableWarning, match="column 'index' counts the rows"):
        warn_of_row_numbers(pl.DataFrame({"index": range(1, 21)}))
    warn_of_row_numbers(pl.DataFrame({"index": [*range(19), 7], "x": np.arange(20) / 2}))
    assert not recwarn


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (["a", "b"] * 20, "classification", "text, 2 classes"),
        ([True, False] * 20, "classification", "true and false"),
        ([0, 1, 2, 3] * 10, "classification", "whole numbers, 4 distinct"),
        ([0.0, 1.0] * 20, "classification", "whole numbers, 2 distinct"),
        (list(range(40)), "regression", "whole numbers, 40 distinct"),
        ([0.5, 1.0] * 20, "regression", "numbers with fractions"),
    ],
)
def test_task_is_guessed_with_a_reason(values, task, reason):
    assert guess_task(pl.Series("y", values)) == (task, reason)


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
    np.testing.assert_array_equal(
        encoder.encode(pl.DataFrame({"x": [constant] * 3})), [[float(constant is True)]] * 3
    )


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
