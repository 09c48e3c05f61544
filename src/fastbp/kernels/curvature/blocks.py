"""The blocks of the matrix: what assembly.py has kept of the tiles, multiplied and added up.

A *task* is a block: some pairs (j,l) of units, some pairs (i,k) of inputs. It goes over all tiles, in their order, and
adds its block to H at the end; so no thread needs a matrix of its own, and the bits depend on none of them.

The sums are those of the forward pass, with the samples as terms. Where there are few pairs of one kind see few.py.

    out[(j,l), (i,k)] = sum_s M[(j,l), s] Z[s, (i,k)]
"""

from typing import Any, NamedTuple

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.assembly import kept_of
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.few import few_inputs, few_units
from fastbp.kernels.curvature.gradients import clear
from fastbp.kernels.curvature.jobs import n_tiles_of, samples_of_tile
from fastbp.kernels.curvature.pairs import (
    SPARE,
    exact_rows,
    gather_inputs,
    input_columns,
    n_pairs,
    n_seconds,
    rows_of_block,
    unit_rows,
)
from fastbp.kernels.curvature.plan import Group, group_of
from fastbp.kernels.curvature.shared import OF_OUTPUTS, product_of_gains
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import Numbers, inlined, number, set_number, shift
from fastbp.kernels.tuning import CURVATURE_TILE, FEW_PAIRS

# Columns of `Plan.tasks`: groups; units j of the first group; inputs i of the first group; whether both groups have
# the same inputs; which pairs are few; whether all outputs share the block's M, see shared.py
FIRST_GROUP, SECOND_GROUP, J_START, J_STOP, I_START, I_STOP, SAME_INPUTS, FEW, SHARED = range(9)
TASK_COLUMNS = 9
NEITHER, INPUTS, UNITS = range(3)  # in the column FEW


class Block(NamedTuple):
    """A task."""

    first: Group
    second: Group
    j_start: int
    j_stop: int
    i_start: int
    i_stop: int
    same_inputs: bool
    same_units: bool
    few: int
    is_shared: bool  # M_jl is that of shared.py
    n_second: int  # units l; with `is_shared` one stands for all outputs, among units j too
    stands_for_outputs: bool


@kernel
def block_of_task(curve, n, exact):
    """Task number n. Of the exact matrix M_jl is shared where units l, being outputs, have no h''."""
    row = n * TASK_COLUMNS
    g, h = number(curve.tasks, row + FIRST_GROUP), number(curve.tasks, row + SECOND_GROUP)
    first, second = group_of(curve, g), group_of(curve, h)
    is_shared, ends = number(curve.tasks, row + SHARED) != 0, second.gains == OF_OUTPUTS
    return Block(
        first, second, number(curve.tasks, row + J_START), number(curve.tasks, row + J_STOP),
        number(curve.tasks, row + I_START), number(curve.tasks, row + I_STOP),
        number(curve.tasks, row + SAME_INPUTS) != 0, g == h, number(curve.tasks, row + FEW),
        is_shared and (ends or not exact), 1 if is_shared and ends else second.n_units, is_shared and ends,
    )  # fmt: skip


class Scratch(NamedTuple):
    """Memory of a slot for a task."""

    out: Numbers  # (rows, columns)
    rows: Numbers  # the pairs that are rows: (rows, TILE)
    columns: Numbers  # the others: (TILE, columns); or, if inputs are few, b_l by sample
    left: Numbers  # z_i by sample (TILE, n_sources filled up), or input by input (n_sources, TILE)
    right: Numbers  # z_k
    scaled: Numbers  # d_m b_mj (n_outputs, TILE); or few rows times a first thing


def scratch_sizes(n_rows: Any, n_columns: Any, n_sources: Any, n_outputs: Any) -> Any:
    """Numbers of each array of `Scratch`."""
    columns = n_columns + 2 * SPARE
    row = CURVATURE_TILE * (n_sources + SPARE)
    return (
        n_rows * columns,
        n_rows * CURVATURE_TILE,
        CURVATURE_TILE * columns + SPARE,
        row,
        row,
        max(n_outputs, FEW_PAIRS) * CURVATURE_TILE,
    )


@kernel
def scratch_of(curve, room, slot, n_sources):
    """The memory of a slot; n_sources: most of a group."""
    data = shift(room.scratch, slot * room.n_scratch)
    columns = curve.n_columns + 2 * SPARE
    row = CURVATURE_TILE * (n_sources + SPARE)
    rows = shift(data, curve.n_rows * columns)
    by_sample = shift(rows, curve.n_rows * CURVATURE_TILE)
    left = shift(by_sample, CURVATURE_TILE * columns + SPARE)
    right = shift(left, row)
    return Scratch(data, rows, by_sample, left, right, shift(right, row))


@kernel
def row_stride(n_columns):
    """Numbers from one row to the next: whole cache lines, an odd number of them, so that rows fall on all sets."""
    return ((n_columns + SPARE - 1) // SPARE | 1) * SPARE


class Steps(NamedTuple):
    """Numbers in `Scratch.out` from one pair of units, or of inputs, to the next."""

    thing: int  # from the pairs of a first thing to those of the next; 0: all pairs stand one after the other
    pair: int  # from one pair of a first thing to the next


class Layout(NamedTuple):
    """How the sums of a block stand in `Scratch.out`: (n_rows, stride)."""

    n_rows: int
    stride: int
    units: Steps
    inputs: Steps


@kernel
def layout_of(block, few, n_of_units, n_of_inputs):
    """A row for each pair of units; or where one kind is few, for each first thing of the other one with each pair."""
    if few == INPUTS:
        stride = row_stride(n_seconds(block.same_units, block.j_stop - 1, block.n_second))
        n_rows, step = (block.j_stop - block.j_start) * n_of_inputs, n_of_inputs * stride
        return Layout(n_rows, stride, Steps(step, 1), Steps(0, stride))
    if few == UNITS:
        stride = row_stride(n_seconds(block.same_inputs, block.i_stop - 1, block.second.n_sources))
        n_rows, step = (block.i_stop - block.i_start) * n_of_units, n_of_units * stride
        return Layout(n_rows, stride, Steps(0, stride), Steps(step, 1))
    stride = row_stride(n_of_inputs)
    return Layout(n_of_units, stride, Steps(0, stride), Steps(0, 1))


@entry
def tasks_of_slot(curve, given, room, task, slot):
    """Add the slot's blocks to the matrix in `task.out`; task.n_vectors: most inputs of a group."""
    scratch = scratch_of(curve, room, slot, task.n_vectors)
    for n in range(slot, task.n_items, task.n_slots):
        block = block_of_task(curve, n, task.exact)
        n_of_units = n_pairs(block.same_units, block.j_start, block.j_stop, block.n_second)
        n_of_inputs = n_pairs(block.same_inputs, block.i_start, block.i_stop, block.second.n_sources)
        few = NEITHER if task.exact and block.few == INPUTS else block.few
        layout = layout_of(block, few, n_of_units, n_of_inputs)
        clear(scratch.out, layout.n_rows * layout.stride)
        for k in range(n_tiles_of(task.n_samples)):
            _start, n_samples = samples_of_tile(task, k)
            kept = kept_of(curve, room, k, task.exact)
            if few == INPUTS:
                few_inputs(curve, block, kept, scratch, n_samples, layout.stride)
            else:
                size = Size(n_of_units, n_of_inputs, n_samples)
                add_products(curve, block, kept, scratch, size, layout.stride, task.exact)
        add_block(curve, block, scratch.out, layout, task.out, room.n_params)


@kernel
def add_products(curve, block, kept, scratch, size, stride, exact):
    """Add the products of a tile's pairs of units with its pairs of inputs."""
    if exact and not block.is_shared:
        exact_rows(curve, block, kept, scratch.rows)
    else:
        unit_rows(block, rows_of_block(curve, block, kept), scratch.scaled, scratch.rows)
    if block.few == UNITS:
        few_units(curve, block, kept, scratch, size.n_sums, size.n_terms, stride)
        return
    gather_inputs(curve, block.first, kept.by_sample, size.n_terms, scratch.left)
    right = scratch.left
    if not block.same_inputs:
        right = scratch.right
        gather_inputs(curve, block.second, kept.by_sample, size.n_terms, right)
    input_columns(block, scratch.left, right, size.n_terms, stride, scratch.columns)
    epilogue = Epilogue(True, curve.zeros, 0, NO_FLOOR, False, scratch.out)
    weights, terms = Weights(scratch.rows, CURVATURE_TILE, 1), terms_of(Rows(scratch.columns, stride))
    SUMS.call(curve.sums, Rows(scratch.out, stride), weights, terms, epilogue, size)


@kernel
def add_pair(matrix, n_params, p, q, x):
    """H_pq += x, and H_qp."""
    inlined()
    set_number(matrix, p * n_params + q, number(matrix, p * n_params + q) + x)
    if p != q:
        set_number(matrix, q * n_params + p, number(matrix, q * n_params + p) + x)


@kernel
def next_place(steps, place, end):
    """Where the pairs of the next first thing begin, behind one whose own stand from `place` on, before `end`."""
    return place + steps.thing if steps.thing > 0 else end


@kernel
def add_block(curve, block, out, layout, matrix, n_params):
    """Add what `out` has for (j,l) and (i,k) to H[(j,i), (l,k)], and to what is equal to it."""
    place_j, to = 0, Rows(matrix, n_params)
    for j in range(block.j_start, block.j_stop):
        place = place_j
        for l in range(n_seconds(block.same_units, j, block.n_second)):
            values = shift(out, place)
            if block.stands_for_outputs:
                for m in range(curve.n_outputs):
                    j_m = m if block.same_units else j  # of two outputs c_jl = 0
                    c_jl = product_of_gains(curve, block, j_m, m)
                    add_pairs_of_inputs(curve, block, (j_m, m), c_jl, values, layout.inputs, to)
            else:
                c_jl = product_of_gains(curve, block, j, l) if block.is_shared else 1.0
                add_pairs_of_inputs(curve, block, (j, l), c_jl, values, layout.inputs, to)
            place += layout.units.pair
        place_j = next_place(layout.units, place_j, place)


@kernel
def add_pairs_of_inputs(curve, block, units, c_jl, values, steps, matrix):
    """Add what `values` has for each (i,k) of a pair of units, times c_jl."""
    first, second, place_i = block.first, block.second, 0
    j, l = units
    p_j, q_l = first.places + j * first.n_sources, second.places + l * second.n_sources
    twice = block.same_inputs and not (block.same_units and j == l)
    for i in range(block.i_start, block.i_stop):
        p_ji = number(curve.places, p_j + i)
        q_li = number(curve.places, q_l + i) if twice else 0
        place = place_i
        for k in range(n_seconds(block.same_inputs, i, second.n_sources)):
            x = c_jl * number(values, place)
            add_pair(matrix.data, matrix.stride, p_ji, number(curve.places, q_l + k), x)
            if twice and k != i:
                add_pair(matrix.data, matrix.stride, number(curve.places, p_j + k), q_li, x)
            place += steps.pair
        place_i = next_place(steps, place_i, place)
