"""Files that are no plain tables of text: archives, Parquet, Arrow, workbooks, databases, JSON, ARFF, FANN's data."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import polars as pl

from fastbp import memory
from fastbp.tables.cells.errors import TableError, listed
from fastbp.tables.reading.arff import read_arff
from fastbp.tables.reading.databases import one_of, read_sqlite
from fastbp.tables.reading.json_tables import read_json
from fastbp.tables.reading.table import Reading, Table, refuse_unused

Source = Path | bytes

ARROW_STREAM = b"\xff\xff\xff\xff"  # before each message of a stream of Arrow's

UNPACKING_ERRORS = (EOFError, zlib.error, lzma.LZMAError)

_BLOCK = 1 << 20
_PACKED: dict[bytes, tuple[Callable[[Any], Any], str]] = {
    b"\x1f\x8b": (lambda file: gzip.GzipFile(fileobj=file), "gzip"),
    b"BZh": (bz2.BZ2File, "bzip2"),
    b"\xfd7zXZ\0": (lzma.LZMAFile, "xz"),
    b"PK\x03\x04": (zipfile.ZipFile, "zip"),
}


def unpacked(source: Source, head: bytes) -> tuple[bytes, str] | None:
    """Return what a compressed file holds, and a note; None for another file."""
    if not head.startswith(tuple(_PACKED)):
        return None
    try:
        with _opened(source) as file:
            if head.startswith(b"PK\x03\x04"):
                return _from_zip(file)
            opener, name = next(found for mark, found in _PACKED.items() if head.startswith(mark))
            return all_of(opener(file)), f"unpacked with {name}"
    except (OSError, *UNPACKING_ERRORS, zipfile.BadZipFile, RuntimeError) as error:
        raise TableError(f"it cannot be unpacked: {error}") from None


def unpacking(head: bytes) -> Callable[[Any], Any] | None:
    """Return what opens a compressed file to be read in parts; None for another file, and for archives."""
    found = [opener for mark, (opener, name) in _PACKED.items() if head.startswith(mark) and name != "zip"]
    return found[0] if found else None


def _opened(source: Source) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def all_of(file: IO[bytes]) -> bytes:
    """Read a compressed file, as long as memory can hold it."""
    pieces, n_bytes = [], 0
    with closing(file):
        while piece := file.read(_BLOCK):
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes > memory.total() // 4:
                raise TableError(
                    "it becomes too large for memory when it is unpacked: unpack it, and it is read in pieces"
                )
    return b"".join(pieces)


def _from_zip(file: IO[bytes]) -> tuple[bytes, str] | None:
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not _is_of_a_system(name)]
        if "xl/workbook.xml" in names or "xl/workbook.bin" in names or "content.xml" in names:
            return None
        if len(names) != 1:
            raise TableError(f"the archive has {len(names)} files ({listed(names)}): one is expected, unpack it")
        return all_of(archive.open(names[0])), f"{names[0]!r} of the archive"


def _is_of_a_system(name: str) -> bool:
    """Whether a name in an archive is a folder's, or of a file that an operating system or a spreadsheet put there."""
    parts = name.split("/")
    hidden = parts[0] == "__MACOSX" or any(part.startswith((".", "~$")) for part in parts)
    return hidden or parts[-1].lower() in ("", "thumbs.db", "desktop.ini")


def read_binary(source: Source, head: bytes, reading: Reading) -> Table | None:
    """Read a file of a binary format, told by its first bytes; None for another file."""
    data = source if isinstance(source, Path) else io.BytesIO(source)
    if head.startswith((b"PAR1", b"ARROW1", ARROW_STREAM)):
        refuse_unused(reading, "a Parquet or Arrow file")
    if head.startswith(b"PAR1"):
        return Table(pl.read_parquet(data, glob=False) if isinstance(data, Path) else pl.read_parquet(data))
    if head.startswith(b"ARROW1"):
        return Table(pl.read_ipc(data))
    if head.startswith(ARROW_STREAM):
        return Table(pl.read_ipc_stream(data))
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        refuse_unused(reading, "a workbook", table=True)
        return _read_workbook(source, reading.table)
    if head.startswith(b"SQLite format 3\0"):
        refuse_unused(reading, "a database", table=True, query=True)
        return read_sqlite(source, reading)
    return None


def _read_workbook(source: Source, sheet: str | None) -> Table:
    try:
        import fastexcel
    except ImportError:
        raise TableError('workbooks need a further package: pip install "fastbp[excel]"') from None
    try:
        book = fastexcel.read_excel(source if isinstance(source, bytes) else str(source))
    except fastexcel.FastExcelError as error:
        raise TableError(f"the workbook cannot be read: {str(error).splitlines()[0]}") from None
    name, notes = one_of(book.sheet_names, sheet, "sheet")
    try:
        frame = book.load_sheet(name).to_polars()
    except fastexcel.FastExcelError as error:
        raise TableError(f"sheet {name!r} cannot be read: {str(error).splitlines()[0]}") from None
    return Table(frame, notes)


def read_marked_text(text_head: str, source: Source, reading: Reading) -> Table | None:
    """Read a text file of a format of its own: JSON, ARFF, FANN's data; None for another one."""
    read = _reader_of(text_head)
    if read is None:
        return None
    refuse_unused(reading, "JSON, ARFF and FANN's data")
    return read(source if isinstance(source, bytes) else source.read_bytes())


def is_marked_text(head: bytes) -> bool:
    """Whether a text file has a format of its own."""
    return _reader_of(head.decode("utf-8-sig", errors="replace")) is not None


def _reader_of(text_head: str) -> Callable[[bytes], Table] | None:
    readers: tuple[tuple[str, Callable[[bytes], Table]], ...] = (
        (r"\s*[\[{]\s*[\"{]", read_json),
        (r"(\s*(%.*)?\n)*\s*@relation\b", read_arff),
        (r"\s*<(!doctype html|html|head|body|table|\?xml)\b", _refuse_page),
        (r"\s*\d+ +\d+ +\d+ *\r?\n", _read_fann),
    )
    for pattern, read in readers:
        if re.match(pattern, text_head, re.IGNORECASE) and (read is not _read_fann or _is_fann(text_head)):
            return read
    return None


def _refuse_page(data: bytes) -> Table:
    raise TableError(
        "it is a page of HTML or XML, as some programs write it under the name of a workbook (.xls): "
        "open it in a spreadsheet, and save it as .xlsx or .csv"
    )


def _is_fann(head: str) -> bool:
    """Whether the second line has as many numbers as the first line says."""
    lines = [line.split() for line in head.splitlines() if line.strip()]
    sizes = [int(word) for word in lines[0]]
    return len(lines) > 2 and (len(lines[1]), len(lines[2])) == (sizes[1], sizes[2]) and min(sizes) > 0


def _read_fann(data: bytes) -> Table:
    """Read the data of FANN: a line with three sizes, then for each pair a line of inputs and one of outputs."""
    words = data.split()
    n_pairs, n_inputs, n_outputs = (int(word) for word in words[:3])
    width = n_inputs + n_outputs
    if len(words) - 3 != n_pairs * width:
        raise TableError(f"its first line promises {n_pairs * width:,} numbers, {len(words) - 3:,} are there")
    cells = [word.decode("ascii", errors="replace") for word in words[3:]]
    names = [f"input_{k + 1}" for k in range(n_inputs)] + [f"output_{k + 1}" for k in range(n_outputs)]
    columns = {name: pl.Series(cells[place::width], dtype=pl.String) for place, name in enumerate(names)}
    return Table(pl.DataFrame(columns), ("a file of FANN's",), targets=tuple(names[n_inputs:]))
