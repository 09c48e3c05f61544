"""Outputs for a few samples, called from Python with as little around the arithmetic as there can be.

Numba looks at the type of each argument of a call, and takes 30 ns for each array in a tuple. So the
network comes as one number: the address of a *plan*, where the addresses of its arrays stand.
"""

import sys
from functools import cache
from threading import Lock

import numba
import numpy as np
from numba import types

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.one_sample.passes import Units, forward, place, set_inputs
from fastbp.kernels.registers.lanes import (
    fma,
    keep_first,
    lanes,
    load,
    number,
    shift,
    splat,
    store_first,
    sum_lanes,
    view,
    view_at,
)
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.tables import BLOCK, LAYER, Net, layer_of

# What a plan holds: the addresses of arrays, each followed by its number of numbers. VALUES: a, then z.
PARAMS, LAYERS, BLOCKS, VALUES = range(0, 8, 2)
PLAN_SIZE = 8


@kernel
def array_at(plan, which, dtype):
    """An array of a plan."""
    return view_at(dtype, number(plan, which), number(plan, which + 1))


@kernel
def net_at(plan, dtype):
    """The network of a plan, without what only training needs."""
    layers, blocks = array_at(plan, LAYERS, np.int64), array_at(plan, BLOCKS, np.int64)
    n_layers, n_blocks = number(plan, LAYERS + 1) // len(LAYER), number(plan, BLOCKS + 1) // len(BLOCK)
    return Net(array_at(plan, PARAMS, dtype), layers, blocks, blocks, blocks, blocks, 0, 0.0, n_layers, n_blocks, 0)


@kernel
def units_at(plan, dtype):
    """The units of a plan; they have no delta."""
    a = array_at(plan, VALUES, dtype)
    return Units(a, shift(a, number(plan, VALUES + 1) // 2), a)


@kernel
def in_rows(x, n_columns):
    """Whether x has so many columns, in C order. Only strides that are taken count."""
    return x.shape[1] == n_columns and (
        (n_columns == 1 or x.strides[1] == x.itemsize) and (len(x) == 1 or x.strides[0] == x.itemsize * n_columns)
    )


# Python's own lock keeps the calls of compiled code apart, in all but a few builds of the interpreter.
INTERPRETER_LOCKS = getattr(sys, "_is_gil_enabled", lambda: True)()


@entry(nogil=False)
def forward_few(address, x, out):
    """Outputs for the rows of x; False if x is not C-contiguous or as wide as the inputs, or a number is not finite."""
    plan = view_at(np.int64, address, PLAN_SIZE)
    net, units = net_at(plan, x.dtype), units_at(plan, x.dtype)
    inputs, outputs = layer_of(net, 0), layer_of(net, net.n_layers - 1)
    n_inputs, n_outputs = inputs.n_units, outputs.n_units
    if not in_rows(x, n_inputs):
        return False
    y = place(outputs, net.n_layers - 1, units.z)
    bad = splat(y, 0.0)
    for n in range(len(x)):
        if not set_inputs(units, shift(view(x), n * n_inputs), n_inputs):
            return False
        forward(net, units)
        for k in range(0, n_outputs, lanes(y)):
            count = min(n_outputs - k, lanes(y))
            y_k = load(y, k)
            store_first(view(out), n * n_outputs + k, y_k, count)
            bad = fma(keep_first(y_k, count), 0.0, bad)
    return sum_lanes(bad) == 0.0


@cache
def forward_call(dtype):
    """`forward_few` for arrays of one dtype: what Python calls, without a look at the types. They must be right."""
    if JIT_DISABLED:
        return one_at_a_time(forward_few)
    matrix = types.Array(numba.from_dtype(dtype), 2, "C")
    signature = (types.int64, matrix, matrix)
    forward_few.compile(signature)
    call = forward_few.overloads[signature].entry_point
    return call if INTERPRETER_LOCKS else one_at_a_time(call)


def one_at_a_time(function):
    """The function, for one thread at a time: calls share the work space of a network."""
    lock = Lock()

    def locked(*args):
        with lock:
            return function(*args)

    return locked
