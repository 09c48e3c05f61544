"""Training networks of one kind, one in each lane: for those so small that a thread is not worth one of them.

All networks of a group take their steps together: sample s of each, in an order of its own. A lane that has stopped, or
has no network, goes on with learning rate 0, and nobody looks at what it computes.
"""

from functools import cache

import numpy as np

from fastbp.kernels.compiling.addresses import for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import next_rate
from fastbp.kernels.population.groups import (
    clear,
    gather_ahead,
    gather_held,
    group_from,
    lanes_of,
    room_of,
    take_targets,
)
from fastbp.kernels.population.members import LANES
from fastbp.kernels.population.online import ONLINE, Ahead
from fastbp.kernels.population.passes import (
    add_errors,
    add_gradient,
    backward,
    forward,
    output_deltas,
    output_slopes,
    scale_deltas,
)
from fastbp.kernels.population.steps import take_steps
from fastbp.kernels.population.stopping import end_epoch
from fastbp.kernels.population.tables import (
    COURSE,
    NOT_FINITE,
    RUNNING,
    SETTINGS,
    course_of,
    doubles_at,
    integers_at,
    member_of,
    setting,
    stop,
)
from fastbp.kernels.registers.lanes import fma, lanes, load, number, set_number, splat, store, view_at
from fastbp.kernels.tables import with_loss_option
from fastbp.kernels.training.epochs import shuffle


@kernel
def learn_samples(crew, group, room, s, n_samples, adds):
    """The gradient of some samples, or, of `plain` learning, a step along it."""
    v = lanes_of(group, room, s, n_samples, group.weighted)
    take_targets(crew, group, room, s, n_samples)
    forward(group.net, v)
    output_deltas(group.net, v)
    output_slopes(group.net, v)
    add_errors(group.sums, v)
    backward(group.net, v)
    if group.plain:
        scale_rates(group, 1.0 / n_samples if group.mean else 1.0)
        scale_deltas(group.net, v, group.falling)
        add_gradient(group.net, v, group.net.params, True)
    else:
        add_gradient(group.net, v, group.stepping.grad, adds)


@kernel
def scale_rates(group, scale):
    """falling = - learning rate times the scale."""
    for r in range(0, group.row.width, lanes(group.falling)):
        store(group.falling, r, load(group.stepping.rates, r) * -scale)


@kernel
def train_group(crew, g, n_samples, n_epochs, slot):
    """Let the networks of group g learn from up to so many samples each, of the epochs that they have rates for."""
    group = group_from(crew, g)
    room, position, n_ahead = room_of(crew, group, slot), group.position, group.row.n_ahead
    while n_samples > 0 and number(position, 0) < n_epochs and is_running(crew, group):
        epoch, start, n_done = number(position, 0), number(position, 1), number(position, 2)
        if start == 0 and n_done == 0:
            begin_epoch(crew, group, epoch, n_epochs)
        n_left = group.n_samples - start - n_done
        n_block = min(n_ahead - n_ahead % group.batch_size, n_left)
        if group.batch_size > n_ahead:
            n_block = min(n_ahead, group.batch_size - n_done, n_left)
        gather_ahead(crew, group, room, start + n_done, n_block)
        clear(group.sums, group.row.width)
        if group.online:
            learn_online(crew, group, room, n_block)
        else:
            learn_block(crew, group, room, n_block)
        note_errors(crew, group, epoch, n_epochs)
        n_samples -= n_block
        if number(position, 1) == group.n_samples:
            set_number(position, 0, epoch + 1)
            set_number(position, 1, 0)
            finish_epoch(crew, group, room, epoch + 1)


@kernel
def learn_online(crew, group, room, n_samples):
    """A step along each of the samples that were gathered ahead."""
    ahead = Ahead(
        room.x, room.t, room.weight if group.weighted else room.ones, room.units, group.falling, group.sums,
        group.zeros, crew.n_inputs, crew.n_outputs, n_samples, group.row.deltas_address,
    )  # fmt: skip
    ONLINE.call(group.row.online_address, group.net, ahead)
    set_number(group.position, 1, number(group.position, 1) + n_samples)


@kernel
def learn_block(crew, group, room, n_block):
    """Steps along the samples that were gathered ahead."""
    start, n_done, s = number(group.position, 1), number(group.position, 2), 0
    while s < n_block:
        n_batch = min(group.batch_size, group.n_samples - start)
        n = min(n_block - s, n_batch - n_done)
        learn_samples(crew, group, room, s, n, n_done > 0)
        n_done += n
        s += n
        if n_done == n_batch:
            if not group.plain:
                take_steps(group.stepping, 1.0 / n_batch if group.mean else 1.0, next_rate(group.rule, 1.0))
            start += n_batch
            n_done = 0
    set_number(group.position, 1, start)
    set_number(group.position, 2, n_done)


# ---------------------------------------------------------------------------- beginnings and ends of epochs


@kernel
def is_running(crew, group):
    """Whether any of the networks has not stopped."""
    for lane in range(group.row.n_members):
        if number(course_of(crew, number(group.members, lane)), COURSE.stopped) == RUNNING:
            return True
    return False


@kernel
def begin_epoch(crew, group, epoch, n_epochs):
    """Shuffle each network's samples, note its learning rate, and keep the parameters."""
    from_rates = group.stepping.rates
    clear(from_rates, group.row.width)
    for lane in range(group.row.n_members):
        k = number(group.members, lane)
        member = member_of(crew, k)
        if number(course_of(crew, k), COURSE.stopped) == RUNNING:
            set_number(from_rates, lane, number(doubles_at(member.rates, n_epochs), epoch))
            if member.shuffle != 0:
                shuffle(
                    integers_at(member.order, member.n_samples), member.n_samples, view_at(np.uint64, member.random, 1)
                )
    scale_rates(group, 1.0)
    for p in range(0, group.stepping.n_params * group.row.width, lanes(group.safe)):
        store(group.safe, p, load(group.net.params, p))


@kernel
def note_errors(crew, group, epoch, n_epochs):
    """Errors of a block to the losses of the networks; one whose error is not finite stops, where the epoch began."""
    for lane in range(group.row.n_members):
        k = number(group.members, lane)
        course = course_of(crew, k)
        if number(course, COURSE.stopped) == RUNNING:
            losses, error = doubles_at(member_of(crew, k).losses, n_epochs), np.float64(number(group.sums, lane))
            set_number(losses, epoch, number(losses, epoch) + error)
            if not np.isfinite(error):
                leave(crew, group, lane, NOT_FINITE, group.safe)


@kernel
def leave(crew, group, lane, why, params):
    """A network stops, with its best parameters or else these; its lane goes on with learning rate 0."""
    k = number(group.members, lane)
    course = course_of(crew, k)
    if member_of(crew, k).keeps_best == 0 or number(course, COURSE.best_epoch) < 0:
        copy_lane(group, params, group.best, lane)
    stop(course, why)
    set_number(group.stepping.rates, lane, 0.0)
    set_number(group.falling, lane, 0.0)


@kernel
def copy_lane(group, source, target, lane):
    """The parameters of one network."""
    for p in range(lane, group.stepping.n_params * group.row.width, group.row.width):
        set_number(target, p, number(source, p))


@kernel
def finish_epoch(crew, group, room, n_epochs):
    """What there is to do at the end of an epoch for each network: validation, stopping, the best parameters."""
    hold_out(crew, group, room)
    mark_not_finite(group)
    for lane in range(group.row.n_members):
        k = number(group.members, lane)
        member, course = member_of(crew, k), course_of(crew, k)
        if number(course, COURSE.stopped) != RUNNING:
            continue
        set_number(course, COURSE.epoch, n_epochs)
        if number(group.sums, lane) != 0.0:
            leave(crew, group, lane, NOT_FINITE, group.safe)
            continue
        is_lowest = end_epoch(crew, k, member, n_epochs, number(group.held_errors, lane))
        if is_lowest and member.keeps_best != 0:
            # A training loss is that before a step, one of validation after all
            before = member.n_held == 0 and member.batch_size == member.n_samples
            copy_lane(group, group.safe if before else group.net.params, group.best, lane)
        if number(course, COURSE.stopped) != RUNNING:
            leave(crew, group, lane, number(course, COURSE.stopped), group.net.params)


@kernel
def hold_out(crew, group, room):
    """held_errors: of the samples that are held out."""
    width, n_ahead = group.row.width, group.row.n_ahead
    net = with_loss_option(group.net, setting(crew, number(group.members, 0), SETTINGS.held_option))
    for lane in range(width):
        set_number(group.held_errors, lane, 0.0)
    for first in range(0, group.row.most_held, n_ahead):
        n = min(n_ahead, group.row.most_held - first)
        gather_held(crew, group, room, first, n)
        v = lanes_of(group, room, 0, n, True)
        take_targets(crew, group, room, 0, n)
        forward(net, v)
        output_deltas(net, v)
        clear(group.sums, width)
        add_errors(group.sums, v)
        for lane in range(width):
            total = number(group.held_errors, lane) + np.float64(number(group.sums, lane))
            set_number(group.held_errors, lane, total)


@kernel
def mark_not_finite(group):
    """sums: 0 for each network whose parameters are all finite, else NaN."""
    width = group.row.width
    for r in range(0, width, lanes(group.sums)):
        bad = splat(group.sums, 0.0)
        for p in range(r, group.stepping.n_params * width, width):
            bad = fma(load(group.net.params, p), 0.0, bad)
        store(group.sums, r, bad)


@entry
def train_lanes(crew, g, n_samples, n_epochs, slot):
    """`train_group`, as it is called through its address."""
    train_group(crew, g, n_samples, n_epochs, slot)


@for_warm_up()
@cache
def address_of_lanes(dtype):
    """Address of `train_lanes` for numbers of `dtype`."""
    return LANES.address(train_lanes, dtype)
