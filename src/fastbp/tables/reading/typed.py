"""Columns of numbers of a large text, read as numbers at once; whatever is odd in a column has it read as text.

Text can be looked at: is 007 a number, in which row is the word, did one mean 1.50 or 1.5? For a file of some size that
costs more than all the rest. So a column is read as numbers where nothing of this kind is in it, and where a table
read as text has the same numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from fastbp.tables.cells.decimals import mark_of_groups
from fastbp.tables.cells.kinds import LARGEST_EXACT
from fastbp.tables.cells.mixtures import LEADING_ZERO, MOSTLY
from fastbp.tables.reading.sniffing import BLANKS, WIDE_BLANKS, Layout, split_lines
from fastbp.tables.reading.table import Written

LARGE = 1 << 22  # bytes, from which on a text is read so
_SAMPLED = 1000
_TRIES = 3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|nan", re.IGNORECASE)
_LIKE_ZLIB = (b"x^", b"x\x01")  # text that begins so is unpacked by polars, as its first bytes are those of zlib
_FAILED = re.compile(r"at column '(\d+)'")


class Numbers(NamedTuple):
    """The places of columns that may be read as numbers: those with fractions, and those of digits alone.

    `kept` are those that are to stay text unless they have fractions.
    """

    fractions: frozenset[int] = frozenset()
    digits: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()


NO_NUMBERS = Numbers()


def columns_of_numbers(lines: Sequence[str], layout: Layout, written: Written) -> Numbers:
    """Tell by the first rows which columns may be read as numbers.

    Parameters
    ----------
    lines : sequence of str
        The first lines of the text, whole ones.
    layout : Layout
        How it is laid out.
    written : Written
        The columns that are needed as they are written.
    """
    if layout.separator in (BLANKS, WIDE_BLANKS):
        return NO_NUMBERS
    rows = [row for _, row in split_lines(lines[layout.skip :][:_SAMPLED], layout.separator, layout.quote)]
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for place, name in enumerate(layout.names):
        cells = [row[place] for row in rows if place < len(row) and row[place]]
        if name not in written.always and cells and all(map(_NUMBER.fullmatch, cells)) and not _in_groups(cells):
            found[all(map(str.isdigit, cells))].add(place)
    kept = {place for place, name in enumerate(layout.names) if name in written.without_fractions}
    return Numbers(frozenset(found[False]), frozenset(found[True] - kept), frozenset(kept))


def _in_groups(cells: Sequence[str]) -> bool:
    """Whether points may stand between thousands."""
    return mark_of_groups(pl.Series(cells, dtype=pl.String)) != ""


def read_columns(data: Path | bytes, layout: Layout, numbers: Numbers) -> pl.DataFrame:
    """Cut a text into columns named "0", "1" ...: float64 where `numbers` says so, if that changes nothing, else text.

    Raises
    ------
    polars.exceptions.PolarsError
        Where it cannot be cut.
    """
    fractions = numbers.fractions
    for _ in range(_TRIES):
        try:
            frame = _read(data, layout, fractions)
        except pl.exceptions.PolarsError as error:
            if not fractions:
                raise
            fractions = _without_failed(fractions, str(error))
            continue
        odd = [place for place in sorted(fractions) if _needs_text(frame[str(place)])]
        if odd:
            frame = frame.with_columns(_read(data, layout, frozenset(), odd))
        perhaps = {*odd, *numbers.digits} - numbers.kept
        frame = frame.with_columns(_numbers_or_text(frame[str(place)]) for place in perhaps)
        if not _may_repeat_names(frame, layout):
            return frame
        break
    return _read(data, layout, frozenset())


def _read(
    data: Path | bytes, layout: Layout, fractions: frozenset[int], places: Iterable[int] | None = None
) -> pl.DataFrame:
    skip = layout.skip
    if _beginning(data).startswith(_LIKE_ZLIB):
        data, skip = b"\n" + (data if isinstance(data, bytes) else data.read_bytes()), skip + 1
    dtypes = {str(place): pl.Float64() if place in fractions else pl.String() for place in range(len(layout.names))}
    return pl.read_csv(
        data, has_header=False, skip_lines=skip, separator=layout.separator, quote_char=layout.quote,
        schema=dtypes, columns=None if places is None else list(places), glob=False,
    )  # fmt: skip


def _beginning(data: Path | bytes) -> bytes:
    if isinstance(data, bytes):
        return data[:2]
    with data.open("rb") as file:
        return file.read(2)


def _without_failed(fractions: frozenset[int], message: str) -> frozenset[int]:
    """Leave out the column of which polars says that it holds something else; all of them where it does not say."""
    failed = _FAILED.search(message)
    return fractions - {int(failed[1])} if failed and int(failed[1]) in fractions else frozenset()


def _may_repeat_names(frame: pl.DataFrame, layout: Layout) -> bool:
    """Whether there may be a second line of names: only where the names of columns of numbers are numbers."""
    typed = [(series, name) for series, name in zip(frame, layout.names, strict=True) if series.dtype == pl.Float64]
    if not typed or not all(_NUMBER.fullmatch(name) for _, name in typed):
        return False
    return bool(pl.select(pl.all_horizontal(series == float(name) for series, name in typed).any()).item())


def _needs_text(numbers: pl.Series) -> bool:
    """Whether a column's text may tell more than its numbers: whole ones may have zeros before them, or many digits."""
    if numbers.min() == numbers.max():
        return True
    some = numbers.gather_every(max(1, len(numbers) // _SAMPLED))
    return not _are_exact(numbers) or (_share_of_whole(some) >= 0.5 and _share_of_whole(numbers) >= MOSTLY)


def _share_of_whole(numbers: pl.Series) -> float:
    share = (numbers == numbers.round(0)).mean()
    return share if isinstance(share, float) else 0.0


def _are_exact(numbers: pl.Series) -> bool:
    low, high = numbers.min(), numbers.max()
    return isinstance(low, float) and isinstance(high, float) and max(-low, high) < LARGEST_EXACT


def _numbers_or_text(text: pl.Series) -> pl.Series:
    """Return the numbers of a column if its text tells no more."""
    numbers = text.cast(pl.Float64, strict=False)
    exact = _are_exact(numbers) and numbers.null_count() == text.null_count()
    if not exact or text.str.contains(LEADING_ZERO).any():
        return text
    return text if _share_of_whole(numbers) < 1 and mark_of_groups(text) else numbers
