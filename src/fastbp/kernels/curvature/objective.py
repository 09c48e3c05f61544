"""What the minimisers make small: F(w) = scale sum_n weight_n E_n + sum_p decay_p w_p**2 / 2.

All of it at the network's own parameters: whoever tries others writes them there.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.jobs import RoomViews, Task, add_up, n_chunks_of, views_of_room, work
from fastbp.kernels.curvature.loading import GivenViews, views_of_given
from fastbp.kernels.curvature.vectors import add_product, copy, scale, weighted_square
from fastbp.kernels.registers.lanes import Numbers, number, view


class Wanted(NamedTuple):
    """F, and how it is worked out; addresses of workers are 0 where a minimiser has no use for them."""

    parallel: int
    n_slots: int
    losses: int
    gradients: int
    products: int
    bends: int
    rows: int
    scale: float
    decay: np.ndarray  # (n_params,) float64, or empty
    exact: bool  # products with the Hessian, or with its Gauss-Newton part


class Objective(NamedTuple):
    """F as views: the samples, the memory, and the fields of `Wanted`."""

    given: GivenViews
    room: RoomViews
    parallel: int
    n_slots: int
    losses: int
    gradients: int
    products: int
    bends: int
    rows: int
    scale: float
    decay: Numbers
    has_decay: bool
    n_params: int
    exact: bool


@kernel
def objective_of(given, room, wanted):
    """The views."""
    w, views = wanted, views_of_room(room)
    return Objective(
        views_of_given(given), views, w.parallel, w.n_slots, w.losses, w.gradients, w.products, w.bends, w.rows,
        w.scale, view(w.decay), len(w.decay) > 0, views.n_params, w.exact,
    )  # fmt: skip


@kernel
def ask(curve, o, worker, v, out):
    """A task over all samples; returns the number of chunks."""
    n_chunks = n_chunks_of(o.given.n_samples)
    task = Task(worker, o.parallel, o.n_slots, n_chunks, 0, o.given.n_samples, o.exact, v, 1, out)
    work(curve, o.given, o.room, task)
    return n_chunks


@kernel
def penalty(curve, o):
    """sum_p decay_p w_p**2 / 2."""
    return 0.5 * weighted_square(curve.net.params, o.decay, o.n_params) if o.has_decay else 0.0


@kernel
def errors(o, n_chunks):
    """The error of all chunks."""
    error = 0.0
    for chunk in range(n_chunks):
        error += number(o.room.errors, chunk)
    return error


@kernel
def value(curve, o):
    """(F, sum_n weight_n E_n)."""
    error = errors(o, ask(curve, o, o.losses, o.room.sums, o.room.sums))
    return o.scale * error + penalty(curve, o), error


@kernel
def value_and_gradient(curve, o, gradient):
    """(F, sum_n weight_n E_n), and the gradient of F."""
    n_chunks = ask(curve, o, o.gradients, o.room.sums, o.room.sums)
    error = errors(o, n_chunks)
    add_up(o.room.sums, n_chunks, o.n_params, o.room.n_params)
    copy(o.room.sums, gradient, o.n_params)
    scale(gradient, o.scale, o.n_params)
    if o.has_decay:
        add_product(gradient, o.decay, curve.net.params, o.n_params)
    return o.scale * error + penalty(curve, o), error


@kernel
def product(curve, o, v, out):
    """The Hessian of F times v."""
    n_chunks = ask(curve, o, o.products, v, o.room.sums)
    add_up(o.room.sums, n_chunks, o.n_params, o.room.n_params)
    copy(o.room.sums, out, o.n_params)
    scale(out, o.scale, o.n_params)
    if o.has_decay:
        add_product(out, o.decay, v, o.n_params)
