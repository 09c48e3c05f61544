"""Backpropagation with a network in each lane: every weight, input and delta is a register of networks.

    a[j, s]      = b_j + sum_i w_ji z[i, s]              (5.48)
    z[j, s]      = h(a[j, s])                            (5.49)
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]    (5.56)
    grad[j, i]   = sum_s delta[j, s] z[i, s]             (5.53) and (5.57)

The sums are those of `derivation.py`, in the same order: each network's own, of its own samples s. Some samples of each
network are worked on side by side: number s of unit j, of network n, stands at (j * n_samples + s) * width + n.
"""

from typing import NamedTuple

from fastbp.kernels.codes import IDENTITY, RELU, SOFTMAX
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.activation_calls import activate, multiply_slope
from fastbp.kernels.formulas.activations import relu
from fastbp.kernels.many_samples.outputs import OF_SOFTMAX, Outputs
from fastbp.kernels.population.outputs import DELTAS
from fastbp.kernels.population.products import Extent, Matrix, products
from fastbp.kernels.registers.lanes import Numbers, inlined, lanes, load, number, shift, splat, store
from fastbp.kernels.tables import NONE, block_of, layer_of


class Lanes(NamedTuple):
    """What some samples of each network make of the units."""

    x: Numbers  # inputs: those of number i are `x_stride` apart
    t: Numbers  # as the units' numbers
    weight: Numbers  # (n_samples * width,)
    a: Numbers
    z: Numbers
    delta: Numbers
    errors: Numbers  # (n_samples * width,): weight E_n
    zeros: Numbers  # (width,)
    width: int  # networks side by side
    n_samples: int  # of each
    stride: int  # from one unit to the next: n_samples * width
    x_stride: int
    deltas_address: int


@kernel
def units(v, values, unit):
    """What `values` (a, z or delta) holds of the units from one on: a row for each, a column for each sample."""
    inlined()
    return Matrix(shift(values, unit * v.stride), v.stride, v.width)


@kernel
def outputs_of(v, block):
    """z of the units from which a block comes: of the inputs, the samples themselves."""
    inlined()
    if block.source == 0:
        return Matrix(v.x, v.x_stride, v.width)
    return units(v, v.z, block.source_unit)


@kernel
def transposed(matrix):
    """Element (i, j) of a matrix, as (j, i)."""
    inlined()
    return Matrix(matrix.data, matrix.column, matrix.row)


@kernel
def weights(params, block, width):
    """w_ji of a block, or its derivatives."""
    inlined()
    return Matrix(shift(params, block.weights * width), block.n_in * width, width)


def forward_by(products):
    """The forward pass, of sums that `products` works out: that of products.py or of online.py."""

    @kernel
    def forward(net, v):
        """a and z of every unit."""
        inlined()
        for l in range(1, net.n_layers):
            layer = layer_of(net, l)
            is_simple = layer.function in (IDENTITY, RELU)
            a_j, width = units(v, v.z if is_simple else v.a, layer.first_unit), v.width
            begin = Matrix(v.zeros, 0, 0)
            if layer.bias != NONE:
                begin = Matrix(shift(net.params, layer.bias * width), width, 0)
            for c in range(layer.in_start, layer.in_end):
                block = block_of(net, c)
                size = Extent(block.n_out, v.n_samples, block.n_in, width)
                products(a_j, weights(net.params, block, width), outputs_of(v, block), begin, size)  # (5.48)
                begin = a_j
            activate_layer(layer, v)  # (5.49)

    return forward


@kernel
def activate_layer(layer, v):
    """z_j = h(a_j)."""
    inlined()
    a, z = units(v, v.a, layer.first_unit).data, units(v, v.z, layer.first_unit).data
    n = layer.n_units * v.stride
    if layer.function == SOFTMAX:
        OF_SOFTMAX.call(layer.h_address, a, z, layer.n_units, v.stride, v.stride)
    elif layer.function == RELU:
        for k in range(0, n, lanes(z)):
            store(z, k, relu(load(z, k)))
    elif layer.function != IDENTITY:
        activate(layer, a, z, n)


@kernel
def output_deltas(net, v):
    """(5.54) and errors[s, n] = weight E_n."""
    inlined()
    layer = layer_of(net, net.n_layers - 1)
    y, delta = units(v, v.z, layer.first_unit).data, units(v, v.delta, layer.first_unit).data
    a = y if layer.function in (IDENTITY, RELU) else units(v, v.a, layer.first_unit).data
    outputs = Outputs(a, y, v.t, delta, v.weight, layer.n_units, v.stride, v.stride, net.loss_option)
    DELTAS.call(v.deltas_address, outputs, v.errors)


@kernel
def output_slopes(net, v):
    """delta_k = dE_n/dy_k h'(a_k), unless delta is that already."""
    inlined()
    layer = layer_of(net, net.n_layers - 1)
    a, y = units(v, v.a, layer.first_unit).data, units(v, v.z, layer.first_unit).data
    delta = units(v, v.delta, layer.first_unit).data
    if layer.function == SOFTMAX:
        if layer.dh_address != NONE:
            OF_SOFTMAX.call(layer.dh_address, y, delta, layer.n_units, v.stride, v.stride)
    else:
        multiply_slope(layer, a, y, delta, layer.n_units * v.stride)


def backward_by(products):
    """The delta recursion, of sums that `products` works out."""

    @kernel
    def backward(net, v):
        """Delta recursion: from the outputs' delta to that of every hidden unit."""
        inlined()
        for l in range(net.n_layers - 2, 0, -1):
            layer = layer_of(net, l)
            delta_j, begin = units(v, v.delta, layer.first_unit), Matrix(v.zeros, 0, 0)
            for o in range(layer.out_start, layer.out_end):
                block = block_of(net, number(net.outgoing, o))
                w_kj, delta_k = weights(net.params, block, v.width), units(v, v.delta, block.target_unit)
                size = Extent(block.n_in, v.n_samples, block.n_out, v.width)
                products(delta_j, transposed(w_kj), delta_k, begin, size)  # (5.56)  sum_k w_kj delta_k
                begin = delta_j
            a, z = units(v, v.a, layer.first_unit).data, units(v, v.z, layer.first_unit).data
            multiply_slope(layer, a, z, delta_j.data, layer.n_units * v.stride)  # (5.56)  times h'(a_j)

    return backward


@kernel
def add_gradient(net, v, grad, adds):
    """grad = dE/dparams of the samples, or += if it `adds`. Of `grad` the parameters: a step with deltas times -eta."""
    for c in range(net.n_blocks):
        block = block_of(net, c)
        dw = weights(grad, block, v.width)
        delta_j, z_i = units(v, v.delta, block.target_unit), transposed(outputs_of(v, block))
        size = Extent(block.n_out, block.n_in, v.n_samples, v.width)
        products(dw, delta_j, z_i, dw if adds else Matrix(v.zeros, 0, 0), size)  # (5.57)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:
            add_biases(layer, v, shift(grad, layer.bias * v.width), adds)


@kernel
def add_biases(layer, v, db, adds):
    """dE/db_j = sum_s delta[j, s]."""
    delta = units(v, v.delta, layer.first_unit).data
    for j in range(layer.n_units):
        for r in range(0, v.width, lanes(db)):
            place = j * v.width + r
            total = load(db, place) if adds else splat(db, 0.0)
            for s in range(r, v.stride, v.width):
                total = total + load(delta, j * v.stride + s)
            store(db, place, total)


@kernel
def add_errors(sums, v):
    """Errors of the samples to the sums of the networks."""
    inlined()
    for place in range(0, v.stride, v.width):
        for r in range(0, v.width, lanes(v.errors)):
            store(sums, r, load(sums, r) + load(v.errors, place + r))


@kernel
def scale_deltas(net, v, factors):
    """delta[j, s] *= factor of the network, of all units but the inputs."""
    first = layer_of(net, 1).first_unit
    for row in range(first * v.stride, net.n_units * v.stride, v.width):
        for r in range(0, v.width, lanes(v.delta)):
            store(v.delta, row + r, load(v.delta, row + r) * load(factors, r))


forward, backward = forward_by(products), backward_by(products)
