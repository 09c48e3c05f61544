"""The score of a training on pieces: on rows that are read once more, beside a linear model and the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import Array
from fastbp.tables.cells.errors import counted
from fastbp.tables.modelling.analysis import MOST_CELLS, Trained, fit_estimator, linear_model, scores_beside
from fastbp.tables.modelling.scores import Scored, score_classes, score_numbers
from fastbp.tables.preparing.targets import ClassTarget


class Streamed(Trained, Protocol):
    """A training on pieces, with a sample of the rows in memory."""

    notes: list[str]

    def class_counts(self) -> Array:
        """The training rows of each class."""
        ...


class Encoding(Protocol):
    """What makes inputs of rows that are read."""

    @property
    def weight(self) -> str | None:
        """The column of weights."""
        ...

    def inputs(self, taken: Any) -> Array:
        """The network's inputs."""
        ...


def score_of(training: Streamed, reader: Encoding, held_out: Iterable[Any]) -> Scored | None:
    """Score the network on the rows held out; None if there are none.

    Parameters
    ----------
    training : Streamed
    reader : Encoding
    held_out : iterable of Taken
        The rows, piece by piece.
    """
    models: dict[str, Callable[[Array], Array]] = {"": training.outputs}
    if (linear := _linear(training)) is not None:
        models["linear"] = linear
    outputs: dict[str, list[Array]] = {name: [] for name in models}
    true, weights = [], []
    for taken in held_out:
        X = reader.inputs(taken)
        for name, answers in models.items():
            outputs[name].append(answers(X))
        true.append(taken.true)
        weights.append(np.ones(len(taken.true)) if taken.weights is None else taken.weights)
    if not true:
        return None
    truth, weight = np.concatenate(true), np.concatenate(weights)
    given = weight if reader.weight is not None and weight.any() else None
    found = {name: _scored(training.target, np.concatenate(parts), truth, given) for name, parts in outputs.items()}
    others = {"linear": found["linear"].score} if "linear" in found else {}
    if isinstance(training.target, ClassTarget):
        counts = training.class_counts()
        shares = np.tile(counts / counts.sum(), (len(truth), 1))
        others["baseline"] = score_classes(training.target, shares, truth, given).score
    return scores_beside(training, found[""], others)


def _scored(target: Any, outputs: Array, true: NDArray[Any], weights: Array | None) -> Scored:
    if isinstance(target, ClassTarget):
        return score_classes(target, outputs, true, weights)
    return score_numbers(target, target.numbers(outputs), true, weights)


def _linear(training: Streamed) -> Callable[[Array], Array] | None:
    """A linear model of the sample's training rows, so many as the cells allow: it has few numbers to learn."""
    rows = training.split.training[: MOST_CELLS // max(1, training.encoder.n_inputs)]
    if len(rows) < 2 or (isinstance(training.target, ClassTarget) and len(np.unique(training.codes[rows])) < 2):
        return None
    training.notes.append(f"the linear model has learnt from {counted(len(rows), 'row')} of the sample")
    return fit_estimator(training, linear_model(training), rows, np.float64)
