"""The functions of `lanes.py` in plain NumPy, for runs with the JIT switched off.

A Vec is an array of lanes, a tile a list of them. Slow, and easy to step through.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.registers.machine import REGISTER_BYTES


class Shape(NamedTuple):
    """A tile of accumulators: `units` rows of `registers` vectors each."""

    units: int
    registers: int


def view(array: Any) -> Any:
    return array.reshape(-1)


def view_at(dtype: Any, address: Any, size: Any) -> Any:
    dtype = dtype.dtype if isinstance(dtype, np.ndarray) else np.dtype(dtype)
    return np.frombuffer((ctypes.c_byte * (int(size) * dtype.itemsize)).from_address(int(address)), dtype)


def address(x: Any) -> Any:
    return x.ctypes.data


def array_of(x: Any) -> Any:
    return x


def size_of(x: Any) -> Any:
    return x.size


def shift(x: Any, offset: Any) -> Any:
    _check(x, offset, 0)
    return x[offset:]


def lanes(array: Any) -> Any:
    return REGISTER_BYTES // array.itemsize


def load(array: Any, offset: Any) -> Any:
    return load_first(array, offset, lanes(array))


def store(array: Any, offset: Any, value: Any) -> None:
    store_first(array, offset, value, lanes(array))


def load_first(array: Any, offset: Any, count: Any) -> Any:
    _check(array, offset, count)
    value, count = np.zeros(lanes(array), array.dtype), min(count, lanes(array))
    value[:count] = array[offset : offset + count]
    return value


def store_first(array: Any, offset: Any, value: Any, count: Any) -> None:
    _check(array, offset, count)
    array[offset : offset + count] = np.broadcast_to(value, lanes(array))[:count]


def keep_first(v: Any, count: Any) -> Any:
    return np.where(np.arange(len(v)) < count, v, v.dtype.type(0))


def _check(array, offset, count):
    if offset < 0 or offset + count > array.size:
        raise IndexError("a register reaches past the end of its array")


def number(array: Any, offset: Any) -> Any:
    _check(array, offset, 1)
    return array[offset]


def splat(array: Any, x: Any) -> Any:
    return np.full(lanes(array), x, array.dtype)


def set_number(array: Any, offset: Any, value: Any) -> None:
    _check(array, offset, 1)
    array[offset] = value


def single(x: Any) -> Any:
    return np.array([x])


def first(v: Any) -> Any:
    return v[0]


def fma(x: Any, y: Any, z: Any) -> Any:
    return x * y + z


def minimum(x: Any, y: Any) -> Any:
    return np.where(x < y, x, y)


def maximum(x: Any, y: Any) -> Any:
    return np.where(x > y, x, y)


absolute: Callable[..., Any] = np.abs
copysign: Callable[..., Any] = np.copysign
rint: Callable[..., Any] = np.rint
square_root: Callable[..., Any] = np.sqrt
library_sin: Callable[..., Any] = np.sin
library_cos: Callable[..., Any] = np.cos
like: Callable[..., Any] = np.full_like


def reciprocal_estimate(x: Any) -> Any:
    return 1 / x


def rsqrt_estimate(x: Any) -> Any:
    return 1 / np.sqrt(x)


def select(mask: Any, x: Any, y: Any) -> Any:
    return np.where(mask, x, y)


def where_normal(x: Any, value: Any) -> Any:
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, x.dtype.type(0), value)


def any_lane(mask: Any) -> Any:
    return bool(np.any(mask))


def exp2i(shifted: Any) -> Any:
    n = shifted - shifted.dtype.type(1.5 * 2.0 ** (23 if shifted.dtype == np.float32 else 52))
    return np.ldexp(np.ones_like(n), np.nan_to_num(n).astype(np.int32))


def scale(x: Any, n: Any) -> Any:
    return np.ldexp(x, np.nan_to_num(n).astype(np.int32))


def exponent(x: Any) -> Any:
    return (np.frexp(x)[1] - 1).astype(x.dtype)


def mantissa(x: Any) -> Any:
    return np.frexp(x)[0] * 2


def precision(v: Any) -> Any:
    return v.dtype.itemsize * 8


def polynomial(x: Any, coefficients: Any) -> Any:
    value = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = fma(value, x, x.dtype.type(c))
    return value


def has_estimates(_x: Any) -> Any:
    return True


def has_lookup(_x: Any) -> Any:
    return False


def lookup(shifted: Any, table: Any) -> Any:
    n = shifted - shifted.dtype.type(1.5 * 2.0 ** (23 if shifted.dtype == np.float32 else 52))
    return np.asarray(table, shifted.dtype)[np.nan_to_num(n).astype(np.int64) % len(table)]


def sum_lanes(v: Any) -> Any:
    return v.sum()


def tile(shape: Any, array: Any) -> Any:
    return [np.zeros(lanes(array), array.dtype) for _ in range(shape.units * shape.registers)]


def square_tile(array: Any) -> Any:
    return tile(Shape(lanes(array), 1), array)


def inlined() -> None:
    pass


def not_unrolled() -> None:
    pass


def outlined() -> None:
    pass


def stays_here(x: Any) -> Any:
    return x


def rows_shape(array: Any, n_rows: Any) -> Any:
    return Shape(min(n_rows, lanes(array)), 1)


def sums_of(block: Any) -> Any:
    sums = np.zeros_like(block[0])
    sums[: len(block)] = [row.sum() for row in block]
    return sums


def get(block: Any, k: Any) -> Any:
    return block[k]


def put(block: Any, k: Any, value: Any) -> None:
    block[k] = np.broadcast_to(value, block[0].shape).astype(block[0].dtype)


def transpose(block: Any) -> None:
    block[:] = [row.copy() for row in np.array(block).T]


def prefetch(array: Any, offset: Any) -> None:
    pass


def sum_tile(shape: Any, block: Any, out: Any, stride: Any, accumulate: Any) -> None:
    for q in range(shape.units):
        for p in range(shape.registers):
            begin = out[q * stride + p] if accumulate else 0
            out[q * stride + p] = begin + block[q * shape.registers + p].sum()
