"""Backpropagation of one sample at a time, fast: on-line learning, and the answer to a single question.

The sums are those of `derivation.py`. Here a SIMD lane is a unit: a row of weights lies in whole registers,
and what arrives at as many units as a register has lanes is added up at once.

    a_j      = b_j + sum_i w_ji z_i             (5.48)   products along the rows, then the sums of their lanes
    z_j      = h(a_j)                           (5.49)
    delta_i  = h'(a_i) sum_j w_ji delta_j       (5.56)   a sum of whole rows
    w_ji    -= eta delta_j z_i                  (5.53)   some registers of each row at a time

Each layer's a, z and delta begin at a place of their own and end with zeros up to a whole register.
"""

from typing import NamedTuple

from fastbp.kernels.codes import CUSTOM, IDENTITY, RELU, SOFTMAX
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas import activations as fn
from fastbp.kernels.formulas.activation_calls import activate, multiply_slope
from fastbp.kernels.formulas.elementary import exp, log
from fastbp.kernels.layout import place_of_layer, whole
from fastbp.kernels.registers.lanes import (
    Numbers,
    Shape,
    fma,
    get,
    inlined,
    keep_first,
    lanes,
    load,
    load_first,
    number,
    outlined,
    put,
    rows_shape,
    shift,
    splat,
    store,
    store_first,
    sum_lanes,
    sums_of,
    tile,
)  # fmt: skip
from fastbp.kernels.tables import BLOCK, NONE, block_of, layer_of
from fastbp.kernels.tuning import FEW_ROWS

ALL_LANES = 64  # more than any register has
# Registers of a row for which a sum of rows is kept at a time: in the middle of a row, and at its end
SEVERAL, ONE = Shape(1, 4), Shape(1, 1)


class Units(NamedTuple):
    """What a sample makes of the units. `place` says where those of a layer begin."""

    a: Numbers
    z: Numbers
    delta: Numbers


@kernel
def place(layer, l, values):
    """What `values` (a, z or delta) holds of layer number l."""
    return shift(values, place_of_layer(layer.first_unit, l, lanes(values)))


@kernel
def source_of(net, c, values):
    """The same, of the layer from which block c comes."""
    l = number(net.blocks, c * len(BLOCK) + BLOCK.source)
    return place(layer_of(net, l), l, values)


@kernel
def target_of(net, c, values):
    """The same, of the layer at which block c arrives."""
    l = number(net.blocks, c * len(BLOCK) + BLOCK.target)
    return place(layer_of(net, l), l, values)


# ---------------------------------------------------------------------------- forward


@kernel
def set_inputs(units, x, n_inputs):
    """z of the inputs is the sample x. Returns whether all of it is finite."""
    inlined()
    bad = splat(units.z, 0.0)
    for i in range(0, n_inputs, lanes(x)):
        x_i = load_first(x, i, n_inputs - i)
        store(units.z, i, x_i)
        bad = fma(x_i, 0.0, bad)
    return sum_lanes(bad) == 0.0


@kernel
def forward(net, units):
    """a and z of every unit; those of the inputs are there."""
    inlined()
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        a, z = place(layer, l, units.a), place(layer, l, units.z)
        for j in range(0, layer.n_units, lanes(a)):
            a_j = inputs_of(net, units, layer, j)  # (5.48)
            store(a, j, a_j)
            if layer.function == RELU:
                store(z, j, fn.relu(a_j))
            elif layer.function == IDENTITY:
                store(z, j, a_j)
        if layer.function == SOFTMAX:
            softmax(a, z, layer.n_units)
        elif layer.function not in (RELU, IDENTITY):
            outputs_of(layer, a, z)


@kernel
def outputs_of(layer, a, z):
    """(5.49)  z_j = h(a_j)."""
    last = whole(layer.n_units, lanes(z)) - lanes(z)
    if layer.function == CUSTOM:  # h(0) may be anything
        store(z, last, splat(z, 0.0))
        activate(layer, a, z, layer.n_units)
        return
    activate(layer, a, z, last + lanes(z))
    store(z, last, keep_first(load(z, last), layer.n_units - last))


@kernel
def inputs_of(net, units, layer, j):
    """a_j ...: a register of what arrives at the units of a layer from j on; 0 behind the last unit."""
    inlined()
    n_rows = min(layer.n_units - j, lanes(units.a))
    a_j = splat(units.a, 0.0)
    if layer.bias != NONE:
        a_j = load_first(net.params, layer.bias + j, n_rows)
    for c in range(layer.in_start, layer.in_end):
        block = block_of(net, c)
        w, z = shift(net.params, block.weights + j * block.n_in), source_of(net, c, units.z)
        n_in = block.n_in
        if n_rows == lanes(z):
            a_j = a_j + row_sums(rows_shape(z, ALL_LANES), w, None, z, n_in)
        elif n_rows == 1:
            a_j = a_j + row_sums(rows_shape(z, 1), w, None, z, n_in)
        elif n_rows <= FEW_ROWS:
            a_j = a_j + first_row_sums(rows_shape(z, FEW_ROWS), w, n_rows, z, n_in)
        else:
            a_j = a_j + first_row_sums(rows_shape(z, ALL_LANES), w, n_rows, z, n_in)
    return a_j


@kernel
def row_sums(shape, w, n_rows, z, n_in):
    """sum_i w_ji z_i in the lanes j of a register, for as many rows w_j as the shape has, or the first n_rows."""
    inlined()
    block, last_row = tile(shape, z), shape.units - 1
    if n_rows is not None:
        last_row = n_rows - 1
    for j in range(shape.units):
        put(block, j, 0.0)
    last = n_in - n_in % lanes(z)
    for i in range(0, last, lanes(z)):
        z_i = load(z, i)
        for j in range(shape.units):  # rows that are not there are read from the last one
            put(block, j, fma(load(w, min(j, last_row) * n_in + i), z_i, get(block, j)))
    if last < n_in:
        z_i = load(z, last)
        for j in range(shape.units):
            w_ji = load_first(w, min(j, last_row) * n_in + last, n_in - last)
            put(block, j, fma(w_ji, z_i, get(block, j)))
    if n_rows is None:
        return sums_of(block)
    return keep_first(sums_of(block), n_rows)


@kernel
def first_row_sums(shape, w, n_rows, z, n_in):
    """`row_sums` of fewer rows than the shape has: apart, since it takes longer to begin with."""
    outlined()
    return row_sums(shape, w, n_rows, z, n_in)


@kernel
def softmax(a, y, n_units):
    """y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing."""
    outlined()
    largest, total = largest_of(a, n_units), splat(a, 0.0)
    for k in range(0, n_units, lanes(a)):
        y_k = keep_first(exp(load(a, k) - largest), n_units - k)
        store(y, k, y_k)
        total = total + y_k
    total = splat(a, sum_lanes(total))
    for k in range(0, n_units, lanes(a)):
        store(y, k, load(y, k) / total)


@kernel
def largest_of(a, n_units):
    """max_k a_k, in each lane."""
    largest = number(a, 0)
    for k in range(1, n_units):
        largest = max(largest, number(a, k))
    return splat(a, largest)


@kernel
def log_sum_exp(a, n_units):
    """(largest a, ln sum_k exp(a_k - largest a)), in each lane."""
    largest, total = largest_of(a, n_units), splat(a, 0.0)
    for k in range(0, n_units, lanes(a)):
        total = total + keep_first(exp(load(a, k) - largest), n_units - k)
    return largest, log(splat(a, sum_lanes(total)))


# ---------------------------------------------------------------------------- backward


@kernel
def backward(net, units):
    """Delta recursion: from the outputs' delta to that of every hidden unit. Rows must be whole registers."""
    inlined()
    for l in range(net.n_layers - 2, 0, -1):
        layer = layer_of(net, l)
        backward_layer(net, units, l, whole(layer.n_units, lanes(units.delta)))
        multiply_slopes(layer, l, units)


@kernel
def backward_layer(net, units, l, stop):
    """(5.56) of a layer for the first `stop` units, which are whole registers; the others are left."""
    inlined()
    several = SEVERAL.registers * lanes(units.delta)
    last = stop - stop % several
    for j in range(0, last, several):
        errors_of(net, units, l, j, SEVERAL, None)
    for j in range(last, stop, lanes(units.delta)):
        errors_of(net, units, l, j, ONE, None)


@kernel
def multiply_slopes(layer, l, units):
    """The factor h'(a_j) in (5.56), where `errors_of` leaves it out."""
    inlined()
    if layer.function not in (RELU, IDENTITY):
        n_units = layer.n_units
        if layer.function != CUSTOM:  # h'(0) may be anything
            n_units = whole(n_units, lanes(units.delta))
        a, z, delta = place(layer, l, units.a), place(layer, l, units.z), place(layer, l, units.delta)
        multiply_slope(layer, a, z, delta, n_units)


@kernel
def errors_of(net, units, l, j, shape, count):
    """(5.56)  delta_j = h'(a_j) sum_k w_kj delta_k, for registers of units j; h' only where it is simple.

    `count`: the units in a single register at the end of rows that are not filled up; else None.
    """
    inlined()
    layer, sums = layer_of(net, l), tile(shape, units.delta)
    for r in range(shape.registers):
        put(sums, r, 0.0)
    for o in range(layer.out_start, layer.out_end):
        c = number(net.outgoing, o)
        block = block_of(net, c)
        w, delta_k = shift(net.params, block.weights + j), target_of(net, c, units.delta)
        for k in range(block.n_out):
            d = splat(delta_k, number(delta_k, k))
            for r in range(shape.registers):
                place_w = k * block.n_in + r * lanes(w)
                w_kj = load(w, place_w) if count is None else load_first(w, place_w, count)
                put(sums, r, fma(w_kj, d, get(sums, r)))  # (5.56)  sum_k w_kj delta_k
    z, delta = place(layer, l, units.z), place(layer, l, units.delta)
    for r in range(shape.registers):
        delta_j, place_j = get(sums, r), j + r * lanes(z)
        if layer.function == RELU:
            z_j = load(z, place_j)
            delta_j = delta_j * fn.relu_slope(z_j, z_j)
        store(delta, place_j, delta_j)


@kernel
def descend(net, units, factor):
    """w += factor dE_n/dw, factor = -eta: gradient descent. Rows must be whole registers."""
    inlined()
    for c in range(net.n_blocks):
        block = block_of(net, c)
        several = SEVERAL.registers * lanes(net.params)
        last = block.n_in - block.n_in % several
        for i in range(0, last, several):
            step_of_columns(net, units, c, i, factor, SEVERAL)
        for i in range(last, block.n_in, lanes(net.params)):
            step_of_columns(net, units, c, i, factor, ONE)
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:
            b, delta = shift(net.params, layer.bias), place(layer, l, units.delta)
            for j in range(0, layer.n_units, lanes(b)):
                store(b, j, fma(load(delta, j), factor, load(b, j)))  # dE_n/db_j = delta_j


@kernel
def step_of_columns(net, units, c, i, factor, shape):
    """(5.53)  w_ji += factor delta_j z_i, for registers of the inputs i of block c."""
    block, step = block_of(net, c), tile(shape, net.params)
    w, z, delta = shift(net.params, block.weights + i), source_of(net, c, units.z), target_of(net, c, units.delta)
    for r in range(shape.registers):
        put(step, r, factor * load(z, i + r * lanes(z)))
    for j in range(block.n_out):
        delta_j = splat(delta, number(delta, j))
        for r in range(shape.registers):
            place_i = j * block.n_in + r * lanes(w)
            store(w, place_i, fma(delta_j, get(step, r), load(w, place_i)))  # (5.53)  w_ji += factor delta_j z_i


@kernel
def gradient(net, units, grad):
    """grad = dE_n/dparams, with rows as they are in the network itself."""
    for c in range(net.n_blocks):
        block = block_of(net, c)
        dw, z, delta = shift(grad, block.weights), source_of(net, c, units.z), target_of(net, c, units.delta)
        for j in range(block.n_out):
            delta_j = splat(delta, number(delta, j))
            for i in range(0, block.n_in, lanes(z)):  # (5.53)  dE_n/dw_ji = delta_j z_i
                store_first(dw, j * block.n_in + i, delta_j * load(z, i), min(lanes(z), block.n_in - i))
    for l in range(1, net.n_layers):
        layer = layer_of(net, l)
        if layer.bias != NONE:
            db, delta = shift(grad, layer.bias), place(layer, l, units.delta)
            for j in range(0, layer.n_units, lanes(db)):
                store_first(db, j, load(delta, j), min(lanes(db), layer.n_units - j))  # dE_n/db_j = delta_j
