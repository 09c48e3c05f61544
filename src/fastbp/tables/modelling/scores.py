"""How good predictions are, beside a baseline and a linear model on the same rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.tables.preparing.targets import ClassTarget, NumberTarget, label_text

Weights = NDArray[np.float64] | None
Numbers = NDArray[np.float64]
MOST_GROUPS, FEWEST_IN_GROUP = 10, 20
RARE = 4.0  # times as many rows has the most frequent class


class Measures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one model reaches: `value` is accuracy or R2, the others are named as in `Score`."""

    value: float | None = None
    log_loss: float | None = None
    auc: float | None = None
    rmse: float | None = None
    mae: float | None = None


class RareClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The class with the fewest held-out rows, and how many of them are found.

    `balanced`: whether all classes had the same weight in training.
    """

    name: str
    n_rows: Annotated[int, Meta(ge=1)]
    n_found: Annotated[int, Meta(ge=0)]
    balanced: bool


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How good predictions are, beside the baseline: always the most frequent class, or the training mean.

    `value`, `baseline` and `linear` (a linear model trained on the same rows) are in `metric`: "accuracy", or "r2"
    (None where the truth is constant; the mean of several targets). Classes have `log_loss`, `auc` (of two
    classes, or the mean of one class against the rest), `confidence` (mean probability of the predicted class) and
    `calibration_error` (see `calibration_of`), numbers `rmse` and `mae` in the target's unit.

    `models` has the measures of "linear" and "baseline", whose probabilities are the classes' shares in training.
    `targets`, where there are several, has those of "fastbp", "linear" and "baseline" for each by its name: each has
    a unit of its own, `rmse` and `mae` above mix them. `rare` is there where one class has few rows.
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
    models: dict[str, Measures] = {}
    targets: dict[str, dict[str, Measures]] = {}
    rare: RareClass | None = None

    def __post_init__(self) -> None:
        needed = ("value", "baseline") if self.metric == "accuracy" else ("rmse", "baseline_rmse")
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must be there for the metric {self.metric!r}")

    @property
    def measures(self) -> Measures:
        """Those of the model that was scored."""
        return Measures(self.value, self.log_loss, self.auc, self.rmse, self.mae)

    def beside(self, **others: Score) -> Score:
        """Return this score with those of other models on the same rows, by their names."""
        models = self.models | {name: other.measures for name, other in others.items()}
        targets = {
            target: found | {name: other.targets[target]["fastbp"] for name, other in others.items()}
            for target, found in self.targets.items()
        }
        linear = others["linear"].value if "linear" in others else self.linear
        return msgspec.structs.replace(self, models=models, targets=targets, linear=linear)


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


def rare_class(target: ClassTarget, confusion: NDArray[np.int64], *, balanced: bool) -> RareClass | None:
    """Return the class with the fewest rows, if there are few beside those of the most frequent one."""
    rows = confusion.sum(axis=1)
    there = np.flatnonzero(rows)
    if len(there) < 2:
        return None
    rarest = there[rows[there].argmin()]
    if rows.max() < RARE * rows[rarest]:
        return None
    return RareClass(label_text(target.classes[rarest]), int(rows[rarest]), int(confusion[rarest, rarest]), balanced)


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


def _of_numbers(target: NumberTarget, predicted: Numbers, true: Numbers, weights: Weights) -> Score:
    def mean(values: Numbers) -> Numbers:
        return np.average(values, axis=0, weights=weights)

    def errors(guess: Numbers) -> Errors:
        return Errors(mean((true - guess) ** 2), mean(np.abs(true - guess)))

    variance = mean((true - mean(true)) ** 2)
    return _score_of(target, len(true), variance, errors(predicted), errors(np.array(target.means)))


class Errors(NamedTuple):
    """Mean squared and absolute errors, of each target."""

    squared: Numbers
    absolute: Numbers

    def measures(self, variance: Numbers) -> Measures:
        """R2 averaged over the targets, and errors over all of them."""
        r2 = float(np.mean(1.0 - self.squared / variance)) if (variance > 0).all() else None
        return Measures(r2, rmse=float(np.sqrt(self.squared.mean())), mae=float(self.absolute.mean()))

    def of_target(self, k: int) -> Errors:
        """Those of one target."""
        return Errors(self.squared[k : k + 1], self.absolute[k : k + 1])


def _score_of(target: NumberTarget, n_rows: int, variance: Numbers, model: Errors, baseline: Errors) -> Score:
    """Put a score together from the errors of a model and of the baseline."""
    found, usual = model.measures(variance), baseline.measures(variance)
    targets = {
        name: {
            of: errors.of_target(k).measures(variance[k : k + 1])
            for of, errors in (("fastbp", model), ("baseline", baseline))
        }
        for k, name in enumerate(target.names)
    }
    return Score(
        "r2", n_rows, found.value, usual.value, rmse=found.rmse, baseline_rmse=usual.rmse, mae=found.mae,
        models={"baseline": usual}, targets=targets if len(targets) > 1 else {},
    )  # fmt: skip


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
        self._errors, self._baseline_errors, self._absolute, self._baseline_absolute = np.zeros((4, n_sums))
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
        baseline_error = true - np.array(target.means)
        self._baseline_errors += (baseline_error**2).sum(axis=0)
        self._baseline_absolute += np.abs(baseline_error).sum(axis=0)
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
        model, usual = Errors(errors, self._absolute / n), Errors(baseline, self._baseline_absolute / n)
        return _score_of(self.target, n, self._squares / n, model, usual)
