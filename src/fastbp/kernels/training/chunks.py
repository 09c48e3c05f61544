"""The sum over training samples, in parallel, and always in the same order.

The samples of a batch are cut into chunks, by their number and the network's size alone. Each chunk
adds up a gradient of its own, a tile of samples at a time; the chunks' gradients are added in order. So
the bits of the result do not depend on the number of threads. As many chunks as there are threads are
worked on at a time, each in a *slot* of the work space. A batch too small for two chunks may be worth several
threads all the same: see `shares.py`.

What is done with a chunk, `work_on_chunk`, is compiled once for each dtype, and called through its
address by whatever loops over chunks: the engine is not compiled anew into each of them.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling.addresses import Slot, for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import Step, no_step, take_step
from fastbp.kernels.layout import n_registers_of, whole
from fastbp.kernels.many_samples.columns import pack_columns
from fastbp.kernels.many_samples.gather import (
    Data,
    lanes_to_rows,
    load_samples,
)  # fmt: skip
from fastbp.kernels.many_samples.gradients import ALL, Accumulator
from fastbp.kernels.many_samples.passes import run_tasks
from fastbp.kernels.many_samples.stripes import Share, n_parts_of, rows_from
from fastbp.kernels.many_samples.tasks import N_PHASES, OUTPUTS, RECURSION, SUMMING, ScheduleViews, bounds_of
from fastbp.kernels.many_samples.tile import (
    Dropout,
    PartOfTile,
    Space,
    dropout_from,
    no_dropout,
    space_of,
    tile_from,
)
from fastbp.kernels.many_samples.weighted_sums import Rows
from fastbp.kernels.registers.lanes import (
    Numbers,
    inlined,
    lanes,
    load,
    number,
    set_number,
    shift,
    store,
    view,
)
from fastbp.kernels.tables import NONE, Net, net_of
from fastbp.kernels.tuning import REGISTERS_OF_LINE


class Wanted(NamedTuple):
    """What is wanted of some samples, besides z of all units."""

    numbers: bool  # whether z, or delta if there is any, is copied out for some units
    error: bool
    lowest_delta: int  # layer down to which delta is wanted: 1, or 0 for the derivatives by the inputs; NONE: no delta
    gradient: bool


FORWARD, ERROR = Wanted(True, False, NONE, False), Wanted(False, True, NONE, False)
DELTA, INPUT_DELTA = Wanted(True, True, 1, False), Wanted(True, True, 0, False)
GRADIENT = Wanted(False, True, 1, True)


class Samples(NamedTuple):
    """The user's arrays: C-contiguous, of the network's dtype. Empty arrays stand for what is not there."""

    x: np.ndarray  # (n_samples, n_inputs)
    t: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,) or empty
    order: np.ndarray  # (n_samples,) int64 or empty: the n-th sample is row order[n]


class Job(NamedTuple):
    """What is wanted of which samples."""

    wants_error: bool  # see `Wanted`
    lowest_delta: int
    wants_gradient: bool
    start: int
    n_samples: int
    first_unit: int  # of those whose delta, or else z, goes to `out`
    n_columns: int  # how many; 0: none
    out: Numbers  # (n_samples, n_columns)


@kernel
def job_of(wanted, start, n_samples, out):
    """A job of which no numbers of single samples are wanted."""
    return Job(wanted.error, wanted.lowest_delta, wanted.gradient, start, n_samples, 0, 0, out)


@kernel
def n_phases_of(job):
    """The first phase of a tile's tasks that is not wanted."""
    if job.wants_gradient or job.lowest_delta == 0:
        return N_PHASES
    if job.lowest_delta != NONE:
        return SUMMING
    return RECURSION if job.wants_error else OUTPUTS


@kernel
def data_of(samples):
    """The views of the samples."""
    return Data(
        view(samples.x), view(samples.t), view(samples.weight), view(samples.order),
        samples.x.shape[1], samples.t.shape[1], samples.weight.size > 0, samples.order.size,
    )  # fmt: skip


@kernel
def stride_of(n_registers):
    """Registers from one unit's samples to the next one's: whole cache lines, or less than 8 registers.

    Rows a multiple of 256 bytes apart would fall on the same few lines of the L1 cache; rows half a line apart would
    cut every other tile's lines in two.
    """
    if n_registers < 8:
        return n_registers
    n_lines = (n_registers + REGISTERS_OF_LINE - 1) // REGISTERS_OF_LINE
    return (n_lines + 1 if n_lines % 4 == 0 else n_lines) * REGISTERS_OF_LINE


@kernel
def part_of_tile(space, dropout, slot, start, n_samples, share):
    """A share of the samples of a tile, in a slot's memory; the tile begins with sample `start` of a job."""
    inlined()
    step = lanes(space.z)
    first, last = part_of(n_samples, share.index, share.n_shares, step)
    width, n_registers = whole(last - first, step), n_registers_of(n_samples, step)
    own_dropout = dropout_from(dropout, start + first, slot * space.n_z + first)
    stride, n_rows = stride_of(n_registers) * step, n_registers * step
    part = PartOfTile(space.columns, space.constants, last - first, width, stride, own_dropout, first, n_rows)
    return tile_from(space, slot, part)


@kernel
def tile_of(space, dropout, slot, start, n_samples):
    """A slot's memory, for the `n_samples` samples of a job from `start` on."""
    inlined()
    return part_of_tile(space, dropout, slot, start, n_samples, Share(0, 1))


@kernel
def n_chunks_of(space, n_samples):
    """Number of chunks: by the number of samples, never by the number of threads."""
    if n_samples < 2 * space.min_chunk:
        return 1
    return min(space.n_chunks_max, n_samples // space.min_chunk)


@kernel
def part_of(n, k, n_parts, step):
    """First and last + 1 of part k of n samples: parts as even as whole registers allow."""
    if n_parts == 1:
        return 0, n
    n_registers = (n + step - 1) // step  # Python asks this function, too
    return k * n_registers // n_parts * step, min((k + 1) * n_registers // n_parts * step, n)


@kernel
def copy_out(job, tile, row):
    """job.out[row + s, j] = z, or delta, of unit job.first_unit + j, for the samples s of the tile."""
    inlined()
    values = rows_from(tile, tile.z if job.lowest_delta == NONE else tile.delta, job.first_unit)
    lanes_to_rows(values, job.n_columns, tile.n_samples, Rows(shift(job.out, row * job.n_columns), job.n_columns))


class ChunkInSlot(NamedTuple):
    """A chunk, and the slot of the work space where it is worked on."""

    chunk: int
    n_chunks: int
    slot: int


# What is called through the addresses of a `Space`: `work_on_chunk`, `in_parallel`, and shares.py's `work_by_shares`
CHUNK_WORKER = Slot(Net, Data, Space, Job, Dropout, Step, ChunkInSlot)
PARALLEL_CHUNKS = Slot(Net, Data, Space, Job, Dropout, int, int, int)
SHARE_WORK = Slot(Net, Data, Space, Job, Dropout, Step)


@kernel
def is_one_tile(space, job):
    """Whether a job's samples all fit into one tile, and need not be cut."""
    inlined()
    return n_chunks_of(space, job.n_samples) == 1 and job.n_samples <= space.max_tile


@kernel
def bounds_of_tile(space, job, tile):
    """The bounds of the phases of a tile, or of a thread's part of one."""
    inlined()
    n_registers = tile.width // lanes(tile.z)
    return bounds_of(schedule_of(space), n_registers, job.wants_gradient)


@kernel
def schedule_of(space):
    """All lists of tasks."""
    return ScheduleViews(space.tasks, space.bounds)


def work_on_chunk(net, data, space, job, dropout, step, part):
    """Do the job with the samples of one chunk, a tile at a time.

    The error goes to errors[chunk], the gradient to grads[slot], or grads[slot + 1] if there are several
    chunks. Where one tile holds all samples, the step along its gradient is taken at once.
    """
    start, stop = part_of(job.n_samples, part.chunk, part.n_chunks, lanes(space.z))
    row = part.slot if part.n_chunks == 1 else part.slot + 1
    grad = shift(space.grads, row * space.n_params if job.wants_gradient else 0)
    total = shift(space.errors, part.chunk)
    set_number(total, 0, 0.0)
    n_tiles, n_phases = n_parts_of(stop - start, space.max_tile), n_phases_of(job)
    along = Step(step.taken and is_one_tile(space, job), step.rule, step.learning_rate, step.scale)
    for k in range(n_tiles):
        first, last = part_of(stop - start, k, n_tiles, lanes(space.z))
        tile = tile_of(space, dropout, part.slot, start + first, last - first)
        load_samples(net, data, job.start + start + first, tile, job.wants_error)
        bounds, accumulator = bounds_of_tile(space, job, tile), Accumulator(grad, k > 0, total, 0, ALL)
        tasks = number(bounds, 0), number(bounds, n_phases)
        run_tasks(net, tile, schedule_of(space), tasks, accumulator, along, Share(0, 1))
        if job.n_columns > 0:
            copy_out(job, tile, start + first)


work_on_chunk = entry(work_on_chunk)


@cache
def worker_address(dtype):
    """Address of `work_on_chunk` for numbers of `dtype`."""
    return CHUNK_WORKER.address(work_on_chunk, dtype)


@entry(parallel=True)
def in_parallel(net, data, space, job, dropout, first, n_chunks, n_slots):
    """Chunks first .. first + n_slots - 1, each in a slot and on a thread of its own."""
    for slot in prange(n_slots):
        step = no_step(space.grads, space.errors)  # it is taken when all chunks are done
        CHUNK_WORKER.call(space.worker, net, data, space, job, dropout, step, ChunkInSlot(first + slot, n_chunks, slot))


@for_warm_up()
@cache
def parallel_address(dtype):
    """Address of `in_parallel` for numbers of `dtype`."""
    return PARALLEL_CHUNKS.address(in_parallel, dtype)


@kernel
def work(net, data, space, job, dropout, step):
    """Do a job; returns the error, sum_n weight_n E_n; the gradient is in grads[0]. A step needs a finite error."""
    inlined()
    n_chunks = n_chunks_of(space, job.n_samples)
    if space.sharer != NONE and n_chunks == 1 and job.wants_gradient:
        SHARE_WORK.call(space.sharer, net, data, space, job, dropout, step)
        return number(space.errors, 0)
    if job.lowest_delta != NONE:
        pack_columns(net, space.columns, Share(0, 1))
    for k in range(n_parts_of(n_chunks, space.n_slots)):
        first = k * space.n_slots
        n_slots = min(space.n_slots, n_chunks - first)
        if n_slots == 1:
            CHUNK_WORKER.call(space.worker, net, data, space, job, dropout, step, ChunkInSlot(first, n_chunks, 0))
        else:
            PARALLEL_CHUNKS.call(space.parallel, net, data, space, job, dropout, first, n_chunks, n_slots)
        if job.wants_gradient and n_chunks > 1:
            add_slots(space, n_slots, first == 0)
    error = 0.0
    for chunk in range(n_chunks):
        error += number(space.errors, chunk)
    if step.taken and not is_one_tile(space, job) and np.isfinite(error):
        take_step(net.params, space.grads, step)
    return error


@kernel
def add_slots(space, n_slots, begin):
    """Add the slots' gradients to grads[0] in their order; the first one of all begins it."""
    for slot in range(n_slots):
        grad = shift(space.grads, (slot + 1) * space.n_params)
        for p in range(0, space.n_params, lanes(grad)):
            if begin and slot == 0:
                store(space.grads, p, load(grad, p))
            else:
                store(space.grads, p, load(space.grads, p) + load(grad, p))


@entry
def run_job(packed, samples, memory, wanted, first_unit, out):
    """Do a job with all samples; z of units from `first_unit` on, or delta if that is wanted, goes to `out`."""
    space, data = space_of(memory), data_of(samples)
    dropout = no_dropout(space.z, space.errors, data.order)
    n_columns = out.shape[1] if wanted.numbers else 0
    job = Job(wanted.error, wanted.lowest_delta, wanted.gradient, 0, len(samples.x), first_unit, n_columns, view(out))
    return work(net_of(packed), data, space, job, dropout, no_step(space.grads, space.errors))
