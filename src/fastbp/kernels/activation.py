"""Activation functions by integer code: h(function, a) and dh(function, a, z).

A code is a number in the packed network, so that one compiled engine serves every network. The
branches are outside the arithmetic of a register: they cost a jump for each 16 or 8 samples.
"""

from typing import NamedTuple

from fastbp.kernels import functions as fn
from fastbp.kernels.compiling import entry, kernel
from fastbp.kernels.lanes import (
    call,
    lanes,
    like,
    load,
    load_first,
    minimum,
    select,
    store,
    store_first,
    view,
)
from fastbp.kernels.packed import DH_ADDRESS, FUNCTION, H_ADDRESS

(
    IDENTITY, LOGISTIC, TANH, RELU, LEAKY_RELU, ELU, SOFTPLUS, SOFTSIGN, GELU, SILU, SIN, GAUSSIAN, THRESHOLD, EXP,
    SOFTMAX,  # of a whole layer, see tile.py and sample.py
    CUSTOM,  # a user's own: its address stands in the layer's row
) = range(16)  # fmt: skip

# Functions whose derivative is computed from a: the others' a need not be kept beside z.
NEEDS_A = frozenset({ELU, SOFTPLUS, SOFTSIGN, GELU, SILU, SIN, GAUSSIAN, CUSTOM})


@kernel
def h(function, a):
    """z = h(a) for a Vec a: (5.49)."""
    if function == IDENTITY:
        return a
    if function == RELU:
        return fn.relu(a)
    if function == TANH:
        return fn.tanh(a)
    if function == LOGISTIC:
        return fn.logistic(a)
    if function == LEAKY_RELU:
        return fn.leaky_relu(a)
    if function == ELU:
        return fn.elu(a)
    if function == SOFTPLUS:
        return fn.softplus(a)
    if function == SOFTSIGN:
        return fn.softsign(a)
    if function == GELU:
        return fn.gelu(a)
    if function == SILU:
        return fn.silu(a)
    if function == SIN:
        return fn.sin(a)
    if function == GAUSSIAN:
        return fn.gaussian(a)
    if function == THRESHOLD:
        return fn.threshold(a)
    return fn.exp(a)


@kernel
def dh(function, a, z):
    """h'(a) for Vecs a and z = h(a), from z alone where `NEEDS_A` does not name the function."""
    if function == IDENTITY:
        return like(a, 1.0)
    if function == RELU:
        return fn.relu_slope(a, z)
    if function == TANH:
        return fn.tanh_slope(a, z)
    if function == LOGISTIC:
        return fn.logistic_slope(a, z)
    if function == LEAKY_RELU:
        return select(z > 0.0, like(z, 1.0), 0.01)
    if function == ELU:
        return fn.exp(minimum(0.0, a))
    if function == SOFTPLUS:
        return fn.logistic(a)
    if function == SOFTSIGN:
        return fn.softsign_slope(a, z)
    if function == GELU:
        return fn.gelu_slope(a, z)
    if function == SILU:
        return fn.silu_slope(a, z)
    if function == SIN:
        return fn.sin_slope(a, z)
    if function == GAUSSIAN:
        return fn.gaussian_slope(a, z)
    if function == THRESHOLD:
        return like(a, 0.0)
    return z  # exp


@kernel
def activate(layer, a, z, start, count):
    """z_j = h(a_j) for `count` numbers of the views a and z from `start` on: (5.49)."""
    if layer.function == CUSTOM:
        call(layer.h_address, a, z, start, count)
        return
    full = start + count - count % lanes(a)
    if layer.function == RELU:  # a loop of its own for the shortest: a call of h takes longer than relu
        for k in range(start, full, lanes(a)):
            store(z, k, fn.relu(load(a, k)))
    elif layer.function == TANH:
        for k in range(start, full, lanes(a)):
            store(z, k, fn.tanh(load(a, k)))
    else:
        for k in range(start, full, lanes(a)):
            store(z, k, h(layer.function, load(a, k)))
    if full < start + count:
        rest = start + count - full
        store_first(z, full, h(layer.function, load_first(a, full, rest)), rest)


@kernel
def multiply_slope(layer, a, z, delta, start, count):
    """delta_j *= h'(a_j): the factor before the sum in (5.56)."""
    if layer.function == IDENTITY:
        return
    if layer.function == CUSTOM:
        call(layer.dh_address, a, delta, start, count)
        return
    full = start + count - count % lanes(a)
    if layer.function == RELU:
        for k in range(start, full, lanes(a)):
            store(delta, k, load(delta, k) * fn.relu_slope(load(a, k), load(z, k)))
    elif layer.function == TANH:
        for k in range(start, full, lanes(a)):
            store(delta, k, load(delta, k) * fn.tanh_slope(load(a, k), load(z, k)))
    else:
        for k in range(start, full, lanes(a)):
            store(delta, k, load(delta, k) * dh(layer.function, load(a, k), load(z, k)))
    if full < start + count:
        rest = start + count - full
        slope = dh(layer.function, load_first(a, full, rest), load_first(z, full, rest))
        store_first(delta, full, load_first(delta, full, rest) * slope, rest)


class Function(NamedTuple):
    """What `activate` needs of a layer."""

    function: int
    h_address: int
    dh_address: int


@entry
def activate_units(layers, l, a, z):
    """z_j = h(a_j) for the units j of layer l, of one sample."""
    function = Function(layers[l, FUNCTION], layers[l, H_ADDRESS], layers[l, DH_ADDRESS])
    activate(function, view(a), view(z), 0, a.size)


@entry
def multiply_slope_of_units(layers, l, a, z, delta):
    """delta_j *= h'(a_j) for the units j of layer l, of one sample."""
    function = Function(layers[l, FUNCTION], layers[l, H_ADDRESS], layers[l, DH_ADDRESS])
    multiply_slope(function, view(a), view(z), view(delta), 0, a.size)
