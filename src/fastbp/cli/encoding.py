"""Encoding: what turns the columns of a table into a network's inputs, and its outputs into predictions.

Everything here is learnt from the training rows, kept in the model file as plain JSON (`to_json`,
`from_json`), and applied unchanged at prediction.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.cli.tables import TableError, TableWarning, column_kind, is_integer, nearest_hint, require_values

Task = Literal["classification", "regression"]
Label = str | bool | int | float
Floats = NDArray[np.float64]

MOST_CLASSES_GUESSED = 20  # whole numbers with more distinct values are taken for quantities
MOST_CATEGORIES = 1000


def mean_and_scale(name: str, values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation; the deviation is exactly 0 when the values are one value."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(values.mean()), float(values.std())
    if not np.isfinite([mean, scale]).all():
        raise TableError(f"column {name!r} holds numbers too large to standardise")
    # The mean of equal numbers is rounded, so their deviation may come out as a few units in the last place.
    rounding = 8 * float(np.finfo(float).eps) * abs(mean)
    return mean, 0.0 if scale <= rounding or not np.isfinite(1 / scale) else scale


def as_numbers(series: pl.Series) -> Floats:
    """Return a column of numbers as float64, or say which row holds none."""
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return series.cast(pl.Float64).to_numpy()
    if series.dtype == pl.String:
        row = int(np.flatnonzero(series.cast(pl.Float64, strict=False).is_null().to_numpy())[0])
        raise TableError(f"column {series.name!r} held numbers in training; row {row + 1} has {series[row]!r}")
    raise TableError(f"column {series.name!r} held numbers in training, now {column_kind(series)}")


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardised: one input.

    Where all training values are one (`scale` 0), nothing can be learnt from the column: its input is 0 for
    whatever value.
    """

    kind: ClassVar[str] = "number"
    n_inputs: ClassVar[int] = 1
    name: str
    mean: float
    scale: float

    @classmethod
    def fit(cls, series: pl.Series) -> NumberColumn:
        """Learn mean and standard deviation."""
        return cls(series.name, *mean_and_scale(series.name, as_numbers(series)))

    def encode(self, series: pl.Series) -> Floats:
        """Return (n_rows, 1)."""
        values = as_numbers(series)
        if self.scale == 0:
            return np.zeros((len(values), 1))
        with np.errstate(over="ignore"):
            return ((values - self.mean) / self.scale)[:, np.newaxis]


@dataclass(frozen=True)
class BooleanColumn:
    """A column of booleans: one input, 0 or 1."""

    kind: ClassVar[str] = "boolean"
    n_inputs: ClassVar[int] = 1
    name: str

    @classmethod
    def fit(cls, series: pl.Series) -> BooleanColumn:
        """Learn nothing but the name."""
        return cls(series.name)

    def encode(self, series: pl.Series) -> Floats:
        """Return (n_rows, 1)."""
        values = as_numbers(series) if column_kind(series) in ("boolean", "number") else np.array([np.nan])
        if not np.isin(values, (0, 1)).all():
            raise TableError(f"column {self.name!r} held true and false in training, and holds others now")
        return values[:, np.newaxis]


@dataclass(frozen=True)
class CategoryColumn:
    """A column of text, one-hot: an input for each category of the training rows."""

    kind: ClassVar[str] = "text"
    name: str
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, series: pl.Series) -> CategoryColumn:
        """Learn the categories, in alphabetical order."""
        return cls(series.name, tuple(sorted(series.cast(pl.String).unique().to_list())))

    @property
    def n_inputs(self) -> int:
        """Number of categories."""
        return len(self.categories)

    def encode(self, series: pl.Series) -> Floats:
        """Return (n_rows, n_categories); zeros, and a TableWarning, for categories that are not known."""
        values = series.cast(pl.String).to_list()
        code_of = {category: code for code, category in enumerate(self.categories)}
        codes = np.array([code_of.get(value, -1) for value in values])
        known = np.flatnonzero(codes >= 0)
        one_hot = np.zeros((len(values), self.n_inputs))
        one_hot[known, codes[known]] = 1.0
        unseen = sorted(set(values) - set(code_of))
        if unseen:
            shown = ", ".join(map(repr, unseen[:3])) + (", ..." if len(unseen) > 3 else "")
            message = f"column {self.name!r}: not seen in training: {shown} (encoded as zeros)"
            warnings.warn(message, TableWarning, stacklevel=2)
        return one_hot


Column = NumberColumn | BooleanColumn | CategoryColumn
_COLUMNS: dict[str, type[Column]] = {c.kind: c for c in (NumberColumn, BooleanColumn, CategoryColumn)}


def check_categories(frame: pl.DataFrame) -> None:
    """Raise a TableError for a column of text with too many distinct values: an id, a name."""
    limit = min(MOST_CATEGORIES, max(10, frame.height // 5))
    for series in frame.iter_columns():
        n_distinct = series.n_unique() if column_kind(series) == "text" else 0
        if n_distinct > limit:
            odd = _odd_ones_out(series.cast(pl.String))
            raise TableError(
                f"column {series.name!r} is text with {n_distinct} distinct values in {frame.height} rows, "
                f"too many for categories (leave it out with --drop {series.name!r}){odd}"
            )


def _odd_ones_out(text: pl.Series) -> str:
    """Name the first value that keeps a column of numbers from being one."""
    not_numbers = text.cast(pl.Float64, strict=False).is_null()
    if 2 * int(not_numbers.sum()) >= len(text):
        return ""
    row = int(np.flatnonzero(not_numbers.to_numpy())[0])
    return f"; most are numbers, but row {row + 1} has {text[row]!r}"


@dataclass(frozen=True)
class Encoder:
    """The columns a network learnt from, in the order of its inputs."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, frame: pl.DataFrame) -> Encoder:
        """Learn from the training rows: every column of `frame`, all usable and without missing values."""
        return cls(tuple(_COLUMNS[column_kind(series)].fit(series) for series in frame.iter_columns()))

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return sum(column.n_inputs for column in self.columns)

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Return the inputs (n_rows, n_inputs), float32; columns of `frame` that are not needed are ignored.

        Raises
        ------
        TableError
            For a column that is not there, a missing value, or one of the wrong kind.
        """
        self._require(frame.columns)
        require_values(frame.select(column.name for column in self.columns))
        X = np.empty((frame.height, self.n_inputs), dtype=np.float32)
        start = 0
        for column in self.columns:
            with np.errstate(over="ignore"):
                X[:, start : start + column.n_inputs] = column.encode(frame[column.name])
            start += column.n_inputs
        self._require_finite(X, frame)
        return X

    def _require(self, names: Iterable[str]) -> None:
        missing = [column.name for column in self.columns if column.name not in set(names)]
        if missing:
            others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            hint = nearest_hint(missing[0], names)
            raise TableError(f"column {missing[0]!r} is missing, and the model needs it{others}{hint}")

    def _require_finite(self, X: NDArray[np.float32], frame: pl.DataFrame) -> None:
        """Values that are finite and yet, standardised, too large for float32."""
        if np.isfinite(X).all():
            return
        row, at = (int(k) for k in np.argwhere(~np.isfinite(X))[0])
        ends = np.cumsum([column.n_inputs for column in self.columns])
        name = self.columns[int(np.searchsorted(ends, at, side="right"))].name
        raise TableError(f"column {name!r} has {frame[name][row]!r} in row {row + 1}: too far from the training data")

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns as plain JSON."""
        return [{"kind": column.kind, **asdict(column)} for column in self.columns]

    @classmethod
    def from_json(cls, columns: list[dict[str, Any]]) -> Encoder:
        """Make an encoder of what `to_json` returned."""
        return cls(tuple(_column_from_json(**column) for column in columns))


def _column_from_json(kind: str, **fields: Any) -> Column:
    if "categories" in fields:
        fields["categories"] = tuple(fields["categories"])
    return _COLUMNS[kind](**fields)


@dataclass(frozen=True)
class ClassTarget:
    """A target of classes: one output for each; `majority` is the most frequent one's index."""

    task: ClassVar[Task] = "classification"
    output: ClassVar[str] = "softmax"
    loss: ClassVar[str] = "cross_entropy"
    name: str
    classes: tuple[Label, ...]
    majority: int

    @classmethod
    def fit(cls, series: pl.Series, rows: NDArray[np.int64]) -> ClassTarget:
        """Learn the classes, in order, from all rows, and the most frequent one from the training `rows`."""
        if column_kind(series) == "number" and is_integer(series):
            series = series.cast(pl.Int64)
        elif column_kind(series) == "text":
            series = series.cast(pl.String)
        labels = series.unique().sort().to_list()
        if len(labels) < 2:
            raise TableError(f"the target {series.name!r} has a single class, {labels[0]!r}: nothing to learn")
        if 2 * len(labels) > len(series):
            raise TableError(
                f"the target {series.name!r} has {len(labels)} distinct values in {len(series)} rows: "
                "too many for classes"
            )
        target = cls(series.name, tuple(labels), majority=0)
        return replace(target, majority=int(np.bincount(target.codes(series.gather(rows))).argmax()))

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def codes(self, series: pl.Series) -> NDArray[np.int64]:
        """Return the index of each row's class, -1 for one that is not known."""
        code_of = {label: code for code, label in enumerate(self.classes)}
        return np.array([code_of.get(label, -1) for label in series.to_list()], dtype=np.int64)

    def encode(self, series: pl.Series) -> NDArray[np.float32]:
        """Return one-hot targets (n_rows, n_classes)."""
        return np.eye(self.n_outputs, dtype=np.float32)[self.codes(series)]

    def decode(self, Y: NDArray[Any]) -> pl.DataFrame:
        """Return the most probable class of each row, and all probabilities."""
        probabilities = {f"probability_{label_text(c)}": Y[:, k] for k, c in enumerate(self.classes)}
        prediction = pl.Series("prediction", self.classes).gather(Y.argmax(axis=1))
        return pl.DataFrame([prediction, *(pl.Series(name, p) for name, p in probabilities.items())])

    def to_json(self) -> dict[str, Any]:
        """Return the target as plain JSON."""
        return {"task": self.task, **asdict(self)}


@dataclass(frozen=True)
class NumberTarget:
    """A target of numbers: one output, standardised."""

    task: ClassVar[Task] = "regression"
    output: ClassVar[str] = "identity"
    loss: ClassVar[str] = "squared_error"
    n_outputs: ClassVar[int] = 1
    name: str
    mean: float
    scale: float

    @classmethod
    def fit(cls, series: pl.Series, rows: NDArray[np.int64]) -> NumberTarget:
        """Learn mean and standard deviation from the training `rows`."""
        if column_kind(series) != "number":
            raise TableError(f"the target {series.name!r} is {column_kind(series)}: regression needs numbers")
        mean, scale = mean_and_scale(series.name, as_numbers(series.gather(rows)))
        if scale == 0:
            raise TableError(f"the target {series.name!r} is {mean:g} in every row: nothing to learn")
        return cls(series.name, mean, scale)

    def encode(self, series: pl.Series) -> NDArray[np.float32]:
        """Return standardised targets (n_rows, 1)."""
        return ((as_numbers(series) - self.mean) / self.scale).astype(np.float32)[:, np.newaxis]

    def decode(self, Y: NDArray[Any]) -> pl.DataFrame:
        """Return predictions in the target's own unit."""
        return pl.DataFrame({"prediction": Y[:, 0].astype(np.float64) * self.scale + self.mean})

    def to_json(self) -> dict[str, Any]:
        """Return the target as plain JSON."""
        return {"task": self.task, **asdict(self)}


Target = ClassTarget | NumberTarget


def target_from_json(task: str, **fields: Any) -> Target:
    """Make a target of what its `to_json` returned."""
    if task == "classification":
        return ClassTarget(**{**fields, "classes": tuple(fields["classes"])})
    return NumberTarget(**fields)


def label_text(label: Label) -> str:
    """Write a class as a CSV file writes it."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def guess_task(series: pl.Series) -> tuple[Task, str]:
    """Guess the task from the target column.

    Parameters
    ----------
    series : polars.Series
        The target, without missing values.

    Returns
    -------
    task : "classification" or "regression"
        Classification for text, booleans, and few distinct whole numbers.
    reason : str
        Why, in words: "text with 3 classes".
    """
    n_distinct = series.n_unique()
    kind = column_kind(series)
    if kind != "number":
        return "classification", f"{'true and false' if kind == 'boolean' else f'text, {n_distinct} classes'}"
    if not is_integer(series):
        return "regression", "numbers with fractions"
    few = n_distinct <= min(MOST_CLASSES_GUESSED, len(series) // 5)
    return ("classification" if few else "regression"), f"whole numbers, {n_distinct} distinct"
