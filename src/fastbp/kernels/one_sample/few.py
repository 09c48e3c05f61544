"""Outputs for a few samples, called from Python with as little around the arithmetic as there can be.

Numba looks at the type of each argument of a call, and of each array in a tuple. So the
network comes as one number: the address of a plan, see `plan.py`, which also knows the parameters and the memory.
"""

import sys
from functools import cache
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba import types

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.compiling.plan_table import PLAN_SIZE
from fastbp.kernels.one_sample.called import array_at, net_of_call, units_of_call
from fastbp.kernels.one_sample.passes import forward, place, set_inputs
from fastbp.kernels.one_sample.plan import LAYERS, MEMORY, PARAMS, Call
from fastbp.kernels.registers.lanes import (
    fma,
    keep_first,
    lanes,
    load,
    shift,
    splat,
    store_first,
    sum_lanes,
    view,
    view_at,
)
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.tables import layer_of


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
    params, memory = array_at(plan, PARAMS, x.dtype), array_at(plan, MEMORY, x.dtype)
    call = Call(plan, memory, params, view(x), view(x), view(x), view(out))
    net, units = net_of_call(call, LAYERS), units_of_call(call)
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
    """`forward_few` for arrays of one dtype, see `call_without_types`."""
    return call_without_types(forward_few, dtype)


def call_without_types(function: Any, dtype: Any) -> Any:
    """What Python calls with an address and two matrices of a dtype, without a look at types: they must be right."""
    if JIT_DISABLED:
        return one_at_a_time(function)
    matrix = types.Array(numba.from_dtype(dtype), 2, "C")
    signature = (types.int64, matrix, matrix)
    function.compile(signature)
    call = function.overloads[signature].entry_point
    return call if INTERPRETER_LOCKS else one_at_a_time(call)


def one_at_a_time(function: Any) -> Any:
    """The function, for one thread at a time: calls share the work space of a network."""
    lock = Lock()

    def locked(*args):
        with lock:
            return function(*args)

    return locked
