"""Units of relu that feed one unit k and nothing else: their delta and two gradients in one pass over z.

    delta_j  = h'(a_j) w_kj delta_k     (5.56)
    dE/dw_kj = sum_s delta_k z_j        (5.53)
    dE/db_j  = sum_s delta_j

One by one, each of them would load what the one before it has just loaded or stored.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples.backward import rows_of_delta
from fastbp.kernels.many_samples.stripes import rows_from
from fastbp.kernels.many_samples.sums_across import ACROSS_1, ACROSS_2
from fastbp.kernels.many_samples.weighted_sums import LateShape, Rows
from fastbp.kernels.registers.lanes import (
    Numbers,
    fma,
    get,
    inlined,
    lanes,
    load,
    not_unrolled,
    number,
    outlined,
    put,
    select,
    shift,
    splat,
    store,
    sum_tile,
    tile,
)  # fmt: skip


class Feeders(NamedTuple):
    """Some units j that feed unit k."""

    z: Rows
    delta: Rows  # to be filled
    weights: Numbers  # w_kj
    weight_gradient: Numbers  # dE/dw_kj, to be filled or added to
    bias_gradient: Numbers  # dE/db_j


@kernel
def feeders_from(feeders, j):
    """The units from number j on."""
    inlined()
    z, delta = feeders.z, feeders.delta
    return Feeders(
        Rows(shift(z.data, j * z.stride), z.stride), Rows(shift(delta.data, j * delta.stride), delta.stride),
        shift(feeders.weights, j), shift(feeders.weight_gradient, j), shift(feeders.bias_gradient, j),
    )  # fmt: skip


@kernel
def feeders_in_lanes(n, by_weight, by_bias, feeders, delta_k, n_numbers):
    """Delta of n units, and their sums before the lanes are added up; Numba compiles it once."""
    inlined()
    z, delta = feeders.z, feeders.delta
    for j in range(n):
        put(by_weight, j, splat(z.data, 0.0))
        put(by_bias, j, splat(z.data, 0.0))
    for s in range(0, n_numbers, lanes(z.data)):
        not_unrolled()
        delta_ks = load(delta_k, s)
        for j in range(n):
            z_js = load(z.data, j * z.stride + s)
            delta_js = select(z_js > 0.0, number(feeders.weights, j) * delta_ks, 0.0)
            store(delta.data, j * delta.stride + s, delta_js)
            put(by_weight, j, fma(delta_ks, z_js, get(by_weight, j)))
            put(by_bias, j, get(by_bias, j) + delta_js)


@kernel
def feeders_of_shape(shape, feeders, delta_k, adds, n_numbers):
    """The pass for as many units as the shape has registers; returns how many."""
    inlined()
    n = shape.units * shape.registers
    by_weight, by_bias = tile(LateShape(n, 1), delta_k), tile(LateShape(n, 1), delta_k)
    feeders_in_lanes(n, by_weight, by_bias, feeders, delta_k, n_numbers)
    sum_tile(shape, by_weight, feeders.weight_gradient, shape.registers, adds)
    sum_tile(shape, by_bias, feeders.bias_gradient, shape.registers, adds)
    return n


@kernel
def delta_of_feeders(feeders, delta_k, adds, n_units, n_numbers):
    """Delta and gradients of n_units units, for n_numbers samples, whole registers."""
    outlined()
    j = 0
    while j < n_units:
        left, feeders_j = n_units - j, feeders_from(feeders, j)
        if left >= ACROSS_2[3].units * ACROSS_2[3].registers:  # of 12 units, LLVM spills the sums
            j += feeders_of_shape(ACROSS_2[3], feeders_j, delta_k, adds, n_numbers)
        elif left >= 2:
            j += feeders_of_shape(ACROSS_1[1], feeders_j, delta_k, adds, n_numbers)
        else:
            j += feeders_of_shape(ACROSS_1[0], feeders_j, delta_k, adds, n_numbers)


@kernel
def feeders_of(net, tile, accumulator, task):
    """(5.56) and (5.57) of some units that feed one unit k, and the sums for their biases."""
    inlined()
    z_j, delta_j = rows_from(tile, tile.z, task.unit), rows_of_delta(tile, task)
    w_kj, dw, db = (
        shift(net.params, task.weights),
        shift(accumulator.grad, task.weights),
        shift(accumulator.grad, task.bias),
    )
    delta_k = rows_from(tile, tile.delta, task.terms).data
    delta_of_feeders(Feeders(z_j, delta_j, w_kj, dw, db), delta_k, accumulator.adds, task.n_units, tile.width)
