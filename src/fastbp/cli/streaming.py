"""Tables that are read in pieces: the options of `fastbp train`, and when it does so."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from fastbp.cli.group import refusals
from fastbp.cli.options import Wishes

if TYPE_CHECKING:
    from fastbp.tables.preparing.sampling import Asked
    from fastbp.tables.preparing.targets import Task
    from fastbp.tables.reading.table import Reading

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--stream/--no-stream",
        default=None,
        help="Read the table in pieces, in each epoch.  [default: if it is large for the memory, or several files]",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Stream on the Dask cluster there: tcp://host:8786."),
)


class Streaming(NamedTuple):
    """Whether to read in pieces (None: by the size), and the address of a cluster."""

    stream: bool | None
    scheduler: str | None


def streaming_options(function: Function) -> Function:
    """Give a command the options of streaming."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def streaming_of(given: dict[str, Any]) -> Streaming:
    """Take the options of streaming out of all others, and refuse those that contradict each other."""
    found = Streaming(given.pop("stream"), given.pop("scheduler"))
    if found.scheduler is not None and found.stream is False:
        raise click.UsageError("--scheduler and --no-stream exclude each other: a cluster reads pieces")
    return found


def paths_to_stream(data: str, wish: Streaming) -> list[str]:
    """Return the files that are to be read in pieces; none where the table is read as a whole."""
    from fastbp.tables.cells.errors import TableError, TableWarning
    from fastbp.tables.reading.pieces import files_of, has_pieces, is_larger

    with refusals(TableError):
        paths = files_of(data)
        if wish.stream is False and len(paths) > 1:
            raise TableError(f"{data!r} are {len(paths)} files: only pieces are read of several, without --no-stream")
    if wish.scheduler is not None:
        return [os.path.abspath(path) for path in paths]  # workers begin in other folders
    if wish.stream or len(paths) > 1:
        return paths
    if wish.stream is False or not is_larger(paths[0]):
        return []
    if has_pieces(paths[0]):
        return paths
    warnings.warn(
        f"{paths[0]!r} is large for the memory, and of a kind that is read as a whole: text in UTF-8 (CSV), lines of "
        "JSON, Parquet and Arrow are read in pieces",
        TableWarning,
        stacklevel=2,
    )
    return []


def asked_of(wishes: Wishes, implied: tuple[Task, str] | None) -> Asked:
    """Return what the user says of the columns."""
    from fastbp.tables.cells.choices import Choices
    from fastbp.tables.preparing.sampling import Asked

    return Asked(wishes.target, Choices(**wishes.choices), wishes.task, wishes.weight, implied)


def reading_of(wishes: Wishes, written: Any) -> Reading:
    """Return how the files are read."""
    from fastbp.tables.reading.table import Reading

    return Reading(**wishes.reading, written=written)
