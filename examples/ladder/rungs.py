"""Equation (5.48) for many samples, written six times: from the loops of a textbook to a tile of vector registers.

    a[j, s] = b_j + sum_i w_ji z[i, s]

w: (n_units, n_inputs), b: (n_units,), z: (n_inputs, n_samples), a: (n_units, n_samples), to be filled: all of one
dtype, C-contiguous. A sample is a column of z and of a: those of one unit stand side by side.

The first three are what a textbook, NumPy and Numba give. The last two are how `fastbp.kernels.many_samples` computes,
without what is left over at the edges: n_samples must be a multiple of `TILE_SAMPLES`, n_units of `UNITS`.
"""

import numba
import numpy as np

from fastbp.kernels.compiling.decorators import unkept
from fastbp.kernels.registers.lanes import Shape, fma, get, lanes, load, number, put, splat, store, tile, view
from fastbp.kernels.registers.machine import TILE_REGISTERS, lanes_of

UNITS = 6
TILE = Shape(UNITS, TILE_REGISTERS)  # registers of sums: 24 of the 32 that AVX-512 has, 12 of the 16 of AVX2
TILE_SAMPLES = TILE_REGISTERS * int(lanes_of(np.dtype(np.float32)))


def plain_loops(w, b, z, a):
    """Python, as it is derived: for each sample the sum of each unit."""
    for s in range(z.shape[1]):
        for j in range(w.shape[0]):
            total = b[j]
            for i in range(w.shape[1]):
                total += w[j, i] * z[i, s]
            a[j, s] = total


def vectorised(w, b, z, a):
    """NumPy: the product of two matrices, by a BLAS, on one core."""
    a[:] = w @ z + b[:, None]


jitted_loops = numba.njit(plain_loops)  # the first rung, compiled: each z[i, s] comes from another line of memory
jitted_loops.__doc__ = "The same loops, compiled by Numba."


@numba.njit
def jitted_rows(w, b, z, a):
    """Compiled, and in an order that vectorises: the samples in the inner loop. Each sum is stored once for each i."""
    for j in range(w.shape[0]):
        for s in range(z.shape[1]):
            a[j, s] = b[j]
        for i in range(w.shape[1]):
            for s in range(z.shape[1]):
                a[j, s] += w[j, i] * z[i, s]


@unkept
def in_lanes(w, b, z, a):
    """A sample in each lane of a register, where its sum stays until it is whole. Each product waits for the last."""
    (n_units, n_inputs), n_samples = w.shape, z.shape[1]
    weights, biases, inputs, sums = view(w), view(b), view(z), view(a)
    for j in range(n_units):
        for s in range(0, n_samples, lanes(sums)):
            total = splat(sums, number(biases, j))
            for i in range(n_inputs):
                total = fma(load(inputs, i * n_samples + s), number(weights, j * n_inputs + i), total)
            store(sums, j * n_samples + s, total)


@unkept
def in_a_tile(w, b, z, a):
    """Some units times some registers of samples at a time: a weight, or a register of z, once loaded serves many."""
    (n_units, n_inputs), n_samples = w.shape, z.shape[1]
    weights, biases, inputs, sums = view(w), view(b), view(z), view(a)
    n, step = TILE.registers, lanes(sums)
    for j in range(0, n_units, TILE.units):
        for s in range(0, n_samples, n * step):
            totals = tile(TILE, sums)
            for q in range(TILE.units):
                for r in range(n):
                    put(totals, q * n + r, splat(sums, number(biases, j + q)))
            for i in range(n_inputs):
                for q in range(TILE.units):
                    w_ji = number(weights, (j + q) * n_inputs + i)
                    for r in range(n):
                        z_i = load(inputs, i * n_samples + s + r * step)
                        put(totals, q * n + r, fma(z_i, w_ji, get(totals, q * n + r)))
            for q in range(TILE.units):
                for r in range(n):
                    store(sums, (j + q) * n_samples + s + r * step, get(totals, q * n + r))


RUNGS = {
    "plain loops": plain_loops,
    "vectorised (NumPy)": vectorised,
    "jitted loops": jitted_loops,
    "jitted, samples inside": jitted_rows,
    "in lanes": in_lanes,
    "in a register tile": in_a_tile,
}
