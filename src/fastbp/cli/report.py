"""What the command line shows: progress, scores, confusion tables, models.

Text that comes from the data (names of columns and classes) is printed as it is: consoles are made without
markup.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column as RichColumn
from rich.table import Table
from rich.text import Text

from fastbp.cli.encoding import (
    BooleanColumn,
    CategoryColumn,
    ClassTarget,
    Column,
    Encoder,
    NumberColumn,
    label_text,
)
from fastbp.cli.tabular import Facts, Score, TableModel

if TYPE_CHECKING:
    from fastbp import History, Network
    from fastbp.cli.encoding import Target
    from fastbp.cli.training import TableTraining

MOST_CLASSES_SHOWN = 15
MOST_COLUMNS_SHOWN = 40
NO_SCORE = "none: no row was held out"
REFRESH_SECONDS = 0.1


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints what it is given, and colours it on a terminal only."""
    return Console(stderr=stderr, quiet=quiet, markup=False, highlight=False, emoji=False)


class TrainingBar:
    """A progress bar as a callback of `Network.fit`: redrawn ten times a second at most, gone at the end.

    Parameters
    ----------
    epochs : int
        Epochs at most.
    n_samples : int
        Samples in an epoch.
    shown : bool
        False: draw nothing.
    """

    def __init__(self, epochs: int, n_samples: int, shown: bool) -> None:
        self._epochs = epochs
        self._n_samples = n_samples
        self._drawn = 0.0
        # The rate is taken from here on: from the start, and soon from the end of the first epoch, which may
        # have waited for the compiler.
        self._since, self._epochs_before = time.perf_counter(), 0
        self._progress = Progress(
            TextColumn("{task.description}", table_column=RichColumn(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", table_column=RichColumn(no_wrap=True)),
            console=make_console(stderr=True),
            auto_refresh=False,
            expand=True,
            transient=True,
            disable=not shown,
        )
        self._task = self._progress.add_task("compiling or loading the kernels", total=epochs, facts="")

    def __enter__(self) -> TrainingBar:
        """Draw the empty bar."""
        self._progress.start()
        self._progress.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        self._progress.stop()

    def __call__(self, net: Network, history: History) -> None:
        """Take notice of an epoch."""
        now = time.perf_counter()
        if now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            self._progress.update(
                self._task,
                description=f"epoch {history.n_epochs}/{self._epochs}",
                completed=history.n_epochs,
                facts=self._facts(history, now),
                refresh=True,
            )
        if self._epochs_before == 0:
            self._since, self._epochs_before = now, history.n_epochs

    def _facts(self, history: History, now: float) -> str:
        n = history.n_epochs
        seconds = max(now - self._since, 1e-9) / (n - self._epochs_before)
        validation = f"  validation {history.validation_loss[-1]:.4f}" if history.validation_loss else ""
        left = duration(seconds * (self._epochs - n))
        return f"loss {history.loss[-1]:.4f}{validation}  {si(self._n_samples / seconds)} samples/s  {left} left"


def si(number: float) -> str:
    """Write a number with three digits and k, M or G."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g}{letter}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """Write seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def print_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Print a line for each name and fact; facts that are empty are left out."""
    for name, fact in facts:
        if fact:
            console.print(Text.assemble((f"{name:<10}", "cyan"), fact), soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Write "1 row", "2 rows"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def print_plan(console: Console, training: TableTraining, data: str, reason: str) -> None:
    """Print what is going to be learnt, how, and why the task was chosen."""
    net, target, split = training.net, training.target, training.split
    functions = " + ".join(dict.fromkeys(net.layer_functions))
    print_facts(
        console,
        [
            ("data", f"{data}: {counted(training.frame.height, 'row')}, {rows_line(split.sizes())}"),
            ("task", f"{target.task} of {target.name!r} ({reason})"),
            (
                "network",
                f"{'-'.join(map(str, net.sizes))}, {functions}, {counted(net.n_params, 'parameter')}",
            ),
        ],
    )


def print_outcome(console: Console, model: TableModel, score: Score | None, out: Path, plot: Path | None) -> None:
    """Print how the training went: epochs, score, confusions, files."""
    target = model.target
    print_facts(
        console,
        [("training", epochs_line(model.facts)), ("score", score_line(score, target) if score else NO_SCORE)],
    )
    if score and score.confusion is not None and isinstance(target, ClassTarget):
        print_confusion(console, score.confusion, target)
    print_facts(console, [("model", str(out)), ("curve", str(plot or ""))])


def summary(model: TableModel, out: Path, plot: Path | None, messages: Sequence[str]) -> dict[str, Any]:
    """Return what `fastbp train --quiet` prints, as plain JSON."""
    facts = asdict(model.facts)
    score = facts.pop("score") or {"metric": None, "value": None, "baseline": None}
    return {
        "task": model.target.task,
        "target": model.target.name,
        "metric": score["metric"],
        "score": score["value"],
        "baseline": score["baseline"],
        "rmse": score.get("rmse"),
        "baseline_rmse": score.get("baseline_rmse"),
        **facts,
        "model": str(out),
        "plot": str(plot) if plot else None,
        "warnings": list(messages),
    }


def score_line(score: Score, target: Target) -> str:
    """Write a score beside its baseline in a line."""
    rows = counted(score.n_rows, "row")
    if isinstance(target, ClassTarget):
        always = label_text(target.classes[target.majority])
        return f"accuracy {score.value:.4f} on {rows}; baseline {score.baseline:.4f} (always {always})"
    value, baseline = ("-" if r2 is None else f"{r2:.4f}" for r2 in (score.value, score.baseline))
    return (
        f"R2 {value}, RMSE {score.rmse:.5g} on {rows}; "
        f"baseline R2 {baseline}, RMSE {score.baseline_rmse:.5g} (always {target.mean:.5g})"
    )


def print_confusion(console: Console, confusion: NDArray[np.int64], target: ClassTarget) -> None:
    """Print the confusion table, or for many classes the confusions that are most frequent."""
    names = [label_text(label) for label in target.classes]
    if len(names) > MOST_CLASSES_SHOWN:
        table = _worst_confusions(confusion, names)
    else:
        table = _confusion_table(confusion, names, names)
        if Measurement.get(console, console.options.update(width=10_000), table).maximum > console.width:
            numbers = [str(k) for k in range(1, len(names) + 1)]
            numbered = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)]
            table = _confusion_table(confusion, numbered, numbers)
    console.print(table)


def _confusion_table(confusion: NDArray[np.int64], row_names: Sequence[str], column_names: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="predicted", title_style="dim")
    table.add_column("true", style="cyan", overflow="ellipsis", no_wrap=True)
    for name in column_names:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for k, (name, counts) in enumerate(zip(row_names, confusion, strict=True)):
        cells = [
            Text("·", "dim") if n == 0 else Text(str(n), "green" if j == k else "red") for j, n in enumerate(counts)
        ]
        table.add_row(Text(name), *cells)
    return table


def _worst_confusions(confusion: NDArray[np.int64], names: Sequence[str], n_shown: int = 10) -> Table:
    errors = confusion.copy()
    np.fill_diagonal(errors, 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="most frequent confusions", title_style="dim")
    for name in ("true", "predicted"):
        table.add_column(name, style="cyan", overflow="fold")
    for name in ("rows", "of"):
        table.add_column(name, justify="right")
    for flat in np.argsort(-errors, axis=None, kind="stable")[:n_shown]:
        true, predicted = divmod(int(flat), len(names))
        if errors[true, predicted]:
            counts = (errors[true, predicted], confusion[true].sum())
            table.add_row(Text(names[true]), Text(names[predicted]), *map(str, counts))
    return table


def print_columns(console: Console, encoder: Encoder) -> None:
    """Print how each column becomes inputs; of very many columns, the first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("column", style="cyan", overflow="fold")
    table.add_column("kind")
    table.add_column("inputs", justify="right")
    table.add_column("encoding", overflow="fold")
    for column in encoder.columns[:MOST_COLUMNS_SHOWN]:
        table.add_row(Text(column.name), column.kind, str(column.n_inputs), Text(_encoding(column)))
    console.print(table)
    if len(encoder.columns) > MOST_COLUMNS_SHOWN:
        console.print(f"... and {counted(len(encoder.columns) - MOST_COLUMNS_SHOWN, 'more column')}")


def _encoding(column: Column) -> str:
    match column:
        case NumberColumn(scale=0.0):
            return f"{column.mean:.5g} in all training rows: not used"
        case NumberColumn():
            return f"mean {column.mean:.5g}, deviation {column.scale:.5g}"
        case BooleanColumn():
            return "0 or 1"
        case CategoryColumn():
            more = ", ..." if column.n_inputs > MOST_CLASSES_SHOWN else ""
            return "one-hot: " + ", ".join(column.categories[:MOST_CLASSES_SHOWN]) + more


def print_model(console: Console, model: TableModel, path: str) -> None:
    """Print task, classes, training and columns of a model."""
    target, facts = model.target, model.facts
    classes = ", ".join(map(label_text, target.classes)) if isinstance(target, ClassTarget) else ""
    print_facts(
        console,
        [
            ("model", path),
            ("task", f"{target.task} of {target.name!r}"),
            ("classes", classes),
            ("data", f"{facts.data}: {rows_line(facts.rows)}"),
            ("training", f"{facts.solver}, {epochs_line(facts)}"),
            ("score", score_line(Score(**facts.score), target) if facts.score else NO_SCORE),
            ("written", f"{facts.date} by fastbp {facts.fastbp}"),
        ],
    )
    print_columns(console, model.encoder)


def rows_line(rows: dict[str, int]) -> str:
    """Write how the rows are split."""
    return f"{rows['training']:,} training, {rows['validation']:,} validation, {rows['held_out']:,} held out"


def epochs_line(facts: Facts) -> str:
    """Write how long a training took and why it ended."""
    best = f"best epoch {facts.best_epoch}, " if facts.best_epoch else ""
    return f"{counted(facts.epochs, 'epoch')} in {facts.seconds:.2f} s, {best}stopped by {facts.stopped_by}"
