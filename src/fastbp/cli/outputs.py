"""Files that the commands write: tried before any work, and written whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import click

from fastbp.cli.group import refusals
from fastbp.files.outputs import check_writable
from fastbp.tables.cells.errors import TableWarning
from fastbp.tables.modelling.model import TableModel
from fastbp.training import checkpoint_files

GENERATOR = '<meta name="generator" content="fastbp">'  # in each page: it may be replaced by a later one
_PAGE_HEAD = 4096  # bytes in which that stands


def try_output(path: Path, argument: str) -> None:
    """Find out, by trying, whether `path` can be written.

    Raises
    ------
    click.UsageError
        That names the option and the file.
    """
    try:
        check_writable(path, argument)
    except OSError as error:
        reason = (error.strerror or str(error)).removeprefix(f"{argument} cannot be written: ")
        raise click.UsageError(f"{argument} {str(path)!r} cannot be written: {reason}") from None


def check_outputs(sources: Sequence[str], outputs: dict[str, Path | None]) -> None:
    """Refuse, before any work, to write over what is read, to one file twice, or where it is forbidden.

    Parameters
    ----------
    sources : sequence of str
        Files that are read.
    outputs : dict from option to path or None
        Files that will be written.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    read = {Path(source).resolve() for source in sources if source != "-"}
    for option, path in given.items():
        try_output(path, option)
        if path.exists() and path.resolve() in read:
            raise click.UsageError(f"{str(path)!r} is read: writing to it would destroy it")
    if len({path.resolve() for path in given.values()}) < len(given):
        raise click.UsageError(f"{str(next(iter(given.values())))!r} would be written twice")


def check_checkpoint(path: Path | None) -> None:
    """Refuse, before any work, to write a checkpoint over anything else, or where it cannot be read back."""
    if path is not None:
        with refusals(ValueError):
            checkpoint_files.check_file(path, "--checkpoint")


def check_page(path: Path | None, option: str) -> None:
    """Refuse to write a page over one that is none of fastbp's."""
    if path is None or not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        if GENERATOR.encode() in file.read(_PAGE_HEAD):
            return
    raise click.UsageError(
        f"{option} {str(path)!r} is a page that fastbp did not write: it is not replaced, name another file"
    )


def check_default(path: Path) -> None:
    """Refuse to write to a file that its user did not name, if it is there and fastbp did not write it."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        if b"fastbp" not in file.read(_PAGE_HEAD):
            raise click.UsageError(f"{str(path)!r} is not of fastbp, and would be replaced: name a file with --out")


def check_model_file(out: Path, data: str, columns: Sequence[str], named: bool) -> None:
    """Say a word before the model of another table, or another file, is replaced.

    Parameters
    ----------
    out : path
        The model to write.
    data : str
        The table, as the user named it.
    columns : sequence of str
        Its columns.
    named : bool
        Whether the user named the file; when not, it is not replaced at all.
    """
    if not out.is_file() or out.stat().st_size == 0:
        return
    try:
        old = TableModel.load(str(out))
    except ValueError:
        what = "is no model of a table"
    else:
        known = {*(column.name for column in old.encoder.columns), *old.target.names}
        if Path(old.facts.data).name == Path(data).name and known <= set(columns):
            return
        what = f"is a model of another table, {old.facts.data!r}"
    if not named:
        raise click.UsageError(f"{str(out)!r} {what}, and would be replaced: name the new model's file with --out")
    warnings.warn(f"--out {str(out)!r} {what}, and is replaced", TableWarning, stacklevel=2)


def own_picture(path: Path, named: bool) -> Path | None:
    """Return `path` if a picture may be drawn there; None, and a warning, if it would replace one of the user's.

    A picture that cannot be written is no reason not to train, unless the user named its file.
    """
    from fastbp.plots import SOFTWARE

    if named:
        return path
    if path.is_file() and SOFTWARE.encode() not in path.read_bytes()[:4096]:
        warnings.warn(
            f"{str(path)!r} is not of fastbp and stays: name a file for the picture with --plot",
            TableWarning,
            stacklevel=2,
        )
        return None
    try:
        try_output(path, "--plot")
    except click.UsageError as error:
        warnings.warn(f"no picture: {error.message}", TableWarning, stacklevel=2)
        return None
    return path
