"""The forward pass of a tile: a training sample in each SIMD lane.

For the units j of one task, and all samples s of the tile,

    a[j, s]  = b_j + sum_i w_ji z[i, s]     (5.48)
    z[j, s]  = h(a[j, s])                   (5.49)
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.activation_calls import activate
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.links import LINK_SUMS, UnitRange
from fastbp.kernels.many_samples.outputs import OF_SOFTMAX
from fastbp.kernels.many_samples.stripes import rows_from
from fastbp.kernels.many_samples.tile import DROP
from fastbp.kernels.many_samples.weighted_sums import Size, Weights, terms_of, weighted_sums
from fastbp.kernels.registers.lanes import inlined, number, shift
from fastbp.kernels.tables import NONE, layer_of


@kernel
def sums_of_units(net, tile, task):
    """(5.48)  a_j = b_j + sum_i w_ji z_i, over the units i of one layer; and (5.49) for relu."""
    inlined()
    a_j = rows_of_sums(tile, task)
    w_ji, z_i = Weights(shift(net.params, task.weights), task.n_in, 1), terms_of(rows_from(tile, tile.z, task.terms))
    # (5.48)  b_j + sum_i w_ji z_i
    weighted_sums(a_j, w_ji, z_i, epilogue_of_sums(net, tile, task, a_j), Size(task.n_units, tile.width, task.n_terms))


@kernel
def sums_along_links(net, tile, task):
    """(5.48) over the units i at the other ends of links."""
    inlined()
    a_j, z = rows_of_sums(tile, task), rows_from(tile, tile.z, 0)
    epilogue, units = epilogue_of_sums(net, tile, task, a_j), UnitRange(task.unit, task.n_units, tile.width)
    LINK_SUMS.call(layer_of(net, task.layer).links_in, net, a_j, z, epilogue, units)


@kernel
def rows_of_sums(tile, task):
    """The rows of a_j, or of z_j where it is the same, or becomes it in registers."""
    return rows_from(tile, tile.z if task.in_z else tile.a, task.unit)


@kernel
def epilogue_of_sums(net, tile, task, a_j):
    """What sums begin with, b_j or 0 or what stands there; and, where the last of them are added, relu."""
    inlined()
    floor = 0.0 if task.relu else NO_FLOOR
    if task.bias == NONE:
        return Epilogue(task.adds != 0, tile.constants, 0, floor, False, a_j.data)
    return Epilogue(task.adds != 0, shift(net.params, task.bias), 1, floor, False, a_j.data)


@kernel
def activate_units(net, tile, task):
    """(5.49)  z_j = h(a_j); unit by unit where the tile is a part, whose rows are not side by side."""
    inlined()
    layer, n_numbers = layer_of(net, task.layer), task.n_units * tile.stride
    a_j, z_j = rows_from(tile, tile.a, task.unit).data, rows_from(tile, tile.z, task.unit).data
    if tile.width == tile.n_rows:
        activate(layer, a_j, z_j, n_numbers)
    else:
        for row in range(0, n_numbers, tile.stride):
            activate(layer, shift(a_j, row), shift(z_j, row), tile.width)


@kernel
def softmax_of_outputs(net, tile, task):
    """(5.49) of the output layer, by softmax."""
    inlined()
    a_k, y_k = rows_from(tile, tile.a, task.unit), rows_from(tile, tile.z, task.unit)
    address = layer_of(net, task.layer).h_address
    OF_SOFTMAX.call(address, a_k.data, y_k.data, task.n_units, tile.stride, tile.width)


@kernel
def drop_units(net, tile, task):
    """z_j = m_j h(a_j): see `dropout.py`."""
    inlined()
    rate, layer = number(tile.dropout.rates, task.layer), layer_of(net, task.layer)
    first = task.unit - layer.first_unit
    DROP.call(tile.dropout.address, layer, tile, rate, first, task.n_units)
