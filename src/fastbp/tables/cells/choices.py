"""What the owner of a table says of its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from fastbp.tables.cells.dates import DateOrder
from fastbp.tables.cells.decimals import Decimal, decimal_of, mark_of_groups
from fastbp.tables.cells.notation import Censored

MAX_LEVELS = 200  # categories of a column; rarer ones are one more


@dataclass(frozen=True)
class Choices:
    """What the user says of the columns; the defaults leave it to the data.

    `decimal`: what stands before decimals where a column leaves it open, as in 1.234; `decimal_comma`: whether it is
    likely to be a comma, where nothing tells.
    """

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    max_levels: int = MAX_LEVELS
    missing: Literal["fill", "drop", "error"] = "fill"
    dates: DateOrder | None = None
    censored: Censored = "refuse"
    decimal: Decimal | None = None
    decimal_comma: bool = False

    def for_table(self, frame: pl.DataFrame, decimal_comma: bool = False) -> Choices:
        """Return the choices for a table, of which clear columns may tell what stands before decimals."""
        is_open = self.decimal is None and any(mark_of_groups(text) for text in frame if text.dtype == pl.String)
        return replace(
            self,
            decimal=decimal_of(frame) if is_open else self.decimal,
            decimal_comma=self.decimal_comma or decimal_comma,
        )
