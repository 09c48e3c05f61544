"""Stray cells of a target: a 2.5 among zeros and ones, a 1 among yes and no.

One cell decides neither the task nor the number of classes: its row is left out, and named. What is seen once only, and
may be a class, is named too.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from fastbp.tables.cells.errors import counted, row_number, rows_named, shown
from fastbp.tables.cells.kinds import Understood
from fastbp.tables.preparing.targets import guess_task

STRAY = 0.01  # of the values, at most, or a single one
_FEWEST_ROWS = 20  # in which a single value is a stray one
_MOST_NAMED = 3


def without_strays(column: Understood, categorical: bool = False) -> Understood:
    """Leave out of a target's values the few that would change the task, or be a class of another kind.

    Parameters
    ----------
    column : Understood
        The target, if it is not said to be one of numbers.
    categorical : bool
        Whether its owner says that all values are classes.
    """
    if column.kind == "number":
        strays = _fractions_among_classes(column)
        why = "stands among whole numbers that are classes", "--task regression learns numbers"
    elif column.kind == "text" and not categorical:
        strays = _numbers_among_words(column)
        why = "stands among words", f"--categorical {column.name!r} makes it a class"
    else:
        return column
    return _left_out(column, strays, *why) if strays is not None else column


def _left_out(column: Understood, strays: pl.Series, what: str, otherwise: str) -> Understood:
    rows = strays.arg_true().to_numpy()
    value = (column.values if column.text is None else column.text)[int(rows[0])]
    more = f" ({counted(len(rows), 'such value')}: {rows_named(rows)})" if len(rows) > 1 else ""
    said = f"column {column.name!r}: {shown(value)} in row {row_number(rows[0])}{more} {what}: left out ({otherwise})"
    values = column.values.zip_with(~strays, pl.Series([None], dtype=column.values.dtype))
    return replace(column, values=values, odd=(*column.odd, said))


def _are_few(strays: pl.Series, n_given: int) -> bool:
    n_strays = int(strays.sum())
    return n_given >= _FEWEST_ROWS and (n_strays == 1 or 0 < n_strays <= STRAY * n_given)


def _fractions_among_classes(column: Understood) -> pl.Series | None:
    """Tell in which rows fractions stand among few whole numbers; None where that is not so."""
    values = column.values
    strays = (values != values.round(0)).fill_null(False)
    if not _are_few(strays, len(values) - column.gaps):
        return None
    others = replace(column, values=values.zip_with(~strays, pl.Series([None], dtype=pl.Float64)))
    return strays if guess_task(others)[0] == "classification" else None


def _numbers_among_words(column: Understood) -> pl.Series | None:
    """Tell in which rows numbers stand among words; None where that is not so."""
    strays = column.values.cast(pl.Float64, strict=False).is_not_null()
    return strays if _are_few(strays, len(column.values) - column.gaps) else None


def classes_of_one_row(column: Understood) -> tuple[str, ...]:
    """Name the classes that have a single row each, of a target with classes."""
    given = column.values.drop_nulls()
    counts = given.value_counts()
    single = counts.filter(pl.col("count") == 1)[column.name].sort()
    if len(given) < _FEWEST_ROWS or len(single) == 0 or 2 * len(counts) > len(given):
        return ()
    rows = [int((column.values == value).arg_max() or 0) for value in single.head(_MOST_NAMED)]
    named = [f"{_written(column.values[row])} (row {row_number(row)})" for row in rows]
    more = ", ..." if len(single) > _MOST_NAMED else ""
    return (
        f"column {column.name!r} has one row only of {', '.join(named)}{more}: what is learnt of such a class cannot "
        "be tested",
    )


def classes_alike(column: Understood) -> tuple[str, ...]:
    """Name classes that differ in upper and lower case alone: the same answers, written in several ways."""
    if column.kind != "text":
        return ()
    counts = column.values.drop_nulls().value_counts().sort(column.name)
    lower = counts[column.name].str.to_lowercase()
    twice = lower.filter(lower.is_duplicated())
    if len(twice) == 0:
        return ()
    alike = counts.filter(lower == twice[0])
    named = ", ".join(f"{shown(label)} ({counted(count, 'row')})" for label, count in alike.iter_rows())
    said = "has classes that differ in upper and lower case alone, and stay different"
    return (f"column {column.name!r} {said}: {named}",)


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else shown(value)
