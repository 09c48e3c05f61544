"""Sums across the lanes of registers: the weight gradient of narrow blocks, and that of biases.

The samples are in the lanes, and the sum is over them. Up to 24 registers of partial sums are added up across at
once: see `sum_tile`.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples.weighted_sums import LateShape, Rows, shapes_of
from fastbp.kernels.registers.lanes import (
    Shape,
    fma,
    get,
    inlined,
    lanes,
    load,
    not_unrolled,
    outlined,
    put,
    shift,
    splat,
    sum_tile,
    tile,
)
from fastbp.kernels.registers.machine import TILE_REGISTERS

# Written out for each shape: Numba must know these when it compiles.
ACROSS_6, ACROSS_2, ACROSS_1 = (shapes_of(Shape, units) for units in (6, 2, 1))
ACROSS_3 = Shape(3, TILE_REGISTERS)


@kernel
def row_product(shape, out, left, right, epilogue, n_numbers):
    """out[q, p] = begin + sum_s left[q, s] right[p, s] for a tile of sums, over whole registers of s."""
    inlined()
    late = LateShape(shape.units, shape.registers)
    sums = tile(late, left.data)
    products_in_lanes(late, sums, left, right, n_numbers)
    sum_tile(shape, sums, out.data, out.stride, epilogue.adds)


@kernel
def products_in_lanes(shape, sums, left, right, n_numbers):
    """`row_product` before the lanes are added up; Numba compiles it once."""
    inlined()
    n, step = shape.registers, lanes(left.data)
    for m in range(shape.units * n):
        put(sums, m, splat(left.data, 0.0))
    for s in range(0, n_numbers, step):
        not_unrolled()
        for q in range(shape.units):
            left_q = load(left.data, q * left.stride + s)
            for p in range(n):
                right_p = load(right.data, p * right.stride + s)
                put(sums, q * n + p, fma(left_q, right_p, get(sums, q * n + p)))


@kernel
def products_of_units(shapes, out, left, right, epilogue, size):
    """`row_product` for one block of left rows and all right ones; returns how many left rows that are."""
    inlined()
    p = 0
    while p < size.row_length:
        n_right = size.row_length - p
        out_p, right_p = Rows(shift(out.data, p), out.stride), Rows(shift(right.data, p * right.stride), right.stride)
        if n_right >= shapes[3].registers:
            row_product(shapes[3], out_p, left, right_p, epilogue, size.n_terms)
            p += shapes[3].registers
        elif n_right >= 2:
            row_product(shapes[1], out_p, left, right_p, epilogue, size.n_terms)
            p += 2
        else:
            row_product(shapes[0], out_p, left, right_p, epilogue, size.n_terms)
            p += 1
    return shapes[0].units


@kernel
def row_products(out, left, right, epilogue, size):
    """out[q, p] = begin + sum_s left[q, s] right[p, s] for all q and p; the n_terms numbers s are whole registers."""
    outlined()
    q = 0
    while q < size.n_sums:
        n_left = size.n_sums - q
        out_q = Rows(shift(out.data, q * out.stride), out.stride)
        left_q = Rows(shift(left.data, q * left.stride), left.stride)
        if n_left >= 6:
            q += products_of_units(ACROSS_6, out_q, left_q, right, epilogue, size)
        elif n_left >= 2:
            q += products_of_units(ACROSS_2, out_q, left_q, right, epilogue, size)
        else:
            q += products_of_units(ACROSS_1, out_q, left_q, right, epilogue, size)


@kernel
def sums_of_rows(shape, out, rows, factors, epilogue, n_numbers):
    """out[m] = begin + sum_s factors[s] rows[m, s] for as many rows m as the tile has registers."""
    inlined()
    n = shape.units * shape.registers
    sums = tile(LateShape(n, 1), rows.data)
    sums_in_lanes(n, sums, rows, factors, n_numbers)
    sum_tile(shape, sums, out, shape.registers, epilogue.adds)
    return n


@kernel
def sums_in_lanes(n, sums, rows, factors, n_numbers):
    """`sums_of_rows` of n rows before the lanes are added up; Numba compiles it once."""
    inlined()
    for m in range(n):
        put(sums, m, splat(rows.data, 0.0))
    for s in range(0, n_numbers, lanes(rows.data)):
        not_unrolled()
        factor = load(factors.data, s * factors.stride)
        for m in range(n):
            put(sums, m, fma(factor, load(rows.data, m * rows.stride + s), get(sums, m)))


@kernel
def row_sums(out, rows, factors, epilogue, size):
    """out[q] = begin + sum_s factors[s] rows[q, s] for all q; the row_length numbers s are whole registers.

    `factors`: numbers that stand side by side, stride 1, or the same register for all s, stride 0.
    """
    outlined()
    q = 0
    while q < size.n_sums:
        left, out_q = size.n_sums - q, shift(out, q)
        rows_q = Rows(shift(rows.data, q * rows.stride), rows.stride)
        if left >= 6 * TILE_REGISTERS:
            q += sums_of_rows(ACROSS_6[3], out_q, rows_q, factors, epilogue, size.row_length)
        elif left >= 3 * TILE_REGISTERS:
            q += sums_of_rows(ACROSS_3, out_q, rows_q, factors, epilogue, size.row_length)
        elif left >= TILE_REGISTERS:
            q += sums_of_rows(ACROSS_1[3], out_q, rows_q, factors, epilogue, size.row_length)
        elif left >= 2:
            q += sums_of_rows(ACROSS_1[1], out_q, rows_q, factors, epilogue, size.row_length)
        else:
            q += sums_of_rows(ACROSS_1[0], out_q, rows_q, factors, epilogue, size.row_length)
