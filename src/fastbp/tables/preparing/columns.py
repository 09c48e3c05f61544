"""Columns of a network's inputs: what was learnt from the training rows, and how values become numbers.

All of it is plain numbers and text, kept in the model file (`kind` tells the class), and applied unchanged at
prediction: the notation of numbers, the layout of dates, what is filled in where a value is missing.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.tables.cells.choices import MAX_LEVELS
from fastbp.tables.cells.dates import typed_seconds
from fastbp.tables.cells.errors import TableError, TableWarning, counted, row_number, rows_named, shown
from fastbp.tables.cells.kinds import Understood, as_text, finite, kind_of_type
from fastbp.tables.cells.notation import Notation, ascii_digits, is_missing_mark, to_numbers
from fastbp.tables.cells.units import in_known_units, with_units
from fastbp.tables.preparing.base_column import (
    BaseColumn,
    Floats,
    Read,
    many_gaps,
    require_finite,
    require_some,
    with_indicator,
)
from fastbp.tables.preparing.date_column import DateColumn
from fastbp.tables.preparing.scaling import Scaling, centre_and_scale, scaled

Floats32 = NDArray[np.float32]


class NumberColumn(BaseColumn, frozen=True, tag="number", omit_defaults=True):
    """A column of numbers, scaled: one input. Where all are one number (`scale` 0) it is always 0.

    `mean` is the median where `scaling` is robust, `scale` the distance of the quartiles. `fill`, the median, stands
    for missing values; `low` and `high` are the ends of the training range.
    """

    mean: float
    scale: Annotated[float, Meta(ge=0)]
    fill: float
    low: float
    high: float
    notation: Notation = msgspec.field(default_factory=Notation)
    scaling: Scaling = "standard"

    def __post_init__(self) -> None:
        require_finite(mean=self.mean, scale=self.scale, fill=self.fill, low=self.low, high=self.high)

    @classmethod
    def fit(cls, column: Understood, values: pl.Series, scaling: Scaling = "standard") -> NumberColumn:
        """Learn from the training rows' values."""
        given = values.drop_nulls().to_numpy()
        mean, scale = centre_and_scale(column.name, given, scaling)
        found = (values.min(), values.median(), values.max()) if len(given) else (0.0, 0.0, 0.0)
        low, fill, high = (float(number) for number in found if isinstance(number, float))
        notation = with_units(column.notation)
        return cls(column.name, many_gaps(values), mean, scale, fill, low, high, notation, scaling)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return (self.name, f"{self.name} missing") if self.indicator else (self.name,)

    def read(self, series: pl.Series) -> Read:
        """Return the column's numbers; TableError where it holds none."""
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            return Read(finite(series))
        if series.dtype == pl.Duration:
            return Read(pl.Series(series.name, typed_seconds(series)).fill_nan(None))
        text = None if series.dtype.is_temporal() else as_text(series)
        if text is None:
            raise TableError(f"column {series.name!r} held numbers in training, now {kind_of_type(series.dtype)}")
        text = ascii_digits(text)
        missing = is_missing_mark(text, of_numbers=True)
        given = text.zip_with(~missing, pl.Series([None], dtype=pl.String))
        numbers = finite(to_numbers(given, self.notation))
        bad = (numbers.is_null() & ~missing).arg_true().to_numpy().astype(np.int64)
        require_some(numbers, text, bad, "numbers")
        return Read(in_known_units(given, numbers, self.notation), bad)

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        if self.scale == 0:
            return with_indicator(np.zeros((len(values), 1)), gaps, self.indicator)
        x = scaled(np.where(gaps, self.fill, values), self.mean, self.scale, self.scaling)
        return with_indicator(x[:, np.newaxis], gaps, self.indicator)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the training range; None where all numbers are one."""
        return None if self.scale == 0 else (self.low, self.high)


class BooleanColumn(BaseColumn, frozen=True, tag="boolean"):
    """A column of true and false: one input, 0 or 1; `fill`, what is more frequent, stands for missing values."""

    fill: bool

    @classmethod
    def fit(cls, column: Understood, values: pl.Series) -> BooleanColumn:
        """Learn from the training rows' values."""
        return cls(column.name, many_gaps(values), bool(2 * (values.sum() or 0) > len(values.drop_nulls())))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return (self.name, f"{self.name} missing") if self.indicator else (self.name,)

    def read(self, series: pl.Series) -> Read:
        """Return true and false, null where missing; TableError for anything else."""
        if series.dtype == pl.Boolean:
            return Read(series)
        text = None if series.dtype.is_temporal() else as_text(series)
        if text is None:
            raise TableError(
                f"column {series.name!r} held true and false in training, now {kind_of_type(series.dtype)}"
            )
        missing = is_missing_mark(text, of_numbers=True)
        lower = text.str.to_lowercase()
        strange = ~missing & ~lower.is_in(["true", "false", "1", "0", "1.0", "0.0"]).fill_null(False)
        given = pl.when(~(missing | strange)).then(lower.is_in(["true", "1", "1.0"]))
        values = pl.select(given.alias(series.name)).to_series()
        bad = strange.arg_true().to_numpy().astype(np.int64)
        require_some(values, text, bad, "true and false")
        return Read(values, bad)

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        return with_indicator(np.where(gaps, self.fill, values)[:, np.newaxis], gaps, self.indicator)


class CategoryColumn(BaseColumn, frozen=True, tag="text"):
    """A column of text, one-hot: an input for each category; with `other`, one for all rare or unknown ones."""

    categories: tuple[str, ...]
    other: bool

    def __post_init__(self) -> None:
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("categories must differ")
        if not self.inputs:
            raise ValueError("categories must not be empty")

    @classmethod
    def fit(cls, column: Understood, values: pl.Series, max_levels: int = MAX_LEVELS) -> CategoryColumn:
        """Learn the categories of the training rows, in alphabetical order; of too many the most frequent ones."""
        counts = values.drop_nulls().value_counts(sort=False)
        return cls.of_counts(column.name, dict(counts.iter_rows()), max_levels, gaps=many_gaps(values))

    @classmethod
    def of_counts(cls, name: str, counts: dict[str, int], max_levels: int, *, gaps: bool) -> CategoryColumn:
        """Take the most frequent of the texts that were counted."""
        levels = sorted(counts, key=lambda text: (-counts[text], text))
        kept = tuple(sorted(levels[:max_levels]))
        return cls(name, gaps or not kept, kept, len(levels) > max_levels)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        names = [f"{self.name}={category}" for category in self.categories]
        names += [f"{self.name} other"] * self.other + [f"{self.name} missing"] * self.indicator
        return tuple(names)

    def read(self, series: pl.Series) -> Read:
        """Return the number of each row's category, null where missing; TableError for lists and the like."""
        text = as_text(series)
        if text is None:
            raise TableError(f"column {series.name!r} held text in training, now {kind_of_type(series.dtype)}")
        known, n_known = pl.Series(self.categories, dtype=pl.String), len(self.categories)
        different = text.drop_nulls().unique()
        is_known = different.is_in(self.categories)
        marks = is_missing_mark(different, of_numbers=False)
        marks &= ~is_known if series.dtype == pl.String else True
        numbers = different.replace_strict(known, range(n_known), default=n_known, return_dtype=pl.UInt32)
        numbers = numbers.zip_with(~marks, pl.Series([None], dtype=pl.UInt32))
        unseen = () if self.other else different.filter(~is_known & ~marks).sort()
        codes = text.replace_strict(different, numbers, default=None, return_dtype=pl.UInt32)
        return Read(codes, unseen=tuple(unseen))

    def array(self, values: pl.Series) -> NDArray[np.uint32]:
        """Return what `read` gives as `encode` takes it: beyond all categories one number for others, one for gaps."""
        return values.fill_null(len(self.categories) + 1).to_numpy()

    def encode(self, values: NDArray[np.uint32]) -> Floats32:
        """Return (n_rows, n_inputs) of an `array`; zeros for categories not known."""
        n_known, n_inputs = len(self.categories), len(self.inputs)
        one_hot = np.zeros((len(values), n_inputs), dtype=np.float32)
        of_unknown = n_known if self.other else n_inputs
        of_gaps = n_inputs - 1 if self.indicator else n_inputs
        places = np.array([*range(n_known), of_unknown, of_gaps])[values]
        rows = np.flatnonzero(places < n_inputs)
        one_hot[rows, places[rows]] = 1.0
        return one_hot


Column = NumberColumn | BooleanColumn | CategoryColumn | DateColumn


def fit_column(column: Understood, values: pl.Series, max_levels: int, scaling: Scaling = "standard") -> Column:
    """Learn a column of any kind from the training rows' values."""
    match column.kind:
        case "number":
            return NumberColumn.fit(column, values, scaling)
        case "boolean":
            return BooleanColumn.fit(column, values)
        case "date":
            return DateColumn.fit(column, values, scaling)
        case _:
            return CategoryColumn.fit(column, values, max_levels)


def warn_of_bad(series: pl.Series, bad: NDArray[np.int64]) -> None:
    """Warn of values that are none of their column's kind, and count as missing."""
    if len(bad):
        row = int(bad[0])
        others = f" ({counted(len(bad), 'such value')}: {rows_named(bad)})" if len(bad) > 1 else ""
        message = (
            f"column {series.name!r} has {shown(series[row])} in row {row_number(row)}{others}: counted as missing"
        )
        warnings.warn(message, TableWarning, stacklevel=2)


def to_plain(thing: Any) -> Any:
    """Return what JSON can hold of columns, targets and facts."""
    return msgspec.to_builtins(thing, str_keys=True)
