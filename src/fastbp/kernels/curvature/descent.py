"""What the minimisers along directions share: their memory, why they end, and a search along a line.

The search ends where both of Wolfe's strong conditions hold: F fell by a part of what its slope promised, and the slope
is a part of what it was (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6).
"""

import math
from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.objective import value_and_gradient
from fastbp.kernels.curvature.vectors import add_scaled, copy, scalar_product
from fastbp.kernels.registers.lanes import Doubles, Numbers, number, set_number, shift, view

# How a call ends
RUNNING, GOAL, MIN_GRADIENT, MU_MAX, NOT_FINITE, NO_STEP = range(6)

# What `Descent.state` holds for all: whether F and its gradient are known, both, and steps since the last restart
IS_KNOWN, VALUE, ERROR, N_STEPS, LENGTH, LAMBDA = range(6)
N_STATE = 6
# What `Descent.options` holds
SMALLEST_GRADIENT, GOAL_ERROR, MEMORY = range(3)
N_OPTIONS = 3

ENOUGH, SEARCHES = 1e-4, 40  # part of the fall that the slope promises; evaluations of F on a line


class Descent(NamedTuple):
    """Memory of a minimiser, float64."""

    vectors: np.ndarray  # (n_vectors, n_params): gradient, direction, parameters and gradient before, and its own
    state: np.ndarray  # (N_STATE,)
    options: np.ndarray  # (N_OPTIONS,)


class DescentViews(NamedTuple):
    """`Descent` as views."""

    gradient: Numbers
    direction: Numbers
    before: Numbers
    old_gradient: Numbers
    own: Numbers  # further vectors, one after the other
    state: Doubles
    options: Doubles
    n: int


@kernel
def views_of_descent(descent):
    """The views of the memory."""
    vectors, n = view(descent.vectors), descent.vectors.shape[1]
    return DescentViews(
        vectors, shift(vectors, n), shift(vectors, 2 * n), shift(vectors, 3 * n), shift(vectors, 4 * n),
        view(descent.state), view(descent.options), n,
    )  # fmt: skip


@kernel
def evaluate(curve, o, d):
    """F and its gradient at the network's parameters."""
    value, error = value_and_gradient(curve, o, d.gradient)
    set_number(d.state, VALUE, value)
    set_number(d.state, ERROR, error)
    set_number(d.state, IS_KNOWN, 1.0)


@kernel
def ending(d):
    """Why there is nothing more to do; RUNNING if there is."""
    if not math.isfinite(number(d.state, VALUE)):
        return NOT_FINITE
    if number(d.state, ERROR) <= number(d.options, GOAL_ERROR):
        return GOAL
    length = math.sqrt(scalar_product(d.gradient, d.gradient, d.n))
    return MIN_GRADIENT if length < number(d.options, SMALLEST_GRADIENT) else RUNNING


@kernel
def begin(curve, o, d):
    """Know F if it is not known; returns whether there is something to do."""
    if number(d.state, IS_KNOWN) == 0.0:
        evaluate(curve, o, d)
    return ending(d)


@kernel
def go_to(curve, o, d, alpha):
    """Evaluate F at `before` + alpha direction; returns F, and its slope along the direction."""
    copy(d.before, curve.net.params, d.n)
    add_scaled(curve.net.params, d.direction, alpha, d.n)
    evaluate(curve, o, d)
    return number(d.state, VALUE), scalar_product(d.gradient, d.direction, d.n)


@kernel
def go_back(curve, d, value, error):
    """To the parameters before, F and its gradient."""
    copy(d.before, curve.net.params, d.n)
    copy(d.old_gradient, d.gradient, d.n)
    set_number(d.state, VALUE, value)
    set_number(d.state, ERROR, error)


@kernel
def between(low, high, f_low, slope_low, f_high):
    """Where the parabola through both ends is least, kept from the ends; the middle where it has no such place."""
    width = high - low
    bend = f_high - f_low - slope_low * width
    part = 0.5
    if bend > 0.0 and math.isfinite(f_high):
        part = -0.5 * slope_low * width / bend
    if not (part > 0.1):  # NaN too
        part = 0.1 if part <= 0.1 else 0.5
    return low + width * min(part, 0.9)


@kernel
def search(curve, o, d, first, bend):
    """Go along the direction, first by `first`; returns whether F is lower.

    `bend`: part of the slope that may be left. Once `high` is known, there is a place between it and `low`, the best
    so far, where both conditions hold.
    """
    f_begin, error, slope_begin = (
        number(d.state, VALUE),
        number(d.state, ERROR),
        scalar_product(d.gradient, d.direction, d.n),
    )
    copy(curve.net.params, d.before, d.n)
    copy(d.gradient, d.old_gradient, d.n)
    if not slope_begin < 0.0:
        return False
    low, f_low, slope_low, high, f_high, alpha = 0.0, f_begin, slope_begin, math.inf, math.inf, first
    for _ in range(SEARCHES):
        f, slope = go_to(curve, o, d, alpha)
        if not (f <= f_begin + ENOUGH * alpha * slope_begin and f <= f_low):  # too far, or not finite
            high, f_high = alpha, f
        elif abs(slope) <= -bend * slope_begin:
            return True
        else:
            if slope * (high - low) >= 0.0:
                high, f_high = low, f_low
            low, f_low, slope_low = alpha, f, slope
        if math.isinf(high):
            alpha *= 4.0
            continue
        if abs(high - low) <= 1e-10 * max(abs(high), abs(low)):
            break
        alpha = between(low, high, f_low, slope_low, f_high)
    if low > 0.0 and f_low < f_begin:
        go_to(curve, o, d, low)
        return True
    go_back(curve, d, f_begin, error)
    return False
