"""The Hessian, or its Gauss-Newton part, as products of unit pairs with input pairs: the Jacobian is never stored.

    Gauss-Newton   H[(j,i),(l,k)] = sum_n M_jl z_i z_k,   M_jl = sum_m d_m b_mj b_ml         (rows b_m: see outputs.py)
    exact          H[(j,i),(l,k)] = sum_n B_jl z_i z_k + delta_l (dz_k/da_j) z_i,   j not above l
                   B_jl = d delta_l / da_j,  from the R-operator's passes with R{a_j} = 1

Outputs are summed up in M, before the product, so K of them cost as much as one. M_jl and z_i z_k are symmetric where
both weights belong to one group: a quarter of the products of J^T J. What is left are the sums of the forward pass:
out[(j,l), (i,k)] = sum_s M[(j,l), s] Z[s, (i,k)], with the samples as terms.

A *task* is a block of them: some rows (j,l), some columns (i,k). It goes over all tiles, in their order, and adds its
block to H at the end; so no thread needs a matrix of its own, and the bits depend on none of them.
"""

from typing import Any, NamedTuple

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.gradients import add_bias_sums, add_weight_products
from fastbp.kernels.curvature.jobs import n_tiles_of, samples_of_tile, tiles_of_chunk
from fastbp.kernels.curvature.loading import load_tile
from fastbp.kernels.curvature.outputs import (
    begin_deltas,
    begin_deltas_along,
    begin_row,
    losses_of_tile,
    outputs_along,
    row_factor,
)
from fastbp.kernels.curvature.passes import (
    add_bends,
    arriving,
    backward,
    bend,
    fill,
    forward,
    highest_hidden,
    leaving,
    multiply,
)
from fastbp.kernels.curvature.plan import Group, group_of
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.gather import lanes_to_rows
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import Numbers, fma, inlined, lanes, load, number, set_number, shift, splat, store
from fastbp.kernels.tables import layer_of
from fastbp.kernels.tuning import CURVATURE_TILE

# Columns of `Plan.tasks`: groups; rows: units j of the first group; columns: inputs i of the first group; whether both
# groups have the same inputs
FIRST_GROUP, SECOND_GROUP, J_START, J_STOP, I_START, I_STOP, SAME_INPUTS = range(7)
TASK_COLUMNS = 7


class Kept(NamedTuple):
    """What is kept of a tile; computed units are numbered from 0."""

    by_sample: Numbers  # z sample by sample, 1 for the bias at the end of each row
    delta: Numbers  # (n_computed units, TILE)
    pairs: Numbers  # (n_outputs + 1, n units, TILE): rows b_m, then factors d_m; or B_jl (n units, n units, TILE)
    moves: Numbers  # exact: dz_k/da_j (n units, n units, TILE)


def kept_numbers(n_units: Any, n_inputs: Any, n_outputs: Any, exact: Any) -> Any:
    """Numbers that are kept of a tile."""
    n = n_units - n_inputs
    pairs = 2 * n * n if exact else n_outputs * (n + 1)
    return CURVATURE_TILE * (n_units + 1 + n + pairs)


@kernel
def kept_of(curve, room, k, exact):
    """What is kept of the k-th tile in the memory."""
    data, n = shift(room.kept, k * room.n_kept), n_computed_units(curve)
    delta = shift(data, CURVATURE_TILE * (curve.net.n_units + 1))
    pairs = shift(delta, CURVATURE_TILE * n)
    return Kept(data, delta, pairs, shift(pairs, CURVATURE_TILE * n * n if exact else 0))


@kernel
def n_inputs_of(curve):
    """Inputs: the first units."""
    return layer_of(curve.net, 0).n_units


@kernel
def n_computed_units(curve):
    """Units that are not inputs."""
    return curve.net.n_units - n_inputs_of(curve)


@kernel
def copy_rows(out, rows, n_rows, width):
    """Rows of a tile to rows TILE numbers apart."""
    for j in range(n_rows):
        for s in range(0, width, lanes(out)):
            store(out, j * CURVATURE_TILE + s, load(rows, j * width + s))


@entry
def keep_of_slot(curve, given, room, task, slot):
    """Keep what the tasks need of the slot's tiles; add up their error and gradient, a chunk's in a row of its own."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        gradient = shift(room.sums, chunk * room.n_params)
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            kept = kept_of(curve, room, k, task.exact)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))
            begin_deltas(curve, tile)
            backward(curve, tile, tile.eps, tile.delta, 1)
            add_weight_products(curve, tile.delta, tile.z, gradient, 0, tile.width)
            add_bias_sums(curve, tile.delta, gradient, tile.width)
            keep_by_sample(curve, tile, kept.by_sample)
            if task.exact:
                keep_exact(curve, tile, kept)
            else:
                keep_rows(curve, tile, kept.pairs)


@kernel
def keep_by_sample(curve, tile, out):
    """z sample by sample, with a 1 at the end."""
    n = curve.net.n_units
    lanes_to_rows(Rows(tile.z, tile.width), n, tile.n_samples, Rows(out, n + 1))
    for s in range(tile.n_samples):
        set_number(out, s * (n + 1) + n, 1.0)


@kernel
def keep_rows(curve, tile, out):
    """The rows b_m, by ordinary backpropagation from where they begin, and their factors d_m."""
    n, first = n_computed_units(curve), n_inputs_of(curve) * tile.width
    for m in range(curve.n_outputs):
        begin_row(curve, tile, m, tile.r_eps, tile.r_delta, False)
        backward(curve, tile, tile.r_eps, tile.r_delta, 1)
        copy_rows(shift(out, m * n * CURVATURE_TILE), shift(tile.r_delta, first), n, tile.width)
        factors = shift(out, (curve.n_outputs * n + m) * CURVATURE_TILE)
        for s in range(0, tile.width, lanes(out)):
            store(factors, s, row_factor(curve, tile, m, s))


@kernel
def keep_exact(curve, tile, kept):
    """B_jl and dz_k/da_j of each unit j: the passes with R{a_j} = 1."""
    n, n_inputs = n_computed_units(curve), n_inputs_of(curve)
    bend(curve, tile)
    copy_rows(kept.delta, shift(tile.delta, n_inputs * tile.width), n, tile.width)
    for l in range(1, curve.n_computed):
        layer = layer_of(curve.net, l)
        for j in range(layer.first_unit, layer.first_unit + layer.n_units):
            along_unit(curve, tile, l, j)
            row = (j - n_inputs) * n * CURVATURE_TILE
            copy_rows(shift(kept.pairs, row), shift(tile.r_delta, n_inputs * tile.width), n, tile.width)
            copy_rows(shift(kept.moves, row), shift(tile.r_z, n_inputs * tile.width), n, tile.width)


@kernel
def along_unit(curve, tile, l, j):
    """R{} of all units from layer l on, along a_j of a unit of it."""
    net, width = curve.net, tile.width
    fill(tile.r_a, 0, net.n_units * width, 0.0)
    fill(tile.r_z, 0, net.n_units * width, 0.0)
    fill(tile.r_delta, 0, net.n_units * width, 0.0)
    fill(tile.r_eps, curve.first_output * width, curve.n_outputs * width, 0.0)
    fill(tile.r_a, j * width, width, 1.0)
    if not (curve.is_softmax and l == curve.n_computed - 1):
        multiply(tile.r_z, tile.slope, tile.r_a, j * width, width)
    for m in range(l + 1, curve.n_computed):
        layer = layer_of(net, m)
        arriving(curve, layer, net.params, tile.r_z, tile.r_a, True, l, width)
        multiply(tile.r_z, tile.slope, tile.r_a, layer.first_unit * width, layer.n_units * width)
    outputs_along(curve, tile)
    begin_deltas_along(curve, tile, True)
    for m in range(highest_hidden(curve), l - 1, -1):
        layer = layer_of(net, m)
        first, count = layer.first_unit * width, layer.n_units * width
        leaving(curve, layer, net.params, tile.r_delta, tile.r_eps, layer.first_unit >= curve.first_output, width)
        multiply(tile.r_delta, tile.r_eps, tile.slope, first, count)
        add_bends(tile, tile.r_delta, first, count)


# ---------------------------------------------------------------- the blocks of the matrix


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


@kernel
def block_of_task(curve, n):
    """Task number n."""
    row = n * TASK_COLUMNS
    g, h = number(curve.tasks, row + FIRST_GROUP), number(curve.tasks, row + SECOND_GROUP)
    return Block(
        group_of(curve, g), group_of(curve, h), number(curve.tasks, row + J_START), number(curve.tasks, row + J_STOP),
        number(curve.tasks, row + I_START), number(curve.tasks, row + I_STOP),
        number(curve.tasks, row + SAME_INPUTS) != 0, g == h,
    )  # fmt: skip


@kernel
def n_seconds(is_same, position, n):
    """Units l, or inputs k, that go with the one at a position: up to itself in a symmetric block, or all n."""
    inlined()
    return position + 1 if is_same else n


class Scratch(NamedTuple):
    """Memory of a slot for a task."""

    out: Numbers  # (rows, columns)
    pairs: Numbers  # M: (rows, TILE)
    inputs: Numbers  # Z: (TILE, columns)
    left: Numbers  # z_i by sample (TILE, n_sources filled up)
    right: Numbers  # z_k
    scaled: Numbers  # d_m b_mj (n_outputs, TILE)


SPARE = 8  # numbers behind an array that is stored to in whole registers


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
        n_outputs * CURVATURE_TILE,
    )


@kernel
def scratch_of(curve, room, slot, n_sources):
    """The memory of a slot; n_sources: most of a group."""
    data = shift(room.scratch, slot * room.n_scratch)
    columns, row = curve.n_columns + 2 * SPARE, CURVATURE_TILE * (n_sources + SPARE)
    pairs = shift(data, curve.n_rows * columns)
    inputs = shift(pairs, curve.n_rows * CURVATURE_TILE)
    left = shift(inputs, CURVATURE_TILE * columns + SPARE)
    right = shift(left, row)
    return Scratch(data, pairs, inputs, left, right, shift(right, row))


@kernel
def row_stride(n_columns):
    """Numbers from one row to the next: whole cache lines, an odd number of them, so that rows fall on all sets."""
    return ((n_columns + SPARE - 1) // SPARE | 1) * SPARE


@kernel
def gather_inputs(curve, group, by_sample, n_samples, out):
    """z of the units that feed a group, sample by sample: rows n_sources + SPARE apart."""
    n_units, stride = curve.net.n_units, group.n_sources + SPARE
    for s in range(n_samples):
        for i in range(group.n_sources):
            unit = number(curve.sources, group.sources + i)
            set_number(out, s * stride + i, number(by_sample, s * (n_units + 1) + unit))


@kernel
def input_pairs(block, left, right, n_samples, stride, out):
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
def row_pairs(curve, block, kept, scaled, out):
    """M[(j,l), s] = sum_m d_m b_mj b_ml."""
    n, n_inputs, step, row = n_computed_units(curve), n_inputs_of(curve), lanes(out), 0
    factors = shift(kept.pairs, curve.n_outputs * n * CURVATURE_TILE)
    for j in range(block.j_start, block.j_stop):
        for m in range(curve.n_outputs):
            b_j = shift(kept.pairs, (m * n + block.first.unit - n_inputs + j) * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, step):
                store(scaled, m * CURVATURE_TILE + s, load(factors, m * CURVATURE_TILE + s) * load(b_j, s))
        for l in range(n_seconds(block.same_units, j, block.second.n_units)):
            b_l = shift(kept.pairs, (block.second.unit - n_inputs + l) * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, step):
                total = splat(out, 0.0)
                for m in range(curve.n_outputs):
                    total = fma(load(scaled, m * CURVATURE_TILE + s), load(b_l, m * n * CURVATURE_TILE + s), total)
                store(out, row * CURVATURE_TILE + s, total)
            row += 1
    return row


@kernel
def exact_pairs(curve, block, kept, out):
    """M[(j,l), s] = B_jl."""
    n, n_inputs, row = n_computed_units(curve), n_inputs_of(curve), 0
    for j in range(block.j_start, block.j_stop):
        b_j = shift(kept.pairs, (block.first.unit - n_inputs + j) * n * CURVATURE_TILE)
        for l in range(n_seconds(block.same_units, j, block.second.n_units)):
            b_jl = shift(b_j, (block.second.unit - n_inputs + l) * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, lanes(out)):
                store(out, row * CURVATURE_TILE + s, load(b_jl, s))
            row += 1
    return row


@kernel
def columns_of(block):
    """Columns of a task."""
    if not block.same_inputs:
        return (block.i_stop - block.i_start) * block.second.n_sources
    return (block.i_stop * (block.i_stop + 1) - block.i_start * (block.i_start + 1)) // 2


@entry
def tasks_of_slot(curve, given, room, task, slot):
    """Add the slot's blocks of M Z to the matrix in `task.out`; task.n_vectors: most inputs of a group."""
    scratch = scratch_of(curve, room, slot, task.n_vectors)
    for n in range(slot, task.n_items, task.n_slots):
        block = block_of_task(curve, n)
        n_columns, n_rows = columns_of(block), 0
        stride = row_stride(n_columns)
        for k in range(n_tiles_of(task.n_samples)):
            _start, n_samples = samples_of_tile(task, k)
            kept = kept_of(curve, room, k, task.exact)
            gather_inputs(curve, block.first, kept.by_sample, n_samples, scratch.left)
            gather_inputs(curve, block.second, kept.by_sample, n_samples, scratch.right)
            input_pairs(block, scratch.left, scratch.right, n_samples, stride, scratch.inputs)
            if task.exact:
                n_rows = exact_pairs(curve, block, kept, scratch.pairs)
            else:
                n_rows = row_pairs(curve, block, kept, scratch.scaled, scratch.pairs)
            epilogue = Epilogue(k > 0, curve.zeros, 0, NO_FLOOR, False, scratch.out)
            weights, terms = Weights(scratch.pairs, CURVATURE_TILE, 1), terms_of(Rows(scratch.inputs, stride))
            size = Size(n_rows, n_columns, n_samples)
            SUMS.call(curve.sums, Rows(scratch.out, stride), weights, terms, epilogue, size)
        add_block(curve, block, scratch.out, stride, task.out, room.n_params)


@kernel
def add_pair(matrix, n_params, p, q, x):
    """H_pq += x, and H_qp."""
    inlined()
    set_number(matrix, p * n_params + q, number(matrix, p * n_params + q) + x)
    if p != q:
        set_number(matrix, q * n_params + p, number(matrix, q * n_params + p) + x)


@kernel
def add_block(curve, block, out, stride, matrix, n_params):
    """Add out[(j,l), (i,k)] to H[(j,i), (l,k)] and to what is equal to it."""
    first, second, row = block.first, block.second, 0
    for j in range(block.j_start, block.j_stop):
        p_j = first.places + j * first.n_sources
        for l in range(n_seconds(block.same_units, j, second.n_units)):
            q_l, column = second.places + l * second.n_sources, row * stride
            for i in range(block.i_start, block.i_stop):
                p_ji, q_li = number(curve.places, p_j + i), 0
                twice = block.same_inputs and not (block.same_units and j == l)
                if twice:
                    q_li = number(curve.places, q_l + i)
                for k in range(n_seconds(block.same_inputs, i, second.n_sources)):
                    x = number(out, column + k)
                    add_pair(matrix, n_params, p_ji, number(curve.places, q_l + k), x)
                    if twice and k != i:
                        add_pair(matrix, n_params, number(curve.places, p_j + k), q_li, x)
                column += n_seconds(block.same_inputs, i, second.n_sources)
            row += 1
