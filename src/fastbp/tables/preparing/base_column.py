"""What columns of all kinds share: the values that were read, gaps, the training range."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.cells.errors import TableError, at_the_beginning, row_number, shown

Floats = NDArray[np.float64]

MANY_GAPS = 0.01  # share of missing values, from which on they get an input of their own
FEWEST_GAPS = 5


class Read(NamedTuple):
    """The values of a column, null where they are missing, and the rows in which something stood that is none.

    Categories are numbers; `unseen` are those that training had not, and that no input stands for.
    """

    values: pl.Series
    bad: NDArray[np.int64] = np.empty(0, np.int64)
    unseen: tuple[str, ...] = ()


def require_finite(**numbers: float) -> None:
    """Raise a ValueError for a number that is not finite, by its name."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"{name} must be finite; got {number}")


def many_gaps(values: pl.Series) -> bool:
    """Whether so many values are missing that it may tell something."""
    return are_many(values.null_count(), len(values))


def are_many(n_gaps: int, n_rows: int) -> bool:
    """Whether so many missing values of so many rows may tell something."""
    return n_gaps >= max(FEWEST_GAPS, MANY_GAPS * n_rows)


def with_indicator(encoded: Floats, gaps: NDArray[np.bool_], indicator: bool) -> Floats:
    """Return inputs with one more of 0 and 1, of whether the value is missing, where there is an `indicator`."""
    return np.column_stack([encoded, gaps]) if indicator else encoded


def require_some(values: pl.Series, text: pl.Series, bad: NDArray[np.int64], what: str) -> None:
    """Raise a TableError for a table of which no value is what a column held in training."""
    if len(bad) and len(values) > 1 and values.null_count() == len(values) and at_the_beginning():
        row = int(bad[0])
        raise TableError(f"column {text.name!r} held {what} in training; row {row_number(row)} has {shown(text[row])}")


class BaseColumn(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """What all columns have: the name, and whether missing values have an input of their own."""

    name: str
    indicator: bool

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the training range; None where there is none."""
        return None

    def written(self, number: float) -> str:
        """Return a value of an `array` as people read it."""
        return f"{number:.6g}"

    def array(self, values: pl.Series) -> NDArray[Any]:
        """Return what `read` gives as `encode` takes it: NaN where a value is missing."""
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
