"""Memory beside the data: tiles for each thread and a few copies of the parameters, however many samples there are."""

import numpy as np
import pytest

import fastbp
from fastbp.kernels.registers.machine import tile_width

SIZES = [(64, 256, 256, 10), (784, 512, 512, 10), (3, 5, 2), (4096, 4096, 10)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_memory_does_not_grow_with_the_samples(sizes, dtype, n_threads):
    net = fastbp.Network(sizes, dtype=dtype, init="zeros")
    memory = net.engine.memory(10**7, n_threads)
    n_bytes = sum(array.nbytes for array in memory)
    n_units = sum(-(-size // 8) * 8 for size in sizes)  # in whole registers, of up to 8 numbers
    tile = 4 * n_units * tile_width(np.dtype(dtype)) * net.dtype.itemsize  # a, z, delta, and z sample by sample
    params = net.params.nbytes
    assert n_bytes <= 64 * n_threads * tile + 4 * params
