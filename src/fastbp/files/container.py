r"""What fastbp's files have in common: whole or not at all, checked before they are believed. No code, no pickle.

A file, in this order:

    b"fastbp model\n"   what it is
    64 hex digits, \n   SHA-256 of all that follows
    JSON, \n            {"version": 1, ...}
    numbers             little-endian arrays, one after the other

A checksum tells damage, not malice: whoever reads a header believes none of its numbers before they fit
each other and the size of the file, and allocates nothing of their size before that.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.files.outputs import StrPath, check_writable, replacing

__all__ = ["StrPath", "check_writable", "replacing"]

DIGEST_BYTES = 65  # hex digits and a line feed
MAX_HEADER_BYTES = 1 << 24  # Python objects take some 30 times the room of their JSON
MAX_MAGIC = 32  # bytes of the line that says what a file is
MAX_REASON = 500  # characters of an error about it


@dataclass(frozen=True)
class Kind:
    """A kind of file: its first line, what to call it, and the newest version that is understood."""

    magic: bytes
    name: str
    version: int


class Contents(NamedTuple):
    """A file whose checksum is right: its header, and the numbers that follow it."""

    kind: Kind
    header: dict[str, Any]
    n_bytes: int  # of the numbers
    file: io.BufferedReader  # which stands before them

    def read(self, dtype: np.dtype, shape: tuple[int, ...]) -> Array:
        """The next array; the caller has compared n_bytes with what it is going to read."""
        stored = dtype.newbyteorder("<")
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        return np.frombuffer(self.file.read(n_bytes), stored).astype(dtype).reshape(shape)


def write(path: StrPath, kind: Kind, header: dict[str, Any], arrays: Iterable[Array]) -> None:
    """Write a file; an old one stays as it was until the new one is whole on the disk.

    Raises
    ------
    TypeError, ValueError
        If `header` is nothing that JSON can hold, or too long.
    OSError
        If the file cannot be written; no part of it is left, see `replacing`.
    """
    line = json.dumps({"version": kind.version} | header, allow_nan=False).encode() + b"\n"
    if len(line) > MAX_HEADER_BYTES:
        raise ValueError(f"at most {MAX_HEADER_BYTES:,} bytes of JSON go into a file; got {len(line):,}")
    pieces = [memoryview(line)]
    for array in arrays:
        stored = np.array(array, array.dtype.newbyteorder("<"), order="C")  # a copy: another thread may be training
        pieces.append(stored.reshape(-1).view(np.uint8).data)
    checksum = hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
    with replacing(path) as file:
        file.writelines([kind.magic, checksum.hexdigest().encode() + b"\n", *pieces])


def is_of(path: StrPath, kind: Kind) -> bool:
    """Whether a file begins as one of a kind does."""
    with open(path, "rb") as file:
        return file.read(len(kind.magic)) == kind.magic


@contextlib.contextmanager
def reading(path: StrPath, *kinds: Kind) -> Iterator[Contents]:
    """Open a file of some kinds for reading; what goes wrong inside the block is the file's fault, and says its name.

    Raises
    ------
    ValueError
        If the file is of another kind, not whole, altered, of a newer version, or makes no sense.
    """
    with open(path, "rb") as file:
        try:
            yield _checked(file, kinds)
        except KeyError as error:
            raise FileError(f"{os.fspath(path)}: the header makes no sense: {error} is not there") from error
        except RefusedError as error:
            raise FileError(f"{os.fspath(path)}: {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            reason = str(error)[:MAX_REASON]  # it may quote what the file holds
            raise FileError(f"{os.fspath(path)}: the header makes no sense: {reason}") from error


class FileError(ValueError):
    """A file that is refused."""


class RefusedError(Exception):
    """Why a file is refused."""


def _checked(file: io.BufferedReader, kinds: tuple[Kind, ...]) -> Contents:
    """Kind, checksum and header of a file; the header alone is kept in memory, and all of a pipe, read once only."""
    magic = file.readline(MAX_MAGIC)
    kind = next((kind for kind in kinds if kind.magic == magic), None)
    if kind is None:
        what = f", but a {magic.decode('ascii', 'replace').strip()}" if magic.startswith(b"fastbp ") else ""
        raise RefusedError(f"not a {kinds[0].name} file{what}")
    if not file.seekable():
        file = io.BufferedReader(io.BytesIO(kind.magic + file.read()))
        file.seek(len(kind.magic))
    digest = file.read(DIGEST_BYTES)
    if hashlib.file_digest(file, "sha256").hexdigest().encode() + b"\n" != digest:
        raise RefusedError("the file is not whole, or was altered: its checksum does not match")
    end = file.tell()
    file.seek(len(kind.magic) + DIGEST_BYTES)
    line = file.readline(MAX_HEADER_BYTES)
    try:
        header = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or type(header.get("version")) is not int or header["version"] < 1:
        raise RefusedError("the header cannot be read")
    if header["version"] > kind.version:
        raise RefusedError(
            f"written by a newer version of fastbp: format {header['version']}, this one reads up to {kind.version}"
        )
    return Contents(kind, header, end - file.tell(), file)


def list_of(header: dict[str, Any], key: str, most: int) -> list[Any]:
    """The list header[key], of at most so many items."""
    items = header[key]
    if not isinstance(items, list):
        raise TypeError(f"{key} must be a list; got {type(items).__name__}")
    if len(items) > most:
        raise ValueError(f"{key} must have at most {most:,} items; got {len(items):,}")
    return items
