"""The command train: reads a table, says what it makes of it, trains, keeps what was trained, scores."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastbp.cli.group import one_line_warnings, refusals
from fastbp.cli.options import Files, Wishes, complete_data, reading_options, training_options, wishes_of
from fastbp.cli.presetting import options_for, options_of_stream
from fastbp.cli.streaming import Streaming, asked_of, paths_to_stream, reading_of, streaming_of, streaming_options

if TYPE_CHECKING:
    from rich.console import Console

    from fastbp import History
    from fastbp.tables.modelling.model import TableModel
    from fastbp.tables.modelling.scores import Scored
    from fastbp.tables.modelling.training import TableTraining
    from fastbp.tables.preparing.preparation import Prepared
    from fastbp.tables.preparing.targets import Task
    from fastbp.tables.reading.pieces import Pieces
    from fastbp.tables.reading.table import Written


@click.command()
@click.argument("data", shell_complete=complete_data)
@training_options
@reading_options
@streaming_options
def train(data: str, *, quiet: bool, dry_run: bool, **options: Any) -> None:
    """Train a network on DATA, and score it on rows held out.

    DATA is a table: text with any separator (CSV), Parquet, Arrow, a workbook, SQLite, JSON lines, ARFF or FANN's
    data, also packed by gzip or zip, or - for standard input; the URL of a database; or a set that comes with
    scikit-learn: breast_cancer, diabetes, digits, iris, wine. A pattern or a folder means several files of the same
    columns. They are read in pieces, as is what is large for the memory: text, JSON lines, Parquet and Arrow files.
    Text is one-hot encoded, numbers are standardised, dates become numbers, missing values are filled in; the model
    file remembers how.
    """
    from fastbp.cli import report
    from fastbp.cli.terminal import echo, make_console, say
    from fastbp.tables.reading.databases import without_password

    streaming = streaming_of(options)
    wishes = wishes_of(options)
    if dry_run and quiet:
        raise click.UsageError("--dry-run and --quiet exclude each other: the one shows what the other leaves out")
    if wishes.options["resume"] and not wishes.options["checkpoint"]:
        raise click.UsageError("--resume needs --checkpoint FILE")
    files, shown = wishes.files.for_data(data), without_password(data)
    console = make_console(quiet=quiet)
    with one_line_warnings(silent=quiet) as messages:
        if dry_run:
            _show_plans(console, data, wishes, streaming)
            return
        _check(data, files, wishes)
        training = _training(data, wishes, streaming)
        picture = _picture(files)
        unread = _printed(report.print_task, console, training, shown)
        _tune(training, shown=not quiet and sys.stderr.isatty())
        unread = _printed(report.print_networks, console, training) or unread
        model, scored, history = _trained(training, shown, files.out, with_bar=not quiet and sys.stderr.isatty())
        picture = _draw(history, training, picture, shown)
        _report(files.report, training, model, history, scored)
    if quiet:
        notes = [*training.prepared.notes, *training.notes]
        summary = json.dumps(report.summary(model, files.out, picture, messages, notes), allow_nan=False)
        unread = _printed(echo, summary)
    unread = unread or _printed(report.print_outcome, console, model, scored, files.out, picture)
    if unread is not None:
        _say_unread(unread, files.out)
    if history.stopped_by == "interrupt":
        which = "best" if training.options.patience else "last"
        say(f"interrupted: {files.out} has the {which} weights so far")
        click.get_current_context().exit(130)


def _printed(show: Callable[..., None], *args: Any) -> OSError | None:
    """Print; return the error of an output that is closed or full, which is no reason to lose a training."""
    from fastbp.cli.terminal import give_up_output

    try:
        show(*args)
        sys.stdout.flush()
    except OSError as error:
        give_up_output()
        return error
    return None


def _say_unread(error: OSError, out: Path) -> None:
    """Say that the report is not whole: who closed a pipe knows, anything else is an error."""
    from fastbp.cli.terminal import say

    said = f"the report could not be written ({error.strerror or error}); the model is saved: {out}"
    if isinstance(error, BrokenPipeError):
        say(f"warning: {said}")
    else:
        raise click.ClickException(said)


def _check(data: str, files: Files, wishes: Wishes) -> None:
    """Try the files that will be written; a picture that nobody asked for is tried later."""
    from fastbp.cli.outputs import check_checkpoint, check_outputs, check_page

    plot = files.plot if files.plot_named else None
    check_outputs(
        [data],
        {"--out": files.out, "--plot": plot, "--report": files.report, "--checkpoint": wishes.options["checkpoint"]},
    )
    check_checkpoint(wishes.options["checkpoint"])
    check_page(files.report, "--report")


def prepared_table(data: str, wishes: Wishes) -> Prepared:
    """Read the table and decide what to learn from it; what looks wrong is warned of."""
    from fastbp.tables.cells.choices import Choices
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.preparing.preparation import prepare
    from fastbp.tables.reading.sources import read_table
    from fastbp.tables.reading.table import Reading

    with refusals(TableError):
        table = read_table(data, Reading(**wishes.reading, written=_needed_as_written(wishes)))
        choices, implied = Choices(**wishes.choices), _implied_task(wishes)
        prepared = prepare(table, wishes.target, choices, task=wishes.task, implied=implied, weight=wishes.weight)
    _warn(prepared)
    return prepared


def _warn(prepared: Prepared) -> None:
    """Warn of what looks wrong in a table."""
    from fastbp.tables.cells.errors import TableWarning

    for line in prepared.warnings:
        warnings.warn(line, TableWarning, stacklevel=2)


def _pieces(data: str, wishes: Wishes, streaming: Streaming) -> Pieces | None:
    """Open a table that is to be read in pieces."""
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.reading.pieces import open_pieces

    paths = paths_to_stream(data, streaming)
    if not paths:
        return None
    with refusals(TableError):
        return open_pieces(paths, reading_of(wishes, _needed_as_written(wishes)))


def _implied_task(wishes: Wishes) -> tuple[Task, str] | None:
    """Return the task that a loss, or the logarithm, is for, with the option that says so."""
    from fastbp.tables.preparing.targets import CLASS_LOSSES

    loss = wishes.options["loss"]
    if loss is not None:
        return ("classification" if loss in CLASS_LOSSES else "regression"), f"--loss {loss}"
    return ("regression", "--log-target") if wishes.options["log_target"] else None


def _needed_as_written(wishes: Wishes) -> Callable[[Sequence[str]], Written]:
    """Tell of the names of columns those whose text tells more than their numbers: classes may be 1.50, codes 007."""
    from fastbp.tables.reading.table import Written

    def of(names: Sequence[str]) -> Written:
        last = [name for name in names if name not in wishes.choices["drop"]][-1:]
        targets = last if wishes.target is None else [wishes.target, *map(str.strip, wishes.target.split(","))]
        codes = wishes.choices["categorical"]
        return Written({*targets, *codes}) if wishes.task == "classification" else Written(codes, targets)

    return of


def _show_plans(console: Console, data: str, wishes: Wishes, streaming: Streaming) -> None:
    """Show what would be done with each column: what is learnt of it, from the rows that would be trained on."""
    from fastbp.cli import report
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.modelling.training import refuse_options, split_of
    from fastbp.tables.preparing.encoder import Encoder
    from fastbp.tables.preparing.sampling import prepared_sample
    from fastbp.tables.reading.databases import without_password

    pieces = _pieces(data, wishes, streaming)
    if pieces is None:
        prepared = prepared_table(data, wishes)
    else:
        with refusals(TableError):
            prepared = prepared_sample(pieces, asked_of(wishes, _implied_task(wishes)), wishes.options["seed"])[1]
    options = options_for(prepared, wishes)
    with refusals(TableError):
        refuse_options(prepared, options)
    split = split_of(prepared, options)
    encoder = Encoder.fit(prepared.inputs, split.training, options.max_levels, options.scaling)
    report.print_plans(console, prepared, split, encoder, without_password(data))


def _training(data: str, wishes: Wishes, streaming: Streaming) -> TableTraining:
    from fastbp.cli.outputs import check_model_file
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.modelling.streaming import StreamedTraining
    from fastbp.tables.modelling.training import TableTraining
    from fastbp.tables.reading.databases import without_password

    files, pieces = wishes.files.for_data(data), _pieces(data, wishes, streaming)
    if pieces is None:
        prepared = prepared_table(data, wishes)
        check_model_file(files.out, without_password(data), prepared.columns, files.out_named)
        with refusals(TableError):
            return TableTraining(prepared, options_for(prepared, wishes))
    with refusals(TableError):
        asked = asked_of(wishes, _implied_task(wishes))
        options = options_of_stream(wishes, on_cluster=streaming.scheduler is not None)
        training = StreamedTraining(pieces, asked, options, streaming.scheduler)
    if options.solver != wishes.options["solver"]:
        training.notes.append(f"solver {options.solver}: steps on a cluster are few, and take all rows each (--solver)")
    check_model_file(files.out, data, training.prepared.columns, files.out_named)
    _warn(training.prepared)
    return training


def _picture(files: Files) -> Path | None:
    from fastbp.cli.outputs import own_picture

    return None if files.plot is None else own_picture(files.plot, files.plot_named)


def _trained(
    training: TableTraining, data: str, out: Path, with_bar: bool
) -> tuple[TableModel, Scored | None, History]:
    """Train, and keep the model before anything else is done with it; then score it and keep the score, too."""
    history = _learn(training, with_bar)
    training.model(data, history, None).save(str(out))
    scored = training.score()
    model = training.model(data, history, scored)
    if scored is not None:
        model.save(str(out))
    return model, scored, history


def _tune(training: TableTraining, shown: bool) -> None:
    """Choose settings, and say how far that is."""
    from fastbp.cli.progress import TrainingBar

    with TrainingBar(1, 1, shown) as bar, refusals(ValueError):
        training.tune(bar.say)


def _learn(training: TableTraining, shown: bool) -> History:
    """Train with a progress bar; a training without one good epoch is the user's mistake."""
    from fastbp.cli.progress import TrainingBar

    n_samples = training.sizes()["training"]
    with TrainingBar(training.options.epochs, n_samples, shown) as bar, refusals(ValueError):
        if (n := training.n_networks) > 1:
            bar.say(f"training {n} networks")
        history = training.learn(callback=bar)
    if history.stopped_by == "interrupt" and history.n_epochs == 0:
        raise KeyboardInterrupt
    if history.stopped_by == "not finite" and history.n_epochs == 0:
        raise click.UsageError("the loss was not finite in the first epoch: try a smaller --learning-rate")
    return history


def _report(
    path: Path | None, training: TableTraining, model: TableModel, history: History, scored: Scored | None
) -> None:
    """Write the page of the training; one that cannot be written costs nothing but a warning."""
    from fastbp.cli.html_report import write_report
    from fastbp.tables.cells.errors import TableWarning

    if path is None:
        return
    try:
        write_report(path, training, model, history, scored)
    except OSError as error:
        warnings.warn(f"no report: {path}: {error.strerror or error}", TableWarning, stacklevel=2)


def _draw(history: History, training: TableTraining, picture: Path | None, data: str) -> Path | None:
    """Draw the learning curve; a picture that cannot be written costs nothing but a warning."""
    from fastbp.files.outputs import replacing
    from fastbp.plots import learning_curve
    from fastbp.tables.cells.errors import TableWarning

    if picture is None:
        return None
    try:
        with replacing(picture, "--plot") as file:
            learning_curve(
                history, file, f"{Path(data).name}: learning curve", training.target.loss, picture.suffix[1:]
            )
    except OSError as error:
        warnings.warn(f"no picture: {picture}: {error.strerror or error}", TableWarning, stacklevel=2)
        return None
    return picture
