"""The raw columns of a table and what a network of `fastbp train` makes of them, from the JSON in its model file.

A missing value is None here, NaN of a number or a date, -1 of a boolean and NULL of a text in C.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.exporting.dates import CIRCLES, FEATURES, date_numbers
from fastbp.scaling import END, smoothly_clipped

GAPS = 0.15  # of the rows that are drawn


@dataclass(frozen=True)
class Column:
    """A column: "number", "boolean", "text" with its categories, or "date" with the numbers that are made of it.

    `means`, `scales`: of each number; `fill` stands for a missing value, and `indicator` says whether there is an input
    for that; `other`: an input for categories that are not among those named. `first`: when days begin to be counted.
    `low`, `high`: the range of numbers in the training; `is_clipped`: whether scaled numbers are smoothly clipped.
    """

    kind: str
    name: str
    means: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    fill: float = 0.0
    indicator: bool = False
    categories: tuple[str, ...] = ()
    other: bool = False
    features: tuple[str, ...] = ()
    first: float = 0.0
    is_time: bool = False
    low: float = math.nan
    high: float = math.nan
    is_clipped: bool = False

    @property
    def largest(self) -> float:
        """How large its inputs were in the training, NaN if the model does not say it."""
        if self.kind in ("text", "boolean"):
            return 1.0
        if self.kind == "number":
            ends = self._encode_numbers(np.array([self.low, self.high, self.fill]))
            return float(np.abs(ends).max(initial=float(self.indicator)))
        if self.is_clipped:
            return max(END, float(self.indicator))
        if not set(self.features) <= set(CIRCLES):
            return math.nan
        circles = [(abs(mean) + 1.0) / abs(scale) for mean, scale in zip(self.means, self.scales, strict=True)]
        return max([*circles, float(self.indicator)])

    @property
    def n_inputs(self) -> int:
        """Inputs of the network that it becomes."""
        n = {"text": len(self.categories) + self.other, "date": len(self.features)}
        return n.get(self.kind, 1) + self.indicator

    def encode(self, values: list[Any]) -> Array:
        """(n_rows, n_inputs), as `fastbp predict` has them."""
        gaps = np.array([value is None for value in values])
        if self.kind == "text":
            encoded = np.array([[value == category for category in self.categories] for value in values], np.float64)
            encoded = encoded.reshape(len(values), len(self.categories))
            if self.other:
                encoded = np.column_stack([encoded, ~gaps & ~encoded.any(axis=1)])
        else:
            numbers = np.array([self.fill if value is None else value for value in values], np.float64)
            encoded = self._encode_numbers(numbers)
        return np.column_stack([encoded, gaps]) if self.indicator else encoded

    def _encode_numbers(self, numbers: Array) -> Array:
        if self.kind == "boolean":
            return numbers[:, np.newaxis]
        if self.kind == "date":
            places = [FEATURES.index(feature) for feature in self.features]
            columns = date_numbers(numbers, self.first)[:, places]
            return self._scaled(columns)
        if self.scales[0] == 0:
            return np.zeros((len(numbers), 1))
        return self._scaled(numbers[:, np.newaxis])

    def _scaled(self, columns: Array) -> Array:
        """x = (value - mean) / scale; x / sqrt(1 + (x / 3)**2) where it is clipped."""
        x: Array = (columns - np.array(self.means)) / np.array(self.scales)
        if self.is_clipped:
            return smoothly_clipped(x)
        return x

    def draw(self, draw: np.random.Generator, n_rows: int) -> list[Any]:
        """Values such as the training had, and some that are missing, or no known category."""
        gaps = draw.random(n_rows) < GAPS
        if self.kind == "text":
            known = [*self.categories, "\x7f"] if self.other else list(self.categories)
            values: list[Any] = [known[k] for k in draw.integers(len(known), size=n_rows)] if known else [""] * n_rows
        elif self.kind == "boolean":
            values = [int(flag) for flag in draw.integers(2, size=n_rows)]
        elif self.kind == "date":
            spread = draw.integers(0, 86400 if self.is_time else 4 * 365 * 86400, size=n_rows)
            values = [float(s if self.is_time else self.first + s) for s in spread]
        else:
            values = [float(self.means[0] + self.scales[0] * x) for x in draw.normal(size=n_rows)]
        return [None if gap else value for gap, value in zip(gaps, values, strict=True)]


@dataclass(frozen=True)
class Table:
    """Columns in the order of the inputs; names of the targets; of classes their labels, of numbers means and scales.

    `log`: what is predicted are the logarithms of the targets.
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] = ()
    means: tuple[float, ...] = (0.0,)
    scales: tuple[float, ...] = (1.0,)
    log: bool = False

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return sum(column.n_inputs for column in self.columns)

    @property
    def is_classification(self) -> bool:
        """Whether outputs are probabilities of classes."""
        return bool(self.classes)

    @property
    def largest(self) -> float:
        """How large inputs of the network were in the training: what `x_max` has to be."""
        for column in self.columns:
            if math.isnan(column.largest):
                raise ValueError(
                    f"x_max must be given: the model does not say how large the inputs of column {column.name!r} were"
                )
        return max(column.largest for column in self.columns)

    def encode(self, rows: list[list[Any]], dtype: np.dtype) -> Array:
        """Inputs for rows of raw values."""
        by_column = [column.encode([row[k] for row in rows]) for k, column in enumerate(self.columns)]
        return np.ascontiguousarray(np.concatenate(by_column, axis=1), dtype)

    def decode(self, y: Array) -> Array:
        """Probabilities as they are, predicted numbers in the targets' own units."""
        values: Array = y.astype(np.float64) * np.array(self.scales) + np.array(self.means)
        if self.log:
            values = np.exp(np.minimum(values, LARGEST_LOG))
        return values


LARGEST_LOG = 700.0


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
    n_targets = len(table.classes) or len(table.targets)
    if (table.n_inputs, n_targets) != (n_inputs, n_outputs):
        raise ValueError(
            f"the model's table must fit its network, {n_inputs} inputs and {n_outputs} outputs; "
            f"its columns make {table.n_inputs} and {n_targets}"
        )
    return table


# What a description says of each kind of column, and what of it does not change what values become.
_USED = {
    "number": {"mean", "scale", "fill", "scaling"}, "boolean": {"fill"}, "text": {"categories", "other"},
    "date": {"layout", "features", "means", "scales", "first", "fill", "scaling"},
}  # fmt: skip
_OF_ALL = {"kind", "name", "indicator"}
_UNUSED = {"low", "high", "notation", "last"}


def _column_of(fields: dict[str, Any]) -> Column:
    kind, name = checks.name_of(fields["kind"], tuple(_USED), "kind of a column"), str(fields["name"])
    further = set(fields) - _USED[kind] - _OF_ALL - _UNUSED
    if further:  # made by a newer version: ignored, it would change what the network computes
        raise ValueError(f"column {name!r} must have {sorted(_USED[kind])} alone; it has {sorted(further)} too")
    common: dict[str, Any] = {"kind": kind, "name": name, "indicator": _flag(fields, "indicator")}
    if kind == "text":
        categories = tuple(str(c) for c in fields["categories"])
        if "" in categories:  # it stands for what is missing
            raise ValueError(f"column {name!r} must have no empty text among its categories")
        return Column(**common, categories=categories, other=_flag(fields, "other"))
    if kind == "boolean":
        return Column(**common, fill=float(_flag(fields, "fill")))
    scaling = fields.get("scaling", "standard")
    common["is_clipped"] = checks.name_of(scaling, ("standard", "robust"), f"scaling of column {name!r}") == "robust"
    if kind == "number":
        mean, scale, fill = (_finite(fields[key], key) for key in ("mean", "scale", "fill"))
        low, high = (_finite(fields[key], key) if key in fields else math.nan for key in ("low", "high"))
        return Column(**common, means=(mean,), scales=(scale,), fill=fill, low=low, high=high)
    names = tuple(checks.name_of(feature, FEATURES, "feature of a date") for feature in fields["features"])
    means, scales = (tuple(_finite(x, key) for x in fields[key]) for key in ("means", "scales"))
    if not len(names) == len(means) == len(scales) or 0.0 in scales:
        raise ValueError(f"column {name!r} must have a mean and a scale for each of its features")
    first, fill = (_finite(fields[key], key) for key in ("first", "fill"))
    is_time = fields["layout"] == "time"
    return Column(
        **common, means=means, scales=scales, fill=fill, features=names, first=first, is_time=is_time,
    )  # fmt: skip


def _flag(fields: dict[str, Any], key: str) -> bool:
    return checks.flag(fields.get(key, False), key)


def _target_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Names of the targets, their classes, or means and scales of their numbers."""
    if fields["task"] == "classification":
        return {"targets": (str(fields["name"]),), "classes": tuple(_label(label) for label in fields["classes"])}
    names = tuple(str(name) for name in fields["names"])
    means, scales = (tuple(_finite(x, key) for x in fields[key]) for key in ("centres", "scales"))
    if not 0 < len(names) == len(means) == len(scales):
        raise ValueError("the model's table must have a centre and a scale for each of its targets")
    return {"targets": names, "means": means, "scales": scales, "log": checks.flag(fields["log"], "log")}


def _finite(value: object, name: str) -> float:
    return checks.number(value, name, low=-np.finfo(float).max)


def _label(label: object) -> str:
    """A class as a CSV file writes it."""
    return str(label).lower() if isinstance(label, bool) else str(label)
