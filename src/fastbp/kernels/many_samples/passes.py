"""Backpropagation of many samples at a time: a training sample in each SIMD lane.

The sums are those of `derivation.py`. The samples of a *tile* are stored unit by unit, side by side:
z[j, s]. A weight is one number that multiplies a register full of samples, so a layer of 2 units runs at
the rate of one of 2,000, and nothing is padded but the last register.

    a[j, s]      = b_j + sum_i w_ji z[i, s]               (5.48), forward.py
    z[j, s]      = h(a[j, s])                             (5.49), forward.py
    delta[j, s]  = h'(a[j, s]) sum_k w_kj delta[k, s]     (5.56), backward.py
    grad[j, i]  += sum_s delta[j, s] z[i, s]              (5.53) and (5.57), gradients.py

What is done for which units, and in which order, is a list of tasks that `engine/schedule.py` has made. A layer is
processed some units at a time, so that what was summed up is still in the L1 cache when the activation function comes
to it.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples import tasks as kinds
from fastbp.kernels.many_samples.backward import (
    dropped_slopes,
    output_delta,
    slopes_of_units,
    softmax_slopes,
    sums_of_delta,
    sums_of_delta_along_links,
)
from fastbp.kernels.many_samples.feeders import feeders_of
from fastbp.kernels.many_samples.forward import (
    activate_units,
    drop_units,
    softmax_of_outputs,
    sums_along_links,
    sums_of_units,
)
from fastbp.kernels.many_samples.gather import transpose_layer
from fastbp.kernels.many_samples.gradients import (
    biases,
    step_along_gradient,
    weights_by_inputs,
    weights_by_samples,
    weights_of_few,
    weights_of_links,
)
from fastbp.kernels.many_samples.stripes import is_ours
from fastbp.kernels.many_samples.tasks import task_of
from fastbp.kernels.registers.lanes import inlined
from fastbp.kernels.tables import NONE


@kernel
def run_tasks(net, tile, schedule, span, accumulator, step, share):
    """Tasks span[0] .. span[1] - 1, one after the other."""
    inlined()
    for n in range(span[0], span[1]):
        task = task_of(schedule, n)
        if task.kind <= kinds.TRANSPOSE:
            pass_forward(net, tile, accumulator, task)
        elif task.kind <= kinds.FEEDERS:
            pass_backward(net, tile, accumulator, task)
        elif is_own(net, accumulator, share, task):
            add_gradient(net, tile, accumulator, step, task)


@kernel
def pass_forward(net, tile, accumulator, task):
    """A task of the forward pass, or of the outputs."""
    inlined()
    if task.kind == kinds.SUMS:
        sums_of_units(net, tile, task)
    elif task.kind == kinds.LINK_SUMS:
        sums_along_links(net, tile, task)
    elif task.kind == kinds.ACTIVATE:
        activate_units(net, tile, task)
    elif task.kind == kinds.SOFTMAX_OUTPUTS:
        softmax_of_outputs(net, tile, task)
    elif task.kind == kinds.DROP:
        drop_units(net, tile, task)
    elif task.kind == kinds.OUTPUT_DELTA:
        output_delta(net, tile, task, accumulator.error)
    elif task.kind == kinds.TRANSPOSE:
        transpose_layer(net, tile, task)


@kernel
def pass_backward(net, tile, accumulator, task):
    """A task of the delta recursion."""
    inlined()
    if task.kind == kinds.SUMS_OF_DELTA:
        sums_of_delta(net, tile, task)
    elif task.kind == kinds.LINK_SUMS_OF_DELTA:
        sums_of_delta_along_links(net, tile, task)
    elif task.kind == kinds.SLOPES:
        slopes_of_units(net, tile, task)
    elif task.kind == kinds.SOFTMAX_SLOPES:
        softmax_slopes(net, tile, task)
    elif task.kind == kinds.DROPPED_SLOPES:
        dropped_slopes(tile, task)
    elif task.kind == kinds.FEEDERS:
        feeders_of(net, tile, accumulator, task)


@kernel
def add_gradient(net, tile, accumulator, step, task):
    """A task of the gradient."""
    inlined()
    if task.kind == kinds.WEIGHTS_BY_INPUTS:
        weights_by_inputs(net, tile, accumulator, step, task)
    elif task.kind == kinds.WEIGHTS_BY_SAMPLES:
        weights_by_samples(tile, accumulator, task)
    elif task.kind == kinds.WEIGHTS_OF_FEW:
        weights_of_few(tile, accumulator, task)
    elif task.kind == kinds.BIASES:
        biases(tile, accumulator, task)
    elif task.kind == kinds.LINK_WEIGHTS:
        weights_of_links(net, tile, accumulator, task)
    elif task.kind == kinds.STEP:
        step_along_gradient(net, accumulator, step, task)


@kernel
def is_own(net, accumulator, share, task):
    """Whether a task of the gradient is that of this thread: its weights are, or its layer's links."""
    if share.n_shares == 1 or task.kind == kinds.STEP:
        return True
    if task.weights == NONE:
        return is_ours(share, task.layer, net.n_layers)
    return accumulator.start <= task.weights < accumulator.stop
