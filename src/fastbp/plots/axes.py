"""What all plots share: axes to draw into, and colours that suit them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Colours:
    """Of one background; blue and orange are told apart by the colour-blind, and in grey."""

    ink: str
    faint: str
    paper: str
    first: str
    second: str
    third: str
    diverging: str  # a map whose middle is the paper's colour, or near it
    shares: str  # a map that begins near the paper's colour


LIGHT = Colours("#1b1f24", "#666666", "#ffffff", "#0072b2", "#d55e00", "#2f8f5b", "RdBu_r", "Blues")
DARK = Colours("#e8eaed", "#a3abb5", "#15181d", "#56b4e9", "#f4a259", "#7fd1a8", "berlin", "Blues_r")


def colours_of(ax: Axes) -> Colours:
    """The colours that can be read on these axes."""
    from matplotlib.colors import to_hex, to_rgba

    ground = to_rgba(ax.get_facecolor())
    if ground[3] == 0:
        ground = to_rgba(ax.figure.get_facecolor())
    red, green, blue, _ = ground
    return replace(DARK if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else LIGHT, paper=to_hex(ground))


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """`ax`, or that of a new figure; pyplot knows of it, so that a notebook shows it."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def bare_figure(size: tuple[float, float] = (7.0, 4.2), facecolor: str | None = None) -> Figure:
    """A figure for a file, of which pyplot does not know."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", facecolor=facecolor)
    FigureCanvasAgg(figure)
    return figure


def diverging_map(name: str) -> Any:
    """A colour map by name; "berlin" came with matplotlib 3.10, and is put together from its ends before."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    if name in matplotlib.colormaps:
        return matplotlib.colormaps[name]
    return LinearSegmentedColormap.from_list(name, ["#9eb0ff", "#11191e", "#ffacac"])
