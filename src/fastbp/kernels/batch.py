"""The sum over training samples, in parallel, and always in the same order.

The samples of a batch are cut into chunks, by their number and the network's size alone. Each chunk
adds up a gradient of its own, a group of tiles at a time; the chunks' gradients are added in order. So
the bits of the result do not depend on the number of threads.

What is done with a chunk, `work_on_chunk`, is compiled once for each dtype, and called through its
address by whatever loops over chunks: the engine is not compiled anew into each of them.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling import address_of, by_address, entry, kernel
from fastbp.kernels.gather import Data, Tiles, lanes_to_rows, load_samples
from fastbp.kernels.lanes import Doubles, Numbers, lanes, load, number, set_number, shift, store, view
from fastbp.kernels.packed import Net, net_of
from fastbp.kernels.passes import add_gradient, backward, forward, output_delta, transpose_layers, unit

# What to do with the samples of a chunk
FORWARD, DELTA, ERROR, GRADIENT = range(4)


class Samples(NamedTuple):
    """The user's arrays: C-contiguous, of the network's dtype. Empty arrays stand for what is not there."""

    x: np.ndarray  # (n_samples, n_inputs)
    t: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,) or empty
    order: np.ndarray  # (n_samples,) int64 or empty: the n-th sample is row order[n]


class Memory(NamedTuple):
    """Work space: one row of each array for each chunk. See `Tiles`, and `workspace.py` for the sizes."""

    a: np.ndarray
    z: np.ndarray
    delta: np.ndarray
    t: np.ndarray
    weight: np.ndarray
    transposed: np.ndarray
    grads: np.ndarray  # (n_chunks_max, n_params, filled up to whole registers)
    errors: np.ndarray  # (n_chunks_max,) float64
    plan: np.ndarray  # (5,) int64: see below


# What `Memory.plan` holds: samples in a tile, in a group of tiles, the fewest in a chunk; 1 to use no
# threads; the address of `work_on_chunk`
WIDTH, GROUP, CHUNK, SERIAL, ADDRESS = range(5)


class Space(NamedTuple):
    """A `Memory` as views, with the lengths of its rows."""

    a: Numbers
    z: Numbers
    delta: Numbers
    t: Numbers
    weight: Numbers
    transposed: Numbers
    grads: Numbers
    errors: Doubles
    n_z: int
    n_t: int
    n_weight: int
    n_transposed: int
    n_params: int
    n_chunks_max: int
    width: int
    group: int
    min_chunk: int
    serial: bool
    address: int


class Job(NamedTuple):
    """What to do with which samples."""

    kind: int  # FORWARD: z to `out`; DELTA: delta to `out`; ERROR; GRADIENT: with the error as well
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
        samples.x.shape[1], samples.t.shape[1], samples.weight.size > 0, samples.order.size > 0,
    )  # fmt: skip


@kernel
def space_of(memory):
    """The views of the work space."""
    plan = memory.plan
    return Space(
        view(memory.a), view(memory.z), view(memory.delta), view(memory.t), view(memory.weight),
        view(memory.transposed), view(memory.grads), view(memory.errors),
        memory.z.shape[1], memory.t.shape[1], memory.weight.shape[1], memory.transposed.shape[1], memory.grads.shape[1],
        memory.errors.size, plan[WIDTH], plan[GROUP], plan[CHUNK], plan[SERIAL] != 0, plan[ADDRESS],
    )  # fmt: skip


@kernel
def tiles_of(space, chunk, n_samples):
    """The tiles of a chunk, for the next `n_samples` samples."""
    z = chunk * space.n_z
    return Tiles(
        shift(space.a, z), shift(space.z, z), shift(space.delta, z), shift(space.t, chunk * space.n_t),
        shift(space.weight, chunk * space.n_weight), shift(space.transposed, chunk * space.n_transposed),
        space.group, n_samples, space.width,
    )  # fmt: skip


@kernel
def n_chunks_of(space, n_samples):
    """Number of chunks: by the number of samples, never by the number of threads."""
    return max(1, min(space.n_chunks_max, n_samples // space.min_chunk))


@kernel
def chunk_bounds(space, job, chunk, n_chunks):
    """First sample of a chunk, and that of the next: chunks are as even as whole tiles allow."""
    n_tiles = (job.n_samples + space.width - 1) // space.width
    first = chunk * n_tiles // n_chunks * space.width
    stop = (chunk + 1) * n_tiles // n_chunks * space.width
    return job.start + first, job.start + min(stop, job.n_samples)


@kernel
def copy_out(net, job, tiles, k, row):
    """job.out[row + s, j] = z, or delta, of unit job.first_unit + j, for the samples s of tile k."""
    values = tiles.z if job.kind == FORWARD else tiles.delta
    n_rows = min(tiles.width, tiles.n_samples - k * tiles.width)
    rows = shift(job.out, (row + k * tiles.width) * job.n_columns)
    units = unit(net, tiles, k, values, job.first_unit)
    lanes_to_rows(units, job.n_columns, tiles.width, n_rows, rows, job.n_columns)


def work_on_chunk(net, data, space, job, chunk, n_chunks):
    """Do the job with the samples of one chunk, a group of tiles at a time.

    The error goes to errors[chunk], the gradient is added to grads[chunk].
    """
    error = 0.0
    start, stop = chunk_bounds(space, job, chunk, n_chunks)
    while start < stop:
        tiles = tiles_of(space, chunk, min(space.group, stop - start))
        load_samples(net, data, start, tiles, job.kind != FORWARD)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            forward(net, tiles, k)
            if job.kind != FORWARD:
                error += output_delta(net, tiles, k)
            if job.kind in (DELTA, GRADIENT):
                backward(net, tiles, k)
            if job.kind in (FORWARD, DELTA):
                copy_out(net, job, tiles, k, start)
        if job.kind == GRADIENT:
            transpose_layers(net, tiles)
            add_gradient(net, tiles, shift(space.grads, chunk * space.n_params))
        start += tiles.n_samples
    set_number(space.errors, chunk, error)


work_on_chunk, call_worker = by_address(work_on_chunk)


@cache
def worker_address(dtype):
    """Address of `work_on_chunk` for numbers of `dtype`."""
    return address_of(work_on_chunk, dtype, (Net, Data, Space, Job, int, int))


@entry(parallel=True)
def in_parallel(net, data, space, job, n_chunks):
    """All chunks, on as many threads as Numba is set to use."""
    for chunk in prange(n_chunks):
        call_worker(space.address, net, data, space, job, chunk, n_chunks)


@kernel
def work(net, data, space, job):
    """Do a job; returns the error, sum_n weight_n E_n. The gradient is in grads[0]."""
    n_chunks = n_chunks_of(space, job.n_samples)
    if job.kind == GRADIENT:
        for p in range(0, n_chunks * space.n_params, lanes(space.grads)):
            store(space.grads, p, 0.0)
    if n_chunks == 1 or space.serial:
        for chunk in range(n_chunks):
            call_worker(space.address, net, data, space, job, chunk, n_chunks)
    else:
        in_parallel(net, data, space, job, n_chunks)
    if job.kind == GRADIENT:
        add_chunks(space, n_chunks)
    error = 0.0
    for chunk in range(n_chunks):
        error += number(space.errors, chunk)
    return error


@kernel
def add_chunks(space, n_chunks):
    """grads[0] = sum of grads[c], c = 0, 1, 2 ... in this order."""
    for chunk in range(1, n_chunks):
        grad = shift(space.grads, chunk * space.n_params)
        for p in range(0, space.n_params, lanes(grad)):
            store(space.grads, p, load(space.grads, p) + load(grad, p))


@entry
def run_job(packed, samples, memory, kind, first_unit, out):
    """Do a job with all samples, and copy what it wants of units from `first_unit` on to `out`."""
    job = Job(kind, 0, len(samples.x), first_unit, out.shape[1], view(out))
    return work(net_of(packed), data_of(samples), space_of(memory), job)
