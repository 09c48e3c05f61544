"""Files: which ones a path means, and what is said of one that is not as it was."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from fastbp import checks


def paths_of(source: Any, ending: str) -> list[str]:
    """The files that a path, a pattern, a folder, or a list of paths means: lists in their order, all else sorted."""
    if isinstance(source, list | tuple):
        paths = [checks.file_path(path, f"source[{k}]") for k, path in enumerate(source)]
    else:
        path = checks.file_path(source, "source")
        if os.path.isdir(path):
            paths = sorted(glob.glob(os.path.join(glob.escape(path), f"*.{ending}")))
        elif os.path.exists(path) or not glob.has_magic(path):
            paths = [path]
        else:
            paths = sorted(glob.glob(path, recursive=True))
    if not paths:
        raise FileNotFoundError(f"source must be at least one .{ending} file; nothing matches {source!r}")
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(f"source must be files that exist; there is no {path!r}")
    return paths


def names_of(names: Any, argument: str) -> list[str]:
    """One name of a column, or several, as a list."""
    listed = [names] if isinstance(names, str) else checks.items(names, argument, "names of columns")
    for k, name in enumerate(listed):
        if not isinstance(name, str):
            raise TypeError(f"{argument}[{k}] must be the name of a column; got {checks.described(name)}")
        if name in listed[:k]:
            raise ValueError(f"{argument} must name each column once; {name!r} comes twice")
    if not listed:
        raise ValueError(f"{argument} must name at least one column; got none")
    return listed


def check_apart(inputs: list[str], targets: list[str], weight: str | None) -> None:
    """Refuse a column that is said to be two things."""
    for name in inputs:
        if name in targets or name == weight:
            other = "targets" if name in targets else "sample_weight"
            raise ValueError(f"inputs must not name what {other} names; both name {name!r}")
    if weight in targets:
        raise ValueError(f"targets must not name what sample_weight names; both name {weight!r}")


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Say in an error of a library, or of the system, which place of which file it is about."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{place} is missing: it was there when the data were opened; put it back") from error
    except (OSError, ValueError, KeyError) as error:  # pyarrow's own errors are among them
        reason = " ".join(str(error).split())
        raise ValueError(f"{place} cannot be read: {reason}") from error


def needed(module: str, what: str) -> Any:
    """A module of pyarrow's, or an error that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'{what} needs pyarrow: pip install "fastbp[data]"') from error
