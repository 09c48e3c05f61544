"""Passes over a tile for second derivatives: forward, the delta recursion, and both along a direction v (R-operator).

With R{} = the derivative along v, v_ji its part at w_ji (Bishop, Pattern Recognition and Machine Learning, 5.4.6;
Pearlmutter 1994), eps_j = sum_k w_kj delta_k and delta_j = h'(a_j) eps_j:

    R{a_j}     = sum_i (w_ji R{z_i} + v_ji z_i)                                             (5.101), (5.103)
    R{z_j}     = h'(a_j) R{a_j}                                                             (5.102)
    R{delta_j} = h''(a_j) R{a_j} eps_j + h'(a_j) sum_k (v_kj delta_k + w_kj R{delta_k})     (5.107)
"""

from fastbp.kernels.codes import RELU, SOFTMAX
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.formulas.activation_calls import D2H, activate, multiply_slope
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.outputs import OF_SOFTMAX
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import fma, lanes, load, maximum, number, shift, splat, store
from fastbp.kernels.tables import LINK_COLUMNS, NONE, UNIT, WEIGHT, block_of, layer_of
from fastbp.kernels.tuning import CURVATURE_TILE


@kernel
def rows_of(values, unit, width):
    """The rows of some units' numbers, from `unit` on."""
    return Rows(shift(values, unit * width), width)


@kernel
def fill(values, start, count, x):
    """`count` numbers, whole registers, become x."""
    for p in range(start, start + count, lanes(values)):
        store(values, p, splat(values, x))


@kernel
def copy_rows(out, rows, n_rows, width):
    """Rows of a tile to rows TILE numbers apart."""
    for j in range(n_rows):
        for s in range(0, width, lanes(out)):
            store(out, j * CURVATURE_TILE + s, load(rows, j * width + s))


@kernel
def add_row(out, row, w, width):
    """out += w row."""
    for s in range(0, width, lanes(out)):
        store(out, s, fma(load(row, s), w, load(out, s)))


@kernel
def linked_rows(net, params, rows, out, first, n_units, width):
    """out[q] += sum over the links of the q-th of some units of their weight times the row at the other end."""
    for q in range(n_units):
        for link in range(number(net.starts, first + q), number(net.starts, first + q + 1)):
            unit, place = number(net.links, link * LINK_COLUMNS + UNIT), number(net.links, link * LINK_COLUMNS + WEIGHT)
            add_row(shift(out, q * width), shift(rows, unit * width), number(params, place), width)


@kernel
def arriving(curve, layer, params, z, out, begun, lowest, width):
    """out_j (+)= b_j + sum_i w_ji z_i of a layer's units (5.48), weights and biases from `params`.

    `begun`: added to what stands in `out`, without biases. `lowest`: z of layers below it are 0.
    """
    net = curve.net
    out_j, has_bias = rows_of(out, layer.first_unit, width), layer.bias != NONE and not begun
    biases = shift(params, layer.bias) if has_bias else curve.zeros
    for c in range(layer.in_start, layer.in_end):
        block = block_of(net, c)
        if block.source < lowest:
            continue
        epilogue = Epilogue(begun, biases, 1 if has_bias else 0, NO_FLOOR, False, out_j.data)
        w_ji = Weights(shift(params, block.weights), block.n_in, 1)
        z_i = terms_of(rows_of(z, block.source_unit, width))
        SUMS.call(curve.sums, out_j, w_ji, z_i, epilogue, Size(layer.n_units, width, block.n_in))
        begun = True
    if not begun:
        for j in range(layer.n_units):
            fill(out_j.data, j * width, width, number(biases, j) if has_bias else 0.0)
    linked_rows(net, params, z, out_j.data, layer.first_unit, layer.n_units, width)


@kernel
def leaving(curve, layer, params, delta, out, begun, width):
    """out_j (+)= sum_k w_kj delta_k over all units k to which a layer's unit j sends (5.56)."""
    net, out_j = curve.net, rows_of(out, layer.first_unit, width)
    for o in range(layer.out_start, layer.out_end):
        block = block_of(net, number(net.outgoing, o))
        epilogue = Epilogue(begun, curve.zeros, 0, NO_FLOOR, False, out_j.data)
        w_kj = Weights(shift(params, block.weights), 1, block.n_in)
        delta_k = terms_of(rows_of(delta, block.target_unit, width))
        SUMS.call(curve.sums, out_j, w_kj, delta_k, epilogue, Size(layer.n_units, width, block.n_out))
        begun = True
    if not begun:
        fill(out_j.data, 0, layer.n_units * width, 0.0)
    linked_rows(net, params, delta, out_j.data, net.n_units + layer.first_unit, layer.n_units, width)


@kernel
def activate_layer(layer, a, z, width):
    """z_j = h(a_j) (5.49)."""
    if layer.function == SOFTMAX:
        OF_SOFTMAX.call(layer.h_address, a, z, layer.n_units, width, width)
    elif layer.h_address != NONE:
        activate(layer, a, z, layer.n_units * width)
    else:
        floor = 0.0 if layer.function == RELU else NO_FLOOR
        for p in range(0, layer.n_units * width, lanes(a)):
            store(z, p, maximum(floor, load(a, p)))


@kernel
def forward(curve, tile):
    """a and z of every unit, and h' but for that of softmax."""
    for l in range(1, curve.n_computed):
        layer = layer_of(curve.net, l)
        first = layer.first_unit * tile.width
        arriving(curve, layer, curve.net.params, tile.z, tile.a, False, 0, tile.width)
        a_j, z_j, slope_j = shift(tile.a, first), shift(tile.z, first), shift(tile.slope, first)
        activate_layer(layer, a_j, z_j, tile.width)
        if layer.function != SOFTMAX:
            fill(slope_j, 0, layer.n_units * tile.width, 1.0)
            multiply_slope(layer, a_j, z_j, slope_j, layer.n_units * tile.width)


@kernel
def bend(curve, tile):
    """h''(a_j) of every unit, but those of softmax."""
    for l in range(1, curve.n_computed):
        layer, address = layer_of(curve.net, l), number(curve.bends, l)
        first, count = layer.first_unit * tile.width, layer.n_units * tile.width
        if address != NONE:
            D2H.call(address, shift(tile.a, first), shift(tile.z, first), shift(tile.bend, first), count)
        else:
            fill(tile.bend, first, count, 0.0)


@kernel
def multiply(out, left, right, start, count):
    """out = left * right."""
    for p in range(start, start + count, lanes(out)):
        store(out, p, load(left, p) * load(right, p))


@kernel
def highest_hidden(curve):
    """The last layer whose delta the recursion has to work out."""
    return curve.n_computed - 1 if curve.ends_apart else curve.n_computed - 2


@kernel
def backward(curve, tile, eps, delta, lowest):
    """The delta recursion down to layer `lowest`: delta_j = h'(a_j) eps_j, eps_j = sum_k w_kj delta_k (5.56).

    It begins with delta of the output layer; or, where outputs are units of several layers, with their eps.
    """
    for l in range(highest_hidden(curve), lowest - 1, -1):
        layer = layer_of(curve.net, l)
        begun = layer.first_unit >= curve.first_output
        leaving(curve, layer, curve.net.params, delta, eps, begun, tile.width)
        multiply(delta, eps, tile.slope, layer.first_unit * tile.width, layer.n_units * tile.width)


@kernel
def forward_along(curve, tile, v):
    """R{a_j} and R{z_j} of every unit but the softmax's R{z}, along the direction v of the parameters."""
    for l in range(1, curve.n_computed):
        layer = layer_of(curve.net, l)
        arriving(curve, layer, v, tile.z, tile.r_a, False, 0, tile.width)
        arriving(curve, layer, curve.net.params, tile.r_z, tile.r_a, True, 1, tile.width)
        multiply(tile.r_z, tile.slope, tile.r_a, layer.first_unit * tile.width, layer.n_units * tile.width)


@kernel
def backward_along(curve, tile, v, exact):
    """R{delta_j} of all hidden units from that of the outputs; without `exact` the Gauss-Newton part alone."""
    for l in range(highest_hidden(curve), 0, -1):
        layer = layer_of(curve.net, l)
        first, count = layer.first_unit * tile.width, layer.n_units * tile.width
        begun = layer.first_unit >= curve.first_output
        if exact:
            leaving(curve, layer, v, tile.delta, tile.r_eps, begun, tile.width)
        leaving(curve, layer, curve.net.params, tile.r_delta, tile.r_eps, begun or exact, tile.width)
        multiply(tile.r_delta, tile.r_eps, tile.slope, first, count)
        if exact:
            add_bends(tile, tile.r_delta, first, count)


@kernel
def add_bends(tile, r_delta, start, count):
    """R{delta_j} += h''(a_j) R{a_j} eps_j."""
    for p in range(start, start + count, lanes(r_delta)):
        product = load(tile.bend, p) * load(tile.r_a, p)
        store(r_delta, p, fma(product, load(tile.eps, p), load(r_delta, p)))
