"""Flowcharts that are written in Markdown as Mermaid has them, drawn without it: an SVG in the page, in its colours.

    ```mermaid
    flowchart TD
        above["a room<br/>what is in it"]
        below["another"]
        above --> below
    ```

A line that is neither a box nor a chain of arrows is an error of the build: what is not understood is not left out.
"""

from __future__ import annotations

import re
import textwrap
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util import logging

logger = logging.getLogger(__name__)

LETTER, BOLD, LINE, PADDING = 6.8, 7.8, 17.0, 9.0  # a letter's width, a line's height, what is around them in a box
BESIDE, BELOW = 26.0, 30.0  # between boxes
MOST_LETTERS = 34  # of a line
SWEEPS = 8  # over the rows, to put what is joined above each other
_BOX = re.compile(r'^(\w+)\["(.*)"\]$')
_CHAIN = re.compile(r"^\w+( --> \w+)+$")


class Chart(NamedTuple):
    """Boxes by name, each with its lines, the first of which is its heading; and arrows."""

    boxes: dict[str, list[str]]
    arrows: list[tuple[str, str]]


def read(text: str) -> Chart:
    """Read a flowchart.

    Raises
    ------
    ValueError
        For a line that is not understood, or an arrow to a box that is not there.
    """
    boxes: dict[str, list[str]] = {}
    arrows: list[tuple[str, str]] = []
    first, *lines = filter(None, map(str.strip, text.splitlines()))
    if first != "flowchart TD":
        raise ValueError(f"a flowchart begins with 'flowchart TD'; got {first!r}")
    for line in lines:
        if box := _BOX.match(line):
            heading, *rest = box[2].split("<br/>")
            wrapped = (textwrap.wrap(part, MOST_LETTERS, break_on_hyphens=False) for part in rest)
            boxes[box[1]] = [heading, *(piece for pieces in wrapped for piece in pieces)]
        elif _CHAIN.match(line):
            arrows += pairwise(line.split(" --> "))
        else:
            raise ValueError(f"a line of a flowchart is a box or a chain of arrows; got {line!r}")
    unknown = {name for arrow in arrows for name in arrow} - set(boxes)
    if unknown:
        raise ValueError(f"arrows lead to boxes that are not there: {', '.join(sorted(unknown))}")
    return Chart(boxes, arrows)


def rows_of(chart: Chart) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """Put boxes into rows, each below all that lead to it; an arrow over several rows gets a place in each of them."""
    row_of: dict[str, int] = {}

    def row(name: str, seen: tuple[str, ...] = ()) -> int:
        if name in seen:
            raise ValueError(f"arrows lead in a circle: {' --> '.join([*seen, name])}")
        if name not in row_of:
            row_of[name] = 1 + max((row(a, (*seen, name)) for a, b in chart.arrows if b == name), default=-1)
        return row_of[name]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(row, chart.boxes)))]
    for name in chart.boxes:
        rows[row_of[name]].append(name)
    steps = []
    for a, b in chart.arrows:
        between = [f"{a} {b} {k}" for k in range(row_of[a] + 1, row_of[b])]
        for k, place in enumerate(between, row_of[a] + 1):
            rows[k].append(place)
        steps += pairwise([a, *between, b])
    for sweep in range(SWEEPS):
        _sort(rows, steps, down=sweep % 2 == 0)
    return rows, steps


def _sort(rows: list[list[str]], steps: list[tuple[str, str]], *, down: bool) -> None:
    """Order each row by the mean place of what it is joined with in the row before."""
    ordered = rows if down else rows[::-1]
    for before, row in pairwise(ordered):
        places = {name: k - len(before) / 2 for k, name in enumerate(before)}
        joined: dict[str, list[float]] = {name: [] for name in row}
        for a, b in steps:
            for other, own in ((a, b), (b, a)):
                if own in joined and other in places:
                    joined[own].append(places[other])
        means = {name: sum(found) / max(len(found), 1) for name, found in joined.items()}
        row.sort(key=means.__getitem__)


def svg(text: str) -> str:
    """Draw a flowchart."""
    chart = read(text)
    rows, steps = rows_of(chart)
    sizes = {name: _size(lines) for name, lines in chart.boxes.items()}
    for row in rows:  # what only passes a row is as high as the row, so that it bends in no box's place
        high = max(sizes[name][1] for name in row if name in sizes)
        sizes |= {name: (BESIDE, high) for name in row if name not in sizes}
    wide = max(sum(sizes[name][0] + BESIDE for name in row) for row in rows)
    places, y = {}, BELOW / 2
    for row in rows:
        high = max(sizes[name][1] for name in row)
        x = (wide - sum(sizes[name][0] + BESIDE for name in row)) / 2
        for name in row:
            places[name] = x + (sizes[name][0] + BESIDE) / 2, y + high / 2
            x += sizes[name][0] + BESIDE
        y += high + BELOW
    lines = [_arrow(places, sizes, step, head=step[1] in chart.boxes) for step in steps]
    lines += [_passing(places[name], sizes[name]) for name in places if name not in chart.boxes]
    boxes = [_box(places[name], sizes[name], texts) for name, texts in chart.boxes.items()]
    head = f'<svg role="img" viewBox="0 0 {wide:.0f} {y - BELOW / 2:.0f}" style="max-width:{wide:.0f}px">'
    names = "; ".join(f"{chart.boxes[a][0]} above {chart.boxes[b][0]}" for a, b in chart.arrows)
    return f'<div class="flowchart">{head}<title>{escape(names)}</title>{"".join([*lines, *boxes])}</svg></div>'


def _size(lines: list[str]) -> tuple[float, float]:
    heading, *rest = lines
    letters = max([BOLD * len(heading), *(LETTER * len(line) for line in rest)])
    return 2 * PADDING + letters, 2 * PADDING + LINE * len(lines)


def _arrow(places: dict[str, Any], sizes: dict[str, Any], step: tuple[str, str], *, head: bool) -> str:
    """A curve from the lower edge of what is above to the upper edge of what is below."""
    (x_1, y_1), (x_2, y_2) = (places[name] for name in step)
    y_1, y_2 = y_1 + sizes[step[0]][1] / 2, y_2 - sizes[step[1]][1] / 2
    middle = (y_1 + y_2) / 2
    line = f'<path d="M{x_1:.1f} {y_1:.1f}C{x_1:.1f} {middle:.1f} {x_2:.1f} {middle:.1f} {x_2:.1f} {y_2:.1f}"/>'
    return line + (f'<path class="head" d="M{x_2 - 4:.1f} {y_2 - 7:.1f}h8l-4 7z"/>' if head else "")


def _passing(place: tuple[float, float], size: tuple[float, float]) -> str:
    return f'<path d="M{place[0]:.1f} {place[1] - size[1] / 2:.1f}v{size[1]:.1f}"/>'


def _box(place: tuple[float, float], size: tuple[float, float], texts: list[str]) -> str:
    (x, y), (wide, high) = place, size
    box = f'<rect x="{x - wide / 2:.1f}" y="{y - high / 2:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="6"/>'
    first = y - high / 2 + PADDING + 0.72 * LINE
    kinds = ["heading", *["rest"] * (len(texts) - 1)]
    lines = [
        f'<text x="{x:.1f}" y="{first + k * LINE:.1f}" class="{kind}">{escape(line)}</text>'
        for k, (kind, line) in enumerate(zip(kinds, texts, strict=True))
    ]
    return box + "".join(lines)


class Flowchart(Directive):
    """The directive."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        try:
            return [nodes.raw("", svg("\n".join(self.content)), format="html")]
        except ValueError as error:
            logger.warning("%s", error, location=(self.state.document.settings.env.docname, self.lineno))
            return []


def setup(app: Any) -> dict[str, Any]:
    """Register the directive; `myst_fence_as_directive` makes it of a fence."""
    app.add_directive("mermaid", Flowchart)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
