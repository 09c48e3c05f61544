"""What a table leaves open is decided by the rest of it, and said; nothing is decided by one cell, or in silence."""

from pathlib import Path

import polars as pl
import pytest

from fastbp.tables.choices import Choices
from fastbp.tables.preparation import prepare
from fastbp.tables.sources import read_table
from fastbp.tables.transformer import TableEncoder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(text, name="t.csv", target=None, task=None, **choices):
    Path(name).write_text(text)
    return prepare(read_table(name), target, Choices(**choices), task=task)


def lines(header, rows, n=40):
    return "\n".join([header, *(rows[k % len(rows)] for k in range(n))]) + "\n"


# --- points and commas -------------------------------------------------------------------------------------

DOTS, COMMAS = ("345", "1.234", "12.345"), ('"345"', '"1,234"', '"12,345"')
WITH_COMMAS, WITH_POINTS, WHOLE = ('"1,5"', '"0,25"', '"3"'), ("1.5", "0.25", "3"), ("1", "2", "5")


@pytest.mark.parametrize(
    ("column", "beside", "choices", "second", "warned"),
    [
        (DOTS, WITH_COMMAS, {}, 1234, False),
        (DOTS, WITH_POINTS, {}, 1.234, False),
        (DOTS, WHOLE, {}, 1.234, True),
        (DOTS, WHOLE, {"decimal": "comma"}, 1234, False),
        (DOTS, WHOLE, {"decimal": "point"}, 1.234, False),
        (COMMAS, WITH_COMMAS, {}, 1.234, False),
        (COMMAS, WITH_POINTS, {"decimal_comma": True}, 1234, False),
        (COMMAS, WHOLE, {"decimal_comma": True}, 1.234, True),
        (COMMAS, WHOLE, {}, 1234, False),
        (("345 EUR", "1.234 EUR", "-2.500 EUR"), WITH_COMMAS, {}, 1234, False),
        (("1.234.567", "1.234"), WHOLE, {}, 1234, False),
        (("0.345", "1.234"), WITH_COMMAS, {}, 1.234, False),
        (("1234", "1.234"), WITH_COMMAS, {}, 1.234, False),
    ],
)  # fmt: skip
def test_points_and_commas_that_can_be_read_in_two_ways(column, beside, choices, second, warned):
    rows = [f"{column[k % len(column)]},{beside[k % 3]},{k % 2}" for k in range(6)]
    found = prepared(lines("a,b,y", rows), **choices)
    assert found.inputs[0].values[1] == second
    assert [f"'{column[1].strip(chr(34))}' in row 2 is read as {second}" in line for line in found.warnings] == (
        [True] * warned
    )
    assert second != 1234 or any("column 'a': " in note and "between thousands" in note for note in found.notes)


def test_a_large_table_and_a_transformer_read_the_same(monkeypatch):
    from fastbp.tables import typed
    from fastbp.tables.table import Reading, Written

    text = lines("a,b,c,y", [f"{DOTS[k % 3]},{WITH_COMMAS[k % 3]},{k % 3 + 1}.5,{k % 2}" for k in range(6)])
    Path("t.csv").write_text(text)
    monkeypatch.setattr(typed, "LARGE", 1)
    frame = read_table("t.csv", Reading(written=lambda names: Written(()))).frame
    assert (frame.schema["a"], frame.schema["c"]) == (pl.String, pl.Float64)
    encoder = TableEncoder().fit(frame.select("a", "b"))
    assert [column.notation.thousands for column in encoder.encoder_.columns] == [".", ""]
    with pytest.raises(ValueError, match="decimal must be 'point', 'comma' or None; got ','"):
        TableEncoder(decimal=",").fit(frame)
