"""The commands train, predict, info and versions; explain and plot are in `showing.py`.

Whatever goes wrong through the user's doing ends in one line on stderr and exit code 2 (`OneLineErrors`); a
traceback is a bug.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fastbp import __version__
from fastbp.cli.exporting import export
from fastbp.cli.options import output_file, training_options
from fastbp.cli.showing import explain, plot
from fastbp.plots import learning_curve

if TYPE_CHECKING:
    from fastbp import History
    from fastbp.cli.encoding import Task
    from fastbp.cli.training import TableTraining


class OneLineErrors(click.Group):
    """A group of commands that answers every mistake with one line on stderr."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and exit: 0, 2 after a mistake of the user's, 130 after an interrupt."""
        extra["standalone_mode"] = False  # click raises, instead of printing usage and a hint
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            code = _complain(error.format_message())
        except OSError as error:
            code = _complain(f"{error.filename or 'output'}: {error.strerror or error}")
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an interrupt that no command deals with ends it quietly."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("fastbp: interrupted", err=True)
            return 130


def _complain(message: str) -> int:
    click.echo(f"fastbp: error: {' '.join(message.split())}", err=True)
    return 2


@contextmanager
def refusals(kind: type[ValueError]) -> Iterator[None]:
    """Turn errors of a kind into a mistake of the user's; others are bugs, and show their traceback."""
    try:
        yield
    except kind as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def one_line_warnings(silent: bool = False) -> Iterator[list[str]]:
    """Collect warnings, and print each as one line on stderr unless `silent`.

    What the table's owner should know is printed at once. What training warns of is printed when it has
    ended well: otherwise the error says it.
    """
    from fastbp.cli.tables import TableWarning

    messages: list[str] = []
    later: list[str] = []

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        messages.append(" ".join(str(message).split()))
        if issubclass(category, TableWarning):
            echo(messages[-1])
        else:
            later.append(messages[-1])

    def echo(message: str) -> None:
        if not silent:
            click.echo(f"fastbp: warning: {message}", err=True)

    with warnings.catch_warnings():
        for category in (TableWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning)  # NumPy's, about single numbers
        warnings.showwarning = show
        yield messages
    for message in later:
        echo(message)


def _check_outputs(sources: Sequence[str], *outputs: Path | None) -> None:
    """Refuse, before any work, to write over what is read, to one file twice, or where it is forbidden."""
    given = [path for path in outputs if path is not None]
    for path in given:
        if path.exists() and path.resolve() in {Path(source).resolve() for source in sources}:
            raise click.UsageError(f"{str(path)!r} is read: writing to it would destroy it")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise click.UsageError(f"no permission to write {str(path)!r}")
    if len({path.resolve() for path in given}) < len(given):
        raise click.UsageError(f"{str(given[0])!r} would be written twice")


@click.group(cls=OneLineErrors, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastbp")
def fastbp() -> None:
    """Train feed-forward networks on tables, and predict with them."""


@fastbp.command()
@click.argument("data")
@training_options
def train(
    data: str,
    *,
    target: str | None,
    task: Task | None,
    drop: Sequence[str],
    out: Path | None,
    plot: Path | None,
    no_plot: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network on DATA, and score it on rows held out.

    DATA is a CSV or Parquet file, or a set that comes with scikit-learn: breast_cancer, diabetes, digits,
    iris, wine. Text is one-hot encoded, numbers are standardised; the model file remembers how.
    """
    from fastbp.cli import report

    if options["solver"] == "rprop" and options["batch_size"]:
        raise click.UsageError("--solver rprop learns from all samples at once: it takes no --batch-size")
    if options["resume"] and not options["checkpoint"]:
        raise click.UsageError("--resume needs --checkpoint FILE")
    out = out or Path(f"{Path(data).stem}.fastbp")
    plot = None if no_plot else plot or out.with_suffix(".png")
    _check_outputs([data], out, plot, options["checkpoint"])
    console = report.make_console(quiet=quiet)
    with one_line_warnings(silent=quiet) as messages:
        training, reason = _prepare(data, target, task, drop, options)
        report.print_plan(console, training, data, reason)
        history = _learn(training, shown=not quiet and sys.stderr.isatty())
        score = training.score()
        model = training.model(data, history, score)
        model.save(str(out))
        if plot:
            learning_curve(history, plot, f"{Path(data).name}: learning curve", training.target.loss)
    if quiet:
        click.echo(json.dumps(report.summary(model, out, plot, messages), allow_nan=False))
    report.print_outcome(console, model, score, out, plot)
    if history.stopped_by == "interrupt":
        which = "best" if training.options.patience else "last"
        click.echo(f"fastbp: interrupted: {out} has the {which} weights so far", err=True)
        click.get_current_context().exit(130)


def _prepare(
    data: str, target: str | None, task: Task | None, drop: Sequence[str], options: dict[str, Any]
) -> tuple[TableTraining, str]:
    """Read and check the data; return the training, and why its task was chosen."""
    from fastbp.cli.encoding import check_categories, guess_task
    from fastbp.cli.tables import TableError, check_columns, read_table, warn_of_row_numbers
    from fastbp.cli.training import Options, TableTraining

    with refusals(TableError):
        frame = read_table(data)
        for name in drop:
            _require_column(name, frame.columns)
        frame = frame.drop(drop)
        target = target or frame.columns[-1]
        _require_column(target, frame.columns)
        check_columns(frame)
        inputs = frame.drop(target)
        if inputs.width == 0:
            raise TableError(f"{data!r} has no column besides the target {target!r}")
        check_categories(inputs)
        warn_of_row_numbers(inputs)
        guessed, reason = guess_task(frame[target])
        reason = "by --task" if task else f"{reason}; --task overrides"
        return TableTraining(frame, target, task or guessed, Options(**options)), reason


def _require_column(name: str, known: Sequence[str]) -> None:
    from fastbp.cli.tables import nearest_hint

    if name not in known:
        raise click.UsageError(f"there is no column {name!r}{nearest_hint(name, known)}")


def _learn(training: TableTraining, shown: bool) -> History:
    """Train with a progress bar; a training without one good epoch is the user's mistake."""
    from fastbp.cli.report import TrainingBar
    from fastbp.files import FileError

    n_samples = len(training.split.training)
    with TrainingBar(training.options.epochs, n_samples, shown) as bar, refusals(FileError):
        history = training.learn(callback=bar)
    if history.stopped_by == "interrupt" and history.n_epochs == 0:
        raise KeyboardInterrupt
    if history.stopped_by == "not finite" and history.n_epochs == 0:
        raise click.UsageError("the loss was not finite in the first epoch: try a smaller --learning-rate")
    return history


@fastbp.command()
@click.argument("model")
@click.argument("data")
@output_file("--out", ".csv", ".parquet", help="Write the predictions here.  [default: CSV on stdout]")
def predict(model: str, data: str, out: Path | None) -> None:
    """Predict with MODEL, a file written by train, for each row of DATA.

    When DATA has the target column, the score is printed too: on stdout with --out, else on stderr.
    """
    from fastbp.cli.report import score_line
    from fastbp.cli.tables import TableError, read_table, write_table
    from fastbp.cli.tabular import TableModel, obstacle_to_score, score_predictions

    _check_outputs([model, data], out)
    with refusals(ValueError):
        table_model = TableModel.load(model)
    with one_line_warnings(), refusals(TableError):
        frame = read_table(data, table_model.text_columns)
        predictions = table_model.predict(frame)
    if out:
        write_table(predictions, out)
    else:
        click.echo(predictions.write_csv(), nl=False)
    target = table_model.target
    obstacle = obstacle_to_score(target, frame)
    if obstacle is None:
        line = score_line(score_predictions(target, predictions, frame[target.name]), target)
        click.echo(line, err=out is None)
    elif target.name in frame.columns:
        click.echo(f"fastbp: warning: no score: {obstacle}", err=True)


@fastbp.command()
@click.argument("model")
def info(model: str) -> None:
    """Show what MODEL is: its layers, columns, classes, and how it was trained."""
    from rich.text import Text

    from fastbp.cli import report
    from fastbp.cli.tabular import TableModel
    from fastbp.io import load_network

    with refusals(ValueError):
        net, extra = load_network(model)
        table_model = TableModel.from_table(net, extra["table"], model) if "table" in extra else None
    console = report.make_console()
    console.print(Text(repr(net)), soft_wrap=True)
    if table_model:
        report.print_model(console, table_model, model)


fastbp.add_command(export)


@fastbp.command()
@click.option("--check", is_flag=True, help="Compare what is computed on this machine with NumPy; 1 if it is wrong.")
def versions(check: bool) -> None:
    """Show what a report of a bug needs: processor, threads, versions, where machine code is kept."""
    from fastbp import show_versions
    from fastbp.self_check import WrongResultsError, self_check

    show_versions()
    if not check:
        return
    try:
        click.echo(self_check())
    except WrongResultsError as wrong:
        click.echo(wrong.report)
        sys.exit(1)


fastbp.add_command(explain)
fastbp.add_command(plot)
