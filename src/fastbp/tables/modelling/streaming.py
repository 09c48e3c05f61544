"""Training on a table that is read in pieces, again in each epoch: what is larger than memory.

Three passes come before the first step. One draws a sample of the rows, from which it follows what each column is; one
counts all rows; and in one the rows to validate on are kept. Which rows are held out follows from the seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp import memory
from fastbp.checks import Array
from fastbp.data.partitions import WINDOW, Partition, Partitions
from fastbp.network import Network
from fastbp.tables.cells.errors import TableError, counted, in_file, row_number, rows_before, rows_drawn
from fastbp.tables.cells.kinds import understand
from fastbp.tables.modelling.scores import Scored
from fastbp.tables.modelling.streamed_score import score_of
from fastbp.tables.modelling.training import TableTraining
from fastbp.tables.preparing.counting import Counts
from fastbp.tables.preparing.encoder import Encoder, Values
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.sampling import TEST, TRAINING, VALIDATION, Asked, Shares, frame_of, prepared_sample
from fastbp.tables.preparing.splitting import Split
from fastbp.tables.preparing.targets import ClassTarget, NumberTarget, Target
from fastbp.tables.reading.pieces import Pieces
from fastbp.training.history import History

STEPS = 16  # of an epoch on a cluster, where no batch size is given
SHARE_OF_WINDOWS = 1 / 8  # of the memory, for the samples of two windows
COUNTED = re.compile("^missing values filled in|left out(: '| \\(row)")  # notes with counts of the sample's rows


class Taken(NamedTuple):
    """Rows of a piece that are learnt from."""

    frame: pl.DataFrame
    values: Values
    true: NDArray[Any]  # numbers of classes, or (n_rows, n_targets)
    weights: NDArray[np.float64] | None
    piece: int
    rows: NDArray[np.int64]  # their numbers in the piece

    def only(self, chosen: NDArray[Any]) -> Taken:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[chosen]
        rows, values = np.arange(len(self.true))[chosen], tuple(read[chosen] for read in self.values)
        return Taken(self.frame[rows], values, self.true[chosen], weights, self.piece, self.rows[chosen])


@dataclass(frozen=True)
class Reader:
    """How rows of pieces become samples."""

    pieces: Pieces
    shares: Shares
    starts: NDArray[np.int64]
    encoder: Encoder
    target: Target
    weight: str | None
    missing: str

    def rows(self, k: int, part: int) -> Taken:
        """The rows of piece k that belong to a part and have the target; errors name rows as people count them."""
        taken, parts = self.all_rows(k)
        return taken.only(parts == part)

    def all_rows(self, k: int) -> tuple[Taken, NDArray[np.int64]]:
        """The rows of piece k that have the target, and the part of each."""
        with self.place(k):
            frame = frame_of(self.pieces, k)[0]
            if frame.height != self.starts[k + 1] - self.starts[k]:
                raise TableError("it is not what it was when the training began")
            true, gaps = _truth(self.target, frame)
            values = tuple(column.array(column.read(frame[column.name]).values) for column in self.encoder.columns)
            if self.missing != "fill":
                gaps |= self._gaps(values)
            weights = None if self.weight is None else _weights(frame[self.weight])
        parts = self.shares.parts_of(self.shares.draws(k, frame.height)[0])
        return Taken(frame, values, true, weights, k, np.arange(frame.height)).only(~gaps), parts[~gaps]

    @contextmanager
    def place(self, k: int, rows: NDArray[np.int64] | None = None) -> Iterator[None]:
        """Let messages name the file of piece k, and its rows as people count them; `rows`: some of the piece."""
        with in_file(self.pieces.path_of(k)), rows_before(self.rows_before(k)), rows_drawn(rows):
            yield

    def rows_before(self, k: int) -> int:
        """The rows of the file of piece k that stand before it."""
        return int(self.starts[k] - self.starts[self.pieces.first_of_file(k)])

    def inputs(self, taken: Taken) -> Array:
        """The network's inputs."""
        with self.place(taken.piece, taken.rows):
            return self.encoder.encode_read(taken.values)

    def _gaps(self, values: Values) -> NDArray[np.bool_]:
        """The rows with missing values; an error where there may be none."""
        gaps = np.zeros(len(values[0]), dtype=bool)
        for column, read in zip(self.encoder.columns, values, strict=True):
            of_column = np.isnan(read) if read.dtype.kind == "f" else read > len(column.inputs)
            if self.missing == "error" and of_column.any():
                row = row_number(int(np.flatnonzero(of_column)[0]))
                raise TableError(f"values are missing: {column.name!r} (row {row}) (--missing fill or drop goes on)")
            gaps |= of_column
        return gaps

    def samples(self, taken: Taken, class_weights: Array | None) -> Partition:
        """Inputs, targets and weights of the network."""
        true, weights = taken.true, taken.weights
        if isinstance(self.target, ClassTarget):
            t = np.eye(self.target.n_outputs, dtype=np.float32)[true]
            if class_weights is not None:
                weights = class_weights[true] * (1.0 if weights is None else weights)
        else:
            t = self.target.encode(true)
        return Partition(self.inputs(taken), t, weights)


def _truth(target: ClassTarget | NumberTarget, frame: pl.DataFrame) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The numbers of classes, or the targets' numbers, and which rows have none."""
    if isinstance(target, ClassTarget):
        series = frame[target.name]
        return target.codes(series), target.gaps(series)
    true = np.column_stack([target.read(frame[name]).to_numpy() for name in target.names])
    return true, ~np.isfinite(true).all(axis=1)


def _weights(series: pl.Series) -> NDArray[np.float64]:
    values = understand(series).values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    if not (values >= 0).all():
        row = row_number(int(np.flatnonzero(~(values >= 0))[0]))
        raise TableError(f"weights must be numbers that are not negative: column {series.name!r}, row {row}")
    return values


class PiecesOfTable(Partitions):
    """The training rows of a table's pieces, encoded."""

    def __init__(self, reader: Reader, numbers: list[int], class_weights: Array | None, window: int) -> None:
        self._reader, self._numbers, self._class_weights = reader, numbers, class_weights
        super().__init__(len(numbers), window)

    def _read(self, k: int) -> Partition:
        return self._reader.samples(self._reader.rows(self._numbers[k], TRAINING), self._class_weights)

    def place(self, k: int) -> str:
        """See `Partitions`."""
        piece, starts = self._numbers[k], self._reader.starts
        first = self._reader.rows_before(piece)
        stop = first + int(starts[piece + 1] - starts[piece])
        return f"{self._reader.pieces.path_of(piece)!r}, rows {first + 1:,} to {stop:,}"

    def column_name(self, column: int, *, is_target: bool) -> str:
        """See `Partitions`."""
        encoder = self._reader.encoder
        return f"target {self._reader.target.name!r}" if is_target else f"input {encoder.inputs[column]!r}"

    @property
    def description(self) -> dict[str, Any]:
        """See `Partitions`."""
        return super().description | {"inputs": list(self._reader.encoder.inputs)}


class StreamedTraining(TableTraining):
    """A table in pieces made ready for learning: what `TableTraining` is for one in memory, with a sample in its place.

    Parameters
    ----------
    pieces : Pieces
        The table.
    asked : Asked
        What the user says of the columns.
    options : Options
        How to train.
    scheduler : str or None
        Address of a Dask cluster that adds up errors and gradients.
    """

    def __init__(self, pieces: Pieces, asked: Asked, options: Options, scheduler: str | None = None) -> None:
        in_memory = {"--evidence": options.evidence, "--ensemble": options.ensemble not in (None, 1)}
        for option in (name for name, is_asked in in_memory.items() if is_asked):
            raise TableError(f"{option} needs the whole table in memory: --no-stream")
        options = replace(options, ensemble=1)
        self._pieces, self._asked, self._scheduler = pieces, asked, scheduler
        self._sample, prepared = prepared_sample(pieces, asked, options.seed)
        self._shares = Shares.of(int(self._sample.starts[-1]), options)
        self._kept = prepared.rows
        super().__init__(replace(prepared, rows=self._sample.rows[self._kept]), options)
        self._finish()

    def _split(self) -> Split:
        parts = self._shares.parts_of(self._sample.draws[self._kept])
        return Split(*(np.flatnonzero(parts == part) for part in (TRAINING, VALIDATION, TEST)))

    def _encoder(self) -> Encoder:
        """Count all rows, with the columns as the sample has them."""
        sampled, targets, rows = super()._encoder(), list(self.prepared.targets), self.split.training
        is_class = self.prepared.task == "classification"
        target: Target = ClassTarget.fit(targets[0], rows) if is_class else NumberTarget.fit(targets, rows)
        reader, counts = self._reader(sampled, target), Counts(sampled, target, targets[0])
        self._n_training, self._n_kept, self._n_test = np.zeros(len(self._pieces), np.int64), 0, 0
        for k in range(len(self._pieces)):
            taken, parts = reader.all_rows(k)
            self._n_kept += len(parts)
            self._n_test += int(np.count_nonzero(parts == TEST))
            self._n_training[k] = np.count_nonzero(parts == TRAINING)
            counts.target.see_classes(taken.frame, taken.true)
            trained = taken.only(parts == TRAINING)
            counts.add(trained.frame, trained.values, trained.true)
        self._counts = counts
        return counts.encoder(self.options.max_levels)

    def _reader(self, encoder: Encoder, target: Target) -> Reader:
        asked = self._asked
        return Reader(
            self._pieces, self._shares, self._sample.starts, encoder, target, asked.weight, asked.choices.missing
        )

    def _target(self) -> Target:
        target = super()._target()
        if isinstance(target, ClassTarget):
            return self._counts.target.target()
        low = self._counts.target.low
        if low <= 0 and target.log:
            raise TableError(f"--log-target needs a target above 0; it has {low:g} (--no-log-target)")
        if target.loss == "poisson" and low < 0:
            raise TableError(f"the target {target.name!r} has {low:g}: the poisson loss is for counts, not below 0")
        return target

    def _finish(self) -> None:
        """Keep the rows to validate on, and say what was done."""
        self._by_all = self._reader(self.encoder, self.target)
        self._class_weights = self._balanced()
        self._held_out = self._samples_of(VALIDATION)
        self.prepared = replace(self.prepared, notes=(self._how(), *self._exact_notes()))

    def _how(self) -> str:
        """Say how the table is read."""
        n_rows, drawn = int(self._sample.starts[-1]), counted(len(self._sample.rows), "row")
        size = f"{self._pieces.n_bytes / 1e9:,.3g} GB"
        return (
            f"read in {len(self._pieces):,} pieces, again in each epoch ({size}): what the columns are, and medians, "
            f"by {drawn} drawn with the seed; counts, means and ranges by all {n_rows:,}"
        )

    def _exact_notes(self) -> list[str]:
        """The notes of the sample; those that count missing values by all rows."""
        notes = [note for note in self.prepared.notes if not COUNTED.search(note)]
        n_gone = int(self._sample.starts[-1]) - self._n_kept
        if n_gone:
            notes.append(
                f"{counted(n_gone, 'row')} left out: without a value of the target, or with missing ones to drop"
            )
        if gaps := ", ".join(f"{name!r} {n:,}" for name, n in self._counts.gaps().items() if n):
            notes.append(f"missing values filled in: {gaps} of the training rows")
        return notes

    def _balanced(self) -> Array | None:
        if not self.options.class_weight or not isinstance(self.target, ClassTarget):
            return None
        counts = self.class_counts()
        weights: Array = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return weights

    def _taken(self, part: int) -> Iterator[Taken]:
        for k in range(len(self._pieces)):
            taken = self._by_all.rows(k, part)
            if len(taken.true):
                yield taken

    def _samples_of(self, part: int) -> tuple[Array, ...] | None:
        """Inputs, targets and weights of all rows of a part that is held out."""
        if part == VALIDATION and not self._shares.validation:
            return None
        found = [self._by_all.samples(taken, self._class_weights) for taken in self._taken(part)]
        if not found:
            return None
        x, t, weights = zip(*found, strict=True)
        arrays: tuple[Array, ...] = np.concatenate(x), np.concatenate(t)
        return arrays if weights[0] is None else (*arrays, np.concatenate(weights))

    def sizes(self) -> dict[str, int]:
        """See `TableTraining`."""
        n_validation = 0 if self._held_out is None else len(self._held_out[0])
        return {"training": int(self._n_training.sum()), "validation": n_validation, "held_out": self._n_test}

    def partitions(self) -> PiecesOfTable:
        """The training rows, as many in memory as there is room for."""
        numbers = np.flatnonzero(self._n_training).tolist()
        if not numbers:
            raise TableError("no row is left to train on")
        row_bytes = 4 * (self.encoder.n_inputs + self.target.n_outputs)
        n_fitting = int(SHARE_OF_WINDOWS * memory.total() / (2 * row_bytes * self._n_training.max()))
        return PiecesOfTable(self._by_all, numbers, self._class_weights, max(1, min(WINDOW, n_fitting)))

    def learn(self, callback: Callable[[Network, History], Any] | None = None) -> History:
        """Train the network; afterwards it holds the best weights (with patience) or the last ones."""
        o, options = self.options, self._given_to_fit()
        self._rehearse(*self.samples(self.split.training), dict(options))
        if self._held_out is not None:
            options |= {"validation": self._held_out, "patience": o.patience}
        options |= {"epochs": o.epochs, "callback": callback, "checkpoint": o.checkpoint, "resume": o.resume}
        if self._scheduler is not None:
            return self._learn_on_cluster(self._scheduler, options)
        return self.net.fit(self.partitions(), **options)

    def _learn_on_cluster(self, scheduler: str, options: dict[str, Any]) -> History:
        from fastbp import dask
        from fastbp.solvers import make_solver

        try:
            from distributed import Client
        except ImportError:
            raise TableError('--scheduler needs Dask: pip install "fastbp[distributed]"') from None
        data, size = self.partitions(), options.pop("batch_size", None)
        n_rows = self._n_training.sum() / len(data)
        per_step = max(1, round(size / n_rows)) if size else -(-len(data) // STEPS)
        if make_solver(self.options.solver, {}, None).batch_only:
            per_step = len(data)
        try:
            client: Any = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise TableError(f"no scheduler answers at {scheduler!r}: {error}") from None
        with client:
            step = None if per_step >= len(data) else per_step
            return dask.fit(client, self.net, data, partitions_per_step=step, **options)

    def score(self) -> Scored | None:
        """See `TableTraining`: on all rows held out, which are read once more."""
        return score_of(self, self._by_all, self._taken(TEST)) if self._shares.test else None

    def class_counts(self) -> Array:
        """The training rows of each class."""
        assert isinstance(self.target, ClassTarget)
        return self._counts.target.counts(self.target)
