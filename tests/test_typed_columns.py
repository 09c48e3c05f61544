"""Large texts, whose numbers are read at once as numbers: the same tables, notes and errors as by text."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from drawn_tables import draw

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError
from fastbp.tables.cells.units import with_units
from fastbp.tables.preparing import encoder as encoding
from fastbp.tables.preparing import parallel
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.preparation import prepare
from fastbp.tables.reading import survey as surveying
from fastbp.tables.reading import typed
from fastbp.tables.reading.sources import read_any, read_table
from fastbp.tables.reading.survey import survey
from fastbp.tables.reading.table import Reading, Written

N_TABLES = 5000 if os.environ.get("FASTBP_TESTS") == "nightly" else 200
N_ROWS = 1500  # more than the first ones, by which columns of numbers are told
PLACE = 1400


@pytest.fixture(autouse=True)
def all_texts_are_large(monkeypatch):
    monkeypatch.setattr(typed, "LARGE", 0)


def frame_of(data, *needed):
    """Return the table of some bytes with numbers read at once, but for columns that are needed as text."""
    return read_any(data, data[:4096], Reading(written=lambda names: Written(*needed)))


def made_of(data, target, choices, task, **reading):
    """Return all that a preparation of a table says, or its refusal, and the numbers themselves."""
    try:
        prepared = prepare(read_any(data, data[:4096], Reading(**reading)), target, choices, task=task)
    except TableError as error:
        return str(error), []
    plans = [(plan.column, plan.reason) for plan in prepared.plans]
    said = (
        prepared.task, prepared.reason, prepared.columns, prepared.notes, prepared.warnings,
        [(column.name, column.kind, with_units(column.notation), reason) for column, reason in plans],
    )  # fmt: skip
    columns = [column.values for column in (*prepared.inputs, *prepared.targets)]
    if prepared.task == "classification":  # how classes are written is what they are called
        columns += [column.text for column in prepared.targets if column.text is not None]
    return said, columns


def assert_same(data, target, choices=None, task=None):
    choices = choices or Choices()
    codes = choices.categorical
    needed = Written({target, *codes}) if task == "classification" else Written(codes, {target})
    by_text, at_once = (
        made_of(data, target, choices, task, written=written) for written in (None, lambda names: needed)
    )
    assert at_once[0] == by_text[0]
    assert len(at_once[1]) == len(by_text[1])
    for one, other in zip(at_once[1], by_text[1], strict=True):
        assert one.equals(other, check_dtypes=True, check_names=True, null_equal=True), one.name


def test_drawn_tables_are_the_same():
    n_columns = 0
    for seed in range(N_TABLES):
        table = draw(np.random.default_rng(seed))
        assert_same(table.data, table.target)
        if table.name == "table.csv":
            n_columns += frame_of(table.data, (), {table.target}).frame.dtypes.count(pl.Float64)
    assert n_columns > N_TABLES / 4


def plain(**changed):
    """Return a table's cells: x with fractions, k whole, c text, t with fractions."""
    rng = np.random.default_rng(0)
    columns = {
        "x": [f"{value:.4f}" for value in rng.normal(0, 50, N_ROWS)],
        "k": [str(value) for value in rng.integers(1, 5000, N_ROWS)],
        "c": [("red", "green", "blue")[k % 3] for k in range(N_ROWS)],
        "t": [f"{value:.3f}" for value in rng.normal(5, 2, N_ROWS)],
    }
    for name, cell in changed.items():
        columns[name][PLACE] = cell
    return columns


def written(columns, separator=",", end="\n"):
    rows = zip(*columns.values(), strict=True)
    return (end.join(separator.join(row) for row in [list(columns), *rows]) + end).encode()


def dtypes(data, always=(), without_fractions=("t",)):
    return dict(frame_of(data, always, without_fractions).frame.schema)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_of_numbers_are_read_as_numbers(separator, end):
    data = written(plain(), separator, end)
    assert dtypes(data) == {"x": pl.Float64, "k": pl.Float64, "c": pl.String, "t": pl.Float64}
    assert dtypes(data, {"x", "k"}) == {"x": pl.String, "k": pl.String, "c": pl.String, "t": pl.Float64}
    assert dtypes(data, (), {"x", "k"}) == {"x": pl.Float64, "k": pl.String, "c": pl.String, "t": pl.Float64}
    assert_same(data, "t")


CELLS = [
    "", "NA", "unknown", "n.a.", "1,5", "007", "-007", "0", "-0", "00", "0.5", "0e1", "12345678901234567890",
    "9007199254740993", "0.1000000000000000055511151231257827", " 5 ", '"7"', '" 7"', '"007"', "' 7'", "-", "1e400",
    "1e-400", "nan", "NaN", "inf", "\u22123", "<5", "$3", "3 kg", "5%", "true", "2020-01-01", "\u0663", "1_000", "1d5",
    "+5", "5.", ".5", "#5", "2.0",
]  # fmt: skip


@pytest.mark.parametrize("name", ["x", "k"])
@pytest.mark.parametrize("cell", CELLS)
def test_an_odd_cell_is_found_as_by_text(name, cell):
    data = written(plain(**{name: cell}), separator=";")
    assert_same(data, "t")
    for choices in (Choices(categorical=("k",)), Choices(numeric=("k", "x")), Choices(censored="half")):
        assert_same(data, "t", choices)


@pytest.mark.parametrize("cell", ["007", "NA", "12345678901234567890", "<5"])
def test_a_column_with_an_odd_cell_alone_is_read_as_text(cell):
    assert dtypes(written(plain(k=cell))) == {"x": pl.Float64, "k": pl.String, "c": pl.String, "t": pl.Float64}


def test_many_odd_columns_are_read_as_text():
    names = [f"x{k}" for k in range(6)]
    columns = {name: plain(x="NA")["x"] for name in names} | plain()
    assert {dtypes(written(columns))[name] for name in names} == {pl.String}
    assert_same(written(columns), "t")


@pytest.mark.parametrize("target", ["x", "k", "c"])
@pytest.mark.parametrize("cell", ["1.50", "1.5", "7", "7.0"])
@pytest.mark.parametrize("task", [None, "classification", "regression"])
def test_targets_are_kept_as_they_are_written(target, cell, task):
    assert_same(written(plain(**{target: cell})), target, task=task)
    few = {name: [cells[k % 3] for k in range(N_ROWS)] for name, cells in plain(**{target: cell}).items()}
    assert_same(written(few), target, task=task)
    assert_same(written(few | {target: [cell] * N_ROWS}), target, task=task)


LINES = ["x;k;c;t", "# a remark", "", ";;;", "1;2;red", "1;2;red;3;4", '1;2;"red', '1;2;"a\nb";3', "0;1;2;3"]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("names", ["x;k;c;t", "0;1;2;3", "# made by hand\nx;k;c;t", "x;k;c;t;"])
def test_odd_lines_are_found_as_by_text(names, line):
    lines = written(plain(), ";").decode().split("\n")[1:]
    target = "3" if names.startswith("0") else "t"
    for place in (PLACE, len(lines)):
        data = "\n".join([names, *lines[:place], line, *lines[place:]]).encode()
        assert_same(data, target)
        assert_same(data + b"\n\n", target)


def test_a_second_line_of_names_that_are_numbers():
    rows = [[str(k) for k in range(4)], *([f"{k}.5", "1", "2", "3"] for k in range(N_ROWS)), ["0", "1", "2", "3"]]
    data = "\n".join(map(",".join, rows)).encode()
    with pytest.raises(TableError, match=f"row {N_ROWS + 1} repeats the line of names"):
        frame_of(data, {"3"})
    assert_same(data, "3")


def test_small_texts_stay_text(monkeypatch, tmp_path):
    monkeypatch.undo()
    (tmp_path / "t.csv").write_bytes(written(plain()))
    table = read_table(str(tmp_path / "t.csv"), Reading(written=lambda names: Written(())))
    assert set(table.frame.dtypes) == {pl.String}


# --- the survey of all bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "n_lines", "is_plain"),
    [
        ("a,b\n1,2\n", 2, True), ("a,b\n1,2", 2, True), ("a", 1, True), ("a\r\n\n\nb", 4, True),
        ("a\n\n\rb", 3, False), ('a,"the b"\n1,2\n', 2, True), ("a,b\n1, 2\n", 2, False),
        ('a,b\n1,"2"\n', 2, False), ("a,b\n1,\t2\n", 2, False), ("a,b\n1,2\u3000\n", 2, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [4, 5, 1 << 18])
def test_lines_are_counted(monkeypatch, tmp_path, text, n_lines, is_plain, block):
    monkeypatch.setattr(surveying, "_BLOCK", block)
    data = text.encode()
    found = survey(data)
    assert found[:2] == (n_lines, True)
    assert found.is_plain == is_plain or (block < 6 and not found.is_plain)  # the line of names may have several blocks
    (tmp_path / "t").write_bytes(data)
    assert survey(tmp_path / "t") == found


@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 20])
def test_encodings_are_told_by_all_bytes(monkeypatch, block):
    monkeypatch.setattr(surveying, "_BLOCK", block)
    text = "größe,€,日本,🌱\n" * 3
    assert survey(text.encode()).is_utf8
    for wrong in (text.encode()[:-2], text.encode("utf-8")[1:-1] + b"\xff", "größe\n".encode("latin-1")):
        assert survey(wrong).is_utf8 == _is_utf8(wrong)


def _is_utf8(data):
    try:
        io.TextIOWrapper(io.BytesIO(data), "utf-8").read()
    except UnicodeDecodeError:
        return False
    return True


# --- on several cores --------------------------------------------------------------------------------------


def encoded(data):
    prepared = prepare(frame_of(data, ()), "t", Choices())
    return Encoder.fit(prepared.inputs, np.arange(0, prepared.n_rows, 2)).encode(prepared.frame)


def test_all_cores_make_the_same_inputs(monkeypatch):
    data = written({**plain(), "day": [f"20{10 + k % 12}-0{1 + k % 9}-1{k % 10}" for k in range(N_ROWS)]}, ";")
    monkeypatch.setattr(encoding, "_FEWEST_ROWS", 64)
    monkeypatch.setattr(encoding, "_CACHED", 0)
    alone = encoded(data)
    threads = []
    monkeypatch.setattr(parallel, "MANY_ROWS", 0)
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", lambda n: threads.append(n) or ThreadPoolExecutor(n))
    monkeypatch.setattr(parallel.threads, "available", lambda: 3)
    np.testing.assert_array_equal(encoded(data), alone)
    assert threads == [3, 3, 3]  # to understand columns, to learn from them, to encode rows


def test_the_first_error_is_raised_whichever_thread_is_first(monkeypatch):
    monkeypatch.setattr(parallel, "MANY_ROWS", 0)
    columns = plain(x="<5") | {"y": plain(x="<7")["x"]}
    with pytest.raises(TableError, match="column 'x' has '<5' in row 1401"):
        prepare(frame_of(written(columns), ()), "t", Choices())
