"""Steps of networks in the lanes: each has a learning rate and penalties of its own. See `formulas/steps.py`."""

from typing import NamedTuple

from fastbp.kernels.codes import ADAM, NESTEROV, SGD
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.elementary import quotient_by_root
from fastbp.kernels.formulas.steps import (
    BETA_1,
    BETA_2,
    EPSILON,
    MOMENTUM,
    RHO,
    RMSPROP_EPSILON,
    mean_of,
    mean_of_squares,
    penalized,
    velocity,
)
from fastbp.kernels.registers.lanes import Doubles, Numbers, lanes, load, number, store


class Stepping(NamedTuple):
    """What takes the steps of the networks in the lanes; row p of an array holds parameter p of all of them."""

    kind: int
    options: Doubles
    params: Numbers
    grad: Numbers  # summed over the batch
    first: Numbers  # the moments
    second: Numbers
    rates: Numbers  # (width,): learning rates
    l1: Numbers  # (width,)
    l2: Numbers
    n_weights: int
    n_params: int
    width: int
    penalized: bool


@kernel
def take_steps(s, scale, correction):
    """Update all parameters. The gradient counts `scale` times, learning rates `correction` times."""
    for p in range(s.n_params):
        for r in range(0, s.width, lanes(s.params)):
            place = p * s.width + r
            g = load(s.grad, place)
            if s.penalized and p < s.n_weights:
                g = penalized(g, load(s.params, place), load(s.l1, r) / scale, load(s.l2, r) / scale)
            take_step(s, place, load(s.rates, r) * correction, g, scale)


@kernel
def take_step(s, place, rate, g, scale):
    """Update a register of networks: the formulas stand in `formulas/steps.py`."""
    w = load(s.params, place)
    if s.kind == SGD:
        v = velocity(number(s.options, MOMENTUM), load(s.first, place), rate * (scale * g))
        store(s.first, place, v)
        store(s.params, place, w + v)
    elif s.kind == NESTEROV:
        momentum, step = number(s.options, MOMENTUM), rate * (scale * g)
        v = velocity(momentum, load(s.first, place), step)
        store(s.first, place, v)
        store(s.params, place, w + (momentum * v - step))
    elif s.kind == ADAM:
        beta_1, beta_2 = number(s.options, BETA_1), number(s.options, BETA_2)
        m = mean_of(beta_1, load(s.first, place), (1.0 - beta_1) * scale, g)
        v = mean_of_squares(beta_2, load(s.second, place), (1.0 - beta_2) * scale * scale, g)
        store(s.first, place, m)
        store(s.second, place, v)
        store(s.params, place, w - quotient_by_root(rate * m, v, number(s.options, EPSILON)))
    else:
        rho, g = number(s.options, RHO), scale * g
        v = mean_of_squares(rho, load(s.first, place), 1.0 - rho, g)
        store(s.first, place, v)
        store(s.params, place, w - quotient_by_root(rate * g, v, number(s.options, RMSPROP_EPSILON)))
