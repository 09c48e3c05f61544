"""The sum over training samples, in parallel, and always in the same order.

The samples of a batch are cut into chunks, by their number and the network's size alone. Each chunk
adds up a gradient of its own, a group of tiles at a time; the chunks' gradients are added in order. So
the bits of the result do not depend on the number of threads.

What is done with a chunk, `work_on_chunk`, is compiled once for each dtype, and called through its
address by whatever loops over chunks: the engine is not compiled anew into each of them.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling import JIT_DISABLED, by_address, entry, kernel
from fastbp.kernels.gather import Data, Tiles, lanes_to_rows, load_samples
from fastbp.kernels.lanes import lanes, load, shift, store, view
from fastbp.kernels.packed import net_of
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


class Job(NamedTuple):
    """What to do with which samples."""

    kind: int  # FORWARD: z to `out`; DELTA: delta to `out`; ERROR; GRADIENT: with the error as well
    start: int
    n_samples: int
    first_unit: int  # of those that go to `out`
    out: np.ndarray  # (n_samples, n_columns)


@kernel
def data_of(samples):
    """The views of the samples."""
    return Data(
        view(samples.x), view(samples.t), view(samples.weight), view(samples.order),
        samples.x.shape[1], samples.t.shape[1], samples.weight.size > 0, samples.order.size > 0,
    )  # fmt: skip


@kernel
def row_of(array, chunk):
    """Row `chunk` of a 2-D array as a view. (An array of its own would be counted: 1 us for all of them.)"""
    return shift(view(array), chunk * array.shape[1])


@kernel
def tiles_of(memory, chunk, n_samples):
    """The tiles of a chunk, for the next `n_samples` samples."""
    return Tiles(
        row_of(memory.a, chunk), row_of(memory.z, chunk), row_of(memory.delta, chunk), row_of(memory.t, chunk),
        row_of(memory.weight, chunk), row_of(memory.transposed, chunk),
        memory.plan[GROUP], n_samples, memory.plan[WIDTH],
    )  # fmt: skip


@kernel
def n_chunks_of(memory, n_samples):
    """Number of chunks: by the number of samples, never by the number of threads."""
    return max(1, min(memory.errors.size, n_samples // memory.plan[CHUNK]))


@kernel
def chunk_bounds(memory, job, chunk, n_chunks):
    """First sample of a chunk, and that of the next: chunks are as even as whole tiles allow."""
    n_tiles = (job.n_samples + memory.plan[WIDTH] - 1) // memory.plan[WIDTH]
    first = chunk * n_tiles // n_chunks * memory.plan[WIDTH]
    stop = (chunk + 1) * n_tiles // n_chunks * memory.plan[WIDTH]
    return job.start + first, job.start + min(stop, job.n_samples)


@kernel
def copy_out(net, job, tiles, k, row):
    """job.out[row + s, j] = z, or delta, of unit job.first_unit + j, for the samples s of tile k."""
    n_columns = job.out.shape[1]
    values = tiles.z if job.kind == FORWARD else tiles.delta
    n_rows = min(tiles.width, tiles.n_samples - k * tiles.width)
    rows = shift(view(job.out), (row + k * tiles.width) * n_columns)
    lanes_to_rows(unit(net, tiles, k, values, job.first_unit), n_columns, tiles.width, n_rows, rows, n_columns)


def work_on_chunk(packed, samples, memory, job, chunk, n_chunks):
    """Do the job with the samples of one chunk, a group of tiles at a time.

    The error goes to memory.errors[chunk], the gradient to memory.grads[chunk].
    """
    net, data, error = net_of(packed), data_of(samples), 0.0
    start, stop = chunk_bounds(memory, job, chunk, n_chunks)
    while start < stop:
        tiles = tiles_of(memory, chunk, min(memory.plan[GROUP], stop - start))
        load_samples(net, data, start, tiles, job.kind != FORWARD)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            forward(net, tiles, k)
            if job.kind != FORWARD:
                error += output_delta(net, tiles, k)
            if job.kind == DELTA or job.kind == GRADIENT:
                backward(net, tiles, k)
            if job.kind == FORWARD or job.kind == DELTA:
                copy_out(net, job, tiles, k, start)
        if job.kind == GRADIENT:
            transpose_layers(net, tiles)
            add_gradient(net, tiles, row_of(memory.grads, chunk))
        start += tiles.n_samples
    memory.errors[chunk] = error


work_on_chunk, call_worker = by_address(work_on_chunk)


@entry(parallel=True)
def in_parallel(packed, samples, memory, job, n_chunks):
    """All chunks, on as many threads as Numba is set to use."""
    for chunk in prange(n_chunks):
        call_worker(memory.plan[ADDRESS], packed, samples, memory, job, chunk, n_chunks)


@entry
def work(packed, samples, memory, job):
    """Do a job; returns the error, sum_n weight_n E_n. The gradient is in memory.grads[0]."""
    n_chunks = n_chunks_of(memory, job.n_samples)
    if job.kind == GRADIENT:
        clear(memory.grads, n_chunks)
    if n_chunks == 1 or memory.plan[SERIAL]:
        for chunk in range(n_chunks):
            call_worker(memory.plan[ADDRESS], packed, samples, memory, job, chunk, n_chunks)
    else:
        in_parallel(packed, samples, memory, job, n_chunks)
    if job.kind == GRADIENT:
        add_chunks(memory.grads, n_chunks)
    error = 0.0
    for chunk in range(n_chunks):
        error += memory.errors[chunk]
    return error


@kernel
def clear(grads, n_chunks):
    """grads[:n_chunks] = 0."""
    all_grads = view(grads)
    for p in range(0, n_chunks * grads.shape[1], lanes(all_grads)):
        store(all_grads, p, 0.0)


@kernel
def add_chunks(grads, n_chunks):
    """grads[0] = sum of grads[c], c = 0, 1, 2 ... in this order."""
    for chunk in range(1, n_chunks):
        total, grad = row_of(grads, 0), row_of(grads, chunk)
        for p in range(0, grads.shape[1], lanes(total)):
            store(total, p, load(total, p) + load(grad, p))
