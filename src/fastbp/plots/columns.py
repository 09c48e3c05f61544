"""Pictures of what a model makes of a table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastbp.explaining.drawn import shortened
from fastbp.plots.axes import bare_figure, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LETTERS = 30  # of a name beside a picture
MOST_PANELS = 12  # of a picture
PANEL = 5.6, 3.8  # inches: a page shows a picture about so wide, and its text as large as its own


def draw_importance(importance: dict[str, float], title: str) -> Figure:
    """Return bars of what each column is worth, the strongest on top."""
    figure = bare_figure((PANEL[0], 1 + 0.35 * len(importance)))
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
    figure = bare_figure(PANEL)
    axes = figure.subplots()
    colours = colours_of(axes)
    lowest = max(0.0, float(groups[:, :2].min()) - 0.05)  # few classes are never less sure than one half
    axes.plot([lowest, 1], [lowest, 1], color=colours.faint, linewidth=1)
    axes.plot(groups[:, 0], groups[:, 1], "o-", color=colours.first, label=f"{int(groups[:, 2].sum()):,} rows")
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("share that is right")
    axes.set_xlim(lowest, 1.02)
    axes.set_ylim(lowest, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return figure


def draw_predictions(true: NDArray[Any], predicted: NDArray[Any], titles: Sequence[str]) -> Figure:
    """Return predictions over true values, (n_samples, n_targets) each, with the line on which both are equal.

    Each target has a panel of its own, with its title.
    """
    n_wide = 1 if len(titles) == 1 else 2
    n_high = -(-len(titles) // n_wide)
    figure = bare_figure((PANEL[0], PANEL[1] * (n_high if n_wide == 1 else 0.8 * n_high)))
    panels = figure.subplots(n_high, n_wide, squeeze=False).ravel()
    for k, (axes, title) in enumerate(zip(panels, titles, strict=False)):
        _draw_one(axes, true[:, k], predicted[:, k], title)
    for axes in panels[len(titles) :]:
        axes.set_axis_off()
    return figure


def _draw_one(axes: Axes, true: NDArray[Any], predicted: NDArray[Any], title: str) -> None:
    """Draw the predictions of one target."""
    colours = colours_of(axes)
    axes.plot(true, predicted, ".", color=colours.first, markersize=5, alpha=0.6)
    ends = [float(true.min()), float(true.max())]
    axes.plot(ends, ends, color=colours.faint, linewidth=1)
    axes.set_title(title, parse_math=False)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.grid(alpha=0.3)
