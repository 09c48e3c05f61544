"""What a column is: numbers, true and false, dates, text; decided by the whole column, its odd values named.

A few values that are no numbers make no text of a column of numbers: they count as missing, and are said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np
import polars as pl

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.dates import MONTH_AND_YEAR, Layout, find_dates, typed_seconds, unread_dates
from fastbp.tables.cells.decimals import mark_of_groups
from fastbp.tables.cells.errors import TableError, counted, listed, row_number, shown
from fastbp.tables.cells.mixtures import LEADING_ZERO, are_codes, are_numbers, are_steps, said_of_text, said_of_zeros
from fastbp.tables.cells.notation import (
    Notation,
    ascii_digits,
    find_notation,
    is_missing_mark,
    refuse_censored,
    to_numbers,
    units_by_row,
    units_of,
)

Kind = Literal["number", "boolean", "date", "text", "other"]

LARGEST_EXACT = 2.0**53  # above, float64 does not tell neighbouring whole numbers apart
_SIGNS = ["-", "--", "---", ".", "..", "\u2013", "\u2014"]
_FIRST = 1000  # values, that are looked at before all of them
_DATE_DIGITS = ((18000101, 22001231), (18000101000000, 22001231235959))
_DATE_NAME = re.compile(r"date|datum|day|yyyymmdd|time", re.IGNORECASE)


@dataclass(frozen=True)
class Understood:
    """A column that was understood.

    `values`: float64 for numbers, booleans, text, and for dates datetimes or times of day; null where a value is
    missing. `text`: the values as they are written, where they were written. `notes` say what was decided, `odd`
    what looks wrong.
    """

    name: str
    kind: Kind
    values: pl.Series
    text: pl.Series | None = None
    notation: Notation = field(default_factory=Notation)
    layout: Layout = "typed"
    notes: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def gaps(self) -> int:
        """Number of missing values."""
        return self.values.null_count()

    @property
    def n_distinct(self) -> int:
        """Number of different values; numbers too large for floats are told apart by their text, where it is known."""
        largest = self.values.abs().max() if self.kind == "number" else None
        exact = isinstance(largest, float) and largest < LARGEST_EXACT
        return (self.values if self.text is None or exact else self.text).drop_nulls().n_unique()

    @property
    def whole(self) -> bool:
        """Whether these are whole numbers."""
        return self.kind == "number" and all(_are_whole(values) for values in (self.values.head(_FIRST), self.values))


def _are_whole(numbers: pl.Series) -> bool:
    return bool((numbers == numbers.round(0)).all())


def finite(series: pl.Series) -> pl.Series:
    """Return a column of numbers as float64, null where it has none: null, NaN or infinite."""
    numbers = series.cast(pl.Float64)
    if numbers.is_finite().all():
        return numbers
    return pl.select(pl.when(numbers.is_finite()).then(numbers).alias(series.name)).to_series()


def as_text(series: pl.Series) -> pl.Series | None:
    """Return a column as text, without blanks around; whole numbers without a fraction; None for lists and the like."""
    dtype = series.dtype
    if dtype == pl.Duration:
        return series.cast(pl.Int64).cast(pl.String)
    if dtype.is_float():
        whole = bool((series.drop_nulls() == series.drop_nulls().round(0)).all())
        exact = whole and bool((series.drop_nulls().abs() < LARGEST_EXACT).all())
        return (series.cast(pl.Int64) if exact else series).cast(pl.String)
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null) or dtype.is_temporal():
        return series.cast(pl.String)
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        text = series.cast(pl.String).str.strip_chars()
        return pl.select(pl.when(text != "").then(text).alias(series.name)).to_series()
    return None


def kind_of_type(dtype: pl.DataType) -> str:
    """Say in words what a column of a type holds."""
    if dtype == pl.Boolean:
        return "true and false"
    if dtype.is_numeric():
        return "numbers"
    if dtype.is_temporal():
        return "dates or times"
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return "text"
    return f"values of type {dtype}"


def understand(series: pl.Series, choices: Choices | None = None) -> Understood:
    """Decide what a column is.

    Parameters
    ----------
    series : polars.Series
        Of any type.
    choices : Choices, optional
        What its owner says.

    Returns
    -------
    Understood

    Raises
    ------
    TableError
        For values that only their owner can explain: limits such as `<5`, dates that leave the month open.
    """
    choices = choices or Choices()
    name, dtype = series.name, series.dtype
    if name not in choices.categorical and (dtype.is_temporal() or dtype.is_numeric()):
        return _of_typed(series, choices)
    text = as_text(series)
    if text is None:
        return Understood(name, "other", series, odd=(f"column {name!r} holds {kind_of_type(dtype)}",))
    if name in choices.categorical:
        return _of_text(text)
    if dtype == pl.Boolean:
        return Understood(name, "boolean", series)
    if isinstance(dtype, (pl.Categorical, pl.Enum)) and name not in choices.numeric:
        return _of_text(text)
    return _of_written(text, choices)


def _of_written(text: pl.Series, choices: Choices) -> Understood:
    """Decide what text holds, with the digits of any script; what stays text keeps its own."""
    if text.name not in choices.numeric and _are_words(text.head(_FIRST)) and _are_words(text):
        return _of_text(text)
    digits = ascii_digits(text)
    found = _of_strings(digits, choices)
    if digits is text:
        return found
    if found.kind != "text":
        note = f"column {text.name!r}: digits of another script are read as 0 to 9"
        return replace(found, notes=(*found.notes, note))
    return replace(_of_text(text), notes=found.notes, odd=found.odd)


def _of_typed(series: pl.Series, choices: Choices) -> Understood:
    if series.dtype.is_temporal():
        return _of_times(series)
    text = None if series.dtype.is_float() else as_text(series)
    return _maybe_date_digits(Understood(series.name, "number", finite(series), text), choices)


def _of_times(series: pl.Series) -> Understood:
    seconds = pl.Series(series.name, typed_seconds(series)).fill_nan(None)
    if series.dtype == pl.Duration:
        return Understood(series.name, "number", seconds, notes=(f"column {series.name!r}: durations in seconds",))
    return _dates(series.name, seconds, "time" if series.dtype == pl.Time else "typed")


def _dates(name: str, seconds: pl.Series, layout: Layout, said: str = "", odd: tuple[str, ...] = ()) -> Understood:
    what = "times of day" if layout == "time" else "dates"
    note = f"column {name!r}: {what}{', ' * bool(said)}{said}"
    micro = (seconds * 1e6).round(0).cast(pl.Int64)
    values = (micro * 1000).cast(pl.Time) if layout == "time" else micro.cast(pl.Datetime("us"))
    return Understood(name, "date", values.alias(name), layout=layout, notes=(note,), odd=odd)


def _of_text(text: pl.Series) -> Understood:
    """Take a column for text; marks that mean nothing else than "no value" are missing."""
    marks = is_missing_mark(text, of_numbers=False) & text.is_not_null()
    notes: tuple[str, ...] = ()
    if marks.any():
        found = text.filter(marks).unique().sort().to_list()
        notes = (f"column {text.name!r}: {listed(found)} ({counted(int(marks.sum()), 'time')}) means missing",)
    values = text.zip_with(~marks, pl.Series([None], dtype=pl.String))
    signs = text.filter(text.is_in(_SIGNS).fill_null(False))
    if len(signs) and not text.is_in(["+"]).any():
        said = f"{listed(signs.unique().sort().to_list())} ({counted(len(signs), 'time')})"
        notes = (*notes, f"column {text.name!r}: {said} counts as a category; beside numbers it would mean missing")
    return Understood(text.name, "text", values, text=text, notes=notes)


def _are_words(text: pl.Series) -> bool:
    """Whether no value has a digit, as numbers and dates have, or is another word for a number or the truth."""
    words = text.drop_nulls().unique()
    return not words.str.contains(r"(?i)\d|^[-+]?(inf|nan)|^(true|false)$").any()


def _of_strings(text: pl.Series, choices: Choices) -> Understood:
    name = text.name
    plain = text.cast(pl.Float64, strict=False)
    is_plain = plain.null_count() == text.null_count() < len(text) and not text.str.contains(LEADING_ZERO).any()
    if is_plain and not mark_of_groups(text):
        return _maybe_date_digits(Understood(name, "number", finite(plain), text), choices)  # most columns end here
    different = text.drop_nulls().unique()  # what holds for any or all of them is asked of these
    marks = different.filter(is_missing_mark(different, of_numbers=True))
    missing = text.is_null() | text.is_in(marks.to_list()).fill_null(False)
    given, different = text.filter(~missing), different.filter(~different.is_in(marks.to_list()))
    if len(given) == 0:
        return _of_text(text)
    are_words = different.str.to_lowercase().is_in(["true", "false"])
    if are_words.any() and (are_words | different.is_in(["0", "1"])).all():
        values = pl.select(pl.when(~missing).then(text.str.to_lowercase().is_in(["true", "1"])).alias(name)).to_series()
        notes = () if are_words.all() else (f"column {name!r}: 1 is read as true, 0 as false",)
        return Understood(name, "boolean", values, text=text, notes=notes)
    if name not in choices.numeric and are_codes(given):
        found = _of_text(text)
        note = f"column {name!r}: text, since some values begin with 0 (--numeric {name!r} for numbers)"
        return replace(found, notes=(*found.notes, note))
    plain = given.cast(pl.Float64, strict=False)
    are_no_numbers = plain.null_count() * 2 > len(given) or different.str.contains(MONTH_AND_YEAR).all()
    if are_no_numbers and name not in choices.numeric:
        dates = find_dates(name, text.zip_with(~missing, pl.Series([None], dtype=pl.String)), choices.dates)
        if dates:
            filled = pl.Series(name, dates.seconds).fill_nan(None)
            odd = _odd(name, text, filled.is_null() & ~missing, "dates")
            found = _dates(name, filled, dates.layout, dates.said, odd)
            return replace(found, notes=(*found.notes, *_notes_of_numbers(text, "", missing & text.is_not_null())))
    return _with_unread_dates(_maybe_date_digits(_numbers_or_text(text, missing, choices), choices), text, missing)


def _with_unread_dates(column: Understood, text: pl.Series, missing: pl.Series) -> Understood:
    """Add to a column of text why its values, if they look like dates, are not read as dates."""
    if column.kind != "text":
        return column
    said = unread_dates(text.zip_with(~missing, pl.Series([None], dtype=pl.String)))
    return replace(column, odd=(*column.odd, f"column {column.name!r}: {said}")) if said else column


def _odd(name: str, text: pl.Series, bad: pl.Series, what: str) -> tuple[str, ...]:
    rows = bad.arg_true()
    if len(rows) == 0:
        return ()
    row = int(rows[0])
    more = f" ({len(rows):,} such values)" if len(rows) > 1 else ""
    where = f"row {row_number(row)} has {shown(text[row])}"
    return (f"column {name!r} holds {what}, but {where}{more}: counted as missing",)


def _numbers_or_text(text: pl.Series, missing: pl.Series, choices: Choices) -> Understood:
    """Decide between numbers with exceptions and text."""
    name, given = text.name, text.filter(~missing)
    notation, said = find_notation(given, choices.decimal_comma, choices.decimal)
    exact = msgspec.structs.replace(notation, censored="limit")
    limits = to_numbers(given, exact)
    as_numbers = to_numbers(given, notation)
    asked = name in choices.numeric
    units = units_of(given, notation)
    if not asked and not are_numbers(given, limits):
        found = _of_text(text)
        return replace(found, odd=said_of_text(text, missing, limits))
    if not asked and len(units) > 1:
        found = _of_text(text)
        return replace(
            found, odd=(*found.odd, f"column {name!r}: units differ ({listed(units)}): taken for text, not numbers")
        )
    n_limits = as_numbers.null_count() - limits.null_count()
    if not asked and choices.censored == "refuse" and are_steps(given, n_limits):
        return _of_text(text)
    if n_limits:
        if choices.censored == "refuse":
            refuse_censored(name, text)
        notation = msgspec.structs.replace(notation, censored=choices.censored)
        said = ", ".join(filter(None, [said, f"of limits such as <5 is taken: {choices.censored}"]))
    masked = text.zip_with(~missing, pl.Series([None], dtype=pl.String))
    values = finite(to_numbers(masked, notation)).alias(name)
    if asked and values.null_count() == len(values):
        raise TableError(f"column {name!r} has no number: --numeric cannot be met")
    bad = values.is_null() & ~missing
    if notation.censored == "missing":
        bad &= ~text.str.contains(r"^[<>≤≥]").fill_null(False)
    by_row = units_by_row(masked, notation)
    notation = msgspec.structs.replace(notation, units=tuple(by_row.drop_nulls().unique().sort().to_list()))
    odd = (*_odd(name, text, bad, "numbers"), *_half_with_units(text, by_row), *said_of_zeros(masked))
    notes = _notes_of_numbers(text, said, missing & text.is_not_null())
    return Understood(name, "number", values, text, notation, notes=notes, odd=odd)


def _notes_of_numbers(text: pl.Series, said: str, marks: pl.Series) -> tuple[str, ...]:
    """Say how numbers are written, and which marks mean that there is none."""
    notes = (f"column {text.name!r}: {said}",) if said else ()
    if marks.any():
        found = listed(text.filter(marks).unique().sort().to_list())
        notes = (*notes, f"column {text.name!r}: {found} means missing")
    return notes


def _half_with_units(text: pl.Series, units: pl.Series) -> tuple[str, ...]:
    """Say that some numbers have a unit and others have none: 5% and 0.03 may be five and three hundredths."""
    have, bare = ((units != "").fill_null(False).arg_true(), (units == "").fill_null(False).arg_true())
    if len(have) == 0 or len(bare) == 0:
        return ()
    with_unit, without = int(have[0]), int(bare[0])
    return (
        f"column {text.name!r}: {shown(text[with_unit])} in row {row_number(with_unit)} has a unit, "
        f"{shown(text[without])} in row {row_number(without)} has none ({len(have):,} and {len(bare):,} such values): "
        "the unit is removed, and no number converted",
    )


def _maybe_date_digits(column: Understood, choices: Choices) -> Understood:
    """Take whole numbers such as 20200131 for dates, where all of them are."""
    if column.kind != "number" or column.name in choices.numeric or column.gaps == len(column.values):
        return column
    low, high = column.values.min(), column.values.max()
    if not (isinstance(low, float) and isinstance(high, float)):
        return column
    if not any(first <= low < high <= last for first, last in _DATE_DIGITS):
        return column
    if not column.whole or (len(column.values) < 10 and not _DATE_NAME.search(column.name)):
        return column
    digits = column.values.cast(pl.Int64).cast(pl.String)
    found = find_dates(column.name, digits, None, digits=True)
    if found is None:
        return column
    return _dates(
        column.name, pl.Series(np.asarray(found.seconds)).fill_nan(None), found.layout, f"written as {digits[0]}"
    )
