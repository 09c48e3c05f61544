"""The blocks of the matrix: what assembly.py has kept of the tiles, multiplied and added up.

A *task* is a block: some pairs (j,l) of units, some pairs (i,k) of inputs. It goes over all tiles, in their order, and
adds its block to H at the end; so no thread needs a matrix of its own, and the bits depend on none of them.

The sums are those of the forward pass, with the samples as terms; unless there are few pairs of one kind: see few.py.

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
from fastbp.kernels.tuning import CURVATURE_TILE

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
    columns: Numbers  # the others: (TILE, columns); or, if rows are few, a register of second things for each output
    left: Numbers  # z_i by sample (TILE, n_sources filled up), or input by input (n_sources, TILE)
    right: Numbers  # z_k
    scaled: Numbers  # d_m b_mj (n_outputs, TILE)


def scratch_sizes(n_rows: Any, n_columns: Any, n_sources: Any, n_outputs: Any) -> Any:
    """Numbers of each array of `Scratch`."""
    columns = max(n_columns + 2 * SPARE, n_outputs * SPARE)
    row = CURVATURE_TILE * (n_sources + SPARE)
    return (
        n_rows * columns,
        n_rows * CURVATURE_TILE,
        CURVATURE_TILE * columns + SPARE,
        row,
        row,
        n_outputs * CURVATURE_TILE,
    )


@kernel
def scratch_of(curve, room, slot, n_sources):
    """The memory of a slot; n_sources: most of a group."""
    data = shift(room.scratch, slot * room.n_scratch)
    columns = max(curve.n_columns + 2 * SPARE, curve.n_outputs * SPARE)
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


@entry
def tasks_of_slot(curve, given, room, task, slot):
    """Add the slot's blocks to the matrix in `task.out`; task.n_vectors: most inputs of a group."""
    scratch = scratch_of(curve, room, slot, task.n_vectors)
    for n in range(slot, task.n_items, task.n_slots):
        block = block_of_task(curve, n, task.exact)
        n_of_units = n_pairs(block.same_units, block.j_start, block.j_stop, block.n_second)
        n_of_inputs = n_pairs(block.same_inputs, block.i_start, block.i_stop, block.second.n_sources)
        units_in_lanes = block.few == INPUTS and not task.exact
        n_rows, n_columns = (n_of_inputs, n_of_units) if units_in_lanes else (n_of_units, n_of_inputs)
        stride = row_stride(n_columns)
        clear(scratch.out, n_rows * stride)
        for k in range(n_tiles_of(task.n_samples)):
            _start, n_samples = samples_of_tile(task, k)
            kept = kept_of(curve, room, k, task.exact)
            if units_in_lanes:
                few_inputs(curve, block, kept, scratch, n_samples, stride)
            else:
                add_products(curve, block, kept, scratch, Size(n_rows, n_columns, n_samples), task.exact)
        steps = (1, stride) if units_in_lanes else (stride, 1)
        add_block(curve, block, scratch.out, steps, task.out, room.n_params)


@kernel
def add_products(curve, block, kept, scratch, size, exact):
    """Add the products of a tile's pairs of units with its pairs of inputs."""
    if exact and not block.is_shared:
        exact_rows(curve, block, kept, scratch.rows)
    else:
        unit_rows(block, rows_of_block(curve, block, kept), scratch.scaled, scratch.rows)
    stride = row_stride(size.row_length)
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
def add_block(curve, block, out, steps, matrix, n_params):
    """Add what `out` has for (j,l) and (i,k) to H[(j,i), (l,k)], and to what is equal to it.

    steps: numbers in `out` from one (j,l) to the next, and from one (i,k).
    """
    place, to = 0, Rows(matrix, n_params)
    for j in range(block.j_start, block.j_stop):
        for l in range(n_seconds(block.same_units, j, block.n_second)):
            values = Rows(shift(out, place), steps[1])
            if block.stands_for_outputs:
                for m in range(curve.n_outputs):
                    j_m = m if block.same_units else j  # of two outputs c_jl = 0
                    add_pairs_of_inputs(curve, block, j_m, m, product_of_gains(curve, block, j_m, m), values, to)
            else:
                c_jl = product_of_gains(curve, block, j, l) if block.is_shared else 1.0
                add_pairs_of_inputs(curve, block, j, l, c_jl, values, to)
            place += steps[0]


@kernel
def add_pairs_of_inputs(curve, block, j, l, c_jl, values, matrix):
    """Add what `values` has for each (i,k), times c_jl."""
    first, second, place = block.first, block.second, 0
    p_j, q_l = first.places + j * first.n_sources, second.places + l * second.n_sources
    twice = block.same_inputs and not (block.same_units and j == l)
    for i in range(block.i_start, block.i_stop):
        p_ji = number(curve.places, p_j + i)
        q_li = number(curve.places, q_l + i) if twice else 0
        for k in range(n_seconds(block.same_inputs, i, second.n_sources)):
            x = c_jl * number(values.data, place)
            add_pair(matrix.data, matrix.stride, p_ji, number(curve.places, q_l + k), x)
            if twice and k != i:
                add_pair(matrix.data, matrix.stride, number(curve.places, p_j + k), q_li, x)
            place += values.stride
