"""Derivatives of each sample's outputs, or of its error, by the parameters: rows of a matrix, written out.

dy_k/dw_ji = delta^k_j z_i,  delta^k_j = dy_k/da_j                         Bishop 5.3.4, for weights
"""

import math
from functools import cache

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.jobs import address_of_worker, samples_of_tile, tiles_of_chunk
from fastbp.kernels.curvature.loading import load_tile
from fastbp.kernels.curvature.outputs import begin_deltas, begin_row, losses_of_tile
from fastbp.kernels.curvature.passes import backward, forward
from fastbp.kernels.many_samples.gather import lanes_to_rows
from fastbp.kernels.many_samples.weighted_sums import Rows
from fastbp.kernels.registers.lanes import (
    lanes,
    load,
    load_first,
    number,
    set_number,
    shift,
    square_root,
    store,
    store_first,
)
from fastbp.kernels.tables import LINK_COLUMNS, NONE, UNIT, WEIGHT, block_of, layer_of


@kernel
def scaled_row(out, row, factor, count):
    """out = factor row."""
    for i in range(0, count, lanes(out)):
        left = min(lanes(out), count - i)
        store_first(out, i, load_first(row, i, left) * factor, left)


@kernel
def sample_row(curve, z, delta, out):
    """A row of the matrix: z and delta of one sample, unit by unit."""
    net = curve.net
    for c in range(net.n_blocks):
        block = block_of(net, c)
        for j in range(block.n_out):
            delta_j = number(delta, block.target_unit + j)
            scaled_row(shift(out, block.weights + j * block.n_in), shift(z, block.source_unit), delta_j, block.n_in)
    for j in range(net.n_units):
        for link in range(number(net.starts, j), number(net.starts, j + 1)):
            unit, place = number(net.links, link * LINK_COLUMNS + UNIT), number(net.links, link * LINK_COLUMNS + WEIGHT)
            set_number(out, place, number(delta, j) * number(z, unit))
    for l in range(1, curve.n_computed):
        layer = layer_of(net, l)
        if layer.bias != NONE:
            scaled_row(shift(out, layer.bias), shift(delta, layer.first_unit), 1.0, layer.n_units)


@kernel
def write_rows(curve, tile, scratch, out, row_stride):
    """The rows of the tile's samples, row_stride numbers apart."""
    n_units = curve.net.n_units
    z, delta = scratch, shift(scratch, n_units * tile.width)
    lanes_to_rows(Rows(tile.z, tile.width), n_units, tile.n_samples, Rows(z, n_units))
    lanes_to_rows(Rows(tile.delta, tile.width), n_units, tile.n_samples, Rows(delta, n_units))
    for s in range(tile.n_samples):
        sample_row(curve, shift(z, s * n_units), shift(delta, s * n_units), shift(out, s * row_stride))


@entry
def jacobian_of_slot(curve, given, room, task, slot):
    """out[n, k, p] = dy_k/dw_p of the slot's samples."""
    numbers, scratch = shift(room.tiles, slot * room.n_tile), shift(room.scratch, slot * room.n_scratch)
    stride = curve.n_outputs * room.n_params
    for chunk in range(slot, task.n_items, task.n_slots):
        first, stop = tiles_of_chunk(task, chunk)
        for t in range(first, stop):
            start, n_samples = samples_of_tile(task, t)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            for k in range(curve.n_outputs):
                begin_row(curve, tile, k, tile.eps, tile.delta, True)
                backward(curve, tile, tile.eps, tile.delta, 1)
                write_rows(curve, tile, scratch, shift(task.out, start * stride + k * room.n_params), stride)


@entry
def sample_gradients_of_slot(curve, given, room, task, slot):
    """out[n, p] = dE_n/dw_p of the slot's samples."""
    numbers, scratch = shift(room.tiles, slot * room.n_tile), shift(room.scratch, slot * room.n_scratch)
    for chunk in range(slot, task.n_items, task.n_slots):
        set_number(room.errors, chunk, 0.0)
        first, stop = tiles_of_chunk(task, chunk)
        for t in range(first, stop):
            start, n_samples = samples_of_tile(task, t)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))
            begin_deltas(curve, tile)
            backward(curve, tile, tile.eps, tile.delta, 1)
            write_rows(curve, tile, scratch, shift(task.out, start * room.n_params), room.n_params)


@cache
def address_of_jacobian_worker():
    """Address of `jacobian_of_slot`."""
    return address_of_worker(jacobian_of_slot)


@cache
def address_of_gradients_worker():
    """Address of `sample_gradients_of_slot`."""
    return address_of_worker(sample_gradients_of_slot)


@entry
def residual_rows_of_slot(curve, given, room, task, slot):
    """sqrt(E'') dy_k/dw_p of the slot's samples to out, and dE/dy_k / sqrt(E'') behind all rows, times sqrt(weight).

    Of a squared error, half of the sum of the latters' squares is E.
    """
    numbers, scratch = shift(room.tiles, slot * room.n_tile), shift(room.scratch, slot * room.n_scratch)
    stride = curve.n_outputs * room.n_params
    for chunk in range(slot, task.n_items, task.n_slots):
        set_number(room.errors, chunk, 0.0)
        first, stop = tiles_of_chunk(task, chunk)
        for t in range(first, stop):
            start, n_samples = samples_of_tile(task, t)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))
            for k in range(curve.n_outputs):
                begin_row(curve, tile, k, tile.eps, tile.delta, True)
                weigh_row(curve, tile, k)
                backward(curve, tile, tile.eps, tile.delta, 1)
                out = shift(task.out, start * stride + k * room.n_params)
                write_rows(curve, tile, scratch, out, stride)
                for s in range(n_samples):
                    place = given.n_samples * stride + (start + s) * curve.n_outputs + k
                    second = number(tile.second, k * tile.width + s)
                    first_k = number(tile.first, k * tile.width + s)
                    set_number(task.out, place, first_k / math.sqrt(second) if second > 0.0 else 0.0)


@kernel
def weigh_row(curve, tile, k):
    """Multiply where the k-th row begins by sqrt(E'')."""
    out = shift(tile.eps if curve.ends_apart else tile.delta, curve.first_output * tile.width)
    for s in range(0, tile.width, lanes(out)):
        root = square_root(load(tile.second, k * tile.width + s))
        for m in range(curve.n_outputs):
            store(out, m * tile.width + s, load(out, m * tile.width + s) * root)


@cache
def address_of_residual_rows_worker():
    """Address of `residual_rows_of_slot`."""
    return address_of_worker(residual_rows_of_slot)
