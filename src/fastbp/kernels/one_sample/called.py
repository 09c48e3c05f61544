"""One sample, for a user's own compiled code: outputs, gradient, and derivatives by the inputs.

A user's function holds only a call through an address, see `plan.py`. The kernels that it leads to are
compiled once, here. So a user's function compiles fast, may be kept on disk, and never runs old kernels.
"""

import numpy as np

from fastbp.kernels.codes import SOFTMAX
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.activation_calls import multiply_slope
from fastbp.kernels.layout import rows_of_stripe
from fastbp.kernels.one_sample.outputs import DELTAS as OUTPUT_DELTAS
from fastbp.kernels.one_sample.outputs import Outputs, squared_error_deltas
from fastbp.kernels.one_sample.passes import (
    ONE,
    Units,
    backward_layer,
    errors_of,
    forward,
    multiply_slopes,
    place,
    set_inputs,
    source_of,
    target_of,
)  # fmt: skip
from fastbp.kernels.one_sample.plan import (
    BLOCKS,
    DELTAS,
    INPUT_LAYERS,
    LAYERS,
    LOSS,
    N_VALUES,
    OUTGOING,
    SLOPES,
    error_of,
    loss_option_of,
    per_line,
)  # fmt: skip
from fastbp.kernels.registers.lanes import (
    fma,
    inlined,
    lanes,
    load,
    load_first,
    number,
    set_number,
    shift,
    size_of,
    splat,
    store,
    store_first,
    sum_lanes,
    view_at,
)  # fmt: skip
from fastbp.kernels.tables import BLOCK, LAYER, NONE, Net, block_of, layer_of


@kernel
def array_at(plan, which, dtype):
    """An array of a plan."""
    return view_at(dtype, number(plan, which), number(plan, which + 1))


@kernel
def table_at(plan, which):
    """A table of the packed network."""
    return array_at(plan, which, np.int64)


@kernel
def net_of_call(call, layers):
    """The network of a call, with one of its tables of layers; without links and the number of units."""
    plan = call.plan
    layers, blocks = table_at(plan, layers), table_at(plan, BLOCKS)
    return Net(
        call.params, layers, blocks, table_at(plan, OUTGOING), layers, layers,
        number(plan, LOSS), loss_option_of(plan), size_of(layers) // len(LAYER), size_of(blocks) // len(BLOCK), 0,
    )  # fmt: skip


@kernel
def units_of_call(call):
    """The units of a call."""
    values, n_values = shift(call.memory, per_line(call.memory)), number(call.plan, N_VALUES)
    return Units(values, shift(values, n_values), shift(values, 2 * n_values))


# ---------------------------------------------------------------------------- networks of blocks: passes.py


@entry
def forward_sample(call):
    """out = y."""
    net, units = net_of_call(call, LAYERS), units_of_call(call)
    forward_of(net, units, call)
    l = net.n_layers - 1
    layer = layer_of(net, l)
    copy_numbers(place(layer, l, units.z), call.out, layer.n_units)


@entry
def gradient_sample(call):
    """out += dE_n/dparams, and E_n into memory."""
    net, units = net_of_call(call, LAYERS), units_of_call(call)
    forward_of(net, units, call)
    l = net.n_layers - 1
    layer = layer_of(net, l)
    a, y, delta = place(layer, l, units.a), place(layer, l, units.z), place(layer, l, units.delta)
    outputs, error = Outputs(a, y, call.given, delta, layer.n_units, 1.0, net.loss_option), error_of(call.memory)
    if number(call.plan, DELTAS) == NONE:
        set_number(error, 0, squared_error_deltas(outputs))
    else:
        OUTPUT_DELTAS.call(number(call.plan, DELTAS), outputs, error)
        if number(call.plan, SLOPES) == 1:  # delta_k = dE_n/dy_k h'(a_k)
            multiply_slope(layer, a, y, delta, layer.n_units)
    for l in range(net.n_layers - 2, 0, -1):
        backward_of(net, units, l)
    add_gradient(net, units, call)


@entry
def input_gradient_sample(call):
    """out = v^T dy/dx: the delta recursion from delta = v h'(a) on, down to the inputs."""
    net, units = net_of_call(call, INPUT_LAYERS), units_of_call(call)
    forward_of(net, units, call)
    l = net.n_layers - 1
    layer = layer_of(net, l)
    start_from(place(layer, l, units.delta), call.given, layer.n_units)
    multiply_output_slope(layer, l, units)
    for l in range(net.n_layers - 2, -1, -1):
        backward_of(net, units, l)
    inputs = layer_of(net, 0)
    copy_numbers(place(inputs, 0, units.delta), call.out, inputs.n_units)


@kernel
def forward_of(net, units, call):
    """a and z of all units."""
    inlined()
    set_inputs(units, call.x, layer_of(net, 0).n_units)
    forward(net, units)


@kernel
def copy_numbers(source, target, n):
    """target[:n] = source[:n]; nothing is stored with a mask if the caller may load it at once."""
    inlined()
    full = n - n % lanes(source)
    for k in range(0, full, lanes(source)):
        store(target, k, load(source, k))
    for k in range(full, n):
        set_number(target, k, number(source, k))


@kernel
def start_from(delta, v, n_units):
    """delta of the outputs before their slope: v, and zeros behind."""
    for k in range(0, n_units, lanes(delta)):
        store(delta, k, load_first(v, k, n_units - k))


@kernel
def multiply_output_slope(layer, l, units):
    """delta_k = sum_m v_m dy_m/da_k."""
    a, y, delta = place(layer, l, units.a), place(layer, l, units.z), place(layer, l, units.delta)
    if layer.function != SOFTMAX:
        multiply_slope(layer, a, y, delta, layer.n_units)
        return
    mean = splat(y, 0.0)
    for k in range(0, layer.n_units, lanes(y)):
        mean = fma(load(delta, k), load(y, k), mean)
    mean = splat(y, sum_lanes(mean))
    for k in range(0, layer.n_units, lanes(y)):  # dy_m/da_k = y_m ([m = k] - y_k)
        store(delta, k, load(y, k) * (load(delta, k) - mean))


@kernel
def backward_of(net, units, l):
    """`backward` of one layer, with rows of weights as they are in the network itself, not filled up."""
    layer = layer_of(net, l)
    full = layer.n_units - layer.n_units % lanes(units.delta)
    backward_layer(net, units, l, full)
    if full < layer.n_units:
        errors_of(net, units, l, full, ONE, layer.n_units - full)
    multiply_slopes(layer, l, units)


@kernel
def add_gradient(net, units, call):
    """out += dE_n/dparams.

    Rows that end inside a register go into a stripe of some rows first. There each is stored in whole
    registers, the next one over its end: a masked store to the gradient itself would stall the loads of the
    next row.
    """
    grad, stripe = call.out, shift(units.delta, number(call.plan, N_VALUES))
    for c in range(net.n_blocks):
        block = block_of(net, c)
        dw, z, delta = shift(grad, block.weights), source_of(net, c, units.z), target_of(net, c, units.delta)
        if block.n_in % lanes(z) == 0:
            for j in range(block.n_out):
                delta_j = splat(delta, number(delta, j))
                for i in range(0, block.n_in, lanes(z)):  # (5.53)  dE_n/dw_ji = delta_j z_i
                    place_i = j * block.n_in + i
                    store(dw, place_i, fma(delta_j, load(z, i), load(dw, place_i)))
        else:
            n_rows = rows_of_stripe(block.n_in)
            for first in range(0, block.n_out, n_rows):
                n = min(n_rows, block.n_out - first)
                fill_stripe(stripe, z, shift(delta, first), n, block.n_in)
                add_numbers(shift(dw, first * block.n_in), stripe, n * block.n_in)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:  # dE_n/db_j = delta_j
            add_numbers(shift(grad, layer.bias), place(layer, l, units.delta), layer.n_units)


@kernel
def fill_stripe(stripe, z, delta, n_rows, n_in):
    """Rows delta_j z_i, one behind the other."""
    inlined()
    for j in range(n_rows):
        delta_j = splat(delta, number(delta, j))
        for i in range(0, n_in, lanes(z)):
            store(stripe, j * n_in + i, delta_j * load(z, i))


@kernel
def add_numbers(total, x, n):
    """total[:n] += x[:n]."""
    inlined()
    full = n - n % lanes(x)
    for i in range(0, full, lanes(x)):
        store(total, i, load(total, i) + load(x, i))
    if full < n:
        store_first(total, full, load_first(total, full, n - full) + load(x, full), n - full)
