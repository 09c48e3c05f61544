"""Where tables come from: a file of any known format, standard input, or a set that comes with scikit-learn."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from fastbp.tables.cells.errors import TableError, nearest_hint
from fastbp.tables.reading.databases import is_url, read_url, without_password
from fastbp.tables.reading.formats import ARROW_STREAM, UNPACKING_ERRORS, read_binary, read_marked_text, unpacked
from fastbp.tables.reading.table import Reading, Table, refuse_unused
from fastbp.tables.reading.text import HEAD, MARKS_OF_UTF, read_text

BUNDLED_SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
STANDARD_INPUT = "-"

_PEEK = 4096
_BINARY = (
    b"PAR1", b"ARROW1", ARROW_STREAM, b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"SQLite", b"\x1f\x8b", b"BZh", b"\xfd7zXZ",
)  # fmt: skip


def is_bundled(source: str) -> bool:
    """Tell whether `source` names a set of scikit-learn: no path separator, no suffix, a known name."""
    return source in BUNDLED_SETS


def read_table(source: str, reading: Reading | None = None) -> Table:
    """Read a table.

    Parameters
    ----------
    source : str
        Name of a set (`BUNDLED_SETS`), path of a file, URL of a database, or "-" for standard input. A file that has
        the name of a set needs a suffix or a folder in its path, ``./iris``.
    reading : Reading, optional
        What its owner says of it.

    Returns
    -------
    Table
        Of at least one row and one column. What a text file holds stays text.

    Raises
    ------
    TableError
        When there is no such file or set, or when it cannot be read.
    """
    reading = reading or Reading()
    with reading_errors(source):
        if is_bundled(source):
            refuse_unused(reading, "a set of scikit-learn")
            return Table(_read_bundled(source))
        table = read_url(source, reading) if is_url(source) else read_any(*_opened(source), reading)
    if table.frame.height == 0 or table.frame.width == 0:
        raise TableError(f"{source!r} has no rows of data")
    return table


@contextmanager
def reading_errors(source: str) -> Iterator[None]:
    """Turn what goes wrong in reading a table into a TableError that names it."""
    source = without_password(source)
    try:
        yield
    except TableError as error:
        raise TableError(f"cannot read {source!r}: {error}") from None
    except FileNotFoundError:
        hint = nearest_hint(source, BUNDLED_SETS) or f" (sets: {', '.join(BUNDLED_SETS)})"
        raise TableError(f"there is no file and no data set {source!r}{hint}") from None
    except (OSError, ValueError, *UNPACKING_ERRORS) as error:
        raise TableError(f"cannot read {source!r}: {getattr(error, 'strerror', None) or error}") from None
    except pl.exceptions.PolarsError as error:
        reason = (str(error).splitlines() or ["it is broken"])[0]
        raise TableError(f"cannot read {source!r}: {reason}") from None


def _read_bundled(name: str) -> pl.DataFrame:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    columns: dict[str, Any] = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    target = bunch.target
    if "target_names" in bunch and bunch.target_names[0] != 0:  # the names of the digits are the digits
        target = bunch.target_names[target].astype(str).tolist()
    return pl.DataFrame({**columns, "target": target})


def _opened(source: str) -> tuple[Path | bytes, bytes]:
    """Return a file, or all that a pipe gives, and its first bytes; a pipe can be read once only."""
    if source == STANDARD_INPUT:
        return _all_of(sys.stdin.buffer)
    path = Path(source)
    if path.is_dir():
        raise TableError("it is a folder, not a table")
    with path.open("rb") as file:
        if not stat.S_ISREG(path.stat().st_mode):
            return _all_of(file)
        return path, file.read(_PEEK)


def _all_of(file: Any) -> tuple[bytes, bytes]:
    head = file.read(_PEEK)
    refuse_binary(head)
    data = head + file.read()
    return data, head


def refuse_binary(head: bytes) -> None:
    """Refuse, before more of it is read, what is neither text nor of a known format."""
    if not head.strip():
        raise TableError("it is empty")
    if b"\0" in head and not head.startswith((*_BINARY, *MARKS_OF_UTF)):
        raise TableError("it is neither a text file nor of a known format")


def read_any(source: Path | bytes, head: bytes, reading: Reading) -> Table:
    """Read a file in the format that its first bytes tell."""
    refuse_binary(head)
    found = unpacked(source, head)
    if found is not None:
        inner = read_any(found[0], found[0][:_PEEK], reading)
        return Table(inner.frame, (found[1], *inner.notes), inner.decimal_comma, inner.targets)
    table = read_binary(source, head, reading)
    if table is None:
        text_head = head.decode("utf-8-sig", errors="replace")
        table = read_marked_text(text_head, source, reading)
    if table is None:
        refuse_unused(reading, "a text file", lines=True)
        table = read_text(source, reading)
    return table


__all__ = ["BUNDLED_SETS", "HEAD", "STANDARD_INPUT", "is_bundled", "read_table"]
