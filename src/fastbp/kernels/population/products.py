"""Matrices of registers, and their products: a network in each lane, so that an element is a number of each network.

    out[j, s] = begin[j, s] + sum_i a[j, i] b[i, s]

One form for all sums of `passes.py`. Nothing is transposed, and no sum goes across lanes: that is what a network in
each lane is for. Where the elements stand is three numbers for each matrix; a tile of sums stays in registers.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import (
    Numbers,
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
    store,
    tile,
)
from fastbp.kernels.registers.machine import TILE_REGISTERS

N_ROWS, N_COLUMNS = 4, TILE_REGISTERS  # of a tile: a load serves so many sums
WHOLE, COLUMN, ROW, ELEMENT = (
    Shape(N_ROWS, N_COLUMNS),
    Shape(N_ROWS, 1),
    Shape(1, N_COLUMNS),
    Shape(1, 1),
)


class Matrix(NamedTuple):
    """Element (j, i), of all networks, begins at data[j * row + i * column]."""

    data: Numbers
    row: int
    column: int


class Extent(NamedTuple):
    """Rows and columns of a product, terms of each sum, and networks side by side, whole registers."""

    n_rows: int
    n_columns: int
    n_terms: int
    width: int


@kernel
def from_element(matrix, j, i):
    """The matrix from element (j, i) on."""
    inlined()
    return Matrix(shift(matrix.data, j * matrix.row + i * matrix.column), matrix.row, matrix.column)


@kernel
def from_network(matrix, r):
    """The matrix of the networks from r on."""
    inlined()
    return Matrix(shift(matrix.data, r), matrix.row, matrix.column)


@kernel
def tile_of_products(shape, out, a, b, begin, n_terms):
    """A tile of sums, for a register of networks."""
    inlined()
    sums = tile(shape, out.data)
    for j in range(shape.units):
        for s in range(shape.registers):
            put(sums, j * shape.registers + s, load(begin.data, j * begin.row + s * begin.column))
    for i in range(n_terms):
        not_unrolled()  # few terms, as a rule
        for j in range(shape.units):
            a_ji = load(a.data, j * a.row + i * a.column)
            for s in range(shape.registers):
                k = j * shape.registers + s
                put(sums, k, fma(a_ji, load(b.data, i * b.row + s * b.column), get(sums, k)))
    for j in range(shape.units):
        for s in range(shape.registers):
            store(out.data, j * out.row + s * out.column, get(sums, j * shape.registers + s))


@kernel
def rows_of_products(shape, one, out, a, b, begin, extent):
    """As many rows as the shapes have: tiles of `shape`, and at the end of `one` column each."""
    inlined()
    whole = extent.n_columns - extent.n_columns % shape.registers
    for s in range(0, whole, shape.registers):
        tile_of_products(
            shape, from_element(out, 0, s), a, from_element(b, 0, s), from_element(begin, 0, s), extent.n_terms
        )
    for s in range(whole, extent.n_columns):
        tile_of_products(
            one, from_element(out, 0, s), a, from_element(b, 0, s), from_element(begin, 0, s), extent.n_terms
        )


@kernel
def products(out, a, b, begin, extent):
    """out[j, s] = begin[j, s] + sum_i a[j, i] b[i, s], for all networks. `begin` may be `out`."""
    outlined()
    whole = extent.n_rows - extent.n_rows % N_ROWS
    for r in range(0, extent.width, lanes(out.data)):
        out_r, a_r, b_r, begin_r = (
            from_network(out, r), from_network(a, r), from_network(b, r), from_network(begin, r)
        )  # fmt: skip
        for j in range(0, whole, N_ROWS):
            rows_of_products(
                WHOLE, COLUMN, from_element(out_r, j, 0), from_element(a_r, j, 0), b_r, from_element(begin_r, j, 0),
                extent,
            )  # fmt: skip
        for j in range(whole, extent.n_rows):
            rows_of_products(
                ROW, ELEMENT, from_element(out_r, j, 0), from_element(a_r, j, 0), b_r, from_element(begin_r, j, 0),
                extent,
            )  # fmt: skip
