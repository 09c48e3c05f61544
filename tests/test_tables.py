"""Reading tables, telling the kinds of columns, refusing what cannot be learnt."""

import datetime

import numpy as np
import polars as pl
import pytest

from fastbp.cli.encoding import (
    check_categories,
    guess_task,
)
from fastbp.cli.tables import (
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
