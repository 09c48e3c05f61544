"""Dropout: in training a hidden unit counts with probability 1 - p only, and then 1 / (1 - p) times.

    z_j      = m_j h(a_j)                            instead of (5.49),  m_j = 1 / (1 - p) or 0
    delta_j  = m_j h'(a_j) sum_k w_kj delta_k        instead of (5.56)

Srivastava et al. (2014), with the factor in training, so that nothing else changes. m_j h'(a_j) is worked
out in the forward pass, where z_j is still h(a_j), and kept for the delta recursion.

Which units count is no stream of random numbers but a function of what they are drawn for, the same for
any number of threads. With n of key the number n that splitmix64 gives from the state `key` on,

    u = (unit of (row of (epoch of key of the run)))

and the unit counts if the upper 32 bits of u are at least p 2**32. Rows are those of the training samples,
in the order in which they were passed in; units are numbered inputs first.
"""

from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.compiling.addresses import for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.random_numbers import nth_random
from fastbp.kernels.many_samples.backward import multiply_slopes
from fastbp.kernels.many_samples.stripes import rows_from
from fastbp.kernels.many_samples.tile import DROP, Dropout
from fastbp.kernels.registers.lanes import lanes, load, number, select, set_number, shift, store, view


class DropoutMemory(NamedTuple):
    """What dropout needs in a training run."""

    address: int  # of `drop`; NONE: no dropout
    rates: np.ndarray  # (n_layers,) float64: p of each layer
    key: np.ndarray  # (1,) uint64, of the run
    samples: np.ndarray  # int64: keys of the samples of a batch, whole registers
    slopes: np.ndarray  # (n_slots, ...) as `Memory.z`: m_j h'(a_j)


@kernel
def dropout_of(memory):
    """The views of dropout."""
    return Dropout(memory.address, view(memory.rates), view(memory.samples), view(memory.slopes))


@kernel
def draw_samples(dropout, key, epoch, order, n_samples):
    """Keys of the first n_samples samples of an order, for an epoch of the run with a key."""
    epoch_key = nth_random(number(key, 0), epoch)
    for s in range(n_samples):
        set_number(dropout.samples, s, np.int64(nth_random(epoch_key, number(order, s))))


@entry
def drop(layer, tile, rate, first, n_units):
    """z_j *= m_j for some units j of a layer, from its unit `first` on; m_j h'(a_j) to the tile's slopes."""
    j = layer.first_unit + first
    z, slopes = rows_from(tile, tile.z, j).data, rows_from(tile, tile.dropout.slopes, j).data
    m = rows_from(tile, tile.delta, j).data  # delta comes later
    for unit in range(n_units):
        row = unit * tile.stride
        for s in range(row, row + tile.width, lanes(z)):
            store(slopes, s, 1.0)
    multiply_slopes(layer, rows_from(tile, tile.a, j).data, z, slopes, tile, n_units)
    for unit in range(n_units):
        row = unit * tile.stride
        draw_factors(shift(m, row), tile, rate, j + unit)
        for s in range(row, row + tile.width, lanes(z)):
            m_s = load(m, s)
            store(z, s, select(m_s == 0.0, 0.0, m_s * load(z, s)))  # 0 times infinity counts as 0
            store(slopes, s, select(m_s == 0.0, 0.0, m_s * load(slopes, s)))


@kernel
def draw_factors(m, tile, rate, unit):
    """m[s] = 1 / (1 - p) if the unit counts for sample s, else 0."""
    least, factor = np.uint64(rate * 4294967296.0), 1.0 / (1.0 - rate)
    for s in range(tile.width):
        bits = nth_random(np.uint64(number(tile.dropout.samples, s)), unit) >> np.uint64(32)
        set_number(m, s, factor if bits >= least else 0.0)


@for_warm_up()
def address_of_drop(dtype: Any) -> Any:
    """Address of `drop`."""
    return DROP.address(drop, dtype)
