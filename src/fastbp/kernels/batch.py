"""The sum over training samples, in parallel, and always in the same order.

The samples are cut into chunks, by their number and the network's size alone. Each chunk adds up a
gradient of its own, a group of tiles at a time; the chunks' gradients are added in order. So the bits
of the result do not depend on the number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling import entry, kernel
from fastbp.kernels.gather import Data, Tiles, lanes_to_rows, load_samples
from fastbp.kernels.lanes import lanes, load, shift, store, view
from fastbp.kernels.packed import net_of
from fastbp.kernels.passes import add_gradient, backward, forward, output_delta, transpose_layers, unit


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
    plan: np.ndarray  # (4,) int64: see below


# What `Memory.plan` holds: samples in a tile, in a group of tiles, the fewest in a chunk; 1 to use no threads
WIDTH, GROUP, CHUNK, SERIAL = range(4)


@kernel
def data_of(samples):
    """The views of the samples."""
    return Data(
        view(samples.x), view(samples.t), view(samples.weight), view(samples.order),
        samples.x.shape[1], samples.t.shape[1], samples.weight.size > 0, samples.order.size > 0,
    )  # fmt: skip


@kernel
def tiles_of(memory, chunk, n_samples):
    """The tiles of a chunk, for the next `n_samples` samples."""
    width = memory.plan[WIDTH]
    return Tiles(
        view(memory.a[chunk]), view(memory.z[chunk]), view(memory.delta[chunk]), view(memory.t[chunk]),
        view(memory.weight[chunk]), view(memory.transposed[chunk]), memory.plan[GROUP], n_samples, width,
    )  # fmt: skip


@kernel
def n_chunks_of(memory, n_samples):
    """Number of chunks: by the number of samples, never by the number of threads."""
    return max(1, min(memory.errors.size, n_samples // memory.plan[CHUNK]))


@kernel
def chunk_bounds(memory, chunk, n_chunks, n_samples):
    """First sample of a chunk, and that of the next: chunks are as even as whole tiles allow."""
    n_tiles = (n_samples + memory.plan[WIDTH] - 1) // memory.plan[WIDTH]
    first = chunk * n_tiles // n_chunks * memory.plan[WIDTH]
    stop = (chunk + 1) * n_tiles // n_chunks * memory.plan[WIDTH]
    return first, min(stop, n_samples)


@kernel
def chunk_gradient(packed, samples, batch, memory, chunk, n_chunks):
    """memory.grads[chunk] = dE/dparams of the chunk's samples, memory.errors[chunk] = their error.

    batch: the first sample of the batch, and how many there are.
    """
    net, data, grad = net_of(packed), data_of(samples), view(memory.grads[chunk])
    memory.grads[chunk, :] = 0.0
    memory.errors[chunk] = 0.0
    first, stop = chunk_bounds(memory, chunk, n_chunks, batch[1])
    for start in range(batch[0] + first, batch[0] + stop, memory.plan[GROUP]):
        tiles = tiles_of(memory, chunk, min(memory.plan[GROUP], batch[0] + stop - start))
        load_samples(net, data, start, tiles, True)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            forward(net, tiles, k)
            memory.errors[chunk] += output_delta(net, tiles, k)
            backward(net, tiles, k)
        transpose_layers(net, tiles)
        add_gradient(net, tiles, grad)


@kernel(parallel=True)
def batch_gradient(packed, samples, batch, memory):
    """memory.grads[0] = dE/dparams of batch[1] samples from number batch[0] on; returns E."""
    n_chunks = n_chunks_of(memory, batch[1])
    if n_chunks == 1 or memory.plan[SERIAL]:
        for chunk in range(n_chunks):
            chunk_gradient(packed, samples, batch, memory, chunk, n_chunks)
    else:
        for chunk in prange(n_chunks):
            chunk_gradient(packed, samples, batch, memory, chunk, n_chunks)
    add_chunks(memory.grads, n_chunks)
    return memory.errors[:n_chunks].sum()


@kernel
def add_chunks(grads, n_chunks):
    """grads[0] = sum of grads[c], c = 0, 1, 2 ... in this order."""
    for chunk in range(1, n_chunks):
        total, grad = view(grads[0]), view(grads[chunk])
        for p in range(0, grads.shape[1], lanes(total)):
            store(total, p, load(total, p) + load(grad, p))


@entry
def gradient(packed, samples, memory):
    """memory.grads[0] = dE/dparams of all samples; returns E = sum_n weight_n E_n."""
    return batch_gradient(packed, samples, (0, len(samples.x)), memory)


@kernel
def chunk_error(packed, samples, memory, chunk, n_chunks):
    """memory.errors[chunk] = sum_n weight_n E_n of the chunk's samples."""
    net, data = net_of(packed), data_of(samples)
    memory.errors[chunk] = 0.0
    first, stop = chunk_bounds(memory, chunk, n_chunks, len(samples.x))
    for start in range(first, stop, memory.plan[GROUP]):
        tiles = tiles_of(memory, chunk, min(memory.plan[GROUP], stop - start))
        load_samples(net, data, start, tiles, True)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            forward(net, tiles, k)
            memory.errors[chunk] += output_delta(net, tiles, k)


@entry(parallel=True)
def total_error(packed, samples, memory):
    """E = sum_n weight_n E_n of all samples."""
    n_chunks = n_chunks_of(memory, len(samples.x))
    if n_chunks == 1 or memory.plan[SERIAL]:
        for chunk in range(n_chunks):
            chunk_error(packed, samples, memory, chunk, n_chunks)
    else:
        for chunk in prange(n_chunks):
            chunk_error(packed, samples, memory, chunk, n_chunks)
    return memory.errors[:n_chunks].sum()


@kernel
def chunk_values(packed, samples, memory, wanted, chunk, n_chunks):
    """`unit_values` of the chunk's samples. wanted: (first_unit, with_delta, out)."""
    net, data = net_of(packed), data_of(samples)
    first_unit, with_delta, out = wanted
    n_columns = out.shape[1]
    first, stop = chunk_bounds(memory, chunk, n_chunks, len(samples.x))
    for start in range(first, stop, memory.plan[GROUP]):
        tiles = tiles_of(memory, chunk, min(memory.plan[GROUP], stop - start))
        load_samples(net, data, start, tiles, with_delta)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            forward(net, tiles, k)
            values = tiles.z
            if with_delta:
                output_delta(net, tiles, k)
                backward(net, tiles, k)
                values = tiles.delta
            n_rows = min(tiles.width, tiles.n_samples - k * tiles.width)
            rows = shift(view(out), (start + k * tiles.width) * n_columns)
            lanes_to_rows(unit(net, tiles, k, values, first_unit), n_columns, tiles.width, n_rows, rows, n_columns)


@entry(parallel=True)
def unit_values(packed, samples, memory, first_unit, with_delta, out):
    """out[n, j] = z, or delta with `with_delta`, of unit first_unit + j and sample n."""
    n_chunks = n_chunks_of(memory, len(samples.x))
    wanted = (first_unit, with_delta, out)
    if n_chunks == 1 or memory.plan[SERIAL]:
        for chunk in range(n_chunks):
            chunk_values(packed, samples, memory, wanted, chunk, n_chunks)
    else:
        for chunk in prange(n_chunks):
            chunk_values(packed, samples, memory, wanted, chunk, n_chunks)
