"""Scores of held-out samples, by which scikit-learn's estimators stop early: its accuracy, and its R2."""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import no_step
from fastbp.kernels.many_samples.tile import no_dropout
from fastbp.kernels.registers.lanes import Numbers, number, view
from fastbp.kernels.tables import NONE, layer_of
from fastbp.kernels.training.chunks import Job, Samples, data_of, work

# How outputs are scored: not at all; 1 whatever they are; shares of samples with all outputs on the right side of
# 1/2, or with the largest in the right place; R2
NOTHING, ONE, THRESHOLD, LARGEST, R2 = range(5)


class Scorer(NamedTuple):
    """Held-out samples, and what their outputs are compared with."""

    kind: int
    samples: Samples
    outputs: np.ndarray  # (n_samples, n_outputs): work space
    deviation: np.ndarray  # (n_outputs,) float64: sum_n weight_n (t - mean t)**2, for R2


class Outcome(NamedTuple):
    """The outputs of a `Scorer` and their targets, as views."""

    y: Numbers
    t: Numbers
    weight: Numbers
    n_samples: int
    n_outputs: int
    has_weight: bool


@kernel
def score(scorer):
    """Score of the outputs that are there."""
    t, weight = scorer.samples.t, scorer.samples.weight
    outcome = Outcome(view(scorer.outputs), view(t), view(weight), t.shape[0], t.shape[1], weight.size > 0)
    if scorer.kind == R2:
        return r2(outcome, view(scorer.deviation))
    return 1.0 if scorer.kind == ONE else accuracy(outcome, scorer.kind)


@entry
def score_outputs(scorer):
    """The same, for Python."""
    return score(scorer)


@kernel
def score_network(net, space, scorer):
    """Compute the outputs, and score them."""
    data = data_of(scorer.samples)
    first_output = layer_of(net, net.n_layers - 1).first_unit
    job = Job(False, NONE, False, 0, len(scorer.samples.x), first_output, data.n_outputs, view(scorer.outputs))
    dropout = no_dropout(space.z, space.errors, data.order)
    work(net, data, space, job, dropout, no_step(space.grads, space.errors))
    return score(scorer)


@kernel
def weight_of_sample(outcome, s):
    """1 where samples have no weights."""
    return np.float64(number(outcome.weight, s)) if outcome.has_weight else 1.0


@kernel
def accuracy(outcome, kind):
    """Share of the samples that are classified rightly."""
    right, total = 0.0, 0.0
    for s in range(outcome.n_samples):
        weight, start = weight_of_sample(outcome, s), s * outcome.n_outputs
        total += weight
        if kind == LARGEST:
            is_right = largest(outcome.y, start, outcome.n_outputs) == largest(outcome.t, start, outcome.n_outputs)
        else:
            is_right = is_on_side(outcome.y, outcome.t, start, outcome.n_outputs)
        if is_right:
            right += weight
    return right / total


@kernel
def largest(x, start, n):
    """Place of the first of the largest of n numbers; a NaN counts as the largest, as in NumPy."""
    place, found = 0, number(x, start)
    for k in range(1, n):
        x_k = number(x, start + k)
        if x_k > found or (np.isnan(x_k) and not np.isnan(found)):
            place, found = k, x_k
    return place


@kernel
def is_on_side(y, t, start, n):
    """Whether n outputs are above 1/2 where their targets are."""
    n_right = 0
    for k in range(start, start + n):
        n_right += (number(y, k) > 0.5) == (number(t, k) > 0.5)
    return n_right == n


@kernel
def r2(outcome, deviation):
    """Mean over the outputs of 1 - sum_n weight_n (t - y)**2 / deviation; NaN if an output is not finite."""
    n_outputs, total = outcome.n_outputs, 0.0
    for k in range(n_outputs):
        error, spread = 0.0, number(deviation, k)
        for s in range(outcome.n_samples):
            y = number(outcome.y, s * n_outputs + k)
            if not np.isfinite(y):
                return np.nan
            difference = number(outcome.t, s * n_outputs + k) - y
            error += weight_of_sample(outcome, s) * np.float64(difference * difference)
        if spread > 0.0:
            total += 1.0 - error / spread
        elif error == 0.0:
            total += 1.0
    return total / n_outputs
