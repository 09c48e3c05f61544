"""Lines of the package's source, found by the number of the equation that stands beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[2] / "src" / "fastbp"
MOST_LINES = 14  # of a function that is shown whole
_REFERENCE = re.compile(r"^(?P<path>[\w/]+\.py)(?: (?P<function>\w+))? (?P<marker>\([\d.]+\))$")


class Lines(NamedTuple):
    """Some lines of a file: its path in the package, the function that they are in, the number of the first."""

    path: str
    function: str
    first: int
    code: str


def find(reference: str) -> list[Lines]:
    """Return the lines that a reference means: those of code, or a function whose docstring has the number.

    Parameters
    ----------
    reference : str
        "path function (number)", or "path (number)" for a whole file.

    Raises
    ------
    ValueError
        If there is no such file, function or number.
    """
    match = _REFERENCE.match(reference.strip())
    if match is None:
        raise ValueError(f"a reference is 'path function (number)'; got {reference!r}")
    path, function, marker = match["path"], match["function"], match["marker"]
    if not (PACKAGE / path).is_file():
        raise ValueError(f"{reference!r}: there is no {path}")
    text = (PACKAGE / path).read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for name, start, end in _functions(text):
        if function in (None, name):
            numbers = [number for number in range(start, end + 1) if marker in lines[number - 1]]
            besides = [number for number in numbers if not lines[number - 1].strip().startswith('"""')]
            found += [Lines(path, name, *_around(lines, number, start, end)) for number in besides or numbers]
    if not found:
        raise ValueError(f"{reference!r}: no line has {marker}" + (f" in {function}" if function else ""))
    return found


def _functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def _around(lines: list[str], number: int, start: int, end: int) -> tuple[int, str]:
    """The line itself; with the one below for a comment, with all of a short function for its docstring."""
    first = last = number
    line = lines[number - 1].strip()
    if line.startswith("#"):
        while lines[last - 1].strip().startswith("#"):
            last += 1
    elif line.startswith('"""'):
        first, last = start, end if end - start < MOST_LINES else number
    chosen = lines[first - 1 : last]
    indent = min(len(line) - len(line.lstrip()) for line in chosen if line)
    return first, "\n".join(line[indent:] for line in chosen)
