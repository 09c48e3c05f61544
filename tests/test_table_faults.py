"""What is wrong with a table is said with its row, or refused; nothing is swallowed or converted in silence."""

import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import LONGEST_SHOWN, TableError, TableWarning, shown
from fastbp.tables.cells.kinds import understand
from fastbp.tables.preparing.columns import fit_column
from fastbp.tables.preparing.preparation import prepare
from fastbp.tables.preparing.targets import NumberTarget
from fastbp.tables.preparing.transformer import TableEncoder
from fastbp.tables.reading import parts
from fastbp.tables.reading.parts import parts_of
from fastbp.tables.reading.sources import read_table
from fastbp.tables.reading.table import Reading

ROWS = 200


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- quotes ------------------------------------------------------------------------------------------------


def lines_with(quote="", **changed):
    """Lines of a table of three columns; `r100` is the row 101."""
    lines = [f"{k},{quote}word{k % 5}{quote},{k / 8}" for k in range(ROWS)]
    for place, line in changed.items():
        lines[int(place[1:])] = line
    return "a,b,c\n" + "\n".join(lines) + "\n"


OPEN = {
    "never closed": lines_with(r100='100,"un,12.5'),
    "never closed, in the last row": lines_with(r199='199,"un,24.5') + "\n",
    "closed by a quote of the next row": lines_with("'", r100="100,'un,12.5"),
    "closed by one that ends a value": lines_with(r100='100,"un,12.5', r110='110,12",13.75'),
    "closed so in the next row": lines_with(r100='100,"un,12.5', r101='101,12",12.625'),
    "with words after the end": lines_with(r100='100,"un,12.5', r120='120,"deux" trois,15'),
    "in the first column": "a,b\n" + "x,1\n" * 100 + '"un,2\n12",3\n' + "x,4\n" * 98,
    "with other ends of lines": lines_with(r100='100,"un,12.5').replace("\n", "\r\n"),
}


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_an_open_quote_is_refused_by_its_row(monkeypatch, text, in_parts):
    Path("t.csv").write_bytes(text.encode())
    row = 200 if '199,"un' in text else 101
    with pytest.raises(TableError, match=rf"row {row} .*takes [\d]+ lines: ") as error:
        list(parts_of("t.csv", n_bytes=1000)) if in_parts else read_table("t.csv")
    assert len(str(error.value)) < 400


def test_an_open_quote_after_other_parts(monkeypatch):
    monkeypatch.setattr(parts, "HEAD", 200)
    Path("t.csv").write_text(lines_with(r150='150,"un,18.75'))
    with pytest.raises(TableError, match="row 151 takes 50 lines"):
        list(parts_of("t.csv", n_bytes=300))


@pytest.mark.parametrize(
    "text",
    [
        lines_with(r100='100,"Dear all,\nI, you, they\nhello",12.5'),
        lines_with(r100='100,"say ""so""\n",12.5'),
        lines_with(r100='100,5" pipe,12.5'),
        lines_with("'", r100="100,don't,12.5"),
        lines_with().removesuffix("\n"),
        lines_with() + "\n\n\n",
        "# made by hand\n" + lines_with(),
        "a,b\n" + "".join(f"{k},x\n" for k in range(199)) + '1,"Dear\nI, you"\n',
    ],
)
@pytest.mark.filterwarnings("ignore:3 blank lines at the end left out")
def test_what_was_meant_is_no_open_quote(text):
    Path("t.csv").write_text(text)
    assert read_table("t.csv").frame.height == ROWS
    assert sum(frame.height for frame in parts_of("t.csv")) == ROWS


def test_long_cells_are_cut_in_messages():
    text = "x" * 10_000
    assert len(shown(text)) <= LONGEST_SHOWN
    assert shown("short") == "'short'"
    column = understand(pl.Series("a", [str(k) for k in range(100)] + [text]))
    assert 0 < len(column.odd[0]) < 200
    with pytest.warns(TableWarning) as caught:
        TableEncoder().fit({"a": np.arange(20.0) ** 3, "b": np.arange(20.0) ** 2}).transform(
            {"a": ["1", text], "b": [1, 2]}
        )
    assert max(len(str(warning.message)) for warning in caught) < 250


# --- units -------------------------------------------------------------------------------------------------

EUR, PLAIN = [f"{k} EUR" for k in range(30)], [str(k) for k in range(30)]


def read_with(trained, values):
    column = understand(pl.Series("price", trained))
    fitted = fit_column(column, column.values, 200)
    return fitted.read(pl.Series("price", values)).values.to_list()


@pytest.mark.parametrize(
    ("trained", "values", "numbers", "message"),
    [
        (EUR, ["1 EUR", "$139"], [1.0, None], r"'\$139' in row 2: a unit that training had not \(it had 'EUR'\)"),
        (EUR, ["1 EUR", "139%", "5%"], [1.0, None, None], r"'139%' in row 2 \(2 such values\): a unit"),
        (EUR, ["1 EUR", "139"], [1.0, 139.0], "'139' in row 2: no unit, and training had 'EUR'"),
        (PLAIN, ["1", "5%"], [1.0, None], r"'5%' in row 2: a unit that training had not \(it had none\)"),
        (list(range(30)), ["1", "5%"], [1.0, None], "'5%' in row 2"),
        ([f"1,{k + 100}" for k in range(30)], ["1,200", "1,200 kg"], [1200.0, None], "'1,200 kg' in row 2"),
    ],
)
def test_another_unit_than_in_training(trained, values, numbers, message):
    with pytest.warns(TableWarning, match=message):
        assert read_with(trained, values) == numbers


def test_the_same_unit_and_none_are_taken_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_with(EUR, ["5 EUR", None]) == [5.0, None]
        assert read_with(PLAIN, ["5", "1e3", "nan"]) == [5.0, 1000.0, None]
        assert read_with([*EUR, "5"], ["5", "6 EUR"]) == [5.0, 6.0]


def test_a_column_of_another_unit_is_refused():
    with pytest.raises(TableError, match=r"'\$139' in row 1, and all its numbers have a unit that training had not"):
        read_with(EUR, ["$139", "$12"])


def test_units_are_kept_in_the_file_and_older_files_have_none():
    import msgspec

    from fastbp.tables.preparing.columns import NumberColumn, to_plain

    column = understand(pl.Series("price", EUR))
    plain = to_plain(fit_column(column, column.values, 200))
    assert list(plain["notation"]["units"]) == ["EUR"]
    del plain["notation"]["units"]
    older = msgspec.convert(plain, NumberColumn)
    assert older.read(pl.Series("price", ["$5"])).values.to_list() == [5.0]


def test_numbers_with_and_without_a_unit_in_training():
    column = understand(pl.Series("share", ["0.03", *(f"{k}%" for k in range(30))]))
    assert column.kind == "number"
    assert "'0%' in row 2 has a unit, '0.03' in row 1 has none (30 and 1 such values)" in column.odd[0]
    assert understand(pl.Series("share", [f"{k}%" for k in range(30)])).odd == ()


# --- dates, digits, sizes, encodings ------------------------------------------------------------------------

ISO, DOTS = [f"2020-01-{k + 1:02d}" for k in range(20)], [f"{k + 1}.2.2020" for k in range(10)]
ORDERS = [f"{k + 1}/2/2020" for k in range(28)] + [f"1/{k + 15}/2020" for k in range(10)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (ISO + DOTS, r"written in several ways \('2020-01-01' in row 1, '1.2.2020' in row 21\)"),
        (ORDERS, r"the day comes first in some dates \('13/2/2020' in row 13\), the month in others \('1/15/2020'"),
        ([f"{k}:30" for k in range(40)], "'24:30' in row 25 is no time of day"),
        ([f"{2000 + k}-13-01" for k in range(20)], "look like dates"),
        ([f"{k % 12 + 1:02}/{20 + k % 9}" for k in range(20)], "'01/20' in row 1 may be a date without its year"),
    ],
)
def test_dates_that_are_not_read_are_said(values, message):
    column = understand(pl.Series("when", values))
    assert column.kind == "text"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(*column.odd)
    table = pl.DataFrame(
        {"when": values, "x": [k * k % 7 / 3 for k in range(len(values))], "y": [k % 2 for k in range(len(values))]}
    )
    Path("t.csv").write_text(table.write_csv())
    found = prepare(read_table("t.csv"), None, Choices())
    assert any("column 'when'" in line for line in found.warnings)


def test_other_texts_are_no_dates():
    for values in (["May", "June"] * 20, ["a 1", "b 2"] * 20, [*ISO[:5], *(["word"] * 20)]):
        assert understand(pl.Series("when", values)).odd == ()


@pytest.mark.parametrize("zero", ["\u0660", "\u06f0", "\u0966", "\uff10"])
def test_digits_of_other_scripts(zero):
    def written(text):
        return "".join(chr(ord(zero) + int(c)) if c.isdecimal() else c for c in text)

    numbers = [f"{k}.5" for k in range(30)]
    column = understand(pl.Series("n", map(written, numbers)))
    assert column.kind == "number"
    assert column.values.to_list() == [float(number) for number in numbers]
    assert "digits of another script" in column.notes[-1]
    fitted = fit_column(column, column.values, 200)
    assert fitted.read(pl.Series("n", ["7.5", written("8.5")])).values.to_list() == [7.5, 8.5]
    assert understand(pl.Series("n", map(written, ISO))).kind == "date"
    words = understand(pl.Series("n", [written("a1"), written("b2")] * 10))
    assert words.values[0] == written("a1")


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("y", [2**100 + k for k in range(20)], dtype=pl.Int128),
        pl.Series("y", [2**64 - 1 - k for k in range(20)], dtype=pl.UInt64),
        pl.Series("y", [1e-310 * k for k in range(20)]),
    ],
    ids=str,
)
def test_targets_too_near_to_each_other(series):
    with pytest.raises(TableError, match="differ by less than floating-point numbers of their size") as error:
        NumberTarget.fit([understand(series)], np.arange(20))
    assert "in every row" not in str(error.value)
    assert str(series[1]) in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be", "utf-16", "utf-16-be"])
def test_wide_encodings(encoding):
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    Path("t.csv").write_bytes((mark + "a,b\n1,ü\n3,4\n").encode(encoding))
    table = read_table("t.csv")
    assert table.frame.rows() == [("1", "ü"), ("3", "4")]
    assert encoding[:6].upper() in table.notes[0]
    assert pl.concat(parts_of("t.csv")).equals(table.frame)


def test_a_broken_wide_text_is_refused():
    Path("t.csv").write_bytes("a,b\n1,2\n".encode("utf-32")[:-2])
    with pytest.raises(TableError, match="begins as UTF-32 text and is none"):
        read_table("t.csv")


# --- options that mean nothing, and frames that are none ------------------------------------------------------


@pytest.mark.parametrize("option", ["table", "query"])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.arrow", "t.jsonl", "t.json", "iris"])
def test_an_option_that_means_nothing_for_the_file(name, option):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    write = {"csv": "csv", "parquet": "parquet", "arrow": "ipc", "jsonl": "ndjson", "json": "json"}
    if name != "iris":
        getattr(frame, f"write_{write[name.partition('.')[2]]}")(name)
    for read in (read_table, lambda *args: list(parts_of(*args))):
        with pytest.raises(TableError, match=f"--{option} means nothing for"):
            read(name, Reading(**{option: "zz"}))
        if name != "t.csv":
            with pytest.raises(TableError, match="--no-header means nothing for"):
                read(name, Reading(header=False))


def test_frames_that_are_none():
    import pandas as pd

    encoder = TableEncoder()
    with pytest.raises(TableError, match="X must have columns of one length; got 'a' 2, 'b' 1"):
        encoder.fit({"a": [1, 2], "b": [1]})
    with pytest.raises(TableError, match="X must have columns of different names; got 'a' more than once"):
        encoder.fit(pd.DataFrame([[1, 2], [2, 3]], columns=["a", "a"]))
    with pytest.raises(TableError, match="X must be a dict of columns"):
        encoder.fit({"a": 5})
    for argument in ("keep", "numeric", "categorical"):
        for wrong in ("ab", 5):
            with pytest.raises(TypeError, match=f"{argument} must be a sequence"):
                TableEncoder(**{argument: wrong}).fit({"a": [1, 2], "b": [1, 3]})
    with pytest.raises(ValueError, match="numeric and categorical exclude each other; both have 'a'"):
        TableEncoder(numeric=["a"], categorical=["a"]).fit({"a": [1, 2], "b": [1, 3]})
