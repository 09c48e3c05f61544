"""The whole matrix: what the tiles keep, then the blocks, for as many tiles at a time as the memory holds."""

from functools import cache
from typing import NamedTuple

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.assembly import keep_of_slot, n_computed_units
from fastbp.kernels.curvature.blocks import tasks_of_slot
from fastbp.kernels.curvature.gradients import clear
from fastbp.kernels.curvature.jobs import Task, add_up, address_of_worker, n_chunks_of, views_of_room, work
from fastbp.kernels.curvature.loading import views_of_given
from fastbp.kernels.curvature.moves import moves_of_slot
from fastbp.kernels.curvature.plan import curve_of
from fastbp.kernels.registers.lanes import number, set_number, view
from fastbp.kernels.tuning import CURVATURE_TILE


class Assembler(NamedTuple):
    """Addresses, and what they work with."""

    keep: int
    tasks: int
    moves: int
    parallel: int
    n_slots: int
    exact: bool
    n_sources: int  # most inputs of a group


@kernel
def assemble(curve, given, room, assembler, matrix):
    """E to errors[0], the gradient to the first row of the sums, the Hessian or its Gauss-Newton part to `matrix`."""
    n_all = n_chunks_of(min(given.n_samples, room.n_tiles * CURVATURE_TILE))
    clear(room.sums, n_all * room.n_params)
    clear(room.errors, n_all)
    clear(matrix, room.n_params * room.n_params)
    for start in range(0, given.n_samples, room.n_tiles * CURVATURE_TILE):
        n_samples = min(room.n_tiles * CURVATURE_TILE, given.n_samples - start)
        n_chunks = n_chunks_of(n_samples)
        work(curve, given, room, task_of(assembler, assembler.keep, n_chunks, start, n_samples, matrix))
        work(curve, given, room, task_of(assembler, assembler.tasks, curve.n_tasks, start, n_samples, matrix))
        if assembler.exact:
            n_units = n_computed_units(curve)
            work(curve, given, room, task_of(assembler, assembler.moves, n_units, start, n_samples, matrix))
    add_up(room.sums, n_all, room.n_params, room.n_params)
    error = 0.0
    for chunk in range(n_all):
        error += number(room.errors, chunk)
    set_number(room.errors, 0, error)


@kernel
def task_of(assembler, worker, n_items, start, n_samples, matrix):
    """A task of the assembly."""
    return Task(
        worker, assembler.parallel, assembler.n_slots, n_items, start, n_samples, assembler.exact,
        matrix, assembler.n_sources, matrix,
    )  # fmt: skip


@entry
def hessian(plan, given, room, assembler, matrix):
    """The error; gradient and matrix as `assemble` leaves them."""
    curve, data, views = curve_of(plan), views_of_given(given), views_of_room(room)
    assemble(curve, data, views, assembler, view(matrix))
    return room.errors[0]


@cache
def addresses_of_workers():
    """Addresses of the three kinds of work."""
    return tuple(address_of_worker(worker) for worker in (keep_of_slot, tasks_of_slot, moves_of_slot))
