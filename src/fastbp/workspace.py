"""Work space of the kernels: how many samples at a time, in how many chunks, in which arrays.

All of it follows from shapes alone, so that results do not depend on the number of threads.
"""

import numpy as np

from fastbp import threads
from fastbp.checks import Array
from fastbp.kernels.activation import NEEDS_A
from fastbp.kernels.batch import GRADIENT, Memory, Samples, run_job, worker_address
from fastbp.kernels.loss import CROSS_ENTROPY, POISSON
from fastbp.kernels.machine import lanes_of, tile_width
from fastbp.kernels.packed import FUNCTION, Packed
from fastbp.topology import Topology

KEPT_BYTES = 1 << 20  # up to which a work space is kept
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


class Workspace:
    """Makes the work space of one network, and runs jobs in it.

    The work space of the last job is kept, if small, for the next one of that size: to make it takes longer
    than a small network's arithmetic. It is taken away while in use, so threads do not share it.
    """

    def __init__(self, topology: Topology, packed: Packed) -> None:
        self._packed, self._topology = packed, topology
        self._dtype = packed.params.dtype
        self._n_transposed = topology.n_panels(self._dtype) * int(tile_width(self._dtype))  # numbers for a sample
        functions = packed.layers[1:, FUNCTION].tolist()
        self._keeps_a = any(f in NEEDS_A for f in functions) or CROSS_ENTROPY <= packed.loss <= POISSON
        self._kept: list[tuple[tuple[int, bool], Memory]] = []

    def _min_chunk(self, width: int) -> int:
        """Fewest samples in a chunk."""
        topology = self._topology
        fewest = max(1, MIN_CHUNK_PRODUCTS // max(1, topology.n_weights), 2 * width)
        return fewest if topology.n_params <= SMALL_N_PARAMS else max(fewest, MIN_CHUNK_SAMPLES)

    def memory(self, n_samples: int, *, with_gradient: bool = True) -> Memory:
        """Work space for batches of up to `n_samples` samples."""
        topology, dtype = self._topology, self._dtype
        width = min(int(tile_width(dtype)), -(-n_samples // lanes_of(dtype)) * lanes_of(dtype))
        tile_bytes = width * dtype.itemsize * (3 * topology.n_units + self._n_transposed)
        n_tiles = max(1, min(MAX_TILES, -(-n_samples // width), GROUP_BYTES // tile_bytes))
        group, min_chunk = n_tiles * width, self._min_chunk(width)
        n_chunks = max(1, min(MAX_CHUNKS, n_samples // min_chunk))

        def rows(n: int) -> Array:
            return aligned_zeros((n_chunks, filled_up(n, dtype)), dtype)

        z = rows(group * topology.n_units)
        return Memory(
            a=rows(group * topology.n_units) if self._keeps_a else z,
            z=z,
            delta=rows(group * topology.n_units),
            t=rows(group * topology.sizes[-1]),
            weight=rows(group),
            transposed=rows(group * self._n_transposed),
            grads=aligned_zeros((n_chunks if with_gradient else 0, self._packed.params.size), dtype),
            errors=np.zeros(n_chunks),
            plan=np.array([width, group, min_chunk, 1, worker_address(dtype)], np.int64),
        )

    def run(
        self,
        samples: Samples,
        kind: int,
        *,
        first_unit: int = 0,
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, Array]:
        """Do one job with all samples: (error, gradient of all parameters if that is the job)."""
        size = (len(samples.x), kind == GRADIENT)
        try:
            kept_size, memory = self._kept.pop()
        except IndexError:
            kept_size, memory = (0, False), None
        if memory is None or kept_size != size:
            memory = self.memory(len(samples.x), with_gradient=size[1])
        with threads.limit(n_threads, memory):
            error = run_job(self._packed, samples, memory, kind, first_unit, samples.x if out is None else out)
        gradient = memory.grads[0, : self._topology.n_params].copy() if size[1] else memory.errors
        if sum(array.nbytes for array in memory) <= KEPT_BYTES:
            self._kept[:] = [(size, memory)]
        return float(error), gradient
