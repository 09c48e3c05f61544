"""Drawings of a network: weights as width and colour of lines, delta or z as colour of the units."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.explaining.layout import LABEL_HEIGHT, RADIUS, VALUE_BELOW, Layout, lay_out
from fastbp.model.computing import ComputingNetwork
from fastbp.plots.axes import Colours, axes_or_new, bare_figure, colours_of, diverging_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.explaining.explanation import Explanation

POINTS = 0.58  # points on the page for a unit of length of the layout
MOST_LABELLED = 40  # connections: of more, the numbers are left out


@dataclass(frozen=True)
class _Shown:
    """What a drawing shows: a number of each connection and of each unit, NaN for none; which lines stand out."""

    edges: NDArray[Any]
    units: NDArray[Any]
    bright: NDArray[Any]
    title: str


def network(
    source: ComputingNetwork | Explanation, *, show: str = "delta", labels: bool | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a network: weights as width and colour of the lines, and delta or z as colour of the units.

    Parameters
    ----------
    source : Network or Explanation
        A network alone has no numbers for its units.
    show : "delta" or "z"
        What colours the units of an explanation.
    labels : bool, optional
        Whether numbers stand beside lines and units; None: where there are at most 40 connections.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a network that is too large to be drawn.
    TypeError
        If `source` is neither.
    """
    checks.name_of(show, ("delta", "z"), "show")
    if isinstance(source, ComputingNetwork):
        weights = source.edge_weights.astype(float)
        shown = _Shown(weights, np.full(source.n_units, np.nan), np.ones(len(weights), bool), "weights")
        return _draw(source, shown, labels, ax)
    numbers = _numbers_of(source)
    units = numbers.delta if show == "delta" else numbers.z
    title = f"lines: weights, units: {show}"
    return _draw(numbers.net, _Shown(numbers.weights, units, np.ones(len(numbers.weights), bool), title), labels, ax)


def error_signal(source: Explanation, *, facecolor: str | None = None) -> list[Figure]:
    """Draw the error signal on its way back: a figure for each layer, from the outputs on.

    Parameters
    ----------
    source : Explanation
    facecolor : color, optional
        Of the figures.

    Returns
    -------
    list of matplotlib.figure.Figure
        Lines that carry the signal in a frame are coloured by weight times delta.
    """
    numbers = _numbers_of(source)
    layout, figures = lay_out(numbers.net), []
    for layer in range(len(numbers.net.sizes) - 1, -1, -1):
        figure = bare_figure(_size(layout), facecolor or _facecolor())
        ax = figure.subplots()
        if facecolor is not None:
            ax.set_facecolor(facecolor)
        _draw(numbers.net, _frame(numbers, layer), None, ax)
        figures.append(figure)
    return figures


def save_error_signal(source: Explanation, path: str | os.PathLike[str], *, seconds: float = 1.2) -> None:
    """Write the frames of `error_signal` as a GIF.

    Parameters
    ----------
    source : Explanation
    path : str or path
        Ends in .gif.
    seconds : float
        That each frame stays.
    """
    from PIL import Image

    name = checks.file_path(path)
    if not name.endswith(".gif"):
        raise ValueError(f"path must end in .gif; got {name!r}")
    duration = round(1000 * checks.number(seconds, "seconds", low_open=True))
    frames = []
    for figure in error_signal(source):
        figure.set_dpi(110)
        figure.canvas.draw()
        canvas: Any = figure.canvas  # of Agg: see bare_figure
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    frames[0].save(name, save_all=True, append_images=frames[1:], duration=duration, loop=0)


def _numbers_of(source: Any) -> Any:
    from fastbp.explaining.explanation import Explanation

    if not isinstance(source, Explanation):
        raise TypeError(f"source must be what net.explain returns, or a Network to draw; got {type(source).__name__}")
    return source.numbers


def _frame(numbers: Any, layer: int) -> _Shown:
    """The signal has come to `layer`."""
    edges = numbers.edges
    arrived = numbers.layer_of >= layer
    known = np.where(arrived, numbers.delta, np.nan)
    moving = numbers.layer_of[edges[:, 0]] == layer
    signals = np.where(arrived[edges[:, 0]], numbers.weights * numbers.delta[edges[:, 1]], np.nan)
    end = "the outputs" if layer == len(numbers.net.sizes) - 1 else "the inputs" if layer == 0 else f"layer {layer}"
    return _Shown(signals, known, moving, f"error signal at {end}\nlines: weight times delta, units: delta")


def _facecolor() -> Any:
    """Of the style in use."""
    from matplotlib import rcParams

    return rcParams["figure.facecolor"]


def _size(layout: Layout) -> tuple[float, float]:
    """Inches of a figure in which the layout's texts have their size."""
    return max(3.5, layout.width * POINTS / 72), max(2.4, layout.height * POINTS / 72 + 0.6)


def _draw(net: ComputingNetwork, shown: _Shown, labels: bool | None, ax: Axes | None) -> Axes:
    layout = lay_out(net)
    axes = axes_or_new(ax, _size(layout))
    colours, labelled = colours_of(axes), len(shown.edges) <= MOST_LABELLED if labels is None else labels
    _lines(axes, layout, shown, colours)
    _units(axes, layout, shown, colours, labelled)
    if labelled:
        _labels(axes, layout, shown, colours)
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height + 6, -6)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(shown.title, fontsize=9, color=colours.ink)
    return axes


def _lines(axes: Axes, layout: Layout, shown: _Shown, colours: Colours) -> None:
    from matplotlib.collections import LineCollection

    size = np.abs(np.nan_to_num(shown.edges))
    share = size / (size.max(initial=0.0) or 1.0)
    bright = shown.bright & np.isfinite(shown.edges)
    line_colours = [
        (colours.second if value > 0 else colours.first) if on else colours.faint
        for value, on in zip(shown.edges, bright, strict=True)
    ]
    thickest = 3.4 if len(shown.edges) <= MOST_LABELLED else 1.6
    widths = np.where(bright, 0.5 + thickest * share, 0.5)
    alphas = np.where(bright, 0.35 + 0.65 * share, 0.3)
    lines = LineCollection(list(layout.curves()), colors=line_colours, linewidths=list(widths), zorder=1)
    lines.set_alpha(list(alphas))
    axes.add_collection(lines)


def _units(axes: Axes, layout: Layout, shown: _Shown, colours: Colours, labelled: bool) -> None:
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.patches import Circle

    largest = np.nanmax(np.abs(shown.units), initial=0.0) or 1.0
    colour_map, norm = diverging_map(colours.diverging), TwoSlopeNorm(0.0, -largest, largest)
    for j, ((x, y), value) in enumerate(zip(layout.units, shown.units, strict=True)):
        face: Any = colour_map(norm(value)) if np.isfinite(value) else colours.paper
        axes.add_patch(Circle((x, y), RADIUS, facecolor=face, edgecolor=colours.faint, linewidth=1, zorder=3))
        dark = 0.299 * face[0] + 0.587 * face[1] + 0.114 * face[2] < 0.5 if np.isfinite(value) else None
        ink = colours.ink if dark is None else ("#ffffff" if dark else "#1b1f24")
        _text(axes, x, y, str(j), ink, 4)
        if labelled and np.isfinite(value):
            _text(axes, x, y + VALUE_BELOW, _short(value), colours.ink, 4)


def _labels(axes: Axes, layout: Layout, shown: _Shown, colours: Colours) -> None:
    box = {"facecolor": colours.paper, "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
    for place, value, on in zip(layout.labels, shown.edges, shown.bright, strict=True):
        if place is not None and np.isfinite(value) and on:
            _text(axes, *place, _short(value), colours.ink, 2, bbox=box)


def _text(axes: Axes, x: float, y: float, text: str, colour: str, order: int, **options: Any) -> None:
    size = POINTS * LABEL_HEIGHT * 0.72
    axes.text(x, y, text, color=colour, fontsize=size, ha="center", va="center", zorder=order, **options)


def _short(value: float) -> str:
    return f"{value:.2f}" if value == 0 or 0.1 <= abs(value) < 1000 else f"{value:.2g}"
