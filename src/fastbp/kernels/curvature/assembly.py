"""What the Hessian, or its Gauss-Newton part, is made of, tile by tile; blocks.py adds up products of it.

    Gauss-Newton   H[(j,i),(l,k)] = sum_n M_jl z_i z_k,   M_jl = sum_m d_m b_mj b_ml         (rows b_m: see outputs.py)
    exact          H[(j,i),(l,k)] = sum_n B_jl z_i z_k + delta_l (dz_k/da_j) z_i,   j not above l
                   B_jl = d delta_l / da_j,  from the R-operator's passes with R{a_j} = 1

Outputs are summed up in M, before the product, so K of them cost as much as one; of some groups all have one M, see
shared.py. M_jl and z_i z_k are symmetric where both weights belong to one group: a quarter of the products of J^T J.
"""

from typing import Any, NamedTuple

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.gradients import add_bias_sums, add_weight_products
from fastbp.kernels.curvature.jobs import samples_of_tile, tiles_of_chunk
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
    copy_rows,
    fill,
    forward,
    highest_hidden,
    leaving,
    multiply,
)
from fastbp.kernels.curvature.shared import keep_shared, shared_numbers
from fastbp.kernels.many_samples.gather import lanes_to_rows
from fastbp.kernels.many_samples.weighted_sums import Rows
from fastbp.kernels.registers.lanes import Numbers, lanes, set_number, shift, store
from fastbp.kernels.tables import layer_of
from fastbp.kernels.tuning import CURVATURE_TILE


class Kept(NamedTuple):
    """What is kept of a tile; computed units are numbered from 0."""

    by_sample: Numbers  # z sample by sample, 1 for the bias at the end of each row
    by_unit: Numbers  # z unit by unit, the row of the bias at the end: (n_units + 1, TILE)
    delta: Numbers  # (n_computed units, TILE)
    pairs: Numbers  # (n_rows, n units + 1, TILE): rows b_m, then factors d_m; or B_jl (n units, n units, TILE)
    moves: Numbers  # exact: dz_k/da_j (n units, n units, TILE)
    shared: Numbers  # u_j (n units, TILE), then d, see shared.py; of networks that have them


def kept_numbers(n_units: Any, n_inputs: Any, n_rows: Any, exact: Any, shares: Any) -> Any:
    """Numbers that are kept of a tile."""
    n = n_units - n_inputs
    pairs = 2 * n * n if exact else n_rows * (n + 1)
    return CURVATURE_TILE * (2 * (n_units + 1) + n + pairs) + (shared_numbers(n) if shares else 0)


@kernel
def kept_of(curve, room, k, exact):
    """What is kept of the k-th tile in the memory."""
    data, n = shift(room.kept, k * room.n_kept), n_computed_units(curve)
    by_unit = shift(data, CURVATURE_TILE * (curve.net.n_units + 1))
    delta = shift(by_unit, CURVATURE_TILE * (curve.net.n_units + 1))
    pairs = shift(delta, CURVATURE_TILE * n)
    moves = shift(pairs, CURVATURE_TILE * n * n if exact else 0)
    shared = shift(moves, CURVATURE_TILE * (n * n if exact else curve.n_rows_apart * (n + 1)))
    return Kept(data, by_unit, delta, pairs, moves, shared)


@kernel
def n_inputs_of(curve):
    """Inputs: the first units."""
    return layer_of(curve.net, 0).n_units


@kernel
def n_computed_units(curve):
    """Units that are not inputs."""
    return curve.net.n_units - n_inputs_of(curve)


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
            keep_inputs(curve, tile, kept)
            if task.exact:
                keep_exact(curve, tile, kept)
            else:
                keep_rows(curve, tile, kept.pairs)
            if curve.shares:
                keep_shared(curve, tile, n_inputs_of(curve), kept.shared)


@kernel
def keep_inputs(curve, tile, kept):
    """z sample by sample, and unit by unit, with 1 for the bias at the end."""
    n = curve.net.n_units
    lanes_to_rows(Rows(tile.z, tile.width), n, tile.n_samples, Rows(kept.by_sample, n + 1))
    for s in range(tile.n_samples):
        set_number(kept.by_sample, s * (n + 1) + n, 1.0)
    copy_rows(kept.by_unit, tile.z, n, tile.width)
    fill(kept.by_unit, n * CURVATURE_TILE, CURVATURE_TILE, 1.0)


@kernel
def keep_rows(curve, tile, out):
    """The rows b_m, by ordinary backpropagation from where they begin, and their factors d_m."""
    n, first = n_computed_units(curve), n_inputs_of(curve) * tile.width
    for m in range(curve.n_rows_apart):
        begin_row(curve, tile, m, tile.r_eps, tile.r_delta, False)
        backward(curve, tile, tile.r_eps, tile.r_delta, 1)
        copy_rows(shift(out, m * n * CURVATURE_TILE), shift(tile.r_delta, first), n, tile.width)
        factors = shift(out, (curve.n_rows_apart * n + m) * CURVATURE_TILE)
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
