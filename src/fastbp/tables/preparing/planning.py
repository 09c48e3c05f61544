"""Which columns of a table are learnt from, and why others are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from fastbp.tables.cells.choices import Choices
from fastbp.tables.cells.errors import TableError, counted, listed, row_number
from fastbp.tables.cells.kinds import LARGEST_EXACT, Understood, understand
from fastbp.tables.cells.mixtures import MOSTLY
from fastbp.tables.preparing.parallel import for_each

_ID_NAME = re.compile(
    r"^$|^(unnamed.*|row\.?names?|row|index|idx|key|uuid|guid|serial|nr|no|obs|observation|record|rank|s\.?no\.?|#)$"
    r"|(^|[_\W])(ids?|uid|key|nr|no|index)$",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](Id|ID)$")
_TIME_NAME = re.compile(r"^(t|time|year|yr|month|week|day|hour|quarter|period|date|age|step|epoch)s?$", re.IGNORECASE)
_CALLED_NAME = re.compile(r"(^|[_\W])((first|last|full|sur|vor|nach)?[_ ]?names?|nom|nombre)$", re.IGNORECASE)
_FEWEST_ROWS = 10  # of a table in which ids are looked for
_MOST_TEXTS = 20  # different ones, that are categories in any case


@dataclass(frozen=True)
class Plan:
    """A column and what becomes of it; `reason` says why it is left out, and is empty where it is used."""

    column: Understood
    reason: str = ""

    @property
    def used(self) -> bool:
        """Whether the network gets the column."""
        return not self.reason


def plan_inputs(frame: pl.DataFrame, choices: Choices) -> list[Plan]:
    """Understand all columns, and decide which of them are inputs.

    Parameters
    ----------
    frame : polars.DataFrame
        The inputs, without the target.
    choices : Choices
        What the user says of them.

    Returns
    -------
    list of Plan
        One for each column.

    Raises
    ------
    TableError
        When nothing is left to learn from.
    """
    plans = for_each(lambda series: _plan(understand(series, choices), choices), frame.get_columns(), frame.height)
    if not any(plan.used for plan in plans):
        counters = [
            plan for plan in plans if plan.column.kind in ("number", "date") and plan.reason != _constant(plan.column)
        ]
        if len(plans) == 1 and counters:
            return [Plan(counters[0].column)]  # the only thing that there is to learn from
        reasons = "; ".join(f"{plan.column.name!r} {plan.reason}" for plan in plans[:3])
        raise TableError(f"no column is left to learn from: {reasons} (--keep-column brings one back)")
    return plans


def _plan(column: Understood, choices: Choices) -> Plan:
    return Plan(column, _why_left_out(column, choices))


def _why_left_out(column: Understood, choices: Choices) -> str:
    """Return why a column is no input; nothing where it is one."""
    if column.kind == "other":
        return f"holds values of type {column.values.dtype}"
    if reason := _constant(column):
        return reason
    named = (*choices.keep, *choices.categorical, *choices.numeric)
    if column.name in named or len(column.values) < _FEWEST_ROWS:
        return ""
    if column.kind == "text":
        return _names(column)
    return _ids(column) if column.kind == "number" else ""


def _constant(column: Understood) -> str:
    if column.kind == "other":
        return ""
    values = column.values
    if column.gaps == len(values):
        return "has no value"
    if column.gaps == 0 and values[0] == values[-1] and values.n_unique() == 1 and column.n_distinct == 1:
        return f"is {values[0]!r} in every row" if column.kind != "date" else "is the same in every row"
    return ""


def _names(column: Understood) -> str:
    given = column.values.drop_nulls()
    n_distinct = given.n_unique()
    if n_distinct > _MOST_TEXTS and n_distinct > 0.5 * len(given):
        return f"has {n_distinct:,} different texts in {counted(len(column.values), 'row')}: names, or ids"
    if n_distinct > _MOST_TEXTS and n_distinct > 0.25 * len(given) and _CALLED_NAME.search(column.name):
        return f"has {n_distinct:,} different texts in {counted(len(column.values), 'row')}, and is called a name"
    return ""


def _ids(column: Understood) -> str:
    """Recognise numbers that tell rows apart: a counter of the rows, keys, numbers of very many digits."""
    values = column.values.drop_nulls()
    if column.gaps > (1 - MOSTLY) * len(column.values) or not column.whole:
        return ""
    largest = values.abs().max()
    if isinstance(largest, float) and largest >= LARGEST_EXACT and column.n_distinct > 0.5 * len(values):
        return "has whole numbers of more digits than a quantity has: ids"
    if _TIME_NAME.search(column.name):
        return ""
    if _ID_NAME.search(column.name) or _CAMEL_ID.search(column.name):
        return _called_an_id(column, values)
    if values[0] in (0.0, 1.0) and (column.values.diff().drop_nulls() == 1).all():
        return "counts the rows"
    return ""


def _called_an_id(column: Understood, values: pl.Series) -> str:
    """Tell whether numbers that are called ids are those of rows; a few may be missing, or there twice."""
    n_distinct = column.n_distinct if column.gaps == 0 else values.n_unique()
    if n_distinct == len(column.values):
        return "is another number in every row, and called an id"
    return "is another number in nearly every row, and called an id" if n_distinct >= MOSTLY * len(values) else ""


def notes_of(plans: Iterable[Plan], choices: Choices) -> list[str]:
    """Return a line for each guess that was made about the columns."""
    notes = []
    for plan in plans:
        name = plan.column.name
        if plan.reason:
            notes.append(f"column {name!r} left out: it {plan.reason} (--keep-column {name!r} uses it)")
            notes += plan.column.notes if plan.column.kind == "text" else ()
            continue
        notes += plan.column.notes
        if plan.column.kind == "text":
            n_levels = plan.column.values.drop_nulls().n_unique()
            if n_levels > choices.max_levels:
                notes.append(
                    f"column {name!r}: {n_levels:,} different texts; all but the {choices.max_levels} most frequent "
                    "count as one (--max-levels)"
                )
    return notes


def gaps_of(columns: Iterable[Understood], left_out: pl.Series | None = None) -> str:
    """Name every column with missing values, how many, and where the first one is; nothing where there are none.

    Rows that are `left_out` do not count.
    """
    named = []
    for column in columns:
        if column.gaps == 0:
            continue
        gaps = column.values.is_null()
        rows = (gaps if left_out is None else gaps & ~left_out).arg_true()
        if len(rows):
            named.append(f"{column.name!r} {len(rows):,} (row {row_number(rows[0])}{', ...' * (len(rows) > 1)})")
    return ", ".join(named)


def refuse_gaps(columns: Iterable[Understood]) -> None:
    """Raise a TableError that names all columns with missing values, if there is one."""
    if gaps := gaps_of(columns):
        raise TableError(f"values are missing: {gaps} (--missing fill or drop goes on without them)")


def require_known(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise a TableError for a name that is no column."""
    from fastbp.tables.cells.errors import nearest_hint

    columns = list(known)
    for name in names:
        if name not in columns:
            raise TableError(f"there is no column {name!r}{nearest_hint(name, columns) or f' ({listed(columns, 8)})'}")
