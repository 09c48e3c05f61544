"""Training networks of any shapes, each by the kernels that train it alone: networks on the threads, not samples.

A slot, which a thread works in, does one network of the queue after the other. What is done with a network is written
in its own rows and arrays alone, so that nothing depends on who is trained beside it, nor where.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.codes import N_OPTIONS
from fastbp.kernels.compiling.addresses import Slot, for_warm_up
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import Rule, no_step
from fastbp.kernels.many_samples.gather import Data
from fastbp.kernels.many_samples.tile import no_dropout
from fastbp.kernels.one_sample.online import online_from
from fastbp.kernels.one_sample.passes import Units
from fastbp.kernels.population.stopping import end_epoch
from fastbp.kernels.population.tables import (
    COURSE,
    ITEM_COLUMNS,
    NOT_FINITE,
    RUNNING,
    SETTINGS,
    Crew,
    course_of,
    crew_of,
    doubles_at,
    dropout_of_member,
    integers_at,
    kind_of,
    member_of,
    net_of_member,
    setting,
    space_at,
    stop,
)
from fastbp.kernels.registers.lanes import number, set_number, shift, view_at
from fastbp.kernels.tables import BLOCK, LAYER, NONE, Net, with_loss_option
from fastbp.kernels.training.chunks import ERROR, job_of, work
from fastbp.kernels.training.epochs import RunViews, train_one_by_one, train_parts


class Addresses(NamedTuple):
    """What is called: NONE where it is not needed."""

    worker: int  # `train_slot`
    parallel: int  # `in_parallel`; NONE on one thread
    lanes: int  # `train_lanes` of groups.py


PARAMS, GRAD, VALUES, ERRORS = range(4)  # columns of `Tables.online`: addresses of arrays of `OnlineMemory`
ONLINE_COLUMNS = 4


@kernel
def rule_of_member(crew, k, member, kind):
    """What takes the steps of a network."""
    moments = view_at(crew.x, member.moments, member.n_state_rows * kind.n_params)
    return Rule(
        member.solver, doubles_at(member.options, N_OPTIONS), moments,
        shift(moments, kind.n_params if member.n_state_rows > 1 else 0), doubles_at(member.decay, 2),
        setting(crew, k, SETTINGS.l1), setting(crew, k, SETTINGS.l2), kind.n_weights, kind.n_params, member.step,
    )  # fmt: skip


@kernel
def run_of_member(crew, k, member, kind, n_epochs, slot):
    """Where its training stands."""
    random, key = view_at(np.uint64, member.random, 1), view_at(np.uint64, member.dropout_key, 1)
    dropout, course = dropout_of_member(crew, member, kind, slot), course_of(crew, k)
    return RunViews(
        integers_at(member.order, member.n_samples), random, doubles_at(member.rates, n_epochs),
        doubles_at(member.losses, n_epochs), view_at(crew.x, member.safe, kind.n_params),
        view_at(crew.x, member.partial, kind.n_params), dropout, key, course, kind.n_params,
        number(course, COURSE.first_epoch), n_epochs,
        member.n_samples, member.batch_size, kind.part_size, member.shuffle != 0, member.mean != 0, True,
    )  # fmt: skip


@kernel
def data_of_member(crew, member):
    """The samples that it learns from."""
    weight = view_at(crew.x, member.weight, crew.n_rows)
    order = integers_at(member.order, member.n_samples)
    return Data(
        crew.x, crew.t, weight, order, crew.n_inputs, crew.n_outputs, member.weight != 0, member.n_samples
    )  # fmt: skip


@kernel
def held_data_of_member(crew, member):
    """The samples that are held out."""
    weight = view_at(crew.x, member.held_weight, crew.n_held_rows)
    order = integers_at(member.held_order, member.n_held)
    return Data(
        crew.held_x, crew.held_t, weight, order, crew.n_inputs, crew.n_outputs, member.held_weight != 0, member.n_held
    )  # fmt: skip


@kernel
def online_of_member(crew, net, rule, member, kind, slot):
    """What learns on-line: the network, its copy in the memory of a slot."""
    row = shift(crew.online, (member.kind * crew.n_slots + slot) * ONLINE_COLUMNS)
    wide = Net(
        view_at(crew.x, number(row, PARAMS), kind.n_wide), integers_at(kind.wide_layers, kind.n_layers * len(LAYER)),
        integers_at(kind.wide_blocks, kind.n_blocks * len(BLOCK)), net.outgoing, net.starts, net.links, net.loss,
        net.loss_option, net.n_layers, net.n_blocks, net.n_units,
    )  # fmt: skip
    values = view_at(crew.x, number(row, VALUES), 3 * kind.n_values)
    units = Units(values, shift(values, kind.n_values), shift(values, 2 * kind.n_values))
    grad, error = view_at(crew.x, number(row, GRAD), kind.n_params), doubles_at(number(row, ERRORS), 1)
    order = integers_at(member.order, member.n_samples)
    return online_from(net, wide, units, grad, rule, order, error, kind.deltas_address)


@kernel
def train_member(crew, k, n_steps, n_epochs, slot):
    """Let network k take up to `n_steps` steps, parts of batches or samples, of the epochs that it has rates for."""
    member = member_of(crew, k)
    kind = kind_of(crew, member.kind)
    net, place = net_of_member(crew, k, member, kind), 2 * member.kind * crew.n_slots + slot
    plain, space = space_at(crew, place), space_at(crew, place + (0 if member.dropout == NONE else crew.n_slots))
    rule, run = rule_of_member(crew, k, member, kind), run_of_member(crew, k, member, kind, n_epochs, slot)
    data, course = data_of_member(crew, member), course_of(crew, k)
    while n_steps > 0 and number(course, COURSE.epoch) < n_epochs and number(course, COURSE.stopped) == RUNNING:
        epoch = number(course, COURSE.epoch)
        if member.one_by_one != 0:
            n = min(n_steps, member.n_samples - number(course, COURSE.start))
            online = online_of_member(crew, net, rule, member, kind, slot)
            is_finite = train_one_by_one(online, data, run, n)
            n_steps -= n
        else:
            is_finite = train_parts(net, data, space, rule, run, 1)
            n_steps -= 1
        if is_finite and number(course, COURSE.epoch) > epoch:
            is_finite = are_finite(net.params, kind.n_params)
            after_epoch(crew, k, net, plain, is_finite)
        if not is_finite:
            copy(run.safe, net.params, kind.n_params)
            stop(course, NOT_FINITE)


@kernel
def after_epoch(crew, k, net, space, is_finite):
    """What there is to do at the end of an epoch: validation, stopping, the best parameters."""
    member, course = member_of(crew, k), course_of(crew, k)
    kind, n_epochs = kind_of(crew, member.kind), number(course, COURSE.epoch)
    if not is_finite:
        return
    held_error = 0.0
    if member.n_held > 0:
        data = held_data_of_member(crew, member)
        job, step = job_of(ERROR, 0, member.n_held, crew.x), no_step(space.grads, space.errors)
        held = with_loss_option(net, setting(crew, k, SETTINGS.held_option))
        held_error = work(held, data, space, job, no_dropout(space.z, space.errors, data.order), step)
    if end_epoch(crew, k, member, n_epochs, held_error) and member.keeps_best != 0:
        # A training loss is that before a step, one of validation after all
        before = member.n_held == 0 and member.batch_size == member.n_samples
        source = view_at(crew.x, member.safe, kind.n_params) if before else net.params
        copy(source, view_at(crew.x, member.best, kind.n_params), kind.n_params)


@kernel
def are_finite(params, n_params):
    """Whether all parameters are: 0 times another is NaN."""
    bad = 0.0
    for p in range(n_params):
        bad += 0.0 * number(params, p)
    return bad == 0.0


@kernel
def copy(source, target, n):
    """target[:n] = source[:n]."""
    for p in range(n):
        set_number(target, p, number(source, p))


WORKER = Slot(Crew, Addresses, int, int)  # (crew, addresses, epochs that there are rates for, slot)
PARALLEL = Slot(Crew, Addresses, int)
LANES = Slot(Crew, int, int, int, int)  # (crew, group, samples of each network, epochs, slot): see groups.py


@entry
def train_slot(crew, addresses, n_epochs, slot):
    """The items of the queue that are a slot's."""
    for item in range(slot, crew.n_items, crew.n_slots):
        k, n_steps = number(crew.queue, item * ITEM_COLUMNS), number(crew.queue, item * ITEM_COLUMNS + 1)
        if k >= 0:
            train_member(crew, k, n_steps, n_epochs, slot)
        else:
            LANES.call(addresses.lanes, crew, -1 - k, n_steps, n_epochs, slot)


@for_warm_up()
@cache
def worker_address(dtype):
    """Address of `train_slot` for numbers of `dtype`."""
    return WORKER.address(train_slot, dtype)


@entry(parallel=True)
def in_parallel(crew, addresses, n_epochs):
    """All slots, each on a thread of its own."""
    for slot in prange(crew.n_slots):
        WORKER.call(addresses.worker, crew, addresses, n_epochs, slot)


@for_warm_up()
@cache
def parallel_address(dtype):
    """Address of `in_parallel` for numbers of `dtype`."""
    return PARALLEL.address(in_parallel, dtype)


@entry
def train_networks(tables, addresses, n_epochs, n_slots):
    """Do the queue, slot by slot or in parallel."""
    crew = crew_of(tables, n_slots)
    if addresses.parallel == NONE:
        for slot in range(n_slots):
            WORKER.call(addresses.worker, crew, addresses, n_epochs, slot)
    else:
        PARALLEL.call(addresses.parallel, crew, addresses, n_epochs)
