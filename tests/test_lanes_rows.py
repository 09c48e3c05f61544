"""Sums of the lanes of several registers, first lanes, numbers at an address: against NumPy."""

import numpy as np
import pytest

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.registers.lanes import (
    keep_first,
    lanes,
    load,
    number,
    put,
    rows_shape,
    store,
    sums_of,
    tile,
    view,
    view_at,
)
from fastbp.kernels.registers.machine import lanes_of

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@entry
def kept(source, out, count):
    store(view(out), 0, keep_first(load(view(source), 0), count))


@kernel
def sums_with(shape, source):
    block = tile(shape, source)
    for j in range(shape.units):
        put(block, j, load(source, j * lanes(source)))
    return sums_of(block)


@entry
def sums(rows, out, which):
    """Sums of rows of one register each, for three shapes."""
    source = view(rows)
    if which == 1:
        store(view(out), 0, sums_with(rows_shape(source, 1), source))
    elif which == 3:
        store(view(out), 0, sums_with(rows_shape(source, 3), source))
    else:
        store(view(out), 0, sums_with(rows_shape(source, 64), source))


@entry
def copy_from(address, out):
    store(view(out), 0, load(view_at(out.dtype, address, out.size), 0))


@entry
def copy_integers(address, out):
    source = view_at(np.int64, address, out.size)
    for k in range(out.size):
        out[k] = number(source, k)


def draw(shape, dtype):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@DTYPES
def test_first_lanes_are_kept(dtype):
    step = lanes_of(np.dtype(dtype))
    source, out = draw(step, dtype), np.zeros(step, dtype)
    for count in range(step + 3):  # more than there are: all
        kept(source, out, count)
        assert np.array_equal(out, np.where(np.arange(step) < count, source, 0))


@DTYPES
def test_what_is_not_kept_is_0_even_if_it_is_no_number(dtype):
    step = lanes_of(np.dtype(dtype))
    out = np.ones(step, dtype)
    kept(np.full(step, np.nan, dtype), out, 0)
    assert np.array_equal(out, np.zeros(step))


@DTYPES
@pytest.mark.parametrize("n_rows", [1, 3, 64])
def test_sums_of_rows(dtype, n_rows):
    step = lanes_of(np.dtype(dtype))
    rows, out = draw((step, step), dtype), np.full(step, 7, dtype)
    sums(rows, out, n_rows)
    expected = np.zeros(step)
    expected[:n_rows] = rows.astype(float).sum(axis=1)[:n_rows]
    assert np.allclose(out, expected, rtol=0, atol=20 * np.finfo(dtype).eps)


@DTYPES
def test_numbers_at_an_address(dtype):
    source, out = draw(lanes_of(np.dtype(dtype)), dtype), np.zeros(lanes_of(np.dtype(dtype)), dtype)
    copy_from(source.ctypes.data, out)
    assert np.array_equal(out, source)


def test_integers_at_an_address():
    source, out = np.arange(5) - 2, np.zeros(5, np.int64)
    copy_integers(source.ctypes.data, out)
    assert np.array_equal(out, source)
