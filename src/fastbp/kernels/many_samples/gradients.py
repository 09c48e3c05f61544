"""The gradient of the samples of a tile, and the step along it.

For the units j of one task, which units i feed, weights and biases

    grad[j, i]  += sum_s delta[j, s] z[i, s]      (5.53) and (5.57)
    grad[j]     += sum_s delta[j, s]
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.steps import step_along
from fastbp.kernels.many_samples.backward import rows_of_delta
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.gather import rows_of_layer
from fastbp.kernels.many_samples.links import LINK_PRODUCTS, UnitRange
from fastbp.kernels.many_samples.prefetch import Prefetch, no_prefetch
from fastbp.kernels.many_samples.stripes import ones_of, rows_from
from fastbp.kernels.many_samples.sums_across import row_products, row_sums
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, sums_with_prefetch
from fastbp.kernels.registers.lanes import Doubles, Numbers, inlined, lanes, number, shift
from fastbp.kernels.tables import layer_of

ALL = 1 << 62  # weights


class Accumulator(NamedTuple):
    """Where the gradient is added up."""

    grad: Numbers
    adds: bool  # to what stands there: the sums of the tiles before
    error: Doubles  # of the samples so far: no step is taken unless it is finite
    start: int  # of the weights of one of several threads, see `shares.py`
    stop: int


@kernel
def epilogue_of_gradient(tile, accumulator):
    """What sums begin with."""
    return Epilogue(accumulator.adds, tile.constants, 0, NO_FLOOR, False, accumulator.grad)


@kernel
def weights_by_inputs(net, tile, accumulator, step, task):
    """(5.57)  dE/dw_ji = sum_s delta_j z_i, the inputs i in the lanes, not the samples s: no sum across lanes."""
    inlined()
    dw = Rows(shift(accumulator.grad, task.weights), task.n_in)
    delta_j, z_s = rows_of_delta(tile, task), rows_of_layer(tile, layer_of(net, task.layer))
    d_js, size = Weights(delta_j.data, delta_j.stride, 1), Size(task.n_units, task.n_in, tile.n_samples)
    # (5.57)  sum_s delta_j z_i
    sums_with_prefetch(
        dw, d_js, z_s, epilogue_of_gradient(tile, accumulator), ahead_of_step(net, accumulator, step, task), size
    )


@kernel
def weights_by_samples(tile, accumulator, task):
    """(5.57)  dE/dw_ji = sum_s delta_j z_i, the samples s in the lanes, added across them at the end."""
    inlined()
    dw = Rows(shift(accumulator.grad, task.weights), task.n_in)
    delta_j, z_i = rows_of_delta(tile, task), rows_from(tile, tile.z, task.terms)
    # (5.57)  sum_s delta_j z_i
    row_products(dw, delta_j, z_i, epilogue_of_gradient(tile, accumulator), Size(task.n_units, task.n_in, tile.width))


@kernel
def weights_of_few(tile, accumulator, task):
    """(5.57)  dE/dw_kj = sum_s delta_k z_j, of a unit k and some units j that feed it: while z_j is in a cache."""
    inlined()
    dw, z_j = shift(accumulator.grad, task.weights), rows_from(tile, tile.z, task.unit)
    delta_k = Rows(rows_from(tile, tile.delta, task.terms).data, 1)
    row_sums(dw, z_j, delta_k, epilogue_of_gradient(tile, accumulator), Size(task.n_units, tile.width, 0))


@kernel
def biases(tile, accumulator, task):
    """dE/db_j = sum_s delta_j."""
    inlined()
    db, delta_j = shift(accumulator.grad, task.bias), rows_of_delta(tile, task)
    row_sums(db, delta_j, ones_of(tile), epilogue_of_gradient(tile, accumulator), Size(task.n_units, tile.width, 0))


@kernel
def weights_of_links(net, tile, accumulator, task):
    """(5.57) along all links that arrive at a layer."""
    inlined()
    z, delta_j = rows_from(tile, tile.z, 0), rows_from(tile, tile.delta, task.unit)
    units = UnitRange(task.unit, task.n_units, tile.width)
    LINK_PRODUCTS.call(
        layer_of(net, task.layer).links_gradient, net, accumulator.grad, delta_j, z, accumulator.adds, units
    )


@kernel
def is_stepped_along(accumulator, step):
    """Whether a step is taken: not where the error, which is complete by now, is not finite."""
    return step.taken and np.isfinite(number(accumulator.error, 0))


@kernel
def ahead_of_step(net, accumulator, step, task):
    """What a step along the numbers of the gradient reads besides them: it comes soon after their sums."""
    if not is_stepped_along(accumulator, step):
        return no_prefetch(accumulator.grad, False)
    stop = task.weights + task.n_units * task.n_in
    return Prefetch(net.params, step.rule.first, step.rule.second, task.weights, stop, False)


@kernel
def step_along_gradient(net, accumulator, step, task):
    """Take the step for the weights of a task, now that their gradient is complete and in a cache.

    One of several threads does so for the whole registers of its own.
    """
    inlined()
    if is_stepped_along(accumulator, step):
        start = max(task.weights, accumulator.start + -accumulator.start % lanes(accumulator.grad))
        stop = min(task.weights + task.n_units, accumulator.stop - accumulator.stop % lanes(accumulator.grad))
        if start < stop:
            step_along(net.params, accumulator.grad, step, start, stop)
