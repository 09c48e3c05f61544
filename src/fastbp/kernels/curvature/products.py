"""Products with the Hessian, and with the Jacobian, without either of them: the R-operator's passes.

    (H v)_ji = sum_n R{delta_j} z_i + delta_j R{z_i}                           (5.110), (5.111)

The Gauss-Newton product is the same without what bends: R forward, then ordinary backpropagation of H_L R{a}.
"""

from functools import cache

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.gradients import add_bias_sums, add_weight_products, clear
from fastbp.kernels.curvature.jobs import (
    Task,
    add_up,
    address_of_worker,
    n_chunks_of,
    samples_of_tile,
    tiles_of_chunk,
    views_of_room,
    work,
)
from fastbp.kernels.curvature.loading import load_tile, views_of_given
from fastbp.kernels.curvature.outputs import begin_deltas, begin_deltas_along, losses_of_tile, outputs_along
from fastbp.kernels.curvature.passes import backward, backward_along, bend, fill, forward, forward_along
from fastbp.kernels.curvature.plan import curve_of
from fastbp.kernels.registers.lanes import number, set_number, shift, view
from fastbp.kernels.tables import layer_of


@kernel
def clear_inputs(curve, tile):
    """R{z_i} = 0 of the inputs."""
    fill(tile.r_z, 0, layer_of(curve.net, 0).n_units * tile.width, 0.0)


@entry
def products_of_slot(curve, given, room, task, slot):
    """H v of the slot's chunks, for each direction v, to the chunk's sums."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        sums = shift(room.sums, chunk * task.n_vectors * room.n_params)
        clear(sums, task.n_vectors * room.n_params)
        set_number(room.errors, chunk, 0.0)
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            prepare(curve, tile, task.exact, shift(room.errors, chunk))
            for m in range(task.n_vectors):
                add_product(curve, tile, task.exact, shift(task.v, m * room.n_params), shift(sums, m * room.n_params))


@kernel
def prepare(curve, tile, exact, total):
    """The passes that all directions share."""
    forward(curve, tile)
    losses_of_tile(curve, tile, total)
    clear_inputs(curve, tile)
    if exact:
        bend(curve, tile)
        begin_deltas(curve, tile)
        backward(curve, tile, tile.eps, tile.delta, 1)


@kernel
def add_product(curve, tile, exact, v, out):
    """out += H v of the samples of a tile."""
    forward_along(curve, tile, v)
    outputs_along(curve, tile)
    begin_deltas_along(curve, tile, exact)
    backward_along(curve, tile, v, exact)
    add_weight_products(curve, tile.r_delta, tile.z, out, 0, tile.width)
    add_bias_sums(curve, tile.r_delta, out, tile.width)
    if exact:
        add_weight_products(curve, tile.delta, tile.r_z, out, 1, tile.width)


@entry
def outputs_along_of_slot(curve, given, room, task, slot):
    """sum_p J v_p of the slot's tiles: out[n, k] = R{y_k}."""
    numbers = shift(room.tiles, slot * room.n_tile)
    for chunk in range(slot, task.n_items, task.n_slots):
        first, stop = tiles_of_chunk(task, chunk)
        for k in range(first, stop):
            start, n_samples = samples_of_tile(task, k)
            tile = load_tile(curve, given, numbers, start, n_samples)
            forward(curve, tile)
            clear_inputs(curve, tile)
            forward_along(curve, tile, task.v)
            outputs_along(curve, tile)
            r_y = shift(tile.r_z, curve.first_output * tile.width)
            for s in range(n_samples):
                for m in range(curve.n_outputs):
                    set_number(task.out, (start + s) * curve.n_outputs + m, number(r_y, m * tile.width + s))


@cache
def address_of_products_worker():
    """Address of `products_of_slot`."""
    return address_of_worker(products_of_slot)


@cache
def address_of_outputs_worker():
    """Address of `outputs_along_of_slot`."""
    return address_of_worker(outputs_along_of_slot)


@entry
def run_task(plan, given, room, worker, parallel, exact, v, out):
    """Work on all samples; where there are sums, those of all chunks are in row 0 of the room's; returns the error."""
    curve, data, views = curve_of(plan), views_of_given(given), views_of_room(room)
    n_chunks, n_vectors = n_chunks_of(data.n_samples), len(v)
    task = Task(
        worker, parallel, len(room.tiles), n_chunks, 0, data.n_samples, exact, view(v), n_vectors, view(out)
    )  # fmt: skip
    work(curve, data, views, task)
    error = 0.0
    for chunk in range(n_chunks if len(room.errors) > 0 else 0):
        error += room.errors[chunk]
    n_numbers = n_vectors * views.n_params
    if len(room.sums) > 0:
        add_up(views.sums, n_chunks, n_numbers, n_numbers)
    return error
