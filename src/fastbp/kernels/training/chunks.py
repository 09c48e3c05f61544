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

from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import Step, no_step, take_step
from fastbp.kernels.many_samples.gather import (
    Data,
    Dropout,
    Tile,
    dropout_from,
    lanes_to_rows,
    load_samples,
    no_dropout,
    transpose_layers,
)  # fmt: skip
from fastbp.kernels.many_samples.gradients import Sink, gradient
from fastbp.kernels.many_samples.passes import backward, forward, output_delta, pack_columns
from fastbp.kernels.many_samples.stripes import Share, bytes_of_row, n_parts_of, rows_from
from fastbp.kernels.many_samples.weighted_sums import Rows, bytes_of_rows
from fastbp.kernels.registers.lanes import (
    Doubles,
    Integers,
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
from fastbp.kernels.tuning import FEWEST_AT_ONCE, MOST_AT_ONCE, REGISTERS_OF_LINE, WIDEST_AT_ONCE

# What to do with the samples of a chunk
FORWARD, ERROR, DELTA, INPUT_DELTA, GRADIENT, STEP = range(6)  # from DELTA on with the delta recursion


class Samples(NamedTuple):
    """The user's arrays: C-contiguous, of the network's dtype. Empty arrays stand for what is not there."""

    x: np.ndarray  # (n_samples, n_inputs)
    t: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,) or empty
    order: np.ndarray  # (n_samples,) int64 or empty: the n-th sample is row order[n]


class Memory(NamedTuple):
    """Work space: a row of each array, unless it is shared, for each slot. See `Tile`; `engine.py` has the sizes."""

    a: np.ndarray
    z: np.ndarray
    delta: np.ndarray
    t: np.ndarray
    weight: np.ndarray
    by_sample: np.ndarray
    columns: np.ndarray  # (n,), shared
    constants: np.ndarray  # (2 registers,), shared: see `Tile`
    order: np.ndarray  # int64, as many numbers as `weight`
    grads: np.ndarray  # (n_slots, one more if there are several chunks; n_params filled up)
    errors: np.ndarray  # (n_chunks_max,) float64
    plan: np.ndarray  # see below


# What `Memory.plan` holds: most samples in a tile; fewest in a chunk; chunks at a time; threads; and addresses: of
# `work_on_chunk`; for chunks on several threads, of `in_parallel`; for one chunk, of `work_by_shares` and of the two
# functions that it calls; or NONE
TILE, CHUNK, SLOTS, THREADS, WORKER, PARALLEL, SHARER, SHARE_WORKER, SHARES_PARALLEL = range(9)


class Space(NamedTuple):
    """A `Memory` as views, with the lengths of its rows."""

    a: Numbers
    z: Numbers
    delta: Numbers
    t: Numbers
    weight: Numbers
    by_sample: Numbers
    columns: Numbers
    constants: Numbers
    order: Integers
    grads: Numbers
    errors: Doubles
    n_z: int
    n_t: int
    n_weight: int
    n_by_sample: int
    n_params: int
    n_chunks_max: int
    max_tile: int
    min_chunk: int
    n_slots: int
    n_threads: int
    worker: int
    parallel: int
    sharer: int
    share_worker: int
    shares_parallel: int


class Job(NamedTuple):
    """What to do with which samples."""

    kind: int  # FORWARD: z to `out`; DELTA, INPUT_DELTA: delta to `out`; ERROR; GRADIENT: with the error as well
    start: int
    n_samples: int
    first_unit: int  # of those that go to `out`
    n_columns: int
    out: Numbers  # (n_samples, n_columns)


@kernel
def data_of(samples):
    """The views of the samples."""
    return Data(
        view(samples.x), view(samples.t), view(samples.weight), view(samples.order),
        samples.x.shape[1], samples.t.shape[1], samples.weight.size > 0, samples.order.size,
    )  # fmt: skip


@kernel
def space_of(memory):
    """The views of the work space."""
    plan = memory.plan
    return Space(
        view(memory.a), view(memory.z), view(memory.delta), view(memory.t), view(memory.weight),
        view(memory.by_sample), view(memory.columns), view(memory.constants), view(memory.order), view(memory.grads),
        view(memory.errors),
        memory.z.shape[1], memory.t.shape[1], memory.weight.shape[1], memory.by_sample.shape[1],
        memory.grads.shape[1], memory.errors.size,
        plan[TILE], plan[CHUNK], plan[SLOTS], plan[THREADS], plan[WORKER], plan[PARALLEL], plan[SHARER],
        plan[SHARE_WORKER], plan[SHARES_PARALLEL],
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
    z, step = slot * space.n_z, lanes(space.z)
    n_registers = (n_samples + step - 1) // step
    first, last = part_of(n_samples, share.index, share.n_shares, step)
    z_first, t_first, width = z + first, slot * space.n_t + first, (last - first + step - 1) // step * step
    return Tile(
        shift(space.a, z_first), shift(space.z, z_first), shift(space.delta, z_first), shift(space.t, t_first),
        shift(space.weight, slot * space.n_weight + first), shift(space.by_sample, slot * space.n_by_sample),
        space.columns, space.constants, shift(space.order, slot * space.n_weight + first), last - first, width,
        stride_of(n_registers) * step, dropout_from(dropout, start + first, z_first), first, n_registers * step,
    )  # fmt: skip


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
    n_registers = (n + step - 1) // step
    return k * n_registers // n_parts * step, min((k + 1) * n_registers // n_parts * step, n)


@kernel
def copy_out(net, job, tile, row):
    """job.out[row + s, j] = z, or delta, of unit job.first_unit + j, for the samples s of the tile."""
    inlined()
    values = rows_from(tile, tile.z if job.kind == FORWARD else tile.delta, job.first_unit)
    lanes_to_rows(values, job.n_columns, tile.n_samples, Rows(shift(job.out, row * job.n_columns), job.n_columns))


class Part(NamedTuple):
    """A chunk, and the slot of the work space where it is worked on."""

    chunk: int
    n_chunks: int
    slot: int


# What is called through the addresses of a `Space`: `work_on_chunk`, `in_parallel`, and shares.py's `work_by_shares`
CHUNK_WORKER = Slot(Net, Data, Space, Job, Dropout, Step, Part)
PARALLEL_CHUNKS = Slot(Net, Data, Space, Job, Dropout, int, int, int)
SHARE_WORK = Slot(Net, Data, Space, Job, Dropout, Step)


@kernel
def is_one_tile(space, job):
    """Whether a job's samples all fit into one tile, and need not be cut."""
    inlined()
    return n_chunks_of(space, job.n_samples) == 1 and job.n_samples <= space.max_tile


@kernel
def pass_through(net, tile, job, total, sink):
    """Forward pass and delta recursion, as the job needs them; where the gradient is wanted, the copies it needs."""
    inlined()
    forward(net, tile)
    if job.kind != FORWARD:
        output_delta(net, tile, total)
    if job.kind >= GRADIENT:
        transpose_layers(net, tile)
    if job.kind >= DELTA:
        backward(net, tile, 0 if job.kind == INPUT_DELTA else 1, sink)


@kernel
def is_at_once(net, space, tile):
    """Whether the gradient goes along with the delta recursion."""
    leaves_cache = bytes_of_rows(tile.z, net.n_units, tile.stride) >= FEWEST_AT_ONCE
    return leaves_cache and bytes_of_row(tile) <= WIDEST_AT_ONCE and space.n_params <= MOST_AT_ONCE


def work_on_chunk(net, data, space, job, dropout, step, part):
    """Do the job with the samples of one chunk, a tile at a time.

    The error goes to errors[chunk], the gradient to grads[slot], or grads[slot + 1] if there are several
    chunks. Where one tile holds all samples, the step along its gradient is taken at once.
    """
    start, stop = part_of(job.n_samples, part.chunk, part.n_chunks, lanes(space.z))
    wants_gradient = job.kind >= GRADIENT
    row = part.slot if part.n_chunks == 1 else part.slot + 1
    grad = shift(space.grads, row * space.n_params if wants_gradient else 0)
    total = shift(space.errors, part.chunk)
    set_number(total, 0, 0.0)
    n_tiles = n_parts_of(stop - start, space.max_tile)
    for k in range(n_tiles):
        first, last = part_of(stop - start, k, n_tiles, lanes(space.z))
        tile = tile_of(space, dropout, part.slot, start + first, last - first)
        load_samples(net, data, job.start + start + first, tile, job.kind != FORWARD)
        sink = Sink(wants_gradient and is_at_once(net, space, tile), grad, k > 0)
        pass_through(net, tile, job, total, sink)
        if not wants_gradient and job.kind != ERROR:
            copy_out(net, job, tile, start + first)
        if wants_gradient:
            taken = step.taken and is_one_tile(space, job) and np.isfinite(number(total, 0))
            along = Step(taken, step.rule, step.learning_rate, step.scale)
            gradient(net, tile, sink, along, Share(0, 1))


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
        CHUNK_WORKER.call(space.worker, net, data, space, job, dropout, step, Part(first + slot, n_chunks, slot))


@cache
def parallel_address(dtype):
    """Address of `in_parallel` for numbers of `dtype`."""
    return PARALLEL_CHUNKS.address(in_parallel, dtype)


@kernel
def work(net, data, space, job, dropout, step):
    """Do a job; returns the error, sum_n weight_n E_n; the gradient is in grads[0]. A step needs a finite error."""
    inlined()
    n_chunks = n_chunks_of(space, job.n_samples)
    if space.sharer != NONE and n_chunks == 1 and job.kind >= GRADIENT:
        SHARE_WORK.call(space.sharer, net, data, space, job, dropout, step)
        return number(space.errors, 0)
    if job.kind >= DELTA:
        pack_columns(net, space.columns, Share(0, 1))
    for k in range(n_parts_of(n_chunks, space.n_slots)):
        first = k * space.n_slots
        n_slots = min(space.n_slots, n_chunks - first)
        if n_slots == 1:
            CHUNK_WORKER.call(space.worker, net, data, space, job, dropout, step, Part(first, n_chunks, 0))
        else:
            PARALLEL_CHUNKS.call(space.parallel, net, data, space, job, dropout, first, n_chunks, n_slots)
        if job.kind >= GRADIENT and n_chunks > 1:
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
def run_job(packed, samples, memory, kind, first_unit, out):
    """Do a job with all samples, and copy what it wants of units from `first_unit` on to `out`."""
    space, data = space_of(memory), data_of(samples)
    dropout = no_dropout(space.z, space.errors, data.order)
    job = Job(kind, 0, len(samples.x), first_unit, out.shape[1], view(out))
    return work(net_of(packed), data, space, job, dropout, no_step(space.grads, space.errors))
