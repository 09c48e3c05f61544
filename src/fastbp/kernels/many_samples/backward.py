"""The delta recursion of a tile: a training sample in each SIMD lane.

For the outputs k, and for the units j of one task that feed units k,

    delta[k, s]  = y[k, s] - t[k, s]                     (5.54), by outputs.py
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]    (5.56): sums_of_delta, and slopes_of_units unless relu
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.activation_calls import multiply_slope
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.links import LINK_SUMS, UnitRange
from fastbp.kernels.many_samples.outputs import DELTAS, OF_SOFTMAX, Outputs
from fastbp.kernels.many_samples.stripes import rows_from
from fastbp.kernels.many_samples.weighted_sums import PACKED, Size, Weights, terms_of, weighted_sums
from fastbp.kernels.registers.lanes import inlined, lanes, load, shift, store
from fastbp.kernels.tables import layer_of


@kernel
def output_delta(net, tile, task, total):
    """Fill delta of the outputs with dE/dy_k, or dE/da_k (5.54); add sum_n weight_n E_n of the tile to total[0]."""
    inlined()
    a, y = rows_from(tile, tile.a, task.unit), rows_from(tile, tile.z, task.unit)
    delta, n_units = rows_from(tile, tile.delta, task.unit), task.n_units
    outputs = Outputs(
        a.data, y.data, tile.t, delta.data, tile.weight, n_units, tile.stride, tile.width, net.loss_option
    )
    DELTAS.call(layer_of(net, task.layer).deltas_address, outputs, total)


@kernel
def rows_of_delta(tile, task):
    """The rows of delta_j."""
    return rows_from(tile, tile.delta, task.out)


@kernel
def sums_of_delta(net, tile, task):
    """(5.56)  delta_j = sum_k w_kj delta_k, over the units k of one layer; and times h'(a_j) for relu."""
    inlined()
    delta_j, delta_k = rows_of_delta(tile, task), terms_of(rows_from(tile, tile.delta, task.terms))
    epilogue = Epilogue(
        task.adds != 0, tile.constants, 0, NO_FLOOR, task.relu != 0, rows_from(tile, tile.z, task.unit).data
    )
    if task.packed:
        w_kj = Weights(shift(tile.columns, task.weights), task.n_in, PACKED)
    else:
        w_kj = Weights(shift(net.params, task.weights), 1, task.n_in)
    # (5.56)  sum_k w_kj delta_k
    weighted_sums(delta_j, w_kj, delta_k, epilogue, Size(task.n_units, tile.width, task.n_terms))


@kernel
def sums_of_delta_along_links(net, tile, task):
    """(5.56) over the units k at the other ends of links, but for h'(a_j)."""
    inlined()
    delta_j, delta = rows_of_delta(tile, task), rows_from(tile, tile.delta, 0)
    epilogue = Epilogue(task.adds != 0, tile.constants, 0, NO_FLOOR, False, delta_j.data)
    units = UnitRange(net.n_units + task.unit, task.n_units, tile.width)
    LINK_SUMS.call(layer_of(net, task.layer).links_out, net, delta_j, delta, epilogue, units)


@kernel
def slopes_of_units(net, tile, task):
    """delta_j *= h'(a_j), the factor before the sum in (5.56)."""
    inlined()
    a_j, z_j = rows_from(tile, tile.a, task.unit).data, rows_from(tile, tile.z, task.unit).data
    # (5.56)  times h'(a_j)
    multiply_slopes(layer_of(net, task.layer), a_j, z_j, rows_of_delta(tile, task).data, tile, task.n_units)


@kernel
def multiply_slopes(layer, a, z, delta, tile, n_units):
    """delta_j *= h'(a_j) for some units j; one by one where the tile is a part, whose rows are not side by side."""
    inlined()
    if tile.width == tile.n_rows:
        multiply_slope(layer, a, z, delta, n_units * tile.stride)
    else:
        for row in range(0, n_units * tile.stride, tile.stride):
            multiply_slope(layer, shift(a, row), shift(z, row), shift(delta, row), tile.width)


@kernel
def softmax_slopes(net, tile, task):
    """From dE/dy_k to dE/da_k of softmax."""
    inlined()
    y_k, address = rows_from(tile, tile.z, task.unit), layer_of(net, task.layer).dh_address
    OF_SOFTMAX.call(address, y_k.data, rows_of_delta(tile, task).data, task.n_units, tile.stride, tile.width)


@kernel
def dropped_slopes(tile, task):
    """delta_j *= m_j h'(a_j), which the forward pass has worked out: see `dropout.py`."""
    slopes, delta_j = rows_from(tile, tile.dropout.slopes, task.unit).data, rows_of_delta(tile, task).data
    for row in range(0, task.n_units * tile.stride, tile.stride):
        for s in range(row, row + tile.width, lanes(delta_j)):
            store(delta_j, s, load(delta_j, s) * load(slopes, s))
