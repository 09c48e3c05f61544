"""A batch too small for two chunks, on several threads: each phase of the work on a tile is shared among them.

In the forward pass and the delta recursion a thread takes a part of the samples, for the weights' gradient a part
of the weights, for which it takes the step as well if the batch is one tile; else in the step a part of the
parameters. No number is summed up in another order for that: the bits are those of one thread, and chunks need not
have gradients of their own, which for many parameters and few samples cost more than the rest.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.compiling.addresses import Slot, for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import Rule, Span, Step, step_along
from fastbp.kernels.many_samples.columns import pack_columns
from fastbp.kernels.many_samples.gather import Data, load_samples
from fastbp.kernels.many_samples.gradients import ALL, Accumulator
from fastbp.kernels.many_samples.passes import run_tasks
from fastbp.kernels.many_samples.stripes import Share, n_parts_of
from fastbp.kernels.many_samples.tasks import (
    N_PHASES,
    OUTPUTS,
    PASS,
    RECURSION,
    SUMMING,
    WEIGHTS_BY_INPUTS,
    WEIGHTS_BY_SAMPLES,
    task_of,
)
from fastbp.kernels.many_samples.tile import Dropout, Space
from fastbp.kernels.registers.lanes import inlined, lanes, number, outlined, set_number
from fastbp.kernels.tables import Net, block_of
from fastbp.kernels.training.chunks import SHARE_WORK, Job, bounds_of_tile, part_of, part_of_tile, schedule_of
from fastbp.kernels.tuning import LOG_SHARE_PRODUCTS

# The phases of a tile's tasks follow each other, when all threads are done with the one before. PASS, RECURSION:
# a part of the samples each; OUTPUTS: one thread, so that errors add up in their order; SUMMING: weights. Then, once
# for all tiles, ADVANCE: parameters; or, of a single tile, STEPPED_SUMS: weights, which are stepped along while their
# gradient is in a cache, and REST: what is left of them, and biases
STEPPED_SUMS, REST, ADVANCE = range(N_PHASES, N_PHASES + 3)


class PhaseShare(NamedTuple):
    """A thread's share of a phase."""

    phase: int
    tile: int  # its number
    index: int  # of the share
    n_shares: int


# What is called through the addresses of a `Space`: `work_on_share`, `in_parallel`
SHARE_WORKER = Slot(Net, Data, Space, Job, Dropout, Step, PhaseShare)
PARALLEL_SHARES = Slot(Net, Data, Space, Job, Dropout, Rule, Span, PhaseShare)


@entry
def work_on_share(net, data, space, job, dropout, step, part):
    """Do a thread's share of a phase."""
    grad, share = space.grads, Share(part.index, part.n_shares)
    if part.phase == ADVANCE:
        start, stop = part_of(step.rule.n_params, part.index, part.n_shares, lanes(grad))
        step_along(net.params, grad, step, start, stop)
        return
    if part.phase == PASS and part.tile == 0:
        pack_columns(net, space.columns, share)
    first, last = part_of(job.n_samples, part.tile, n_parts_of(job.n_samples, space.max_tile), lanes(grad))
    of_samples = share if part.phase in (PASS, RECURSION) else Share(0, 1)
    tile = part_of_tile(space, dropout, 0, first, last - first, of_samples)
    bounds = bounds_of_tile(space, job, tile)
    if part.phase == PASS:
        load_samples(net, data, job.start + first + tile.first, tile, True)
    if part.phase == REST:
        step_along_rest(net, schedule_of(space), sums_of(bounds), grad, step, part.n_shares)
        return
    phase, own = min(part.phase, SUMMING), (0, ALL)
    if phase == SUMMING:
        own = weights_of(net, schedule_of(space), sums_of(bounds), share)
    along = Step(part.phase == STEPPED_SUMS, step.rule, step.learning_rate, step.scale)
    accumulator, span = (
        Accumulator(grad, part.tile > 0, space.errors, own[0], own[1]),
        (number(bounds, phase), number(bounds, phase + 1)),
    )
    run_tasks(net, tile, schedule_of(space), span, accumulator, along, share)


@kernel
def sums_of(bounds):
    """First and last + 1 of the tasks of the gradient."""
    return number(bounds, SUMMING), number(bounds, SUMMING + 1)


@kernel
def n_block_weights(net):
    """Number of weights of all blocks: they come first among the parameters."""
    if net.n_blocks == 0:
        return 0
    last = block_of(net, net.n_blocks - 1)
    return last.weights + last.n_in * last.n_out


@kernel
def first_weight_of(net, schedule, sums, share):
    """Offset of the first weights of a share, or of the next that has some: where a task begins.

    A task belongs where its middle is: where it begins, one of two threads would have most of the weights.
    """
    n_weights = n_block_weights(net)
    for n in range(sums[0], sums[1]):
        task = task_of(schedule, n)
        if WEIGHTS_BY_INPUTS <= task.kind <= WEIGHTS_BY_SAMPLES:
            middle_twice = 2 * task.weights + task.n_units * task.n_in
            if middle_twice * share.n_shares // (2 * n_weights) >= share.index:
                return task.weights
    return n_weights


@kernel
def weights_of(net, schedule, sums, share):
    """Start and stop of the weights of blocks whose gradient belongs to a share."""
    outlined()
    if share.n_shares == 1:
        return 0, ALL
    next_share = Share(share.index + 1, share.n_shares)
    return first_weight_of(net, schedule, sums, share), first_weight_of(net, schedule, sums, next_share)


@kernel
def step_along_rest(net, schedule, sums, grad, step, n_shares):
    """The step for what no share has taken along: registers with weights of two shares, links and biases."""
    n_lanes, done = lanes(grad), -1
    rest = n_block_weights(net) // n_lanes * n_lanes
    for index in range(1, n_shares):
        weight = first_weight_of(net, schedule, sums, Share(index, n_shares))
        start = weight // n_lanes * n_lanes
        if done < start < weight and start < rest:
            step_along(net.params, grad, step, start, start + n_lanes)
            done = start
    step_along(net.params, grad, step, rest, step.rule.n_params)


@entry(parallel=True)
def in_parallel(net, data, space, job, dropout, rule, span, part):
    """All shares of a phase, each on a thread; `part` is the first."""
    for index in prange(part.n_shares):  # Numba hands no tuple in a tuple to its threads: a `Step` is put together here
        step = Step(True, rule, span.learning_rate, span.scale)
        own = PhaseShare(part.phase, part.tile, index, part.n_shares)
        SHARE_WORKER.call(space.share_worker, net, data, space, job, dropout, step, own)


@kernel
def n_shares_of(space, job):
    """Number of threads that share the work on each tile of a job: each has a register of samples or more."""
    n_registers = min(job.n_samples, space.max_tile) // lanes(space.z)
    return max(1, min(space.n_threads, n_registers, (space.n_params * job.n_samples) >> LOG_SHARE_PRODUCTS))


@kernel
def do_phase(net, data, space, job, dropout, step, phase, tile):
    """A phase of the work on a tile, on one thread or on all."""
    inlined()
    part = PhaseShare(phase, tile, 0, 1 if phase == OUTPUTS else n_shares_of(space, job))
    if part.n_shares == 1 or phase == REST:
        SHARE_WORKER.call(space.share_worker, net, data, space, job, dropout, step, part)
    else:
        span = Span(0, 0, step.learning_rate, step.scale)
        PARALLEL_SHARES.call(space.shares_parallel, net, data, space, job, dropout, step.rule, span, part)


@kernel
def is_step_along_sums(net, space, job, step):
    """Whether weights are stepped along with their sums: those of a single tile are complete.

    Of a large network a gradient and what a step reads are more than the L2 caches hold: later they would have to come
    from memory. What is left, links and biases, is stepped along by one thread: it must not be much.
    """
    in_blocks = 2 * n_block_weights(net) >= step.rule.n_params
    return in_blocks and n_shares_of(space, job) > 1 and n_parts_of(job.n_samples, space.max_tile) == 1


@entry
def work_by_shares(net, data, space, job, dropout, step):
    """Gradient of a batch of one chunk, to grads[0], and the step, if one is to be taken; the error to errors[0]."""
    set_number(space.errors, 0, 0.0)
    taken, along = step.taken, is_step_along_sums(net, space, job, step)
    for tile in range(n_parts_of(job.n_samples, space.max_tile)):
        for phase in range(PASS, SUMMING):
            do_phase(net, data, space, job, dropout, step, phase, tile)
        taken = taken and np.isfinite(number(space.errors, 0))
        do_phase(net, data, space, job, dropout, step, STEPPED_SUMS if along and taken else SUMMING, tile)
    if taken:
        do_phase(net, data, space, job, dropout, step, REST if along else ADVANCE, 0)


@for_warm_up()
@cache
def share_addresses(dtype):
    """Addresses of `work_by_shares` for numbers of `dtype`, and of the two functions that it calls."""
    return (
        SHARE_WORK.address(work_by_shares, dtype),
        SHARE_WORKER.address(work_on_share, dtype),
        PARALLEL_SHARES.address(in_parallel, dtype),
    )
