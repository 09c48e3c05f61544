"""Drawings of a network: weights as width and colour of lines, delta or z as colour of the units."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.explaining.drawn import Part, Strengths, names_of_units, part_of
from fastbp.explaining.layout import LABEL_HEIGHT, RADIUS, VALUE_BELOW, Layout, lay_out
from fastbp.model.computing import ComputingNetwork
from fastbp.plots.axes import Colours, axes_or_new, bare_figure, colours_of, diverging_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.explaining.explanation import Explanation

POINTS = 0.58  # points on the page for a unit of length of the layout
SIGNS = "orange, red: positive; blue: negative"
MOST_LABELLED = 40  # connections: of more, the numbers are left out


@dataclass(frozen=True)
class _Shown:
    """What a drawing shows: a number of each connection and of each unit, NaN for none; which lines stand out."""

    edges: NDArray[Any]
    units: NDArray[Any]
    bright: NDArray[Any]
    title: str


def network(
    source: ComputingNetwork | Explanation,
    *,
    show: str = "delta",
    labels: bool | None = None,
    unit: int | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
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
    unit : int, optional
        A unit whose connections stand out; None: that of the explanation, if it has one.
    names : sequence of str, optional
        What the inputs are called, or the inputs and the outputs; None: as the explanation has it.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a network of more layers than units can be drawn, unless a unit is picked; for a unit or names that it
        does not have.
    TypeError
        If `source` is neither.

    Notes
    -----
    Of a network of more than 200 units, 24 in a layer, or 3,000 connections those units of each layer are drawn that
    have the largest delta, or weights where there is no sample. With `unit`, that one is drawn with the 12 units that
    send most to it, and the 12 by which most comes back. What is left out is said above each layer.
    """
    checks.name_of(show, ("delta", "z"), "show")
    if isinstance(source, ComputingNetwork):
        net, called, picked = source, names_of_units(source, names), unit
        weights, units = source.edge_weights.astype(float), np.full(source.n_units, np.nan)
        strengths, title = Strengths.of_weights(source), f"weights\n{SIGNS}"
    else:
        numbers = _numbers_of(source)
        net, weights, picked = numbers.net, numbers.weights, source.unit if unit is None else unit
        called = source.names if names is None else names_of_units(net, names)
        units = numbers.delta if show == "delta" else numbers.z
        strengths, title = Strengths.of_sample(numbers), f"lines: weights, units: {show}\n{SIGNS}"
    if picked is not None and checks.integer(picked, "unit", minimum=0) >= net.n_units:
        raise ValueError(f"unit must be below {net.n_units:,}, the number of units; got {picked}")
    part = part_of(net, strengths, picked)
    bright = np.ones(len(part.edges), bool) if picked is None else (net.edges[part.edges] == picked).any(axis=1)
    return _draw(lay_out(net, part, called), _Shown(weights[part.edges], units, bright, title), labels, ax)


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
        Lines that carry the signal in a frame are coloured by weight times delta. Of a large network the part is
        drawn that `network` draws.
    """
    numbers = _numbers_of(source)
    part = part_of(numbers.net, Strengths.of_sample(numbers), source.unit)
    layout, figures = lay_out(numbers.net, part, source.names), []
    for layer, _ in part.layers[::-1]:
        figure = bare_figure(_size(layout), facecolor or _facecolor())
        ax = figure.subplots()
        if facecolor is not None:
            ax.set_facecolor(facecolor)
        _draw(layout, _frame(numbers, part, layer), None, ax)
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


def _frame(numbers: Any, part: Part, layer: int) -> _Shown:
    """The signal has come to `layer`."""
    edges, weights = numbers.edges[part.edges], numbers.weights[part.edges]
    arrived = numbers.layer_of >= layer
    known = np.where(arrived, numbers.delta, np.nan)
    moving = numbers.layer_of[edges[:, 0]] == layer
    signals = np.where(arrived[edges[:, 0]], weights * numbers.delta[edges[:, 1]], np.nan)
    end = "the outputs" if layer == len(numbers.net.sizes) - 1 else "the inputs" if layer == 0 else f"layer {layer}"
    return _Shown(signals, known, moving, f"error signal at {end}\nlines: weight times delta, units: delta")


def _facecolor() -> Any:
    """Of the style in use."""
    from matplotlib import rcParams

    return rcParams["figure.facecolor"]


def _size(layout: Layout) -> tuple[float, float]:
    """Inches of a figure in which the layout's texts have their size."""
    return max(3.5, layout.width * POINTS / 72), max(2.4, layout.height * POINTS / 72 + 0.6)


def _draw(layout: Layout, shown: _Shown, labels: bool | None, ax: Axes | None) -> Axes:
    axes = axes_or_new(ax, _size(layout))
    colours, labelled = colours_of(axes), len(shown.edges) <= MOST_LABELLED if labels is None else labels
    _lines(axes, layout, shown, colours)
    _units(axes, layout, shown, colours, labelled)
    if labelled:
        _labels(axes, layout, shown, colours)
    for x, y, text, anchor in layout.words:
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        _text(axes, x, y, text, colours.ink, 4, ha=side, bbox=_paper(colours))
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

    drawn = layout.part.units
    largest = np.nanmax(np.abs(shown.units[drawn]), initial=0.0) or 1.0
    colour_map, norm = diverging_map(colours.diverging), TwoSlopeNorm(0.0, -largest, largest)
    for j, (x, y), value in zip(drawn.tolist(), layout.units[drawn], shown.units[drawn], strict=True):
        face: Any = colour_map(norm(value)) if np.isfinite(value) else colours.paper
        axes.add_patch(Circle((x, y), RADIUS, facecolor=face, edgecolor=colours.faint, linewidth=1, zorder=3))
        dark = 0.299 * face[0] + 0.587 * face[1] + 0.114 * face[2] < 0.5 if np.isfinite(value) else None
        ink = colours.ink if dark is None else ("#ffffff" if dark else "#1b1f24")
        _text(axes, x, y, str(j), ink, 4)
        if labelled and np.isfinite(value):
            _text(axes, x, y + VALUE_BELOW, _short(value), colours.ink, 4, bbox=_paper(colours))


def _labels(axes: Axes, layout: Layout, shown: _Shown, colours: Colours) -> None:
    box = _paper(colours)
    for place, value, on in zip(layout.labels, shown.edges, shown.bright, strict=True):
        if place is not None and np.isfinite(value) and on:
            _text(axes, *place, _short(value), colours.ink, 2, bbox=box)


def _paper(colours: Colours) -> dict[str, Any]:
    """What is behind a text that lines may cross."""
    return {"facecolor": colours.paper, "edgecolor": "none", "pad": 0.8, "alpha": 0.9}


def _text(axes: Axes, x: float, y: float, text: str, colour: str, order: int, **options: Any) -> None:
    look: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "fontsize": POINTS * LABEL_HEIGHT * 0.72,
        "parse_math": False,
    } | options
    axes.text(x, y, text, color=colour, zorder=order, **look)


def _short(value: float) -> str:
    return f"{value:.2f}" if value == 0 or 0.1 <= abs(value) < 1000 else f"{value:.2g}"
