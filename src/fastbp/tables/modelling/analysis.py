"""What an analyst asks next: how a linear model does on the same rows, and which columns matter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from fastbp.tables.modelling.scores import Score, Scored, rare_class
from fastbp.tables.preparing.targets import ClassTarget

Floats32 = NDArray[np.float32]
Rows = NDArray[np.int64]
OutputsOf = Callable[[NDArray[Any]], NDArray[Any]]

MOST_CELLS = 5_000_000  # of the training inputs, for the linear model
MOST_ROWS = 5_000  # held-out ones, in which columns are shuffled
MOST_COLUMNS = 300
MOST_IMPORTANT = 10
_SHUFFLES = 3


class Trained(Protocol):
    """What is analysed: a training on a table, once it is done."""

    split: Any  # .training, .test: rows
    options: Any  # .seed, .class_weight
    encoder: Any
    target: Any

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """What is answered for inputs."""
        ...

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
        """What some rows weigh in a score."""
        ...

    def scored(self, outputs: NDArray[Any], rows: NDArray[np.int64]) -> Scored:
        """The score of outputs for some rows."""
        ...


def linear_score(training: Trained) -> Score | None:
    """Train a linear model on the training rows, and score it on those held out; None for very large tables.

    It learns from the network's inputs and targets.
    """
    rows, test = training.split.training, training.split.test
    if len(rows) * training.encoder.n_inputs > MOST_CELLS:
        return None
    if isinstance(training.target, ClassTarget) and len(np.unique(training.codes[rows])) < 2:
        return None
    outputs_of = fit_estimator(training, linear_model(training), rows, np.float64)
    return training.scored(outputs_of(training.inputs(test)), test).score


def score_beside(training: Trained, found: Scored) -> Scored:
    """Return a score on the held-out rows with the rarest class, beside those of a linear model and of the baseline."""
    linear, target = linear_score(training), training.target
    others = {} if linear is None else {"linear": linear}
    if isinstance(target, ClassTarget) and found.confusion is not None:
        others["baseline"] = _baseline_of_classes(training, target)
    return scores_beside(training, found, others)


def scores_beside(training: Trained, found: Scored, others: dict[str, Score]) -> Scored:
    """Return a score with the rarest class, beside those of other models on the same rows."""
    target, score = training.target, found.score
    if isinstance(target, ClassTarget) and found.confusion is not None:
        balanced = training.options.class_weight is not None
        score = msgspec.structs.replace(score, rare=rare_class(target, found.confusion, balanced=balanced))
    return found._replace(score=score.beside(**others))


def _baseline_of_classes(training: Trained, target: ClassTarget) -> Score:
    """Score the classes' shares in training as the probabilities of every row."""
    rows, test = training.split.training, training.split.test
    shares = np.bincount(training.codes[rows], training.score_weights(rows), minlength=target.n_outputs)
    return training.scored(np.tile(shares / shares.sum(), (len(test), 1)), test).score


def linear_model(training: Trained) -> Any:
    """Return a linear model for a table: logistic regression for classes, ridge regression for numbers."""
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=200) if isinstance(training.target, ClassTarget) else Ridge()


def fit_estimator(training: Trained, model: Any, rows: Rows, dtype: Any = np.float32) -> OutputsOf:
    """Train an estimator of scikit-learn on some rows of a table, on the network's inputs and targets.

    Parameters
    ----------
    training : Trained
        The table, split and encoded.
    model : estimator
        A classifier with probabilities, or a regressor.
    rows : array of int
        The rows to train on.
    dtype : dtype
        Of inputs and targets.

    Returns
    -------
    function
        From inputs (n_rows, n_inputs) to outputs (n_rows, n_outputs), in the network's units and order of classes.
    """
    from sklearn.exceptions import ConvergenceWarning

    X, weights = training.inputs(rows).astype(dtype), training.weights_of(rows)
    given = {} if weights is None else {"sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if isinstance(training.target, ClassTarget):
            model.fit(X, training.codes[rows], **given)
        else:
            T = training.target.encode(training.numbers[rows]).astype(dtype)
            model.fit(X, T[:, 0] if T.shape[1] == 1 else T, **given)

    def outputs_of(X: NDArray[Any]) -> NDArray[Any]:
        X = X.astype(dtype)
        if not isinstance(training.target, ClassTarget):
            return np.asarray(model.predict(X)).reshape(len(X), -1)
        outputs = np.zeros((len(X), training.target.n_outputs))
        outputs[:, model.classes_] = model.predict_proba(X)
        return outputs

    return outputs_of


def importance(training: Trained) -> dict[str, float]:
    """Return how much of the score is lost when a column's held-out values are shuffled; of the ten strongest."""
    rows = training.split.test[:MOST_ROWS]
    columns = training.encoder.columns
    if len(rows) < 2 or len(columns) > MOST_COLUMNS:
        return {}
    X = training.inputs(rows)
    whole = training.scored(training.outputs(X), rows).score.value
    if whole is None:
        return {}
    rng = np.random.default_rng(training.options.seed)
    losses: dict[str, float] = {}
    start = 0
    for column in columns:
        end = start + len(column.inputs)
        scores = [
            training.scored(training.outputs(_shuffled(X, start, end, rng)), rows).score.value for _ in range(_SHUFFLES)
        ]
        losses[column.name] = whole - float(np.mean([score for score in scores if score is not None]))
        start = end
    strongest = sorted(losses, key=lambda name: -losses[name])[:MOST_IMPORTANT]
    return {name: losses[name] for name in strongest if np.isfinite(losses[name])}


def _shuffled(X: Floats32, start: int, end: int, rng: np.random.Generator) -> Floats32:
    mixed = X.copy()
    mixed[:, start:end] = X[rng.permutation(len(X)), start:end]
    return mixed
