"""The functions of `lanes.py` in plain NumPy, for runs with the JIT switched off.

A Vec is an array of lanes, a tile a list of them. Slow, and easy to step through.
"""

import ctypes
from typing import NamedTuple

import numpy as np

from fastbp.kernels.registers.machine import REGISTER_BYTES


class Shape(NamedTuple):
    """A tile of accumulators: `units` rows of `registers` vectors each."""

    units: int
    registers: int


def view(array):
    return array.reshape(-1)


def view_at(dtype, address, size):
    dtype = dtype.dtype if isinstance(dtype, np.ndarray) else np.dtype(dtype)
    return np.frombuffer((ctypes.c_byte * (int(size) * dtype.itemsize)).from_address(int(address)), dtype)


def address(x):
    return x.ctypes.data


def array_of(x):
    return x


def size_of(x):
    return x.size


def shift(x, offset):
    _check(x, offset, 0)
    return x[offset:]


def lanes(array):
    return REGISTER_BYTES // array.itemsize


def load(array, offset):
    return load_first(array, offset, lanes(array))


def store(array, offset, value):
    store_first(array, offset, value, lanes(array))


def load_first(array, offset, count):
    _check(array, offset, count)
    value, count = np.zeros(lanes(array), array.dtype), min(count, lanes(array))
    value[:count] = array[offset : offset + count]
    return value


def store_first(array, offset, value, count):
    _check(array, offset, count)
    array[offset : offset + count] = np.broadcast_to(value, lanes(array))[:count]


def keep_first(v, count):
    return np.where(np.arange(len(v)) < count, v, v.dtype.type(0))


def _check(array, offset, count):
    if offset < 0 or offset + count > array.size:
        raise IndexError("a register reaches past the end of its array")


def number(array, offset):
    _check(array, offset, 1)
    return array[offset]


def splat(array, x):
    return np.full(lanes(array), x, array.dtype)


def set_number(array, offset, value):
    _check(array, offset, 1)
    array[offset] = value


def single(x):
    return np.array([x])


def first(v):
    return v[0]


def fma(x, y, z):
    return x * y + z


def minimum(x, y):
    return np.where(x < y, x, y)


def maximum(x, y):
    return np.where(x > y, x, y)


absolute, copysign, rint, square_root = np.abs, np.copysign, np.rint, np.sqrt
library_sin, library_cos, like = np.sin, np.cos, np.full_like


def reciprocal_estimate(x):
    return 1 / x


def rsqrt_estimate(x):
    return 1 / np.sqrt(x)


def select(mask, x, y):
    return np.where(mask, x, y)


def where_normal(x, value):
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, x.dtype.type(0), value)


def any_lane(mask):
    return bool(np.any(mask))


def exp2i(shifted):
    n = shifted - shifted.dtype.type(1.5 * 2.0 ** (23 if shifted.dtype == np.float32 else 52))
    return np.ldexp(np.ones_like(n), np.nan_to_num(n).astype(np.int32))


def scale(x, n):
    return np.ldexp(x, np.nan_to_num(n).astype(np.int32))


def exponent(x):
    return (np.frexp(x)[1] - 1).astype(x.dtype)


def mantissa(x):
    return np.frexp(x)[0] * 2


def precision(v):
    return v.dtype.itemsize * 8


def polynomial(x, coefficients):
    value = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = fma(value, x, x.dtype.type(c))
    return value


def has_estimates(_x):
    return True


def has_lookup(_x):
    return False


def lookup(shifted, table):
    n = shifted - shifted.dtype.type(1.5 * 2.0 ** (23 if shifted.dtype == np.float32 else 52))
    return np.asarray(table, shifted.dtype)[np.nan_to_num(n).astype(np.int64) % len(table)]


def sum_lanes(v):
    return v.sum()


def tile(shape, array):
    return [np.zeros(lanes(array), array.dtype) for _ in range(shape.units * shape.registers)]


def square_tile(array):
    return tile(Shape(lanes(array), 1), array)


def inlined():
    pass


def not_unrolled():
    pass


def outlined():
    pass


def stays_here(x):
    return x


def rows_shape(array, n_rows):
    return Shape(min(n_rows, lanes(array)), 1)


def sums_of(block):
    sums = np.zeros_like(block[0])
    sums[: len(block)] = [row.sum() for row in block]
    return sums


def get(block, k):
    return block[k]


def put(block, k, value):
    block[k] = np.broadcast_to(value, block[0].shape).astype(block[0].dtype)


def transpose(block):
    block[:] = [row.copy() for row in np.array(block).T]


def prefetch(array, offset):
    pass


def sum_tile(shape, block, out, stride, accumulate):
    for q in range(shape.units):
        for p in range(shape.registers):
            begin = out[q * stride + p] if accumulate else 0
            out[q * stride + p] = begin + block[q * shape.registers + p].sum()
