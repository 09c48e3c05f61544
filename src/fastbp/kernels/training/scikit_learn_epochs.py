"""Epochs as scikit-learn's estimators count them: what a batch's loss is, and what its step follows.

Both are sums over the batch divided by the sum of its weights, and so is the penalty on the weights that the
loss includes; `epochs.train` divides by the number of samples and reports losses without penalties.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import (
    Step,
    next_rate,
    no_step,
    rule_of,
    sign_of,
    take_step,
    with_penalties_divided,
)
from fastbp.kernels.many_samples.dropout import DropoutMemory, draw_samples, dropout_of
from fastbp.kernels.many_samples.tile import no_dropout, space_of
from fastbp.kernels.one_sample.wide import copy_row
from fastbp.kernels.registers.lanes import (
    absolute,
    lanes,
    load,
    load_first,
    number,
    shift,
    splat,
    store,
    store_first,
    sum_lanes,
    view,
)
from fastbp.kernels.tables import NONE, net_of
from fastbp.kernels.training.chunks import GRADIENT, data_of, job_of, work
from fastbp.kernels.training.scores import NOTHING, Scorer, score_network


class EstimatorRun(NamedTuple):
    """A run of epochs: where it stands, and when it ends."""

    position: np.ndarray  # (3,) int64: epoch, first sample of the next batch, samples of the epoch's weightless batches
    losses: np.ndarray  # (n_epochs,) float64: of each epoch; its sum so far over the samples
    rates: np.ndarray  # (n_epochs,) float64: learning rates
    scores: np.ndarray  # (n_epochs,) float64: of the held-out samples, if there is a scorer
    best: np.ndarray  # (2,) float64: lowest loss of an epoch, or highest score; epochs since it was better by tol
    best_params: np.ndarray  # as `Packed.params`: those with the highest score
    scorer: Scorer
    dropout: DropoutMemory
    n_seen: int  # samples in all epochs before: what tells dropout's epochs apart
    n_samples: int  # in an epoch; where they have an order, that of each epoch follows the one before
    batch_size: int
    share: float  # of the error in the loss: 1, or 1 / outputs where the loss is a mean over them
    tol: float
    patience: float  # epochs without a better one, after more of which the run ends; it has one epoch at least


@entry
def train_epochs(packed, samples, memory, solver, run, n_batches):
    """Take `n_batches` steps, or as many as are left in the run.

    A step is taken even where the loss is not finite, as scikit-learn does: it may be so for one epoch.
    """
    net, data, space, rule = net_of(packed), data_of(samples), space_of(memory), rule_of(solver)
    dropout = dropout_of(run.dropout)
    for _batch in range(n_batches):
        epoch, start = run.position[0], run.position[1]
        if epoch == run.losses.size or (epoch > 0 and start == 0 and run.best[1] > run.patience):
            return
        n_samples = min(run.batch_size, run.n_samples - start)
        first = epoch * run.n_samples + start if data.n_ordered > 0 else start
        total = weight_of(data, first, n_samples)
        if total == 0.0:  # a mean over nothing: no step, and no part in the epoch's loss
            run.position[2] += n_samples
            pass_batch(net, space, run, n_samples)
            continue
        divided = with_penalties_divided(rule, total)
        penalty = penalty_of(net.params, divided.l1, divided.l2, divided.n_weights)
        step = Step(True, divided, next_rate(rule, run.rates[epoch]), 1.0 / total)
        if run.dropout.address != NONE:
            n_seen, order = run.n_seen + epoch * run.n_samples, shift(view(samples.order), first)
            draw_samples(dropout, view(run.dropout.key), n_seen, order, n_samples)
        job = job_of(GRADIENT, first, n_samples, data.x)
        error = work(net, data, space, job, dropout, step)
        if not np.isfinite(error):  # then `work` has left the step to us
            take_step(net.params, space.grads, step)
        run.losses[epoch] += (run.share * error / total + penalty) * n_samples
        pass_batch(net, space, run, n_samples)


@kernel
def pass_batch(net, space, run, n_samples):
    """On to the next batch."""
    run.position[1] += n_samples
    if run.position[1] == run.n_samples:
        end_epoch(net, space, run)


@kernel
def end_epoch(net, space, run):
    """On to the next epoch; counts those without a lower loss, or without a higher score of the held-out samples."""
    epoch, best, tol = run.position[0], run.best[0], run.tol
    loss = run.losses[epoch] / max(1, run.n_samples - run.position[2])
    run.losses[epoch] = loss
    run.position[0], run.position[1], run.position[2] = epoch + 1, 0, 0
    if run.scorer.kind == NOTHING:
        is_worse, is_best = loss > best - tol, loss < best
        reached = loss
    else:
        reached = score_network(net, space, run.scorer)
        run.scores[epoch] = reached
        is_worse, is_best = reached < best + tol, reached > best
        if is_best:
            keep_params(net, run.best_params)
    run.best[1] = run.best[1] + 1.0 if is_worse else 0.0
    if is_best:  # not if it is NaN
        run.best[0] = reached


@kernel
def keep_params(net, kept):
    """Copy the parameters."""
    best = view(kept)
    for p in range(0, kept.size, lanes(best)):
        store(best, p, load(net.params, p))


@kernel
def weight_of(data, start, n_samples):
    """Sum of the weights of the samples from `start` on: their number if they have none."""
    if not data.has_weight:
        return np.float64(n_samples)
    total = 0.0
    for s in range(start, start + n_samples):
        total += number(data.weight, number(data.order, s) if data.n_ordered > 0 else s)
    return total


@kernel
def penalty_of(w, l1, l2, n_weights):
    """l2 / 2 sum w**2 + l1 sum |w|, of the weights."""
    squares, sizes = splat(w, 0.0), splat(w, 0.0)
    whole = n_weights - n_weights % lanes(w)
    for p in range(0, whole, lanes(w)):
        w_p = load(w, p)
        squares, sizes = squares + w_p * w_p, sizes + absolute(w_p)
    rest = load_first(w, whole, n_weights - whole)
    squares, sizes = squares + rest * rest, sizes + absolute(rest)
    return 0.5 * l2 * sum_lanes(squares) + l1 * sum_lanes(sizes)


class Penalized(NamedTuple):
    """How a sum of errors becomes the loss that is made small."""

    total: float  # of the samples' weights, by which everything is divided
    share: float  # as of `EstimatorRun`
    l1: float
    l2: float
    n_weights: int


@entry
def loss_and_gradient(packed, samples, memory, penalized, params, gradient):
    """Set the network's parameters, put the gradient of the loss into `gradient`, and return the loss."""
    net, data, space = net_of(packed), data_of(samples), space_of(memory)
    copy_row(view(params), net.params, params.size)
    job = job_of(GRADIENT, 0, len(samples.x), data.x)
    dropout = no_dropout(space.z, space.errors, data.order)
    error = work(net, data, space, job, dropout, no_step(space.grads, space.errors))
    return finish(net.params, space.grads, penalized, error, gradient)


@entry
def finish_gradient(packed, summed, penalized, error, gradient):
    """The same, where the sum of the samples' gradients and their error are there already."""
    return finish(view(packed.params), view(summed), penalized, error, gradient)


@kernel
def finish(w, summed, penalized, error, gradient):
    """gradient = (summed + l2 w + l1 sign(w)) / total; returns the loss, with the penalties."""
    l1, l2, total, n_weights = penalized.l1, penalized.l2, penalized.total, penalized.n_weights
    out, step = view(gradient), lanes(w)
    for p in range(0, gradient.size, step):
        count = min(step, gradient.size - p)
        g = load_first(summed, p, count)
        if p < n_weights:
            w_p = load_first(w, p, min(count, n_weights - p))
            g = g + (l2 * w_p + l1 * sign_of(w_p))
        store_first(out, p, g / total, count)
    return (penalized.share * error + penalty_of(w, l1, l2, penalized.n_weights)) / total
