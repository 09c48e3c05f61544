"""Partitions of .npy files and memory maps: read a partition at a time, never mapped as a whole."""

import os
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.data.files import naming
from fastbp.data.partitions import WINDOW, Partition, Partitions, Room, rows_by_bytes


class Block(NamedTuple):
    """An array in C order in a file."""

    path: str
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    head: bytes = b""  # what an .npy file begins with: its numbers are others, if that is another

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def rows(self, start: int, stop: int, room: Array | None = None) -> Array:
        """Some rows, read, in the room for them if it fits: pages that were mapped would count as memory."""
        n_bytes = (stop - start) * self.row_bytes
        if room is not None and room.dtype == self.dtype and room.nbytes == n_bytes:
            out = room.reshape(stop - start, *self.shape[1:])
        else:
            out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        with open(self.path, "rb") as file:
            if file.read(len(self.head)) != self.head:
                raise ValueError("the file has another shape or dtype than when the data were opened: put it back")
            file.seek(self.offset + start * self.row_bytes)
            n_read = file.readinto(out.reshape(-1).view(np.uint8).data)
            n_there = max(0, os.fstat(file.fileno()).st_size - self.offset) // max(1, self.row_bytes)
        if n_read != n_bytes:
            raise ValueError(
                f"the file has {n_there} rows, and had {self.shape[0]} when the data were opened: put them back"
            )
        return out


class OfMaps(Partitions):
    """Rows of arrays in files."""

    def __init__(self, blocks: dict[str, Block], rows: int, window: int) -> None:
        self._blocks, self._rows, self._n = blocks, rows, blocks["X"].shape[0]
        super().__init__(-(-self._n // rows), window)

    def _read(self, k: int) -> Partition:
        return self._blocks_of(k, {})

    def _read_into(self, k: int, room: Room) -> Partition:
        x, t = room(min(self._rows, self._n - k * self._rows))
        return self._blocks_of(k, {"X": x, "T": t})

    def _blocks_of(self, k: int, rooms: dict[str, Array]) -> Partition:
        start = k * self._rows
        stop = min(start + self._rows, self._n)
        found = {}
        for name, block in self._blocks.items():
            with naming(f"{name}, {block.path!r}, partition {k} (rows {start} to {stop - 1})"):
                found[name] = block.rows(start, stop, rooms.get(name))
        return Partition(found["X"], found["T"], found.get("sample_weight"))

    def place(self, k: int) -> str:
        """See `Partitions`."""
        start = k * self._rows
        return f"{self._blocks['X'].path!r}, partition {k} (rows {start} to {min(start + self._rows, self._n) - 1})"

    def row_name(self, k: int, row: int) -> str:
        """See `Partitions`."""
        return f"{self._blocks['X'].path!r}, partition {k}, row {k * self._rows + row}"

    def column_name(self, column: int, *, is_target: bool) -> str:
        """See `Partitions`."""
        name = "T" if is_target else "X"
        return f"{name}[:, {column}]" + (f" of {self._blocks[name].path!r}" if is_target else "")


def memmap(X: Any, T: Any, sample_weight: Any = None, *, rows: int | None = None, window: int = WINDOW) -> Partitions:
    """Read .npy files, or memory maps, in partitions.

    Parameters
    ----------
    X : path of an .npy file, or numpy.memmap (n_samples, n_inputs)
        In C order.
    T : path of an .npy file, or numpy.memmap (n_samples, n_outputs), or (n_samples,) for one output
    sample_weight : the same (n_samples,), optional
    rows : int or None
        Samples in a partition; None: so many as take 16 MiB.
    window : int
        Partitions that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Returns
    -------
    Partitions
        For `Network.fit`, `Network.gradient` and `Network.loss`.

    Raises
    ------
    ValueError, TypeError, OSError
        For files that are no arrays of real numbers in C order, or not as long as each other.

    Notes
    -----
    Of the files no more than two windows and a partition are in memory, in the network's dtype. A file of that dtype
    is not converted.
    """
    given = {"X": X, "T": T} | ({} if sample_weight is None else {"sample_weight": sample_weight})
    blocks = {name: _block(source, name) for name, source in given.items()}
    n = blocks["X"].shape[0]
    if n == 0:
        raise ValueError(f"X must have at least one sample; {blocks['X'].path!r} has shape {blocks['X'].shape}")
    for name, block in blocks.items():
        if block.shape[0] != n:
            raise ValueError(f"{name} must have as many samples as X, {n}; {block.path!r} has {block.shape[0]}")
    row_bytes = sum(block.row_bytes for block in blocks.values())
    n_rows = rows_by_bytes(row_bytes) if rows is None else checks.integer(rows, "rows", minimum=1)
    return OfMaps(blocks, n_rows, window)


def _block(source: Any, name: str) -> Block:
    """Where an array stands in its file."""
    if isinstance(source, np.memmap):
        if source.filename is None or not source.flags.c_contiguous:
            raise ValueError(f"{name} must be a whole memory map in C order, of a file; got one that is not")
        if source.mode == "c":
            raise ValueError(
                f"{name} must be a memory map of mode 'r' or 'r+', whose numbers are those of the file; got mode 'c': "
                "fastbp.data.arrays takes it as it is"
            )
        return _checked(Block(os.fspath(source.filename), _offset(source), source.dtype, source.shape), name)
    if isinstance(source, np.ndarray):
        raise TypeError(f"{name} must be a path or a numpy.memmap; fastbp.data.arrays takes arrays in memory")
    path = checks.file_path(source, name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{name} must be a file that exists; there is no {path!r}")
    with naming(f"{name}, {path!r},"), open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
        offset = file.tell()
        file.seek(0)
        head = file.read(offset)
    if is_fortran and len(shape) > 1:
        raise ValueError(f"{name} must be in C order; {path!r} is in Fortran's: np.save(path, np.ascontiguousarray(a))")
    return _checked(Block(path, offset, dtype, shape, head), name)


def _offset(array: np.memmap) -> int:
    """Where the first number stands in the file: a part of a map keeps the offset of the whole."""
    whole = array
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    return int(whole.offset) + array.ctypes.data - whole.ctypes.data


def _checked(block: Block, name: str) -> Block:
    if block.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; {block.path!r} holds {block.dtype}")
    if not block.shape:
        raise ValueError(f"{name} must have a row for each sample; {block.path!r} has shape ()")
    n_bytes, there = block.shape[0] * block.row_bytes, os.path.getsize(block.path) - block.offset
    if there < n_bytes:
        raise ValueError(f"{name} must be a whole file; {block.path!r} has {there:,} bytes of numbers, not {n_bytes:,}")
    return block
