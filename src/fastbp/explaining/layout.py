"""Where units and labels of a drawing stand: in the page and in the plots alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array

if TYPE_CHECKING:
    from fastbp.computing import ComputingNetwork

MOST_UNITS, MOST_EDGES = 200, 3000  # of a drawing in which anything can be told apart
COLUMN, ROW, RADIUS, MARGIN = 130.0, 66.0, 21.0, 48.0  # between layers, between units, of a unit, around all
LABEL_WIDTH, LABEL_HEIGHT = 58.0, 17.0
VALUE_BELOW = 31.0  # from a unit's centre down to the number below it
ALONG = (0.38, 0.3, 0.46, 0.54, 0.62, 0.7)  # where on an edge its label may stand, the first that is free


@dataclass(frozen=True)
class Layout:
    """A drawing's places, x to the right and y down.

    Attributes
    ----------
    units : array (n_units, 2)
        Centres, by number of unit.
    labels : list of (x, y) or None
        Of each edge in the order of `net.edges`; None where there is no room.
    width, height : float
    """

    units: Array
    labels: list[tuple[float, float] | None]
    width: float
    height: float


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
    layers, places = net.layer_units, np.empty((net.n_units, 2))
    tallest = max(map(len, layers))
    for column, units in enumerate(layers):
        places[units, 0] = MARGIN + COLUMN * column
        places[units, 1] = MARGIN + ROW * (np.arange(len(units)) + (tallest - len(units)) / 2)
    _bend(places, layers, net.edges)
    height = 2 * MARGIN + ROW * (tallest - 1)
    return Layout(places, _labels(places, net.edges), 2 * MARGIN + COLUMN * (len(layers) - 1), height)


def _bend(places: Array, layers: list[Array], edges: Array) -> None:
    """Move columns a little up or down in turn where edges skip layers: else they run through the units between."""
    column = np.empty(len(places), np.int64)
    for number, units in enumerate(layers):
        column[units] = number
    if len(edges) and (column[edges[:, 1]] - column[edges[:, 0]]).max() > 1:
        for number, units in enumerate(layers):
            places[units, 1] += (0.3 if number % 2 else -0.3) * (ROW / 2)


def _labels(places: Array, edges: Array) -> list[tuple[float, float] | None]:
    taken = _Boxes(len(places) + len(edges))
    for x, y in places:  # the unit and its number
        taken.add(x, y + 8.0, RADIUS + 4.0, RADIUS + 12.0)
    found: list[tuple[float, float] | None] = []
    for i, j in edges:
        place = None
        for along in ALONG:
            x, y = places[i] + along * (places[j] - places[i])
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
