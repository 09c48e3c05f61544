"""Where units, lines and labels of a drawing stand: in the page and in the plots alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

MOST_UNITS, MOST_EDGES = 200, 3000  # of a drawing in which anything can be told apart
COLUMN, ROW, RADIUS = 150.0, 76.0, 21.0  # between layers, between units, of a unit
MARGIN, ABOVE, BELOW = 36.0, 30.0, 46.0  # beside the outermost units, above them, and below: there is a number
LABEL_WIDTH, LABEL_HEIGHT = 58.0, 15.0
VALUE_BELOW = 31.0  # from a unit's centre down to the number below it
ALONG = (0.39, 0.46, 0.54, 0.62, 0.7, 0.3)  # where on a line its label may stand, the first that is free
BOW, BOW_MORE = 84.0, 22.0  # how far the control point of a line is moved that skips a layer; for each further one


@dataclass(frozen=True)
class Layout:
    """A drawing's places, x to the right and y down.

    Attributes
    ----------
    units : array (n_units, 2)
        Centres, by number of unit.
    ends : array (n_edges, 2)
        (from, to) of each line.
    controls : array (n_edges, 2)
        Control point of each line, a quadratic Bezier curve: straight but where a layer is skipped.
    labels : list of (x, y) or None
        Of each line; None where there is no room.
    width, height : float
    """

    units: Array
    ends: Array
    controls: Array
    labels: list[tuple[float, float] | None]
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


def lay_out(net: "ComputingNetwork") -> Layout:
    """Layers in columns, units of a layer centred, labels where they hide neither each other nor a unit.

    Raises
    ------
    ValueError
        If the network is too large to be drawn.
    """
    n_edges = len(net.wiring.edges)
    if net.n_units > MOST_UNITS or n_edges > MOST_EDGES:
        raise ValueError(
            f"net must have at most {MOST_UNITS} units and {MOST_EDGES:,} connections to be drawn; it has "
            f"{net.n_units:,} and {n_edges:,}. print(net.explain(x, t)) shows it by layer"
        )
    layers, edges, places = net.layer_units, net.edges, np.empty((net.n_units, 2))
    tallest = max(map(len, layers))
    for column, units in enumerate(layers):
        places[units, 0] = MARGIN + COLUMN * column
        places[units, 1] = ROW * (np.arange(len(units)) + (tallest - len(units)) / 2)
    controls = _controls(places, edges)
    middles = bezier(places[edges[:, 0]], controls, places[edges[:, 1]], 0.5)[:, 1]
    top, bottom = (float(extreme) for extreme in (middles.min(initial=0.0), middles.max(initial=ROW * (tallest - 1))))
    for points in (places, controls):
        points[:, 1] += ABOVE - min(top, 0.0)
    height = ABOVE + BELOW + max(bottom, ROW * (tallest - 1)) - min(top, 0.0)
    labels = _labels(places, edges, controls)
    return Layout(places, edges, controls, labels, 2 * MARGIN + COLUMN * (len(layers) - 1), height)


def _controls(places: Array, edges: Array) -> Array:
    """Control points: the middle; of a line that skips layers above or below the units between."""
    start, end = places[edges[:, 0]], places[edges[:, 1]]
    controls = (start + end) / 2
    skipped = np.rint((end[:, 0] - start[:, 0]) / COLUMN).astype(np.int64) - 1
    centre = (places[:, 1].min() + places[:, 1].max()) / 2
    above = np.where(np.abs(controls[:, 1] - centre) < 1e-6, edges.sum(axis=1) % 2 == 0, controls[:, 1] < centre)
    bow = np.where(skipped > 0, BOW + BOW_MORE * (skipped - 1), 0.0)
    controls[:, 1] += np.where(above, -bow, bow)
    return controls


def _labels(places: Array, edges: Array, controls: Array) -> list[tuple[float, float] | None]:
    taken = _Boxes(len(places) + len(edges))
    for x, y in places:  # the unit and its number
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
