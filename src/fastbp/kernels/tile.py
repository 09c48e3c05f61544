"""Weighted sums in registers: the one kernel behind all the arithmetic of a network.

A block of sums `out[q, :] += sum_k weights[q, k] rows[k, :]` is kept in vector registers from the first
term to the last. `batch.py` calls it three times: for the forward pass, the delta recursion and the
weight gradient, which differ in what the rows and weights are and in their strides.

units x registers of a tile: 6 x 4 on machines with 32 vector registers ran fastest of all shapes with
up to 24 sums (170 of 175 GFLOP/s; 8 x 3 the same, 8 x 2 160, 6 x 1 120, 12 x 2 60: LLVM leaves a loop
over so many rolled up). 2 and 1 units, 2 registers and 1, are for what is left at the end.
"""

from typing import NamedTuple

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import (
    Numbers,
    Shape,
    fma,
    get,
    lanes,
    load,
    load_first,
    number,
    put,
    set_number,
    shift,
    splat,
    store,
    store_first,
    sum_lanes,
    sum_tile,
    tile,
)  # fmt: skip
from fastbp.kernels.machine import TILE_REGISTERS

WIDE_6, WIDE_2, WIDE_1 = Shape(6, TILE_REGISTERS), Shape(2, TILE_REGISTERS), Shape(1, TILE_REGISTERS)
PAIR_6, PAIR_2, PAIR_1 = Shape(6, 2), Shape(2, 2), Shape(1, 2)
SINGLE_6, SINGLE_2, SINGLE_1 = Shape(6, 1), Shape(2, 1), Shape(1, 1)


class Rows(NamedTuple):
    """Row q of a matrix begins at data[q * stride]."""

    data: Numbers
    stride: int


class Weights(NamedTuple):
    """The weight of term k in sum q is data[q * sum_stride + k * term_stride]."""

    data: Numbers
    sum_stride: int
    term_stride: int


class Size(NamedTuple):
    """How many sums, how many numbers in each row, how many terms in each sum."""

    n_sums: int
    row_length: int
    n_terms: int


@kernel
def weighted_sum(shape, out, weights, rows, n_terms, last):
    """out[q, :] += sum_k weights[q, k] rows[k, :] for one tile of sums; `last` lanes of its last registers count."""
    n, step = shape.registers, lanes(out.data)
    sums = tile(shape, out.data)
    for q in range(shape.units):
        row = q * out.stride
        for r in range(n - 1):
            put(sums, q * n + r, load(out.data, row + r * step))
        put(sums, q * n + n - 1, load_first(out.data, row + (n - 1) * step, last))
    for k in range(n_terms):
        for q in range(shape.units):
            w = number(weights.data, q * weights.sum_stride + k * weights.term_stride)
            for r in range(n):
                row_k = load(rows.data, k * rows.stride + r * step)
                put(sums, q * n + r, fma(row_k, w, get(sums, q * n + r)))
    for q in range(shape.units):
        row = q * out.stride
        for r in range(n - 1):
            store(out.data, row + r * step, get(sums, q * n + r))
        store_first(out.data, row + (n - 1) * step, get(sums, q * n + n - 1), last)


@kernel
def sums_of_shape(shape, out, weights, rows, size, start, last):
    """All whole tiles of a shape from sum `start` on; returns the first sum that is left."""
    q = start
    while q + shape.units <= size.n_sums:
        out_q = Rows(shift(out.data, q * out.stride), out.stride)
        weights_q = Weights(shift(weights.data, q * weights.sum_stride), weights.sum_stride, weights.term_stride)
        weighted_sum(shape, out_q, weights_q, rows, size.n_terms, last)
        q += shape.units
    return q


@kernel
def weighted_sums(out, weights, rows, size):
    """out[q, s] += sum_k weights[q, k] rows[k, s] for all q and s."""
    step = lanes(out.data)
    s = 0
    while s < size.row_length:
        out_s, rows_s = Rows(shift(out.data, s), out.stride), Rows(shift(rows.data, s), rows.stride)
        left = size.row_length - s
        if left > (TILE_REGISTERS - 1) * step:
            last = min(left - (TILE_REGISTERS - 1) * step, step)
            q = sums_of_shape(WIDE_6, out_s, weights, rows_s, size, 0, last)
            q = sums_of_shape(WIDE_2, out_s, weights, rows_s, size, q, last)
            sums_of_shape(WIDE_1, out_s, weights, rows_s, size, q, last)
            s += TILE_REGISTERS * step
        elif left > step:
            last = min(left - step, step)
            q = sums_of_shape(PAIR_6, out_s, weights, rows_s, size, 0, last)
            q = sums_of_shape(PAIR_2, out_s, weights, rows_s, size, q, last)
            sums_of_shape(PAIR_1, out_s, weights, rows_s, size, q, last)
            s += 2 * step
        else:
            q = sums_of_shape(SINGLE_6, out_s, weights, rows_s, size, 0, left)
            q = sums_of_shape(SINGLE_2, out_s, weights, rows_s, size, q, left)
            sums_of_shape(SINGLE_1, out_s, weights, rows_s, size, q, left)
            s += step


class Group(NamedTuple):
    """How a row of samples runs through the tiles of a group."""

    n_tiles: int
    tile_stride: int  # from a number in one tile to the same number in the next
    width: int  # samples in a tile
    n_samples: int


@kernel
def registers_of(group, k, step):
    """Registers of tile k that hold samples."""
    return (min(group.width, group.n_samples - k * group.width) + step - 1) // step


@kernel
def row_product(shape, out, left, right, group):
    """out[q, p] += sum_s left[q, s] right[p, s] over all samples s of a group, for one tile of sums."""
    n, step = shape.registers, lanes(left.data)
    sums = tile(shape, left.data)
    for m in range(shape.units * n):
        put(sums, m, splat(left.data, 0.0))
    for k in range(group.n_tiles):
        for r in range(registers_of(group, k, step)):
            s = k * group.tile_stride + r * step
            for q in range(shape.units):
                left_q = load(left.data, q * left.stride + s)
                for p in range(n):
                    put(
                        sums,
                        q * n + p,
                        fma(left_q, load(right.data, p * right.stride + s), get(sums, q * n + p)),
                    )
    sum_tile(shape, sums, out.data, 0, out.stride)


@kernel
def products_of_shape(shape, out, left, right, group, q, p):
    """`row_product` for all whole tiles with rows q[0] .. q[1] - 1 and p[0] .. p[1] - 1; returns the first q left."""
    row = q[0]
    while row + shape.units <= q[1]:
        left_q = Rows(shift(left.data, row * left.stride), left.stride)
        for column in range(p[0], p[1] - shape.registers + 1, shape.registers):
            right_p = Rows(shift(right.data, column * right.stride), right.stride)
            out_qp = Rows(shift(out.data, row * out.stride + column), out.stride)
            row_product(shape, out_qp, left_q, right_p, group)
        row += shape.units
    return row


@kernel
def row_products(out, left, right, group, n_left, n_right):
    """out[q, p] += sum_s left[q, s] right[p, s] for all q < n_left and p < n_right."""
    wide = (0, n_right - n_right % TILE_REGISTERS)
    q = products_of_shape(WIDE_6, out, left, right, group, (0, n_left), wide)
    q = products_of_shape(WIDE_2, out, left, right, group, (q, n_left), wide)
    products_of_shape(WIDE_1, out, left, right, group, (q, n_left), wide)
    rest = (wide[1], n_right)
    q = products_of_shape(SINGLE_6, out, left, right, group, (0, n_left), rest)
    q = products_of_shape(SINGLE_2, out, left, right, group, (q, n_left), rest)
    products_of_shape(SINGLE_1, out, left, right, group, (q, n_left), rest)


@kernel
def row_sums(out, rows, group, n_rows):
    """out[q] += sum_s rows[q, s] over all samples s of a group."""
    step = lanes(rows.data)
    for q in range(n_rows):
        total = splat(rows.data, 0.0)
        for k in range(group.n_tiles):
            for r in range(registers_of(group, k, step)):
                total = total + load(rows.data, q * rows.stride + k * group.tile_stride + r * step)
        set_number(out, q, number(out, q) + sum_lanes(total))
