"""Minimisers along conjugate directions: Polak and Ribiere's, Moller's scaled ones (1993), Newton's truncated ones."""

import math

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.descent import (
    ERROR,
    LAMBDA,
    LENGTH,
    N_STEPS,
    NO_STEP,
    RUNNING,
    VALUE,
    begin,
    ending,
    evaluate,
    search,
    views_of_descent,
)
from fastbp.kernels.curvature.objective import objective_of, product, value
from fastbp.kernels.curvature.plan import curve_of
from fastbp.kernels.curvature.vectors import add_scaled, copy, scalar_product, scale
from fastbp.kernels.registers.lanes import number, set_number, shift

STEEP = 0.1  # part of the slope that a line search of conjugate gradients may leave
LARGEST_LAMBDA, FIRST_LAMBDA = 1e20, 1e-6  # of Moller's, times the curvature along the first direction


@kernel
def steepest(d):
    """The direction against the gradient; the count of steps begins anew."""
    copy(d.gradient, d.direction, d.n)
    scale(d.direction, -1.0, d.n)
    set_number(d.state, N_STEPS, 0.0)


@kernel
def first_length(d):
    """A first step along the direction: as long as the last one made it fall, or about 1 / |g|."""
    slope = scalar_product(d.gradient, d.direction, d.n)
    length = number(d.state, LENGTH)
    if length > 0.0 and slope < 0.0:
        return min(1e3, max(1e-12, length / -slope))
    return 1.0 / max(1.0, math.sqrt(scalar_product(d.direction, d.direction, d.n)))


@kernel
def polak_ribiere(d):
    """p <- -g + beta p, beta = g (g - g_before) / |g_before|**2, not below 0; anew after n steps."""
    square = scalar_product(d.old_gradient, d.old_gradient, d.n)
    beta = (scalar_product(d.gradient, d.gradient, d.n) - scalar_product(d.gradient, d.old_gradient, d.n)) / square
    n_steps = number(d.state, N_STEPS) + 1.0
    if not beta > 0.0 or n_steps >= d.n:
        steepest(d)
        return
    scale(d.direction, beta, d.n)
    add_scaled(d.direction, d.gradient, -1.0, d.n)
    set_number(d.state, N_STEPS, n_steps)


@entry
def conjugate_gradients(plan, given, room, wanted, descent, losses):
    """As many epochs, steps along a line, as `losses` has room for: (how it ended, how many there were)."""
    curve, o, d = curve_of(plan), objective_of(given, room, wanted), views_of_descent(descent)
    ended, epoch = begin(curve, o, d), 0
    if number(d.state, N_STEPS) < 0.0:
        steepest(d)
    while ended == RUNNING and epoch < losses.size:
        f, slope = number(d.state, VALUE), scalar_product(d.gradient, d.direction, d.n)
        if not slope < 0.0:
            steepest(d)
        if not search(curve, o, d, first_length(d), STEEP):
            if number(d.state, N_STEPS) == 0.0:
                return NO_STEP, epoch
            steepest(d)
            set_number(d.state, LENGTH, 0.0)
            continue
        set_number(d.state, LENGTH, 2.0 * (f - number(d.state, VALUE)))
        losses[epoch] = number(d.state, ERROR)
        epoch += 1
        polak_ribiere(d)
        ended = ending(d)
    return ended, epoch


@kernel
def scaled_step(curve, o, d):
    """Moller's step, with a lambda that grows until F falls; returns how that ended."""
    along = d.own
    square = scalar_product(d.direction, d.direction, d.n)
    product(curve, o, d.direction, along)
    bend = scalar_product(d.direction, along, d.n)
    if number(d.state, LAMBDA) == 0.0:
        set_number(d.state, LAMBDA, FIRST_LAMBDA * max(abs(bend) / square, 1e-12))
    largest = LARGEST_LAMBDA * max(abs(bend) / square, 1e-12)
    slope, f = -scalar_product(d.direction, d.gradient, d.n), number(d.state, VALUE)
    copy(curve.net.params, d.before, d.n)
    copy(d.gradient, d.old_gradient, d.n)
    while number(d.state, LAMBDA) <= largest:
        strength = number(d.state, LAMBDA)
        curvature = bend + strength * square
        if not curvature > 0.0:  # as in Moller's step 4
            strength = 2.0 * (strength - curvature / square)
            curvature = bend + strength * square
            set_number(d.state, LAMBDA, strength)
        alpha = slope / curvature
        copy(d.before, curve.net.params, d.n)
        add_scaled(curve.net.params, d.direction, alpha, d.n)
        reached, _error = value(curve, o)
        agreement = 2.0 * curvature * (f - reached) / (slope * slope)
        if agreement < 0.25 or not math.isfinite(reached):
            grown = strength + curvature * (1.0 - agreement) / square
            set_number(d.state, LAMBDA, grown if math.isfinite(grown) else 4.0 * strength)
        if reached < f:
            if agreement >= 0.75:
                set_number(d.state, LAMBDA, 0.25 * strength)
            return RUNNING
    copy(d.before, curve.net.params, d.n)
    return NO_STEP


@entry
def scaled_conjugate_gradients(plan, given, room, wanted, descent, losses):
    """As many epochs, steps that are good, as `losses` has room for: (how it ended, how many there were)."""
    curve, o, d = curve_of(plan), objective_of(given, room, wanted), views_of_descent(descent)
    ended, epoch = begin(curve, o, d), 0
    if number(d.state, N_STEPS) < 0.0:
        steepest(d)
    while ended == RUNNING and epoch < losses.size:
        slope = -scalar_product(d.direction, d.gradient, d.n)
        if not slope > 0.0:
            steepest(d)
        ended = scaled_step(curve, o, d)
        if ended != RUNNING:
            if number(d.state, N_STEPS) > 0.0:
                steepest(d)
                set_number(d.state, LAMBDA, 0.0)
                ended = RUNNING
                continue
            return ended, epoch
        evaluate(curve, o, d)
        losses[epoch] = number(d.state, ERROR)
        epoch += 1
        hestenes(d)
        ended = ending(d)
    return ended, epoch


@kernel
def hestenes(d):
    """p <- -g + beta p, beta = (|g|**2 - g g_before) / (-p g_before); anew after n steps."""
    slope = -scalar_product(d.direction, d.old_gradient, d.n)
    n_steps = number(d.state, N_STEPS) + 1.0
    if n_steps >= d.n or not slope > 0.0:
        steepest(d)
        return
    beta = (scalar_product(d.gradient, d.gradient, d.n) - scalar_product(d.gradient, d.old_gradient, d.n)) / slope
    scale(d.direction, beta, d.n)
    add_scaled(d.direction, d.gradient, -1.0, d.n)
    set_number(d.state, N_STEPS, n_steps)


@kernel
def newton_direction(curve, o, d):
    """G p = -g, G the Gauss-Newton matrix, by conjugate gradients until |G p + g| is a part of |g|."""
    residual, inner, along = d.own, shift(d.own, d.n), shift(d.own, 2 * d.n)
    copy(d.gradient, residual, d.n)
    copy(d.gradient, inner, d.n)
    scale(inner, -1.0, d.n)
    for p in range(d.n):
        set_number(d.direction, p, 0.0)
    square = scalar_product(residual, residual, d.n)
    length = math.sqrt(square)
    enough = min(0.25, math.sqrt(length)) * length
    for _ in range(d.n):
        product(curve, o, inner, along)
        bend = scalar_product(inner, along, d.n)
        if not bend > 1e-300:
            break
        alpha = square / bend
        add_scaled(d.direction, inner, alpha, d.n)
        add_scaled(residual, along, alpha, d.n)
        before, square = square, scalar_product(residual, residual, d.n)
        if math.sqrt(square) <= enough:
            break
        scale(inner, square / before, d.n)
        add_scaled(inner, residual, -1.0, d.n)


@entry
def truncated_newton(plan, given, room, wanted, descent, losses):
    """As many epochs, steps along a line, as `losses` has room for: (how it ended, how many there were)."""
    curve, o, d = curve_of(plan), objective_of(given, room, wanted), views_of_descent(descent)
    ended, epoch = begin(curve, o, d), 0
    while ended == RUNNING and epoch < losses.size:
        newton_direction(curve, o, d)
        if not scalar_product(d.direction, d.gradient, d.n) < 0.0:
            steepest(d)
        if not search(curve, o, d, 1.0, 0.9):
            steepest(d)
            if not search(curve, o, d, first_length(d), 0.9):
                return NO_STEP, epoch
        losses[epoch] = number(d.state, ERROR)
        epoch += 1
        ended = ending(d)
    return ended, epoch
