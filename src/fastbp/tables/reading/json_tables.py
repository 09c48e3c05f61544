"""Tables in JSON: lines of objects or an array of them, columns by their names, rows beside or below other things."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

from fastbp.tables.cells.errors import TableError
from fastbp.tables.reading.table import Table


def read_json(data: bytes) -> Table:
    """Read an array of objects, lines of them, or one object with a table in it.

    Raises
    ------
    TableError
        When it is no JSON.
    """
    try:
        if data.lstrip().startswith(b"["):
            return Table(pl.read_json(io.BytesIO(data), infer_schema_length=None))
        frame = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        if (table := _table_in_object(data)) is not None:
            return table
        raise TableError(f"the JSON cannot be read: {str(error).splitlines()[0]}") from None
    table = _table_in_object(data) if frame.height == 1 else None
    return table or Table(frame)


def _table_in_object(data: bytes) -> Table | None:
    """Read a table that is one object, as pandas and web services write it; None where it holds none."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    if not isinstance(found, dict) or not found:
        return None
    columns = _columns_by_name(found)
    if columns is not None:
        return Table(pl.DataFrame(columns, strict=False), ("an object of JSON: its names are those of the columns",))
    names, rows = found.get("columns"), found.get("data")
    if _is_list_of(names, str) and _is_list_of(rows, list):
        frame = pl.DataFrame(rows, schema=names, orient="row", strict=False, infer_schema_length=None)
        return Table(frame, ("an object of JSON with names and rows apart",))
    keys = [key for key, value in found.items() if _is_list_of(value, dict)]
    if len(keys) != 1:
        return None
    frame = pl.DataFrame(found[keys[0]], strict=False, infer_schema_length=None)
    return Table(frame, (f"an object of JSON: the rows are those of {keys[0]!r}",))


def _columns_by_name(found: dict[str, Any]) -> dict[str, list[Any]] | None:
    """Return columns that are lists of one length, or objects with the names of rows; None for other things."""
    values = list(found.values())
    if all(isinstance(value, dict) for value in values):
        rows = list(values[0])
        if not rows or any(value.keys() != values[0].keys() for value in values):
            return None
        columns = {name: [value[row] for row in rows] for name, value in found.items()}
    elif all(isinstance(value, list) for value in values) and len(set(map(len, values))) == 1:
        columns = found
    else:
        return None
    nested = any(isinstance(cell, (list, dict)) for column in columns.values() for cell in column)
    return None if nested else columns


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(one, kind) for one in value)
