"""Samples that are not in memory: what the minimisers ask of them is asked of Python, which adds partitions up.

Each worker stands where one stands that goes through samples, for a job with a single sample that nobody looks at.
The answer is in the memory of the job: the error, and the sums or the matrix.
"""

from functools import cache

from fastbp.kernels.compiling.addresses import call_python
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.curvature.jobs import address_of_worker
from fastbp.kernels.curvature.vectors import copy

# What is asked
ERROR, GRADIENT, PRODUCT, BEND, MATRIX = range(5)


@entry
def error_elsewhere(curve, given, room, task, slot):
    """The error."""
    call_python(curve.elsewhere, ERROR)


@entry
def gradient_elsewhere(curve, given, room, task, slot):
    """The error and its gradient."""
    call_python(curve.elsewhere, GRADIENT)


@entry
def product_elsewhere(curve, given, room, task, slot):
    """The product of the Hessian, or of its Gauss-Newton part, with a vector."""
    copy(task.v, room.scratch, room.n_params)
    call_python(curve.elsewhere, PRODUCT)


@entry
def bend_elsewhere(curve, given, room, task, slot):
    """How the outputs bend along a vector, see asking.py."""
    copy(task.v, room.scratch, room.n_params)
    call_python(curve.elsewhere, BEND)


@entry
def matrix_elsewhere(curve, given, room, task, slot):
    """The error, its gradient, and the Gauss-Newton matrix."""
    call_python(curve.elsewhere, MATRIX)
    copy(room.kept, task.out, room.n_params * room.n_params)


@entry
def nothing_left(curve, given, room, task, slot):
    """Where a matrix is made of parts that were kept: it is there already."""


@cache
def addresses():
    """Address of each worker, in the order of what they ask; then that of `nothing_left`."""
    workers = error_elsewhere, gradient_elsewhere, product_elsewhere, bend_elsewhere, matrix_elsewhere, nothing_left
    return tuple(address_of_worker(worker) for worker in workers)
