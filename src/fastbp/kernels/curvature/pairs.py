"""The two factors of a block's sums: products M_jl of two units, and Z_ik of two inputs, of each sample."""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.assembly import n_computed_units, n_inputs_of
from fastbp.kernels.registers.lanes import Numbers, fma, inlined, lanes, load, number, set_number, shift, splat, store
from fastbp.kernels.tuning import CURVATURE_TILE

SPARE = 8  # numbers behind an array that is stored to in whole registers


@kernel
def n_seconds(is_same, position, n):
    """Units l, or inputs k, that go with the one at a position: up to itself in a symmetric block, or all n."""
    inlined()
    return position + 1 if is_same else n


@kernel
def n_pairs(is_same, start, stop, n):
    """Pairs of the things from `start` on, before `stop`, with those that go with each."""
    if not is_same:
        return (stop - start) * n
    return (stop * (stop + 1) - start * (start + 1)) // 2


@kernel
def gather_inputs(curve, group, by_sample, n_samples, out):
    """z of the units that feed a group, sample by sample: rows n_sources + SPARE apart."""
    n_units, stride, run = curve.net.n_units, group.n_sources + SPARE, n_in_a_row(curve, group)
    first = number(curve.sources, group.sources) if run > 0 else 0
    for s in range(n_samples):
        row, out_s = shift(by_sample, s * (n_units + 1)), shift(out, s * stride)
        for i in range(0, run, lanes(out)):
            store(out_s, i, load(row, first + i))
        for i in range(run, group.n_sources):
            set_number(out_s, i, number(row, number(curve.sources, group.sources + i)))


@kernel
def n_in_a_row(curve, group):
    """How many of the units that feed a group are numbered one after the other, from the first on: a layer."""
    run = min(1, group.n_sources)
    while run < group.n_sources:
        unit = number(curve.sources, group.sources + run)
        if unit != number(curve.sources, group.sources + run - 1) + 1:
            break
        run += 1
    return run


@kernel
def gather_input_rows(curve, group, by_unit, out):
    """z of the units that feed a group, input by input: rows of TILE numbers."""
    for i in range(group.n_sources):
        row = number(curve.sources, group.sources + i) * CURVATURE_TILE
        for s in range(0, CURVATURE_TILE, lanes(out)):
            store(out, i * CURVATURE_TILE + s, load(by_unit, row + s))


@kernel
def input_columns(block, left, right, n_samples, stride, out):
    """Z[s, (i,k)] = z_i z_k, in rows `stride` numbers apart."""
    left_stride, right_stride = block.first.n_sources + SPARE, block.second.n_sources + SPARE
    for s in range(n_samples):
        place, right_s = s * stride, shift(right, s * right_stride)
        for i in range(block.i_start, block.i_stop):
            z_i, n = number(left, s * left_stride + i), n_seconds(block.same_inputs, i, block.second.n_sources)
            for k in range(0, n, lanes(out)):
                store(out, place + k, load(right_s, k) * z_i)
            place += n


@kernel
def input_rows(block, left, right, out):
    """Z[(i,k), s] = z_i z_k; returns the number of pairs."""
    row = 0
    for i in range(block.i_start, block.i_stop):
        for k in range(n_seconds(block.same_inputs, i, block.second.n_sources)):
            for s in range(0, CURVATURE_TILE, lanes(out)):
                z_ik = load(left, i * CURVATURE_TILE + s) * load(right, k * CURVATURE_TILE + s)
                store(out, row * CURVATURE_TILE + s, z_ik)
            row += 1
    return row


class UnitRows(NamedTuple):
    """What M_jl of a block is made of: rows of TILE numbers."""

    first: Numbers  # b_0j of its units j; those of b_1j `stride` numbers further
    second: Numbers  # b_0l of its units l
    factors: Numbers  # d_m
    n_factors: int
    stride: int


@kernel
def rows_of_block(curve, block, kept):
    """The rows b_m and their factors; or what all outputs share of them, u and d."""
    n, n_inputs = n_computed_units(curve), n_inputs_of(curve)
    j, l = (block.first.unit - n_inputs) * CURVATURE_TILE, (block.second.unit - n_inputs) * CURVATURE_TILE
    stride = n * CURVATURE_TILE
    if block.is_shared:
        return UnitRows(shift(kept.shared, j), shift(kept.shared, l), shift(kept.shared, stride), 1, stride)
    n_rows = curve.n_rows_apart
    return UnitRows(shift(kept.pairs, j), shift(kept.pairs, l), shift(kept.pairs, n_rows * stride), n_rows, stride)


@kernel
def scale_row(row, factors, out):
    """A row of a tile times another one."""
    for s in range(0, CURVATURE_TILE, lanes(out)):
        store(out, s, load(factors, s) * load(row, s))


@kernel
def unit_rows(block, rows, scaled, out):
    """M[(j,l), s] = sum_m d_m b_mj b_ml."""
    row = 0
    for j in range(block.j_start, block.j_stop):
        for m in range(rows.n_factors):
            place = m * CURVATURE_TILE
            b_j = shift(rows.first, m * rows.stride + j * CURVATURE_TILE)
            scale_row(b_j, shift(rows.factors, place), shift(scaled, place))
        for l in range(n_seconds(block.same_units, j, block.n_second)):
            b_l = shift(rows.second, l * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, lanes(out)):
                total = splat(out, 0.0)
                for m in range(rows.n_factors):
                    total = fma(load(scaled, m * CURVATURE_TILE + s), load(b_l, m * rows.stride + s), total)
                store(out, row * CURVATURE_TILE + s, total)
            row += 1


@kernel
def exact_rows(curve, block, kept, out):
    """M[(j,l), s] = B_jl."""
    n, n_inputs, row = n_computed_units(curve), n_inputs_of(curve), 0
    for j in range(block.j_start, block.j_stop):
        b_j = shift(kept.pairs, (block.first.unit - n_inputs + j) * n * CURVATURE_TILE)
        for l in range(n_seconds(block.same_units, j, block.n_second)):
            b_jl = shift(b_j, (block.second.unit - n_inputs + l) * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, lanes(out)):
                store(out, row * CURVATURE_TILE + s, load(b_jl, s))
            row += 1
