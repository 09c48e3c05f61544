"""Where a text of rows ends: blank lines after its last row are none.

A line of separators alone is a row, wherever it stands, and so is a blank line between rows: all its values are
missing. One rule for files of any width, read whole or in parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from fastbp.tables.cells.errors import counted
from fastbp.tables.reading.sniffing import Layout, is_comment

_TAIL = 1 << 16  # bytes that are looked at first


class Ending(NamedTuple):
    """The number of blank lines at the end of a text; whether the last row before them has no value."""

    n_blank: int
    is_empty_row: bool


def ending_of(data: Path | bytes, layout: Layout) -> Ending:
    """Count the blank lines at the end of a text, comments between them left out."""
    n_bytes = _TAIL
    while True:
        tail, is_all = _tail_of(data, n_bytes)
        found = _ending(tail, layout)
        if found is not None or is_all:
            return found or Ending(len(tail.splitlines()), False)
        n_bytes *= 8


def _tail_of(data: Path | bytes, n_bytes: int) -> tuple[bytes, bool]:
    """Return the last bytes of a text, from the beginning of a line on, and whether that is all of it."""
    if isinstance(data, bytes):
        tail, is_all = data[-n_bytes:], len(data) <= n_bytes
    else:
        with data.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - n_bytes))
            tail, is_all = file.read(), size <= n_bytes
    return (tail, True) if is_all else (tail[tail.find(b"\n") + 1 :], False)


def _ending(tail: bytes, layout: Layout) -> Ending | None:
    """Return the ending of a text of which these are the last lines; None where all of them are blank."""
    blanks = " \r" if layout.separator == "\t" else " \t\r"
    nothing = f"{blanks}{layout.separator}{layout.quote}"
    n_blank = 0
    for line in reversed(tail.decode("utf-8", errors="replace").removesuffix("\n").split("\n")):
        if not line.strip(blanks):
            n_blank += 1
        elif not _is_comment(line, layout):
            return Ending(n_blank, not line.strip(nothing))
    return None


def _is_comment(line: str, layout: Layout) -> bool:
    alone = len(layout.names) > 1 and layout.separator not in line
    return is_comment(line) and (layout.comment is not None or alone)


def up_to(frame: pl.DataFrame, ending: Ending) -> pl.DataFrame:
    """Return the rows of a text without those that a reader made of what follows the last one."""
    if ending.is_empty_row:
        return frame.head(frame.height - ending.n_blank)
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return frame.head(int(filled[-1]) + 1 if len(filled) else 0)


def said_of(n_blank: int) -> list[str]:
    """Say that lines are no rows."""
    return [f"{counted(n_blank, 'blank line')} at the end left out"] if n_blank else []
