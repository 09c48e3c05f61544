"""What the minimisers ask of the samples: the error, its gradient, and how the outputs bend along a step.

Second derivatives of the outputs along v, in Taylor's way: a'' = sum_i w z''_i + 2 v z'_i,  z'' = h' a'' + h'' a'**2.
"""

from functools import cache

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.gradients import add_bias_sums, add_weight_products, clear
from fastbp.kernels.curvature.jobs import address_of_worker, samples_of_tile, tiles_of_chunk
from fastbp.kernels.curvature.loading import load_tile
from fastbp.kernels.curvature.outputs import begin_deltas, begin_deltas_along, losses_of_tile, outputs_along
from fastbp.kernels.curvature.passes import arriving, backward, backward_along, bend, fill, forward, forward_along
from fastbp.kernels.curvature.products import clear_inputs
from fastbp.kernels.registers.lanes import fma, lanes, load, set_number, shift, store
from fastbp.kernels.tables import layer_of


@entry
def losses_of_slot(curve, given, room, task, slot):
    """The error of the slot's chunks."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        set_number(room.errors, chunk, 0.0)
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))


@entry
def gradients_of_slot(curve, given, room, task, slot):
    """The error, and its gradient, of the slot's chunks."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        sums = shift(room.sums, chunk * room.n_params)
        set_number(room.errors, chunk, 0.0)
        clear(sums, room.n_params)
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))
            begin_deltas(curve, tile)
            backward(curve, tile, tile.eps, tile.delta, 1)
            add_weight_products(curve, tile.delta, tile.z, sums, 0, tile.width)
            add_bias_sums(curve, tile.delta, sums, tile.width)


@kernel
def forward_twice_along(curve, tile, v):
    """a'' and z'' of every unit, in the places of eps and delta, behind `forward_along`."""
    width = tile.width
    fill(tile.delta, 0, layer_of(curve.net, 0).n_units * width, 0.0)
    for l in range(1, curve.n_computed):
        layer = layer_of(curve.net, l)
        first, count = layer.first_unit * width, layer.n_units * width
        fill(tile.eps, first, count, 0.0)
        arriving(curve, layer, v, tile.r_z, tile.eps, True, 1, width)
        for p in range(first, first + count, lanes(tile.eps)):
            store(tile.eps, p, 2.0 * load(tile.eps, p))
        arriving(curve, layer, curve.net.params, tile.delta, tile.eps, True, 1, width)
        for p in range(first, first + count, lanes(tile.eps)):
            r_a = load(tile.r_a, p)
            bent = load(tile.bend, p) * r_a * r_a
            store(tile.delta, p, fma(load(tile.slope, p), load(tile.eps, p), bent))


@entry
def bends_of_slot(curve, given, room, task, slot):
    """sum_n J^T H_L y''(v, v) of the slot's chunks, to each chunk's sums; softmax comes with its own loss."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        sums = shift(room.sums, chunk * room.n_params)
        clear(sums, room.n_params)
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            losses_of_tile(curve, tile, shift(room.errors, chunk))
            bend(curve, tile)
            clear_inputs(curve, tile)
            forward_along(curve, tile, task.v)
            forward_twice_along(curve, tile, task.v)
            place, count = curve.first_output * tile.width, curve.n_outputs * tile.width
            for p in range(place, place + count, lanes(tile.r_a)):
                store(tile.r_a, p, load(tile.eps, p))
                store(tile.r_z, p, load(tile.delta, p))
            outputs_along(curve, tile)
            begin_deltas_along(curve, tile, False)
            backward_along(curve, tile, task.v, False)
            add_weight_products(curve, tile.r_delta, tile.z, sums, 0, tile.width)
            add_bias_sums(curve, tile.r_delta, sums, tile.width)


@cache
def address_of_losses():
    """Address of `losses_of_slot`."""
    return address_of_worker(losses_of_slot)


@cache
def address_of_gradients():
    """Address of `gradients_of_slot`."""
    return address_of_worker(gradients_of_slot)


@cache
def address_of_bends():
    """Address of `bends_of_slot`."""
    return address_of_worker(bends_of_slot)
