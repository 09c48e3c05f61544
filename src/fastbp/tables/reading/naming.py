"""What the columns are called: whether the first lines have their names, or nothing has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from fastbp.tables.cells.errors import TableError, listed
from fastbp.tables.cells.labels import Rows, are_labels, has_target, is_date, is_value
from fastbp.tables.cells.notation import NUMBER_MARKS

_COUNTED = 3  # steps by one in a line of names such as 1990, 1991, 1992, 1993
_MADE = re.compile(r"column_\d+")


class Named(NamedTuple):
    """The names of the columns, how many rows at the beginning have them, and what is to be said."""

    names: list[str]
    n_rows: int
    notes: list[str]


def are_made(names: Sequence[str]) -> bool:
    """Whether names are those of columns without one."""
    return all(map(_MADE.fullmatch, names))


def made_names(width: int) -> list[str]:
    """Return the names of columns that have none."""
    return [f"column_{k + 1}" for k in range(width)]


def names_of(
    rows: Rows,
    words: Sequence[str],
    header: bool | None,
    expected: Collection[str] = (),
    target: str | None = None,
) -> Named:
    """Decide whether the first rows have the names, and give the columns theirs.

    Parameters
    ----------
    rows : list of list of str
        The first rows, from the one on that may be names.
    words : sequence of str
        The names that a comment above them may have, as many as there are columns; empty for none.
    header : bool or None
        Whether the first row has the names; None: compare it with the others.
    expected : collection of str
        Names that are known to be in such tables, of a model's columns.
    target : str, optional
        The column or columns that are to be learnt.

    Raises
    ------
    TableError
        For names that occur twice.
    """
    first, others = rows[0], rows[1:]
    width = Counter(map(len, others or [first])).most_common(1)[0][0]
    if header is None and words and all(map(is_value, first)):
        return _checked(Named(list(words), 0, ["the names are those of the last comment"]))
    if header is None and has_target(first, target):
        header = True
    if header is None and expected:
        header = _as_expected(first, expected)
    if header or (header is None and has_names(first, others)):
        return _checked(_in_lines(rows, width, 1 if expected else 2))
    width = max(width, len(first))
    note = f"no line of names: the columns are column_1 ... column_{width} (--header: the first line names them)"
    return Named(made_names(width), 0, [note])


def _as_expected(first: list[str], expected: Collection[str]) -> bool | None:
    """Tell by the names of a model's columns whether the first row has the names; None where they do not tell."""
    names = {name.strip("\ufeff ") for name in first}
    if set(expected) <= names:
        return True
    is_row = all(map(is_value, first)) and not names & set(expected)
    return False if is_row or are_made(list(expected)) else None


def _in_lines(rows: Rows, width: int, fewest: int) -> Named:
    """Take the names from the first row, and from a second one below it if it has some, too."""
    first, others = rows[0], rows[1:]
    names = _without_quotes([name.strip("\ufeff ") for name in first])
    notes: list[str] = []
    missing = width - len(names)
    if missing > 0 and not any(any(row[len(names) :]) for row in others):
        names += [""] * missing  # separators at the end of each row
    elif missing == 1:
        notes.append("the first column has no name")
        names.insert(0, "")
    if len(others) <= fewest or not _are_names_too(others[0], others[1:]):
        return Named(names, 1, notes)
    second = [*others[0], *[""] * (len(names) - len(others[0]))]
    if _is_incomplete(names, second):
        notes.append("two lines of names, taken together")
        return Named(_together(names, second), 2, notes)
    notes.append(f"a second line of names, or of units, skipped: {listed([cell for cell in second if cell])}")
    return Named(names, 2, notes)


def _are_names_too(second: list[str], others: Rows) -> bool:
    """Whether a row below the names has words alone above columns of numbers: units, or the second half of names."""
    words = others_given = 0
    for place, cell in enumerate(second):
        column = [row[place] for row in others if place < len(row) and row[place]]
        if not column or cell.lower() in ("", *NUMBER_MARKS):
            continue
        if sum(map(is_value, column)) < 0.8 * len(column):
            if cell in column:
                return False
            others_given += 1
        elif is_value(cell):
            return False
        else:
            words += 1
    return words > 1 or (words == 1 and not others_given and len(second) > 1)


def _is_incomplete(names: Sequence[str], second: Sequence[str]) -> bool:
    """Whether names occur twice, or are missing where the second line has some: as of merged cells."""
    given = [name for name in names if name]
    return len(set(given)) < len(given) or any(more and not name for name, more in zip(names, second, strict=False))


def _together(names: Sequence[str], second: Sequence[str]) -> list[str]:
    """Join two lines of names; a name stands for the columns without one to its right, too."""
    joined, last = [], ""
    for name, more in zip(names, second, strict=False):
        last = name or (last if more else "")
        joined.append(f"{last} {more}".strip())
    return joined


def _without_quotes(names: list[str]) -> list[str]:
    """Take away quotes that stand around all names, and not around the values, which have others or none."""
    quoted = [re.fullmatch(r"""(['"])(.+)\1""", name) for name in names]
    return [found[2] for found in quoted if found] if all(quoted) else names


def _checked(named: Named) -> Named:
    """Refuse names that occur twice."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(named.names):
        places.setdefault(name, []).append(place + 1)
    twice = {name: at for name, at in places.items() if name and len(at) > 1}
    if twice:
        shown = "; ".join(f"{name!r} names columns {', '.join(map(str, at))}" for name, at in twice.items())
        raise TableError(f"names must differ: {shown} (--no-header if the first line is no line of names)")
    return named


def has_names(first: list[str], others: Rows) -> bool:
    """Tell whether the first row names the columns, by comparing it with the others.

    A word above values speaks for it, and so does a date above numbers; a value above values, and a word that its
    column has again, against it. Rows of counted names (0, 1, 2 ... or 1, 2, 3 ...) are names; so are years in a row.
    """
    if any(first == [str(k) for k in range(start, start + len(first))] for start in (0, 1)) and len(first) > 1:
        return True
    if are_labels(first, others):
        return True
    if not any(map(is_value, first)):
        others = [row for row in others if row != first]  # joined files repeat the line of names
    counted_on = _counted_on(first, others)
    names = against = 0
    for place, cell in enumerate(first):
        column = [row[place] for row in others if place < len(row) and row[place]]
        if not column:
            continue
        values = sum(map(is_value, column)) / len(column)
        if values >= 0.8:
            is_other_kind = place in counted_on or (is_date(cell) and sum(map(is_date, column)) * 5 < len(column))
            if not is_value(cell) or is_other_kind:
                names += 1
            elif cell:
                against += 1
        elif cell in column or (is_value(cell) and values > 0.2):
            against += 1
        elif _short_codes(cell, column):
            names += 1
    return names >= against and not (not others and any(map(is_value, first)))


def _counted_on(first: list[str], others: Rows) -> set[int]:
    """Return the places of whole numbers that count on from one column to the next, as hardly any other row does."""

    def steps(row: list[str]) -> set[int]:
        return {k for k, (one, other) in enumerate(pairwise(row)) if one.isdecimal() and other == str(int(one) + 1)}

    found = steps(first)
    runs = ({*range(k, k + _COUNTED)} for k in sorted(found))
    run = next((run for run in runs if run <= found), None)
    if run is None or sum(run <= steps(row) for row in others) * 5 >= len(others):
        return set()
    return found | {k + 1 for k in found}


def _short_codes(cell: str, column: list[str]) -> bool:
    """Whether a word stands above a column of few words of which it is none."""
    return len(set(column)) * 2 <= len(column) and cell not in column
