"""From a table as it was read to what can be learnt from: the inputs, the target, the rows that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.doubts import far_nines, open_decimals
from fastbp.tables.cells.errors import TableError, counted, nearest_hint, row_number
from fastbp.tables.cells.kinds import Understood, understand
from fastbp.tables.preparing.planning import Plan, gaps_of, notes_of, plan_inputs, refuse_gaps, require_known
from fastbp.tables.preparing.strays import classes_alike, classes_of_one_row, without_strays
from fastbp.tables.preparing.targets import Task, guess_task
from fastbp.tables.preparing.totals import without_total
from fastbp.tables.reading.naming import are_made
from fastbp.tables.reading.table import Table

FEWEST_ROWS = 2


@dataclass(frozen=True)
class Prepared:
    """A table that can be learnt from.

    `inputs` and `targets` have the rows that stay, `weights` too; `rows` are their numbers in the table, from 0.
    `plans` tell of all inputs, `columns` are the names of all columns of the table. `notes` explain what was decided,
    `warnings` what may be wrong.
    """

    inputs: tuple[Understood, ...]
    targets: tuple[Understood, ...]
    task: Task
    reason: str
    weights: NDArray[np.float64] | None
    rows: NDArray[np.int64]
    plans: tuple[Plan, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """The inputs as a frame."""
        return pl.DataFrame({column.name: column.values for column in self.inputs})  # a name may be ''

    @property
    def n_rows(self) -> int:
        """Number of rows that stay."""
        return len(self.targets[0].values)


def choose_targets(table: Table, asked: str | None, dropped: Sequence[str]) -> tuple[str, ...]:
    """Return the target columns: those asked for, those of the file's format, or the last one.

    "a,b" is a column of that name, or else two columns.
    """
    names = [name for name in table.frame.columns if name not in dropped]
    if not names:
        raise TableError("no column is left")
    if asked is None:
        return table.targets or (names[-1],)
    if asked in names:
        return (asked,)
    several = tuple(name.strip() for name in asked.split(","))
    if len(several) < 2 or all(name not in names for name in several):
        unnamed = "; the table has no line of names (--header: its first line is one)" if are_made(names) else ""
        raise TableError(f"there is no column {asked!r}{unnamed or nearest_hint(asked, names)}")
    require_known(several, names)
    if len(set(several)) < len(several):
        raise TableError(f"a target is named twice: {asked!r}")
    return several


def _require_rows_and_columns(frame: pl.DataFrame, choices: Choices, weight: str | None) -> None:
    """Refuse a table of too few rows, or without a column that the user names."""
    if frame.height < FEWEST_ROWS:
        raise TableError(f"{counted(frame.height, 'row')} is too few to learn from")
    require_known((*choices.drop, *choices.keep, *choices.categorical, *choices.numeric), frame.columns)
    if weight is not None:
        require_known([weight], frame.columns)


def prepare(
    table: Table,
    target: str | None,
    choices: Choices,
    *,
    task: Task | None = None,
    implied: tuple[Task, str] | None = None,
    weight: str | None = None,
) -> Prepared:
    """Decide what to learn from a table.

    Parameters
    ----------
    table : Table
        As it was read.
    target : str or None
        The target column or columns; None: the last one.
    choices : Choices
        What the user says of the columns.
    task : "classification", "regression" or None
        None: guessed from the target.
    implied : tuple of task and option, or None
        The task of numbers that an option such as a loss is for, and the option.
    weight : str or None
        A column of weights of the rows.

    Raises
    ------
    TableError
        When it cannot be learnt from; the message names the column and the row.
    """
    frame, totals = without_total(table.frame)
    choices = choices.for_table(frame, table.decimal_comma)
    _require_rows_and_columns(frame, choices, weight)
    frame = frame.drop(choices.drop)
    names = choose_targets(table, target, choices.drop)
    if weight in names or weight in choices.drop:
        raise TableError(f"the weights cannot be in {weight!r}: that column is the target, or dropped")
    inputs = frame.drop(*names, *([weight] if weight else []))
    if inputs.width == 0:
        raise TableError(f"there is no column besides the target {names[0]!r}")
    targets = [understand(frame[name], choices) for name in names]
    task, reason = _task_asked(targets, task, implied)
    targets = _without_strays(targets, task, choices)
    plans = plan_inputs(inputs, choices)
    used = [plan.column for plan in plans if plan.used]
    weights = None if weight is None else _weights(frame[weight])
    chosen, reason = _task_of(targets, task, reason)
    keep, dropped = _rows_that_stay(used, targets, choices)
    inputs_too = [plan.column for plan in plans if plan.column.kind != "other"]  # left out perhaps for what is odd
    odd = [line for column in (*targets, *inputs_too) for line in column.odd]
    odd += [*open_decimals((*targets, *used), choices), *far_nines((*targets, *used))]
    notes = [
        *table.notes,
        *totals,
        *(line for column in targets for line in column.notes),
        *notes_of(plans, choices),
        *dropped,
    ]
    return Prepared(
        inputs=tuple(_rows_of(column, keep) for column in used),
        targets=tuple(_rows_of(column, keep) for column in targets),
        task=chosen,
        reason=reason,
        weights=None if weights is None else weights[keep],
        rows=np.flatnonzero(keep),
        plans=tuple(plans),
        columns=tuple(table.frame.columns),
        notes=tuple(notes),
        warnings=tuple(odd),
    )


def _task_asked(
    targets: Sequence[Understood], task: Task | None, implied: tuple[Task, str] | None
) -> tuple[Task | None, str]:
    """Return the task that its owner asks for, by --task or, for numbers, by an option that only one task has."""
    if task is None and implied is not None and len(targets) == 1 and targets[0].kind == "number":
        return implied[0], f"by {implied[1]}"
    return task, "by --task"


def _without_strays(targets: list[Understood], task: Task | None, choices: Choices) -> list[Understood]:
    """Leave stray cells of a target out, where it may be one of classes, and name the classes of one row."""
    if len(targets) > 1 or task == "regression" or targets[0].gaps == len(targets[0].values):
        return targets
    column = targets[0]
    column = column if task else without_strays(column, column.name in choices.categorical)
    if column.kind in ("other", "date") or (task is None and guess_task(column)[0] == "regression"):
        return [column]
    return [replace(column, odd=(*column.odd, *classes_of_one_row(column), *classes_alike(column)))]


def _task_of(targets: Sequence[Understood], asked: Task | None, why: str) -> tuple[Task, str]:
    if len(targets) == 1:
        guessed, reason = guess_task(targets[0])
        return asked or guessed, why if asked else f"{reason}; --task overrides"
    of_text = next((column for column in targets if column.kind not in ("number", "boolean")), None)
    if asked == "classification" or of_text is not None:
        name = targets[0].name if of_text is None else of_text.name
        raise TableError(
            f"several targets are learnt together where all are numbers: the outputs add up to 1 for the classes "
            f"of one column only. Train a model for each column of classes, --target {name!r}"
        )
    return "regression", f"{len(targets)} targets"


def _weights(series: pl.Series) -> NDArray[np.float64]:
    column = understand(series)
    if column.kind not in ("number", "boolean"):
        raise TableError(f"column {series.name!r} must hold numbers to be weights")
    values = column.values.cast(pl.Float64)
    wrong = values.is_null() | (values < 0).fill_null(False)
    if wrong.any():
        row = int(wrong.arg_true()[0])
        where = f"column {series.name!r}, row {row_number(row)}"
        raise TableError(f"weights must be numbers that are not negative: {where}")
    if (values == 0).all():
        raise TableError(f"all weights in column {series.name!r} are 0: nothing to learn")
    return values.to_numpy()


def _rows_that_stay(
    used: list[Understood], targets: list[Understood], choices: Choices
) -> tuple[NDArray[np.bool_], list[str]]:
    """Decide which rows are learnt from, and say what becomes of missing values."""
    if choices.missing == "error":
        refuse_gaps([*targets, *used])
    notes = []
    gone = _any_gap(targets)
    if gone.all():
        name = next((column.name for column in targets if column.gaps == len(gone)), targets[0].name)
        raise TableError(f"the target {name!r} has no value in any row: choose another with --target")
    if gone.any():
        rows = np.flatnonzero(gone)
        notes.append(
            f"{counted(len(rows), 'row')} without a value of the target left out "
            f"(row {row_number(rows[0])}{', ...' * (len(rows) > 1)})"
        )
    gaps = gaps_of(used, pl.Series(gone))
    if choices.missing == "drop" and gaps:
        more = _any_gap(used) & ~gone
        notes.append(f"{counted(int(more.sum()), 'row')} with missing values left out: {gaps}")
        gone |= more
    elif gaps:
        notes.append(f"missing values filled in: {gaps} (--missing drop or error for another way)")
    if gone.all():
        raise TableError("no row is left: each one has a missing value")
    return ~gone, notes


def _any_gap(columns: Sequence[Understood]) -> NDArray[np.bool_]:
    gaps = np.zeros(len(columns[0].values), dtype=bool)
    for column in columns:
        if column.gaps:
            gaps |= column.values.is_null().to_numpy()
    return gaps


def _rows_of(column: Understood, keep: NDArray[np.bool_]) -> Understood:
    if keep.all():
        return column
    mask = pl.Series(keep)
    return replace(
        column, values=column.values.filter(mask), text=None if column.text is None else column.text.filter(mask)
    )
