"""The output layer of a tile: softmax, the error of the samples, and its delta.

One function is compiled for each pair of loss and output function in use; the engine calls it through
its address.
"""

from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

from fastbp.kernels.codes import SOFTMAX, TANH
from fastbp.kernels.compiling.addresses import Slot, for_warm_up, made_once
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.elementary import exp, log
from fastbp.kernels.formulas.losses import CANONICAL, LOSSES, squared_error_slope
from fastbp.kernels.formulas.targets import same_target, target_of_loss
from fastbp.kernels.registers.lanes import (
    Doubles,
    Numbers,
    lanes,
    load,
    maximum,
    number,
    select,
    set_number,
    splat,
    store,
    sum_lanes,
)  # fmt: skip


class Outputs(NamedTuple):
    """The output layer of one tile: unit k begins at k * stride in each view."""

    a: Numbers
    y: Numbers
    t: Numbers
    delta: Numbers
    weight: Numbers  # of the samples
    n_units: int
    stride: int
    width: int
    loss_option: float


# What is called through an address: what fills delta and adds E_n to a total; (a, y), or (y, delta), of softmax
DELTAS = Slot(Outputs, Doubles)
OF_SOFTMAX = Slot(Numbers, Numbers, int, int, int)


@kernel
def largest_of(a, n_units, stride, s):
    """max_k a_k, in each lane."""
    largest = load(a, s)
    for k in range(1, n_units):
        largest = maximum(largest, load(a, k * stride + s))
    return largest


@entry
def softmax(a, y, n_units, stride, width):
    """y_k = exp(a_k) / sum_k exp(a_k); the largest a is subtracted from all, which changes nothing."""
    for s in range(0, width, lanes(a)):
        largest = largest_of(a, n_units, stride, s)
        total = splat(a, 0.0)
        for k in range(n_units):
            power = exp(load(a, k * stride + s) - largest)
            store(y, k * stride + s, power)
            total = total + power
        for k in range(n_units):
            store(y, k * stride + s, load(y, k * stride + s) / total)


@kernel
def log_sum_exp(a, n_units, stride, s):
    """(largest a, ln sum_k exp(a_k - largest a)), in each lane."""
    largest = largest_of(a, n_units, stride, s)
    total = splat(a, 0.0)
    for k in range(n_units):
        total = total + exp(load(a, k * stride + s) - largest)
    return largest, log(total)


@kernel
def weigh(outputs, s, error_s):
    """Multiply delta by the samples' weights; return the weighted errors. 0 * inf counts as 0."""
    weight = load(outputs.weight, s)
    missing = weight == 0.0
    for k in range(outputs.n_units):
        delta_k = load(outputs.delta, k * outputs.stride + s)
        store(outputs.delta, k * outputs.stride + s, select(missing, 0.0, delta_k * weight))
    return select(missing, 0.0, error_s * weight)


@kernel
def add_to_total(total, s, error_s):
    """total[0] += the weighted errors of the samples of a register."""
    set_number(total, 0, number(total, 0) + sum_lanes(error_s))


class Rest(NamedTuple):
    """What else an entry that fills delta is made of.

    Attributes
    ----------
    target_of : kernel
        The target that is learned, see `formulas/targets.py`.
    add : kernel
        What is done with the errors of the samples from s on.
    """

    target_of: Any = same_target
    add: Any = add_to_total


AS_IT_IS = Rest()


def canonical_deltas(
    error_of: Any, is_softmax: Any, key: Any, delta_of: Any = squared_error_slope, rest: Rest = AS_IT_IS
) -> Any:
    """An entry that fills delta by (5.54) and adds the weighted E_n of all samples to total[0].

    `delta_of`: y - t of y, t and the loss's option.
    """
    target_of, add = rest

    def fill(outputs, total):
        for s in range(0, outputs.width, lanes(outputs.y)):
            error_s = splat(outputs.y, 0.0)
            largest, log_sum, t_sum = error_s, error_s, splat(outputs.y, 1.0)
            if is_softmax:
                largest, log_sum = log_sum_exp(outputs.a, outputs.n_units, outputs.stride, s)
                t_sum = error_s
                for k in range(outputs.n_units):
                    t = load(outputs.t, k * outputs.stride + s)
                    t_sum = t_sum + target_of(t, outputs.loss_option, outputs.n_units)
            for k in range(outputs.n_units):
                place = k * outputs.stride + s
                a, y, t = load(outputs.a, place), load(outputs.y, place), load(outputs.t, place)
                t = target_of(t, outputs.loss_option, outputs.n_units)
                store(outputs.delta, place, delta_of(y * t_sum, t, 0.0))  # (5.54)  delta_k = y_k - t_k
                error_s = error_s + error_of(a - largest, y, t, log_sum)
            add(total, s, weigh(outputs, s, error_s))

    return entry(fill, key=key)


def deltas(error_of: Any, slope_of: Any, key: Any, rest: Rest = AS_IT_IS) -> Any:
    """An entry that fills delta with dE_n/dy and adds the weighted E_n of all samples to total[0]."""
    target_of, add = rest

    def fill(outputs, total):
        for s in range(0, outputs.width, lanes(outputs.y)):
            error_s = splat(outputs.y, 0.0)
            for k in range(outputs.n_units):
                place = k * outputs.stride + s
                y, t = load(outputs.y, place), load(outputs.t, place)
                t = target_of(t, outputs.loss_option, outputs.n_units)
                store(outputs.delta, place, slope_of(y, t, outputs.loss_option))
                error_s = error_s + error_of(y, t, outputs.loss_option)
            add(total, s, weigh(outputs, s, error_s))

    return entry(fill, key=key)


@entry
def multiply_softmax_slope(y, delta, n_units, stride, width):
    """From dE/dy_k to dE/da_k: sum_m dE/dy_m dy_m/da_k, with dy_m/da_k = y_m ([m = k] - y_k)."""
    for s in range(0, width, lanes(y)):
        mean = splat(y, 0.0)
        for k in range(n_units):
            mean = mean + load(delta, k * stride + s) * load(y, k * stride + s)
        for k in range(n_units):
            place = k * stride + s
            store(delta, place, load(y, place) * (load(delta, place) - mean))


_KINDS = {}


def _entry_for(loss, function):
    """The entry that fills delta, made once for each kind."""
    pair, rest = (loss, function), Rest(target_of_loss(loss))
    if pair in CANONICAL:
        make = partial(canonical_deltas, CANONICAL[pair], function == SOFTMAX, f"canonical {loss}", rest=rest)
        return made_once(_KINDS, pair, make)
    return made_once(_KINDS, loss, partial(deltas, *LOSSES[loss], f"loss {loss}", rest))


@for_warm_up(*CANONICAL, *product(LOSSES, (TANH, SOFTMAX)))  # any function that is not softmax
@cache
def address_of_deltas(loss, function, dtype):
    """Address of what fills delta of the outputs, for a loss and an output function by their codes."""
    return DELTAS.address(_entry_for(loss, function), dtype)


@for_warm_up()
@cache
def address_of_softmax(dtype):
    """Address of `softmax`."""
    return OF_SOFTMAX.address(softmax, dtype)


@for_warm_up()
@cache
def address_of_softmax_slope(dtype):
    """Address of `multiply_softmax_slope`."""
    return OF_SOFTMAX.address(multiply_softmax_slope, dtype)
