"""A network together with the columns it learnt from: prediction, score, and the model file.

What a model file keeps besides the network is plain JSON: the columns and how they are encoded, the target, and facts
about the training. A file is read as one description that is checked as a whole: a field of another type, a number
that is out of range or parts that do not fit each other are refused by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.io import save_network
from fastbp.network import Network
from fastbp.population import files
from fastbp.population.files import load_networks
from fastbp.tables.cells.errors import TableError, row_number
from fastbp.tables.modelling.ensemble import Averaged, mean_outputs, spread
from fastbp.tables.modelling.scores import RunningScore, Score
from fastbp.tables.modelling.told import OutOfFold, Tuning
from fastbp.tables.modelling.uncertainty import bounds, evidence_of, plain_of
from fastbp.tables.preparing.columns import Column, to_plain
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.targets import ClassTarget, NumberTarget, Target

if TYPE_CHECKING:
    from fastbp.training.minimising.evidence import Evidence

VERSION = 2


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model file tells of its training; `best_epoch` counts from 1."""

    data: str
    rows: dict[str, Annotated[int, Meta(ge=0)]]
    solver: str
    epochs: Annotated[int, Meta(ge=0)]
    best_epoch: int | None
    stopped_by: str
    seconds: float
    score: Score | None
    date: str
    fastbp: str
    left_out: dict[str, str] = {}
    importance: dict[str, float] = {}
    networks: Annotated[int, Meta(ge=1)] = 1
    out_of_fold: OutOfFold | None = None
    tuning: Tuning | None = None


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside the network in a model file."""

    version: int
    columns: Annotated[tuple[Column, ...], Meta(min_length=1)]
    target: Target
    facts: Facts


def read_description(table: Any) -> Description:
    """Check the JSON beside a network.

    Raises
    ------
    ValueError
        That names the field which is wrong.
    """
    if not isinstance(table, dict):
        raise ValueError(f"table must be an object; got {type(table).__name__}")
    version = table.get("version", 1)
    if version != VERSION:
        newer = isinstance(version, int) and not isinstance(version, bool) and version > VERSION
        raise ValueError(
            f"the columns are described in format {version!r}, this version reads {VERSION}: "
            f"{'use a newer fastbp' if newer else 'train the model anew'}"
        )
    try:
        json.dumps(table, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("table: a text in it has halves of characters") from None
    try:
        description = msgspec.convert(table, Description, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"table: {error}") from None
    score = description.facts.score
    if score is not None and (score.metric == "accuracy") != (description.target.task == "classification"):
        raise ValueError(f"table: the score {score.metric!r} does not fit a target of {description.target.task}")
    names = [column.name for column in description.columns]
    if len(set(names)) < len(names):
        raise ValueError("table: columns must have different names")
    if set(names) & set(description.target.names):
        raise ValueError("table: the target is among the columns")
    return description


@dataclass(frozen=True)
class TableModel:
    """Networks whose mean answers, the encoding of their inputs and of their target, and facts about their training."""

    nets: list[Network]
    encoder: Encoder
    target: Target
    facts: Facts
    evidence: Evidence | None = None

    @property
    def net(self) -> Network:
        """The network, or the first of several."""
        return self.nets[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns that prediction needs."""
        return tuple(column.name for column in self.encoder.columns)

    def outputs(self, frame: pl.DataFrame, *, clip: bool = False) -> Any:
        """Return the network's outputs for each row of `frame`, or the mean of the networks'."""
        return self.answers(self.encoder.encode(frame, clip=clip))

    def answers(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the network's outputs for inputs, or the mean of the networks'."""
        return mean_outputs(self.nets, X)

    @property
    def averaged(self) -> Any:
        """The network, or what stands for it where there are several: asked for outputs it answers with their mean."""
        return Averaged(self.nets) if len(self.nets) > 1 else self.net

    def nearest(self, X: NDArray[Any]) -> int:
        """Return the number of the network, from 0, whose outputs are the nearest to the mean."""
        mean = self.answers(X)
        return int(np.argmin([((net.forward(X) - mean) ** 2).sum() for net in self.nets]))

    def spread(self, frame: pl.DataFrame, *, clip: bool = False) -> pl.DataFrame:
        """Standard deviation of the networks' answers for each row, see `ensemble.spread`."""
        return spread(self.nets, self.target, self.encoder.encode(frame, clip=clip, warn=False))

    def predict(self, frame: pl.DataFrame, *, clip: bool = False) -> pl.DataFrame:
        """Predict a row for each row of `frame`; a missing value is filled in as in training.

        Returns
        -------
        polars.DataFrame
            Column "prediction", and for classes the columns "probability_<class>"; of several targets
            "prediction_<target>".

        Raises
        ------
        TableError
            For a column that is missing or of the wrong kind.
        """
        return self.target.decode(self.outputs(frame, clip=clip))

    def bounds(self, frame: pl.DataFrame, level: float, *, clip: bool = False) -> pl.DataFrame:
        """Bounds between which each target lies with a probability of `level`, see `uncertainty.bounds`."""
        return bounds(self.evidence, self.target, self.encoder.encode(frame, clip=clip, warn=False), level)

    def save(self, path: str) -> None:
        """Write network, encoding and facts to one file."""
        description = Description(VERSION, self.encoder.columns, self.target, self.facts)
        extra = {"table": to_plain(description)}
        if self.evidence is not None:
            extra["evidence"] = plain_of(self.evidence)
        if len(self.nets) > 1:
            files.save(self.nets, path, extra)
        else:
            save_network(self.net, path, extra=extra)

    @classmethod
    def load(cls, path: str) -> TableModel:
        """Read what `save` wrote; ValueError for another file."""
        nets, extra = load_networks(path)
        if "table" not in extra:
            raise ValueError(f"{path!r} holds a network without a table's columns: fastbp train did not write it")
        model = cls.from_table(nets, extra["table"], path)
        if "evidence" not in extra:
            return model
        try:
            return replace(model, evidence=evidence_of(extra["evidence"], model.net))
        except ValueError as error:
            raise ValueError(f"{path!r}: {error}") from None

    @classmethod
    def from_table(cls, nets: list[Network], table: Any, path: str) -> TableModel:
        """Put a model together from networks and the JSON beside them; ValueError when they do not fit."""
        try:
            description = read_description(table)
        except ValueError as error:
            raise ValueError(f"{path!r}: the description of the columns is damaged: {error}") from None
        encoder, target, net = Encoder(description.columns), description.target, nets[0]
        if any((encoder.n_inputs, target.n_outputs) != (one.n_inputs, one.n_outputs) for one in nets):
            raise ValueError(
                f"{path!r}: table: {encoder.n_inputs} inputs and {target.n_outputs} outputs are described, "
                f"the network has {net.n_inputs} and {net.n_outputs}"
            )
        return cls(nets, encoder, target, description.facts)


def add_score(score: RunningScore, frame: pl.DataFrame, outputs: Any) -> int:
    """Add the outputs for rows of `frame` that have the target to a score; return how many rows have none.

    Raises
    ------
    TableError
        That says why there is no score.
    """
    target = score.target
    _require_columns(target, frame)
    if isinstance(target, ClassTarget):
        series = frame[target.name]
        gaps: NDArray[np.bool_] = target.gaps(series)
        true: NDArray[Any] = target.codes(series)
    else:
        true = np.column_stack([target.read(frame[name]).to_numpy() for name in target.names])
        gaps = ~np.isfinite(true).all(axis=1)
    score.add(outputs[~gaps], true[~gaps])
    return int(gaps.sum())


def targets_of(target: ClassTarget | NumberTarget, frame: pl.DataFrame) -> Any:
    """Return what the network is to answer for each row of `frame`, (n_rows, n_outputs).

    Raises
    ------
    TableError
        Where a target is missing, or is a class that training had not.
    """
    _require_columns(target, frame)
    if isinstance(target, ClassTarget):
        codes = target.codes(frame[target.name])
        missing, encoded = codes < 0, np.eye(target.n_outputs, dtype=np.float32)[codes]
    else:
        numbers = np.column_stack([target.read(frame[name]).to_numpy() for name in target.names])
        missing, encoded = ~np.isfinite(numbers).all(axis=1), target.encode(numbers)
    if missing.any():
        row = row_number(int(np.flatnonzero(missing)[0]))
        raise TableError(f"the target {target.name!r} of row {row} is missing, or not one of the training's")
    return encoded


def _require_columns(target: ClassTarget | NumberTarget, frame: pl.DataFrame) -> None:
    for name in target.names:
        if name not in frame.columns:
            raise TableError(f"it has no column {name!r}")
