"""The raw columns of a table and what a network of `fastbp train` makes of them, from the JSON in its model file."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array


@dataclass(frozen=True)
class Column:
    """A column: "number" with mean and scale, "boolean", or "text" with its categories."""

    kind: str
    name: str
    mean: float = 0.0
    scale: float = 0.0
    categories: tuple[str, ...] = ()

    @property
    def n_inputs(self) -> int:
        """Inputs of the network that it becomes."""
        return len(self.categories) if self.kind == "text" else 1

    def encode(self, values: list[Any]) -> Array:
        """(n_rows, n_inputs), as `fastbp predict` has them."""
        if self.kind == "text":
            return np.array([[value == category for category in self.categories] for value in values], np.float64)
        numbers = np.array(values, np.float64).reshape(-1, 1)
        if self.kind == "boolean":
            return numbers
        return np.zeros_like(numbers) if self.scale == 0 else (numbers - self.mean) / self.scale

    def draw(self, draw: np.random.Generator, n_rows: int) -> list[Any]:
        """Values such as the training had."""
        if self.kind == "text":
            return [str(self.categories[k]) for k in draw.integers(len(self.categories), size=n_rows)]
        if self.kind == "boolean":
            return [int(flag) for flag in draw.integers(2, size=n_rows)]
        return [float(self.mean + self.scale * x) for x in draw.normal(size=n_rows)]


@dataclass(frozen=True)
class Table:
    """Columns in the order of the inputs, and the target: its name, and classes, or mean and scale of numbers."""

    columns: tuple[Column, ...]
    target: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return sum(column.n_inputs for column in self.columns)

    @property
    def is_classification(self) -> bool:
        """Whether outputs are probabilities of classes."""
        return bool(self.classes)

    def encode(self, rows: list[list[Any]], dtype: np.dtype) -> Array:
        """Inputs for rows of raw values."""
        by_column = [column.encode([row[k] for row in rows]) for k, column in enumerate(self.columns)]
        return np.ascontiguousarray(np.concatenate(by_column, axis=1), dtype)

    def decode(self, y: Array) -> Array:
        """Probabilities as they are, predicted numbers in the target's unit."""
        return y.astype(np.float64) * self.scale + self.mean


def table_of(extra: dict[str, Any], n_inputs: int, n_outputs: int) -> Table | None:
    """The table that a model file describes beside its network, None without one.

    Raises
    ------
    ValueError
        For a description that does not fit the network, or has columns of a kind that is not known here.
    """
    if "table" not in extra:
        return None
    try:
        described, target = extra["table"]["columns"], extra["table"]["target"]
        columns = tuple(_column_of(fields) for fields in described)
        classes = tuple(_label(label) for label in target.get("classes", ()))
        numbers = {key: _finite(target[key], key) for key in ("mean", "scale") if key in target}
        table = Table(columns, str(target["name"]), classes, **numbers)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the model's table must describe its columns and its target; {error!r}") from None
    if (table.n_inputs, len(classes) or 1) != (n_inputs, n_outputs):
        raise ValueError(
            f"the model's table must fit its network, {n_inputs} inputs and {n_outputs} outputs; "
            f"its columns make {table.n_inputs} and {len(classes) or 1}"
        )
    return table


def _column_of(fields: dict[str, Any]) -> Column:
    kind = checks.name_of(fields["kind"], ("number", "boolean", "text"), "kind of a column")
    expected = {"number": {"mean", "scale"}, "boolean": set(), "text": {"categories"}}[kind]
    further = set(fields) - {"kind", "name"} - expected
    if further:  # made by a newer version: ignored, it would change what the network computes
        raise ValueError(f"column {fields['name']!r} must have {sorted(expected)} alone; it has {sorted(further)} too")
    if kind == "text":
        return Column(kind, str(fields["name"]), categories=tuple(str(c) for c in fields["categories"]))
    mean, scale = (_finite(fields[key], key) if kind == "number" else 0.0 for key in ("mean", "scale"))
    return Column(kind, str(fields["name"]), mean, scale)


def _finite(value: object, name: str) -> float:
    return checks.number(value, name, low=-np.finfo(float).max)


def _label(label: object) -> str:
    """A class as a CSV file writes it."""
    return str(label).lower() if isinstance(label, bool) else str(label)
