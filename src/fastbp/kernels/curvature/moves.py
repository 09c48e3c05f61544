"""The exact Hessian's second term: a weight moves what another one multiplies.

H[(j,i), (l,k)] += sum_n delta_l (dz_k/da_j) z_i        for units k that feed l and are j, or come after it
"""

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.assembly import kept_of, n_computed_units, n_inputs_of
from fastbp.kernels.curvature.blocks import add_pair, scratch_of
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.jobs import n_tiles_of, samples_of_tile
from fastbp.kernels.curvature.pairs import SPARE, gather_inputs
from fastbp.kernels.curvature.plan import group_of
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import lanes, load, number, shift, store
from fastbp.kernels.tuning import CURVATURE_TILE


@kernel
def group_with(curve, unit):
    """Number of the group of a unit, and the unit's place in it; units are counted group by group."""
    left = unit
    for g in range(curve.n_groups):
        group = group_of(curve, g)
        if left < group.n_units:
            return g, left
        left -= group.n_units
    return -1, 0


@entry
def moves_of_slot(curve, given, room, task, slot):
    """Add the second term of the weights of some units j: item u is the u-th unit of the groups."""
    scratch = scratch_of(curve, room, slot, task.n_vectors)
    for item in range(slot, task.n_items, task.n_slots):
        g, j = group_with(curve, item)
        first = group_of(curve, g)
        for h in range(g + 1, curve.n_groups):
            second = group_of(curve, h)
            for k in range(second.n_sources):
                unit = number(curve.sources, second.sources + k)
                if unit < curve.net.n_units and is_moved(curve, first, first.unit + j, unit):
                    move_input(curve, room, task, scratch, first, j, second, k)


@kernel
def is_moved(curve, first, unit_j, unit_k):
    """Whether a_j may move z_k."""
    return unit_k == unit_j or number(curve.layers_of, unit_k) > first.layer


@kernel
def move_input(curve, room, task, scratch, first, j, second, k):
    """The term of one unit j and one input k of another group."""
    n, n_inputs, n_rows = n_computed_units(curve), n_inputs_of(curve), second.n_units
    unit, stride = number(curve.sources, second.sources + k), first.n_sources + SPARE
    for t in range(n_tiles_of(task.n_samples)):
        _start, n_samples = samples_of_tile(task, t)
        kept = kept_of(curve, room, t, True)
        gather_inputs(curve, first, kept.by_sample, n_samples, scratch.left)
        move = shift(kept.moves, ((first.unit - n_inputs + j) * n + unit - n_inputs) * CURVATURE_TILE)
        for l in range(n_rows):
            delta_l = shift(kept.delta, (second.unit - n_inputs + l) * CURVATURE_TILE)
            for s in range(0, CURVATURE_TILE, lanes(move)):
                store(scratch.rows, l * CURVATURE_TILE + s, load(delta_l, s) * load(move, s))
        epilogue = Epilogue(t > 0, curve.zeros, 0, NO_FLOOR, False, scratch.out)
        weights, terms = Weights(scratch.rows, CURVATURE_TILE, 1), terms_of(Rows(scratch.left, stride))
        size = Size(n_rows, first.n_sources, n_samples)
        SUMS.call(curve.sums, Rows(scratch.out, stride), weights, terms, epilogue, size)
    for l in range(n_rows):
        q = number(curve.places, second.places + l * second.n_sources + k)
        for i in range(first.n_sources):
            p = number(curve.places, first.places + j * first.n_sources + i)
            add_pair(task.out, room.n_params, p, q, number(scratch.out, l * stride + i))
