"""Tables of any length, in parts: what is predicted for needs no more memory than a part of it.

Texts (also packed by gzip, bzip2 or xz, or from a pipe), JSON lines, Parquet and Arrow files are read in parts; what
else there is (workbooks, databases, ARFF ...) is read whole.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import polars as pl

from fastbp.tables.cells.errors import TableError, TableWarning, rows_before
from fastbp.tables.reading.databases import frames_of_url, is_url
from fastbp.tables.reading.endings import ending_of, said_of, up_to
from fastbp.tables.reading.formats import all_of, is_marked_text, unpacking
from fastbp.tables.reading.json_tables import read_json
from fastbp.tables.reading.quotes import taken_apart
from fastbp.tables.reading.sniffing import drop_repeated
from fastbp.tables.reading.sources import (
    STANDARD_INPUT,
    is_bundled,
    read_any,
    read_table,
    reading_errors,
    refuse_binary,
)
from fastbp.tables.reading.table import Reading, refuse_unused
from fastbp.tables.reading.text import HEAD, MARKS_OF_UTF, is_macintosh, layout_of, lines_of, mended_utf8, rows_of
from fastbp.tables.reading.typed import NO_NUMBERS, columns_of_numbers

PART_BYTES = 1 << 25  # of text
PART_ROWS = 1 << 17  # of Parquet and Arrow
_LONGEST = 16  # parts, in which quotes that never close are looked for


def parts_of(source: str, reading: Reading | None = None, n_bytes: int = PART_BYTES) -> Iterator[pl.DataFrame]:
    """Read a table in parts; rows in messages count from its beginning.

    Parameters
    ----------
    source : str
        As of `read_table`.
    reading : Reading, optional
        What its owner says of it.
    n_bytes : int
        Of text in a part, about.

    Yields
    ------
    polars.DataFrame
        Of at least one row, all with the same columns; one that is read as numbers may be text in some parts.

    Raises
    ------
    TableError
        As `read_table`; when a later part cannot be read, the parts before it were already there.
    """
    n_rows = 0
    with ExitStack() as files:
        frames = _frames(source, reading or Reading(), n_bytes, files)
        while True:
            with rows_before(n_rows), reading_errors(source):
                frame = next(frames, None)
            if frame is None:
                break
            if frame.height:
                with rows_before(n_rows):
                    yield frame
                n_rows += frame.height
    if n_rows == 0:
        raise TableError(f"{source!r} has no rows of data")


def _frames(source: str, reading: Reading, n_bytes: int, files: ExitStack) -> Iterator[pl.DataFrame]:
    if is_bundled(source) or Path(source).is_dir():
        yield read_table(source, reading).frame
        return
    if is_url(source):
        yield from frames_of_url(source, reading, PART_ROWS)
        return
    path = Path(source)
    file = sys.stdin.buffer if source == STANDARD_INPUT else files.enter_context(path.open("rb"))
    begin = file.peek(64)[:64]  # type: ignore[union-attr]  # a buffered file has it
    if unpack := unpacking(begin):
        file = files.enter_context(unpack(file))
    elif source != STANDARD_INPUT and begin.startswith((b"PAR1", b"ARROW1")):
        refuse_unused(reading, "a Parquet or Arrow file")
        yield from _slices(pl.scan_parquet(source, glob=False) if begin.startswith(b"PAR1") else pl.scan_ipc(source))
        return
    head = file.read(HEAD)
    refuse_binary(head)
    if head.lstrip().startswith(b"{"):
        refuse_unused(reading, "JSON, ARFF and FANN's data")
        yield from _json_frames(head, file, n_bytes)
    elif b"\0" in head or head.startswith(MARKS_OF_UTF) or is_macintosh(head) or is_marked_text(head):
        if source != STANDARD_INPUT and not unpack:
            yield read_table(source, reading).frame
        else:
            yield read_any(head + all_of(file), head, reading).frame
    else:
        refuse_unused(reading, "a text file", lines=True)
        yield from _text_frames(head, file, n_bytes, reading)


def _slices(lazy: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    n_rows = int(lazy.select(pl.len()).collect().item())
    for start in range(0, n_rows, PART_ROWS):
        yield lazy.slice(start, PART_ROWS).collect()


def _json_frames(head: bytes, file: IO[bytes], n_bytes: int) -> Iterator[pl.DataFrame]:
    """Read lines of JSON; a name that the first part has and a later one has not is a column of nulls there."""
    names: list[str] = []
    for block in blocks_of(head, file, n_bytes, None):
        if block.strip():
            frame = read_json(block).frame
            names = names or frame.columns
            yield frame.with_columns(pl.lit(None).alias(name) for name in names if name not in frame.columns)


def _text_frames(head: bytes, file: IO[bytes], n_bytes: int, reading: Reading) -> Iterator[pl.DataFrame]:
    whole = len(head) < HEAD
    layout, numbers = layout_of(head, reading, whole), NO_NUMBERS
    if reading.written is not None and not whole:
        numbers = columns_of_numbers(lines_of(head, whole), layout, reading.written(layout.names))
    encoding = "utf-8"
    n_blank = 0  # lines that are blank, and so far the last ones
    for block in blocks_of(head, file, n_bytes, layout.quote.encode()):
        text, encoding = as_utf8(block, encoding)
        frame = rows_of(text, layout, numbers)
        layout = replace(layout, skip=0)
        frame, _ = drop_repeated(frame, reading.skip_repeated)
        ending = ending_of(text, layout)
        given, apart = taken_apart(up_to(frame, ending), layout)
        _warn(apart)
        if given.height:
            yield pl.concat([frame.clear(n_blank), given]) if n_blank else given
            n_blank = 0
        n_blank += ending.n_blank
    _warn(said_of(n_blank))


def _warn(lines: list[str]) -> None:
    for line in lines:
        warnings.warn(line, TableWarning, stacklevel=2)


def as_utf8(block: bytes, encoding: str) -> tuple[bytes, str]:
    """Return a part of a text as UTF-8, and its encoding: what is no UTF-8 is Windows-1252, or Latin-1."""
    if encoding == "utf-8" and (mended := mended_utf8(block)):
        return mended[0].encode(), encoding
    for name in (encoding, "cp1252"):
        try:
            text = block.decode(name)
        except UnicodeDecodeError:
            continue
        return (block, name) if name == "utf-8" else (text.encode(), name)
    return block.decode("latin-1").encode(), "latin-1"


def blocks_of(head: bytes, file: IO[bytes], n_bytes: int, quote: bytes | None) -> Iterator[bytes]:
    """Cut a file at ends of lines, not inside of quotes; `head` was read before."""
    block, more = head, True
    while more:
        new = file.read(max(1, n_bytes - len(block)) if len(block) < n_bytes else n_bytes)
        block, more = block + new, bool(new)
        end = _last_end(block, quote) if len(block) < _LONGEST * n_bytes else block.rfind(b"\n") + 1
        if more and end:
            yield block[:end]
            block = block[end:]
    if block:
        yield block


def _last_end(block: bytes, quote: bytes | None) -> int:
    """Return where the last line ends that has all its quotes closed; 0 where there is none."""
    end = block.rfind(b"\n") + 1
    if quote is None or block.count(quote, 0, end) % 2 == 0:
        return end
    while end and block.count(quote, 0, end) % 2:
        end = block.rfind(b"\n", 0, end - 1) + 1
    return end
