"""What the first lines of a text file tell: separator, quotes, titles, comments, and whether names come first."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from fastbp.tables.cells.errors import TableError, counted, row_number
from fastbp.tables.cells.labels import has_target, is_value
from fastbp.tables.cells.notation import MISSING_MARKS
from fastbp.tables.reading.naming import names_of
from fastbp.tables.reading.quoting import PLAIN, Quoting, notes_of, quoting_of, rewritten

BLANKS = " "  # any number of them
WIDE_BLANKS = "  "  # two or more, or tabs: single ones stand inside of values
_SEPARATORS = (",", ";", "\t", "|")
_ANY_SEPARATOR = (*_SEPARATORS, BLANKS, WIDE_BLANKS)
_MOST_TITLES = 20
_SAMPLED = 200
_EVEN = 0.9  # of the rows, which a separator cuts into fields of one number
_RUN = 10  # rows of one width, that are a table
_NAMES_OF_SEPARATORS = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    BLANKS: "blanks",
    WIDE_BLANKS: "two blanks or more",
}
# of spreadsheets: #DIV/0!
_ERRORS = tuple(mark for mark in MISSING_MARKS if mark.startswith("#"))
Rows = list[list[str]]


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out: `skip` lines, then rows of `names`; `quoting`: what is odd about its quotes."""

    separator: str
    quote: str
    skip: int
    names: tuple[str, ...]
    comment: str | None = None
    notes: tuple[str, ...] = ()
    quoting: Quoting = PLAIN


def is_comment(line: str) -> bool:
    """Whether a line is a comment: it begins with #, and not with an error of a spreadsheet such as #DIV/0!."""
    return line.startswith("#") and not line.lower().startswith(_ERRORS)


def split_lines(lines: Sequence[str], separator: str, quote: str) -> Iterator[tuple[int, list[str]]]:
    """Cut lines into fields; yield with each row the number of lines up to its end."""
    if separator == WIDE_BLANKS:
        yield from enumerate((re.split(r" {2,}|\t\s*", line.strip()) for line in lines), 1)
        return
    if separator == BLANKS:
        lines = [line.replace("\t", " ").strip() for line in lines]
    reader = csv.reader(
        (line + "\n" for line in lines), delimiter=separator, quotechar=quote, skipinitialspace=separator == BLANKS
    )
    for row in reader:
        yield reader.line_num, [field.strip() for field in row]


def sniff(
    lines: Sequence[str], header: bool | None, expected: Collection[str] = (), target: str | None = None
) -> Layout:
    """Find out how a file is laid out.

    Parameters
    ----------
    lines : sequence of str
        The first lines, whole ones, without their ends.
    header : bool or None
        Whether a line of names comes first; None: compare it with the others.
    expected : collection of str
        Names that are known to be in such files, of a model's columns.
    target : str, optional
        The column or columns that are to be learnt.

    Returns
    -------
    Layout

    Raises
    ------
    TableError
        For names that occur twice.
    """
    quoting = quoting_of(lines[:_SAMPLED], evenness_of)
    lines = [rewritten(line, quoting) for line in lines]
    start, separator, comments, notes = _before_the_table(lines)
    notes += notes_of(quoting)
    quote = _quote(lines[start:])
    if separator is None and (prose := _prose(lines[start:], quote)):
        notes.append(f"{counted(prose, 'line')} above the table skipped")
        start += prose
    rest = lines[start:]
    separator = separator or _separator(rest, quote)
    try:
        rows = [row for row in split_lines(rest[:_SAMPLED], separator, quote) if any(row[1])]
    except csv.Error as error:
        raise TableError(f"the first lines cannot be cut into values: {error}") from None
    if not rows:
        return Layout(separator, quote, start, ())
    titles = _titles([row for _, row in rows], expected, target)
    if titles:
        notes.append(f"{counted(titles, 'line')} above the table skipped")
        start += rows[titles - 1][0]
        rows = [(line - rows[titles - 1][0], row) for line, row in rows[titles:]]
    if separator != ",":
        notes.append(f"values are separated by {_NAMES_OF_SEPARATORS.get(separator, repr(separator))}")
    values = [row for _, row in rows]
    words = _words_of_comment(comments, separator, values)
    names, n_rows, more = names_of(values, words, header, expected, target)
    skip = start + (rows[n_rows - 1][0] if n_rows else 0)
    return Layout(separator, quote, skip, tuple(names), "#" if comments else None, (*notes, *more), quoting)


def evenness_of(lines: Sequence[str]) -> float:
    """Return the largest share of lines that a separator cuts into one number of values, as many as the first has."""
    found = [_evenness(lines, separator, '"') for separator in _SEPARATORS]
    return max((share for share, first, _ in found if first), default=0.0)


def _words_of_comment(comments: list[str], separator: str, rows: Rows) -> list[str]:
    """Return the names that a last comment above rows of values has; none when it says something else."""
    if not comments:
        return []
    width = Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
    words = next(csv.reader([comments[-1]], delimiter=separator, skipinitialspace=True), [])
    words = [word.strip() for word in words]
    return words if len(words) == width and not any(map(is_value, words)) else []


def _before_the_table(lines: Sequence[str]) -> tuple[int, str | None, list[str], list[str]]:
    """Skip blank lines, comments and a line such as `sep=;`: (lines, separator, comments, notes)."""
    separator, comments = None, []
    start = 0
    for line in lines:
        told = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n \ufeff"), re.IGNORECASE)
        if told:
            separator = told[1]
        elif is_comment(line.lstrip()):
            comments.append(line.lstrip().lstrip("# \t"))
        elif line.strip():
            break
        start += 1
    notes = [f"{counted(len(comments), 'comment line')} skipped"] if comments else []
    return start, separator, comments, notes


def _quote(lines: Sequence[str]) -> str:
    """Tell by the rows, not by the names above them, which quotes stand around values."""
    sample = [line for line in lines[:_SAMPLED] if line.strip()]
    single = sum(bool(re.search(r"(^|[,;|\t ])'[^']*'([,;|\t ]|$)", line.strip())) for line in sample)
    return "'" if single * 2 > len(sample) and not any('"' in line for line in sample[1:]) else '"'


def _prose(lines: Sequence[str], quote: str) -> int:
    """Count the lines of a text above the table: where no separator suits all of the lines, but one the later half."""
    lines = lines[:_SAMPLED]
    later = lines[len(lines) // 2 :]
    if len(later) < _RUN or max(_evenness(lines, one, quote)[0] for one in _ANY_SEPARATOR) >= _EVEN:
        return 0
    found = {one: _evenness(later, one, quote) for one in _ANY_SEPARATOR}
    separator = max(found, key=lambda one: (found[one][0], found[one][2]))
    share, _, width = found[separator]
    if share < _EVEN:
        return 0
    ends, fits = [0], []
    for end, row in split_lines(lines, separator, quote):
        ends.append(end)
        fits.append(len(row) == width)
    return next((ends[k] for k in range(len(fits)) if len(fits[k : k + _RUN]) == _RUN and all(fits[k : k + _RUN])), 0)


def _separator(lines: Sequence[str], quote: str) -> str:
    """Choose the separator that cuts the lines into the same number of fields, names and rows alike."""
    scores = {separator: _evenness(lines, separator, quote) for separator in (*_SEPARATORS, BLANKS)}
    best = max(_SEPARATORS, key=lambda separator: scores[separator])
    aligned = sum("  " in line.strip() for line in lines[:_SAMPLED]) * 2 > len(lines[:_SAMPLED])
    if best == "\t" and aligned and scores[BLANKS] > scores[best]:
        return BLANKS  # columns of numbers, and a tab before the last one
    if scores[best][0] < _EVEN and scores[BLANKS][0] < _EVEN and _evenness(lines, WIDE_BLANKS, quote)[0] >= _EVEN:
        return WIDE_BLANKS
    return best if scores[best][0] >= _EVEN or scores[BLANKS][0] < _EVEN else BLANKS


def _evenness(lines: Sequence[str], separator: str, quote: str) -> tuple[float, int, int]:
    """Say how well a separator fits: share of rows of the usual width, how well the first has it, and the width.

    The first line fits best (2) with as many fields, and well (1) with one less: names without that of the row numbers.
    """
    try:
        rows = [row for _, row in split_lines(lines[:_SAMPLED], separator, quote) if any(row)]
    except csv.Error:
        return 0.0, 0, 0
    if len(lines) > _SAMPLED:
        rows = rows[:-1]  # the last one may go on behind the sample, in quotes
    if not rows:
        return 0.0, 0, 0
    counts = list(map(len, rows))
    width = Counter(counts[1:] or counts).most_common(1)[0][0]
    if width < 2:
        return 0.0, 0, 0
    even = sum(count == width for count in counts[1:]) / max(1, len(counts) - 1)
    usual = Counter(map(_length, rows[1:] or rows)).most_common(1)[0][0]
    first = 2 if _length(rows[0]) == usual else {width: 2, width - 1: 1}.get(counts[0], 0)
    return round(even if len(counts) > 1 else 1.0, 2), first, width


def _titles(rows: Rows, expected: Collection[str] = (), target: str | None = None) -> int:
    """Count the lines above the table: shorter than its rows, before the first line of names.

    Separators at the end of a line, with nothing between them, make it no longer.
    """
    named = [k for k, row in enumerate(rows[:_MOST_TITLES]) if expected and set(expected) <= set(row)]
    if named:
        return named[0]
    lengths = [_length(row) for row in rows]
    width = Counter(lengths).most_common(1)[0][0]
    if width < 2 or len(rows) < 3:
        return 0
    begin = lengths.index(width)
    asked = [k for k, row in enumerate(rows[: begin + 1]) if len(row) > 1 and has_target(row, target)]
    if asked:
        return asked[0]
    widest = max(len(row) for row in rows[begin:])  # the last columns may be empty in most rows
    first = next(
        k for k, row in enumerate(rows) if width <= lengths[k] <= widest or _is_short_row(row, rows[begin][:width])
    )
    is_row = any(map(is_value, rows[first]))
    if first and is_row and lengths[first - 1] == width - 1 and not any(map(is_value, rows[first - 1][: width - 1])):
        first -= 1  # names without one for the numbers of the rows, as R writes them
    return first if first <= _MOST_TITLES else 0


def _is_short_row(row: list[str], whole: list[str]) -> bool:
    """Whether a line is a row whose last values are missing: its numbers stand where those of a whole row do."""
    given = [(cell, other) for cell, other in zip(row, whole, strict=False) if cell]
    same = all(is_value(cell) == is_value(other) for cell, other in given)
    return len(row) >= len(whole) and same and any(is_value(cell) for cell, _ in given)


def _length(row: list[str]) -> int:
    """Return the number of values of a row, without empty ones at its end."""
    return max((place for place, cell in enumerate(row, 1) if cell), default=0)


def comments_of(first: pl.Expr) -> pl.Expr:
    """Whether rows are comments, by their first column; see `is_comment`."""
    lower = first.str.to_lowercase()
    error = pl.any_horizontal(lower.str.starts_with(mark) for mark in _ERRORS)
    return (first.str.starts_with("#") & ~error).fill_null(False)


def _repeats_names(frame: pl.DataFrame) -> pl.Series | None:
    """Tell for each row whether it is the line of names; None where a column of numbers says that there is none."""
    if any(dtype != pl.String for dtype in frame.dtypes):
        return None
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.lit(name or None)) for name in frame.columns)
    return frame.select(same).to_series()


def drop_repeated(frame: pl.DataFrame, skip: bool) -> tuple[pl.DataFrame, list[str]]:
    """Refuse rows that repeat the line of names, or leave them out; leave out comments.

    Raises
    ------
    TableError
        With the row, where `skip` is not set.
    """
    names = frame.columns
    notes = []
    same = _repeats_names(frame)
    if same is not None and same.any():
        rows = same.arg_true()
        if not skip:
            raise TableError(
                f"row {row_number(rows[0])} repeats the line of names ({counted(len(rows), 'such row')}; "
                "--skip-repeated-header leaves them out)"
            )
        notes.append(f"{counted(len(rows), 'row')} that repeat the line of names left out")
        frame = frame.filter(~same)
    if frame.width > 1 and frame.height and frame.dtypes[0] == pl.String:
        first, *others = names
        alone = pl.all_horizontal(pl.col(name).is_null() for name in others)
        comment = frame.select(comments_of(pl.col(first)) & alone).to_series()
        if comment.any():
            notes.append(f"{counted(int(comment.sum()), 'comment line')} skipped")
            frame = frame.filter(~comment)
    return frame, notes
