"""Backpropagation of many samples at a time: a training sample in each SIMD lane.

The sums are those of `sample.py`. The samples are cut into *tiles*, and a tile is stored unit by unit,
its samples side by side: z[j, s]. A weight is one number that multiplies a register full of samples,
so a layer of 2 units runs at the rate of one of 2,000, and nothing is padded but the last register.

    a[j, s]      = b_j + sum_i w_ji z[i, s]               (5.48)
    z[j, s]      = h(a[j, s])                             (5.49)
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]     (5.56)
    grad[j, i]  += sum_s delta[j, s] z[i, s]              (5.53) and (5.57)
"""

from typing import NamedTuple

from fastbp.kernels import functions as fn
from fastbp.kernels.activation import SOFTMAX, activate, multiply_slope
from fastbp.kernels.compiling import kernel
from fastbp.kernels.gather import lanes_to_panels
from fastbp.kernels.lanes import Numbers, lanes, load, maximum, number, select, shift, splat, store, sum_lanes
from fastbp.kernels.loss import canonical_error, error, error_slope, is_canonical
from fastbp.kernels.machine import TILE_REGISTERS
from fastbp.kernels.packed import NONE, block_of, layer_of
from fastbp.kernels.tile import Group, Rows, Size, Weights, row_products, row_sums, weighted_sums


@kernel
def group_of(net, tiles):
    """How the samples of a unit run through the tiles."""
    n_tiles = (tiles.n_samples + tiles.width - 1) // tiles.width
    return Group(n_tiles, net.n_units * tiles.width, tiles.width, tiles.n_samples)


@kernel
def samples_in(tiles, k):
    """Samples in tile k, filled up to whole registers."""
    step = lanes(tiles.z)
    return (min(tiles.width, tiles.n_samples - k * tiles.width) + step - 1) // step * step


@kernel
def unit(net, tiles, k, values, j):
    """What `values` (a, z or delta) holds from unit j of tile k on."""
    return shift(values, (k * net.n_units + j) * tiles.width)


@kernel
def fill_rows(rows, n_rows, width, n_samples, values, first):
    """rows[j, :] = values[first + j], or 0 if first is NONE."""
    for j in range(n_rows):
        value = splat(rows, number(values, first + j) if first != NONE else 0.0)
        for s in range(0, n_samples, lanes(rows)):
            store(rows, j * width + s, value)


@kernel
def forward(net, tiles, k):
    """a and z of every unit, for the samples of tile k."""
    n_samples = samples_in(tiles, k)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        a_j = unit(net, tiles, k, tiles.a, layer.first_unit)
        fill_rows(a_j, layer.n_units, tiles.width, n_samples, net.params, layer.bias)
        for c in range(layer.in_start, layer.in_end):
            block = block_of(net, c)
            w_ji = Weights(shift(net.params, block.weights), block.n_in, 1)
            z_i = Rows(unit(net, tiles, k, tiles.z, block.source_unit), tiles.width)
            # (5.48)  a_j += sum_i w_ji z_i
            weighted_sums(Rows(a_j, tiles.width), w_ji, z_i, Size(block.n_out, n_samples, block.n_in))
        z_j = unit(net, tiles, k, tiles.z, layer.first_unit)
        if layer.function == SOFTMAX:
            softmax(a_j, z_j, layer.n_units, tiles.width, n_samples)
        else:
            for j in range(layer.n_units):
                activate(layer, a_j, z_j, j * tiles.width, n_samples)  # (5.49)  z_j = h(a_j)


@kernel
def largest_of(a, n_units, width, s):
    """max_k a_k, in each lane."""
    largest = load(a, s)
    for k in range(1, n_units):
        largest = maximum(largest, load(a, k * width + s))
    return largest


@kernel
def softmax(a, y, n_units, width, n_samples):
    """y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing."""
    for s in range(0, n_samples, lanes(a)):
        largest = largest_of(a, n_units, width, s)
        total = splat(a, 0.0)
        for k in range(n_units):
            power = fn.exp(load(a, k * width + s) - largest)
            store(y, k * width + s, power)
            total = total + power
        for k in range(n_units):
            store(y, k * width + s, load(y, k * width + s) / total)


@kernel
def log_sum_exp(a, n_units, width, s):
    """(largest a, ln sum_k exp(a_k - largest a)), in each lane."""
    largest = largest_of(a, n_units, width, s)
    total = splat(a, 0.0)
    for k in range(n_units):
        total = total + fn.exp(load(a, k * width + s) - largest)
    return largest, fn.log(total)


class Outputs(NamedTuple):
    """The output layer of one tile: unit k begins at k * width in each view."""

    a: Numbers
    y: Numbers
    t: Numbers
    delta: Numbers
    n_units: int
    width: int


@kernel
def output_delta(net, tiles, k):
    """Fill delta of the outputs of tile k with dE/da_k; return sum_n weight_n E_n of the tile."""
    layer = layer_of(net, net.n_layers - 1)
    n_samples = samples_in(tiles, k)
    outputs = Outputs(
        unit(net, tiles, k, tiles.a, layer.first_unit), unit(net, tiles, k, tiles.z, layer.first_unit),
        shift(tiles.t, k * layer.n_units * tiles.width), unit(net, tiles, k, tiles.delta, layer.first_unit),
        layer.n_units, tiles.width,
    )  # fmt: skip
    canonical = is_canonical(net.loss, layer.function)
    total = 0.0
    for s in range(0, n_samples, lanes(tiles.z)):
        if canonical:
            error_s = canonical_delta(net.loss, layer.function, outputs, s)
        else:
            error_s = error_slopes(net.loss, layer.function, outputs, s)
        total += weigh(outputs, s, error_s, load(tiles.weight, k * tiles.width + s))
    if not canonical and layer.function != SOFTMAX:
        for j in range(layer.n_units):  # delta_k = dE/dy_k h'(a_k)
            multiply_slope(layer, outputs.a, outputs.y, outputs.delta, j * tiles.width, n_samples)
    return total


@kernel
def weigh(outputs, s, error_s, weight):
    """Multiply delta by the samples' weights; return the sum of the weighted errors. 0 * inf counts as 0."""
    missing = weight == 0.0
    for k in range(outputs.n_units):
        delta_k = load(outputs.delta, k * outputs.width + s)
        store(outputs.delta, k * outputs.width + s, select(missing, 0.0, delta_k * weight))
    return sum_lanes(select(missing, 0.0, error_s * weight))


@kernel
def canonical_delta(loss, function, outputs, s):
    """(5.54)  delta_k = y_k - t_k, for a register of samples; returns their E_n."""
    error_s = splat(outputs.y, 0.0)
    largest, log_sum, total = error_s, error_s, splat(outputs.y, 1.0)
    if function == SOFTMAX:
        largest, log_sum = log_sum_exp(outputs.a, outputs.n_units, outputs.width, s)
        total = error_s
        for k in range(outputs.n_units):
            total = total + load(outputs.t, k * outputs.width + s)
    for k in range(outputs.n_units):
        place = k * outputs.width + s
        y, t = load(outputs.y, place), load(outputs.t, place)
        store(outputs.delta, place, y * total - t)
        error_s = error_s + canonical_error(loss, load(outputs.a, place) - largest, y, t, log_sum)
    return error_s


@kernel
def error_slopes(loss, function, outputs, s):
    """dE_n/dy_k, and with softmax dE_n/da_k, for a register of samples; returns their E_n."""
    error_s = splat(outputs.y, 0.0)
    mean = error_s
    for k in range(outputs.n_units):
        place = k * outputs.width + s
        y, t = load(outputs.y, place), load(outputs.t, place)
        slope = error_slope(loss, y, t)
        store(outputs.delta, place, slope)
        error_s = error_s + error(loss, y, t)
        mean = mean + slope * y
    if function == SOFTMAX:
        for k in range(outputs.n_units):  # dy_m/da_k = y_m ([m = k] - y_k)
            place = k * outputs.width + s
            store(outputs.delta, place, load(outputs.y, place) * (load(outputs.delta, place) - mean))
    return error_s


@kernel
def backward(net, tiles, k):
    """Delta recursion: from the outputs' delta to that of every hidden unit, for the samples of tile k."""
    n_samples = samples_in(tiles, k)
    for l in range(net.n_layers - 2, 0, -1):
        layer = layer_of(net, l)
        delta_j = unit(net, tiles, k, tiles.delta, layer.first_unit)
        fill_rows(delta_j, layer.n_units, tiles.width, n_samples, net.params, NONE)
        for o in range(layer.out_start, layer.out_end):
            block = block_of(net, number(net.outgoing, o))
            w_kj = Weights(shift(net.params, block.weights), 1, block.n_in)
            delta_k = Rows(unit(net, tiles, k, tiles.delta, block.target_unit), tiles.width)
            # (5.56)  delta_j = h'(a_j) sum_k w_kj delta_k
            weighted_sums(Rows(delta_j, tiles.width), w_kj, delta_k, Size(block.n_in, n_samples, block.n_out))
        a_j, z_j = (
            unit(net, tiles, k, tiles.a, layer.first_unit),
            unit(net, tiles, k, tiles.z, layer.first_unit),
        )
        for j in range(layer.n_units):
            multiply_slope(layer, a_j, z_j, delta_j, j * tiles.width, n_samples)


@kernel
def add_gradient(net, tiles, grad):
    """grad += dE/dparams of all samples of a group of tiles."""
    group = group_of(net, tiles)
    for c in range(net.n_blocks):
        block = block_of(net, c)
        dw = Rows(shift(grad, block.weights), block.n_in)
        if block.by_inputs:
            add_weight_gradient_by_inputs(net, tiles, block, dw)
        else:  # (5.57)  dE/dw_ji = sum_s delta_j z_i
            delta_j = Rows(unit(net, tiles, 0, tiles.delta, block.target_unit), tiles.width)
            z_i = Rows(unit(net, tiles, 0, tiles.z, block.source_unit), tiles.width)
            row_products(dw, delta_j, z_i, group, block.n_out, block.n_in)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:  # dE/db_j = sum_s delta_j
            delta_j = Rows(unit(net, tiles, 0, tiles.delta, layer.first_unit), tiles.width)
            row_sums(shift(grad, layer.bias), delta_j, group, layer.n_units)


@kernel
def add_weight_gradient_by_inputs(net, tiles, block, dw):
    """(5.57) with the inputs i in the lanes, not the samples: no sum across lanes at the end.

    Worth the transposed copy of z where a layer has many units: a quarter faster at 256 x 256.
    """
    panel_width = TILE_REGISTERS * lanes(tiles.z)
    for first in range(0, block.n_in, panel_width):
        panel = block.transposed + first // panel_width
        dw_i = Rows(shift(dw.data, first), dw.stride)
        for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
            n_samples = min(tiles.width, tiles.n_samples - k * tiles.width)
            start = (panel * tiles.n_samples_max + k * tiles.width) * panel_width
            delta_j = Weights(unit(net, tiles, k, tiles.delta, block.target_unit), tiles.width, 1)
            z_i = Rows(shift(tiles.transposed, start), panel_width)
            weighted_sums(dw_i, delta_j, z_i, Size(block.n_out, min(panel_width, block.n_in - first), n_samples))


@kernel
def transpose_layers(net, tiles):
    """Copies of z, sample by sample, of the hidden layers whose blocks take them."""
    panel_width = TILE_REGISTERS * lanes(tiles.z)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.transposed != NONE:
            for k in range((tiles.n_samples + tiles.width - 1) // tiles.width):
                n_samples = min(tiles.width, tiles.n_samples - k * tiles.width)
                start = (layer.transposed * tiles.n_samples_max + k * tiles.width) * panel_width
                z = unit(net, tiles, k, tiles.z, layer.first_unit)
                panels = shift(tiles.transposed, start)
                lanes_to_panels(z, layer.n_units, tiles.width, n_samples, panels, tiles.n_samples_max)
