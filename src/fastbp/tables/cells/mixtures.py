"""Columns in which numbers stand beside other things: numbers with exceptions, or categories, many of them numbers."""

from __future__ import annotations

import polars as pl

from fastbp.tables.cells.errors import counted, row_number, shown

MOSTLY = 0.95  # of the values, for a column of numbers with exceptions
LEADING_ZERO = r"^[-+]?0\d"
_FEW_NUMBERS, _MANY = 10, 50
_MORE_THAN_CODES = 25  # different numbers, beside which a few words are no codes
_FEW_WORDS = 3
_STRAY, _FEWEST_ROWS = 0.01, 20


def are_steps(given: pl.Series, n_limits: int) -> bool:
    """Whether limits are the ends of a scale of steps, categories as "<=3cm" and ">3cm", and no readings cut off."""
    return n_limits > 0 and (n_limits == len(given) or given.n_unique() <= _FEW_NUMBERS) and n_limits * 10 >= len(given)


def are_numbers(given: pl.Series, numbers: pl.Series) -> bool:
    """Whether a column holds numbers, perhaps with exceptions, and no categories of which many are numbers."""
    good = numbers.drop_nulls()
    share = len(good) / len(given)
    if share in (0.0, 1.0) or share >= MOSTLY:
        return share > 0.0
    n_others, n_words = len(given) - len(good), given.filter(numbers.is_null()).n_unique()
    if len(good) < 2 * n_others:
        return False
    return given.n_unique() > _MANY or (good.n_unique() > _MORE_THAN_CODES and n_words <= _FEW_WORDS)


def _are_digits(given: pl.Series) -> bool:
    """Whether nearly all values are written with digits alone."""
    share = given.str.contains(r"^[-+]?\d+$").mean()
    return isinstance(share, float) and share >= MOSTLY


def are_codes(given: pl.Series) -> bool:
    """Whether digits with zeros before them are codes: many have them, or all are of one length, as those of towns."""
    zeros = given.str.contains(LEADING_ZERO)
    if not zeros.any() or not _are_digits(given):
        return False
    if len(given) < _FEWEST_ROWS or zeros.sum() > max(1, _STRAY * len(given)):
        return True
    lengths = given.str.len_chars()
    return bool((lengths == lengths.mode()[0]).sum() >= MOSTLY * len(given))


def said_of_zeros(text: pl.Series) -> tuple[str, ...]:
    """Name the values of a column of whole numbers that have zeros before them."""
    zeros = text.str.contains(LEADING_ZERO + r"\d*$").fill_null(False).arg_true()
    if len(zeros) == 0 or not _are_digits(text):
        return ()
    row, more = int(zeros[0]), f" ({counted(len(zeros), 'such value')})" if len(zeros) > 1 else ""
    return (
        f"column {text.name!r}: {shown(text[row])} in row {row_number(row)}{more} begins with 0, and is read as a "
        f"number (--categorical {text.name!r} if these are codes)",
    )


def said_of_text(text: pl.Series, missing: pl.Series, numbers: pl.Series) -> tuple[str, ...]:
    """Say of a column of text that half of its values, or more, are numbers."""
    others = text.filter(~missing).filter(numbers.is_null())
    n_numbers = int(numbers.count())
    if n_numbers < len(others):
        return ()
    row = int((text == others[0]).arg_true()[0])
    return (
        f"column {text.name!r}: text, since {counted(len(others), 'value')} beside {counted(n_numbers, 'number')} "
        f"are none, as {shown(others[0])} in row {row_number(row)} (--numeric {text.name!r} for numbers)",
    )
