"""Vector registers and the sums made of them, against NumPy."""

import numpy as np
import pytest
from subprocesses import run_python

from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.parts import BLOCK_TERMS, next_registers, registers_of_column
from fastbp.kernels.many_samples.prefetch import Prefetch
from fastbp.kernels.many_samples.sums_across import row_products, row_sums
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, sums_with_prefetch, terms_of, weighted_sums
from fastbp.kernels.registers.lanes import get as get_register
from fastbp.kernels.registers.lanes import (
    lanes,
    load,
    load_first,
    lookup,
    put,
    square_tile,
    store,
    store_first,
    transpose,
    view,
)
from fastbp.kernels.registers.machine import lanes_of

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@entry
def sums(out, weights, rows, adds, numbers, floor):
    n_sums, length = out.shape
    epilogue, size = Epilogue(adds, view(numbers), 1, floor, False, view(out)), Size(n_sums, length, weights.shape[1])
    w = Weights(view(weights), weights.shape[1], 1)
    weighted_sums(Rows(view(out), length), w, terms_of(Rows(view(rows), rows.shape[1])), epilogue, size)


@entry
def sums_of_part(out, weights, rows, numbers, length):
    """Sums of the first `length` numbers of rows that are longer."""
    epilogue, size = Epilogue(False, view(numbers), 1, NO_FLOOR, False, view(out)), Size(len(out), length, len(rows))
    w = Weights(view(weights), weights.shape[1], 1)
    weighted_sums(Rows(view(out), out.shape[1]), w, terms_of(Rows(view(rows), rows.shape[1])), epilogue, size)


@entry
def sums_that_ask(out, weights, rows, numbers, start, stop):
    n_sums, length = out.shape
    epilogue, size = (
        Epilogue(False, view(numbers), 1, NO_FLOOR, False, view(out)),
        Size(n_sums, length, weights.shape[1]),
    )
    ahead = Prefetch(view(weights), view(rows), view(numbers), start, stop, False)
    w = Weights(view(weights), weights.shape[1], 1)
    sums_with_prefetch(Rows(view(out), length), w, terms_of(Rows(view(rows), rows.shape[1])), epilogue, ahead, size)


@entry
def products(out, left, right, adds):
    epilogue, size = (
        Epilogue(adds, view(out), 0, NO_FLOOR, False, view(out)),
        Size(len(left), len(right), left.shape[1]),
    )
    rows = Rows(view(left), left.shape[1]), Rows(view(right), right.shape[1])
    row_products(Rows(view(out), out.shape[1]), rows[0], rows[1], epilogue, size)


@entry
def masked_sums(out, weights, rows, adds, mask):
    epilogue = Epilogue(adds, view(weights), 0, NO_FLOOR, True, view(mask))
    size, w = Size(out.shape[0], out.shape[1], weights.shape[1]), Weights(view(weights), weights.shape[1], 1)
    weighted_sums(Rows(view(out), out.shape[1]), w, terms_of(Rows(view(rows), rows.shape[1])), epilogue, size)


@entry
def sums_of_rows(out, rows, factors, stride, adds):
    epilogue, size = Epilogue(adds, view(out), 0, NO_FLOOR, False, view(out)), Size(len(rows), rows.shape[1], 0)
    row_sums(view(out), Rows(view(rows), rows.shape[1]), Rows(view(factors), stride), epilogue, size)


TABLE = tuple(float(k * k) for k in range(16))


@entry
def looked_up(shifted, out):
    for k in range(0, out.size, lanes(view(out))):
        store(view(out), k, lookup(load(view(shifted), k), TABLE))


@entry
def column_of(left, most):
    return registers_of_column(left, most)


@entry
def tile_of(left):
    return next_registers(left)


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
@pytest.mark.parametrize("n_sums", [1, 2, 3, 5, 6, 7, 12, 13, 29])
@pytest.mark.parametrize("length", [1, 7, 16, 17, 33, 64, 70, 81, 160])
def test_weighted_sums(dtype, n_sums, length):
    weights, numbers = draw((n_sums, 5), dtype), draw(n_sums, dtype, 3)
    # Registers of the rows are loaded whole: there is room behind the last one.
    rows = np.zeros((5, length + lanes_of(np.dtype(dtype))), dtype)
    rows[:, :length] = draw((5, length), dtype, 2)
    # Not `@`: of a few strided numbers BLAS reads more than there are, and NumPy now and then warns of what it finds.
    product, begun = np.einsum("qk,ks->qs", weights, rows[:, :length]), draw((n_sums, length), dtype, 1)
    for adds, first in ((False, numbers[:, None]), (True, begun)):
        for floor in (NO_FLOOR, 0.0):
            out = begun.copy()
            sums(out, weights, rows, adds, numbers, floor)
            expected = np.maximum(first + product, floor)
            assert np.allclose(out, expected, rtol=0, atol=20 * np.finfo(dtype).eps)


# On either side of the edges of the blocks: sums, terms, registers of a row, lanes in the last one (0: all).
BLOCKS = [
    (7, BLOCK_TERMS, 33, 0),
    (13, BLOCK_TERMS - 1, 33, 5),
    (5, BLOCK_TERMS + 1, 3, 1),
    (6, 2 * BLOCK_TERMS + 3, 1, 0),
    (3, 700, 50, 3),
    (2, 1100, 67, 2),
    # PREFETCH_BYTES are 6,144 registers of rows, on machines with registers of 64 bytes
    (6, 512, 12, 0),
    (6, 512, 13, 3),
    (7, 473, 13, 0),
    (17, 400, 17, 2),
    (13, 350, 18, 1),
]


@pytest.mark.compiled_only
@DTYPES
@pytest.mark.parametrize(("n_sums", "n_terms", "n_registers", "rest"), BLOCKS)
def test_weighted_sums_in_blocks(dtype, n_sums, n_terms, n_registers, rest):
    step = lanes_of(np.dtype(dtype))
    width = n_registers * step
    length = width if rest == 0 else width - step + min(rest, step)
    weights, numbers, begun = draw((n_sums, n_terms), dtype), draw(n_sums, dtype, 3), draw((n_sums, length), dtype, 1)
    rows = draw((n_terms, width), dtype, 2)
    product = weights.astype("float64") @ rows[:, :length].astype("float64")
    for adds, first in ((False, numbers[:, None]), (True, begun)):
        for floor in (NO_FLOOR, 0.0):
            out = begun.copy()
            sums(out, weights, rows, adds, numbers, floor)
            expected = np.maximum(first + product, floor)
            assert np.allclose(out, expected, rtol=0, atol=50 * np.sqrt(n_terms) * np.finfo(dtype).eps)


@pytest.mark.compiled_only
@DTYPES
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 10**4), (5, 77), (10**6, 10**7)])
def test_what_is_asked_for_changes_no_sum(dtype, start, stop):
    """Numbers are only asked for, even those past the end of their array."""
    length = 13 * lanes_of(np.dtype(dtype)) - 1
    weights, numbers, rows = draw((14, 490), dtype), draw(14, dtype, 3), draw((490, length + 1), dtype, 2)
    expected, out = np.empty((2, 14, length), dtype)
    sums(expected, weights, rows, False, numbers, NO_FLOOR)
    sums_that_ask(out, weights, rows, numbers, start, stop)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("most", [32, 37, 100])
def test_columns_are_whole_tiles(most):
    """A row cut into columns has the tiles that it has uncut: those of its panels."""

    def tiles_of(n):
        found = []
        while sum(found) < n:
            found.append(tile_of(n - sum(found)))
        return found

    for left in [*range(1, 80), 257, 258, 259, 260]:
        cut, rest = [], left
        while rest > 0:
            n = column_of(rest, most)
            assert 1 <= n <= rest
            cut, rest = cut + tiles_of(n), rest - n
        assert cut == tiles_of(left)


@DTYPES
@pytest.mark.parametrize("n_sums", [1, 2, 5, 6, 13, 29])
@pytest.mark.parametrize("length", [1, 16, 17, 48, 70, 160])
def test_weighted_sums_behind_a_mask(dtype, n_sums, length):
    weights, mask = draw((n_sums, 3), dtype), draw((n_sums, length), dtype, 3)
    mask[:, ::4] = 0
    rows = np.zeros((3, length + lanes_of(np.dtype(dtype))), dtype)
    rows[:, :length] = draw((3, length), dtype, 2)
    begun = draw((n_sums, length), dtype, 1)
    for adds, first in ((False, weights[0, 0]), (True, begun)):
        out = begun.copy()
        masked_sums(out, weights, rows, adds, mask)
        expected = np.where(mask > 0, first + weights @ rows[:, :length], 0)
        assert np.allclose(out, expected, rtol=0, atol=20 * np.finfo(dtype).eps)


@DTYPES
def test_a_sum_that_is_not_a_number_stays_so_above_a_floor(dtype):
    out, rows = np.zeros((1, 3), dtype), np.ones((1, 3 + lanes_of(np.dtype(dtype))), dtype)
    sums(out, np.full((1, 1), np.nan, dtype), rows, False, out[0].copy(), 0.0)
    assert np.isnan(out).all()


@DTYPES
@pytest.mark.parametrize(("n_left", "n_right"), [(1, 1), (6, 4), (7, 5), (13, 9), (2, 3), (47, 1)])
@pytest.mark.parametrize("n_registers", [1, 5])
def test_row_products_and_sums(dtype, n_left, n_right, n_registers):
    n_samples = n_registers * lanes_of(np.dtype(dtype))
    left, right = draw((n_left, n_samples), dtype), draw((n_right, n_samples), dtype, 1)
    for adds, first in ((False, 0), (True, 7)):
        out, totals, weighted = (
            np.full((n_left, n_right), 7, dtype),
            np.full(n_left, 7, dtype),
            np.full(n_left, 7, dtype),
        )
        products(out, left, right, adds)
        sums_of_rows(totals, left, np.ones(n_samples // n_registers, dtype), 0, adds)
        sums_of_rows(weighted, left, right[0].copy(), 1, adds)
        for result, expected in ((out, left @ right.T), (totals, left.sum(axis=1)), (weighted, left @ right[0])):
            assert np.allclose(result, first + expected, rtol=0, atol=300 * np.finfo(dtype).eps)


@DTYPES
@pytest.mark.parametrize("length", [1, 5, 16, 21, 64])
def test_what_stands_behind_a_row_is_neither_used_nor_changed(dtype, length):
    """As docs/kernels.md promises: nothing need be cleared, and what fills a term's last register does not count."""
    rng = np.random.default_rng(length)
    weights, rows = rng.standard_normal((7, 5)).astype(dtype), rng.standard_normal((5, 96)).astype(dtype)
    numbers, out = rng.standard_normal(7).astype(dtype), np.full((7, 96), np.nan, dtype)
    out[:, length:] = -9.0
    rows[:, length:] = np.nan
    expected = numbers[:, None] + weights @ rows[:, :length]
    sums_of_part(out, weights, rows, numbers, length)
    np.testing.assert_allclose(out[:, :length], expected, rtol=1e-4, atol=1e-5)
    assert (out[:, length:] == -9.0).all()


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
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.registers.lanes import load, load_first, store, view
from fastbp.kernels.registers.machine import lanes_of

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


@DTYPES
def test_numbers_are_looked_up_by_their_last_bits(dtype):
    n = np.arange(-64, 64)
    shifted = (n + 1.5 * 2.0 ** (23 if dtype == "float32" else 52)).astype(dtype)
    out = np.zeros_like(shifted)
    looked_up(shifted, out)
    np.testing.assert_array_equal(out, np.array(TABLE)[n % 16])


PAST_THE_END = """
import numpy as np
from guarded import guarded
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.registers.lanes import fma, keep_first, lanes, load_first, splat, sum_lanes, view

@entry
def line(x, slope, out):
    total, n = splat(view(x), 0.0), x.size
    for k in range(0, n, lanes(view(x))):
        y = fma(1.0 - slope, load_first(view(x), k, n - k), slope / n)
        total = total + keep_first(y, n - k)
    out[0] = sum_lanes(total)

@entry
def square(x, slope, out):
    total, n = splat(view(x), 0.0), x.size
    for k in range(0, n, lanes(view(x))):
        v = load_first(view(x), k, n - k)
        total = total + keep_first((v - slope) * v, n - k)
    out[0] = sum_lanes(total)

for dtype in ("float32", "float64"):
    for n in range(1, 40):
        x = guarded(np.ones(n, dtype), at_end=True)
        for kernel in (line, square):
            kernel(x, 0.1, np.zeros(1, dtype))
print("none")
"""


@pytest.mark.compiled_only
def test_lanes_that_nobody_asks_for_are_not_loaded():
    pytest.importorskip("resource")
    assert run_python(f"exec(compile({PAST_THE_END!r}, '<test>', 'exec'))") == "none\n"
