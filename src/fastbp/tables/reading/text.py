"""Text files of values: decoded, cut, named, and kept as text."""

from __future__ import annotations

import csv
import re
import sys
from itertools import islice
from pathlib import Path

import polars as pl

from fastbp.tables.cells.errors import MOST_SHOWN, TableError, at_the_beginning, counted, row_number, shown
from fastbp.tables.reading import typed
from fastbp.tables.reading.endings import ending_of, said_of, up_to
from fastbp.tables.reading.quotes import refuse_open_quotes, taken_apart
from fastbp.tables.reading.quoting import PLAIN, rewritten
from fastbp.tables.reading.sniffing import (
    BLANKS,
    WIDE_BLANKS,
    Layout,
    comments_of,
    drop_repeated,
    is_comment,
    sniff,
    split_lines,
)
from fastbp.tables.reading.survey import Survey, survey
from fastbp.tables.reading.table import Reading, Table
from fastbp.tables.reading.typed import NO_NUMBERS, Numbers, columns_of_numbers, read_columns

HEAD = 1 << 18  # bytes that are looked at before anything is decided
_MARKS_OF_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")  # the first one begins as that of UTF-16 does
MARKS_OF_UTF = (*_MARKS_OF_UTF32, b"\xff\xfe", b"\xfe\xff")

_NO_UTF8 = re.compile("[\udc80-\udcff]")  # Python's stand-ins for bytes that are none

csv.field_size_limit(min(sys.maxsize, 1 << 31 - 1))


def read_text(source: Path | bytes, reading: Reading) -> Table:
    """Read a file of separated values, each as text, or null where there is none.

    Parameters
    ----------
    source : path or bytes
        A file, or what one holds.
    reading : Reading
        What its owner says of it.

    Raises
    ------
    TableError
        When it cannot be cut into rows of one width; the message names the row.
    """
    data, notes, found = _decoded(source)
    head = _head_of(data)
    if is_macintosh(head):
        data = _all_of(data).replace(b"\r", b"\n")
        head, found = _head_of(data), survey(data)
    layout = layout_of(head, reading, len(head) < HEAD)
    numbers = NO_NUMBERS
    if reading.written is not None and _size_of(data) >= typed.LARGE:
        numbers = columns_of_numbers(lines_of(head, False), layout, reading.written(layout.names))
    ending = ending_of(data, layout)
    frame, more = drop_repeated(_cut(data, layout, found, numbers), reading.skip_repeated)
    frame, apart = taken_apart(up_to(frame, ending), layout)
    frame, dropped = _without_empty_columns(frame)
    notes = [*notes, *layout.notes, *more, *apart, *said_of(ending.n_blank), *dropped]
    return Table(frame, tuple(notes), decimal_comma=layout.separator == ";")


def is_macintosh(head: bytes) -> bool:
    """Whether lines end as on old Macintosh computers."""
    return b"\n" not in head and b"\r" in head


def layout_of(head: bytes, reading: Reading, whole: bool) -> Layout:
    """Find out how a file is laid out by its first bytes; if they are not the `whole` file, the last line is cut.

    Raises
    ------
    TableError
        When there is no table in it.
    """
    layout = sniff(lines_of(head, whole), reading.header, reading.expected, reading.target)
    if not layout.names:
        raise TableError("it has no rows of data")
    return layout


def lines_of(head: bytes, whole: bool) -> list[str]:
    """Return the whole lines of the first bytes of a text; the last one is cut if they are not the `whole` text."""
    lines = [line.rstrip("\r") for line in head.decode("utf-8-sig", errors="replace").split("\n")]
    return lines if whole or len(lines) == 1 else lines[:-1]


def rows_of(data: bytes, layout: Layout, numbers: Numbers = NO_NUMBERS) -> pl.DataFrame:
    """Return the rows of a text: columns of numbers, or of text without blanks around values; null for no value."""
    return _cut(data, layout, survey(data), numbers)


def _head_of(data: Path | bytes) -> bytes:
    if isinstance(data, bytes):
        return data[:HEAD]
    with data.open("rb") as file:
        return file.read(HEAD)


def _all_of(data: Path | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def _size_of(data: Path | bytes) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size


def _decoded(source: Path | bytes) -> tuple[Path | bytes, list[str], Survey]:
    """Turn UTF-16 and UTF-32 into UTF-8, and what is no UTF-8 at all from Latin-1; other files stay as they are."""
    head = _head_of(source)[:4]
    if not head.startswith(MARKS_OF_UTF):
        found = survey(source)
        if found.is_utf8:
            return source, [], found
    data, note = _as_utf8(_all_of(source), head)
    return data, [note], survey(data)


def _as_utf8(data: bytes, head: bytes) -> tuple[bytes, str]:
    if head.startswith(MARKS_OF_UTF):
        name = "UTF-32" if head.startswith(_MARKS_OF_UTF32) else "UTF-16"
        try:
            return data.decode(name).encode(), f"the text is {name}"
        except UnicodeDecodeError as error:
            raise TableError(f"it begins as {name} text and is none ({error.reason})") from None
    if (mended := mended_utf8(data)) is not None:
        text, places = mended
        more = " ..." * (len(places) > MOST_SHOWN)
        lines = f"line{'s' * (len(places) > 1)} {', '.join(map(str, places[:MOST_SHOWN]))}{more}"
        return text.encode(), f"the text is UTF-8, but for single bytes ({lines}): those are read as Windows-1252"
    try:
        return data.decode("cp1252").encode(), "the text is not UTF-8: read as Windows-1252 (Latin-1)"
    except UnicodeDecodeError:
        return data.decode("latin-1").encode(), "the text is not UTF-8: read as Latin-1"


def mended_utf8(data: bytes) -> tuple[str, list[int]] | None:
    """Decode a text that is UTF-8 but for a few bytes, and return it with the lines of the first; else None."""
    text = data.decode("utf-8", errors="surrogateescape")
    n_wrong = len(text) - len(text.encode("utf-8", errors="ignore").decode())
    n_right = len(text) - len(text.encode("ascii", errors="ignore")) - n_wrong
    if n_wrong == 0 or n_right <= n_wrong:
        return None
    first = islice(_NO_UTF8.finditer(text), MOST_SHOWN + 1)
    return _NO_UTF8.sub(_as_windows_1252, text), [text.count("\n", 0, found.start()) + 1 for found in first]


def _as_windows_1252(byte: re.Match[str]) -> str:
    return byte[0].encode("utf-8", errors="surrogateescape").decode("cp1252", errors="replace")


def _cut(data: Path | bytes, layout: Layout, found: Survey, numbers: Numbers = NO_NUMBERS) -> pl.DataFrame:
    """Cut the text into columns, without blanks around values: by polars, or line by line where it finds fault."""
    if layout.quoting != PLAIN:
        data = rewritten(_all_of(data).decode("utf-8-sig"), layout.quoting).encode()
        found = survey(data)
    if layout.separator in (BLANKS, WIDE_BLANKS):
        return _stripped(_cut_by_lines(data, layout))
    try:
        frame = read_columns(data, layout, numbers)
    except pl.exceptions.PolarsError:
        return _stripped(_cut_by_lines(data, layout))
    if frame.height != found.n_lines - layout.skip:
        refuse_open_quotes(data, layout)
    if layout.comment and frame.schema["0"] == pl.String:
        frame = frame.filter(~comments_of(pl.col("0")))
    return _with_names(frame if found.is_plain else _stripped(frame), layout)


def _cut_by_lines(data: Path | bytes, layout: Layout) -> pl.DataFrame:
    refuse_open_quotes(data, layout)
    text = (data if isinstance(data, bytes) else data.read_bytes()).decode("utf-8-sig")
    lines = text.removesuffix("\n").split("\n")[layout.skip :]
    width = len(layout.names)
    rows: list[list[str | None]] = []
    try:
        for line, row in split_lines([line.rstrip("\r") for line in lines], layout.separator, layout.quote):
            if layout.comment and row and is_comment(row[0]):
                continue
            while len(row) > width and not row[-1]:
                row.pop()
            if len(row) > width:
                at = f" (line {layout.skip + line})" if at_the_beginning() else ""
                raise TableError(
                    f"row {row_number(len(rows))}{at} has {counted(len(row), 'value')}, "
                    f"more than there are names ({width}): {shown(row[width] or '')} has none"
                )
            rows.append([*row, *[None] * (width - len(row))])
    except csv.Error as error:
        raise TableError(f"line {layout.skip + len(rows) + 1} cannot be cut into values: {error}") from None
    columns = {str(k): pl.Series([row[k] for row in rows], dtype=pl.String) for k in range(width)}
    return _with_names(pl.DataFrame(columns), layout)


def _with_names(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Name the columns; of several without a name all but the first get numbers, and are dropped when empty."""
    names = list(layout.names)
    first = True
    for place, name in enumerate(names):
        if name == "":
            names[place] = "" if first else f"unnamed {place + 1}"
            first = False
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    stripped = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(stripped != "").then(stripped).name.keep())


def _without_empty_columns(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Drop columns at the right that have neither a name nor a value."""
    empty = []
    for name in reversed(frame.columns):
        if (name and not name.startswith("unnamed ")) or frame[name].null_count() < frame.height or frame.height == 0:
            break
        empty.append(name)
    if not empty:
        return frame, []
    return frame.drop(empty), [f"{counted(len(empty), 'empty column')} at the right dropped"]
