"""Columns of a network's inputs: what was learnt from the training rows, and how values become numbers.

All of it is plain numbers and text, kept in the model file (`kind` tells the class), and applied unchanged at
prediction: the notation of numbers, the layout of dates, what is filled in where a value is missing.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.tables.dates import FEATURES, Layout, features, seconds_of, typed_seconds
from fastbp.tables.errors import (
    TableError,
    TableWarning,
    at_the_beginning,
    counted,
    row_number,
    rows_named,
    shown,
)
from fastbp.tables.kinds import MAX_LEVELS, Understood, as_text, finite, kind_of_type
from fastbp.tables.notation import Notation, ascii_digits, is_missing_mark, to_numbers
from fastbp.tables.scaling import Scaling, centre_and_scale, scaled
from fastbp.tables.units import in_known_units, with_units

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

MANY_GAPS = 0.01  # share of missing values, from which on they get an input of their own
FEWEST_GAPS = 5
FAR = 0.5  # of the training range: how far outside of it a value is worth a warning


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


def _with_indicator(encoded: Floats, gaps: NDArray[np.bool_], indicator: bool) -> Floats:
    return np.column_stack([encoded, gaps]) if indicator else encoded


def _require_some(values: pl.Series, text: pl.Series, bad: NDArray[np.int64], what: str) -> None:
    """Raise a TableError for a table of which no value is what a column held in training."""
    if len(bad) and values.null_count() == len(values) and at_the_beginning():
        row = int(bad[0])
        raise TableError(f"column {text.name!r} held {what} in training; row {row_number(row)} has {shown(text[row])}")


class _Column(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """What all columns have: the name, and whether missing values have an input of their own."""

    name: str
    indicator: bool

    def array(self, values: pl.Series) -> NDArray[Any]:
        """Return what `read` gives as `encode` takes it: NaN where a value is missing."""
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


class NumberColumn(_Column, frozen=True, tag="number", omit_defaults=True):
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
        _require_some(numbers, text, bad, "numbers")
        return Read(in_known_units(given, numbers, self.notation), bad)

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        if self.scale == 0:
            return _with_indicator(np.zeros((len(values), 1)), gaps, self.indicator)
        x = scaled(np.where(gaps, self.fill, values), self.mean, self.scale, self.scaling)
        return _with_indicator(x[:, np.newaxis], gaps, self.indicator)

    def outside(self, values: pl.Series) -> tuple[NDArray[np.int64], pl.Series]:
        """Return the rows far outside of the training range, and the values moved to its ends."""
        margin = FAR * (self.high - self.low)
        if self.scale == 0:
            return np.empty(0, np.int64), values
        far = (values < self.low - margin) | (values > self.high + margin)
        return far.fill_null(False).arg_true().to_numpy().astype(np.int64), values.clip(self.low, self.high)


class BooleanColumn(_Column, frozen=True, tag="boolean"):
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
        _require_some(values, text, bad, "true and false")
        return Read(values, bad)

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        return _with_indicator(np.where(gaps, self.fill, values)[:, np.newaxis], gaps, self.indicator)


class CategoryColumn(_Column, frozen=True, tag="text"):
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


class DateColumn(_Column, frozen=True, tag="date", omit_defaults=True):
    """A column of dates or times: the numbers that `features` makes of them, scaled as those of a `NumberColumn`.

    `fill`, the median in seconds, stands for missing values; `first` is the earliest date.
    """

    layout: Layout
    features: tuple[
        Literal["days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos"], ...
    ]
    means: tuple[float, ...]
    scales: tuple[Annotated[float, Meta(gt=0)], ...]
    first: Annotated[float, Meta(ge=-1e12, le=1e12)]
    fill: Annotated[float, Meta(ge=-1e12, le=1e12)]
    scaling: Scaling = "standard"

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.means) == len(self.scales) == len(set(self.features)):
            raise ValueError("features, means and scales must have one length")
        if not self.inputs:
            raise ValueError("features must not be empty")
        require_finite(**{f"means[{k}]": mean for k, mean in enumerate((*self.means, *self.scales))})

    @classmethod
    def fit(cls, column: Understood, values: pl.Series, scaling: Scaling = "standard") -> DateColumn:
        """Learn from the training rows' values which of the numbers vary."""
        seconds = pl.Series(typed_seconds(values)).fill_nan(None).drop_nulls().to_numpy()
        if len(seconds) == 0:
            return cls(column.name, True, column.layout, (), (), (), 0.0, 0.0, scaling)
        made = features(seconds, float(seconds.min()))
        days = (pl.Series(seconds) * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.day()
        if (days == 1).all():  # months, not days
            made = {name: made[name] for name in made if not name.startswith("weekday")}
        if column.layout == "time":
            made = {name: made[name] for name in ("days", "hour_sin", "hour_cos")}
        learnt = {name: centre_and_scale(column.name, made[name], scaling) for name in FEATURES if name in made}
        used: dict[Any, tuple[float, float]] = {
            name: (mean, scale) for name, (mean, scale) in learnt.items() if scale > 1e-9
        }
        means, scales = tuple(mean for mean, _ in used.values()), tuple(scale for _, scale in used.values())
        gaps, first, fill = many_gaps(values) or not used, float(seconds.min()), float(np.median(seconds))
        return cls(column.name, gaps, column.layout, tuple(used), means, scales, first, fill, scaling)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        names = [f"{self.name} {feature}" for feature in self.features]
        return (*names, f"{self.name} missing") if self.indicator else tuple(names)

    def read(self, series: pl.Series) -> Read:
        """Return seconds, null where missing; TableError where the column holds no dates."""
        if series.dtype.is_temporal() and series.dtype != pl.Duration:
            return Read(pl.Series(series.name, typed_seconds(series)).fill_nan(None))
        text = as_text(series)
        text = None if text is None else ascii_digits(text)
        if text is None or series.dtype == pl.Duration:
            raise TableError(f"column {series.name!r} held dates in training, now {kind_of_type(series.dtype)}")
        missing = is_missing_mark(text, of_numbers=True)
        layout: Layout = "year first" if self.layout == "typed" else self.layout
        found = seconds_of(text.zip_with(~missing, pl.Series([None], dtype=pl.String)), layout)
        seconds = pl.Series(series.name, found).fill_nan(None)
        bad = (seconds.is_null() & ~missing).arg_true().to_numpy().astype(np.int64)
        _require_some(seconds, text, bad, "dates")
        return Read(seconds, bad)

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        made = features(np.where(gaps, self.fill, values), self.first)
        columns = [
            scaled(made[name], mean, scale, self.scaling)
            for name, mean, scale in zip(self.features, self.means, self.scales, strict=True)
        ]
        encoded = np.column_stack(columns) if columns else np.empty((len(values), 0))
        return _with_indicator(encoded, gaps, self.indicator)


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
