"""Levenberg and Marquardt: steps v = -(H + mu I)^-1 g, with a mu that grows until the loss falls.

F is that of objective.py. H is the Gauss-Newton matrix of F; or, where there
are fewer residuals than parameters, H = J^T J with a J that is stored, and (J^T J + mu I)^-1 J^T r comes from the small
system: J^T (J J^T + mu I)^-1 r.

mu follows Nielsen (1999), whose smallest factor, 1/3, is an option here; or factors (Marquardt 1963; Hagan and Menhaj
1994). Geodesic acceleration: Transtrum and Sethna (2012).
"""

import math
from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.curvature.calls import SUMS
from fastbp.kernels.curvature.cholesky import factor, solve
from fastbp.kernels.curvature.descent import GOAL, MIN_GRADIENT, MU_MAX, NOT_FINITE, RUNNING
from fastbp.kernels.curvature.hessians import assemble
from fastbp.kernels.curvature.jobs import add_up
from fastbp.kernels.curvature.objective import ask, objective_of, penalty, value
from fastbp.kernels.curvature.plan import curve_of
from fastbp.kernels.curvature.vectors import add_product, add_scaled, copy, scalar_product, scale
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue
from fastbp.kernels.many_samples.weighted_sums import Rows, Size, Weights, terms_of
from fastbp.kernels.registers.lanes import Doubles, Numbers, number, set_number, shift, view

# What `Damping.state` holds: what a checkpoint keeps, then what follows from the parameters
MU, NU, MU_SCALE, IS_KNOWN, VALUE, ERROR, LARGEST = range(7)
N_STATE, N_KEPT = 7, 3

# What `Damping.options` holds
FIRST_MU, IS_NIELSEN, INCREASE, DECREASE, LARGEST_MU, ACCELERATION, SMALLEST_GRADIENT, GOAL_ERROR = range(8)
N_OPTIONS = 8


class Damping(NamedTuple):
    """Memory of the minimiser, float64. n is the number of parameters, or of residuals if these are fewer."""

    matrix: np.ndarray  # (n, n) H, or J J^T
    upper: np.ndarray  # (n, row of it): factor of the matrix with mu
    rows: np.ndarray  # (n n_params + 2 n,): J, residuals, and work; empty where H is assembled
    columns: np.ndarray  # (n_params, row of `upper`): J transposed
    vectors: np.ndarray  # (4, n_params): gradient, step, acceleration, parameters before the step
    state: np.ndarray  # (N_STATE,)
    options: np.ndarray  # (N_OPTIONS,)


class DampingViews(NamedTuple):
    """`Damping` as views."""

    matrix: Numbers
    upper: Numbers
    rows: Numbers
    columns: Numbers
    gradient: Numbers
    step: Numbers
    bend: Numbers
    before: Numbers
    residuals: Numbers
    solved: Numbers
    state: Doubles
    options: Doubles
    n: int
    stride: int  # from one row of `upper`, or of `columns`, to the next
    n_params: int
    is_small: bool  # fewer residuals than parameters


@kernel
def views_of_damping(damping):
    """The views of the minimiser's memory."""
    vectors, n_params, n = view(damping.vectors), damping.vectors.shape[1], len(damping.matrix)
    rows, is_small = view(damping.rows), len(damping.rows) > 0
    n_rows = n * n_params if is_small else 0
    return DampingViews(
        view(damping.matrix), view(damping.upper), rows, view(damping.columns), vectors,
        shift(vectors, n_params), shift(vectors, 2 * n_params), shift(vectors, 3 * n_params), shift(rows, n_rows),
        shift(rows, n_rows + (n if is_small else 0)), view(damping.state), view(damping.options),
        n, damping.upper.shape[1], n_params, is_small,
    )  # fmt: skip


@kernel
def look(curve, o, assembler, d):
    """F, its gradient and its matrix at the network's parameters."""
    if d.is_small:
        error = residual_system(curve, o, d)
    else:
        assemble(curve, o.given, o.room, assembler, d.matrix)
        error = number(o.room.errors, 0)
        add_penalty(curve, o, d)
    largest = 0.0
    for p in range(d.n_params):
        largest = max(largest, diagonal(d, p))
    set_number(d.state, ERROR, error)
    set_number(d.state, VALUE, o.scale * error + penalty(curve, o))
    set_number(d.state, LARGEST, largest)
    set_number(d.state, IS_KNOWN, 1.0)
    if number(d.state, MU_SCALE) == 0.0:  # the first time: mu is relative, so that no scale of the data is in it
        set_number(d.state, MU_SCALE, largest if largest > 0.0 else 1.0)
        set_number(d.state, MU, number(d.options, FIRST_MU) * number(d.state, MU_SCALE))
        set_number(d.state, NU, 2.0)


@kernel
def diagonal(d, p):
    """H_pp."""
    if d.is_small:
        column = shift(d.columns, p * d.stride)
        return scalar_product(column, column, d.n)
    return number(d.matrix, p * d.n + p)


@kernel
def add_penalty(curve, o, d):
    """The gradient and the matrix of F from those of the error."""
    copy(o.room.sums, d.gradient, d.n_params)
    scale(d.gradient, o.scale, d.n_params)
    scale(d.matrix, o.scale, d.n * d.n)
    if o.has_decay:
        add_product(d.gradient, o.decay, curve.net.params, d.n_params)
        for p in range(d.n_params):
            set_number(d.matrix, p * d.n + p, number(d.matrix, p * d.n + p) + number(o.decay, p))


@kernel
def residual_system(curve, o, d):
    """J, J J^T, and the gradient J^T r; returns the error, half of r r^T."""
    ask(curve, o, o.rows, d.step, d.rows)
    scale(d.rows, math.sqrt(o.scale), d.n * (d.n_params + 1))
    for p in range(d.n_params):
        for r in range(d.n):
            set_number(d.columns, p * d.stride + r, number(d.rows, r * d.n_params + p))
    epilogue = Epilogue(False, curve.zeros, 0, NO_FLOOR, False, d.matrix)
    weights, terms = Weights(d.rows, d.n_params, 1), terms_of(Rows(d.columns, d.stride))
    SUMS.call(curve.sums, Rows(d.matrix, d.n), weights, terms, epilogue, Size(d.n, d.n, d.n_params))
    times_rows(d, d.residuals, 1.0, d.gradient)
    return 0.5 * scalar_product(d.residuals, d.residuals, d.n) / o.scale


@kernel
def times_rows(d, x, sign, out):
    """out = sign J^T x."""
    for p in range(d.n_params):
        set_number(out, p, sign * scalar_product(shift(d.columns, p * d.stride), x, d.n))


@kernel
def decompose(curve, d):
    """The factor of the matrix with mu on its diagonal; returns whether there is one."""
    mu = number(d.state, MU)
    for i in range(d.n):
        row, out = shift(d.matrix, i * d.n), shift(d.upper, i * d.stride)
        for j in range(i, d.n):
            set_number(out, j, -number(row, j))
        set_number(out, i, number(out, i) - mu)
    return factor(curve, d.upper, d.n, d.stride)


@kernel
def find_step(d):
    """v = -(H + mu I)^-1 g."""
    if d.is_small:
        for r in range(d.n):
            set_number(d.solved, r, number(d.residuals, r))
        solve(d.upper, d.n, d.stride, d.solved)
        times_rows(d, d.solved, -1.0, d.step)
        return
    for p in range(d.n_params):
        set_number(d.step, p, -number(d.gradient, p))
    solve(d.upper, d.n, d.stride, d.step)


@kernel
def accelerate(curve, o, d):
    """u = -(H + mu I)^-1 J^T H_L y''(v, v) / 2; returns whether the path is not too bent: |2 u| <= bound |v|."""
    n_chunks = ask(curve, o, o.bends, d.step, d.rows)
    add_up(o.room.sums, n_chunks, d.n_params, o.room.n_params)
    copy(o.room.sums, d.bend, d.n_params)
    scale(d.bend, -0.5 * o.scale, d.n_params)
    solve(d.upper, d.n, d.stride, d.bend)
    bound = number(d.options, ACCELERATION)
    return 4.0 * scalar_product(d.bend, d.bend, d.n_params) <= bound * bound * scalar_product(
        d.step, d.step, d.n_params
    )


@kernel
def try_step(curve, o, d):
    """Take the step from `before`; returns rho, by how much F fell over what was predicted, or -1."""
    if not decompose(curve, d):
        return -1.0
    find_step(d)
    along, square = scalar_product(d.step, d.gradient, d.n_params), scalar_product(d.step, d.step, d.n_params)
    predicted = 0.5 * (number(d.state, MU) * square - along)
    bends = number(d.options, ACCELERATION) > 0.0
    if bends and not accelerate(curve, o, d):
        return -1.0
    params = curve.net.params
    copy(d.before, params, d.n_params)
    add_scaled(params, d.step, 1.0, d.n_params)
    if bends:
        add_scaled(params, d.bend, 1.0, d.n_params)
    reached, _error = value(curve, o)
    if reached < number(d.state, VALUE):  # not if it is NaN
        return (number(d.state, VALUE) - reached) / predicted
    return -1.0


@kernel
def shrink(d, rho):
    """mu after a step that was good."""
    mu, by = number(d.state, MU), number(d.options, DECREASE)
    if number(d.options, IS_NIELSEN) != 0.0:
        by = max(by, 1.0 - (2.0 * rho - 1.0) ** 3)
    set_number(d.state, MU, max(mu * by, 1e-20 * number(d.state, LARGEST)))
    set_number(d.state, NU, 2.0)


@kernel
def grow(d):
    """mu after a step that was not."""
    by = number(d.state, NU) if number(d.options, IS_NIELSEN) != 0.0 else number(d.options, INCREASE)
    set_number(d.state, MU, number(d.state, MU) * by)
    set_number(d.state, NU, number(d.state, NU) * 2.0)


@kernel
def descend(curve, o, d):
    """Steps until one is good; returns how that ended. The parameters stay where F is lowest."""
    copy(curve.net.params, d.before, d.n_params)
    while True:
        rho = try_step(curve, o, d)
        if rho > 0.0:
            shrink(d, rho)
            return RUNNING
        copy(d.before, curve.net.params, d.n_params)
        grow(d)
        if number(d.state, MU) > number(d.options, LARGEST_MU) * max(number(d.state, LARGEST), 1e-300):
            return MU_MAX


@kernel
def ending(d):
    """Why there is nothing more to do; RUNNING if there is."""
    if not math.isfinite(number(d.state, VALUE)):
        return NOT_FINITE
    if number(d.state, ERROR) <= number(d.options, GOAL_ERROR):
        return GOAL
    length = math.sqrt(scalar_product(d.gradient, d.gradient, d.n_params))
    return MIN_GRADIENT if length < number(d.options, SMALLEST_GRADIENT) else RUNNING


@entry
def levenberg_marquardt(plan, given, room, wanted, assembler, damping, losses, mus):
    """As many epochs, steps that are good, as `losses` has room for: (how it ended, how many there were)."""
    curve, o, d = curve_of(plan), objective_of(given, room, wanted), views_of_damping(damping)
    if number(d.state, IS_KNOWN) == 0.0:
        look(curve, o, assembler, d)
    ended, epoch = ending(d), 0
    while ended == RUNNING and epoch < losses.size:
        ended = descend(curve, o, d)
        if ended == RUNNING:
            look(curve, o, assembler, d)
            losses[epoch] = number(d.state, ERROR)
            mus[epoch] = number(d.state, MU) / number(d.state, MU_SCALE)
            epoch += 1
            ended = ending(d)
    return ended, epoch
