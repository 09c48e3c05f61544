"""What the minimisers make small: F(w) = scale sum_n weight_n E_n + l2 / 2 sum w**2, of the weights.

All of it at the network's own parameters: whoever tries others writes them there.
"""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.jobs import RoomViews, Task, add_up, n_chunks_of, views_of_room, work
from fastbp.kernels.curvature.loading import GivenViews, views_of_given
from fastbp.kernels.curvature.vectors import add_scaled, copy, dot, scale
from fastbp.kernels.registers.lanes import number


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
    l2: float
    n_weights: int  # the first of the parameters, which l2 is for
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
    l2: float
    n_weights: int
    n_params: int
    exact: bool


@kernel
def objective_of(given, room, wanted):
    """The views."""
    w, views = wanted, views_of_room(room)
    return Objective(
        views_of_given(given), views, w.parallel, w.n_slots, w.losses, w.gradients, w.products, w.bends, w.rows,
        w.scale, w.l2, w.n_weights, views.n_params, w.exact,
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
    """l2 / 2 sum w**2."""
    return 0.5 * o.l2 * dot(curve.net.params, curve.net.params, o.n_weights) if o.l2 > 0.0 else 0.0


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
    if o.l2 > 0.0:
        add_scaled(gradient, curve.net.params, o.l2, o.n_weights)
    return o.scale * error + penalty(curve, o), error


@kernel
def product(curve, o, v, out):
    """The Hessian of F times v."""
    n_chunks = ask(curve, o, o.products, v, o.room.sums)
    add_up(o.room.sums, n_chunks, o.n_params, o.room.n_params)
    copy(o.room.sums, out, o.n_params)
    scale(out, o.scale, o.n_params)
    if o.l2 > 0.0:
        add_scaled(out, v, o.l2, o.n_weights)
