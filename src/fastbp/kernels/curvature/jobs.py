"""Jobs over many samples, on several threads, with the same bits for any number of them.

A job has items: chunks of tiles, each with sums of its own that are added up in order, or parts of a matrix. What an
item is, and how it is cut, depends on shapes alone. A slot of the memory works on one item after the other.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.calls import FLOAT64
from fastbp.kernels.curvature.loading import GivenViews
from fastbp.kernels.curvature.plan import Curve, Outline, curve_from, outline_from
from fastbp.kernels.registers.lanes import Doubles, Numbers, number, set_number, shift, view
from fastbp.kernels.tables import NONE, Net
from fastbp.kernels.tuning import CURVATURE_TILE, MAX_CHUNKS


class Room(NamedTuple):
    """The memory of a job, float64."""

    tiles: np.ndarray  # (n_slots, numbers of a tile)
    kept: np.ndarray  # (n_tiles, ...): what an assembly keeps of each tile, see assembly.py
    sums: np.ndarray  # (n_chunks * n_sums, n_params): gradients, or products, of each chunk
    errors: np.ndarray  # (n_chunks,)
    scratch: np.ndarray  # (n_slots, ...): see assembly.py


class RoomViews(NamedTuple):
    """A `Room` as views."""

    tiles: Numbers
    kept: Numbers
    sums: Numbers
    errors: Doubles
    scratch: Numbers
    n_tile: int
    n_kept: int
    n_tiles: int
    n_params: int
    n_scratch: int


@kernel
def views_of_room(room):
    """The views of the memory."""
    return RoomViews(
        view(room.tiles), view(room.kept), view(room.sums), view(room.errors), view(room.scratch),
        room.tiles.shape[1], room.kept.shape[1], len(room.kept), room.sums.shape[1], room.scratch.shape[1],
    )  # fmt: skip


class Task(NamedTuple):
    """What to do with some samples."""

    worker: int  # address of what works on the items of a slot
    parallel: int  # address of `in_parallel`; NONE on one thread
    n_slots: int
    n_items: int
    start: int  # first sample
    n_samples: int
    exact: bool  # or else Gauss-Newton
    v: Numbers  # directions: (n_vectors, n_params)
    n_vectors: int
    out: Numbers


@kernel
def n_tiles_of(n_samples):
    """Tiles of so many samples."""
    return (n_samples + CURVATURE_TILE - 1) // CURVATURE_TILE


@kernel
def n_chunks_of(n_samples):
    """Chunks of so many samples: tiles, or runs of them."""
    return min(MAX_CHUNKS, (n_samples + CURVATURE_TILE - 1) // CURVATURE_TILE)


@kernel
def tiles_of_chunk(task, chunk):
    """First tile of a chunk, and the one behind its last."""
    n_tiles = n_tiles_of(task.n_samples)
    return chunk * n_tiles // task.n_items, (chunk + 1) * n_tiles // task.n_items


@kernel
def samples_of_tile(task, k):
    """First sample of a tile, and their number."""
    return task.start + k * CURVATURE_TILE, min(CURVATURE_TILE, task.n_samples - k * CURVATURE_TILE)


WORKER = Slot(Curve, GivenViews, RoomViews, Task, int)  # (..., slot)
PARALLEL = Slot(Net, Outline, GivenViews, RoomViews, Task)


@entry(parallel=True)
def in_parallel(net, outline, given, room, task):
    """All items, each slot's on a thread of its own."""
    for slot in prange(task.n_slots):
        WORKER.call(task.worker, curve_from(net, outline), given, room, task, slot)


def address_of_worker(worker: Any) -> Any:
    """Address of an entry (curve, given, room, task, slot)."""
    return WORKER.address(worker, FLOAT64)


@cache
def address_of_parallel() -> Any:
    """Address of `in_parallel`."""
    return PARALLEL.address(in_parallel, FLOAT64)


@kernel
def work(curve, given, room, task):
    """Do all items of a task."""
    if task.n_slots == 1 or task.n_items == 1:
        one = Task(
            task.worker, NONE, 1, task.n_items, task.start, task.n_samples, task.exact, task.v, task.n_vectors, task.out
        )
        WORKER.call(task.worker, curve, given, room, one, 0)
    else:
        PARALLEL.call(task.parallel, curve.net, outline_from(curve), given, room, task)


@kernel
def add_up(values, n_rows, n_numbers, stride):
    """Add rows 1, 2, ... to row 0, in their order."""
    for row in range(1, n_rows):
        other = shift(values, row * stride)
        for p in range(n_numbers):
            set_number(values, p, number(values, p) + number(other, p))
