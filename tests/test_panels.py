"""Numbers that are written in one order and read in another's place: panels of inputs, packed weights, rows of sums.

For every number of registers, and for each shape of registers that there is.
"""

import ast
from pathlib import Path

import by_hand
import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.many_samples import parts
from fastbp.kernels.many_samples.columns import pack_columns
from fastbp.kernels.many_samples.stripes import Share
from fastbp.kernels.registers.blocks import runs_of_sums
from fastbp.kernels.registers.lanes import view
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.registers.types import Shape
from fastbp.kernels.tables import BLOCK, net_of
from fastbp.kernels.tuning import BLOCK_TERMS


def plain_parts(tile_registers):
    """Return the functions of parts.py in plain Python, for tiles of so many registers."""
    tree = ast.parse(Path(parts.__file__).read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom)]
    names = {"kernel": lambda function: function, "inlined": lambda: None, "TILE_REGISTERS": tile_registers}
    exec(compile(tree, parts.__file__, "exec"), names)
    return names


def tiles_of(functions, n):
    """Return the tiles that n registers are cut into, one after the other."""
    tiles = []
    while n > 0:
        tiles.append(functions["next_registers"](n))
        n -= tiles[-1]
    return tiles


@pytest.mark.parametrize("tile_registers", [2, 4])
def test_columns_have_the_tiles_of_the_whole_row(tile_registers):
    """Panels are written tile by tile of the whole row, and read tile by tile of its columns."""
    functions = plain_parts(tile_registers)
    for n_registers in range(1, 300):
        whole = tiles_of(functions, n_registers)
        assert max(whole) <= tile_registers
        for most in (*range(tile_registers, 20), 31, 32, 37, 64, 100, 299):
            cut, left = [], n_registers
            while left > 0:
                n = functions["registers_of_column"](left, most)
                assert 1 <= n <= left
                cut, left = cut + tiles_of(functions, n), left - n
            assert cut == whole, (n_registers, most)


@pytest.mark.compiled_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_every_number_of_registers(dtype):
    """Inputs in panels, with so many samples that long rows are cut; registers are filled, or nearly so."""
    rng, lanes = np.random.default_rng(0), lanes_of(np.dtype(dtype))
    most, n_samples = 1016, 512
    X, T = (rng.standard_normal((n_samples, n)).astype(dtype) for n in (most, 4))
    d_weights = None
    for n_registers in range(1, most // lanes + 1):
        n_inputs = n_registers * lanes - n_registers % 3 % 2
        net = fastbp.Network((n_inputs, 4), dtype=dtype, init="zeros")  # so that delta is -t
        X_i = np.ascontiguousarray(X[:, :n_inputs])
        if d_weights is None:
            by_hand.compare(net, X_i, T)
            d_weights = -T.T.astype(np.float64) @ X
        found = net.gradient(X_i, T)[1][: net.weights[0].size].reshape(4, -1)
        expected = d_weights[:, :n_inputs]
        assert np.abs(found - expected).max() <= by_hand.TOLERANCES[dtype] * np.abs(expected).max(), n_inputs


@entry
def packed_into(packed, columns):
    pack_columns(net_of(packed), view(columns), Share(0, 1))


def packed_by_hand(w):
    """Return the weights w_kj of a block in the order in which the delta recursion reads them, see `Weights`."""
    n_out, n_in = w.shape
    n_parts = -(-n_out // BLOCK_TERMS)
    numbers = []
    for part in range(n_parts):
        rows = w[part * n_out // n_parts : (part + 1) * n_out // n_parts]
        j = 0
        while j < n_in:
            n = next(n for n in (6, 4, 2, 1) if n <= n_in - j)
            numbers.append(rows[:, j : j + n].ravel())
            j += n
    return np.concatenate(numbers)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_out", [1, 5, 16, 17, 2 * BLOCK_TERMS + 3] if COMPILED else [17])
def test_packed_weights(dtype, n_out):
    for n_in in [*range(1, 27), 48, 53] if COMPILED else (7, 12, 17):
        net = fastbp.Network((1, n_in, n_out), dtype=dtype, seed=0)
        packed = net.packed._replace(blocks=net.packed.blocks.copy())
        packed.blocks[1, BLOCK.columns] = 0
        columns = np.full(n_in * n_out, np.nan, dtype)
        packed_into(packed, columns)
        np.testing.assert_array_equal(columns, packed_by_hand(net.weights[1]), err_msg=str(n_in))


@pytest.mark.parametrize("n_lanes", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("units", range(1, 13))
@pytest.mark.parametrize("registers", range(1, 9))
def test_runs_of_sums(n_lanes, units, registers):
    """Each sum of a tile is in one run; a run is within one row of the tile, and one register of sums."""
    runs = runs_of_sums(Shape(units, registers), n_lanes)
    found = [(q, p + k) for q, p, count in runs for k in range(count)]
    assert found == [(q, p) for q in range(units) for p in range(registers)]
    for q, p, count in runs:
        first, last = q * registers + p, q * registers + p + count - 1
        assert first // n_lanes == last // n_lanes
