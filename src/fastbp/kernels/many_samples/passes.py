"""Backpropagation of many samples at a time: a training sample in each SIMD lane.

The sums are those of `derivation.py`. The samples of a *tile* are stored unit by unit, side by side:
z[j, s]. A weight is one number that multiplies a register full of samples, so a layer of 2 units runs at
the rate of one of 2,000, and nothing is padded but the last register.

    a[j, s]      = b_j + sum_i w_ji z[i, s]               (5.48)
    z[j, s]      = h(a[j, s])                             (5.49)
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]     (5.56)
    grad[j, i]  += sum_s delta[j, s] z[i, s]              (5.53) and (5.57)

A layer is processed some units at a time, so that what was summed up is still in the L1 cache when
the activation function comes to it.
"""

from fastbp.kernels.codes import RELU, SOFTMAX
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.activation_calls import activate, multiply_slope
from fastbp.kernels.many_samples.feeders import Feeders, delta_of_feeders
from fastbp.kernels.many_samples.gather import DROP
from fastbp.kernels.many_samples.gradients import gradient_of_units, is_narrow, narrow_gradients
from fastbp.kernels.many_samples.links import LINK_SUMS, Run
from fastbp.kernels.many_samples.outputs import DELTAS, OF_SOFTMAX, Outputs
from fastbp.kernels.many_samples.parts import n_parts_of_terms, terms_of_part
from fastbp.kernels.many_samples.stripes import is_ours, n_parts_of, rows_from, stripe_of
from fastbp.kernels.many_samples.weighted_sums import (
    NO_FLOOR,
    PACKED,
    Ends,
    Size,
    Weights,
    terms_of,
    units_of_block,
    weighted_sums,
)
from fastbp.kernels.registers.lanes import (
    inlined,
    lanes,
    load,
    load_first,
    number,
    outlined,
    prefetch,
    shift,
    store,
    store_first,
)
from fastbp.kernels.tables import NONE, block_of, layer_of
from fastbp.kernels.tuning import REGISTERS_OF_LINE

PACKED_TOGETHER = 16  # rows of weights


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


@kernel
def activate_rows(layer, a, z, tile, n_units):
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
        for k in range(n_parts_of(layer.n_units, stripe)):
            first = k * stripe
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
                LINK_SUMS.call(layer.links_in, net, a_j, z_i, ends, Run(j, n_units, tile.width))
            if not in_place and layer.function != SOFTMAX:  # (5.49)  z_j = h(a_j)
                activate_rows(layer, a_j.data, z_j.data, tile, n_units)
            if tile.dropout.address != NONE and layer.first_unit < first_output:
                DROP.call(tile.dropout.address, layer, tile, number(tile.dropout.rates, l), first, n_units)
        if layer.function == SOFTMAX:
            a, y = rows_from(tile, tile.a, layer.first_unit), rows_from(tile, tile.z, layer.first_unit)
            OF_SOFTMAX.call(layer.h_address, a.data, y.data, layer.n_units, tile.stride, tile.width)


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
    DELTAS.call(layer.deltas_address, outputs, total)


@kernel
def multiply_output_slope(net, tile):
    """delta_k = dE/dy_k h'(a_k) of the outputs, where that is not yet done."""
    inlined()
    layer, outputs = outputs_of(net, tile)
    if layer.function != SOFTMAX:
        multiply_slopes(layer, outputs.a, outputs.y, outputs.delta, tile, layer.n_units)
    elif layer.dh_address != NONE:
        OF_SOFTMAX.call(layer.dh_address, outputs.y, outputs.delta, layer.n_units, tile.stride, tile.width)


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

    A few rows at a time: each is read from its beginning to its end, as the memory likes it. Where they are copied to
    is prefetched two blocks ahead: a quarter less time, a third in float32.
    """
    j = 0
    while j < block.n_in:
        n_units = units_of_block(block.n_in - j, False)
        w_kj = shift(columns, block.columns + first * block.n_in + (stop - first) * j)
        line = lanes(columns) * REGISTERS_OF_LINE
        for place in range((k_start - first) * n_units, (k_stop - first) * n_units, line):
            prefetch(w_kj, 2 * n_units * (stop - first) + place)
        for k in range(k_start, k_stop):
            copy_numbers(w_kj, (k - first) * n_units, net.params, block.weights + k * block.n_in + j, n_units)
        j += n_units


@kernel
def copy_numbers(out, place, numbers, start, n):
    """out[place : place + n] = numbers[start : start + n]; a register may hold fewer than n."""
    inlined()
    for q in range(0, n, lanes(out)):
        count = min(n - q, lanes(out))
        store_first(out, place + q, load_first(numbers, start + q, count), count)


@kernel
def columns_of(net, tile, block, first):
    """The weights w_kj of a block, for its units j from `first` on: all, if there are parts of terms."""
    if block.columns == NONE:
        return Weights(shift(net.params, block.weights + first), 1, block.n_in)
    return Weights(shift(tile.columns, block.columns + first * block.n_out), block.n_in, PACKED)


@kernel
def backward(net, tile, lowest, sink):
    """Delta recursion: from the outputs' delta to that of every unit down to layer `lowest`: 1, or 0 for dE_n/dx."""
    inlined()
    multiply_output_slope(net, tile)
    last, few = net.n_layers - 1, stripe_of(tile)
    for l in range(last if sink.wanted else last - 1, lowest - 1, -1):
        layer = layer_of(net, l)
        stripe = layer.n_units if layer.wide_backward or l == last else few
        # Nothing asks for delta of the lowest layer once its gradient is there: it stays in the L1 cache.
        is_output = layer.first_unit >= layer_of(net, last).first_unit
        in_place = sink.wanted and l == lowest and not is_output and layer.links_gradient == NONE
        feeds_one = sink.wanted and has_feeders(net, tile, layer)
        over_z = in_place and layer.n_units <= few and is_over_z(tile, layer)
        for k in range(n_parts_of(layer.n_units, stripe)):
            first = k * stripe
            n_units, j = min(stripe, layer.n_units - first), layer.first_unit + first
            delta_j, z_j = rows_from(tile, tile.delta, layer.first_unit if in_place else j), rows_from(tile, tile.z, j)
            if over_z:
                delta_j = z_j
            if feeds_one:
                feeders, delta_k = feeders_of(net, tile, layer, z_j, delta_j, sink, first)
                delta_of_feeders(feeders, delta_k, sink.accumulate, n_units, tile.width)
            elif sink.wanted:
                narrow_gradients(net, tile, layer, z_j, sink, first, n_units)
            if l < last and not feeds_one:
                delta_of_units(net, tile, layer, delta_j, first, n_units)
            if sink.wanted:
                gradient_of_units(net, tile, layer, delta_j, sink, first, n_units, not feeds_one)


@kernel
def has_feeders(net, tile, layer):
    """Whether a layer feeds one unit, by one narrow block, and nothing else: then `delta_of_feeders` is for it.

    A layer of relu with biases, that other blocks feed, and without dropout.
    """
    outlined()
    is_output = layer.first_unit >= layer_of(net, net.n_layers - 1).first_unit
    if is_output or not is_slope_in_sums(layer) or layer.out_end > layer.out_start + 1 or layer.bias == NONE:
        return False
    block = block_of(net, number(net.outgoing, layer.out_start))
    return is_narrow(block) and block.n_out == 1 and layer.in_start < layer.in_end and tile.dropout.address == NONE


@kernel
def feeders_of(net, tile, layer, z_j, delta_j, sink, first):
    """Some units of a layer with feeders, from its unit `first` on, and delta of the unit that they feed."""
    inlined()
    block = block_of(net, number(net.outgoing, layer.out_start))
    w_kj, b_j = block.weights + first, layer.bias + first
    feeders = Feeders(z_j, delta_j, shift(net.params, w_kj), shift(sink.grad, w_kj), shift(sink.grad, b_j))
    return feeders, rows_from(tile, tile.delta, block.target_unit).data


@kernel
def is_slope_in_sums(layer):
    """Whether the last sums of the delta recursion multiply by h': relu's costs 10-100-1 a tenth by itself."""
    return layer.function == RELU and layer.links_out == NONE and layer.out_end > layer.out_start


@kernel
def is_over_z(tile, layer):
    """Whether delta of the lowest layer takes the place of its z, which nobody asks for afterwards.

    Where all units are one stripe, what a batch touches shrinks by a fifth: 4 % of 13-50-1 in float64, whose numbers
    fill the L1 cache. The sums must be complete when they are stored: by then z is needed for their slope.
    """
    is_one_sum = layer.out_end == layer.out_start + 1 and not layer.wide_backward
    return is_one_sum and is_slope_in_sums(layer) and tile.dropout.address == NONE


@kernel
def delta_of_units(net, tile, layer, delta_j, first, n_units):
    """(5.56)  delta_j = h'(a_j) sum_k w_kj delta_k, for some units j of a layer from its unit `first` on."""
    inlined()
    j = layer.first_unit + first
    z_j = rows_from(tile, tile.z, j)
    is_output = layer.first_unit >= layer_of(net, net.n_layers - 1).first_unit  # dE/dy_k is there already
    has_dropout = tile.dropout.address != NONE and not is_output
    in_sums = is_slope_in_sums(layer) and not has_dropout
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
        LINK_SUMS.call(layer.links_out, net, delta_j, delta_k, ends, Run(net.n_units + j, n_units, tile.width))
    if has_dropout:
        multiply_rows(delta_j.data, rows_from(tile, tile.dropout.slopes, j).data, tile, n_units)
    elif not in_sums:
        multiply_slopes(layer, rows_from(tile, tile.a, j).data, z_j.data, delta_j.data, tile, n_units)
