"""L-BFGS: directions from the last few steps and the gradient's changes (Nocedal 1980; Liu and Nocedal 1989)."""

import math

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.conjugate import steepest
from fastbp.kernels.curvature.descent import (
    ERROR,
    MEMORY,
    N_STEPS,
    NO_STEP,
    RUNNING,
    begin,
    ending,
    search,
    views_of_descent,
)
from fastbp.kernels.curvature.objective import objective_of
from fastbp.kernels.curvature.plan import curve_of
from fastbp.kernels.curvature.vectors import add_scaled, copy, scalar_product, scale
from fastbp.kernels.registers.lanes import number, set_number, shift

FLAT = 0.9  # part of the slope that a line search may leave
TINY = 2.2e-16


@kernel
def pair(d, k):
    """The k-th step and the change of the gradient along it, and their numbers (product, factor); k counts for ever."""
    memory = int(number(d.options, MEMORY))
    place = (k % memory) * 2 * d.n
    numbers = shift(d.own, 2 * memory * d.n + 2 * (k % memory))
    return shift(d.own, place), shift(d.own, place + d.n), numbers


@kernel
def find_direction(d):
    """p = -H g by the two loops over the pairs, the newest first and then the oldest."""
    n_steps, memory = int(number(d.state, N_STEPS)), int(number(d.options, MEMORY))
    oldest = max(0, n_steps - memory)
    copy(d.gradient, d.direction, d.n)
    scale(d.direction, -1.0, d.n)
    for k in range(n_steps - 1, oldest - 1, -1):
        step, change, numbers = pair(d, k)
        alpha = scalar_product(step, d.direction, d.n) / number(numbers, 0)
        set_number(numbers, 1, alpha)
        add_scaled(d.direction, change, -alpha, d.n)
    if n_steps > 0:
        _step, change, numbers = pair(d, n_steps - 1)
        scale(d.direction, number(numbers, 0) / scalar_product(change, change, d.n), d.n)
    for k in range(oldest, n_steps):
        step, change, numbers = pair(d, k)
        beta = scalar_product(change, d.direction, d.n) / number(numbers, 0)
        add_scaled(d.direction, step, number(numbers, 1) - beta, d.n)


@kernel
def remember(curve, d):
    """The last step, unless the gradient did not grow along it: the matrix would no longer be positive definite."""
    n_steps = int(number(d.state, N_STEPS))
    step, change, numbers = pair(d, n_steps)
    copy(curve.net.params, step, d.n)
    add_scaled(step, d.before, -1.0, d.n)
    copy(d.gradient, change, d.n)
    add_scaled(change, d.old_gradient, -1.0, d.n)
    product = scalar_product(step, change, d.n)
    if product > TINY * scalar_product(change, change, d.n):
        set_number(numbers, 0, product)
        set_number(d.state, N_STEPS, n_steps + 1.0)


@entry
def l_bfgs(plan, given, room, wanted, descent, losses):
    """As many epochs, steps along a line, as `losses` has room for: (how it ended, how many there were)."""
    curve, o, d = curve_of(plan), objective_of(given, room, wanted), views_of_descent(descent)
    ended, epoch = begin(curve, o, d), 0
    while ended == RUNNING and epoch < losses.size:
        find_direction(d)
        if not scalar_product(d.direction, d.gradient, d.n) < 0.0:
            steepest(d)
        is_first = number(d.state, N_STEPS) == 0.0
        first = 1.0 / max(1.0, math.sqrt(scalar_product(d.gradient, d.gradient, d.n))) if is_first else 1.0
        if not search(curve, o, d, first, FLAT):
            if is_first:
                return NO_STEP, epoch
            set_number(d.state, N_STEPS, 0.0)  # the pairs mislead: once more along the gradient
            continue
        losses[epoch] = number(d.state, ERROR)
        epoch += 1
        remember(curve, d)
        ended = ending(d)
    return ended, epoch
