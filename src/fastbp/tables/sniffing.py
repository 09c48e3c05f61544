"""What the first lines of a text file tell: separator, quotes, titles, comments, and whether names come first."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from fastbp.tables.errors import TableError, counted, row_number
from fastbp.tables.notation import MISSING_MARKS, NUMBER_MARKS

BLANKS = " "  # any number of them
WIDE_BLANKS = "  "  # two or more, or tabs: single ones stand inside of values
_SEPARATORS = (",", ";", "\t", "|")
_ANY_SEPARATOR = (*_SEPARATORS, BLANKS, WIDE_BLANKS)
_MOST_TITLES = 20
_SAMPLED = 200
_EVEN = 0.9  # of the rows, which a separator cuts into fields of one number
_COUNTED = 3  # steps by one in a line of names such as 1990, 1991, 1992, 1993
_RUN = 10  # rows of one width, that are a table
_NAMES_OF_SEPARATORS = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    BLANKS: "blanks",
    WIDE_BLANKS: "two blanks or more",
}
_ERRORS = tuple(mark for mark in MISSING_MARKS if mark.startswith("#"))  # of spreadsheets: #DIV/0!
# What a value looks like, and a name does not: a number with what may stand around it, a date, true, a missing mark.
_DATE_OR_TIME = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}:\d\d(:\d\d)?"
_DATE = re.compile(_DATE_OR_TIME)
_VALUE = re.compile(
    r"[-+(\u2212]?\s*[$€£¥]?\s*[.,]?\d[\d.,' ]*(e[-+]?\d+)?\s*(%|[a-z]{1,3})?\)?"
    rf"|{_DATE_OR_TIME}"
    r"|true|false|nan|inf|[<>]\s*\d+.*",
    re.IGNORECASE,
)

Rows = list[list[str]]


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out: `skip` lines, then rows of `names`."""

    separator: str
    quote: str
    skip: int
    names: tuple[str, ...]
    comment: str | None = None
    notes: tuple[str, ...] = ()


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


def sniff(lines: Sequence[str], header: bool | None) -> Layout:
    """Find out how a file is laid out.

    Parameters
    ----------
    lines : sequence of str
        The first lines, whole ones, without their ends.
    header : bool or None
        Whether a line of names comes first; None: compare it with the others.

    Returns
    -------
    Layout

    Raises
    ------
    TableError
        For names that occur twice.
    """
    start, separator, comments, notes = _before_the_table(lines)
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
    titles = _titles([row for _, row in rows])
    if titles:
        notes.append(f"{counted(titles, 'line')} above the table skipped")
        start += rows[titles - 1][0]
        rows = [(line - rows[titles - 1][0], row) for line, row in rows[titles:]]
    return _named(Layout(separator, quote, start, (), "#" if comments else None, tuple(notes)), rows, comments, header)


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
        counts = [len(row) for _, row in split_lines(lines[:_SAMPLED], separator, quote) if any(row)]
    except csv.Error:
        return 0.0, 0, 0
    if not counts:
        return 0.0, 0, 0
    width = Counter(counts[1:] or counts).most_common(1)[0][0]
    if width < 2:
        return 0.0, 0, 0
    even = sum(count == width for count in counts[1:]) / max(1, len(counts) - 1)
    first = {width: 2, width - 1: 1}.get(counts[0], 0)
    return round(even if len(counts) > 1 else 1.0, 2), first, width


def _titles(rows: Rows) -> int:
    """Count the lines above the table: shorter than its rows, before the first line of names."""
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    if width < 2 or len(rows) < 3:
        return 0
    first = next(k for k, row in enumerate(rows) if len(row) == width)
    named = any(map(is_value, rows[first]))
    if first and named and len(rows[first - 1]) == width - 1 and not any(map(is_value, rows[first - 1])):
        first -= 1  # names without one for the numbers of the rows, as R writes them
    return first if first <= _MOST_TITLES else 0


def _named(layout: Layout, rows: list[tuple[int, list[str]]], comments: list[str], header: bool | None) -> Layout:
    """Decide whether the first row has the names, and give the columns theirs."""
    first, others = rows[0][1], [row for _, row in rows[1:]]
    width = Counter(len(row) for row in others or [first]).most_common(1)[0][0]
    notes = list(layout.notes)
    if layout.separator != ",":
        what = _NAMES_OF_SEPARATORS.get(layout.separator, repr(layout.separator))
        notes.append(f"values are separated by {what}")
    words = _words_of_comment(comments, layout, width)
    if header is None and words and all(map(is_value, first)):
        return _done(layout, layout.skip, words, [*notes, "the names are those of the last comment"])
    if header or (header is None and has_names(first, others)):
        names = _without_quotes([name.strip("\ufeff ") for name in first])
        if len(names) == width - 1 and not any(row[-1] for row in others if len(row) == width):
            names.append("")  # a separator at the end of each row
        if len(names) == width - 1:
            notes.append("the first column has no name")
            names.insert(0, "")
        return _done(layout, layout.skip + rows[0][0], names, notes)
    notes.append(f"no line of names: the columns are column_1 ... column_{width} (--header: the first line names them)")
    return _done(layout, layout.skip, [f"column_{k + 1}" for k in range(max(width, len(first)))], notes)


def _without_quotes(names: list[str]) -> list[str]:
    """Take away quotes that stand around all names, and not around the values, which have others or none."""
    quoted = [re.fullmatch(r"""(['"])(.+)\1""", name) for name in names]
    return [found[2] for found in quoted if found] if all(quoted) else names


def _words_of_comment(comments: list[str], layout: Layout, width: int) -> list[str]:
    """Return the names that a last comment above rows of values has; none when it says something else."""
    if not comments:
        return []
    words = next(csv.reader([comments[-1]], delimiter=layout.separator, skipinitialspace=True), [])
    words = [word.strip() for word in words]
    return words if len(words) == width and not any(map(is_value, words)) else []


def _done(layout: Layout, skip: int, names: list[str], notes: list[str]) -> Layout:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place + 1)
    twice = {name: at for name, at in places.items() if name and len(at) > 1}
    if twice:
        shown = "; ".join(f"{name!r} names columns {', '.join(map(str, at))}" for name, at in twice.items())
        raise TableError(f"names must differ: {shown} (--no-header if the first line is no line of names)")
    return Layout(layout.separator, layout.quote, skip, tuple(names), layout.comment, tuple(notes))


def is_value(cell: str) -> bool:
    """Whether a cell looks like a value, which a name of a column does not: a number, a date, nothing."""
    return not cell or _VALUE.fullmatch(cell) is not None or cell.lower() in NUMBER_MARKS


def has_names(first: list[str], others: Rows) -> bool:
    """Tell whether the first row names the columns, by comparing it with the others.

    A word above values speaks for it, and so does a date above numbers; a value above values, and a word that its
    column has again, against it. Rows of counted names (0, 1, 2 ... or 1, 2, 3 ...) are names; so are years in a row.
    """
    if any(first == [str(k) for k in range(start, start + len(first))] for start in (0, 1)) and len(first) > 1:
        return True
    if not any(map(is_value, first)):
        others = [row for row in others if row != first]  # joined files repeat the line of names
    counted_on = _counted_on(first, others)
    names = against = 0
    for place, cell in enumerate(first):
        column = [row[place] for row in others if place < len(row) and row[place]]
        if not column:
            continue
        values = sum(map(is_value, column)) / len(column)
        if values >= 0.8:
            is_other_kind = place in counted_on or (_is_date(cell) and sum(map(_is_date, column)) * 5 < len(column))
            if not is_value(cell) or is_other_kind:
                names += 1
            elif cell:
                against += 1
        elif cell in column or (is_value(cell) and values > 0.2):
            against += 1
        elif _short_codes(cell, column):
            names += 1
    return names >= against and not (not others and any(map(is_value, first)))


def _is_date(cell: str) -> bool:
    return _DATE.fullmatch(cell) is not None


def _counted_on(first: list[str], others: Rows) -> set[int]:
    """Return the places of whole numbers that count on from one column to the next, as hardly any other row does."""

    def steps(row: list[str]) -> set[int]:
        return {k for k, (one, other) in enumerate(pairwise(row)) if one.isdecimal() and other == str(int(one) + 1)}

    found = steps(first)
    runs = ({*range(k, k + _COUNTED)} for k in sorted(found))
    run = next((run for run in runs if run <= found), None)
    if run is None or sum(run <= steps(row) for row in others) * 5 >= len(others):
        return set()
    return found | {k + 1 for k in found}


def _short_codes(cell: str, column: list[str]) -> bool:
    """Whether a word stands above a column of few words of which it is none."""
    return len(set(column)) * 2 <= len(column) and cell not in column


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
