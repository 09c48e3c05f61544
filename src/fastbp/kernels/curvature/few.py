"""Sums of a block with few pairs on one side: the pairs of the other side are never stored.

    out[q, (j,l)] += sum_s rows[q, s] sum_m d_m b_mj b_ml          few pairs of inputs, rows q; units l in the lanes
    out[q, (i,k)] += sum_s rows[q, s] z_i z_k                      few pairs of units, rows q; inputs k in the lanes

A register of pairs is made sample by sample, and multiplied at once with all rows. What is multiplied stands row by row
(TILE numbers); only a register of the second things at a time is transposed.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.loading import whole
from fastbp.kernels.curvature.pairs import (
    gather_input_rows,
    input_rows,
    n_pairs,
    n_seconds,
    rows_of_block,
    scale_row,
)
from fastbp.kernels.many_samples.gather import lanes_to_rows
from fastbp.kernels.many_samples.weighted_sums import UNITS_1, UNITS_2, UNITS_4, UNITS_6, Rows, units_of_block
from fastbp.kernels.registers.lanes import (
    Numbers,
    fma,
    get,
    inlined,
    lanes,
    load,
    load_first,
    not_unrolled,
    number,
    put,
    shift,
    splat,
    store_first,
    tile,
)
from fastbp.kernels.registers.machine import REGISTER_BYTES
from fastbp.kernels.tuning import CURVATURE_TILE

# Numbers of sums for a row, less 1: there are as many samples as lanes at least, filled up to whole registers
PARTS_2, PARTS_4 = 1, min(4, REGISTER_BYTES // 8) - 1


class Things(NamedTuple):
    """The things j, or i, of which pairs are made with the second ones, l or k."""

    first: Numbers  # rows of TILE numbers, of the first factor m
    second: Numbers
    factors: Numbers  # d_m: rows of TILE numbers
    n_factors: int
    stride: int  # from a row of a factor to that of the next one
    start: int
    stop: int
    n_second: int
    is_same: bool


class Few(NamedTuple):
    """The rows, and what they are multiplied with: pairs of one first thing with a register of second ones."""

    rows: Numbers  # (n_rows, TILE)
    left: Numbers  # d_m b_mj: (n_factors, TILE)
    right: Numbers  # b_ml sample by sample: (n_factors, TILE, lanes)
    n_rows: int
    n_factors: int
    n_samples: int  # filled up to whole registers: of those without a sample either factor is 0


@kernel
def pair_of_sample(few, s):
    """sum_m left[m, s] right[m, s, l], a register of second things l."""
    inlined()
    step = lanes(few.right)
    pair = load(few.right, s * step) * number(few.left, s)
    for m in range(1, few.n_factors):
        place = m * CURVATURE_TILE + s
        pair = fma(load(few.right, place * step), number(few.left, place), pair)
    return pair


@kernel
def sums_of_rows(shape, few, q, out, n):
    """out[q ..., l] += sum_s rows[q ..., s] sum_m left[m, s] right[m, s, l], of n second things l.

    Few rows have several sums each, over every so many samples: a single one would wait for itself.
    """
    inlined()
    sums, rows, n_sums = tile(shape, out.data), shift(few.rows, q * CURVATURE_TILE), shape.registers
    for r in range(shape.units * n_sums):
        put(sums, r, splat(out.data, 0.0))
    for start in range(0, few.n_samples, n_sums):
        not_unrolled()
        for t in range(n_sums):
            pair = pair_of_sample(few, start + t)
            for r in range(shape.units):
                row_s = number(rows, r * CURVATURE_TILE + start + t)
                put(sums, r * n_sums + t, fma(pair, row_s, get(sums, r * n_sums + t)))
    for r in range(shape.units):
        total = load_first(out.data, (q + r) * out.stride, n)
        for t in range(n_sums):
            total = total + get(sums, r * n_sums + t)
        store_first(out.data, (q + r) * out.stride, total, n)


@kernel
def sums_of_few(few, out, n):
    """`sums_of_rows` of all rows."""
    q = 0
    while q < few.n_rows:
        n_units = units_of_block(few.n_rows - q, False)
        if n_units == 6:
            sums_of_rows(UNITS_6[0], few, q, out, n)
        elif n_units == 4:
            sums_of_rows(UNITS_4[PARTS_2], few, q, out, n)
        elif n_units == 2:
            sums_of_rows(UNITS_2[PARTS_4], few, q, out, n)
        else:
            sums_of_rows(UNITS_1[PARTS_4], few, q, out, n)
        q += n_units


@kernel
def second_by_sample(things, l, n, n_samples, out):
    """b_ml of the n second things from l on, sample by sample, a register of them for each m."""
    step = lanes(out)
    for m in range(things.n_factors):
        rows = Rows(shift(out, m * CURVATURE_TILE * step), step)
        source = Rows(shift(things.second, m * things.stride + l * CURVATURE_TILE), CURVATURE_TILE)
        lanes_to_rows(source, n, n_samples, rows)


@kernel
def add_few(things, scratch, n_rows, n_samples, stride):
    """Add a tile's products of all pairs of some things with the rows."""
    step = lanes(scratch.out)
    few = Few(scratch.rows, scratch.scaled, scratch.columns, n_rows, things.n_factors, whole(n_samples, scratch.out))
    for l in range(0, things.n_second, step):
        n = min(step, things.n_second - l)
        second_by_sample(things, l, n, few.n_samples, few.right)
        for j in range(max(things.start, l) if things.is_same else things.start, things.stop):
            scale_rows(shift(things.first, j * CURVATURE_TILE), things, few.left)
            place = n_pairs(things.is_same, things.start, j, things.n_second) + l
            n_l = min(n, n_seconds(things.is_same, j, things.n_second) - l)
            sums_of_few(few, Rows(shift(scratch.out, place), stride), n_l)


@kernel
def scale_rows(rows, things, out):
    """d_m b_mj of a first thing j."""
    for m in range(things.n_factors):
        place = m * CURVATURE_TILE
        scale_row(shift(rows, m * things.stride), shift(things.factors, place), shift(out, place))


@kernel
def few_inputs(curve, block, kept, scratch, n_samples, stride):
    """Add the products of a tile's pairs of units with few pairs of inputs."""
    right = input_rows_of(curve, block, kept, scratch)
    n_rows = input_rows(block, scratch.left, right, scratch.rows)
    rows = rows_of_block(curve, block, kept)
    things = Things(
        rows.first, rows.second, rows.factors, rows.n_factors, rows.stride, block.j_start, block.j_stop,
        block.n_second, block.same_units,
    )  # fmt: skip
    add_few(things, scratch, n_rows, n_samples, stride)


@kernel
def few_units(curve, block, kept, scratch, n_rows, n_samples, stride):
    """Add the products of a tile's pairs of inputs with few pairs of units, which are in the rows."""
    right = input_rows_of(curve, block, kept, scratch)
    ones = shift(kept.by_unit, curve.net.n_units * CURVATURE_TILE)
    things = Things(
        scratch.left, right, ones, 1, 0, block.i_start, block.i_stop, block.second.n_sources, block.same_inputs
    )
    add_few(things, scratch, n_rows, n_samples, stride)


@kernel
def input_rows_of(curve, block, kept, scratch):
    """Gather the inputs i, and k, row by row; returns where k are."""
    gather_input_rows(curve, block.first, kept.by_unit, scratch.left)
    if block.same_inputs:
        return scratch.left
    gather_input_rows(curve, block.second, kept.by_unit, scratch.right)
    return scratch.right
