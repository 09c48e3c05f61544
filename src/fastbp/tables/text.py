"""Text files of values: decoded, cut, named, and kept as text."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import polars as pl

from fastbp.tables.errors import TableError, at_the_beginning, counted, row_number, shown
from fastbp.tables.quotes import count_lines, refuse_open_quotes
from fastbp.tables.sniffing import (
    BLANKS,
    WIDE_BLANKS,
    Layout,
    comments_of,
    drop_repeated,
    is_comment,
    sniff,
    split_lines,
)
from fastbp.tables.table import Reading, Table

HEAD = 1 << 18  # bytes that are looked at before anything is decided
_MARKS_OF_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")  # the first one begins as that of UTF-16 does
MARKS_OF_UTF = (*_MARKS_OF_UTF32, b"\xff\xfe", b"\xfe\xff")

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
    data, notes = _decoded(source)
    head = data[:HEAD] if isinstance(data, bytes) else _head_of(data)
    if is_macintosh(head):
        data = (data if isinstance(data, bytes) else data.read_bytes()).replace(b"\r", b"\n")
        head = data[:HEAD]
    layout = layout_of(head, reading, len(head) < HEAD)
    frame, more = drop_repeated(without_blank_end(rows_of(data, layout)), reading.skip_repeated)
    frame, dropped = _without_empty_columns(frame)
    return Table(frame, (*notes, *layout.notes, *more, *dropped), decimal_comma=layout.separator == ";")


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
    lines = [line.rstrip("\r") for line in head.decode("utf-8-sig", errors="replace").split("\n")]
    layout = sniff(lines if whole or len(lines) == 1 else lines[:-1], reading.header)
    if not layout.names:
        raise TableError("it has no rows of data")
    return layout


def rows_of(data: Path | bytes, layout: Layout) -> pl.DataFrame:
    """Return the rows of a text as columns of text, without blanks around values; null where there is none."""
    return _stripped(_cut(data, layout))


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _decoded(source: Path | bytes) -> tuple[Path | bytes, list[str]]:
    """Turn UTF-16 and UTF-32 into UTF-8, and what is no UTF-8 at all from Latin-1; other files stay as they are."""
    head = source[:4] if isinstance(source, bytes) else _head_of(source)[:4]
    if head.startswith(MARKS_OF_UTF):
        name = "UTF-32" if head.startswith(_MARKS_OF_UTF32) else "UTF-16"
        data = source if isinstance(source, bytes) else source.read_bytes()
        try:
            return data.decode(name).encode(), [f"the text is {name}"]
        except UnicodeDecodeError as error:
            raise TableError(f"it begins as {name} text and is none ({error.reason})") from None
    if _is_utf8(source):
        return source, []
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        return data.decode("cp1252").encode(), ["the text is not UTF-8: read as Windows-1252 (Latin-1)"]
    except UnicodeDecodeError:
        return data.decode("latin-1").encode(), ["the text is not UTF-8: read as Latin-1"]


def _is_utf8(source: Path | bytes) -> bool:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        rest = b""
        while block := file.read(1 << 24):
            block = rest + block
            try:
                block.decode()
                rest = b""
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data" or len(block) - error.start > 3:
                    return False
                rest = block[error.start :]
    return not rest


def _cut(data: Path | bytes, layout: Layout) -> pl.DataFrame:
    """Cut the text into columns: by polars, or line by line where it finds fault."""
    if layout.separator in (BLANKS, WIDE_BLANKS):
        return _cut_by_lines(data, layout)
    places = {str(place): pl.String for place in range(len(layout.names))}
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            skip_lines=layout.skip,
            separator=layout.separator,
            quote_char=layout.quote,
            schema=places,
            glob=False,
        )
    except pl.exceptions.PolarsError:
        return _cut_by_lines(data, layout)
    if frame.height != count_lines(data) - layout.skip:
        refuse_open_quotes(data, layout)
    if layout.comment and frame.width:
        frame = frame.filter(~comments_of(pl.col("0")))
    return _with_names(frame, layout)


def _cut_by_lines(data: Path | bytes, layout: Layout) -> pl.DataFrame:
    refuse_open_quotes(data, layout)
    text = (data if isinstance(data, bytes) else data.read_bytes()).decode("utf-8-sig")
    lines = text.split("\n")[layout.skip :]
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
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped != "").then(stripped).name.keep())


def without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the empty rows that blank lines at the end of a file make; others are missing values."""
    if frame.height == 0:
        return frame
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return frame.head(int(filled[-1]) + 1 if len(filled) else 0)


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
