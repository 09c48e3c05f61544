"""On-line learning: a step along the gradient of each single sample."""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.codes import IDENTITY, SGD, SOFTMAX
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.activation_calls import multiply_slope
from fastbp.kernels.formulas.losses import is_canonical
from fastbp.kernels.formulas.steps import MOMENTUM, Rule, Step, next_rate, rule_of, take_step
from fastbp.kernels.one_sample.outputs import DELTAS, Outputs, squared_error_deltas
from fastbp.kernels.one_sample.passes import Units, backward, descend, forward, gradient, place, set_inputs
from fastbp.kernels.one_sample.wide import copy_params
from fastbp.kernels.registers.lanes import (
    Doubles,
    Integers,
    Numbers,
    inlined,
    number,
    outlined,
    set_number,
    shift,
    view,
)
from fastbp.kernels.tables import NONE, Net, layer_of, net_of


class OnlineMemory(NamedTuple):
    """Work space of on-line learning: see `few_samples.py` for the sizes."""

    params: np.ndarray  # of the network with rows of whole registers, see wide.py
    layers: np.ndarray  # its tables
    blocks: np.ndarray
    grad: np.ndarray  # in the order of the network's own parameters
    values: np.ndarray  # (3, n): a, z and delta
    error: np.ndarray  # (1,) float64: weight E_n of the last sample
    deltas_address: int  # of what fills delta of the outputs, see outputs.py


class Online(NamedTuple):
    """What learns: a network, the copy of it that is worked in, and what takes the steps."""

    net: Net
    wide: Net
    units: Units
    grad: Numbers  # of net, for solvers that do more than to subtract it
    rule: Rule
    order: Integers  # of the samples
    error: Doubles
    deltas_address: int
    slopes: bool  # whether delta of the outputs is then to be multiplied by h'
    plain: bool  # gradient descent, w <- w - eta dE_n/dw


@kernel
def online_of(packed, memory, solver, order):
    """The views of on-line learning."""
    net, values, n_values = net_of(packed), view(memory.values), memory.values.shape[1]
    wide = Net(
        view(memory.params), view(memory.layers), view(memory.blocks), net.outgoing,
        net.starts, net.links, net.loss, net.loss_option, net.n_layers, net.n_blocks, net.n_units,
    )  # fmt: skip
    function = layer_of(net, net.n_layers - 1).function
    slopes = not is_canonical(net.loss, function) and function not in (SOFTMAX, IDENTITY)
    penalized = solver.l1 != 0.0 or solver.l2 != 0.0
    plain = solver.kind == SGD and solver.options[MOMENTUM] == 0.0 and not penalized
    return Online(
        net, wide, Units(values, shift(values, n_values), shift(values, 2 * n_values)),
        view(memory.grad), rule_of(solver), view(order),
        view(memory.error), memory.deltas_address, slopes, plain,
    )  # fmt: skip


@kernel
def learn(online, data, losses, epoch, rate, start, stop):
    """Steps start .. stop - 1 of an epoch; adds up its loss, and returns False at an error that is not finite."""
    wide, units, total = online.wide, online.units, number(losses, epoch)
    for s in range(start, stop):
        n = number(online.order, s)
        weight = number(data.weight, n) if data.has_weight else 1.0
        set_inputs(units, shift(data.x, n * data.n_inputs), data.n_inputs)
        forward(wide, units)
        error = error_of(online, shift(data.t, n * data.n_outputs), weight)
        if not np.isfinite(error):
            return False
        total += error
        backward(wide, units)
        if online.plain:
            descend(wide, units, -rate)
        else:
            solver_step(online, rate)
    set_number(losses, epoch, total)
    return True


@kernel
def error_of(online, t, weight):
    """Fill delta of the outputs; return weight E_n."""
    inlined()
    wide, units, l = online.wide, online.units, online.wide.n_layers - 1
    layer = layer_of(wide, l)
    a, y, delta = place(layer, l, units.a), place(layer, l, units.z), place(layer, l, units.delta)
    outputs = Outputs(a, y, t, delta, layer.n_units, weight, wide.loss_option)
    if online.deltas_address == NONE:
        return squared_error_deltas(outputs)
    DELTAS.call(online.deltas_address, outputs, online.error)
    if online.slopes:  # delta_k = dE_n/dy_k h'(a_k)
        multiply_slope(layer, a, y, delta, layer.n_units)
    return number(online.error, 0)


@kernel
def solver_step(online, rate):
    """A step of a solver with a memory, or with a penalty: in the network itself, where the solver has its numbers."""
    outlined()
    gradient(online.net, online.units, online.grad)
    take_step(online.net.params, online.grad, Step(True, online.rule, next_rate(online.rule, rate), 1.0))
    copy_params(online.net, online.wide)
