"""Sums over the samples of a tile of products of what arrives and what is sent: weight gradients (5.53), (5.57)."""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.calls import PRODUCTS
from fastbp.kernels.curvature.passes import rows_of
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size
from fastbp.kernels.registers.lanes import fma, lanes, load, number, set_number, shift, splat, sum_lanes
from fastbp.kernels.tables import LINK_COLUMNS, NONE, UNIT, WEIGHT, block_of, layer_of


@kernel
def row_product(left, right, width):
    """sum_s left[s] right[s]."""
    total = splat(left, 0.0)
    for s in range(0, width, lanes(left)):
        total = fma(load(left, s), load(right, s), total)
    return sum_lanes(total)


@kernel
def add_weight_products(curve, delta, z, out, lowest, width):
    """out_ji += sum_s delta_j z_i of every weight; z of layers below `lowest` is 0."""
    net = curve.net
    for c in range(net.n_blocks):
        block = block_of(net, c)
        if block.source >= lowest:
            out_ji = Rows(shift(out, block.weights), block.n_in)
            epilogue = Epilogue(True, curve.zeros, 0, NO_FLOOR, False, out)
            delta_j, z_i = rows_of(delta, block.target_unit, width), rows_of(z, block.source_unit, width)
            PRODUCTS.call(curve.products, out_ji, delta_j, z_i, epilogue, Size(block.n_out, block.n_in, width))
    for j in range(net.n_units):
        for link in range(number(net.starts, j), number(net.starts, j + 1)):
            unit, place = number(net.links, link * LINK_COLUMNS + UNIT), number(net.links, link * LINK_COLUMNS + WEIGHT)
            product = row_product(shift(delta, j * width), shift(z, unit * width), width)
            set_number(out, place, number(out, place) + product)


@kernel
def add_bias_sums(curve, delta, out, width):
    """out_j += sum_s delta_j of every bias."""
    for l in range(1, curve.n_computed):
        layer = layer_of(curve.net, l)
        for j in range(layer.n_units if layer.bias != NONE else 0):
            total, row = splat(delta, 0.0), shift(delta, (layer.first_unit + j) * width)
            for s in range(0, width, lanes(delta)):
                total = total + load(row, s)
            place = layer.bias + j
            set_number(out, place, number(out, place) + sum_lanes(total))


@kernel
def clear(out, count):
    """`count` numbers become 0."""
    for p in range(count):
        set_number(out, p, 0.0)
