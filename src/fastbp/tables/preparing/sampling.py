"""A sample of a table that is read in pieces, and which of its rows are held out: both follow from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.checks import Array
from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError, rows_before, rows_drawn
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.preparation import Prepared, prepare
from fastbp.tables.preparing.splitting import VALIDATION_FRACTION
from fastbp.tables.preparing.targets import Task
from fastbp.tables.preparing.totals import without_total
from fastbp.tables.reading.pieces import Pieces
from fastbp.tables.reading.table import Table

SAMPLE_ROWS, SAMPLE_CELLS = 100_000, 1 << 24
MOST_VALIDATED, MOST_SCORED = 50_000, 500_000  # rows that are held out
TRAINING, VALIDATION, TEST = range(3)


class Asked(NamedTuple):
    """What the user says of the columns."""

    target: str | None
    choices: Choices
    task: Task | None
    weight: str | None
    implied: tuple[Task, str] | None = None  # by an option that is of one task


@dataclass(frozen=True)
class Shares:
    """Which rows are held out: a number that is drawn for each row tells."""

    seed: int
    test: float = 0.0
    validation: float = 0.0

    def draws(self, k: int, n_rows: int) -> Array:
        """Two numbers from 0 to 1 for each row of piece k: for this, and for the sample."""
        return np.random.default_rng([self.seed, k]).random((2, n_rows))

    def parts_of(self, draws: Array) -> NDArray[np.int64]:
        """TRAINING, VALIDATION or TEST for each row."""
        ends = np.array([self.test, self.test + self.validation])
        return np.array([TEST, VALIDATION, TRAINING])[np.searchsorted(ends, draws, side="right")]

    @classmethod
    def of(cls, n_rows: int, options: Options) -> Shares:
        """Shares of so many rows: as for tables in memory, and no more than are enough."""
        test = min(options.test_fraction, MOST_SCORED / n_rows)
        validation = VALIDATION_FRACTION * (1.0 - test) if options.patience else 0.0
        return cls(options.seed, test, min(validation, MOST_VALIDATED / n_rows))


class Sample(NamedTuple):
    """Rows drawn at random, in the order of the files."""

    frame: pl.DataFrame
    rows: NDArray[np.int64]  # their numbers among all rows
    draws: Array  # that tell which are held out
    starts: NDArray[np.int64]  # the first row of each piece; at last how many there are
    totals: tuple[str, ...]  # what is said of rows of sums that are left out


def frame_of(pieces: Pieces, k: int) -> tuple[pl.DataFrame, list[str]]:
    """Piece k without a row of sums at the end of its file, and what is said of that."""
    frame = pieces.frame(k)
    return without_total(frame) if pieces.ends_file(k) else (frame, [])


def draw_sample(pieces: Pieces, shares: Shares) -> Sample:
    """Draw rows: those with the lowest numbers of all that are drawn."""
    frames: list[pl.DataFrame] = []
    numbers, keys, starts, totals = [], [], [0], list[str]()
    n_rows = SAMPLE_ROWS
    for k in range(len(pieces)):
        first = starts[-1] - starts[pieces.first_of_file(k)]
        with rows_before(first):
            frame, said = frame_of(pieces, k)
            totals += [f"{pieces.path_of(k)!r}: {line}" for line in said]
        n_rows = min(n_rows, SAMPLE_CELLS // max(1, frame.width))
        draws = shares.draws(k, frame.height)
        numbers.append(starts[-1] + np.arange(frame.height))
        keys.append(draws)
        frames.append(frame)
        starts.append(starts[-1] + frame.height)
        if sum(map(len, frames)) > 2 * n_rows or k + 1 == len(pieces):
            all_keys, all_rows = np.concatenate(keys, axis=1), np.concatenate(numbers)
            lowest = np.sort(np.argsort(all_keys[1], kind="stable")[:n_rows])
            frames = [_together(frames)[lowest]]
            keys, numbers = [all_keys[:, lowest]], [all_rows[lowest]]
    if not starts[-1]:
        raise TableError(f"{pieces.path_of(0)!r} has no rows of data")
    return Sample(frames[0], numbers[0], keys[0][0], np.array(starts), tuple(totals))


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame of all; a column that is text in one of them is text."""
    names = frames[0].columns
    frames = [frame.select(names) for frame in frames if frame.height]
    for name in names:
        if len({frame.schema[name] for frame in frames}) > 1:
            kinds = {frame.schema[name] for frame in frames}
            common = pl.Float64 if all(kind.is_numeric() for kind in kinds) else pl.String
            frames = [frame.with_columns(pl.col(name).cast(common)) for frame in frames]
    return pl.concat(frames)


def prepared_sample(pieces: Pieces, asked: Asked, seed: int) -> tuple[Sample, Prepared]:
    """Draw a sample, and decide by it what to learn from; messages have the rows' numbers in the whole table."""
    sample = draw_sample(pieces, Shares(seed))
    with rows_drawn(sample.rows):
        table = Table(sample.frame, (*pieces.notes, *sample.totals), pieces.decimal_comma)
        prepared = prepare(
            table, asked.target, asked.choices, task=asked.task, implied=asked.implied, weight=asked.weight
        )
    return sample, prepared
