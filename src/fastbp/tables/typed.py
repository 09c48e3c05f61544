"""Columns of numbers of a large text, read as numbers at once; whatever is odd in a column has it read as text.

Text can be looked at: is 007 a number, in which row is the word, did one mean 1.50 or 1.5? For a file of some size that
costs more than all the rest. So a column is read as numbers where nothing of this kind is in it, and where a table
read as text has the same numbers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import polars as pl

from fastbp.tables.kinds import LARGEST_EXACT, MOSTLY
from fastbp.tables.sniffing import BLANKS, WIDE_BLANKS, Layout, split_lines

LARGE = 1 << 22  # bytes, from which on a text is read so
_SAMPLED = 1000
_TRIES = 3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|nan", re.IGNORECASE)
_FAILED = re.compile(r"at column '(\d+)'")

Places = frozenset[int]
NONE: Places = frozenset()


def columns_of_numbers(lines: Sequence[str], layout: Layout, written: Collection[str], leading_zeros: bool) -> Places:
    """Tell by the first rows which columns may be read as numbers.

    Parameters
    ----------
    lines : sequence of str
        The first lines of the text, whole ones.
    layout : Layout
        How it is laid out.
    written : collection of str
        The names of columns that are wanted as they are written.
    leading_zeros : bool
        Whether some field of the text may begin with a zero and a digit.

    Returns
    -------
    frozenset of int
    """
    if layout.separator in (BLANKS, WIDE_BLANKS):
        return NONE
    rows = [row for _, row in split_lines(lines[layout.skip :][:_SAMPLED], layout.separator, layout.quote)]
    found = set()
    for place, name in enumerate(layout.names):
        cells = [row[place] for row in rows if place < len(row) and row[place]]
        are_numbers = bool(cells) and all(map(_NUMBER.fullmatch, cells))
        # 007 may be a number among others with fractions, and is a code among whole numbers.
        if are_numbers and name not in written and not (leading_zeros and any(map(str.isdigit, cells))):
            found.add(place)
    return frozenset(found)


def read_columns(data: Path | bytes, layout: Layout, numbers: Places, leading_zeros: bool) -> pl.DataFrame:
    """Cut a text into columns named "0", "1" ...: float64 where `numbers` says so, if that changes nothing, else text.

    Raises
    ------
    polars.exceptions.PolarsError
        Where it cannot be cut.
    """
    for _ in range(_TRIES):
        if not numbers:
            break
        try:
            frame = _read(data, layout, numbers)
        except pl.exceptions.PolarsError as error:
            numbers = _without_failed(numbers, str(error))
            continue
        if _may_repeat_names(frame, layout, numbers):
            break
        odd = [place for place in sorted(numbers) if _needs_text(frame[str(place)], leading_zeros)]
        return frame.with_columns(_read(data, layout, NONE, odd)) if odd else frame
    return _read(data, layout, NONE)


def _read(data: Path | bytes, layout: Layout, numbers: Places, places: Iterable[int] | None = None) -> pl.DataFrame:
    dtypes = {str(place): pl.Float64() if place in numbers else pl.String() for place in range(len(layout.names))}
    return pl.read_csv(
        data, has_header=False, skip_lines=layout.skip, separator=layout.separator, quote_char=layout.quote,
        schema=dtypes, columns=None if places is None else list(places), glob=False,
    )  # fmt: skip


def _without_failed(numbers: Places, message: str) -> Places:
    """Leave out the column of which polars says that it holds something else; all of them where it does not say."""
    failed = _FAILED.search(message)
    return numbers - {int(failed[1])} if failed and int(failed[1]) in numbers else NONE


def _may_repeat_names(frame: pl.DataFrame, layout: Layout, numbers: Places) -> bool:
    """Whether there may be a second line of names: only where the names of columns of numbers are numbers."""
    names = [(str(place), layout.names[place]) for place in numbers]
    if not all(_NUMBER.fullmatch(name) for _, name in names):
        return False
    return bool(frame.select(pl.all_horizontal(pl.col(at) == float(name) for at, name in names).any()).item())


def _needs_text(numbers: pl.Series, leading_zeros: bool) -> bool:
    """Whether a column's text tells more than its numbers: more digits than floats have, or zeros before codes."""
    largest = numbers.abs().max()
    if not (isinstance(largest, float) and largest < LARGEST_EXACT):
        return True
    return leading_zeros and bool((numbers == numbers.round(0)).mean() >= MOSTLY)  # type: ignore[operator]  # of booleans: a float
