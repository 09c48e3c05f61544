"""Samples into tiles: the rows of the user's arrays, in any order, transposed into lanes.

A shuffled row is read once. It lands in the tile of units by samples; where the weight gradient needs
it sample by sample as well (see `passes.py`), in a *panel*: 4 registers of inputs for each sample.
"""

from typing import NamedTuple

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import (
    Integers,
    Numbers,
    get,
    lanes,
    load,
    load_first,
    number,
    put,
    set_number,
    shift,
    splat,
    square_tile,
    store,
    store_first,
    transpose,
)  # fmt: skip
from fastbp.kernels.machine import TILE_REGISTERS
from fastbp.kernels.packed import NONE, layer_of

FEW_COLUMNS = 4  # up to which numbers are copied one by one: half the time of a transposition


class Data(NamedTuple):
    """Training samples, as views: row n of x is x[n * n_inputs : (n + 1) * n_inputs]."""

    x: Numbers
    t: Numbers
    weight: Numbers  # (n_samples,) if has_weight
    order: Integers  # (n_samples,) if has_order: the n-th sample is row order[n]
    n_inputs: int
    n_outputs: int
    has_weight: bool
    has_order: bool


class Tiles(NamedTuple):
    """Memory of a group of tiles, as views. Unit j, sample s of tile k: at (k * n_units + j) * width + s."""

    a: Numbers  # inputs of the units; the same memory as z where no derivative needs them
    z: Numbers  # outputs of the units
    delta: Numbers  # dE/da
    t: Numbers  # targets: output k of tile m at (m * n_outputs + k) * width
    weight: Numbers  # weights of the samples, 0 in lanes without one
    transposed: Numbers  # panels: panel p, sample s at (p * n_samples_max + s) * panel width
    n_samples_max: int
    n_samples: int  # samples in the group
    width: int  # samples in a tile


@kernel
def row_of(data, n):
    """Row in which sample n stands."""
    return number(data.order, n) if data.has_order else n


@kernel
def rows_to_lanes(values, n_columns, data, start, n_rows, out, width):
    """out[i, s] = values[row of sample start + s, i], for s < n_rows.

    The other lanes of the last register get the last sample once more: it is finite where the samples
    are, which 0 need not be, and counts with weight 0.
    """
    step = lanes(values)
    last = start + n_rows - 1
    if n_columns <= FEW_COLUMNS:
        for s in range((n_rows + step - 1) // step * step):
            row = row_of(data, min(start + s, last)) * n_columns
            for i in range(n_columns):
                set_number(out, i * width + s, number(values, row + i))
        return
    block = square_tile(values)
    for s in range(0, n_rows, step):
        for i in range(0, n_columns, step):
            n_valid = min(step, n_columns - i)
            for r in range(step):
                row = row_of(data, min(start + s + r, last))
                put(block, r, load_first(values, row * n_columns + i, n_valid))
            transpose(block)
            for r in range(n_valid):
                store(out, (i + r) * width + s, get(block, r))


@kernel
def load_weights(data, start, n_rows, out, width):
    """out[s] = weight of sample start + s, for s < n_rows; 0 in the other lanes."""
    for s in range(0, width, lanes(out)):
        store(out, s, 0.0)
        if s < n_rows:
            store_first(out, s, splat(out, 1.0), min(lanes(out), n_rows - s))
    if data.has_weight:
        for s in range(n_rows):
            set_number(out, s, number(data.weight, row_of(data, start + s)))


@kernel
def rows_to_panels(data, start, n_rows, panels, n_samples_max):
    """The rows of n_rows samples as they are, cut into panels."""
    step = lanes(data.x)
    panel_width = TILE_REGISTERS * step
    for s in range(n_rows):
        row = row_of(data, start + s) * data.n_inputs
        for i in range(0, data.n_inputs, step):
            place = (i // panel_width * n_samples_max + s) * panel_width + i % panel_width
            store(panels, place, load_first(data.x, row + i, min(step, data.n_inputs - i)))


@kernel
def lanes_to_rows(rows, n_units, width, n_rows, out, out_width):
    """out[s, j] = rows[j, s]: the outputs of a tile as rows of an array (n_rows, out_width)."""
    step = lanes(rows)
    block = square_tile(rows)
    for s in range(0, n_rows, step):
        for j in range(0, n_units, step):
            for r in range(step):
                if j + r < n_units:
                    put(block, r, load(rows, (j + r) * width + s))
                else:
                    put(block, r, splat(rows, 0.0))
            transpose(block)
            for r in range(min(step, n_rows - s)):
                store_first(out, (s + r) * out_width + j, get(block, r), min(step, n_units - j))


@kernel
def lanes_to_panels(rows, n_units, width, n_rows, panels, n_samples_max):
    """panels[s, j] = rows[j, s]: a tile of n_rows samples as it is cut into panels."""
    panel_width = TILE_REGISTERS * lanes(rows)
    for j in range(0, n_units, panel_width):
        panel = shift(panels, j * n_samples_max)
        lanes_to_rows(shift(rows, j * width), min(panel_width, n_units - j), width, n_rows, panel, panel_width)


@kernel
def load_samples(net, data, start, tiles, with_targets):
    """Fill a group of tiles with samples start .. start + tiles.n_samples - 1."""
    inputs = layer_of(net, 0)
    n_tiles = (tiles.n_samples + tiles.width - 1) // tiles.width
    for k in range(n_tiles):
        first = k * tiles.width
        n_rows = min(tiles.width, tiles.n_samples - first)
        z_k = shift(tiles.z, k * net.n_units * tiles.width)
        rows_to_lanes(data.x, data.n_inputs, data, start + first, n_rows, z_k, tiles.width)
        if with_targets:
            t_k = shift(tiles.t, k * data.n_outputs * tiles.width)
            rows_to_lanes(data.t, data.n_outputs, data, start + first, n_rows, t_k, tiles.width)
            load_weights(data, start + first, n_rows, shift(tiles.weight, first), tiles.width)
    if with_targets and inputs.transposed != NONE:
        panels = shift(tiles.transposed, inputs.transposed * tiles.n_samples_max * TILE_REGISTERS * lanes(tiles.z))
        rows_to_panels(data, start, tiles.n_samples, panels, tiles.n_samples_max)
