"""A table as it was read: columns of text where the file has text, and what was said on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from fastbp.tables.cells.errors import TableError


class Written(NamedTuple):
    """The names of columns that are needed as they are written: always, or unless they are numbers with fractions."""

    always: Collection[str]
    without_fractions: Collection[str] = ()


@dataclass(frozen=True)
class Reading:
    """What the user says of a file; None leaves it to the file.

    `header`: whether the first line names the columns. `table`: the table of a database, the sheet of a workbook.
    `query`: what to ask a database for, in SQL.
    `expected`: names that such files have, of a model's columns. `target`: the column or columns to be learnt.
    `skip_repeated`: leave out rows that repeat the header line. `written` tells of the names of all columns those that
    are needed as they are written; others of a large text may be read as numbers at once. None: all are needed so.
    """

    header: bool | None = None
    table: str | None = None
    query: str | None = None
    skip_repeated: bool = False
    expected: Collection[str] = ()
    written: Callable[[Sequence[str]], Written] | None = None
    target: str | None = None


def refuse_unused(
    reading: Reading, what: str, *, table: bool = False, query: bool = False, lines: bool = False
) -> None:
    """Refuse options that mean nothing for a kind of table; the others are said to mean something."""
    given = {
        "--table": reading.table is not None and not table,
        "--query": reading.query is not None and not query,
        "--no-header": reading.header is False and not lines,
    }
    for option, unused in given.items():
        if unused:
            raise TableError(f"{option} means nothing for {what}")


@dataclass(frozen=True)
class Table:
    """A frame, what was decided in reading it, and what else the file tells.

    `decimal_comma`: whether "1,234" is more likely 1.234 than 1234. `targets`: the columns that the format itself
    calls outputs.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    targets: tuple[str, ...] = ()
