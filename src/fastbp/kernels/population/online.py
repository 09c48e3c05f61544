"""On-line learning of networks in the lanes: a step of each along a sample of its own, registers of them side by side.

    w_ji -= eta delta_j z_i        (5.43) of E_n: delta_j and z_i as `passes.py` works them out

The steps of a network wait for each other, sums for their terms and each unit for its function; those of other
registers fill the time. How many there are is known when this is compiled: a tile of sums is units x registers of
networks, and what the sums do with it stands without a loop.
"""

from functools import cache
from typing import NamedTuple

from fastbp.kernels.compiling.addresses import Slot, for_warm_up, made_once
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.population.passes import (
    Lanes,
    add_errors,
    backward_by,
    forward_by,
    output_deltas,
    output_slopes,
    outputs_of,
    units,
    weights,
)
from fastbp.kernels.population.products import N_COLUMNS, N_ROWS, from_element
from fastbp.kernels.registers.lanes import (
    Numbers,
    Shape,
    fma,
    get,
    inlined,
    lanes,
    load,
    not_unrolled,
    put,
    shift,
    store,
    tile,
)
from fastbp.kernels.tables import NONE, Net, block_of, layer_of
from fastbp.kernels.tuning import LANE_REGISTERS


class Ahead(NamedTuple):
    """Samples that were gathered ahead, and what a step along each of them needs."""

    x: Numbers  # (n_samples, n_inputs, width)
    t: Numbers  # (n_samples, n_outputs, width)
    weight: Numbers  # (n_samples, width)
    units: Numbers  # a, z and delta, (n_units, width) each; and errors, (width,)
    falling: Numbers  # (width,): - eta
    sums: Numbers  # (width,): of the errors
    zeros: Numbers  # (width,)
    n_inputs: int
    n_outputs: int
    n_samples: int
    deltas_address: int


ONLINE = Slot(Net, Ahead)


@kernel
def tile_of_sums(shape, out, a, b, begin, n_terms):
    """out[j] = begin[j] + sum_i a[j, i] b[i], of as many units and networks as a tile has."""
    inlined()
    sums, step = tile(shape, out.data), lanes(out.data)
    for j in range(shape.units):
        for r in range(shape.registers):
            put(sums, j * shape.registers + r, load(begin.data, j * begin.row + r * step))
    for i in range(n_terms):
        not_unrolled()  # few terms, as a rule
        for r in range(shape.registers):
            b_i = load(b.data, i * b.row + r * step)
            for j in range(shape.units):
                k = j * shape.registers + r
                put(sums, k, fma(load(a.data, j * a.row + i * a.column + r * step), b_i, get(sums, k)))
    for j in range(shape.units):
        for r in range(shape.registers):
            store(out.data, j * out.row + r * step, get(sums, j * shape.registers + r))


@kernel
def sums_from(shape, j, out, a, b, begin, n_terms):
    """`tile_of_sums` of unit j and those that follow."""
    inlined()
    tile_of_sums(shape, from_element(out, j, 0), from_element(a, j, 0), b, from_element(begin, j, 0), n_terms)


def products_of(shape):
    """`products` of one sample: tiles of a shape, and of what is left one unit after the other."""
    one = Shape(1, shape.registers)

    @kernel
    def products_of_sample(out, a, b, begin, extent):
        inlined()
        whole = extent.n_rows - extent.n_rows % shape.units
        for j in range(0, whole, shape.units):
            sums_from(shape, j, out, a, b, begin, extent.n_terms)
        for j in range(whole, extent.n_rows):
            sums_from(one, j, out, a, b, begin, extent.n_terms)

    return products_of_sample


@kernel
def falling_deltas(shape, v, falling, unit):
    """- eta delta_j of a unit, of all networks."""
    inlined()
    found, delta = tile(shape, v.delta), units(v, v.delta, unit).data
    for r in range(shape.registers):
        place = r * lanes(delta)
        put(found, r, load(delta, place) * load(falling, place))
    return found


@kernel
def step_along(shape, out, place, delta_j, z_i):
    """w_ji -= eta delta_j z_i, of all networks."""
    inlined()
    for r in range(shape.registers):
        at = r * lanes(out)
        store(out, place + at, fma(get(delta_j, r), load(z_i, at), load(out, place + at)))


@kernel
def take_steps(shape, net, v, falling):
    """w_ji -= eta delta_j z_i and b_j -= eta delta_j, of all units."""
    inlined()
    for c in range(net.n_blocks):
        block = block_of(net, c)
        w, z = weights(net.params, block, v.width), outputs_of(v, block)
        for j in range(block.n_out):
            delta_j = falling_deltas(shape, v, falling, block.target_unit + j)
            for i in range(block.n_in):
                step_along(shape, w.data, j * w.row + i * w.column, delta_j, shift(z.data, i * z.row))
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:
            for j in range(layer.n_units):
                delta_j, place = falling_deltas(shape, v, falling, layer.first_unit + j), (layer.bias + j) * v.width
                for r in range(shape.registers):
                    at = place + r * lanes(falling)
                    store(net.params, at, load(net.params, at) + get(delta_j, r))


_KINDS: dict[int, object] = {}


def _entry_for(registers):
    """What learns, made once for each number of registers."""
    shape, row = Shape(min(N_ROWS, N_ROWS * N_COLUMNS // registers), registers), Shape(1, registers)
    products = products_of(shape)
    forward, backward = forward_by(products), backward_by(products)

    def learn_one_by_one(net, ahead):
        width = registers * lanes(ahead.x)
        n = net.n_units * width
        for s in range(ahead.n_samples):
            v = Lanes(
                shift(ahead.x, s * ahead.n_inputs * width), shift(ahead.t, s * ahead.n_outputs * width),
                shift(ahead.weight, s * width), ahead.units, shift(ahead.units, n), shift(ahead.units, 2 * n),
                shift(ahead.units, 3 * n), ahead.zeros, width, 1, width, width, ahead.deltas_address,
            )  # fmt: skip
            forward(net, v)
            output_deltas(net, v)
            output_slopes(net, v)
            add_errors(ahead.sums, v)
            backward(net, v)
            take_steps(row, net, v, ahead.falling)

    return entry(learn_one_by_one, key=f"{registers} registers of networks")


@for_warm_up(*((registers,) for registers in LANE_REGISTERS))
@cache
def address_of_online(registers, dtype):
    """Address of what learns on-line, so many registers of networks side by side."""
    return ONLINE.address(made_once(_KINDS, registers, lambda: _entry_for(registers)), dtype)
