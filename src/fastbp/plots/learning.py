"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastbp.plots.axes import axes_or_new, bare_figure, colours_of
from fastbp.plots.files import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Losses(Protocol):
    """What is drawn of a `History`."""

    @property
    def loss(self) -> Sequence[float]:
        """Of each epoch."""
        ...

    @property
    def validation_loss(self) -> Sequence[float] | None:
        """Of each epoch, if there is a validation set."""
        ...

    @property
    def best_epoch(self) -> int | None:
        """From 0."""
        ...


def learning_curve(
    history: Losses,
    path: Path | IO[bytes] | None = None,
    title: str = "",
    loss_name: str = "loss",
    suffix: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw training and validation loss over the epochs, with the epoch of the best validation loss marked.

    Parameters
    ----------
    history : History
        What `Network.fit` returned.
    path : pathlib.Path or binary file, optional
        Picture to write; the suffix of a path, one of `PICTURE_SUFFIXES`, chooses the format.
    title : str
        Heading.
    loss_name : str
        Name of the loss, for the vertical axis.
    suffix : str, optional
        The format, where `path` is a file: "png", "svg" or "pdf".
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> history = net.fit(X, T, validation=0.1)  # doctest: +SKIP
    >>> learning_curve(history, Path("curve.png"), "spirals", "squared_error")  # doctest: +SKIP
    """
    axes = bare_figure().subplots() if ax is None and path is not None else axes_or_new(ax)
    colours = colours_of(axes)
    curves = [_draw(axes, history.loss, colours.first, "training")]
    if history.validation_loss:
        curves.append(_draw(axes, history.validation_loss, colours.second, "validation"))
        if history.best_epoch is not None:
            _mark_best(axes, history.best_epoch + 1, curves[-1][history.best_epoch])
    _dress(axes, np.concatenate(curves), title, loss_name)
    if path is not None:
        figure = axes.get_figure(root=True)
        assert figure is not None
        save(figure, path, suffix)
    return axes


def draw_learning_curve(
    history: Losses,
    title: str,
    loss_name: str,
    size: tuple[float, float] = (7.0, 4.2),
    best_epochs: Sequence[int] = (),
) -> Figure:
    """Return the picture that `learning_curve` draws, `size` in inches.

    `best_epochs`, from 1, are those of several networks whose mean losses are drawn; a line marks each.
    """
    figure = bare_figure(size)
    axes = figure.subplots()
    learning_curve(history, title=title, loss_name=loss_name, ax=axes)
    for epoch in best_epochs:
        axes.axvline(epoch, color=colours_of(axes).faint, linewidth=1, linestyle=":")
    return figure


def _draw(axes: Axes, losses: Sequence[float], colour: str, label: str) -> NDArray[Any]:
    values = np.asarray(losses, dtype=float)
    values[~np.isfinite(values)] = np.nan  # a gap in the curve
    marker = "o" if len(values) <= 20 else ""
    axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=label, marker=marker, markersize=4)
    return values


def _mark_best(axes: Axes, epoch: int, loss: float) -> None:
    colours = colours_of(axes)
    axes.axvline(epoch, color=colours.faint, linewidth=1, linestyle=":")
    axes.plot(
        epoch,
        loss,
        "o",
        color=colours.second,
        markeredgecolor=colours.paper,
        markersize=8,
        label=f"best: epoch {epoch}, {loss:.3g}",
    )


def _dress(axes: Axes, losses: NDArray[Any], title: str, loss_name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{loss_name} per sample")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    seen = losses[np.isfinite(losses)]
    if seen.size and seen.min() > 0 and seen.max() > 10 * seen.min():
        axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
