"""What an analyst asks next: how a linear model does on the same rows, and which columns matter."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastbp.tables.scores import Weights, score_classes, score_numbers
from fastbp.tables.targets import ClassTarget

Floats32 = NDArray[np.float32]

MOST_CELLS = 5_000_000  # of the training inputs, for the linear model
MOST_ROWS = 5_000  # held-out ones, in which columns are shuffled
MOST_COLUMNS = 300
MOST_IMPORTANT = 10
_SHUFFLES = 3


class Trained(Protocol):
    """What is analysed: a training on a table, once it is done."""

    split: Any  # .training, .test: rows
    options: Any  # .seed
    encoder: Any
    target: Any
    net: Any

    @property
    def codes(self) -> NDArray[np.int64]:
        """The classes by row."""
        ...

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The targets of a regression by row."""
        ...

    def inputs(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The encoded inputs of some rows."""
        ...

    def weights_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """The weights of some rows in the training."""
        ...

    def score_weights(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """The weights of some rows in a score."""
        ...


def linear_score(training: Trained) -> float | None:
    """Train a linear model on the training rows, and score it on those held out; None for very large tables.

    Logistic regression for classes, ridge regression for numbers, on the network's inputs and targets.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    rows, test = training.split.training, training.split.test
    if len(rows) * training.encoder.n_inputs > MOST_CELLS:
        return None
    X, X_test = training.inputs(rows).astype(np.float64), training.inputs(test).astype(np.float64)
    weights = training.weights_of(rows)
    if isinstance(training.target, ClassTarget):
        codes = training.codes[rows]
        if len(np.unique(codes)) < 2:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model: Any = LogisticRegression(max_iter=200).fit(X, codes, sample_weight=weights)
        outputs = np.zeros((len(test), training.target.n_outputs))
        outputs[:, model.classes_] = model.predict_proba(X_test)
    else:
        T = training.target.encode(training.numbers[rows]).astype(np.float64)
        outputs = Ridge(alpha=1.0).fit(X, T, sample_weight=weights).predict(X_test).reshape(len(test), -1)
    return _value(training, outputs, test, training.score_weights(test))


def _value(training: Trained, outputs: NDArray[Any], rows: NDArray[np.int64], weights: Weights) -> float | None:
    if isinstance(training.target, ClassTarget):
        return score_classes(training.target, outputs, training.codes[rows], weights).score.value
    return score_numbers(training.target, training.target.numbers(outputs), training.numbers[rows], weights).score.value


def importance(training: Trained) -> dict[str, float]:
    """Return how much of the score is lost when a column's held-out values are shuffled; of the ten strongest."""
    rows = training.split.test[:MOST_ROWS]
    columns = training.encoder.columns
    if len(rows) < 2 or len(columns) > MOST_COLUMNS:
        return {}
    X, weights = training.inputs(rows), training.score_weights(rows)
    whole = _value(training, training.net.forward(X), rows, weights)
    if whole is None:
        return {}
    rng = np.random.default_rng(training.options.seed)
    losses: dict[str, float] = {}
    start = 0
    for column in columns:
        end = start + len(column.inputs)
        scores = [
            _value(training, training.net.forward(_shuffled(X, start, end, rng)), rows, weights)
            for _ in range(_SHUFFLES)
        ]
        losses[column.name] = whole - float(np.mean([score for score in scores if score is not None]))
        start = end
    strongest = sorted(losses, key=lambda name: -losses[name])[:MOST_IMPORTANT]
    return {name: losses[name] for name in strongest if np.isfinite(losses[name])}


def _shuffled(X: Floats32, start: int, end: int, rng: np.random.Generator) -> Floats32:
    mixed = X.copy()
    mixed[:, start:end] = X[rng.permutation(len(X)), start:end]
    return mixed
