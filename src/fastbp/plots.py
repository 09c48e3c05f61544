"""Pictures of a training, drawn without a display."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp import History

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
SOFTWARE = "fastbp learning curve"  # in the file of a picture

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#666666"  # told apart by the colour-blind, and in grey


def learning_curve(
    history: History, path: Path | IO[bytes], title: str, loss_name: str, suffix: str | None = None
) -> None:
    """Draw training and validation loss over the epochs, with the epoch of the best validation loss marked.

    Parameters
    ----------
    history : History
        What `Network.fit` returned.
    path : pathlib.Path or binary file
        Picture to write; the suffix of a path, one of `PICTURE_SUFFIXES`, chooses the format.
    title : str
        Heading.
    loss_name : str
        Name of the loss, for the vertical axis.
    suffix : str, optional
        The format, where `path` is a file: "png", "svg" or "pdf".

    Examples
    --------
    >>> history = net.fit(X, T, validation=0.1)  # doctest: +SKIP
    >>> learning_curve(history, Path("curve.png"), "spirals", "squared_error")  # doctest: +SKIP
    """
    save(draw_learning_curve(history, title, loss_name), path, suffix)


def draw_learning_curve(history: History, title: str, loss_name: str) -> Figure:
    """Return the picture that `learning_curve` writes."""
    figure, axes = _empty(7, 4.2)
    curves = [_draw(axes, history.loss, _BLUE, "training")]
    if history.validation_loss:
        curves.append(_draw(axes, history.validation_loss, _ORANGE, "validation"))
        if history.best_epoch is not None:
            _mark_best(axes, history.best_epoch + 1, curves[-1][history.best_epoch])
    _dress(axes, np.concatenate(curves), title, loss_name)
    return figure


def _empty(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure that needs no display, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def draw_importance(importance: dict[str, float], title: str) -> Figure:
    """Return bars of what each column is worth, the strongest on top."""
    figure, axes = _empty(7, 1 + 0.35 * len(importance))
    places = range(len(importance))
    axes.barh(places, list(importance.values()), color=_BLUE)
    axes.set_yticks(places, list(importance), parse_math=False)
    axes.invert_yaxis()
    axes.set_title(title)
    axes.grid(alpha=0.3, axis="x")
    return figure


def draw_predictions(true: NDArray[Any], predicted: NDArray[Any], names: Sequence[str]) -> Figure:
    """Return predictions over true values, (n_samples, n_targets) each, with the line on which both are equal."""
    figure, axes = _empty(6, 6)
    for k, name in enumerate(names):
        axes.plot(true[:, k], predicted[:, k], ".", markersize=4, alpha=0.6, label=name.replace("$", r"\$"))
    ends = [float(true.min()), float(true.max())]
    axes.plot(ends, ends, color=_GREY, linewidth=1)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def save(figure: Figure, path: Path | IO[bytes], suffix: str | None = None) -> None:
    """Write a picture that says in its file who made it; `suffix` is the format of what is no path."""
    suffix = suffix or Path(str(path)).suffix[1:]
    if f".{suffix}" not in PICTURE_SUFFIXES:
        raise ValueError(f"path must end in {', '.join(PICTURE_SUFFIXES)}; got {str(path)!r}")
    metadata = {"Software": SOFTWARE} if suffix == "png" else {"Creator": SOFTWARE}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box in the title is no loss
        figure.savefig(path, dpi=130, format=suffix, metadata=metadata)


def _draw(axes: Axes, losses: Sequence[float], colour: str, label: str) -> NDArray[Any]:
    values = np.asarray(losses, dtype=float)
    values[~np.isfinite(values)] = np.nan  # a gap in the curve
    marker = "o" if len(values) <= 20 else ""
    axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=label, marker=marker, markersize=4)
    return values


def _mark_best(axes: Axes, epoch: int, loss: float) -> None:
    axes.axvline(epoch, color=_GREY, linewidth=1, linestyle=":")
    axes.plot(
        epoch,
        loss,
        "o",
        color=_ORANGE,
        markeredgecolor="white",
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
