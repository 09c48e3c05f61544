"""Training on a table: splitting its rows, encoding, fitting, scoring on the rows held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp import History, Network, __version__
from fastbp.cli.encoding import ClassTarget, Encoder, NumberTarget, Target, Task
from fastbp.cli.tables import TableError
from fastbp.cli.tabular import Facts, Rows, Score, TableModel, score_predictions

FEWEST_ROWS = 10
VALIDATION_FRACTION = 0.1  # of the rows that are not held out


@dataclass(frozen=True)
class Options:
    """How to train; None leaves a choice to `Network.fit`, `patience` 0 is no early stopping."""

    hidden: tuple[int, ...]
    activation: str
    solver: str
    epochs: int
    batch_size: int | None
    learning_rate: float | None
    l2: float
    seed: int
    patience: int
    threads: int | None
    test_fraction: float
    checkpoint: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class Split:
    """Row numbers: what the gradient sees, what stops the training, what is held out for the score."""

    training: Rows
    validation: Rows
    test: Rows

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each part."""
        return {
            "training": len(self.training),
            "validation": len(self.validation),
            "held_out": len(self.test),
        }


def split_rows(strata: Rows, fraction: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Split row numbers at random into the kept ones and a `fraction`, the same in every stratum.

    Parameters
    ----------
    strata : array of int, (n_rows,)
        The class of each row; equal numbers when there are no classes.
    fraction : float
        Of the second part; at least one row, unless it is 0.
    rng : numpy.random.Generator
        Decides.

    Returns
    -------
    kept, taken : arrays of int
        Row numbers, ascending.
    """
    n_rows = len(strata)
    n_taken = max(1, round(fraction * n_rows)) if fraction > 0 else 0
    order = rng.permutation(n_rows)
    order = order[np.argsort(strata[order], kind="stable")]
    _, starts, counts = np.unique(strata[order], return_index=True, return_counts=True)
    # Row p of a class of c stands at (p + 1/2) / c: the lowest places are the same share of every class.
    place = (np.arange(n_rows) - np.repeat(starts, counts) + 0.5) / np.repeat(counts, counts)
    order = order[np.argsort(place, kind="stable")]
    return np.sort(order[n_taken:]), np.sort(order[:n_taken])


class TableTraining:
    """A table made ready for learning: split, encoded, with the network that fits it.

    Parameters
    ----------
    frame : polars.DataFrame
        Usable columns without missing values, the target among them.
    target_name : str
        The target column.
    task : "classification" or "regression"
        What to make of the target.
    options : Options
        How to train.

    Raises
    ------
    TableError
        When there is too little to learn from.
    ValueError
        When the network refuses an option.
    """

    def __init__(self, frame: pl.DataFrame, target_name: str, task: Task, options: Options) -> None:
        if frame.height < FEWEST_ROWS:
            raise TableError(f"{frame.height} rows are too few to learn from: at least {FEWEST_ROWS} are needed")
        self.frame = frame
        self.options = options
        truth = frame[target_name]
        self.split = _split(truth, task, options)
        kind = ClassTarget if task == "classification" else NumberTarget
        self.target: Target = kind.fit(truth, self.split.training)
        self.encoder = Encoder.fit(frame[self.split.training].drop(target_name))
        self.net = self._network()

    def _network(self) -> Network:
        return Network(
            (self.encoder.n_inputs, *self.options.hidden, self.target.n_outputs),
            activation=self.options.activation,
            output=self.target.output,
            loss=self.target.loss,
            dtype="float32",
            seed=self.options.seed,
        )

    def _samples(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        part = self.frame[rows]
        return self.encoder.encode(part), self.target.encode(part[self.target.name])

    def learn(self, callback: Callable[[Network, History], Any]) -> History:
        """Train the network; afterwards it holds the best weights (with patience) or the last ones."""
        o = self.options
        given: dict[str, Any] = {"batch_size": o.batch_size, "learning_rate": o.learning_rate}
        if o.patience:
            given |= {"validation": self._samples(self.split.validation), "patience": o.patience}
        return self.net.fit(
            *self._samples(self.split.training),
            solver=o.solver,
            epochs=o.epochs,
            l2=o.l2,
            seed=o.seed,
            n_threads=o.threads,
            callback=callback,
            checkpoint=o.checkpoint,
            resume=o.resume,
            **{name: value for name, value in given.items() if value is not None},
        )

    def score(self) -> Score | None:
        """Score the network on the held-out rows; None without such rows."""
        held_out = self.frame[self.split.test]
        if held_out.is_empty():
            return None
        predictions = self.target.decode(self.net.forward(self.encoder.encode(held_out)))
        return score_predictions(self.target, predictions, held_out[self.target.name])

    def _best_epoch(self, history: History) -> int | None:
        """Return the epoch, from 1, whose weights the network has; None when it has the last ones."""
        if self.options.patience == 0 or history.best_epoch is None:
            return None
        return history.best_epoch + 1

    def model(self, data: str, history: History, score: Score | None) -> TableModel:
        """Return the network with everything that prediction needs, and facts about its training."""
        facts = Facts(
            data=data,
            rows=self.split.sizes(),
            solver=self.options.solver,
            epochs=history.n_epochs,
            best_epoch=self._best_epoch(history),
            stopped_by=history.stopped_by,
            seconds=round(history.time, 3),
            score=None if score is None else score.to_json(),
            date=datetime.now().astimezone().isoformat(timespec="seconds"),
            fastbp=__version__,
        )
        return TableModel(self.net, self.encoder, self.target, facts)


def _split(truth: pl.Series, task: Task, options: Options) -> Split:
    strata = np.zeros(len(truth), dtype=np.int64)
    if task == "classification":
        strata = truth.cast(pl.String).rank("dense").to_numpy().astype(np.int64)
    rng = np.random.default_rng(options.seed)
    kept, test = split_rows(strata, options.test_fraction, rng)
    part, validation = split_rows(strata[kept], VALIDATION_FRACTION if options.patience else 0.0, rng)
    return Split(kept[part], kept[validation], test)
