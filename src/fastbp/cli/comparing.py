"""The command compare: fastbp beside scikit-learn on one table, or on all tables of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from fastbp.cli.group import one_line_warnings, refusals
from fastbp.cli.options import Wishes, complete_data, reading_options, wishes_of
from fastbp.cli.presetting import options_for
from fastbp.cli.streaming import streaming_of
from fastbp.cli.train import prepared_table, train

if TYPE_CHECKING:
    from fastbp.tables.modelling.comparison import Contender
    from fastbp.tables.modelling.training import TableTraining

SUFFIXES = (".csv", ".tsv", ".dat", ".data", ".arff", ".parquet", ".feather", ".arrow", ".json", ".jsonl", ".xlsx")
PACKED = (".gz", ".bz2", ".xz", ".zip")
OPTIONS = (
    "--target", "--task", "--drop", "--missing", "--test-fraction", "--hidden", "--epochs", "--l2", "--seed",
    "--patience", "--threads", "--tune", "--tune-fits", "--no-tune", "--ensemble",
)  # fmt: skip


@click.command()
@click.argument("data", shell_complete=complete_data)
@reading_options
@click.option(
    "--activation",
    type=click.Choice(["relu", "tanh", "logistic", "identity"]),
    default="relu",
    show_default=True,
    help="Of the hidden layers, of those that scikit-learn has, too.",
)
@click.option("--markdown", is_flag=True, help="Print a table in Markdown, as for a folder.")
@click.option("--quiet", is_flag=True, help="Print one line of JSON for each table.")
def compare(data: str, *, markdown: bool, quiet: bool, **options: Any) -> None:
    """Compare fastbp on DATA with scikit-learn's network, a linear model, and scikit-learn's gradient boosting.

    All are trained on the same rows and scored on the same rows held out, with the seconds of each. DATA is a table, as
    for train, or a folder of tables.
    """
    wishes = _wishes(options)
    if wishes.options["test_fraction"] == 0:
        raise click.UsageError("--test-fraction must be above 0: models are compared on rows that are held out")
    folder = Path(data).is_dir()
    if (folder or markdown) and not quiet:
        _print_heads()
    for source in tables_in(Path(data)) if folder else [data]:
        try:
            with one_line_warnings(silent=folder or quiet):
                training, found = _compared(source, wishes)
        except click.UsageError as error:
            if not folder:
                raise
            _print_refusal(source, error.format_message(), quiet)
            continue
        if quiet:
            click.echo(json.dumps(_summary(source, training, found), allow_nan=False))
        elif folder or markdown:
            _print_row(source, training, found)
        else:
            _print_table(source, training, found)


compare.params[1:1] = [param for param in train.params if param.opts[0] in OPTIONS]


def _wishes(options: dict[str, Any]) -> Wishes:
    """The options of `fastbp train`, of which only some can be given here."""
    all_of_them = train.make_context("train", ["-"]).params | options
    streaming_of(all_of_them)  # tables are read whole
    return wishes_of({name: all_of_them[name] for name in all_of_them if name not in ("data", "quiet", "dry_run")})


def tables_in(folder: Path) -> list[str]:
    """Return the files of a folder that look like tables, by name."""
    found = [str(path) for path in sorted(folder.iterdir()) if path.is_file() and _suffix(path) in SUFFIXES]
    if not found:
        raise click.UsageError(f"there is no table in the folder {str(folder)!r} (known: {', '.join(SUFFIXES)})")
    return found


def _suffix(path: Path) -> str:
    return (Path(path.stem) if path.suffix.lower() in PACKED else path).suffix.lower()


def _compared(source: str, wishes: Wishes) -> tuple[TableTraining, list[Contender]]:
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.modelling.comparison import compare as compare_on
    from fastbp.tables.modelling.training import TableTraining

    prepared = prepared_table(source, wishes)
    with refusals(TableError):
        training = TableTraining(prepared, options_for(prepared, wishes))
        if len(training.split.test) == 0:
            raise TableError(f"{source!r} has too few rows to hold some out, and so to compare")
    return training, compare_on(training)


def _print_table(source: str, training: TableTraining, found: list[Contender]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from fastbp.cli import report
    from fastbp.cli.terminal import make_console

    console, is_classifier = make_console(), training.target.task == "classification"
    report.print_task(console, training, source)
    report.print_networks(console, training)
    more = ("log loss", "area under ROC") if is_classifier else ("RMSE", "mean abs. error")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", style="cyan")
    for heading in ("accuracy" if is_classifier else "R2", *more, "seconds"):
        table.add_column(heading, justify="right")
    for contender in found:
        score = contender.score
        others: tuple[Any, ...] = (
            () if score is None else (score.log_loss, score.auc) if is_classifier else (score.rmse, score.mae)
        )
        table.add_row(
            Text(contender.name),
            _number(None if score is None else score.value),
            *map(_number, others or (None, None)),
            _seconds(contender),
        )
    console.print(table)
    report.print_facts(console, [("note", f"{c.name}: {c.refused}") for c in found if c.refused])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:.5g}"


def _seconds(contender: Contender) -> str:
    return "-" if contender.seconds is None else f"{contender.seconds:.3g}"


def _print_heads() -> None:
    names = ("fastbp", "scikit-learn MLP", "linear", "boosting")
    click.echo(f"| table | rows | learnt | {' | '.join(names)} | baseline | seconds: {' | '.join(names)} |")
    click.echo("|---|---:|---|" + "---:|" * 9)


def _print_row(source: str, training: TableTraining, found: list[Contender]) -> None:
    from fastbp.cli.terminal import echo

    n_rows, what = training.prepared.n_rows, f"{training.target.task} of {training.target.name}"
    scores = " | ".join(_number(None if c.score is None else c.score.value) for c in found)
    seconds = " | ".join(_seconds(c) for c in found if c.name != "baseline")
    echo(f"| {_cell(Path(source).name)} | {n_rows:,} | {_cell(what)} | {scores} | {seconds} |")


def _print_refusal(source: str, why: str, quiet: bool) -> None:
    from fastbp.cli.terminal import echo

    if quiet:
        echo(json.dumps({"data": source, "refused": why}))
    else:
        echo(f"| {_cell(Path(source).name)} | | refused: {_cell(why)} |" + " |" * 9)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _summary(source: str, training: TableTraining, found: list[Contender]) -> dict[str, Any]:
    """Return what --quiet prints of a table."""
    models = {
        c.name: {
            "seconds": c.seconds,
            "refused": c.refused or None,
            "score": None if c.score is None else c.score.value,
            **(
                {}
                if c.score is None
                else {k: v for k, v in msgspec.to_builtins(c.score).items() if k in ("log_loss", "auc", "rmse", "mae")}
            ),
        }
        for c in found
    }
    metric = next((c.score.metric for c in found if c.score), None)
    rows = training.split.sizes()
    return {
        "data": source,
        "task": training.target.task,
        "target": training.target.name,
        "metric": metric,
        "rows": rows,
        "models": models,
    }
