"""Tables in pieces that can be read in any order: what is larger than memory is learnt from so.

Texts (CSV), JSON lines, Parquet and Arrow files have such pieces. What is packed, a workbook or a database has not.
"""

from __future__ import annotations

import glob
import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import accumulate, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from fastbp import memory
from fastbp.tables.cells.errors import TableError, nearest_hint
from fastbp.tables.reading.databases import is_url
from fastbp.tables.reading.endings import ending_of, up_to
from fastbp.tables.reading.formats import is_marked_text, unpacking
from fastbp.tables.reading.json_tables import read_json
from fastbp.tables.reading.parts import as_utf8, blocks_of
from fastbp.tables.reading.quotes import taken_apart
from fastbp.tables.reading.sniffing import Layout, drop_repeated
from fastbp.tables.reading.sources import STANDARD_INPUT, is_bundled, reading_errors, refuse_binary
from fastbp.tables.reading.table import Reading, refuse_unused
from fastbp.tables.reading.text import HEAD, MARKS_OF_UTF, is_macintosh, layout_of, lines_of, rows_of
from fastbp.tables.reading.typed import NO_NUMBERS, Numbers, columns_of_numbers

TEXT_BYTES = 1 << 24  # of a text in a piece
CELLS = 1 << 22  # of Parquet and Arrow in a piece
LEAST_ROWS, MOST_ROWS = 1 << 12, 1 << 17  # of them
# Larger than such a share of the memory a file is read in pieces: texts as frames, and Parquet unpacked, take more.
SHARE_OF_TEXT, SHARE_OF_COLUMNS = 1 / 4, 1 / 16
_PARQUET, _ARROW, _ZIP = b"PAR1", b"ARROW1", b"PK\x03\x04"
_OR_WHOLE = "; --no-stream reads it as a whole, if it fits into memory"


class Cut(Protocol):
    """A file that is cut into pieces."""

    @property
    def path(self) -> str:
        """Where it is."""

    def frame(self, start: int, stop: int) -> pl.DataFrame:
        """One of its pieces."""

    def cuts(self) -> Iterator[tuple[int, int]]:
        """Where each of its pieces begins and ends."""

    def place(self, start: int, stop: int) -> str:
        """What is broken, of a piece that cannot be read, as far as the file tells; or nothing."""


@dataclass(frozen=True)
class TextFile:
    """A text of values; pieces are runs of bytes."""

    path: str
    layout: Layout
    numbers: Numbers
    skip_repeated: bool

    def cuts(self) -> Iterator[tuple[int, int]]:
        """See `Cut`."""
        return _cuts_of_lines(self.path, self.layout.quote.encode())

    def frame(self, start: int, stop: int) -> pl.DataFrame:
        """See `Cut`."""
        layout = self.layout if start == 0 else replace(self.layout, skip=0)
        text = as_utf8(_bytes_of(self.path, start, stop), "utf-8")[0]
        frame, _ = drop_repeated(rows_of(text, layout, self.numbers), self.skip_repeated)
        return taken_apart(up_to(frame, ending_of(text, layout)), layout)[0]

    def place(self, start: int, stop: int) -> str:
        """See `Cut`."""
        return f"bytes {start:,} to {stop:,}"


@dataclass(frozen=True)
class JsonFile:
    """Lines of JSON; pieces are runs of bytes."""

    path: str

    def cuts(self) -> Iterator[tuple[int, int]]:
        """See `Cut`."""
        return _cuts_of_lines(self.path, None)

    def frame(self, start: int, stop: int) -> pl.DataFrame:
        """See `Cut`."""
        return read_json(_bytes_of(self.path, start, stop)).frame

    def place(self, start: int, stop: int) -> str:
        """See `Cut`."""
        return f"bytes {start:,} to {stop:,}"


@dataclass(frozen=True)
class ColumnsFile:
    """A Parquet or Arrow file; pieces are runs of rows."""

    path: str
    is_parquet: bool

    def _lazy(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.path, glob=False) if self.is_parquet else pl.scan_ipc(self.path)

    def cuts(self) -> Iterator[tuple[int, int]]:
        """See `Cut`."""
        lazy = self._lazy()
        n_rows = int(lazy.select(pl.len()).collect().item())
        width = max(1, len(lazy.collect_schema()))
        step = min(MOST_ROWS, max(LEAST_ROWS, CELLS // width))
        return ((start, min(n_rows, start + step)) for start in range(0, n_rows, step))

    def frame(self, start: int, stop: int) -> pl.DataFrame:
        """See `Cut`."""
        return self._lazy().slice(start, stop - start).collect()

    def place(self, start: int, stop: int) -> str:
        """See `Cut`: the row group, if the file has them and pyarrow is there to find its rows."""
        for group, (first, end) in enumerate(self._row_groups()):
            if start < end and first < stop and not self._can_read(max(start, first), min(stop, end)):
                return f"row group {group}, rows {max(start, first) + 1:,} to {min(stop, end):,}"
        return f"rows {start + 1:,} to {stop:,}"

    def _row_groups(self) -> list[tuple[int, int]]:
        """The first row, and the one after the last, of each row group."""
        try:
            parquet: Any = import_module("pyarrow.parquet")
            with parquet.ParquetFile(self.path) as file:
                metadata = file.metadata
        except (ImportError, OSError, ValueError):  # a broken file among them: the reader has said so
            return []
        ends = accumulate(metadata.row_group(g).num_rows for g in range(metadata.num_row_groups))
        return list(pairwise([0, *ends]))

    def _can_read(self, start: int, stop: int) -> bool:
        try:
            self.frame(start, stop)
        except (pl.exceptions.PolarsError, OSError, ValueError):
            return False
        return True


class Pieces:
    """The pieces of some files, in their order.

    Parameters
    ----------
    files : list of Cut
        Files with the same columns.
    """

    def __init__(self, files: list[Cut]) -> None:
        self.files = files
        self._bytes = [os.path.getsize(file.path) for file in files]
        self._cuts = []
        for f, file in enumerate(files):
            with reading_errors(file.path):
                self._cuts += [(f, start, stop) for start, stop in file.cuts()]
        if not self._cuts:
            raise TableError(f"{files[0].path!r} has no rows of data")

    def __len__(self) -> int:
        return len(self._cuts)

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self._bytes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided about the layout of the first file."""
        first = self.files[0]
        return first.layout.notes if isinstance(first, TextFile) else ()

    @property
    def decimal_comma(self) -> bool:
        """Whether "1,234" is more likely 1.234 than 1234."""
        first = self.files[0]
        return isinstance(first, TextFile) and first.layout.separator == ";"

    def path_of(self, k: int) -> str:
        """The file that piece k is of."""
        return self.files[self._cuts[k][0]].path

    def frame(self, k: int) -> pl.DataFrame:
        """Read piece k; an error names its file."""
        f, start, stop = self._cuts[k]
        file = self.files[f]
        with reading_errors(file.path):
            if not os.path.exists(file.path):
                raise TableError("it was there when the training began, and is not now")
            n_bytes = os.path.getsize(file.path)
            if n_bytes != self._bytes[f]:
                raise TableError(f"it has {n_bytes:,} bytes, and had {self._bytes[f]:,} when the training began")
            try:
                return file.frame(start, stop)
            except (pl.exceptions.PolarsError, ValueError) as error:
                reason = (str(error).splitlines() or ["it is broken"])[0]
                raise TableError(f"{file.place(start, stop)}: {reason}") from None

    def first_of_file(self, k: int) -> int:
        """The first piece of the file that piece k is of."""
        return bisect_left(self._cuts, self._cuts[k][0], key=itemgetter(0))

    def ends_file(self, k: int) -> bool:
        """Whether piece k is the last of its file."""
        return k + 1 == len(self) or self._cuts[k + 1][0] != self._cuts[k][0]


def files_of(source: str) -> list[str]:
    """The files that a pattern or a folder means; what is neither, as it is."""
    if source == STANDARD_INPUT or is_url(source) or is_bundled(source):
        return [source]
    if os.path.isdir(source):
        found = sorted(str(path) for path in Path(source).iterdir() if path.is_file())
    elif glob.has_magic(source) and not os.path.exists(source):
        found = sorted(glob.glob(source, recursive=True))
    else:
        return [source]
    if not found:
        raise TableError(f"there is no file {source!r}")
    return found


def is_larger(path: str) -> bool:
    """Whether a file is larger than its share of the memory."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(HEAD)
    is_text = has_pieces(path) and not head.startswith((_PARQUET, _ARROW))
    return os.path.getsize(path) > (SHARE_OF_TEXT if is_text else SHARE_OF_COLUMNS) * memory.total()


def has_pieces(path: str) -> bool:
    """Whether a file is of a kind that can be read in pieces, by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head.startswith((_PARQUET, _ARROW)):
        return True
    return not (head.startswith(_ZIP) or unpacking(head[:64]) or _is_other(head))


def _is_other(head: bytes) -> bool:
    """Whether these are the first bytes of a workbook or a database, or of a text that is not cut."""
    return b"\0" in head or head.startswith(MARKS_OF_UTF) or is_macintosh(head) or is_marked_text(head)


def open_pieces(paths: list[str], reading: Reading) -> Pieces:
    """Look at the beginning of each file, and cut it into pieces.

    Raises
    ------
    TableError
        For a file that is missing, empty or broken, of a kind that has no pieces, or without a column of the first.
    """
    files: list[Cut] = []
    columns: list[str] = []
    for path in paths:
        with reading_errors(path):
            files.append(_opened(path, reading))
            found = _columns_of(files[-1])
        columns = columns or found
        missing = [name for name in columns if name not in found]
        if missing:
            raise TableError(
                f"{path!r} must have the columns of {paths[0]!r}: {missing[0]!r} is missing"
                f"{nearest_hint(missing[0], found)}"
            )
    return Pieces(files)


def _opened(path: str, reading: Reading) -> Cut:
    if not os.path.isfile(path):
        if os.path.exists(path) or path == STANDARD_INPUT or is_url(path) or is_bundled(path):
            raise TableError("only files are read in pieces")
        raise FileNotFoundError(path)
    with open(path, "rb") as file:
        head = file.read(HEAD)
    refuse_binary(head)
    if head.startswith(_ZIP) or unpacking(head[:64]):
        raise TableError(
            f"it is packed, or a workbook, and cannot be read in pieces: unpack it, or save it as CSV{_OR_WHOLE}"
        )
    if head.startswith((_PARQUET, _ARROW)):
        refuse_unused(reading, "a Parquet or Arrow file")
        return ColumnsFile(path, head.startswith(_PARQUET))
    if head.lstrip().startswith(b"{"):
        refuse_unused(reading, "lines of JSON")
        return JsonFile(path)
    if _is_other(head):
        raise TableError(
            "this format cannot be read in pieces: save it as text in UTF-8 (CSV), lines of JSON, Parquet or Arrow"
            f"{_OR_WHOLE}"
        )
    refuse_unused(reading, "a text file", lines=True)
    whole = len(head) < HEAD
    layout, numbers = layout_of(head, reading, whole), NO_NUMBERS
    if reading.written is not None and not whole:
        numbers = columns_of_numbers(lines_of(head, whole), layout, reading.written(layout.names))
    return TextFile(path, layout, numbers, reading.skip_repeated)


def _columns_of(file: Cut) -> list[str]:
    """The names of a file's columns."""
    start, stop = next(file.cuts(), (0, 0))
    if stop == start:
        raise TableError("it has no rows of data")
    return file.frame(start, min(stop, start + 1)).columns if isinstance(file, ColumnsFile) else _first(file, stop)


def _first(file: Cut, stop: int) -> list[str]:
    frame = file.frame(0, stop)
    if frame.height == 0:
        raise TableError("it has no rows of data")
    return frame.columns


def _cuts_of_lines(path: str, quote: bytes | None) -> Iterator[tuple[int, int]]:
    start = 0
    with open(path, "rb") as file:
        for block in blocks_of(b"", file, TEXT_BYTES, quote):
            if block.strip():
                yield start, start + len(block)
            start += len(block)


def _bytes_of(path: str, start: int, stop: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(stop - start)
