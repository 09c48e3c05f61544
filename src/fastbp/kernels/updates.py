"""Weight updates: one loop over flat arrays each.

w, g and the moments have the same length and order, filled up to whole registers.
`scale` turns the summed gradient into the one that is stepped along (1, or 1 / samples in the batch).
Numbers below the smallest normal one are set to zero: moments that fade away, such as those of a unit
that has died, would otherwise slow the loop 10 to 50 times.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import (
    Doubles,
    Numbers,
    absolute,
    copysign,
    lanes,
    like,
    load,
    maximum,
    minimum,
    number,
    precision,
    select,
    set_number,
    shift,
    sqrt,
    store,
    view,
)  # fmt: skip

SGD, NESTEROV, ADAM, RMSPROP, RPROP = range(5)

# What `Solver.options` holds
MOMENTUM = 0  # sgd
BETA_1, BETA_2, EPSILON = 0, 1, 2  # adam
RHO = 0  # rmsprop, which has an EPSILON as well
ETA_MINUS, ETA_PLUS, STEP_MIN, STEP_MAX = 0, 1, 2, 3  # rprop


class Solver(NamedTuple):
    """What takes a step from a gradient, and what it remembers."""

    kind: int  # SGD ...
    options: np.ndarray  # (4,) float64, see above
    state: np.ndarray  # (n_moments, n_params filled up)
    decay: np.ndarray  # (2,) float64: beta_1**t and beta_2**t after t steps
    l2: float
    n_weights: int  # the first of the parameters; biases, which l2 leaves alone, follow
    mean: bool  # steps follow the mean over the batch, not the sum


class Rule(NamedTuple):
    """A `Solver` as views."""

    kind: int
    options: Doubles
    first: Numbers  # the moments
    second: Numbers
    decay: Doubles
    l2: float
    n_weights: int
    n_params: int


@kernel
def rule_of(solver):
    """The views of a solver."""
    first = view(solver.state)
    second = shift(first, solver.state.shape[1] * (len(solver.state) - 1))
    return Rule(
        solver.kind, view(solver.options), first, second, view(solver.decay),
        solver.l2, solver.n_weights, solver.state.shape[1],
    )  # fmt: skip


@kernel
def flush(x):
    """x, or 0 if it is smaller than the smallest normal number."""
    smallest = 1.1754943508222875e-38 if precision(x) == 32 else 2.2250738585072014e-308
    return select(absolute(x) < smallest, like(x, 0.0), x)


@kernel
def sgd(w, g, rule, scale, learning_rate):
    """v <- momentum v - eta g;  w <- w + v."""
    v, momentum = rule.first, number(rule.options, MOMENTUM)
    for p in range(0, rule.n_params, lanes(w)):
        v_p = flush(momentum * load(v, p) - learning_rate * (scale * load(g, p)))
        store(v, p, v_p)
        store(w, p, load(w, p) + v_p)


@kernel
def nesterov(w, g, rule, scale, learning_rate):
    """v <- momentum v - eta g;  w <- w + momentum v - eta g, with the new v."""
    v, momentum = rule.first, number(rule.options, MOMENTUM)
    for p in range(0, rule.n_params, lanes(w)):
        step = learning_rate * (scale * load(g, p))
        v_p = flush(momentum * load(v, p) - step)
        store(v, p, v_p)
        store(w, p, load(w, p) + momentum * v_p - step)


@kernel
def adam(w, g, rule, scale, learning_rate):
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g**2;  w <- w - eta m / (sqrt(v) + epsilon).

    Kingma and Ba (2015), algorithm 1 in the form at the end of its section 2: eta holds the two
    corrections for the start from zero.
    """
    m, v = rule.first, rule.second
    beta_1, beta_2 = number(rule.options, BETA_1), number(rule.options, BETA_2)
    epsilon = number(rule.options, EPSILON)
    for p in range(0, rule.n_params, lanes(w)):
        g_p = scale * load(g, p)
        m_p = flush(beta_1 * load(m, p) + (1.0 - beta_1) * g_p)
        v_p = flush(beta_2 * load(v, p) + (1.0 - beta_2) * (g_p * g_p))
        store(m, p, m_p)
        store(v, p, v_p)
        store(w, p, load(w, p) - learning_rate * m_p / (sqrt(v_p) + epsilon))


@kernel
def rmsprop(w, g, rule, scale, learning_rate):
    """v <- rho v + (1 - rho) g**2;  w <- w - eta g / (sqrt(v) + epsilon).  Tieleman and Hinton (2012)."""
    v, rho, epsilon = rule.first, number(rule.options, RHO), number(rule.options, EPSILON)
    for p in range(0, rule.n_params, lanes(w)):
        g_p = scale * load(g, p)
        v_p = flush(rho * load(v, p) + (1.0 - rho) * (g_p * g_p))
        store(v, p, v_p)
        store(w, p, load(w, p) - learning_rate * g_p / (sqrt(v_p) + epsilon))


@kernel
def rprop(w, g, rule):
    """iRprop-: each weight has a step size of its own, led by the sign of its gradient. Igel and Huesken (2000).

    The sign stays: the step grows. It changes: the step shrinks, and the gradient counts as zero, here
    and in the next round. Only signs are compared: products of tiny gradients would underflow.
    """
    previous, size, options = rule.first, rule.second, rule.options
    for p in range(0, rule.n_params, lanes(w)):
        sign = sign_of(load(g, p))
        agreement = sign * load(previous, p)
        larger = minimum(number(options, STEP_MAX), load(size, p) * number(options, ETA_PLUS))
        smaller = maximum(number(options, STEP_MIN), load(size, p) * number(options, ETA_MINUS))
        size_p = select(agreement > 0.0, larger, select(agreement < 0.0, smaller, load(size, p)))
        sign = select(agreement < 0.0, like(sign, 0.0), sign)
        store(size, p, size_p)
        store(previous, p, sign)
        store(w, p, load(w, p) - sign * size_p)


@kernel
def sign_of(x):
    """-1, 0 or 1."""
    return select(x == 0.0, x, copysign(like(x, 1.0), x))


@kernel
def add_l2(w, g, n_weights, factor):
    """g += factor w, for the weights."""
    for p in range(n_weights):
        set_number(g, p, number(g, p) + factor * number(w, p))


@kernel
def take_step(w, g, rule, learning_rate, scale):
    """Update the parameters w along the summed gradient g."""
    if rule.l2 != 0.0:
        add_l2(w, g, rule.n_weights, rule.l2 / scale)
    if rule.kind == ADAM:
        decay_1 = number(rule.decay, 0) * number(rule.options, BETA_1)
        decay_2 = number(rule.decay, 1) * number(rule.options, BETA_2)
        set_number(rule.decay, 0, decay_1)
        set_number(rule.decay, 1, decay_2)
        adam(w, g, rule, scale, learning_rate * np.sqrt(1.0 - decay_2) / (1.0 - decay_1))
    elif rule.kind == SGD:
        sgd(w, g, rule, scale, learning_rate)
    elif rule.kind == NESTEROV:
        nesterov(w, g, rule, scale, learning_rate)
    elif rule.kind == RMSPROP:
        rmsprop(w, g, rule, scale, learning_rate)
    else:
        rprop(w, g, rule)
