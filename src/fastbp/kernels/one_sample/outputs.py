"""The output layer of one sample: its error and its delta. Units are in the lanes.

As in `outputs.py`, one function is compiled for each pair of loss and output function in use. The
squared error with the identity is so short that it is part of its caller.
"""

from functools import partial
from itertools import product
from typing import Any, NamedTuple

from fastbp.kernels.codes import IDENTITY, OF_LOSS, SOFTMAX, SQUARED_ERROR, TANH
from fastbp.kernels.compiling.addresses import Slot, for_warm_up, made_once
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.losses import CANONICAL, LOSSES
from fastbp.kernels.formulas.targets import target_of_loss
from fastbp.kernels.one_sample.passes import log_sum_exp
from fastbp.kernels.registers.lanes import (
    Doubles,
    Numbers,
    fma,
    inlined,
    keep_first,
    lanes,
    load,
    load_first,
    set_number,
    splat,
    store,
    sum_lanes,
)  # fmt: skip
from fastbp.kernels.tables import NONE


class Outputs(NamedTuple):
    """The output layer of one sample: a, y and delta end with a whole register."""

    a: Numbers
    y: Numbers
    t: Numbers
    delta: Numbers
    n_units: int
    weight: float  # of the sample
    loss_option: float


# What is called through an address: what fills delta, and a number with weight E_n
DELTAS = Slot(Outputs, Doubles)


@kernel
def weigh(outputs, error_n):
    """Multiply delta by the sample's weight; return weight E_n. 0 * inf counts as 0."""
    inlined()
    if outputs.weight == 1.0:
        return error_n
    missing = outputs.weight == 0.0
    for k in range(0, outputs.n_units, lanes(outputs.delta)):
        delta_k = load(outputs.delta, k)
        store(outputs.delta, k, splat(outputs.delta, 0.0) if missing else delta_k * outputs.weight)
    return 0.0 if missing else error_n * outputs.weight


@kernel
def squared_error_deltas(outputs):
    """Fill delta for the squared error 1/2 (y_k - t_k)**2 with the identity; return weight E_n."""
    inlined()
    y, t, n_units, error_n = outputs.y, outputs.t, outputs.n_units, splat(outputs.y, 0.0)
    for k in range(0, n_units, lanes(y)):
        delta_k = keep_first(load(y, k) - load_first(t, k, n_units - k), n_units - k)  # (5.54)  delta_k = y_k - t_k
        store(outputs.delta, k, delta_k)
        error_n = fma(0.5 * delta_k, delta_k, error_n)
    return weigh(outputs, 1.0 * sum_lanes(error_n))


def canonical_deltas(error_of: Any, is_softmax: Any, key: Any, target_of: Any) -> Any:
    """An entry that fills delta by (5.54), and error_n[0] with weight E_n; `target_of`: see `formulas/targets.py`."""

    def fill(outputs, error_n):
        a, y, t, n_units = outputs.a, outputs.y, outputs.t, outputs.n_units
        total = splat(y, 0.0)
        largest, log_sum, t_sum = total, total, splat(y, 1.0)
        if is_softmax:
            largest, log_sum = log_sum_exp(a, n_units)
            t_sum = total
            for k in range(0, n_units, lanes(y)):
                t_k = target_of(load_first(t, k, n_units - k), outputs.loss_option, n_units)
                t_sum = t_sum + keep_first(t_k, n_units - k)
            t_sum = splat(y, sum_lanes(t_sum))
        for k in range(0, n_units, lanes(y)):
            y_k, t_k = load(y, k), target_of(load_first(t, k, n_units - k), outputs.loss_option, n_units)
            store(outputs.delta, k, keep_first(y_k * t_sum - t_k, n_units - k))  # (5.54)  delta_k = y_k - t_k
            total = total + keep_first(error_of(load(a, k) - largest, y_k, t_k, log_sum), n_units - k)
        set_number(error_n, 0, weigh(outputs, 1.0 * sum_lanes(total)))

    return entry(fill, key=key)


def deltas(error_of: Any, slope_of: Any, is_softmax: Any, key: Any, target_of: Any) -> Any:
    """An entry that fills delta with dE_n/dy_k, or with dE_n/da_k of softmax, and error_n[0] with weight E_n."""

    def fill(outputs, error_n):
        y, t, delta, n_units = outputs.y, outputs.t, outputs.delta, outputs.n_units
        total = splat(y, 0.0)
        mean = total
        for k in range(0, n_units, lanes(y)):
            y_k, t_k = load(y, k), target_of(load_first(t, k, n_units - k), outputs.loss_option, n_units)
            slope = keep_first(slope_of(y_k, t_k, outputs.loss_option), n_units - k)
            store(delta, k, slope)
            total = total + keep_first(error_of(y_k, t_k, outputs.loss_option), n_units - k)
            mean = mean + slope * y_k
        if is_softmax:
            mean = splat(y, sum_lanes(mean))
            for k in range(0, n_units, lanes(y)):  # dy_m/da_k = y_m ([m = k] - y_k)
                store(delta, k, load(y, k) * (load(delta, k) - mean))
        set_number(error_n, 0, weigh(outputs, 1.0 * sum_lanes(total)))

    return entry(fill, key=key)


_KINDS = {}


def _entry_for(loss, function):
    """The entry that fills delta, made once for each kind."""
    softmax, canonical, target_of = function == SOFTMAX, (loss, function) in CANONICAL, target_of_loss(loss)
    key = f"loss {loss} softmax {softmax} canonical {canonical}"
    if canonical:
        return made_once(_KINDS, key, partial(canonical_deltas, CANONICAL[loss, function], softmax, key, target_of))
    return made_once(_KINDS, key, partial(deltas, *LOSSES[loss], softmax, key, target_of))


@for_warm_up(*CANONICAL, *product(OF_LOSS.values(), (TANH, SOFTMAX)))  # any function that is not softmax
def address_of_single_deltas(loss: Any, function: Any, dtype: Any) -> Any:
    """Address of what fills delta of a sample's outputs; NONE for `squared_error_deltas`."""
    if loss == SQUARED_ERROR and function == IDENTITY:
        return NONE
    return DELTAS.address(_entry_for(loss, function), dtype)
