"""Vector registers and the sums made of them, against NumPy."""

import numpy as np
import pytest
from subprocesses import run_python

from fastbp.kernels.compiling import entry
from fastbp.kernels.lanes import get as get_register
from fastbp.kernels.lanes import lanes, load, load_first, put, square_tile, store, store_first, transpose, view
from fastbp.kernels.machine import lanes_of
from fastbp.kernels.tile import Group, Rows, Size, Weights, row_products, row_sums, weighted_sums

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@entry
def sums(out, weights, rows, n_terms):
    n_sums, length = out.shape
    size = Size(n_sums, length, n_terms)
    weighted_sums(Rows(view(out), length), Weights(view(weights), n_terms, 1), Rows(view(rows), rows.shape[1]), size)


@entry
def products(out, left, right, n_samples, width):
    """`left` and `right` hold whole tiles: both (n_tiles, n_rows, width)."""
    group = Group(left.shape[0], left.shape[1] * width, width, n_samples)
    row_products(Rows(view(out), out.shape[1]), Rows(view(left), width), Rows(view(right), width), group, *out.shape)


@entry
def sums_of_rows(out, rows, n_samples, width):
    group = Group(rows.shape[0], rows.shape[1] * width, width, n_samples)
    row_sums(view(out), Rows(view(rows), width), group, rows.shape[1])


@entry
def transposed(matrix, out):
    block = square_tile(view(matrix))
    step = lanes(view(matrix))
    for r in range(step):
        put(block, r, load(view(matrix), r * step))
    transpose(block)
    for r in range(step):
        store(view(out), r * step, get_register(block, r))


@entry
def copy_first(source, out, count):
    store_first(view(out), 0, load_first(view(source), 0, count), count)


def draw(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@DTYPES
@pytest.mark.parametrize("n_sums", [1, 2, 3, 5, 6, 7, 13])
@pytest.mark.parametrize("length", [1, 7, 16, 17, 33, 64, 70])
def test_weighted_sums(dtype, n_sums, length):
    weights, out = draw((n_sums, 5), dtype), draw((n_sums, length), dtype, 1)
    # Registers of the rows are loaded whole: there is room behind the last one.
    rows = np.zeros((5, length + lanes_of(np.dtype(dtype))), dtype)
    rows[:, :length] = draw((5, length), dtype, 2)
    expected = out + weights @ rows[:, :length]
    sums(out, weights, rows, 5)
    assert np.allclose(out, expected, rtol=0, atol=20 * np.finfo(dtype).eps)


@DTYPES
@pytest.mark.parametrize(("n_left", "n_right"), [(1, 1), (6, 4), (7, 5), (13, 9), (2, 3)])
@pytest.mark.parametrize("n_tiles", [1, 3])
def test_row_products_and_sums(dtype, n_left, n_right, n_tiles):
    step = lanes_of(np.dtype(dtype))
    width, n_rows = 2 * step, max(n_left, n_right)
    left, right = draw((n_tiles, n_rows, width), dtype), draw((n_tiles, n_rows, width), dtype, 1)
    n_samples = n_tiles * width - step  # the last tile is half full
    left[-1, :, step:] = right[-1, :, step:] = np.nan  # and what lies behind it is not touched
    flat = [np.concatenate(list(tiles), axis=1)[:, :n_samples] for tiles in (left, right)]
    out = np.ones((n_left, n_right), dtype)
    products(out, left, right, n_samples, width)
    assert np.allclose(out, 1 + flat[0][:n_left] @ flat[1][:n_right].T, rtol=0, atol=300 * np.finfo(dtype).eps)
    totals = np.zeros(n_rows, dtype)
    sums_of_rows(totals, left, n_samples, width)
    assert np.allclose(totals, flat[0].sum(axis=1), rtol=0, atol=300 * np.finfo(dtype).eps)


@DTYPES
def test_transpose(dtype):
    step = lanes_of(np.dtype(dtype))
    matrix, out = draw((step, step), dtype), np.zeros((step, step), dtype)
    transposed(matrix, out)
    assert np.array_equal(out, matrix.T)


@DTYPES
def test_first_lanes(dtype):
    step = lanes_of(np.dtype(dtype))
    for count in range(step + 1):
        source, out = draw(step, dtype), np.full(step, 7, dtype)
        copy_first(source, out, count)
        assert np.array_equal(out[:count], source[:count])
        assert np.all(out[count:] == 7)


@pytest.mark.parametrize("expression", ["load(view(x), 1)", "load(view(x), -1)", "load_first(view(x), 2, x.size - 1)"])
def test_bounds_are_checked_on_demand(expression):
    code = f"""
import numpy as np
from fastbp.kernels.compiling import entry
from fastbp.kernels.lanes import load, load_first, store, view
from fastbp.kernels.machine import lanes_of

@entry
def past_the_end(x, out):
    store(view(out), 0, {expression})

x = np.zeros(lanes_of(np.dtype(float)))
try:
    past_the_end(x, x.copy())
except IndexError as error:
    print("IndexError:", error)
"""
    path_code = f"exec(compile({code!r}, '<test>', 'exec'))"
    assert "IndexError: a register reaches past the end" in run_python(path_code, NUMBA_BOUNDSCHECK="1")
