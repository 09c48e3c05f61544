"""Weight updates: one loop over flat arrays each.

params, grad and every row of `state` have the same length and order, filled up to whole registers.
`scale` turns the summed gradient into the one that is stepped along (1, or 1 / samples in the batch).
Numbers below the smallest normal one are set to zero: moments that fade away, such as those of a unit
that has died, would otherwise slow the loop 10 to 50 times.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import (
    absolute, copysign, lanes, like, load, maximum, minimum, precision, select, sqrt, store, view,
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


@kernel
def flush(x):
    """x, or 0 if it is smaller than the smallest normal number."""
    smallest = 1.1754943508222875e-38 if precision(x) == 32 else 2.2250738585072014e-308
    return select(absolute(x) < smallest, like(x, 0.0), x)


@kernel
def sgd(params, grad, state, scale, learning_rate, momentum):
    """v <- momentum v - eta g;  w <- w + v."""
    w, g, v = view(params), view(grad), view(state[0])
    for p in range(0, params.size, lanes(w)):
        v_p = flush(momentum * load(v, p) - learning_rate * (scale * load(g, p)))
        store(v, p, v_p)
        store(w, p, load(w, p) + v_p)


@kernel
def nesterov(params, grad, state, scale, learning_rate, momentum):
    """v <- momentum v - eta g;  w <- w + momentum v - eta g, with the new v."""
    w, g, v = view(params), view(grad), view(state[0])
    for p in range(0, params.size, lanes(w)):
        step = learning_rate * (scale * load(g, p))
        v_p = flush(momentum * load(v, p) - step)
        store(v, p, v_p)
        store(w, p, load(w, p) + momentum * v_p - step)


@kernel
def adam(params, grad, state, scale, learning_rate, options):
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g**2;  w <- w - eta m / (sqrt(v) + epsilon).

    Kingma and Ba (2015), algorithm 1 in the form at the end of its section 2: eta holds the two
    corrections for the start from zero.
    """
    w, g, m, v = view(params), view(grad), view(state[0]), view(state[1])
    beta_1, beta_2, epsilon = options[BETA_1], options[BETA_2], options[EPSILON]
    for p in range(0, params.size, lanes(w)):
        g_p = scale * load(g, p)
        m_p = flush(beta_1 * load(m, p) + (1.0 - beta_1) * g_p)
        v_p = flush(beta_2 * load(v, p) + (1.0 - beta_2) * (g_p * g_p))
        store(m, p, m_p)
        store(v, p, v_p)
        store(w, p, load(w, p) - learning_rate * m_p / (sqrt(v_p) + epsilon))


@kernel
def rmsprop(params, grad, state, scale, learning_rate, options):
    """v <- rho v + (1 - rho) g**2;  w <- w - eta g / (sqrt(v) + epsilon).  Tieleman and Hinton (2012)."""
    w, g, v = view(params), view(grad), view(state[0])
    rho, epsilon = options[RHO], options[EPSILON]
    for p in range(0, params.size, lanes(w)):
        g_p = scale * load(g, p)
        v_p = flush(rho * load(v, p) + (1.0 - rho) * (g_p * g_p))
        store(v, p, v_p)
        store(w, p, load(w, p) - learning_rate * g_p / (sqrt(v_p) + epsilon))


@kernel
def rprop(params, grad, state, options):
    """iRprop-: each weight has a step size of its own, led by the sign of its gradient. Igel and Huesken (2000).

    The sign stays: the step grows. It changes: the step shrinks, and the gradient counts as zero, here
    and in the next round. Only signs are compared: products of tiny gradients would underflow.
    """
    w, g, previous, size = view(params), view(grad), view(state[0]), view(state[1])
    for p in range(0, params.size, lanes(w)):
        sign = sign_of(load(g, p))
        agreement = sign * load(previous, p)
        larger = minimum(options[STEP_MAX], load(size, p) * options[ETA_PLUS])
        smaller = maximum(options[STEP_MIN], load(size, p) * options[ETA_MINUS])
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
def add_l2(params, grad, n_weights, factor):
    """grad += factor w, for the weights."""
    for p in range(n_weights):
        grad[p] += factor * params[p]


@kernel
def take_step(params, grad, solver, learning_rate, scale):
    """Update `params` along the summed gradient `grad`."""
    if solver.l2 != 0.0:
        add_l2(params, grad, solver.n_weights, solver.l2 / scale)
    if solver.kind == ADAM:
        solver.decay[0] *= solver.options[BETA_1]
        solver.decay[1] *= solver.options[BETA_2]
        rate = learning_rate * np.sqrt(1.0 - solver.decay[1]) / (1.0 - solver.decay[0])
        adam(params, grad, solver.state, scale, rate, solver.options)
    elif solver.kind == SGD:
        sgd(params, grad, solver.state, scale, learning_rate, solver.options[MOMENTUM])
    elif solver.kind == NESTEROV:
        nesterov(params, grad, solver.state, scale, learning_rate, solver.options[MOMENTUM])
    elif solver.kind == RMSPROP:
        rmsprop(params, grad, solver.state, scale, learning_rate, solver.options)
    else:
        rprop(params, grad, solver.state, solver.options)
