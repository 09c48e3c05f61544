"""Pictures of what a model makes of a table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastbp.explaining.drawn import shortened
from fastbp.plots.axes import bare_figure, colours_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LETTERS = 30  # of a name beside a picture


def draw_importance(importance: dict[str, float], title: str) -> Figure:
    """Return bars of what each column is worth, the strongest on top."""
    figure = bare_figure((7, 1 + 0.35 * len(importance)))
    axes, places = figure.subplots(), range(len(importance))
    axes.barh(places, list(importance.values()), color=colours_of(axes).first)
    axes.set_yticks(places, [shortened(name, MOST_LETTERS) for name in importance], parse_math=False)
    axes.invert_yaxis()
    axes.set_title(title)
    axes.grid(alpha=0.3, axis="x")
    return figure


def draw_calibration(groups: NDArray[Any]) -> Figure:
    """Return the share of right predictions over the mean probability, of groups of rows, with the line of equals.

    Parameters
    ----------
    groups : array (n_groups, 3)
        Mean probability, share of right ones, number of rows.
    """
    figure = bare_figure()
    axes = figure.subplots()
    colours = colours_of(axes)
    axes.plot([0, 1], [0, 1], color=colours.faint, linewidth=1)
    axes.plot(groups[:, 0], groups[:, 1], "o-", color=colours.first, label=f"{int(groups[:, 2].sum()):,} rows")
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return figure


def draw_predictions(true: NDArray[Any], predicted: NDArray[Any], names: Sequence[str]) -> Figure:
    """Return predictions over true values, (n_samples, n_targets) each, with the line on which both are equal."""
    figure = bare_figure()
    axes = figure.subplots()
    for k, name in enumerate(names):
        axes.plot(
            true[:, k],
            predicted[:, k],
            ".",
            markersize=4,
            alpha=0.6,
            label=shortened(name, MOST_LETTERS).replace("$", r"\$"),
        )
    ends = [float(true.min()), float(true.max())]
    axes.plot(ends, ends, color="#666666", linewidth=1)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
