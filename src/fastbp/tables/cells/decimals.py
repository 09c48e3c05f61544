"""Points and commas that can be read in two ways: 1.234 is one and a bit, or a thousand and some.

What a column leaves open is decided by the other columns of the table, or by its owner; else `doubts` says it.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from fastbp.tables.cells.dates import MONTH_AND_YEAR
from fastbp.tables.cells.notation import amounts

Decimal = Literal["point", "comma"]
Mark = Literal["", ".", ","]

_FIRST = 1000  # values, that are looked at before all of them
_MANY = 20_000  # values, that tell what a column is
# Numbers as they look with decimals, and with nothing else: not 1.234, but 1.5, 0.125, 12.3456 and 1,234.5.
_WITH_POINT = r"^\d{1,3}(?:,\d{3})+\.\d+$|^\d*\.(?:\d{1,2}|\d{4,})$|^0?\.\d+$|^\d{4,}\.\d+$"
_WITH_COMMA = r"^\d{1,3}(?:\.\d{3})+,\d+$|^\d*,(?:\d{1,2}|\d{4,})$|^0?,\d+$|^\d{4,},\d+$"
_CLEARLY = 0.9  # of a column's values, that are numbers in this way


def mark_of_groups(text: pl.Series) -> Mark:
    """Return the mark that may stand between thousands in all numbers of a column, once at most; "" for none.

    Such a column has 345 and 1.234 or 123.456, but neither 1.5 nor 0.345 nor 1234.
    """
    first = text.head(_FIRST).drop_nulls()
    odd = first.str.contains(r"\d") & ~first.str.contains(r"^\D*\d{1,3}(?:[.,]\d{3})?\D*$")
    if odd.sum() * 2 > len(first):
        return ""  # most columns end here
    if not text.str.contains(r"\d[.,]\d{3}").any():
        return ""
    bodies = _bodies(text)
    grouped = bodies.filter(bodies.str.contains(r"[.,]"))
    if len(grouped) == 0 or not bodies.str.contains(r"^(?:\d{1,3}|[1-9]\d{0,2}[.,]\d{3})$").all():
        return ""
    marks = grouped.str.extract("([.,])").unique().to_list()
    return marks[0] if len(marks) == 1 else ""


def decimal_of(frame: pl.DataFrame) -> Decimal | None:
    """Tell by the columns that leave nothing open whether decimals have a point or a comma; None where both occur."""
    found: set[Decimal] = set()
    for series in frame:
        if series.dtype.is_float():
            if not (series == series.round(0)).all():
                found.add("point")
        elif series.dtype == pl.String:
            found |= _decimal_of_column(series)
    return found.pop() if len(found) == 1 else None


def _decimal_of_column(text: pl.Series) -> set[Decimal]:
    many = text.drop_nulls().head(_MANY).unique()
    bodies = _bodies(many)
    if len(bodies) < _CLEARLY * len(many):
        return set()
    ways: dict[Decimal, str] = {"point": _WITH_POINT, "comma": _WITH_COMMA}
    return {decimal for decimal, pattern in ways.items() if bodies.str.contains(pattern).any()}


def _bodies(text: pl.Series) -> pl.Series:
    """Return the different numbers of a column, without signs and units."""
    bodies = amounts(text.drop_nulls().unique())["body"].drop_nulls().str.strip_chars().str.strip_chars_start("+-")
    is_number = bodies.str.contains(r"\d")
    return bodies.filter(is_number if bodies.str.contains(MONTH_AND_YEAR).mean() != 1.0 else ~is_number)
