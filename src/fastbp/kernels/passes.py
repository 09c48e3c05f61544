"""Backpropagation of many samples at a time: a training sample in each SIMD lane.

The sums are those of `sample.py`. The samples of a *tile* are stored unit by unit, side by side:
z[j, s]. A weight is one number that multiplies a register full of samples, so a layer of 2 units runs at
the rate of one of 2,000, and nothing is padded but the last register.

    a[j, s]      = b_j + sum_i w_ji z[i, s]               (5.48)
    z[j, s]      = h(a[j, s])                             (5.49)
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]     (5.56)
    grad[j, i]  += sum_s delta[j, s] z[i, s]              (5.53) and (5.57)

A layer is worked off some units at a time, so that what was summed up is still in the first cache when
the activation function comes to it.
"""

from typing import NamedTuple

from fastbp.kernels.across import row_products, row_sums
from fastbp.kernels.activation import RELU, SOFTMAX, activate, multiply_slope
from fastbp.kernels.ahead import Ahead, nothing_ahead
from fastbp.kernels.compiling import call_address, kernel
from fastbp.kernels.gather import rows_of_layer
from fastbp.kernels.lanes import Numbers, inlined, lanes, load, load_first, number, outlined, shift, store, store_first
from fastbp.kernels.links import Run
from fastbp.kernels.outputs import Outputs
from fastbp.kernels.packed import NONE, STRIPE, WIDE_STRIPE, block_of, layer_of
from fastbp.kernels.parts import BLOCK_BYTES, n_parts_of_terms, terms_of_part
from fastbp.kernels.tile import (
    NO_FLOOR,
    PACKED,
    Ends,
    Rows,
    Size,
    Weights,
    bytes_of_rows,
    sums_with_ahead,
    terms_of,
    units_of_block,
    weighted_sums,
)  # fmt: skip
from fastbp.kernels.updates import step_along

PACKED_TOGETHER = 8  # rows of weights
NARROW = 3  # units, fed by many
STEP_NUMBERS = 2048  # of the gradient, from which on a step is worth a call


@kernel
def rows_from(tile, values, j):
    """The rows of `values` (a, z or delta) from unit j on."""
    return Rows(shift(values, j * tile.stride), tile.stride)


@kernel
def ones_of(tile):
    """A register of ones, as the factors of `row_sums`."""
    return Rows(shift(tile.constants, lanes(tile.constants)), 0)


@kernel
def stripe_of(tile):
    """Units that are worked off at a time: few samples leave room for more, and each stripe costs some 50 ns."""
    if tile.width <= 4 * lanes(tile.z):
        return 4 * STRIPE
    return STRIPE if tile.width <= 16 * lanes(tile.z) else STRIPE // 2


@kernel
def ends_of_sums(net, tile, layer, first, c, out):
    """What the sums of a layer's units from `first` on begin with, block c being added, and what they end with.

    The links come after all blocks: c = layer.in_end.
    """
    inlined()
    last = layer.in_end - 1 if layer.links_in == NONE else layer.in_end
    floor = 0.0 if layer.function == RELU and c == last else NO_FLOOR
    if layer.bias == NONE:
        return Ends(c > layer.in_start, tile.constants, 0, floor, False, out)
    return Ends(c > layer.in_start, shift(net.params, layer.bias + first), 1, floor, False, out)


class Share(NamedTuple):
    """What one of several threads does of the work on a tile."""

    index: int
    n_shares: int


@kernel
def is_ours(share, place, n_places):
    """Whether the work at one of n_places places belongs to this share: an even part of them, one after the other."""
    return share.n_shares == 1 or place * share.n_shares // n_places == share.index


@kernel
def activate_units(layer, a, z, tile, n_units):
    """(5.49)  z_j = h(a_j) for some units j; one by one where the tile is a part, whose rows are not side by side."""
    inlined()
    if tile.width == tile.n_rows:
        activate(layer, a, z, n_units * tile.stride)
    else:
        for row in range(0, n_units * tile.stride, tile.stride):
            activate(layer, shift(a, row), shift(z, row), tile.width)


@kernel
def multiply_slopes(layer, a, z, delta, tile, n_units):
    """delta_j *= h'(a_j) for some units j."""
    inlined()
    if tile.width == tile.n_rows:
        multiply_slope(layer, a, z, delta, n_units * tile.stride)
    else:
        for row in range(0, n_units * tile.stride, tile.stride):
            multiply_slope(layer, shift(a, row), shift(z, row), shift(delta, row), tile.width)


@kernel
def multiply_rows(values, factors, tile, n_units):
    """values[j] *= factors[j] for some units j."""
    for unit in range(n_units):
        for s in range(unit * tile.stride, unit * tile.stride + tile.width, lanes(values)):
            store(values, s, load(values, s) * load(factors, s))


@kernel
def forward(net, tile):
    """a and z of every unit."""
    inlined()
    first_output, few = layer_of(net, net.n_layers - 1).first_unit, stripe_of(tile)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        in_place, stripe = layer.h_address == NONE, layer.n_units if layer.wide_forward else few
        for first in range(0, layer.n_units, stripe):
            n_units, j = min(stripe, layer.n_units - first), layer.first_unit + first
            z_j = rows_from(tile, tile.z, j)
            a_j = z_j if in_place else rows_from(tile, tile.a, j)
            for c in range(layer.in_start, layer.in_end):
                block = block_of(net, c)
                w_ji = Weights(shift(net.params, block.weights + first * block.n_in), block.n_in, 1)
                z_i = terms_of(rows_from(tile, tile.z, block.source_unit))
                ends = ends_of_sums(net, tile, layer, first, c, a_j.data)
                # (5.48)  a_j = b_j + sum_i w_ji z_i, and (5.49) for relu
                weighted_sums(a_j, w_ji, z_i, ends, Size(n_units, tile.width, block.n_in))
            if layer.links_in != NONE:
                ends = ends_of_sums(net, tile, layer, first, layer.in_end, a_j.data)
                z_i = rows_from(tile, tile.z, 0)
                call_address(layer.links_in, net, a_j, z_i, ends, Run(j, n_units, tile.width))
            if not in_place and layer.function != SOFTMAX:  # (5.49)  z_j = h(a_j)
                activate_units(layer, a_j.data, z_j.data, tile, n_units)
            if tile.dropout.address != NONE and layer.first_unit < first_output:
                call_address(tile.dropout.address, layer, tile, number(tile.dropout.rates, l), first, n_units)
        if layer.function == SOFTMAX:
            a, y = rows_from(tile, tile.a, layer.first_unit), rows_from(tile, tile.z, layer.first_unit)
            call_address(layer.h_address, a.data, y.data, layer.n_units, tile.stride, tile.width)


@kernel
def outputs_of(net, tile):
    """The output layer of the tile."""
    inlined()
    layer = layer_of(net, net.n_layers - 1)
    a, z = rows_from(tile, tile.a, layer.first_unit), rows_from(tile, tile.z, layer.first_unit)
    delta = rows_from(tile, tile.delta, layer.first_unit)
    return layer, Outputs(
        a.data, z.data, tile.t, delta.data, tile.weight, layer.n_units, tile.stride, tile.width, net.loss_option
    )


@kernel
def output_delta(net, tile, total):
    """Fill delta of the outputs with dE/dy_k, or dE/da_k (5.54); add sum_n weight_n E_n of the tile to total[0]."""
    inlined()
    layer, outputs = outputs_of(net, tile)
    call_address(layer.deltas_address, outputs, total)


@kernel
def multiply_output_slope(net, tile):
    """delta_k = dE/dy_k h'(a_k) of the outputs, where that is not yet done."""
    inlined()
    layer, outputs = outputs_of(net, tile)
    if layer.function != SOFTMAX:
        multiply_slopes(layer, outputs.a, outputs.y, outputs.delta, tile, layer.n_units)
    elif layer.dh_address != NONE:
        call_address(layer.dh_address, outputs.y, outputs.delta, layer.n_units, tile.stride, tile.width)


@kernel
def pack_columns(net, columns, share):
    """Copies of the weights as the delta recursion reads them: see `Weights`.

    Read where they stand, n_in numbers apart, the weights of one unit evict each other from the caches
    where n_in is a power of two: a third of the speed at 4,096 x 4,096.
    """
    outlined()
    for c in range(net.n_blocks):
        block = block_of(net, c)
        if block.columns != NONE:
            n_parts = n_parts_of_terms(block.n_out)
            for part in range(n_parts):
                first, stop = terms_of_part(block.n_out, part, n_parts)
                for k in range(first, stop, PACKED_TOGETHER):
                    if is_ours(share, k, block.n_out):
                        pack_rows(net, columns, block, k, min(k + PACKED_TOGETHER, stop), first, stop)


@kernel
def pack_rows(net, columns, block, k_start, k_stop, first, stop):
    """Copy the weights w_kj of some units k to where they stand among the packed ones of units first .. stop - 1.

    A few rows at a time: each is read from its beginning to its end, as the memory likes it.
    """
    j = 0
    while j < block.n_in:
        n_units = units_of_block(block.n_in - j, False)
        w_kj = shift(columns, block.columns + first * block.n_in + (stop - first) * j)
        for k in range(k_start, k_stop):
            row = load_first(net.params, block.weights + k * block.n_in + j, n_units)
            store_first(w_kj, (k - first) * n_units, row, n_units)
        j += n_units


@kernel
def columns_of(net, tile, block, first):
    """The weights w_kj of a block, for its units j from `first` on: all, if there are parts of terms."""
    if block.columns == NONE:
        return Weights(shift(net.params, block.weights + first), 1, block.n_in)
    return Weights(shift(tile.columns, block.columns + first * block.n_out), block.n_in, PACKED)


class Sink(NamedTuple):
    """Where the delta recursion adds the gradient as it goes, each layer's while its z and delta are in a cache."""

    wanted: bool
    grad: Numbers
    accumulate: bool


@kernel
def backward(net, tile, lowest, sink):
    """Delta recursion: from the outputs' delta to that of every unit down to layer `lowest`: 1, or 0 for dE_n/dx."""
    inlined()
    multiply_output_slope(net, tile)
    last, few = net.n_layers - 1, stripe_of(tile)
    for l in range(last if sink.wanted else last - 1, lowest - 1, -1):
        layer = layer_of(net, l)
        stripe = layer.n_units if layer.wide_backward or l == last else few
        # Nothing asks for delta of the lowest layer once its gradient is there: it stays in the first cache.
        is_output = layer.first_unit >= layer_of(net, last).first_unit
        in_place = sink.wanted and l == lowest and not is_output and layer.links_gradient == NONE
        for first in range(0, layer.n_units, stripe):
            n_units, j = min(stripe, layer.n_units - first), layer.first_unit + first
            delta_j, z_j = rows_from(tile, tile.delta, layer.first_unit if in_place else j), rows_from(tile, tile.z, j)
            if l < last:
                delta_of_units(net, tile, layer, delta_j, first, n_units)
            if sink.wanted:
                gradient_of_units(net, tile, layer, z_j, delta_j, sink, first, n_units)


@kernel
def delta_of_units(net, tile, layer, delta_j, first, n_units):
    """(5.56)  delta_j = h'(a_j) sum_k w_kj delta_k, for some units j of a layer from its unit `first` on."""
    inlined()
    j = layer.first_unit + first
    z_j = rows_from(tile, tile.z, j)
    is_output = layer.first_unit >= layer_of(net, net.n_layers - 1).first_unit  # dE/dy_k is there already
    has_dropout = tile.dropout.address != NONE and not is_output
    in_sums = (  # whether the last sums multiply by h': relu's costs 10-100-1 a tenth by itself
        layer.function == RELU and layer.links_out == NONE and layer.out_end > layer.out_start and not has_dropout
    )
    for o in range(layer.out_start, layer.out_end):
        block = block_of(net, number(net.outgoing, o))
        w_kj = columns_of(net, tile, block, first)
        delta_k = terms_of(rows_from(tile, tile.delta, block.target_unit))
        masked = in_sums and o == layer.out_end - 1
        ends = Ends(is_output or o > layer.out_start, tile.constants, 0, NO_FLOOR, masked, z_j.data)
        weighted_sums(delta_j, w_kj, delta_k, ends, Size(n_units, tile.width, block.n_out))
    if layer.links_out != NONE:
        begun = is_output or layer.out_end > layer.out_start
        ends = Ends(begun, tile.constants, 0, NO_FLOOR, False, z_j.data)
        delta_k = rows_from(tile, tile.delta, 0)
        call_address(layer.links_out, net, delta_j, delta_k, ends, Run(net.n_units + j, n_units, tile.width))
    if has_dropout:
        multiply_rows(delta_j.data, rows_from(tile, tile.dropout.slopes, j).data, tile, n_units)
    elif not in_sums:
        multiply_slopes(layer, rows_from(tile, tile.a, j).data, z_j.data, delta_j.data, tile, n_units)


@kernel
def is_narrow(block):
    """Whether a block's gradient is summed up where it leaves, while z is in a cache: few units, many inputs."""
    return block.n_out <= NARROW and block.n_in >= STRIPE and block.source > 0


@kernel
def gradient_of_units(net, tile, layer, z_j, delta_j, sink, first, n_units):
    """The gradient of what arrives at some units j of a layer, from unit `first` on; by narrow blocks, what leaves."""
    inlined()
    ends = Ends(sink.accumulate, tile.constants, 0, NO_FLOOR, False, sink.grad)
    for o in range(layer.out_start, layer.out_end):
        block = block_of(net, number(net.outgoing, o))
        for k in range(block.n_out if is_narrow(block) else 0):
            delta_k = Rows(rows_from(tile, tile.delta, block.target_unit + k).data, 1)
            row = shift(sink.grad, block.weights + k * block.n_in + first)
            row_sums(row, z_j, delta_k, ends, Size(n_units, tile.width, 0))
    for c in range(layer.in_start, layer.in_end):
        block = block_of(net, c)
        if not is_narrow(block):
            dw = Rows(shift(sink.grad, block.weights + first * block.n_in), block.n_in)
            weight_gradient(net, tile, block, dw, delta_j, ends, nothing_ahead(sink.grad, False), n_units)
    if layer.in_start < layer.in_end and layer.bias != NONE:  # dE/db_j = sum_s delta_j
        row_sums(shift(sink.grad, layer.bias + first), delta_j, ones_of(tile), ends, Size(n_units, tile.width, 0))


@kernel
def n_block_weights(net):
    """Number of weights of all blocks: they come first among the parameters."""
    last = block_of(net, net.n_blocks - 1)
    return last.weights + last.n_in * last.n_out


@kernel
def gradient(net, tile, sink, step, share):
    """grad = dE/dparams of all samples of the tile, or the rest of it; then the step, if one is to be taken.

    The weights' gradients follow each other in `grad`, and are stepped along while they are in a cache.
    """
    inlined()
    grad = sink.grad
    ends, few, done = Ends(sink.accumulate, tile.constants, 0, NO_FLOOR, False, grad), stripe_of(tile), 0
    for c in range(0 if sink.wanted else net.n_blocks):
        block = block_of(net, c)
        layer = layer_of(net, block.target)
        is_cut = bytes_of_rows(grad, tile.n_samples, block.n_in) > BLOCK_BYTES
        stripe = WIDE_STRIPE if is_cut and share.n_shares == 1 else few
        for first in range(0, block.n_out, stripe):
            n_units = min(stripe, block.n_out - first)
            delta_j = rows_from(tile, tile.delta, layer.first_unit + first)
            row = block.weights + first * block.n_in
            if share.n_shares > 1 and not is_ours(share, row, n_block_weights(net)):
                continue
            ahead = ahead_of_step(net, grad, step, row, n_units * block.n_in)
            weight_gradient(net, tile, block, Rows(shift(grad, row), block.n_in), delta_j, ends, ahead, n_units)
            if c == layer.in_start and layer.bias != NONE:  # dE/db_j = sum_s delta_j
                row_sums(shift(grad, layer.bias + first), delta_j, ones_of(tile), ends, Size(n_units, tile.width, 0))
            if step.taken and row + n_units * block.n_in - done >= STEP_NUMBERS:
                done = step_up_to(net, grad, step, done, row + n_units * block.n_in)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.links_gradient != NONE and is_ours(share, l, net.n_layers):
            link_gradient(net, tile, layer, grad, ends)
    if step.taken:
        step_up_to(net, grad, step, done, step.rule.n_params)


@kernel
def link_gradient(net, tile, layer, grad, ends):
    """The gradient of the weights of all links that arrive at a layer; of its biases, if it has no blocks."""
    z_i, delta_j = rows_from(tile, tile.z, 0), rows_from(tile, tile.delta, layer.first_unit)
    run = Run(layer.first_unit, layer.n_units, tile.width)
    call_address(layer.links_gradient, net, grad, delta_j, z_i, ends.at_out, run)
    if layer.in_start == layer.in_end and layer.bias != NONE:
        row_sums(shift(grad, layer.bias), delta_j, ones_of(tile), ends, Size(layer.n_units, tile.width, 0))


@kernel
def ahead_of_step(net, grad, step, start, count):
    """What a step along `count` numbers of the gradient reads besides them."""
    if not step.taken:
        return nothing_ahead(grad, False)
    return Ahead(net.params, step.rule.first, step.rule.second, start, start + count, False)


@kernel
def step_up_to(net, grad, step, start, stop):
    """Take the step for the whole registers from `start` to before `stop`; returns where they end."""
    inlined()
    stop -= stop % lanes(grad)
    step_along(net.params, grad, step, start, stop)
    return stop


@kernel
def weight_gradient(net, tile, block, dw, delta_j, ends, ahead, n_units):
    """(5.57)  dE/dw_ji = sum_s delta_j z_i, for some units j of a block."""
    inlined()
    if block.by_inputs:  # the inputs i in the lanes, not the samples s: no sum across lanes at the end
        z_s = rows_of_layer(tile, layer_of(net, block.source))
        d_js = Weights(delta_j.data, delta_j.stride, 1)
        sums_with_ahead(dw, d_js, z_s, ends, ahead, Size(n_units, block.n_in, tile.n_samples))
    else:
        z_i = rows_from(tile, tile.z, block.source_unit)
        row_products(dw, delta_j, z_i, ends, Size(n_units, block.n_in, tile.width))
