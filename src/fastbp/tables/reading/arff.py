"""Weka's format of tables: attributes with their types, then rows of values, dense or sparse."""

from __future__ import annotations

import csv
import re
from typing import NamedTuple

import polars as pl

from fastbp.tables.cells.errors import TableError, listed
from fastbp.tables.reading.table import Table

_ATTRIBUTE = re.compile(r"""\s*@attribute\s+(?P<name>'[^']*'|"[^"]*"|[^\s{]+)\s*(?P<type>.*)""", re.IGNORECASE)


class _Attribute(NamedTuple):
    """A column's name, and the classes that its values are of; none for numbers, dates and text."""

    name: str
    classes: tuple[str, ...]

    @property
    def unwritten(self) -> str:
        """The value that sparse rows leave out."""
        return self.classes[0] if self.classes else "0"


def read_arff(data: bytes) -> Table:
    """Read Weka's format: attributes, then rows of values; a question mark is missing.

    Raises
    ------
    TableError
        For names that occur twice, and for a row that is not as wide as there are names, with its line.
    """
    attributes: list[_Attribute] = []
    rows: list[list[str | None]] = []
    in_data = False
    for number, line in enumerate(data.decode("utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("%"):
            continue
        if in_data:
            row = _row_of(line.strip(), attributes, number)
            rows.append([None if cell.strip() in ("?", "") else cell.strip() for cell in row])
        elif found := _ATTRIBUTE.match(line):
            attributes.append(_Attribute(found["name"].strip("'\""), _classes_of(found["type"].strip())))
        in_data = in_data or line.strip().lower() == "@data"
    names = [attribute.name for attribute in attributes]
    if len(set(names)) < len(names):
        raise TableError(f"names must differ: {listed(names, 20)}")
    columns = {
        attribute.name: pl.Series([row[k] for row in rows], dtype=pl.String).cast(
            pl.Categorical() if attribute.classes else pl.String()
        )
        for k, attribute in enumerate(attributes)
    }
    return Table(pl.DataFrame(columns), ("an ARFF file",))


def _classes_of(type_: str) -> tuple[str, ...]:
    """Return the classes of a nominal type, {red, blue}; none for another type."""
    if not type_.startswith("{"):
        return ()
    return tuple(cell.strip() for cell in _cells(type_[1:].partition("}")[0]))


def _row_of(line: str, attributes: list[_Attribute], number: int) -> list[str]:
    """Cut a row into its values; {2 7, 4 blue} has those of columns 2 and 4, counted from 0."""
    width = len(attributes)
    if line.startswith("{"):
        row = [attribute.unwritten for attribute in attributes]
        for cell in filter(None, map(str.strip, _cells(line[1:].rpartition("}")[0]))):
            place, _, value = cell.partition(" ")
            if not place.isdecimal() or int(place) >= width or not value.strip():
                raise TableError(f"line {number}: {cell!r} is no place below {width} and a value")
            row[int(place)] = value.strip().strip("'\"")
        return row
    row = _cells(line)
    if len(row) != width and "\t" in line:
        row = _cells(line, "\t")
    if len(row) != width:
        raise TableError(f"line {number}: {width} values are expected, {len(row)} are there")
    return row


def _cells(text: str, separator: str = ",") -> list[str]:
    quote = "'" if "'" in text else '"'
    return next(csv.reader([text], delimiter=separator, quotechar=quote, skipinitialspace=separator == ","), [])
