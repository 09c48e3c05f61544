"""What the command line shows: plans, scores, confusion tables, models.

Text that comes from the data (names of columns and classes) is no markup; consoles escape its control characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fastbp.cli.score_lines import score_facts
from fastbp.tables.cells.errors import counted
from fastbp.tables.modelling.model import Facts, TableModel
from fastbp.tables.modelling.scores import Score, Scored
from fastbp.tables.preparing.columns import BooleanColumn, CategoryColumn, Column, NumberColumn
from fastbp.tables.preparing.date_column import DateColumn
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.targets import ClassTarget, label_text

if TYPE_CHECKING:
    from fastbp.tables.modelling.training import TableTraining
    from fastbp.tables.preparing.preparation import Prepared
    from fastbp.tables.preparing.targets import Target

MOST_CLASSES_SHOWN = 15
MOST_COLUMNS_SHOWN = 40
NO_SCORE = "none: no row was held out"


def print_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Print a line for each name and fact; facts that are empty are left out."""
    for name, fact in facts:
        if fact:
            console.print(Text.assemble((f"{name:<10}", "cyan"), fact), soft_wrap=True)


def print_task(console: Console, training: TableTraining, data: str) -> None:
    """Print what is going to be learnt, and why; a line for each guess."""
    target, prepared = training.target, training.prepared
    sizes = training.shared_out()
    rows = f"{counted(sum(sizes.values()), 'row')}, {rows_line(sizes)}"
    print_facts(
        console, [("data", f"{data}: {rows}"), *(("note", note) for note in (*prepared.notes, *training.notes))]
    )
    print_facts(console, [("task", f"{target.task} of {target.name!r} ({prepared.reason})")])


def print_networks(console: Console, training: TableTraining) -> None:
    """Print which settings were chosen, and what is going to be trained."""
    net, n = training.net, training.n_networks
    functions = " + ".join(dict.fromkeys(net.layer_functions))
    tried = [] if training.tuning is None else [("tuning", str(training.tuning))]
    shape = f"{'-'.join(map(str, net.sizes))}, {functions}, {counted(net.n_params, 'parameter')}"
    print_facts(console, [*tried, ("network", shape), ("ensemble", ensemble_line(n))])
    if tried and n == 1 and (n_stopping := training.sizes()["validation"]):
        print_facts(console, [("stopping", f"{counted(n_stopping, 'row')} of the training rows, not learnt from")])


def ensemble_line(n: int) -> str:
    """Write how several networks are trained; nothing of one."""
    if n == 1:
        return ""
    return f"{n} networks, whose mean answers: a part of the rows stops each, another scores it (--ensemble 1: one)"


def print_plans(console: Console, prepared: Prepared, encoder: Encoder, data: str) -> None:
    """Print what would be done with each column: how many inputs, which, and what stands for missing values.

    `data` names the table, its rows, and how they are split.
    """
    names = ", ".join(repr(column.name) for column in prepared.targets)
    print_facts(console, [("data", data), *(("note", note) for note in prepared.notes)])
    print_facts(console, [("task", f"{prepared.task} of {names} ({prepared.reason})")])
    print_facts(console, [("target", target_line(prepared)), ("inputs", f"{encoder.n_inputs:,}")])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("column", style="cyan", overflow="fold")
    for heading in ("kind", "missing", "inputs", "what becomes of it"):
        is_number = heading in ("missing", "inputs")
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    learnt = {column.name: column for column in encoder.columns}
    for plan in prepared.plans:
        column = learnt.get(plan.column.name)
        fate = f"left out: it {plan.reason}" if column is None else describe(column)
        n_inputs = 0 if column is None else len(column.inputs)
        table.add_row(Text(plan.column.name), plan.column.kind, f"{plan.column.gaps:,}", str(n_inputs), Text(fate))
    console.print(table)


def target_line(prepared: Prepared) -> str:
    """Write the classes with their rows, or the range of the numbers, of the targets."""
    said = []
    for column in prepared.targets:
        given = column.values if column.text is None or prepared.task == "regression" else column.text
        if prepared.task == "classification":
            counts = given.drop_nulls().value_counts().sort("count", given.name, descending=[True, False])
            counts = counts.head(MOST_CLASSES_SHOWN)
            shown = ", ".join(f"{label_text(label)} {count:,}" for label, count in counts.iter_rows())
            said.append(f"rows of each class: {shown}" + ", ..." * (given.n_unique() > MOST_CLASSES_SHOWN))
        elif column.kind in ("number", "boolean"):
            numbers = column.values.cast(pl.Float64).to_numpy()
            said.append(f"from {numbers.min():g} to {numbers.max():g}, mean {numbers.mean():g}")
    return "; ".join(said)


def print_outcome(console: Console, model: TableModel, scored: Scored | None, out: Path, plot: Path | None) -> None:
    """Print how the training went: epochs, score, confusions, files."""
    target = model.target
    print_facts(console, [("training", epochs_line(model.facts)), ("unseen", str(model.facts.out_of_fold or ""))])
    print_facts(console, score_facts(scored.score, target) if scored else [("score", NO_SCORE)])
    if scored and scored.confusion is not None and isinstance(target, ClassTarget):
        print_confusion(console, scored.confusion, target)
    print_facts(console, [("columns", importance_line(model.facts, target))])
    print_facts(console, [("model", str(out)), ("curve", str(plot or ""))])


def summary(
    model: TableModel, out: Path, plot: Path | None, messages: Sequence[str], notes: Sequence[str]
) -> dict[str, Any]:
    """Return what `fastbp train --quiet` prints, as plain JSON."""
    facts = msgspec.to_builtins(model.facts)
    score = facts.pop("score") or {name: None for name in Score.__struct_fields__ if name != "n_rows"}
    value = score.pop("value")
    return {
        "task": model.target.task,
        "target": model.target.name,
        "metric": score.pop("metric"),
        "score": value,
        **{name: number for name, number in score.items() if name != "n_rows"},
        **facts,
        "model": str(out),
        "plot": str(plot) if plot else None,
        "notes": list(notes),
        "warnings": list(messages),
    }


def importance_line(facts: Facts, target: Target) -> str:
    """Write what shuffling the strongest columns costs."""
    what = "accuracy" if isinstance(target, ClassTarget) else "R2"
    costs = ", ".join(f"{name!r} {loss:.3f}" for name, loss in facts.importance.items() if loss > 0)
    return f"{what} lost when a column is shuffled: {costs}" if costs else ""


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
        kind = str(column.__struct_config__.tag)
        table.add_row(Text(column.name), kind, str(len(column.inputs)), Text(describe(column)))
    console.print(table)
    if len(encoder.columns) > MOST_COLUMNS_SHOWN:
        console.print(f"... and {counted(len(encoder.columns) - MOST_COLUMNS_SHOWN, 'more column')}")


def describe(column: Column) -> str:
    """Say in words how a column becomes inputs, and what stands for a missing value."""
    match column:
        case NumberColumn(scale=0.0):
            return f"{column.mean:.5g} in all training rows: not used{_gaps(column, '')}"
        case NumberColumn():
            filled = _gaps(column, f"{column.fill:.5g}")
            if column.scaling == "robust":
                return f"median {column.mean:.5g}, scale {column.scale:.5g}, clipped smoothly{filled}"
            return f"mean {column.mean:.5g}, deviation {column.scale:.5g}{filled}"
        case BooleanColumn():
            return f"0 or 1{_gaps(column, str(int(column.fill)))}"
        case CategoryColumn():
            levels = f"{counted(len(column.categories), 'level')}: {', '.join(column.categories[:15])}"
            more = ", ..." * (len(column.categories) > 15) + ", others together" * column.other
            return f"one-hot, {levels}{more}{_gaps(column, 'zeros')}"
        case DateColumn():
            written = f"{column.written(column.first)} to {column.written(column.last or column.first)}"
            return f"{', '.join(column.features)}; {written}{_gaps(column, column.written(column.fill))}"


def _gaps(column: Column, fill: str) -> str:
    """Say what stands for a missing value: `fill`, an input of its own, or both."""
    own = "an input of its own" * column.indicator
    fill = "" if column.indicator and fill == "zeros" else fill
    return f", missing: {' and '.join(filter(None, [fill, own]))}" if fill or own else ""


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
            ("left out", ", ".join(f"{name!r} ({reason})" for name, reason in facts.left_out.items())),
            ("tuning", str(facts.tuning or "")),
            ("ensemble", ensemble_line(facts.networks)),
            ("training", f"{facts.solver}, {epochs_line(facts)}"),
            ("unseen", str(facts.out_of_fold or "")),
            *(score_facts(facts.score, target) if facts.score else [("score", NO_SCORE)]),
            ("written", f"{facts.date} by fastbp {facts.fastbp}"),
        ],
    )
    print_columns(console, model.encoder)


def rows_line(rows: dict[str, int]) -> str:
    """Write how the rows are split; no validation rows, no word of them."""
    names = {"training": "training", "validation": "validation", "held_out": "held out"}
    there = {key: name for key, name in names.items() if rows.get(key) or key != "validation"}
    return ", ".join(f"{rows.get(key, 0):,} {name}" for key, name in there.items())


def epochs_line(facts: Facts) -> str:
    """Write how long a training took and why it ended."""
    best = f"best epoch {facts.best_epoch}, " if facts.best_epoch else ""
    return f"{counted(facts.epochs, 'epoch')} in {facts.seconds:.2f} s, {best}stopped by {facts.stopped_by}"
