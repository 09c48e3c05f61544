"""Tables of databases: files of SQLite, and any other database that SQLAlchemy knows, by its URL."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from fastbp.tables.cells.errors import TableError, listed, nearest_hint
from fastbp.tables.reading.table import Reading, Table, refuse_unused

_URL = re.compile(r"[a-z][a-z0-9_+]*://", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")


def is_url(source: str) -> bool:
    """Whether a source is the URL of a database, such as postgresql://user@host/base."""
    return _URL.match(source) is not None


def without_password(source: str) -> str:
    """Return a source as it may be shown and kept."""
    return _PASSWORD.sub(r"\1:***@", source) if is_url(source) else source


def read_url(url: str, reading: Reading) -> Table:
    """Read a table of a database, or what a query finds in it.

    Parameters
    ----------
    url : str
        As SQLAlchemy takes it.
    reading : Reading
        The query, or which table; there is no need to say where there is one only.

    Raises
    ------
    TableError
        When SQLAlchemy or the database's driver is not installed, or for what the database says.
    """
    refuse_unused(reading, "a database", table=True, query=True)
    with _connected(url) as connection:
        query, notes = _query_of(connection, reading)
        frame = pl.read_database(query, connection, infer_schema_length=None)
    return Table(frame, notes)


def frames_of_url(url: str, reading: Reading, n_rows: int) -> Iterator[pl.DataFrame]:
    """Read the same in parts of `n_rows`."""
    refuse_unused(reading, "a database", table=True, query=True)
    with _connected(url) as connection:
        query, _ = _query_of(connection, reading)
        options: dict[str, Any] = {"iter_batches": True, "batch_size": n_rows, "infer_schema_length": None}
        yield from pl.read_database(query, connection, **options)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    try:
        import sqlalchemy
    except ImportError:
        raise TableError('databases need a further package: pip install "fastbp[sql]"') from None
    try:
        with sqlalchemy.create_engine(url).connect() as connection:
            yield connection
    except ImportError as error:  # the driver
        raise TableError(f"the database's driver is not installed: {error}") from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise TableError(f"the database says: {str(getattr(error, 'orig', None) or error).splitlines()[0]}") from None


def _query_of(connection: Any, reading: Reading) -> tuple[Any, tuple[str, ...]]:
    """Return what to ask for, and a note on which table was chosen."""
    import sqlalchemy

    if reading.query is not None:
        return sqlalchemy.text(reading.query), ()
    inspector = sqlalchemy.inspect(connection)
    name, notes = one_of([*inspector.get_table_names(), *inspector.get_view_names()], reading.table, "table")
    return sqlalchemy.select(sqlalchemy.Table(name, sqlalchemy.MetaData(), autoload_with=connection)), notes


def one_of(names: list[str], asked: str | None, what: str) -> tuple[str, tuple[str, ...]]:
    """Choose a table of several."""
    if asked is not None:
        if asked not in names:
            raise TableError(f"there is no {what} {asked!r}{nearest_hint(asked, names)}")
        return asked, ()
    if not names:
        raise TableError(f"it has no {what}")
    if len(names) > 1 and what == "table":
        raise TableError(f"it has {len(names)} tables ({listed(names, 10)}): choose one with --table")
    return names[0], (f"{what} {names[0]!r} of {listed(names, 10)} (--table chooses)",) if len(names) > 1 else ()


def read_sqlite(source: Path | bytes, reading: Reading) -> Table:
    """Read a table of a file of SQLite's, or what a query finds in it."""
    if isinstance(source, bytes):
        with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
            file.write(source)
            file.flush()
            return read_sqlite(Path(file.name), reading)
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            names = [row[0] for row in connection.execute(tables)]
            query = reading.query
            notes: tuple[str, ...] = ()
            if query is None:
                name, notes = one_of(names, reading.table, "table")
                query = 'SELECT * FROM "{}"'.format(name.replace('"', '""'))
            cursor = connection.execute(query)
            if cursor.description is None:
                raise TableError("--query must be a SELECT: it found no columns")
            columns = [entry[0] for entry in cursor.description]
            rows = cursor.fetchall()
    except sqlite3.Error as error:
        raise TableError(f"the database cannot be read: {error}") from None
    if len(set(columns)) < len(columns):
        raise TableError(f"names must differ: {listed(columns, 20)}")
    return Table(pl.DataFrame([_column(name, [row[k] for row in rows]) for k, name in enumerate(columns)]), notes)


def _column(name: str, values: list[object]) -> pl.Series:
    """Make a column of what a database holds: of numbers where all are, else of text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
