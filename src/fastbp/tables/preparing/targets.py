"""Targets: classes and numbers as outputs of a network, and its outputs as predictions."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.tables.cells.errors import TableError, shown
from fastbp.tables.cells.kinds import LARGEST_EXACT, Understood, as_text, understand
from fastbp.tables.cells.notation import Notation, is_missing_mark
from fastbp.tables.cells.units import with_units
from fastbp.tables.preparing.base_column import require_finite
from fastbp.tables.preparing.columns import NumberColumn
from fastbp.tables.preparing.scaling import centre_and_scale

Task = Literal["classification", "regression"]
Label = str | bool | int | float

MOST_CLASSES_GUESSED = 20  # whole numbers with more distinct values are taken for quantities
_YEARS = (1500, 2200)
_YEAR_NAME = re.compile(r"(^|[\W_])(year|yr|jahr|ann[eé]e|año|anno)s?($|[\W_])", re.IGNORECASE)
NUMBER_LOSSES = ("squared_error", "absolute_error", "huber", "poisson")
CLASS_LOSSES = ("cross_entropy",)
_SKEWED = 2.0


def label_text(label: Label) -> str:
    """Write a class as a CSV file writes it."""
    return str(label).lower() if isinstance(label, bool) else str(label)


class ClassTarget(msgspec.Struct, frozen=True, tag_field="task", tag="classification", forbid_unknown_fields=True):
    """A target of classes: one output for each; `majority` is the most frequent one's index."""

    task: ClassVar[Task] = "classification"
    output: ClassVar[str] = "softmax"
    loss: ClassVar[str] = "cross_entropy"
    name: str
    classes: Annotated[tuple[Label, ...], Meta(min_length=2)]
    majority: Annotated[int, Meta(ge=0)]

    def __post_init__(self) -> None:
        kinds = {type(label) for label in self.classes}
        if len(kinds) > 1:
            raise ValueError("classes must be of one type")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes must differ")
        if self.majority >= len(self.classes):
            raise ValueError("majority must be the number of a class")
        if kinds == {float}:
            require_finite(
                **{"classes": sum(abs(float(label)) for label in self.classes if not isinstance(label, str))}
            )
        if kinds == {int} and max(abs(int(label)) for label in self.classes) >= LARGEST_EXACT:
            raise ValueError("classes must be below 2**53")

    @classmethod
    def fit(cls, column: Understood, rows: NDArray[np.int64]) -> ClassTarget:
        """Learn the classes, in order, from all rows, and the most frequent one from the training `rows`."""
        labels = _labels(column)
        if len(labels) < 2:
            raise TableError(
                f"the target {column.name!r} has a single class, {label_text(labels[0])!r}: nothing to learn"
            )
        n_rows = len(column.values)
        if 2 * len(labels) > n_rows >= 4:
            raise TableError(
                f"the target {column.name!r} has {len(labels)} distinct values in {n_rows} rows: too many for classes"
            )
        target = cls(column.name, tuple(labels), majority=0)
        codes = target.codes(target._source(column).gather(rows))
        return msgspec.structs.replace(target, majority=int(np.bincount(codes).argmax()))

    def _source(self, column: Understood) -> pl.Series:
        """Return the column's values as classes are told by: text for classes of text."""
        if isinstance(self.classes[0], str) and column.text is not None:
            return column.text
        return column.values

    def codes_of(self, column: Understood) -> NDArray[np.int64]:
        """Return the index of each row's class of the column that was learnt from."""
        return self.codes(self._source(column))

    @property
    def names(self) -> tuple[str, ...]:
        """The target column, as a tuple of one."""
        return (self.name,)

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def codes(self, series: pl.Series) -> NDArray[np.int64]:
        """Return the index of each row's class, -1 for one that is not known."""
        first = self.classes[0]
        if isinstance(first, str):
            values = as_text(series)
        elif isinstance(first, bool):
            values = understand(series).values
            values = values.cast(pl.Boolean) if values.dtype.is_numeric() else values
        else:
            values = understand(series).values
            values = values.cast(pl.Float64) if values.dtype.is_numeric() or values.dtype == pl.Boolean else None
        known = pl.Series(
            [float(c) if isinstance(c, (int, float)) and not isinstance(c, bool) else c for c in self.classes]
        )
        if values is None or values.dtype != known.dtype:
            return np.full(len(series), -1, dtype=np.int64)
        codes = pl.Series(range(len(known)), dtype=pl.Int64)
        return values.replace_strict(known, codes, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()

    def gaps(self, series: pl.Series) -> NDArray[np.bool_]:
        """Return for each row whether it has no class."""
        text = as_text(series)
        if text is None:
            return np.ones(len(series), dtype=bool)
        return (
            is_missing_mark(text, of_numbers=False)
            & ~text.is_in([label_text(c) for c in self.classes]).fill_null(False)
        ).to_numpy()

    def decode(self, Y: NDArray[Any]) -> pl.DataFrame:
        """Return the most probable class of each row, and all probabilities."""
        prediction = pl.Series("prediction", self.classes).gather(Y.argmax(axis=1))
        columns = {f"probability_{label_text(c)}": Y[:, k] for k, c in enumerate(self.classes)}
        return pl.DataFrame([prediction, *(pl.Series(name, values) for name, values in columns.items())])


def _labels(column: Understood) -> list[Label]:
    """Return the classes of a column, in order; by their text where a float does not tell them apart."""
    values = column.values.drop_nulls()
    if column.kind == "boolean":
        return list(values.unique().sort().to_list())
    if column.kind == "number":
        text = column.text.filter(column.values.is_not_null()) if column.text is not None else None
        largest = values.abs().max()
        exact = isinstance(largest, float) and largest < LARGEST_EXACT
        if column.whole and exact:
            return [int(value) for value in values.unique().sort().to_list()]
        if text is not None and text.n_unique() >= values.n_unique() and (not exact or _is_decimal(text)):
            order = pl.DataFrame({"text": text, "value": values}).unique().sort("value", "text")
            return list(order["text"].unique(maintain_order=True).to_list())
        return list(values.unique().sort().to_list())
    return list(values.unique().sort().to_list())


def _is_decimal(text: pl.Series) -> bool:
    """Whether the numbers are written with the same number of digits after the point, as prices are."""
    digits = text.str.extract(r"\.(\d+)$").str.len_chars()
    return digits.null_count() == 0 and digits.n_unique() == 1


class NumberTarget(msgspec.Struct, frozen=True, tag_field="task", tag="regression", forbid_unknown_fields=True):
    """Targets of numbers: an output for each, standardised; with `log`, their logarithms.

    Counts (loss "poisson") are learnt as they are, through an output that is never negative.
    """

    task: ClassVar[Task] = "regression"
    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    means: tuple[float, ...]  # of the targets themselves: the baseline
    centres: tuple[float, ...]
    scales: tuple[Annotated[float, Meta(gt=0)], ...]
    log: bool = False
    loss: Literal["squared_error", "absolute_error", "huber", "poisson"] = "squared_error"
    notations: tuple[Notation, ...] = ()

    def __post_init__(self) -> None:
        sizes = {len(self.names), len(self.means), len(self.centres), len(self.scales), len(self.notations)}
        if len(sizes) > 1 or len(set(self.names)) < len(self.names):
            raise ValueError("names, means, centres, scales and notations must have one length")
        numbers = (*self.means, *self.centres, *self.scales)
        require_finite(**{f"means, centres or scales [{k}]": number for k, number in enumerate(numbers)})
        if self.log and max((*self.centres, *self.scales), default=0.0) > 1e4:
            raise ValueError("centres and scales of logarithms must be below 10000")

    @classmethod
    def fit(
        cls, columns: list[Understood], rows: NDArray[np.int64], *, loss: str = "squared_error", log: bool = False
    ) -> NumberTarget:
        """Learn means and standard deviations from the training `rows`."""
        means, centres, scales = [], [], []
        for column in columns:
            values = _target_numbers(column).gather(rows).to_numpy()
            mean, scale = centre_and_scale(column.name, values)
            if scale == 0:
                raise TableError(_without_spread(column, mean))
            means.append(mean)
            centre, spread = centre_and_scale(column.name, np.log(values)) if log else (mean, scale)
            centres.append(0.0 if loss == "poisson" else centre)
            scales.append(max(mean, 1e-12) if loss == "poisson" else spread)
        notations = tuple(with_units(column.notation) for column in columns)
        names = tuple(column.name for column in columns)
        return cls(names, tuple(means), tuple(centres), tuple(scales), log, loss, notations)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """The targets, as one text."""
        return ", ".join(self.names)

    @property
    def output(self) -> str:
        """The network's output function."""
        return "exp" if self.loss == "poisson" else "identity"

    @property
    def n_outputs(self) -> int:
        """Number of targets."""
        return len(self.names)

    def read(self, series: pl.Series) -> pl.Series:
        """Return the numbers of a target column of any frame, null where there is none."""
        notation = self.notations[self.names.index(series.name)]
        return NumberColumn(series.name, False, 0.0, 0.0, 0.0, 0.0, 0.0, notation).read(series).values

    def encode(self, numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what the network learns, (n_rows, n_outputs), of the targets themselves."""
        values = np.log(numbers) if self.log else numbers
        encoded: NDArray[np.float32] = ((values - np.array(self.centres)) / np.array(self.scales)).astype(np.float32)
        return encoded

    def numbers(self, Y: NDArray[Any]) -> NDArray[np.float64]:
        """Return predictions in the targets' own units, (n_rows, n_outputs)."""
        with np.errstate(over="ignore"):
            values: NDArray[np.float64] = Y.astype(np.float64) * np.array(self.scales) + np.array(self.centres)
            return np.exp(np.minimum(values, 700.0)) if self.log else values

    def decode(self, Y: NDArray[Any]) -> pl.DataFrame:
        """Return predictions in the targets' own units."""
        numbers = self.numbers(Y)
        if len(self.names) == 1:
            return pl.DataFrame({"prediction": numbers[:, 0]})
        return pl.DataFrame({f"prediction_{name}": numbers[:, k] for k, name in enumerate(self.names)})


Target = ClassTarget | NumberTarget


def _without_spread(column: Understood, mean: float) -> str:
    """Say why a target has no deviation: it is one number, or its numbers are too near to each other."""
    given = (column.values if column.text is None else column.text).drop_nulls()
    if given.n_unique() < 2:
        return f"the target {column.name!r} is {mean:g} in every row: nothing to learn"
    one, other = given.unique(maintain_order=True).head(2)
    return (
        f"the target {column.name!r} has numbers that differ by less than floating-point numbers of their size "
        f"can tell, {shown(one)} and {shown(other)}: "
        "subtract what they have in common, or multiply them, before training"
    )


def _target_numbers(column: Understood) -> pl.Series:
    if column.kind not in ("number", "boolean"):
        what = {"text": "text", "date": "dates or times"}.get(column.kind, str(column.values.dtype))
        raise TableError(f"the target {column.name!r} is {what}: regression needs numbers")
    return column.values.cast(pl.Float64)


def refuse_wrong(wrong: NDArray[np.bool_], columns: list[Understood], rows: NDArray[np.int64], why: str) -> None:
    """Raise a TableError for the first of the targets that is `wrong`, by its column and its number in `rows`."""
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        name, number = columns[place].name, _target_numbers(columns[place])[int(row)]
        raise TableError(f"the target {name!r} has {number:g} in row {rows[row] + 1}: {why}")


def numbers_of(columns: list[Understood]) -> NDArray[np.float64]:
    """Return the numbers of target columns, (n_rows, n_targets)."""
    return np.column_stack([_target_numbers(column).to_numpy() for column in columns])


def guess_task(column: Understood) -> tuple[Task, str]:
    """Guess the task from the target column.

    Parameters
    ----------
    column : Understood
        The target; missing values do not count.

    Returns
    -------
    task : "classification" or "regression"
        Classification for text, booleans, and few distinct whole numbers.
    reason : str
        Why, in words: "text with 3 classes".
    """
    given = column.values.drop_nulls()
    n_distinct = column.n_distinct if column.kind == "number" and column.gaps == 0 else given.n_unique()
    if column.kind == "date":
        raise TableError(f"the target {column.name!r} holds dates or times: classes or numbers are needed")
    if column.kind == "other":
        raise TableError(
            f"the target {column.name!r} holds values of type {given.dtype}: classes or numbers are needed"
        )
    if column.kind == "boolean":
        return "classification", "true and false"
    if column.kind == "text":
        return "classification", f"text, {n_distinct} classes"
    if not column.whole:
        return "regression", "numbers with fractions"
    if _are_years(column, n_distinct):
        return "regression", f"years, {n_distinct} distinct"
    few = n_distinct <= min(MOST_CLASSES_GUESSED, max(2, len(given) // 5))
    return ("classification" if few else "regression"), f"whole numbers, {n_distinct} distinct"


def _are_years(column: Understood, n_distinct: int) -> bool:
    """Whether a column is called one of years, and has more than two of them: a quantity, however few there are."""
    low, high = column.values.min(), column.values.max()
    in_range = isinstance(low, float) and isinstance(high, float) and _YEARS[0] <= low <= high <= _YEARS[1]
    return n_distinct > 2 and in_range and _YEAR_NAME.search(column.name) is not None


def is_skewed(numbers: NDArray[np.float64]) -> bool:
    """Whether positive numbers spread over magnitudes, so that their logarithms may be learnt better."""
    if numbers.shape[1] != 1 or numbers.min() <= 0 or len(numbers) < 100:
        return False
    values = numbers[:, 0]
    deviation = values.std()
    return bool(deviation > 0 and ((values - values.mean()) ** 3).mean() / deviation**3 > _SKEWED)
