"""The weight gradient of the samples of a tile, (5.53) and (5.57), and the step along it.

    grad[j, i]  += sum_s delta[j, s] z[i, s]

Either all of it after the delta recursion (`gradient`), or each layer's units as soon as their delta is there.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.steps import step_along
from fastbp.kernels.many_samples.gather import rows_of_layer
from fastbp.kernels.many_samples.links import LINK_PRODUCTS, Run
from fastbp.kernels.many_samples.prefetch import Ahead, nothing_ahead
from fastbp.kernels.many_samples.stripes import Share, is_ours, n_parts_of, ones_of, rows_from, stripe_of
from fastbp.kernels.many_samples.sums_across import row_products, row_sums
from fastbp.kernels.many_samples.weighted_sums import (
    NO_FLOOR,
    Ends,
    Rows,
    Size,
    Weights,
    bytes_of_rows,
    sums_with_ahead,
)
from fastbp.kernels.registers.lanes import Numbers, inlined, lanes, number, outlined, shift
from fastbp.kernels.tables import NONE, block_of, layer_of
from fastbp.kernels.tuning import BLOCK_BYTES, FEW_DELTAS, STEP_NUMBERS, STRIPE, WIDE_STRIPE

NARROW = 3  # units, fed by many
ALL = 1 << 62  # weights


class Sink(NamedTuple):
    """Where the delta recursion adds the gradient as it goes, each layer's while its z and delta are in a cache."""

    wanted: bool
    grad: Numbers
    accumulate: bool


@kernel
def is_narrow(block):
    """Whether a block's gradient is summed up where it leaves, while z is in a cache: few units, many inputs."""
    return block.n_out <= NARROW and block.n_in >= STRIPE and block.source > 0


@kernel
def narrow_gradients(net, tile, layer, z_j, sink, first, n_units):
    """The gradient of what leaves some units j of a layer by narrow blocks."""
    inlined()
    ends = Ends(sink.accumulate, tile.constants, 0, NO_FLOOR, False, sink.grad)
    for o in range(layer.out_start, layer.out_end):
        block = block_of(net, number(net.outgoing, o))
        for k in range(block.n_out if is_narrow(block) else 0):
            delta_k = Rows(rows_from(tile, tile.delta, block.target_unit + k).data, 1)
            row = shift(sink.grad, block.weights + k * block.n_in + first)
            row_sums(row, z_j, delta_k, ends, Size(n_units, tile.width, 0))


@kernel
def gradient_of_units(net, tile, layer, delta_j, sink, first, n_units, wants_biases):
    """The gradient of what arrives at some units j of a layer, from unit `first` on; of their biases, if wanted."""
    inlined()
    ends = Ends(sink.accumulate, tile.constants, 0, NO_FLOOR, False, sink.grad)
    for c in range(layer.in_start, layer.in_end):
        block = block_of(net, c)
        if not is_narrow(block):
            dw = Rows(shift(sink.grad, block.weights + first * block.n_in), block.n_in)
            weight_gradient(net, tile, block, dw, delta_j, ends, nothing_ahead(sink.grad, False), n_units)
    if wants_biases and layer.in_start < layer.in_end and layer.bias != NONE:  # dE/db_j = sum_s delta_j
        row_sums(shift(sink.grad, layer.bias + first), delta_j, ones_of(tile), ends, Size(n_units, tile.width, 0))


@kernel
def n_block_weights(net):
    """Number of weights of all blocks: they come first among the parameters."""
    if net.n_blocks == 0:
        return 0
    last = block_of(net, net.n_blocks - 1)
    return last.weights + last.n_in * last.n_out


@kernel
def biases_together(net, tile):
    """Whether all rows of delta fit into the L1 cache and all biases stand side by side: one call for all of them.

    A call for each layer takes 2 to 4 % of an epoch of 4-10-3.
    """
    first, last = layer_of(net, 1), layer_of(net, net.n_layers - 1)
    in_order = first.bias != NONE and last.bias - first.bias == last.first_unit - first.first_unit
    return in_order and bytes_of_rows(tile.z, net.n_units, tile.stride) <= FEW_DELTAS


@kernel
def gradient(net, tile, sink, step, share):
    """grad = dE/dparams of all samples of the tile, or the rest of it; then the step, if one is to be taken.

    The weights' gradients follow each other in `grad`, and are stepped along while they are in a cache. One of several
    shares takes the step for whole registers of its own weights, `step_along_rest` that for all else.
    """
    inlined()
    grad = sink.grad
    ends, few = Ends(sink.accumulate, tile.constants, 0, NO_FLOOR, False, grad), stripe_of(tile)
    start, stop = (0, ALL) if share.n_shares == 1 else weights_of(net, few, share)
    done = start + -start % lanes(grad)
    together = not sink.wanted and share.n_shares == 1 and biases_together(net, tile)
    for c in range(0 if sink.wanted else net.n_blocks):
        block = block_of(net, c)
        layer = layer_of(net, block.target)
        is_cut = bytes_of_rows(grad, tile.n_samples, block.n_in) > BLOCK_BYTES
        stripe = WIDE_STRIPE if is_cut and share.n_shares == 1 else few
        for k in range(n_parts_of(block.n_out, stripe)):
            first = k * stripe
            n_units = min(stripe, block.n_out - first)
            delta_j = rows_from(tile, tile.delta, layer.first_unit + first)
            row = block.weights + first * block.n_in
            if not start <= row < stop:
                continue
            ahead = ahead_of_step(net, grad, step, row, n_units * block.n_in)
            weight_gradient(net, tile, block, Rows(shift(grad, row), block.n_in), delta_j, ends, ahead, n_units)
            if c == layer.in_start and layer.bias != NONE and not together:  # dE/db_j = sum_s delta_j
                row_sums(shift(grad, layer.bias + first), delta_j, ones_of(tile), ends, Size(n_units, tile.width, 0))
            if step.taken and row + n_units * block.n_in - done >= STEP_NUMBERS:
                done = step_up_to(net, grad, step, done, row + n_units * block.n_in)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.links_gradient != NONE and is_ours(share, l, net.n_layers):
            link_gradient(net, tile, layer, grad, ends, together)
    if together:
        layer = layer_of(net, 1)
        delta_j, n_units = rows_from(tile, tile.delta, layer.first_unit), net.n_units - layer.first_unit
        row_sums(shift(grad, layer.bias), delta_j, ones_of(tile), ends, Size(n_units, tile.width, 0))
    if step.taken:  # of a share within one register `done` is behind `stop`: for no number
        step_up_to(net, grad, step, done, stop if share.n_shares > 1 else step.rule.n_params)


@kernel
def first_weight_of(net, stripe, share):
    """Offset of the first weights of a share, or of the next that has some: where a stripe of units begins.

    A stripe belongs where its middle is: of 64-256-256-10 one of two threads had 56 % of the weights before.
    """
    n_weights = n_block_weights(net)
    for c in range(net.n_blocks):
        block = block_of(net, c)
        for first in range(0, block.n_out, stripe):
            row, n_units = block.weights + first * block.n_in, min(stripe, block.n_out - first)
            if (2 * row + n_units * block.n_in) * share.n_shares // (2 * n_weights) >= share.index:
                return row
    return n_weights


@kernel
def weights_of(net, stripe, share):
    """Start and stop of the weights of blocks whose gradient belongs to one of several shares."""
    outlined()  # as a call for each batch of one thread it took 4 % of 2-2-2-1
    next_share = Share(share.index + 1, share.n_shares)
    return first_weight_of(net, stripe, share), first_weight_of(net, stripe, next_share)


@kernel
def step_along_rest(net, grad, step, stripe, n_shares):
    """The step for what no share has taken along: registers with weights of two shares, links and biases."""
    n_lanes, done = lanes(grad), -1
    rest = n_block_weights(net) // n_lanes * n_lanes
    for index in range(1, n_shares):
        weight = first_weight_of(net, stripe, Share(index, n_shares))
        start = weight // n_lanes * n_lanes
        if done < start < weight and start < rest:
            step_along(net.params, grad, step, start, start + n_lanes)
            done = start
    step_along(net.params, grad, step, rest, step.rule.n_params)


@kernel
def link_gradient(net, tile, layer, grad, ends, has_biases):
    """The gradient of the weights of all links that arrive at a layer; of its biases, if they are not yet there."""
    z_i, delta_j = rows_from(tile, tile.z, 0), rows_from(tile, tile.delta, layer.first_unit)
    run = Run(layer.first_unit, layer.n_units, tile.width)
    LINK_PRODUCTS.call(layer.links_gradient, net, grad, delta_j, z_i, ends.at_out, run)
    if layer.in_start == layer.in_end and layer.bias != NONE and not has_biases:
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
