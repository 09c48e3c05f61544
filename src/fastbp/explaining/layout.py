"""Where units, lines and labels of a drawing stand: in the page and in the plots alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.explaining.drawn import Part, shortened, whole

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

COLUMN, ROW, RADIUS = 150.0, 76.0, 21.0  # between layers, between units, of a unit
MARGIN, ABOVE, BELOW = 36.0, 30.0, 46.0  # beside the outermost units, above them, and below: there is a number
LABEL_WIDTH, LABEL_HEIGHT = 58.0, 15.0
VALUE_BELOW = 31.0  # from a unit's centre down to the number below it
ALONG = (0.39, 0.46, 0.54, 0.62, 0.7, 0.3)  # where on a line its label may stand, the first that is free
CAPTION = 24.0  # above the units of a layer of which not all are drawn
Names = dict[int, str]  # by unit
LETTER, MOST_LETTERS = 7.9, 16  # of the name of an input, or an output, beside it
BOW, BOW_MORE = 84.0, 22.0  # how far the control point of a line is moved that skips a layer; for each further one


class Word(NamedTuple):
    """A text of a drawing: (x, y) is the end that is its anchor, "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Layout:
    """A drawing's places, x to the right and y down.

    Attributes
    ----------
    part : Part
        What is drawn.
    units : array (n_units, 2)
        Centres, by number of unit; NaN of those that are not drawn.
    ends : array (n_edges, 2)
        (from, to) of each line.
    controls : array (n_edges, 2)
        Control point of each line, a quadratic Bezier curve: straight but where a layer is skipped.
    labels : list of (x, y) or None
        Of each line; None where there is no room.
    words : list of Word
        Names of inputs and outputs, and how many units of a layer are drawn.
    width, height : float
    """

    part: Part
    units: Array
    ends: Array
    controls: Array
    labels: list[tuple[float, float] | None]
    words: list[Word]
    width: float
    height: float

    def curves(self, n: int = 24) -> Array:
        """Points along each line: (n_edges, n, 2)."""
        along = np.linspace(0.0, 1.0, n)[:, None]
        start, end = self.units[self.ends[:, 0], None], self.units[self.ends[:, 1], None]
        return bezier(start, self.controls[:, None], end, along)


def bezier(start: Array, control: Array, end: Array, along: Array | float) -> Array:
    """Points of quadratic Bezier curves."""
    return np.asarray((1 - along) ** 2 * start + 2 * along * (1 - along) * control + along**2 * end)


def lay_out(net: "ComputingNetwork", part: Part | None = None, names: Sequence[str] = ()) -> Layout:
    """Layers in columns, units of a layer centred, labels where they hide neither each other nor a unit.

    Parameters
    ----------
    net : ComputingNetwork
    part : Part, optional
        What is drawn; None: all.
    names : sequence of str
        Of the units; "" for none.

    Raises
    ------
    ValueError
        If there is no part, and the network is too large to be drawn.
    """
    part = part or whole(net)
    columns, edges = [units for _, units in part.layers], net.edges[part.edges]
    beside = _beside(net, columns, names)
    left, right = (max([MARGIN, *(RADIUS + 12 + LETTER * len(text) for text in texts.values())]) for texts in beside)
    places, tallest = np.full((net.n_units, 2), np.nan), max(map(len, columns))
    for column, units in enumerate(columns):
        places[units, 0] = left + COLUMN * column
        places[units, 1] = ROW * (np.arange(len(units)) + (tallest - len(units)) / 2)
    controls = _controls(places, edges)
    middles = bezier(places[edges[:, 0]], controls, places[edges[:, 1]], 0.5)[:, 1]
    top, bottom = (float(extreme) for extreme in (middles.min(initial=0.0), middles.max(initial=ROW * (tallest - 1))))
    above = ABOVE + (0.0 if part.is_whole else CAPTION)
    for points in (places, controls):
        points[:, 1] += above - min(top, 0.0)
    height = above + BELOW + max(bottom, ROW * (tallest - 1)) - min(top, 0.0)
    words = _words(places, columns, part.captions, beside)
    width = left + right + COLUMN * (len(columns) - 1)
    return Layout(
        part, places, edges, controls, _labels(places[part.units], places, edges, controls), words, width, height
    )


def _beside(net: "ComputingNetwork", columns: list[Array], names: Sequence[str]) -> tuple[Names, Names]:
    """What stands to the left of the inputs, and to the right of the outputs of the last column, by unit."""
    if not any(names):
        return {}, {}
    inputs, outputs = columns[0][columns[0] < net.n_inputs], columns[-1][columns[-1] >= net.n_units - net.n_outputs]
    left, right = (
        {int(j): shortened(names[j], MOST_LETTERS) for j in units if names[j]} for units in (inputs, outputs)
    )
    return left, right


def _words(places: Array, columns: list[Array], captions: Sequence[str], beside: tuple[Names, Names]) -> list[Word]:
    left, right = beside
    words = [Word(float(places[j, 0]) - RADIUS - 6, float(places[j, 1]), text, "end") for j, text in left.items()]
    words += [Word(float(places[j, 0]) + RADIUS + 6, float(places[j, 1]), text, "start") for j, text in right.items()]
    for units, caption in zip(columns, captions, strict=True):
        if caption:
            x, y = places[units[0]]
            words.append(Word(float(x), float(y) - RADIUS - CAPTION / 2, caption, "middle"))
    return words


def _controls(places: Array, edges: Array) -> Array:
    """Control points: the middle; of a line that skips layers above or below the units between."""
    start, end = places[edges[:, 0]], places[edges[:, 1]]
    controls = (start + end) / 2
    skipped = np.rint((end[:, 0] - start[:, 0]) / COLUMN).astype(np.int64) - 1
    centre = (np.nanmin(places[:, 1]) + np.nanmax(places[:, 1])) / 2
    above = np.where(np.abs(controls[:, 1] - centre) < 1e-6, edges.sum(axis=1) % 2 == 0, controls[:, 1] < centre)
    bow = np.where(skipped > 0, BOW + BOW_MORE * (skipped - 1), 0.0)
    controls[:, 1] += np.where(above, -bow, bow)
    return controls


def _labels(centres: Array, places: Array, edges: Array, controls: Array) -> list[tuple[float, float] | None]:
    taken = _Boxes(len(centres) + len(edges))
    for x, y in centres:  # the unit and its number
        taken.add(x, y + 8.0, LABEL_WIDTH / 2, RADIUS + 12.0)
    found: list[tuple[float, float] | None] = []
    for (i, j), control in zip(edges, controls, strict=True):
        place = None
        for along in ALONG:
            x, y = bezier(places[i], control, places[j], along)
            if taken.is_free(x, y, LABEL_WIDTH / 2, LABEL_HEIGHT / 2):
                taken.add(x, y, LABEL_WIDTH / 2, LABEL_HEIGHT / 2)
                place = (float(x), float(y))
                break
        found.append(place)
    return found


class _Boxes:
    """Rectangles that must not overlap, each by its centre and half its sides."""

    def __init__(self, most: int) -> None:
        self._boxes, self._n = np.empty((most, 4)), 0

    def add(self, x: float, y: float, half_width: float, half_height: float) -> None:
        """Take a rectangle."""
        self._boxes[self._n] = x, y, half_width, half_height
        self._n += 1

    def is_free(self, x: float, y: float, half_width: float, half_height: float) -> bool:
        """Whether a rectangle overlaps none of those taken."""
        b = self._boxes[: self._n]
        apart = (np.abs(b[:, 0] - x) >= b[:, 2] + half_width) | (np.abs(b[:, 1] - y) >= b[:, 3] + half_height)
        return bool(apart.all())
