"""What nothing in a table decides: both readings of 1.234 are said."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.decimals import mark_of_groups
from fastbp.tables.cells.errors import listed, row_number, shown
from fastbp.tables.cells.kinds import Understood
from fastbp.tables.cells.notation import Notation, to_numbers

_NINES = (99, 999, 9999, 99999, 999999)  # that people write for "no value"


def open_decimals(columns: Iterable[Understood], choices: Choices) -> list[str]:
    """Say both readings of numbers such as 1.234 where nothing tells which is right, in a line for all columns.

    Commas in groups of three are thousands wherever commas separate no decimals, as people write them.
    """
    if choices.decimal is not None:
        return []
    marks = {".", ","} if choices.decimal_comma else {"."}
    found = {
        column.name: _both_readings(column.text, column.notation)
        for column in columns
        if column.kind == "number" and column.text is not None and mark_of_groups(column.text) in marks
    }
    if not found:
        return []
    first, *others = found
    more = f"; so it is with {listed(others)}" if others else ""
    return [f"column {first!r}: {found[first]}{more}"]


def _both_readings(text: pl.Series, notation: Notation) -> str:
    """Say how the first number that can be read in two ways is read, and how else it could be."""
    row = int(text.str.contains(r"\d[.,]\d").fill_null(False).arg_true()[0])
    pair = [to_numbers(text[row : row + 1], one)[0] for one in _readings(text[row])]
    number = to_numbers(text[row : row + 1], notation)[0]
    other = next((one for one in pair if one is not None and one != number), number)
    decimal = "comma" if (notation.decimal == ",") == (notation.thousands == "") else "point"
    options = f"--decimal {decimal} or {'point' if decimal == 'comma' else 'comma'} does"
    return (
        f"{shown(text[row])} in row {row_number(row)} is read as {number:g}, and could be {other:g}: no number of the "
        f"table tells which ({options})"
    )


def _readings(value: str) -> tuple[Notation, Notation]:
    if "." in value:
        return Notation(), Notation(",", ".")
    return Notation(","), Notation(".", ",")


def far_nines(columns: Iterable[Understood]) -> list[str]:
    """Say of -999 and the like, where they stand several times and far from all others, that they may mean missing."""
    return [line for column in columns if column.kind == "number" for line in _far_nines(column)]


def _far_nines(column: Understood) -> list[str]:
    values, found = column.values, []
    for end in (values.min(), values.max()):
        if not isinstance(end, float) or abs(end) not in _NINES:
            continue
        others = values.filter(values != end)
        low, high, n_times = others.min(), others.max(), int((values == end).sum())
        if n_times < 2 or not (isinstance(low, float) and isinstance(high, float)):
            continue
        if max(low - end, end - high) > high - low or end < 0 <= low:
            found.append(
                f"column {column.name!r}: {end:g} ({n_times:,} times), beside {low:g} to {high:g}, may mean that there "
                "is no value, and is learnt as a number: leave such cells empty if so"
            )
    return found
