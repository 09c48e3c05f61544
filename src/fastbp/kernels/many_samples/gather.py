"""Samples into a tile: the rows of the user's arrays, in any order, transposed into lanes.

A shuffled row is read once. It lands in the tile of units by samples and, where the weight gradient
needs it sample by sample as well (see `gradients.py`), in a copy as it is.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.layout import n_registers_of
from fastbp.kernels.many_samples.parts import next_registers
from fastbp.kernels.many_samples.weighted_sums import PANELS, Rows, Terms, rows_of_tile, terms_of
from fastbp.kernels.registers.lanes import (
    Integers,
    Numbers,
    get,
    inlined,
    keep_first,
    lanes,
    load,
    load_first,
    number,
    outlined,
    put,
    set_number,
    shift,
    splat,
    square_tile,
    store,
    store_first,
    transpose,
)  # fmt: skip
from fastbp.kernels.tables import NONE, layer_of
from fastbp.kernels.tuning import FEW_COLUMNS, TWO_COLUMNS


class Data(NamedTuple):
    """Training samples, as views: row n of x is x[n * n_inputs : (n + 1) * n_inputs]."""

    x: Numbers
    t: Numbers
    weight: Numbers  # (n_samples,) if has_weight
    order: Integers  # (n_ordered,): the n-th sample is row order[n]; without an order n_ordered is 0
    n_inputs: int
    n_outputs: int
    has_weight: bool
    n_ordered: int


@kernel
def rows_of_layer(tile, layer):
    """Where z of a layer is kept sample by sample: row s is that of sample s. In panels: one stream of memory."""
    return Terms(shift(tile.by_sample, layer.rows * tile.n_rows), PANELS, tile.n_rows, tile.first)


@kernel
def order_of_tile(data, start, tile):
    """The rows in which the samples of a tile stand, the first of them sample `start`; one for each lane.

    The lanes behind the last sample get the samples that follow, or else that one once more: they are finite where
    the samples are, which 0 need not be, and count with weight 0.
    """
    inlined()
    if start + tile.width <= data.n_ordered:
        return shift(data.order, start)
    for s in range(tile.n_samples):
        set_number(tile.order, s, number(data.order, start + s) if data.n_ordered > 0 else start + s)
    for s in range(tile.n_samples, tile.width):
        set_number(tile.order, s, number(tile.order, tile.n_samples - 1))
    return tile.order


class Source(NamedTuple):
    """Rows order[0] .. order[n_rows - 1] of a user's array."""

    values: Numbers
    n_columns: int
    order: Integers
    n_rows: int


@kernel
def rows_to_lanes(source, out, copy, keep):
    """out[i, s] = values[order[s], i]; the rows themselves to `copy` if `keep`."""
    inlined()
    if source.n_columns <= TWO_COLUMNS:
        numbers_to_lanes(source, out, copy, keep)
    elif source.n_columns <= min(FEW_COLUMNS, lanes(source.values)):
        few_to_lanes(source, out, copy, keep)
    else:
        many_to_lanes(source, out, copy, keep)


@kernel
def many_to_lanes(source, out, copy, keep):
    """`rows_to_lanes`, a panel of columns at a time."""
    outlined()
    n_columns, step, i = source.n_columns, lanes(source.values), 0
    while i < n_columns:
        n = next_registers(n_registers_of(n_columns - i, step))
        panel_to_lanes(source, i, min(i + n * step, n_columns), out, rows_of_tile(copy, i, n * step), keep)
        i += n * step


@kernel
def numbers_to_lanes(source, out, copy, keep):
    """`rows_to_lanes` of one or two columns, number by number."""
    outlined()
    values, n_columns = source.values, source.n_columns
    copy_s = rows_of_tile(copy, 0, lanes(values))
    for s in range(source.n_rows):
        row = number(source.order, s) * n_columns
        set_number(out.data, s, number(values, row))
        if n_columns > 1:
            set_number(out.data, out.stride + s, number(values, row + 1))
        if keep:
            store(copy_s.data, s * copy_s.stride, load_first(values, row, n_columns))


@kernel
def few_to_lanes(source, out, copy, keep):
    """`rows_to_lanes` of so few columns that most of a transposition is left out."""
    outlined()
    values, n_columns, step = source.values, source.n_columns, lanes(source.values)
    block, copy_s = square_tile(values), rows_of_tile(copy, 0, step)
    for s in range(0, source.n_rows, step):
        for r in range(step):
            row_r = load_first(values, number(source.order, s + r) * n_columns, n_columns)
            put(block, r, row_r)
            if keep:
                store(copy_s.data, (s + r) * copy_s.stride, row_r)
        transpose(block)
        for i in range(FEW_COLUMNS):
            if i < n_columns:
                store(out.data, i * out.stride + s, get(block, i))


@kernel
def panel_to_lanes(source, first, stop, out, copy, keep):
    """`rows_to_lanes` of columns first .. stop - 1, which are a panel of `copy`."""
    inlined()
    values, n_columns, step = source.values, source.n_columns, lanes(source.values)
    block = square_tile(values)
    for s in range(0, source.n_rows, step):
        for i in range(first, stop, step):
            n_valid = min(step, stop - i)
            for r in range(step):
                put(block, r, load_first(values, number(source.order, s + r) * n_columns + i, n_valid))
            if keep:
                for r in range(step):
                    store(copy.data, (s + r) * copy.stride + i - first, get(block, r))
            transpose(block)
            for r in range(step):  # so many, not as many as count: then the tile stays in registers
                if r < n_valid:
                    store(out.data, (i + r) * out.stride + s, get(block, r))


@kernel
def load_weights(data, order, tile):
    """Weights of the tile's samples; 0 in the lanes without one."""
    inlined()
    step = lanes(tile.weight)
    for s in range(0, tile.width, step):
        store(tile.weight, s, keep_first(splat(tile.weight, 1.0), min(step, tile.n_samples - s)))
    if data.has_weight:
        for s in range(tile.n_samples):
            set_number(tile.weight, s, number(data.weight, number(order, s)))


@kernel
def lanes_to_rows(source, n_units, n_rows, out):
    """out[s, j] = source[j, s]: units by samples as samples by units. A row of `out` has n_units numbers."""
    step = lanes(source.data)
    block = square_tile(source.data)
    for s in range(0, n_rows, step):
        for j in range(0, n_units, step):
            for r in range(step):
                if j + r < n_units:
                    put(block, r, load(source.data, (j + r) * source.stride + s))
                else:
                    put(block, r, splat(source.data, 0.0))
            transpose(block)
            for r in range(step):  # so many, not as many as are left: then the tile stays in registers
                if r < n_rows - s:
                    store_first(out.data, (s + r) * out.stride + j, get(block, r), min(step, n_units - j))


@kernel
def load_samples(net, data, start, tile, with_targets):
    """Fill a tile with samples start .. start + tile.n_samples - 1."""
    inlined()
    inputs, order = layer_of(net, 0), order_of_tile(data, start, tile)
    z_i, t_k = Rows(tile.z, tile.stride), Rows(tile.t, tile.stride)
    keep = with_targets and inputs.rows != NONE
    copy = rows_of_layer(tile, inputs) if keep else terms_of(z_i)
    rows_to_lanes(Source(data.x, data.n_inputs, order, tile.width), z_i, copy, keep)
    if with_targets:
        rows_to_lanes(Source(data.t, data.n_outputs, order, tile.width), t_k, terms_of(t_k), False)
        load_weights(data, order, tile)


@kernel
def transpose_layer(net, tile, task):
    """A copy of z, sample by sample, of a hidden layer whose blocks take it."""
    inlined()
    step, layer, j = lanes(tile.z), layer_of(net, task.layer), 0
    while j < task.n_units:
        n = next_registers(n_registers_of(task.n_units - j, step))
        z_j = Rows(shift(tile.z, (task.unit + j) * tile.stride), tile.stride)
        panel = rows_of_tile(rows_of_layer(tile, layer), j, n * step)
        lanes_to_rows(z_j, min(n * step, task.n_units - j), tile.n_samples, panel)
        j += n * step
