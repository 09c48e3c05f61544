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
        table = Table(tuple(_column_of(fields) for fields in described), **_target_of(target))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"the model's table must describe its columns and its target; {error!r}") from None
    n_targets = len(table.classes) or 1
    if (table.n_inputs, n_targets) != (n_inputs, n_outputs):
        raise ValueError(
            f"the model's table must fit its network, {n_inputs} inputs and {n_outputs} outputs; "
            f"its columns make {table.n_inputs} and {n_targets}"
        )
    return table


ALONE = "export the network alone, by Network.load(path).to_c or to_onnx, whose inputs are encoded already"

# What a description says of each kind of column, and what of it does not change what complete rows become.
_USED = {"number": {"mean", "scale"}, "boolean": set[str](), "text": {"categories"}}
_UNUSED = {"kind", "name", "indicator", "fill", "low", "high", "notation", "other"}


def _column_of(fields: dict[str, Any]) -> Column:
    name = str(fields["name"])
    if fields["kind"] == "date":
        raise ValueError(f"column {name!r} holds dates, of which no raw values are exported: {ALONE}")
    kind = checks.name_of(fields["kind"], tuple(_USED), "kind of a column")
    for flag, what in (("indicator", "an input for missing values"), ("other", "an input for rare categories")):
        if checks.flag(fields.get(flag, False), flag):
            raise ValueError(f"column {name!r} has {what}, which raw values are not exported with: {ALONE}")
    further = set(fields) - _USED[kind] - _UNUSED
    if further:  # made by a newer version: ignored, it would change what the network computes
        raise ValueError(f"column {name!r} must have {sorted(_USED[kind])} alone; it has {sorted(further)} too")
    if kind == "text":
        return Column(kind, name, categories=tuple(str(c) for c in fields["categories"]))
    mean, scale = (_finite(fields[key], key) if kind == "number" else 0.0 for key in ("mean", "scale"))
    return Column(kind, name, mean, scale)


def _target_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Name of the target, its classes, or mean and scale of its numbers."""
    if fields["task"] == "classification":
        return {"target": str(fields["name"]), "classes": tuple(_label(label) for label in fields["classes"])}
    if len(fields["names"]) > 1 or checks.flag(fields["log"], "log"):
        what = "several targets" if len(fields["names"]) > 1 else "the logarithm of its target"
        raise ValueError(f"the model has {what}, which raw columns are not exported with: {ALONE}")
    mean, scale = (_finite(fields[key][0], key) for key in ("centres", "scales"))
    return {"target": str(fields["names"][0]), "mean": mean, "scale": scale}


def _finite(value: object, name: str) -> float:
    return checks.number(value, name, low=-np.finfo(float).max)


def _label(label: object) -> str:
    """A class as a CSV file writes it."""
    return str(label).lower() if isinstance(label, bool) else str(label)
