"""Units at the numbers of a column: those of training are what later tables are compared with."""

from __future__ import annotations

import warnings

import msgspec
import polars as pl

from fastbp.tables.cells.errors import TableError, TableWarning, at_the_beginning, listed, row_number, shown
from fastbp.tables.cells.notation import Notation, units_by_row


def in_known_units(text: pl.Series, numbers: pl.Series, notation: Notation) -> pl.Series:
    """Take numbers with another unit than in training for missing; warn of them, and of those without one."""
    known = notation.units
    n_given = len(text) - text.null_count()
    if known is None or (known == ("",) and text.cast(pl.Float64, strict=False).count() == n_given):
        return numbers
    units = units_by_row(text, notation)
    given = numbers.is_not_null() & units.is_not_null()
    other = given & (units != "").fill_null(False) & ~units.is_in(known).fill_null(False)
    had = listed([unit for unit in known if unit]) or "none"
    if other.any() and other.sum() == numbers.count() and at_the_beginning():
        row = int(other.arg_true()[0])
        raise TableError(
            f"column {text.name!r} has {shown(text[row])} in row {row_number(row)}, and all its numbers have a "
            f"unit that training had not; it had {had}"
        )
    if other.any():
        _warn_of_units(text, other, f"a unit that training had not (it had {had}): counted as missing")
    bare = given & (units == "").fill_null(False)
    if "" not in known and bare.any():
        _warn_of_units(text, bare, f"no unit, and training had {had}: taken as it stands")
    return numbers.zip_with(~other, pl.Series([None], dtype=pl.Float64))


def with_units(notation: Notation) -> Notation:
    """Return a notation that says which units training had: none, where all numbers were plain."""
    return notation if notation.units is not None else msgspec.structs.replace(notation, units=("",))


def _warn_of_units(text: pl.Series, rows: pl.Series, what: str) -> None:
    at = rows.arg_true()
    row, more = int(at[0]), f" ({len(at):,} such values)" if len(at) > 1 else ""
    message = f"column {text.name!r} has {shown(text[row])} in row {row_number(row)}{more}: {what}"
    warnings.warn(message, TableWarning, stacklevel=2)
