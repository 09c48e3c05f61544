"""A table of numbers as networks learn it: standardised columns, standardised numbers or one-hot classes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.scaling import is_rounding

FLOAT32 = np.dtype(np.float32)
NO_SPREAD = 1e-12  # of standardised numbers: the sum of their squares, but for rounding
KINDS = "biuUSO"  # of dtypes that hold classes


class Learnt(Protocol):
    """What networks are made for: their output function, their loss, and how many outputs they have."""

    @property
    def output(self) -> str: ...  # noqa: D102

    @property
    def loss(self) -> str: ...  # noqa: D102

    @property
    def n_outputs(self) -> int: ...  # noqa: D102


class Problem(Learnt, Protocol):
    """What settings are chosen for.

    Attributes
    ----------
    x, t : arrays of float32
        Inputs (n_rows, n_inputs) and targets (n_rows, n_outputs), as the networks take them.
    weights : array (n_rows,) or None
    strata : array of int, (n_rows,)
        The class of each row, or zeros.
    """

    @property
    def x(self) -> Array: ...  # noqa: D102

    @property
    def t(self) -> Array: ...  # noqa: D102

    @property
    def weights(self) -> Array | None: ...  # noqa: D102

    @property
    def strata(self) -> Array: ...  # noqa: D102

    def samples(self, rows: Array) -> tuple[Array, Array, Array | None]:
        """Inputs, targets and weights of some rows."""
        ...

    def score(self, outputs: Array, rows: Array) -> float:
        """How good outputs for some rows are: the more, the better."""
        ...


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt, and how outputs become predictions.

    Attributes
    ----------
    x, t : arrays of float32
        Inputs (n_rows, n_inputs) and targets (n_rows, n_outputs), as the networks take them.
    strata : array of int, (n_rows,)
        The class of each row, or zeros.
    classes : array or None
        In the order of the outputs.
    means, scales : arrays
        Of the columns of X, then of those of y.
    shape : tuple of int
        Of y behind the rows.
    """

    x: Array
    t: Array
    strata: Array
    classes: Array | None
    means: tuple[Array, Array]
    scales: tuple[Array, Array]
    shape: tuple[int, ...]

    @property
    def weights(self) -> None:
        """All rows count alike."""

    def samples(self, rows: Array) -> tuple[Array, Array, None]:
        """Inputs and targets of some rows."""
        return self.x[rows], self.t[rows], None

    @property
    def is_classes(self) -> bool:
        """Whether classes are learnt, or else numbers."""
        return self.classes is not None

    @property
    def output(self) -> str:
        """The output function."""
        return "softmax" if self.is_classes else "identity"

    @property
    def loss(self) -> str:
        """The loss."""
        return "cross_entropy" if self.is_classes else "squared_error"

    @property
    def n_outputs(self) -> int:
        """Classes, or numbers."""
        return len(self.t[0])

    def inputs(self, X: Array) -> Array:
        """New samples as the networks take them."""
        x = checks.matrix(X, "X", len(self.means[0]), np.dtype(np.float64), "inputs")
        return _standardised(x, self.means[0], self.scales[0])

    def decoded(self, outputs: Array) -> Array:
        """Predictions of the shape of y."""
        if self.classes is not None:
            return np.asarray(self.classes[outputs.argmax(axis=1)])
        numbers = outputs.astype(np.float64) * self.scales[1] + self.means[1]
        return numbers.reshape(len(outputs), *self.shape)

    def spread(self, outputs: Array, deviations: Array) -> Array:
        """The networks' spread beside predictions."""
        if self.is_classes:
            return np.take_along_axis(deviations, outputs.argmax(axis=1)[:, None], axis=1)[:, 0]
        return (deviations.astype(np.float64) * self.scales[1]).reshape(len(outputs), *self.shape)

    def score(self, outputs: Array, rows: Array) -> float:
        """R2, the mean over the columns, or the share of right classes; NaN where outputs are not finite."""
        return score_of(outputs, self.t[rows], self.strata[rows] if self.is_classes else None)


def score_of(outputs: Array, t: Array, classes: Array | None) -> float:
    """The share of right classes, or else R2, the mean over the columns; NaN where outputs are not finite.

    A column that is the same in all rows counts 0, as in scikit-learn: there is nothing to explain.
    """
    if not np.isfinite(outputs).all():
        return float("nan")
    if classes is not None:
        return float((outputs.argmax(axis=1) == classes).mean())
    wanted = t.astype(np.float64)
    rest, whole = ((wanted - outputs) ** 2).sum(axis=0), ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    varies = whole > NO_SPREAD
    return float(np.where(varies, 1 - rest / np.where(varies, whole, 1.0), 0.0).mean())


def task_of(X: Array, y: Array, fewest_rows: int) -> Task:
    """What a user's arrays ask for.

    Raises
    ------
    ValueError, TypeError
        For arrays that are no table, of too few rows, or of a single class.
    """
    raw = checks.numeric(X, "X")
    n_columns = raw.shape[1] if raw.ndim == 2 else 1
    x = checks.matrix(raw, "X", n_columns, np.dtype(np.float64), "columns")
    if len(x) < fewest_rows:
        raise ValueError(f"X must have at least {fewest_rows} samples to be cut into folds; got {len(x)}")
    means, scales = _moments(x, "X")
    scales = np.where(scales > 0, scales, 1.0)
    given = np.asarray(y)
    if len(given.shape) == 0 or len(given) != len(x):
        raise ValueError(f"y must have a row for each sample, {len(x)}; got shape {given.shape}")
    if given.dtype.kind == "f":
        numbers = checks.matrix(y, "y", given.shape[1] if given.ndim == 2 else 1, np.dtype(np.float64), "columns")
        y_means, y_scales = _moments(numbers, "y")
        if not y_scales.all():
            k = int(np.argmin(y_scales))
            raise ValueError(f"y must have numbers that differ; those of column {k} are all {numbers[0, k]:g}")
        targets, strata, classes = _standardised(numbers, y_means, y_scales), np.zeros(len(x), np.int64), None
    else:
        classes, strata = _classes_of(given)
        targets, y_means, y_scales = np.eye(len(classes), dtype=FLOAT32)[strata], means[:0], scales[:0]
    standardised = _standardised(x, means, scales)
    return Task(standardised, targets, strata, classes, (means, y_means), (scales, y_scales), given.shape[1:])


def _classes_of(given: Array) -> tuple[Array, Array]:
    """(classes, the number of each row's), of what is no floating-point numbers."""
    if given.ndim != 1:
        raise ValueError(f"y must have shape (n_samples,) for classes; got shape {given.shape}")
    if given.dtype.kind not in KINDS or (given.dtype.kind == "O" and any(isinstance(one, float) for one in given)):
        raise TypeError(
            f"y must hold classes (texts, integers, truth values), or numbers of a floating-point dtype: "
            f"y.astype(float); got {checks.described(given)}"
        )
    try:
        classes, strata = np.unique(given, return_inverse=True)
    except TypeError as error:
        raise TypeError(f"y must hold classes of one type, that can be sorted: {error}") from None
    if len(classes) < 2:
        raise ValueError(f"y must have at least two classes; all are {classes[0]!r}")
    if 2 * len(classes) > len(given):
        raise ValueError(
            f"y must have fewer classes: {len(classes)} in {len(given)} samples cannot be learnt. Numbers to predict "
            "must be of a floating-point dtype: y.astype(float)"
        )
    return classes, strata


def _moments(values: Array, name: str) -> tuple[Array, Array]:
    """(means, standard deviations) of the columns, exactly 0 where all numbers are the same but for rounding."""
    with np.errstate(over="ignore", invalid="ignore"):
        means, scales = values.mean(axis=0), values.std(axis=0)
    if not (np.isfinite(means) & np.isfinite(scales)).all():
        raise ValueError(f"{name} holds numbers too large to standardise: divide them by a power of ten")
    # a mean of many equal numbers is rounded more often than is_rounding allows for: their range is not
    least = np.minimum(scales, np.ptp(values, axis=0))
    same = [is_rounding(*one) for one in zip(least.tolist(), means.tolist(), strict=True)]
    return means, np.where(same, 0.0, scales)


def _standardised(values: Array, means: Array, scales: Array) -> Array:
    return np.ascontiguousarray((values - means) / scales, FLOAT32)
