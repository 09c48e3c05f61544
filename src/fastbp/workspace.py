"""Work space of the kernels: how many samples at a time, in how many chunks, in which arrays.

All of it follows from shapes alone, so that results do not depend on the number of threads.
"""

import numpy as np

from fastbp import threads
from fastbp.checks import Array
from fastbp.kernels.activation import NEEDS_A
from fastbp.kernels.batch import GRADIENT, Memory, Samples, run_job, worker_address
from fastbp.kernels.loss import CROSS_ENTROPY, POISSON
from fastbp.kernels.machine import TILE_REGISTERS, lanes_of, tile_width
from fastbp.kernels.packed import FUNCTION, Packed
from fastbp.topology import Topology

ALIGNMENT = 64  # bytes: a 512-bit load that crosses a cache line is two loads
MAX_CHUNKS = 16  # threads beyond this number find nothing to do
MAX_TILES = 8  # of a group: more gain nothing
GROUP_BYTES = 6 << 20  # of a group's tiles: about what the caches of a core hold

# A chunk is worth a thread from about 30 us of work on. Its own gradient is cleared and added once, so a
# network of many parameters wants many samples in it.
MIN_CHUNK_PRODUCTS = 1 << 20
SMALL_N_PARAMS, MIN_CHUNK_SAMPLES = 1 << 17, 512


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Zeros whose first number stands at the start of a cache line."""
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    buffer = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def filled_up(n: int, dtype: np.dtype) -> int:
    """n, rounded up to whole cache lines."""
    step = ALIGNMENT // dtype.itemsize
    return (n + step - 1) // step * step


def make_memory(topology: Topology, packed: Packed, n_samples: int, *, with_gradient: bool = True) -> Memory:
    """Work space for batches of up to `n_samples` samples."""
    dtype = packed.params.dtype
    width = min(tile_width(dtype), -(-n_samples // lanes_of(dtype)) * lanes_of(dtype))
    n_panels = topology.n_panels(dtype)
    tile_bytes = width * dtype.itemsize * (3 * topology.n_units + n_panels * TILE_REGISTERS * lanes_of(dtype))
    n_tiles = max(1, min(MAX_TILES, -(-n_samples // width), GROUP_BYTES // tile_bytes))
    min_samples = max(1, MIN_CHUNK_PRODUCTS // max(1, topology.n_weights), 2 * width)
    if topology.n_params > SMALL_N_PARAMS:
        min_samples = max(min_samples, MIN_CHUNK_SAMPLES)
    n_chunks = max(1, min(MAX_CHUNKS, n_samples // min_samples))

    def rows(n: int) -> Array:
        return aligned_zeros((n_chunks, filled_up(n, dtype)), dtype)

    z = rows(n_tiles * topology.n_units * width)
    functions = packed.layers[1:, FUNCTION].tolist()
    keeps_a = any(f in NEEDS_A for f in functions) or CROSS_ENTROPY <= packed.loss <= POISSON
    return Memory(
        a=rows(n_tiles * topology.n_units * width) if keeps_a else z,
        z=z,
        delta=rows(n_tiles * topology.n_units * width),
        t=rows(n_tiles * topology.sizes[-1] * width),
        weight=rows(n_tiles * width),
        transposed=rows(n_panels * n_tiles * width * TILE_REGISTERS * lanes_of(dtype)),
        grads=aligned_zeros((n_chunks if with_gradient else 0, packed.params.size), dtype),
        errors=np.zeros(n_chunks),
        plan=np.array([width, n_tiles * width, min_samples, 1, worker_address(dtype)], np.int64),
    )


def run(
    packed: Packed, topology: Topology, samples: Samples, kind: int, first_unit: int = 0, out: Array | None = None,
    n_threads: int | None = None,
) -> tuple[float, Memory]:  # fmt: skip
    """Do one job with all samples: (error, memory with the gradient)."""
    memory = make_memory(topology, packed, len(samples.x), with_gradient=kind == GRADIENT)
    with threads.limit(n_threads, memory):
        error = run_job(packed, samples, memory, kind, first_unit, samples.x if out is None else out)
    return float(error), memory
