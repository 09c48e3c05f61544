"""Activation functions on whole arrays, and a user's own ones compiled to C functions.

The engine calls a user's function through its address, `count` numbers at a time: one small function is
compiled, and no kernel anew.
"""

import ctypes

import numba
from numba import types

from fastbp.kernels.activation import dh, h
from fastbp.kernels.compiling import JIT_DISABLED, OPTIONS, entry
from fastbp.kernels.lanes import lanes, load_first, store_first, view


@entry
def apply_h(function, a, z):
    """z = h(a) for 1-D arrays."""
    values, results = view(a), view(z)
    for k in range(0, a.size, lanes(values)):
        count = min(lanes(values), a.size - k)
        store_first(results, k, h(function, load_first(values, k, count)), count)


@entry
def apply_dh(function, a, z, slope):
    """slope = h'(a) for 1-D arrays, z = h(a)."""
    values, outputs, results = view(a), view(z), view(slope)
    for k in range(0, a.size, lanes(values)):
        count = min(lanes(values), a.size - k)
        slopes = dh(function, load_first(values, k, count), load_first(outputs, k, count))
        store_first(results, k, slopes, count)


def compile_h(function, dtype):
    """A C function (a, z, count): z = function(a). Keep what is returned as long as its `address` is in use."""
    scalar = _scalar(function)

    def h_of_numbers(a, z, count):
        for k in range(count):
            z[k] = scalar(a[k])

    return _c_function(h_of_numbers, dtype)


def compile_dh(function, dtype):
    """A C function (a, delta, count): delta *= function(a)."""
    scalar = _scalar(function)

    def multiply_dh(a, delta, count):
        for k in range(count):
            delta[k] *= scalar(a[k])

    return _c_function(multiply_dh, dtype)


def call_on_arrays(address, x, y):
    """Call the C function at `address` on two C-contiguous arrays of one length."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
    function(x.ctypes.data, y.ctypes.data, x.size)


def _scalar(function):
    if JIT_DISABLED or isinstance(function, numba.core.dispatcher.Dispatcher):
        return function
    return numba.njit(function, **OPTIONS)


class _PlainFunction:
    """With the JIT switched off: a Python function behind a C address."""

    def __init__(self, function, dtype):
        pointer = ctypes.POINTER(ctypes.c_float if dtype.itemsize == 4 else ctypes.c_double)
        self._callback = ctypes.CFUNCTYPE(None, pointer, pointer, ctypes.c_int64)(function)
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value


def _c_function(function, dtype):
    if JIT_DISABLED:
        return _PlainFunction(function, dtype)
    numbers = types.CPointer(types.float32 if dtype.itemsize == 4 else types.float64)
    return numba.cfunc(types.void(numbers, numbers, types.int64), **{k: v for k, v in OPTIONS.items() if k != "nogil"})(
        function
    )
