"""The command predict: reads a table part by part, and writes a prediction for each row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import click

from fastbp.cli.contradictions import check_reading
from fastbp.cli.group import one_line_warnings, refusals
from fastbp.cli.options import (
    complete_data,
    complete_file,
    names_of_columns,
    output_file,
    reading_options,
)
from fastbp.cli.terminal import echo, say, show_csv

if TYPE_CHECKING:
    import polars as pl

    from fastbp.tables.modelling.model import TableModel
    from fastbp.tables.reading.table import Reading

LEVEL = 0.95  # of intervals


@click.command()
@click.argument("model", shell_complete=complete_file)
@click.argument("data", shell_complete=complete_data)
@output_file("--out", ".csv", ".parquet", help="Write the predictions here.  [default: CSV on stdout]")
@click.option("--keep", metavar="COLUMNS", callback=names_of_columns, help="Write these columns of DATA, too: ID,NAME.")
@click.option("--intervals", is_flag=True, help="Write lower and upper bounds, too (train --evidence).")
@click.option("--level", type=click.FloatRange(0, 1, True, True), help="Probability of the intervals.  [default: 0.95]")
@click.option("--spread", is_flag=True, help="Write how far an ensemble's networks are from each other, too.")
@click.option("--clip", is_flag=True, help="Move numbers outside of the training range to its ends.")
@reading_options
def predict(
    model: str,
    data: str,
    out: Path | None,
    keep: Sequence[str],
    intervals: bool,
    level: float | None,
    spread: bool,
    clip: bool,
    header: bool | None,
    table: str | None,
    query: str | None,
    skip_repeated_header: bool,
) -> None:
    """Predict with MODEL, a file written by train, for each row of DATA.

    Missing values are filled in as in training. DATA may be of any length: a text or a pipe is read in parts, a pattern
    or a folder file by file, in the order of their names. When it has the target column, the score is printed too: on
    stdout with --out, else on stderr.
    """
    from fastbp.cli.outputs import check_outputs
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.modelling.model import TableModel
    from fastbp.tables.reading.pieces import files_of
    from fastbp.tables.reading.table import Reading, Written

    check_reading(table, query)
    if level is not None and not intervals:
        raise click.UsageError("--level needs --intervals")
    answering = Answering(keep, clip, (level or LEVEL) if intervals else None, spread)
    with refusals(TableError):
        paths = files_of(data)
    check_outputs([model, *paths], {"--out": out})
    with refusals(ValueError):
        table_model = TableModel.load(model)
    with one_line_warnings(), refusals(TableError), ExitStack() as files:
        scoring = Scoring(table_model)
        writer = Writer(out, files)
        numbers = table_model.encoder.plain_numbers - set(keep)
        reading = Reading(
            header, table, query, skip_repeated_header, table_model.column_names, lambda n: Written(set(n) - numbers)
        )
        for predictions in _predictions(table_model, paths, reading, answering, scoring):
            writer.write(predictions)
        writer.finish()
    scoring.say(to_stderr=out is None)


def _predictions(
    model: TableModel, paths: Sequence[str], reading: Reading, answering: Answering, scoring: Scoring
) -> Iterator[pl.DataFrame]:
    """Yield predictions part by part, of one file after the other; messages name the file where there are several."""
    from fastbp.tables.cells.errors import in_file
    from fastbp.tables.reading.parts import parts_of

    for path in paths:
        with in_file(path) if len(paths) > 1 else nullcontext():
            for frame in parts_of(path, reading):
                yield _predicted(model, frame, answering, scoring)


def _predicted(model: TableModel, frame: pl.DataFrame, answering: Answering, scoring: Scoring) -> pl.DataFrame:
    """Predictions for the rows of a part, and the columns that are kept."""
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.preparing.planning import require_known

    keep = answering.keep
    require_known(keep, frame.columns)
    outputs = model.outputs(frame, clip=answering.clip)
    predictions = model.target.decode(outputs)
    if answering.level is not None:
        predictions = predictions.hstack(model.bounds(frame, answering.level, clip=answering.clip))
    if answering.spread:
        predictions = predictions.hstack(model.spread(frame, clip=answering.clip))
    if twice := set(keep) & set(predictions.columns):
        raise TableError(f"--keep {next(iter(twice))}: the predictions have a column of that name")
    scoring.add(frame, outputs)
    return frame.select(keep).hstack(predictions) if keep else predictions


class Answering(NamedTuple):
    """What is written for each row: columns that are kept, the probability of intervals if there are any, a spread."""

    keep: Sequence[str]
    clip: bool
    level: float | None
    spread: bool


class Writer:
    """Writes parts of a table one after another: on stdout, or to a file that is whole or not there at all.

    Parts of a Parquet file wait in a folder of their own, since such a file is written at once.
    """

    def __init__(self, path: Path | None, files: ExitStack) -> None:
        from fastbp.files.outputs import replacing

        self._path, self._n_parts = path, 0
        self._file: IO[bytes] | None = None if path is None else files.enter_context(replacing(path, "--out"))
        self._folder: Path | None = None
        if path is not None and path.suffix == ".parquet":
            self._folder = Path(files.enter_context(tempfile.TemporaryDirectory()))

    def write(self, frame: pl.DataFrame) -> None:
        """Write a part."""
        first = self._n_parts == 0
        self._n_parts += 1
        if self._folder is not None:
            with self._naming(self._folder):
                frame.write_parquet(self._folder / f"{self._n_parts:09d}.parquet")
        elif self._file is not None:
            self._file.write(frame.write_csv(include_header=first).encode())
        else:
            show_csv(frame.write_csv(include_header=first))

    def finish(self) -> None:
        """Put the parts of a Parquet file together."""
        import polars as pl

        if self._folder is not None and self._file is not None:
            with self._naming(self._path):
                pl.scan_parquet(sorted(self._folder.iterdir())).sink_parquet(self._file)

    @contextmanager
    def _naming(self, place: Path | None) -> Iterator[None]:
        """Make an error of the user's disk of what polars says of it."""
        import polars as pl

        try:
            yield
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
            at = "" if place == self._path else f" ({place}, for parts of it)"
            raise click.UsageError(f"--out {str(self._path)!r} cannot be written: {reason}{at}") from error


class Scoring:
    """Scores what has the target; what has none, or cannot be scored, costs no prediction."""

    def __init__(self, model: TableModel) -> None:
        from fastbp.tables.modelling.scores import RunningScore

        self._target = model.target
        self._score = RunningScore(model.target)
        self._n_without, self._reason = 0, ""
        self._scored = True

    def add(self, frame: pl.DataFrame, outputs: object) -> None:
        """Add rows and the network's outputs for them."""
        from fastbp.tables.cells.errors import TableError
        from fastbp.tables.modelling.model import add_score

        self._scored = self._scored and set(self._target.names) <= set(frame.columns)
        if not self._scored or self._reason:
            return
        try:
            self._n_without += add_score(self._score, frame, outputs)
        except TableError as error:
            self._reason = str(error)

    def say(self, to_stderr: bool) -> None:
        """Print the score, or why there is none."""
        from fastbp.cli.score_lines import score_line, target_lines

        if not self._scored:
            return
        if not self._reason and self._score.n_rows == 0:
            self._reason = f"no row has a value of the target {self._target.name!r}"
        if self._reason:
            say(f"warning: no score: {self._reason}")
            return
        without = f" ({self._n_without:,} without a value of the target)" if self._n_without else ""
        score = self._score.score
        for line in (score_line(score, self._target) + without, *target_lines(score)):
            echo(line, err=to_stderr)
