"""Sums of a block with few pairs on one side: the pairs of the other side are never formed.

    out[(j,q), l] += sum_s (rows[q, s] u_j) u_l         few pairs of inputs, rows q = d z_i z_k; things j, l are units
    out[(i,q), k] += sum_s (rows[q, s] z_i) z_k         few pairs of units, rows q = M_jl; things i, k are inputs

The sums are those of the forward pass again, with all second things side by side. Some first things are taken together,
so that there are rows enough for a register tile; in a symmetric block some of the sums behind the diagonal are formed,
and nobody reads them.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.pairs import (
    SPARE,
    gather_input_rows,
    gather_inputs,
    input_rows,
    n_seconds,
    rows_of_block,
    scale_row,
)
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.gather import lanes_to_rows
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import Numbers, shift
from fastbp.kernels.tuning import CURVATURE_TILE, FEW_PAIRS


class Things(NamedTuple):
    """The things j, or i, of which pairs are made with the second ones, l or k."""

    first: Numbers  # row after row of TILE numbers
    second: Rows  # sample by sample
    start: int
    stop: int
    n_second: int
    is_same: bool


@kernel
def add_few(curve, things, scratch, n_rows, n_samples, stride):
    """Add a tile's products of all pairs of some things with the rows."""
    together, terms = max(1, FEW_PAIRS // n_rows), terms_of(things.second)
    weights, epilogue = Weights(scratch.scaled, CURVATURE_TILE, 1), Epilogue(
        True, curve.zeros, 0, NO_FLOOR, False, scratch.out
    )  # fmt: skip
    for j in range(things.start, things.stop, together):
        stop = min(j + together, things.stop)
        rows_times_things(scratch.rows, n_rows, things.first, j, stop, scratch.scaled)
        out = Rows(shift(scratch.out, (j - things.start) * n_rows * stride), stride)
        size = Size((stop - j) * n_rows, n_seconds(things.is_same, stop - 1, things.n_second), n_samples)
        SUMS.call(curve.sums, out, weights, terms, epilogue, size)


@kernel
def rows_times_things(rows, n_rows, things, start, stop, out):
    """out[(j,q), s] = rows[q, s] things[j, s]."""
    place = 0
    for j in range(start, stop):
        for q in range(n_rows):
            scale_row(shift(rows, q * CURVATURE_TILE), shift(things, j * CURVATURE_TILE), shift(out, place))
            place += CURVATURE_TILE


@kernel
def few_inputs(curve, block, kept, scratch, n_samples, stride):
    """Add the products of a tile's pairs of units, of a single row u, with few pairs of inputs."""
    gather_input_rows(curve, block.first, kept.by_unit, scratch.left)
    right = scratch.left
    if not block.same_inputs:
        right = scratch.right
        gather_input_rows(curve, block.second, kept.by_unit, right)
    n_rows, units = input_rows(block, scratch.left, right, scratch.rows), rows_of_block(curve, block, kept)
    for q in range(n_rows):
        row = shift(scratch.rows, q * CURVATURE_TILE)
        scale_row(row, units.factors, row)
    second, n_second = Rows(scratch.columns, stride), n_seconds(block.same_units, block.j_stop - 1, block.n_second)
    lanes_to_rows(Rows(units.second, CURVATURE_TILE), n_second, n_samples, second)
    things = Things(units.first, second, block.j_start, block.j_stop, block.n_second, block.same_units)
    add_few(curve, things, scratch, n_rows, n_samples, stride)


@kernel
def few_units(curve, block, kept, scratch, n_rows, n_samples, stride):
    """Add the products of a tile's pairs of inputs with few pairs of units, which are in the rows."""
    gather_input_rows(curve, block.first, kept.by_unit, scratch.left)
    gather_inputs(curve, block.second, kept.by_sample, n_samples, scratch.right)
    n_second = block.second.n_sources
    second = Rows(scratch.right, n_second + SPARE)
    things = Things(scratch.left, second, block.i_start, block.i_stop, n_second, block.same_inputs)
    add_few(curve, things, scratch, n_rows, n_samples, stride)
