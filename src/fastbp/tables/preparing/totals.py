"""A last row of sums, as spreadsheets have below a table: it is no example, and nothing is learnt from it."""

from __future__ import annotations

import re

import polars as pl

from fastbp.tables.cells.errors import row_number, shown

_FEWEST_ROWS = 5
_TOTAL = re.compile(
    r"(grand )?totals?|total (général|general)|sums?|summe|gesamt(summe)?|insgesamt|totale|totaal|totalt|suma|somma",
    re.IGNORECASE,
)


def without_total(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Leave out a last row that a word for a sum begins, unless the word stands higher up in its column, too."""
    if frame.height < _FEWEST_ROWS:
        return frame, []
    last = frame.row(-1)
    place = next((k for k, cell in enumerate(last) if cell is not None), None)
    word = None if place is None else last[place]
    if place is None or not isinstance(word, str) or not _TOTAL.fullmatch(word.strip().rstrip(":")):
        return frame, []
    above = frame.to_series(place).head(frame.height - 1).cast(pl.String).str.strip_chars(" :").str.to_lowercase()
    if (above == word.strip(" :").lower()).any():
        return frame, []
    where = f"row {row_number(frame.height - 1)}, the last one, begins with {shown(word)}"
    return frame.head(frame.height - 1), [f"{where}: a row of sums, left out"]
