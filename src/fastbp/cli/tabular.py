"""A network together with the columns it learnt from: prediction, score, and the model file.

What a model file keeps besides the network is plain JSON: the columns and how they are encoded, the target,
and facts about the training.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp import Network
from fastbp.cli.encoding import ClassTarget, Encoder, NumberTarget, Target, target_from_json
from fastbp.cli.tables import column_kind, missing_mask
from fastbp.io import load_network, save_network

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """How good predictions are, beside the baseline: always the most frequent class, or the training mean.

    `metric` is "accuracy" or "r2" (None where the truth is constant); `rmse` in the target's unit, regression
    only; `confusion` counts, rows the true classes, columns the predicted ones, classification only.
    """

    metric: str
    n_rows: int
    value: float | None
    baseline: float | None
    rmse: float | None = None
    baseline_rmse: float | None = None
    confusion: NDArray[np.int64] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, without the confusion table."""
        return {name: value for name, value in asdict(self).items() if name != "confusion"}


@dataclass(frozen=True)
class Facts:
    """What a model file tells of its training; `best_epoch` counts from 1, `score` is a `Score` or None."""

    data: str
    rows: dict[str, int]
    solver: str
    epochs: int
    best_epoch: int | None
    stopped_by: str
    seconds: float
    score: dict[str, Any] | None
    date: str
    fastbp: str


@dataclass(frozen=True)
class TableModel:
    """A network, the encoding of its inputs and of its target, and facts about its training."""

    net: Network
    encoder: Encoder
    target: Target
    facts: Facts

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Predict a row for each row of `frame`.

        Returns
        -------
        polars.DataFrame
            Column "prediction", and for classes the columns "probability_<class>".

        Raises
        ------
        TableError
            For a column that is missing, of the wrong kind, or has no value somewhere.
        """
        return self.target.decode(self.net.forward(self.encoder.encode(frame)))

    @property
    def text_columns(self) -> set[str]:
        """Columns that must be read as text, whatever they look like in another file."""
        names = {column.name for column in self.encoder.columns if column.kind == "text"}
        if isinstance(self.target, ClassTarget) and isinstance(self.target.classes[0], str):
            names.add(self.target.name)
        return names

    def save(self, path: str) -> None:
        """Write network, encoding and facts to one file."""
        table = {
            "columns": self.encoder.to_json(),
            "target": self.target.to_json(),
            "facts": asdict(self.facts),
        }
        save_network(self.net, path, extra={"table": table})

    @classmethod
    def load(cls, path: str) -> TableModel:
        """Read what `save` wrote; ValueError for another file."""
        net, extra = load_network(path)
        if "table" not in extra:
            raise ValueError(f"{path!r} holds a network without a table's columns: fastbp train did not write it")
        return cls.from_table(net, extra["table"], path)

    @classmethod
    def from_table(cls, net: Network, table: dict[str, Any], path: str) -> TableModel:
        """Put a model together from a network and the JSON beside it; ValueError when they do not fit."""
        try:
            encoder = Encoder.from_json(table["columns"])
            target = target_from_json(**table["target"])
            facts = Facts(**table["facts"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path!r}: the description of the columns is damaged ({error})") from None
        if (encoder.n_inputs, target.n_outputs) != (net.sizes[0], net.sizes[-1]):
            raise ValueError(f"{path!r}: the columns do not fit the network's {net.sizes[0]} inputs")
        return cls(net, encoder, target, facts)


def score_predictions(target: Target, predictions: pl.DataFrame, truth: pl.Series) -> Score:
    """Score a frame of predictions against the true values, given without missing ones."""
    if isinstance(target, ClassTarget):
        return _score_classes(target, target.codes(predictions["prediction"]), target.codes(truth))
    return _score_numbers(target, predictions["prediction"].to_numpy(), truth.cast(pl.Float64).to_numpy())


def _score_classes(target: ClassTarget, predicted: Rows, true: Rows) -> Score:
    n = target.n_outputs
    known = true >= 0  # a class that training never saw is an error, but has no row in the table
    confusion = np.bincount(true[known] * n + predicted[known], minlength=n * n).reshape(n, n)
    accuracy, baseline = float((predicted == true).mean()), float((true == target.majority).mean())
    return Score("accuracy", len(true), accuracy, baseline, confusion=confusion)


def _score_numbers(target: NumberTarget, predicted: NDArray[Any], true: NDArray[Any]) -> Score:
    error, baseline_error = ((true - guess) ** 2 for guess in (predicted, target.mean))
    variance = float(true.var())

    def r2(squared_error: NDArray[Any]) -> float | None:
        return 1.0 - float(squared_error.mean()) / variance if variance > 0 else None

    rmse, baseline_rmse = (float(np.sqrt(e.mean())) for e in (error, baseline_error))
    return Score("r2", len(true), r2(error), r2(baseline_error), rmse, baseline_rmse)


def obstacle_to_score(target: Target, frame: pl.DataFrame) -> str | None:
    """Return why predictions for `frame` cannot be scored, or None when they can."""
    if target.name not in frame.columns:
        return f"it has no column {target.name!r}"
    truth = frame[target.name]
    if missing_mask(truth).any():
        row = int(np.flatnonzero(missing_mask(truth))[0])
        return f"the target column {target.name!r} has no value in row {row + 1}"
    if target.task == "regression" and column_kind(truth) != "number":
        return f"the target column {target.name!r} holds {column_kind(truth)}, not numbers"
    return None
