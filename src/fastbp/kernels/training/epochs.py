"""Training: epochs of steps inside one compiled call.

`train` goes on from where the last call stopped, through the ends of epochs, for a number of steps that
Python chooses so that it gets control back often enough.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.codes import IRPROP_PLUS
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.random_numbers import nth_random, state_after
from fastbp.kernels.formulas.steps import Step, compare_errors, next_rate, no_step, rule_of, take_step
from fastbp.kernels.many_samples.dropout import DropoutMemory, draw_samples, dropout_of
from fastbp.kernels.many_samples.tile import Dropout, space_of
from fastbp.kernels.one_sample.online import learn, online_of
from fastbp.kernels.one_sample.wide import copy_params
from fastbp.kernels.registers.lanes import Doubles, Integers, Numbers, inlined, number, set_number, shift, view
from fastbp.kernels.tables import NONE, net_of
from fastbp.kernels.training.chunks import GRADIENT, data_of, job_of, work


class Run(NamedTuple):
    """Where a training run stands."""

    order: np.ndarray  # (n_samples,) int64, shuffled anew for each epoch
    random: np.ndarray  # (1,) uint64: state of the random numbers
    rates: np.ndarray  # (n_epochs,) float64: learning rates
    losses: np.ndarray  # (n_epochs,) float64: sum of the errors of each epoch's samples, each before its step
    safe: np.ndarray  # (n_params,): the parameters at the start of the epoch, the last that were finite
    partial: np.ndarray  # (n_params,): gradient of the parts of a batch that are done
    dropout: DropoutMemory
    first_epoch: int  # number of the epoch of rates[0]
    position: np.ndarray  # (3,) int64: epoch, first sample of the batch, samples of the batch that are done
    batch_size: int
    part_size: int  # samples after which Python may get control back, in the midst of a batch
    shuffle: bool
    whole_epochs: bool  # whether to return at the end of each epoch


class RunViews(NamedTuple):
    """A `Run` as views, with what else its steps need."""

    order: Integers
    random: Integers  # of uint64
    rates: Doubles
    losses: Doubles
    safe: Numbers
    partial: Numbers
    dropout: Dropout
    key: Integers  # of uint64: of dropout
    position: Integers
    n_params: int  # filled up
    first_epoch: int
    n_epochs: int  # of which there are rates
    n_samples: int
    batch_size: int
    part_size: int
    shuffle: bool
    mean: bool  # steps follow the mean over the batch, not the sum
    whole_epochs: bool


@kernel
def exchange(order, i, bits):
    """Exchange order[i] with one of the first i + 1, chosen by 32 random bits: Lemire's multiplication (2019)."""
    inlined()
    j = np.int64((bits * np.uint64(i + 1)) >> np.uint64(32))
    moved = number(order, i)
    set_number(order, i, number(order, j))
    set_number(order, j, moved)


@kernel
def shuffle(order, n, state):
    """A random order: Fisher and Yates, from the last place down; for n < 2**32.

    A random number of 64 bits serves two places: what takes time are multiplications.
    """
    key, n_pairs = number(state, 0), n // 2
    for k in range(n_pairs):
        bits, i = nth_random(key, k), n - 1 - 2 * k
        exchange(order, i, bits >> np.uint64(32))
        exchange(order, i - 1, bits & np.uint64(0xFFFFFFFF))
    set_number(state, 0, state_after(key, n_pairs))


@kernel
def run_of(run, rule, n_samples, mean):
    """The views of a run that trains on so many samples."""
    dropout = run.dropout
    return RunViews(
        view(run.order), view(run.random), view(run.rates), view(run.losses), view(run.safe), view(run.partial),
        dropout_of(dropout), view(dropout.key), view(run.position), rule.n_params, run.first_epoch, run.rates.size,
        n_samples, run.batch_size, run.part_size, run.shuffle, mean, run.whole_epochs,
    )  # fmt: skip


@kernel
def begin_epoch(params, run):
    """Shuffle, and keep the parameters if they are finite; returns whether they are."""
    for p in range(run.n_params):
        if not np.isfinite(number(params, p)):
            return False
    for p in range(run.n_params):
        set_number(run.safe, p, number(params, p))
    if run.shuffle:
        shuffle(run.order, run.n_samples, run.random)
    return True


@entry
def train(packed, samples, memory, solver, run, n_parts):
    """Do `n_parts` parts of batches, or as many as are left; returns False as soon as the error is not finite."""
    net, data, space, rule = net_of(packed), data_of(samples), space_of(memory), rule_of(solver)
    return train_parts(net, data, space, rule, run_of(run, rule, len(samples.x), solver.mean), n_parts)


@kernel
def train_parts(net, data, space, rule, run, n_parts):
    """`train` with views."""
    for _part in range(n_parts):
        epoch, start, n_done = number(run.position, 0), number(run.position, 1), number(run.position, 2)
        if epoch == run.n_epochs:
            return True
        if start == 0 and n_done == 0 and not begin_epoch(net.params, run):
            return False
        n_batch = min(run.batch_size, run.n_samples - start)
        n_samples = min(run.part_size, n_batch - n_done)
        whole, last = n_samples == n_batch and rule.kind != IRPROP_PLUS, n_done + n_samples == n_batch
        step = no_step(space.grads, space.errors)
        if last:
            scale = 1.0 / n_batch if run.mean else 1.0
            step = Step(True, rule, next_rate(rule, number(run.rates, epoch)), scale)
        if run.dropout.address != NONE:
            draw_samples(run.dropout, run.key, run.first_epoch + epoch, shift(run.order, start + n_done), n_samples)
        job = job_of(GRADIENT, start + n_done, n_samples, data.x)
        error = work(net, data, space, job, run.dropout, step if whole else no_step(space.grads, space.errors))
        if not np.isfinite(error):
            return False
        set_number(run.losses, epoch, number(run.losses, epoch) + error)
        if not whole:
            add_part(run, n_done, space.grads)
        if not last:
            set_number(run.position, 2, n_done + n_samples)
            continue
        if not whole:
            compare_errors(rule, number(run.losses, epoch))
            take_step(net.params, space.grads, step)
        if advance(run, n_batch) and run.whole_epochs:
            return True
    return True


@kernel
def add_part(run, n_done, grad):
    """Add up the gradients of the parts of a batch, of which so many samples are done; the sum in `grad` as well."""
    for p in range(run.n_params):
        total = number(grad, p) if n_done == 0 else number(run.partial, p) + number(grad, p)
        set_number(run.partial, p, total)
        set_number(grad, p, total)


@kernel
def advance(run, n_samples):
    """On to the next batch, or to the next epoch; returns whether an epoch has ended."""
    set_number(run.position, 1, number(run.position, 1) + n_samples)
    set_number(run.position, 2, 0)
    if number(run.position, 1) < run.n_samples:
        return False
    set_number(run.position, 0, number(run.position, 0) + 1)
    set_number(run.position, 1, 0)
    return True


@entry
def train_online(packed, samples, memory, solver, run, n_steps):
    """`train` with batches of one sample, in a copy of the network: see `online.py`."""
    online, data, rule = online_of(packed, memory, solver, run.order), data_of(samples), rule_of(solver)
    return train_one_by_one(online, data, run_of(run, rule, len(samples.x), solver.mean), n_steps)


@kernel
def train_one_by_one(online, data, run, n_steps):
    """`train_online` with views."""
    finite = True
    copy_params(online.net, online.wide)
    while finite and n_steps > 0 and number(run.position, 0) < run.n_epochs:
        epoch, start = number(run.position, 0), number(run.position, 1)
        if start == 0:
            copy_params(online.wide, online.net)
            if not begin_epoch(online.net.params, run):
                return False
        n_samples = min(n_steps, run.n_samples - start)
        finite = learn(online, data, run.losses, epoch, number(run.rates, epoch), start, start + n_samples)
        n_steps -= n_samples
        if finite and advance(run, n_samples) and run.whole_epochs:
            break
    copy_params(online.wide, online.net)
    return finite
