"""What a value of a table looks like, and when numbers in a first line are names: years, wavelengths, shares, sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from fastbp.tables.cells.notation import NUMBER_MARKS

Rows = list[list[str]]

# What a value looks like, and a name does not: a number with what may stand around it, a date, true, a missing mark.
_DATE_OR_TIME = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}:\d\d(:\d\d)?"
_DATE = re.compile(_DATE_OR_TIME)
_VALUE = re.compile(
    r"[-+(\u2212]?\s*[$€£¥]?\s*[.,]?\d[\d.,' ]*(e[-+]?\d+)?\s*(%|[a-z]{1,3})?\)?"
    rf"|{_DATE_OR_TIME}"
    r"|true|false|nan|inf|[<>]\s*\d+.*",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?P<before>[^\d.+-]*)(?P<number>\d+(\.\d+)?)(?P<after>\D*)")
_YEAR = re.compile(r"(1[6-9]|2[01])\d\d")
_FEWEST_ROWS = 3
_SERIES = 3  # numbers, whose steps can be compared
_RARELY = 0.2  # of the rows


def is_value(cell: str) -> bool:
    """Whether a cell looks like a value, which a name of a column does not: a number, a date, nothing."""
    return not cell or _VALUE.fullmatch(cell) is not None or cell.lower() in NUMBER_MARKS


def is_date(cell: str) -> bool:
    """Whether a cell looks like a date, or a time of the day."""
    return _DATE.fullmatch(cell) is not None


def has_target(row: Sequence[str], target: str | None) -> bool:
    """Whether a row has the target among its cells, a column "a,b" or two of them: it is one of names then."""
    if not target:
        return False
    names = {name.strip("\ufeff ") for name in row}
    return target in names or ("," in target and {name.strip() for name in target.split(",")} <= names)


def are_labels(first: Sequence[str], others: Rows) -> bool:
    """Whether numbers in a first line are names: in order, of one unit, and unlike the numbers below them.

    Words beside them tell, where they stand above nothing but values; or the numbers are years above what is none; or
    they go on by equal steps, as rows hardly do, and do not occur in their columns.
    """
    places = [k for k, cell in enumerate(first) if cell and is_value(cell)]
    labels = [first[k] for k in places]
    if len(labels) < 2 or len(others) < _FEWEST_ROWS or not _are_in_order(labels):
        return False
    columns = [[row[k] for row in others if k < len(row) and row[k]] for k in range(len(first))]
    words = [(cell, columns[k]) for k, cell in enumerate(first) if cell and not is_value(cell)]
    if any(cell in column for cell, column in words):
        return False
    below = [columns[k] for k in places]
    if all(map(_YEAR.fullmatch, labels)):
        return len(words) + len(labels) > 2 and not any(map(_are_years, below))
    if any(column and all(map(is_value, column)) for _, column in words):
        return True
    if not words or len(labels) < _SERIES or not _are_even(labels) or _often_in_order(others, places):
        return False
    return not any(cell in column for cell, column in zip(labels, below, strict=True))


def _are_in_order(cells: Sequence[str]) -> bool:
    """Whether cells are rising or falling numbers with the same signs and units around them."""
    found = [_LABEL.fullmatch(cell) for cell in cells]
    if not all(found) or len({(one["before"], one["after"]) for one in found if one}) > 1:
        return False
    steps = [other - one for one, other in pairwise(_numbers(cells))]
    return min(steps) > 0 or max(steps) < 0


def _numbers(labels: Sequence[str]) -> list[float]:
    return [float(found["number"]) for label in labels if (found := _LABEL.fullmatch(label))]


def _are_even(labels: Sequence[str]) -> bool:
    """Whether numbers go on by equal steps."""
    steps = [other - one for one, other in pairwise(_numbers(labels))]
    return max(steps) - min(steps) <= 1e-6 * max(map(abs, steps))


def _often_in_order(others: Rows, places: Sequence[int]) -> bool:
    """Whether rows go on by equal steps where the first line does: columns of counted numbers."""
    rows = [[row[k] for k in places] for row in others if len(row) > max(places)]
    return sum(_are_in_order(row) and _are_even(row) for row in rows) > _RARELY * len(rows)


def _are_years(column: Sequence[str]) -> bool:
    return sum(_YEAR.fullmatch(cell) is not None for cell in column) > _RARELY * len(column)
