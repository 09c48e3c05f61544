"""The commands info and versions; the others have files of their own."""

from __future__ import annotations

import sys

import click

from fastbp import __version__
from fastbp.cli.comparing import compare
from fastbp.cli.exporting import export
from fastbp.cli.group import OneLineErrors, refusals
from fastbp.cli.options import complete_file
from fastbp.cli.predicting import predict
from fastbp.cli.showing import explain, plot
from fastbp.cli.train import train


@click.group(cls=OneLineErrors, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastbp")
def fastbp() -> None:
    """Train feed-forward networks on tables, and predict with them."""


fastbp.add_command(train)


fastbp.add_command(predict)


@fastbp.command()
@click.argument("model", shell_complete=complete_file)
def info(model: str) -> None:
    """Show what MODEL is: its layers, columns, classes, and how it was trained."""
    from rich.text import Text

    from fastbp.cli import report
    from fastbp.cli.terminal import make_console
    from fastbp.population.files import load_networks
    from fastbp.tables.modelling.model import TableModel

    with refusals(ValueError):
        nets, extra = load_networks(model)
        table_model = TableModel.from_table(nets, extra["table"], model) if "table" in extra else None
    console = make_console()
    console.print(Text(repr(nets[0])), soft_wrap=True)
    if len(nets) > 1:
        console.print(Text(f"the first of {len(nets)} networks"), soft_wrap=True)
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
