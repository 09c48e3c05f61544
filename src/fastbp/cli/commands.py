"""The commands train, predict, info and versions; explain and plot are in `showing.py`, compare in `comparing.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from fastbp import __version__
from fastbp.cli.comparing import compare
from fastbp.cli.exporting import export
from fastbp.cli.group import OneLineErrors, one_line_warnings, refusals
from fastbp.cli.options import complete_data, complete_file, names_of_columns, output_file, reading_options
from fastbp.cli.showing import explain, plot
from fastbp.cli.terminal import echo, say, show_csv
from fastbp.cli.train import train


@click.group(cls=OneLineErrors, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastbp")
def fastbp() -> None:
    """Train feed-forward networks on tables, and predict with them."""


fastbp.add_command(train)


@fastbp.command()
@click.argument("model", shell_complete=complete_file)
@click.argument("data", shell_complete=complete_data)
@output_file("--out", ".csv", ".parquet", help="Write the predictions here.  [default: CSV on stdout]")
@click.option("--keep", metavar="COLUMNS", callback=names_of_columns, help="Write these columns of DATA, too: ID,NAME.")
@click.option("--clip", is_flag=True, help="Move numbers outside of the training range to its ends.")
@reading_options
def predict(
    model: str,
    data: str,
    out: Path | None,
    keep: Sequence[str],
    clip: bool,
    header: bool | None,
    table: str | None,
    skip_repeated_header: bool,
) -> None:
    """Predict with MODEL, a file written by train, for each row of DATA.

    Missing values are filled in as in training. When DATA has the target column, the score is printed too: on stdout
    with --out, else on stderr.
    """
    from fastbp.cli.outputs import check_outputs, write_table
    from fastbp.cli.report import score_line
    from fastbp.tables.errors import TableError
    from fastbp.tables.model import TableModel, score_on
    from fastbp.tables.planning import require_known
    from fastbp.tables.sources import read_table
    from fastbp.tables.table import Reading

    check_outputs([model, data], {"--out": out})
    with refusals(ValueError):
        table_model = TableModel.load(model)
    with one_line_warnings(), refusals(TableError):
        frame = read_table(data, Reading(header, table, skip_repeated_header)).frame
        require_known(keep, frame.columns)
        outputs = table_model.outputs(frame, clip=clip)
        predictions = table_model.target.decode(outputs)
        if twice := set(keep) & set(predictions.columns):
            raise TableError(f"--keep {next(iter(twice))}: the predictions have a column of that name")
        predictions = frame.select(keep).hstack(predictions) if keep else predictions
    if out:
        write_table(predictions, out)
    else:
        show_csv(predictions.write_csv())
    if not set(table_model.target.names) <= set(frame.columns):
        return
    try:
        scored, n_without = score_on(table_model, frame, outputs)
    except TableError as error:
        say(f"warning: no score: {error}")
        return
    without = f" ({n_without:,} without a value of the target)" if n_without else ""
    echo(score_line(scored.score, table_model.target) + without, err=out is None)


@fastbp.command()
@click.argument("model", shell_complete=complete_file)
def info(model: str) -> None:
    """Show what MODEL is: its layers, columns, classes, and how it was trained."""
    from rich.text import Text

    from fastbp.cli import report
    from fastbp.cli.terminal import make_console
    from fastbp.io import load_network
    from fastbp.tables.model import TableModel

    with refusals(ValueError):
        net, extra = load_network(model)
        table_model = TableModel.from_table(net, extra["table"], model) if "table" in extra else None
    console = make_console()
    console.print(Text(repr(net)), soft_wrap=True)
    if table_model:
        report.print_model(console, table_model, model)


fastbp.add_command(export)


@fastbp.command()
@click.option("--check", is_flag=True, help="Compare what is computed on this machine with NumPy; 1 if it is wrong.")
def versions(check: bool) -> None:
    """Show what a report of a bug needs: processor, threads, versions, where machine code is kept."""
    from fastbp import show_versions
    from fastbp.checking.self_check import WrongResultsError, self_check

    show_versions()
    if not check:
        return
    try:
        click.echo(self_check())
    except WrongResultsError as wrong:
        click.echo(wrong.report)
        sys.exit(1)


fastbp.add_command(compare)
fastbp.add_command(explain)
fastbp.add_command(plot)
