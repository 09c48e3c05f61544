"""What a view shows: sections of lines and tables. Text, HTML and LaTeX are three ways to set them.

Expressions are written as they are printed in plain text: ``delta_2 = h'(a_2) [w_42 d_4 + w_52 d_5]``. `markup.py`
makes HTML and LaTeX of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """An equation with its numbers.

    Attributes
    ----------
    label : str
        What it is about.
    parts : tuple of str
        The equation, cut where a line may be broken.
    note : str
        A remark.
    """

    label: str
    parts: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells, set right-aligned below their heads."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A title with the equations that hold, lines or a table, and remarks."""

    title: str
    formulas: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()


def without_repeats(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines, each remark where it comes first."""
    found: list[Line] = []
    said: set[str] = set()
    for line in lines:
        found.append(Line(line.label, line.parts, "" if line.note in said else line.note))
        said.add(line.note)
    return tuple(found)
