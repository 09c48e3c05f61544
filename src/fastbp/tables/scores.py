"""How good predictions are, beside a baseline and a linear model on the same rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.tables.targets import ClassTarget, NumberTarget

Weights = NDArray[np.float64] | None
MOST_GROUPS, FEWEST_IN_GROUP = 10, 20


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How good predictions are, beside the baseline: always the most frequent class, or the training mean.

    `value`, `baseline` and `linear` (a linear model trained on the same rows) are in `metric`: "accuracy", or "r2"
    (None where the truth is constant; the mean of several targets). Classes have `log_loss`, `auc` (of two
    classes, or the mean of one class against the rest), `confidence` (mean probability of the predicted class) and
    `calibration_error` (see `calibration_of`), numbers `rmse` and `mae` in the target's unit.
    """

    metric: Literal["accuracy", "r2"]
    n_rows: Annotated[int, Meta(ge=0)]
    value: float | None
    baseline: float | None
    linear: float | None = None
    log_loss: float | None = None
    auc: float | None = None
    confidence: float | None = None
    calibration_error: float | None = None
    rmse: float | None = None
    baseline_rmse: float | None = None
    mae: float | None = None

    def __post_init__(self) -> None:
        needed = ("value", "baseline") if self.metric == "accuracy" else ("rmse", "baseline_rmse")
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must be there for the metric {self.metric!r}")


class Scored(NamedTuple):
    """A score, and for classes what is behind it.

    `confusion`: rows the true classes, columns the predicted ones. `calibration`: see `calibration_of`.
    """

    score: Score
    confusion: NDArray[np.int64] | None = None
    calibration: NDArray[np.float64] | None = None


def score_classes(target: ClassTarget, Y: NDArray[Any], true: NDArray[np.int64], weights: Weights = None) -> Scored:
    """Score probabilities (n_rows, n_classes) against the numbers of the true classes, -1 for one not known."""
    n, predicted = target.n_outputs, Y.argmax(axis=1)
    known = true >= 0  # a class that training never saw is an error, but has no row in the table
    confusion = np.bincount(true[known] * n + predicted[known], minlength=n * n).reshape(n, n)
    accuracy = float(np.average(predicted == true, weights=weights))
    baseline = float(np.average(true == target.majority, weights=weights))
    of_known = None if weights is None else weights[known]
    log_loss, auc = _of_probabilities(Y[known], true[known], of_known)
    sure = Y.max(axis=1).astype(np.float64)
    groups = calibration_of(sure, predicted == true)
    score = Score(
        "accuracy", len(true), accuracy, baseline, log_loss=log_loss, auc=auc, confidence=float(sure.mean()),
        calibration_error=float(np.average(np.abs(groups[:, 0] - groups[:, 1]), weights=groups[:, 2])),
    )  # fmt: skip
    return Scored(score, confusion, groups)


def calibration_of(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compare how sure predictions are with how often they are right.

    Parameters
    ----------
    probability : array (n_rows,)
        That of the predicted class.
    right : array of bool (n_rows,)
        Whether it is the true one.

    Returns
    -------
    array (n_groups, 3)
        Mean probability, share of right predictions and number of rows, of up to ten groups of rows of one size,
        ordered by their probability.
    """
    n_groups = min(MOST_GROUPS, max(1, len(right) // FEWEST_IN_GROUP))
    groups = np.array_split(np.argsort(probability, kind="stable"), n_groups)
    return np.array([[probability[rows].mean(), right[rows].mean(), len(rows)] for rows in groups])


def _of_probabilities(Y: NDArray[Any], true: NDArray[np.int64], weights: Weights) -> tuple[float | None, float | None]:
    """Return the log loss, and the area under the ROC curve, of each class against the rest where there are more."""
    from sklearn.metrics import roc_auc_score

    if len(true) == 0 or (weights is not None and weights.sum() == 0):
        return None, None
    chosen = np.clip(Y[np.arange(len(true)), true].astype(np.float64), 1e-15, 1.0)
    loss = float(np.average(-np.log(chosen), weights=weights))
    there = [k for k in np.unique(true) if (true == k).sum() < len(true)]
    columns = [1] if Y.shape[1] == 2 and there else there
    areas = [roc_auc_score(true == k, Y[:, k], sample_weight=weights) for k in columns]
    return loss, float(np.mean(areas)) if areas and np.isfinite(areas).all() else None


def score_numbers(
    target: NumberTarget, predicted: NDArray[np.float64], true: NDArray[np.float64], weights: Weights = None
) -> Scored:
    """Score predictions (n_rows, n_targets) against the true numbers."""
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite error says what it says
        return Scored(_of_numbers(target, predicted, true, weights))


def _of_numbers(
    target: NumberTarget, predicted: NDArray[np.float64], true: NDArray[np.float64], weights: Weights
) -> Score:
    means = np.array(target.means)
    centre = np.average(true, axis=0, weights=weights)
    variance = np.average((true - centre) ** 2, axis=0, weights=weights)
    error, baseline_error = (np.average((true - guess) ** 2, axis=0, weights=weights) for guess in (predicted, means))

    def r2(squared_error: NDArray[Any]) -> float | None:
        return float(np.mean(1.0 - squared_error / variance)) if (variance > 0).all() else None

    rmse, baseline_rmse = (float(np.sqrt(e.mean())) for e in (error, baseline_error))
    mae = float(np.average(np.abs(true - predicted), axis=0, weights=weights).mean())
    return Score("r2", len(true), r2(error), r2(baseline_error), rmse=rmse, baseline_rmse=baseline_rmse, mae=mae)


class RunningScore:
    """The score of predictions that come in parts; it keeps sums, not rows.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
        What was predicted.
    """

    target: ClassTarget | NumberTarget
    n_rows: int

    def __init__(self, target: ClassTarget | NumberTarget) -> None:
        self.target, self.n_rows = target, 0
        n_sums = 1 if isinstance(target, ClassTarget) else len(target.names)
        self._errors, self._baseline_errors, self._absolute = np.zeros((3, n_sums))
        self._means, self._squares = np.zeros((2, n_sums))

    def add(self, outputs: NDArray[Any], true: NDArray[Any]) -> None:
        """Add rows: a network's outputs, and numbers of classes (-1 for one not known) or (n_rows, n_targets)."""
        if len(true) == 0:
            return
        if isinstance(self.target, ClassTarget):
            self._errors += np.count_nonzero(outputs.argmax(axis=1) != true)
            self._baseline_errors += np.count_nonzero(true != self.target.majority)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                self._add_numbers(self.target, outputs, true)
        self.n_rows += len(true)

    def _add_numbers(self, target: NumberTarget, outputs: NDArray[Any], true: NDArray[np.float64]) -> None:
        error = true - target.numbers(outputs)
        self._errors += (error**2).sum(axis=0)
        self._absolute += np.abs(error).sum(axis=0)
        self._baseline_errors += ((true - np.array(target.means)) ** 2).sum(axis=0)
        means, n = true.mean(axis=0), self.n_rows + len(true)
        shift = means - self._means
        self._squares += ((true - means) ** 2).sum(axis=0) + shift**2 * self.n_rows * len(true) / n
        self._means += shift * len(true) / n

    @property
    def score(self) -> Score:
        """The score of all rows so far, of which there must be one."""
        n = self.n_rows
        errors, baseline = self._errors / n, self._baseline_errors / n
        if isinstance(self.target, ClassTarget):
            return Score("accuracy", n, 1.0 - float(errors[0]), 1.0 - float(baseline[0]))
        variance = self._squares / n
        r2, baseline_r2 = (
            float(np.mean(1.0 - squared / variance)) if (variance > 0).all() else None for squared in (errors, baseline)
        )
        rmse, baseline_rmse = (float(np.sqrt(squared.mean())) for squared in (errors, baseline))
        mae = float((self._absolute / n).mean())
        return Score("r2", n, r2, baseline_r2, rmse=rmse, baseline_rmse=baseline_rmse, mae=mae)
