"""Activation functions by integer code and by address: z = h(a) and delta *= h'(a) for runs of numbers.

A layer's row in the packed network holds the addresses of its two functions, so that one compiled
engine serves every network, a user's own functions included, and only those in use are compiled.
"""

from typing import Any, NamedTuple

from fastbp.kernels.codes import IN_KERNELS, OF_ACTIVATION, RELU
from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import entry, kernel, unkept
from fastbp.kernels.formulas import activations
from fastbp.kernels.registers.lanes import (
    Numbers,
    inlined,
    lanes,
    load,
    load_first,
    number,
    outlined,
    set_number,
    store,
    store_first,
    view,
)  # fmt: skip
from fastbp.kernels.tables import LAYER, NONE

# code -> (h(a), h'(a, z), h''(a, z)) of Vecs, see activations.py; None where h'' is 0 (STRAIGHT) or not written
FUNCTIONS = {
    code: tuple(getattr(activations, name + order, None) for order in ("", "_slope", "_bend"))
    for name, code in OF_ACTIVATION.items()
}

# What is called through `h_address` and `dh_address`: (a, z, count), and (a, z, delta, count)
H = Slot(Numbers, Numbers, int)
DH = Slot(Numbers, Numbers, Numbers, int)
D2H = Slot(Numbers, Numbers, Numbers, int)  # (a, z, out, count)


def h_of(function: Any, key: Any) -> Any:
    """An entry (a, z, count): z = h(a) for views, with h a function of a Vec."""

    def h_of_numbers(a, z, count):
        full = count - count % lanes(a)
        for k in range(0, full, lanes(a)):
            store(z, k, function(load(a, k)))
        if full < count:
            store_first(z, full, function(load_first(a, full, count - full)), count - full)

    return entry(h_of_numbers, key=key)


def dh_of(slope: Any, key: Any) -> Any:
    """An entry (a, z, delta, count): delta *= h'(a) for views, with h'(a, z) a function of Vecs."""

    def multiply_by_dh(a, z, delta, count):
        full = count - count % lanes(a)
        for k in range(0, full, lanes(a)):
            store(delta, k, load(delta, k) * slope(load(a, k), load(z, k)))
        if full < count:
            rest = count - full
            slope_k = slope(load_first(a, full, rest), load_first(z, full, rest))
            store_first(delta, full, load_first(delta, full, rest) * slope_k, rest)

    return entry(multiply_by_dh, key=key)


def d2h_of(bend: Any, key: Any) -> Any:
    """An entry (a, z, out, count): out = h''(a) for views, with h''(a, z) a function of Vecs."""

    def fill_with_d2h(a, z, out, count):
        full = count - count % lanes(a)
        for k in range(0, full, lanes(a)):
            store(out, k, bend(load(a, k), load(z, k)))
        if full < count:
            rest = count - full
            store_first(out, full, bend(load_first(a, full, rest), load_first(z, full, rest)), rest)

    return entry(fill_with_d2h, key=f"{key} d2h")


def h_of_scalar(scalar: Any) -> Any:
    """What `h_of` makes, of a user's compiled function of one number. Not kept on disk: its source is not ours."""

    def h_of_numbers(a, z, count):
        for k in range(count):
            set_number(z, k, scalar(number(a, k)))

    return unkept(h_of_numbers)


def dh_of_scalar(scalar: Any) -> Any:
    """What `dh_of` makes, of a user's compiled function of one number."""

    def multiply_by_dh(a, z, delta, count):
        for k in range(count):
            set_number(delta, k, number(delta, k) * scalar(number(a, k)))

    return unkept(multiply_by_dh)


def d2h_of_scalar(scalar: Any) -> Any:
    """What `d2h_of` makes, of a user's compiled function of one number."""

    def fill_with_d2h(a, z, out, count):
        for k in range(count):
            set_number(out, k, scalar(number(a, k)))

    return unkept(fill_with_d2h)


def address_of_h(compiled: Any, dtype: Any) -> Any:
    """Address of what `h_of` made, for numbers of `dtype`."""
    return H.address(compiled, dtype)


def address_of_dh(compiled: Any, dtype: Any) -> Any:
    """Address of what `dh_of` made, for numbers of `dtype`."""
    return DH.address(compiled, dtype)


def address_of_d2h(compiled: Any, dtype: Any) -> Any:
    """Address of what `d2h_of` made, for numbers of `dtype`."""
    return D2H.address(compiled, dtype)


@kernel
def activate(layer, a, z, count):
    """z_j = h(a_j) for the first `count` numbers of the views a and z: (5.49)."""
    H.call(layer.h_address, a, z, count)


@kernel
def multiply_slope(layer, a, z, delta, count):
    """delta_j *= h'(a_j): the factor before the sum in (5.56). Relu's is here: it is rarely left to be multiplied."""
    inlined()
    if layer.function == RELU:
        multiply_relu_slope(z, delta, count)
    elif layer.dh_address != NONE:
        DH.call(layer.dh_address, a, z, delta, count)


@kernel
def multiply_relu_slope(z, delta, count):
    """`multiply_slope` of relu."""
    outlined()
    full = count - count % lanes(z)
    for k in range(0, full, lanes(z)):
        z_k = load(z, k)
        store(delta, k, load(delta, k) * activations.relu_slope(z_k, z_k))
    for k in range(full, count):
        set_number(delta, k, number(delta, k) * (1.0 if number(z, k) > 0.0 else 0.0))


class Function(NamedTuple):
    """What `activate` needs of a layer."""

    function: int
    h_address: int
    dh_address: int


@entry
def activate_units(layers, l, a, z):
    """z_j = h(a_j) for the units j of layer l, of one sample."""
    function = Function(layers[l, LAYER.function], layers[l, LAYER.h_address], layers[l, LAYER.dh_address])
    if function.function in IN_KERNELS:
        for j in range(a.size):
            z[j] = 0.0 if function.function == RELU and a[j] < 0.0 else a[j]
    else:
        activate(function, view(a), view(z), a.size)


@entry
def multiply_slope_of_units(layers, l, a, z, delta):
    """delta_j *= h'(a_j) for the units j of layer l, of one sample."""
    function = Function(layers[l, LAYER.function], layers[l, LAYER.h_address], layers[l, LAYER.dh_address])
    multiply_slope(function, view(a), view(z), view(delta), a.size)


@entry
def bend_units(address, a, z, out):
    """out_j = h''(a_j) for the units of a layer, of one sample; 0 where h'' has no address."""
    if address == NONE:
        for j in range(a.size):
            out[j] = 0.0
    else:
        D2H.call(address, view(a), view(z), view(out), a.size)


@entry
def apply_h(address, a, z):
    """z = h(a) for 1-D arrays, h given by its address."""
    H.call(address, view(a), view(z), a.size)


@entry
def apply_dh(address, a, z, delta):
    """delta *= h'(a) for 1-D arrays, h' given by its address."""
    DH.call(address, view(a), view(z), view(delta), a.size)
