"""What is said about a table: errors, warnings, notes; and how rows and names are written in them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

MOST_SHOWN = 3
LONGEST_SHOWN = 80  # characters of a value

_rows_before: ContextVar[int] = ContextVar("rows of the table before the part that is read", default=0)
_rows_drawn: ContextVar[NDArray[np.int64] | None] = ContextVar("where the rows of a sample stand", default=None)


class TableError(ValueError):
    """Data that cannot be learnt from or predicted for; the message names the column and the row."""


class TableWarning(UserWarning):
    """Data that are used, but perhaps not in the way their owner thinks."""


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest to `name`; nothing when none is near."""
    names = list(known)
    near = [one for one in names if one.strip().casefold() == name.strip().casefold()]
    near = near or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """Write a value as Python does, the middle of a long one left out: a cell may hold a whole file."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 20]} ... {text[-15:]}"


def listed(things: Sequence[object], most: int = MOST_SHOWN) -> str:
    """Write the first few things, quoted: "'a', 'b', ..."."""
    return ", ".join(shown(thing) for thing in things[:most]) + (", ..." if len(things) > most else "")


def counted(number: int, noun: str) -> str:
    """Write "1 row", "2 rows"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


@contextmanager
def rows_before(n_rows: int) -> Iterator[None]:
    """Let row numbers in messages be those of a whole table, of which a part is read, after `n_rows` others."""
    token = _rows_before.set(n_rows)
    try:
        yield
    finally:
        _rows_before.reset(token)


@contextmanager
def rows_drawn(rows: NDArray[np.int64] | None) -> Iterator[None]:
    """Let row numbers in messages be those of a whole table, of which some `rows` were drawn; None: all."""
    token = _rows_drawn.set(rows)
    try:
        yield
    finally:
        _rows_drawn.reset(token)


@contextmanager
def in_file(path: str) -> Iterator[None]:
    """Name a file in messages that do not name it."""
    try:
        yield
    except TableError as error:
        raise error if repr(path) in str(error) else TableError(f"{path!r}: {error}") from None


def at_the_beginning() -> bool:
    """Whether what is read is a table, or the first part of one."""
    return _rows_before.get() == 0


def row_number(row: int) -> int:
    """Return what people call a row that counts from 0 in the part that is read, or in the sample that was drawn."""
    drawn = _rows_drawn.get()
    return int(row if drawn is None else drawn[row]) + _rows_before.get() + 1


def rows_named(rows: NDArray[np.int64] | Sequence[int], most: int = MOST_SHOWN) -> str:
    """Write row numbers, which count from 0 here and from 1 for people: "row 5", "rows 5, 7, 9 ..."."""
    shown = ", ".join(str(row_number(row)) for row in rows[:most])
    return f"row{'s' * (len(rows) != 1)} {shown}{' ...' * (len(rows) > most)}"
