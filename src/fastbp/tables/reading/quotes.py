"""Quotes that never close: what they swallow is found, and refused by its row. Quotes around a whole row are undone.

A quoted value may have ends of lines in it. So an opening quote without a closing one takes the rows after it into one
value, up to the next quote or the end of the file, and a reader that forgives it says nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from fastbp.tables.cells.errors import TableError, at_the_beginning, counted, row_number, shown
from fastbp.tables.cells.labels import is_value
from fastbp.tables.reading.sniffing import BLANKS, WIDE_BLANKS, Layout, is_comment

_SAMPLED = 1000  # rows that tell which columns hold numbers
_MOSTLY = 0.9


class Row(NamedTuple):
    """A row with the lines of the text that it takes, from `begin` to `end`; without values, what is wrong with it."""

    begin: int
    end: int
    values: list[str]
    fault: str = ""


def refuse_open_quotes(data: Path | bytes, layout: Layout) -> None:
    """Refuse a text in which a value swallows rows.

    Parameters
    ----------
    data : path or bytes
        UTF-8.
    layout : Layout
        How it is laid out.

    Raises
    ------
    TableError
        For a quoted value of several lines that is not closed, or after whose end the value goes on, or in which
        rows of the table stand; with its row and line.
    """
    if layout.separator == WIDE_BLANKS:
        return  # quotes mean nothing there
    numeric: list[bool] | None = None
    n_rows = 0
    for row in _rows_of(data, layout):
        if row.end - row.begin > 1:
            numeric = _columns_of_values(data, layout) if numeric is None else numeric
            fault = row.fault or _swallowed(row.values, numeric, layout.separator)
            if fault:
                at = f" (line {layout.skip + row.begin + 1})" if at_the_beginning() else ""
                raise TableError(
                    f"row {row_number(n_rows)}{at} takes {counted(row.end - row.begin, 'line')}: {fault}. A "
                    f"{layout.quote} that belongs to a value is written twice, and the value between two of them"
                )
        n_rows += not (layout.comment and row.values and is_comment(row.values[0]))


def _rows_of(data: Path | bytes, layout: Layout) -> Iterator[Row]:
    """Cut a text into rows as its quotes say, and go on after a line at which they contradict each other."""
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        lines = (
            line.decode("utf-8-sig", errors="replace").rstrip("\r\n") + "\n" for line in islice(file, layout.skip, None)
        )
        blanks = layout.separator == BLANKS
        reader = csv.reader(
            (line.replace("\t", " ").lstrip() if blanks else line for line in lines),
            delimiter=layout.separator, quotechar=layout.quote, skipinitialspace=blanks, strict=True,
        )  # fmt: skip
        while True:
            begin = reader.line_num
            try:
                values = next(reader, None)
            except csv.Error as error:
                never = "unexpected end" in str(error)
                fault = (
                    "a quote is opened and never closed" if never else "a value goes on after the quote that ends it"
                )
                yield Row(begin, reader.line_num, [], fault)
                continue
            if values is None:
                return
            yield Row(begin, reader.line_num, values)


def _columns_of_values(data: Path | bytes, layout: Layout) -> list[bool]:
    """Tell for each column whether it holds numbers, dates and the like, by the first rows of one line."""
    width = len(layout.names)
    filled, values = [0] * width, [0] * width
    for row in islice(_rows_of(data, layout), _SAMPLED):
        if row.end - row.begin != 1:
            continue
        for place, cell in enumerate(row.values[:width]):
            filled[place] += bool(cell.strip())
            values[place] += bool(cell.strip()) and is_value(cell.strip())
    return [n > 0 and n_values >= _MOSTLY * n for n, n_values in zip(filled, values, strict=True)]


def _swallowed(values: list[str], numeric: list[bool], separator: str) -> str:
    """Say which value of a row has rows of the table in it; nothing for what its writer meant to be one."""
    for place, value in enumerate(values[: len(numeric)]):
        first, *whole = value.split("\n")
        if not whole or len(numeric) < 2:
            continue
        last = whole.pop()
        # From the opened quote to the end of its line, and from the start of another line to the quote that closes it.
        ends = _fits(first, numeric[place:], separator, 1, 0) and _fits(last, numeric[: place + 1], separator, 0, 1)
        if ends and any(numeric[:place] + numeric[place + 1 :]):
            return f"rows of the table stand in a value between quotes, {shown(value)}"
        if any(_fits(line, numeric, separator) for line in whole) and (ends or any(numeric)):
            return f"rows of the table stand in a value between quotes, {shown(value)}"
    return ""


def _fits(line: str, numeric: list[bool], separator: str, at_start: int = 0, at_end: int = 0) -> bool:
    """Whether a line could be these columns of a row; the first or the last value may be a part of one."""
    cells = line.split(separator)
    if len(cells) != len(numeric):
        return False
    inner = slice(at_start, len(cells) - at_end)
    return all(
        is_value(cell.strip()) for cell, of_values in zip(cells[inner], numeric[inner], strict=True) if of_values
    )


def taken_apart(frame: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, list[str]]:
    """Cut rows that stand whole between quotes, and so came as a first value and nothing else; say which."""
    if frame.width < 2 or frame.dtypes[0] != pl.String:
        return frame, []
    first, *others = frame.columns
    alone = pl.all_horizontal(pl.col(name).is_null() for name in others)
    whole = frame.select(pl.col(first).str.contains(layout.separator, literal=True) & alone).to_series()
    found = {}
    for row in whole.fill_null(False).arg_true():
        cells = next(csv.reader([frame[first][row]], delimiter=layout.separator, quotechar=layout.quote), [])
        if _is_row([cell.strip() for cell in cells], frame):
            found[int(row)] = [cell.strip() or None for cell in cells]
    if not found:
        return frame, []
    columns = [
        series.scatter(list(found), pl.Series(cells, dtype=pl.String).cast(series.dtype, strict=False))
        for series, cells in zip(frame, zip(*found.values(), strict=True), strict=True)
    ]
    said = "stands whole between quotes: it is taken apart"
    return pl.DataFrame(columns), [f"row {row_number(row)} {said}" for row in found]


def _is_row(cells: list[str], frame: pl.DataFrame) -> bool:
    """Whether cells could be a row: as many as there are columns, with values where those of the others are values."""
    if len(cells) != frame.width:
        return False
    of_values = []
    for cell, series in zip(cells, frame.head(_SAMPLED), strict=True):
        given = series.drop_nulls().cast(pl.String).to_list()
        if given and sum(map(is_value, given)) >= _MOSTLY * len(given):
            of_values.append(is_value(cell))
    return len(of_values) > 0 and all(of_values)
