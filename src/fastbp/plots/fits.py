"""How well a network fits: regression, residuals, confusion, and the boundary between classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.plots.axes import axes_or_new, colours_of, diverging_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from fastbp.model.computing import ComputingNetwork

Array = NDArray[Any]
GRID = 200  # points along each side of a map


def regression(net: ComputingNetwork, X: Array, T: Array, *, output: int = 0, ax: Axes | None = None) -> Axes:
    """Draw outputs over targets, with the line on which they are equal, the line of least squares, and R.

    Parameters
    ----------
    net : Network
    X, T
        As in `Network.loss`.
    output : int
        Which output.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    y, t = _outputs_and_targets(net, X, T, output)
    return draw_regression(y, t, ax=ax)


def draw_regression(y: Array, t: Array, name: str = "", *, ax: Axes | None = None) -> Axes:
    """Draw what `regression` draws, of outputs and targets in any unit; `name` is that of the target."""
    ax = axes_or_new(ax, (4.6, 4.4))
    colours = colours_of(ax)
    ends = np.array([min(y.min(), t.min()), max(y.max(), t.max())])
    ax.plot(ends, ends, color=colours.faint, linestyle=":", label="y = t")
    label = f"{len(t):,} samples"
    if t.std() > 0:
        slope, offset = np.polyfit(t, y, 1)
        r = np.corrcoef(t, y)[0, 1] if y.std() > 0 else 0.0
        line = f"y = {slope:.3g} t {offset:+.3g},  R = {r:.4f}"
        ax.plot(ends, slope * ends + offset, color=colours.second, label=line)
    ax.scatter(t, y, s=_dot(len(t)), color=colours.first, alpha=0.6, label=label, linewidths=0)
    ax.set_xlabel(f"target {name}".rstrip(), parse_math=False)
    ax.set_ylabel(f"output {name}".rstrip(), parse_math=False)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def residuals(net: ComputingNetwork, X: Array, T: Array, *, output: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the residuals t - y over the outputs y; what has a shape is left to be learnt.

    Parameters
    ----------
    net, X, T, output, ax
        See `regression`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    y, t = _outputs_and_targets(net, X, T, output)
    return draw_residuals(y, t, ax=ax)


def draw_residuals(y: Array, t: Array, name: str = "", *, ax: Axes | None = None) -> Axes:
    """Draw what `residuals` draws, of outputs and targets in any unit; `name` is that of the target."""
    ax = axes_or_new(ax)
    colours = colours_of(ax)
    difference = t - y
    ax.axhline(0.0, color=colours.faint, linewidth=1)
    ax.scatter(y, difference, s=_dot(len(t)), color=colours.first, alpha=0.6, linewidths=0)
    spread = difference.std()
    for sign in (-1, 1):
        ax.axhline(difference.mean() + sign * spread, color=colours.second, linewidth=1, linestyle="--")
    ax.set_title(f"mean {difference.mean():.3g}, standard deviation {spread:.3g} (dashed)", fontsize=10)
    ax.set_xlabel(f"output {name}".rstrip(), parse_math=False)
    ax.set_ylabel("target - output")
    ax.grid(alpha=0.3)
    return ax


def confusion_matrix(
    net: ComputingNetwork, X: Array, T: Array, *, labels: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how often each class (row) is taken for each (column), as counts; colours are shares of the row.

    Parameters
    ----------
    net : Network
        One output is taken as the probability of the second of two classes.
    X, T
        As in `Network.loss`: one-hot rows, or 0 and 1; or of several outputs the number of each sample's class.
    labels : sequence of str, optional
        Names of the classes.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    samples = net.check_samples(X, one_hot(net, T))
    n = max(2, net.n_outputs)
    true, predicted = classes_of(samples.t), classes_of(net.forward(samples.x))
    counts = np.bincount(true * n + predicted, minlength=n * n).reshape(n, n)
    names = [str(k) for k in range(n)] if labels is None else [str(name) for name in labels]
    if len(names) != n:
        raise ValueError(f"labels must have a name for each of the {n} classes; got {len(names)}")
    ax = axes_or_new(ax, (1.6 + 0.55 * n, 1.4 + 0.5 * n))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = colours_of(ax)
    ax.imshow(share, cmap=colours.shares, vmin=0.0, vmax=1.0)
    for (row, column), count in np.ndenumerate(counts):
        colour = colours.paper if share[row, column] > 0.5 else colours.ink
        ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    ax.set_xticks(range(n), names, rotation=45 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(range(n), names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_title(f"{(true == predicted).mean():.1%} of {len(true):,} right", fontsize=10)
    return ax


def decision_boundary(net: ComputingNetwork, X: Array, T: Array | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw which class a network of two inputs takes each point of the plane for; of one output, its value.

    Parameters
    ----------
    net : Network
        With two inputs.
    X : array (n_samples, 2)
        Samples; the map reaches a little beyond them.
    T : array, optional
        Their classes, for the samples' colours: as in `confusion_matrix`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    if net.n_inputs != 2:
        raise ValueError(f"net must have two inputs; it has {net.n_inputs}")
    x = checks.matrix(X, "X", 2, net.dtype, "inputs").astype(float)
    classes = None if T is None else classes_of(net.check_samples(X, one_hot(net, T)).t)
    ax = axes_or_new(ax, (5.4, 4.4))
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    sides = [np.linspace(low[k] - margin[k], high[k] + margin[k], GRID) for k in range(2)]
    plane = np.stack([side.ravel() for side in np.meshgrid(*sides)], axis=1)
    outputs = net.forward(plane)
    _fill(ax, sides, outputs)
    n = max(2, net.n_outputs)
    for k in range(n) if classes is not None else ():
        of_class, paper = x[classes == k], colours_of(ax).paper
        look: dict[str, Any] = {"color": _colour(k, n), "edgecolors": paper, "linewidths": 0.5, "label": f"class {k}"}
        ax.scatter(of_class[:, 0], of_class[:, 1], s=_dot(len(x)) + 6, **look)
    if classes is None:
        ax.scatter(x[:, 0], x[:, 1], s=_dot(len(x)), color=colours_of(ax).ink, linewidths=0)
    else:
        ax.legend()
    ax.set_xlabel("x_0", parse_math=False)
    ax.set_ylabel("x_1", parse_math=False)
    return ax


def _fill(ax: Axes, sides: list[Array], outputs: Array) -> None:
    if outputs.shape[1] == 1:
        values = outputs.reshape(GRID, GRID).astype(float)
        spread = max(float(np.abs(values - 0.5).max()), 1e-9)
        colour_map = diverging_map(colours_of(ax).diverging)
        ax.contourf(*sides, values, levels=np.linspace(0.5 - spread, 0.5 + spread, 21), cmap=colour_map, alpha=0.75)
        if values.min() < 0.5 < values.max():
            ax.contour(*sides, values, levels=[0.5], colors=colours_of(ax).ink, linewidths=1.2)
        return
    classes, n = classes_of(outputs).reshape(GRID, GRID), outputs.shape[1]
    ax.contourf(*sides, classes, levels=np.arange(n + 1) - 0.5, colors=[_colour(k, n) for k in range(n)], alpha=0.3)
    for k in range(n):
        if 0 < (classes == k).mean() < 1:
            ax.contour(*sides, classes == k, levels=[0.5], colors=colours_of(ax).ink, linewidths=0.8)


def _colour(k: int, n: int) -> Any:
    import matplotlib

    if n == 2:
        return ("#3b75af", "#c8553d")[k]
    return matplotlib.colormaps["tab10" if n <= 10 else "tab20"](k % (10 if n <= 10 else 20))


def classes_of(values: Array) -> Array:
    """The class of each row: the largest column, or whether a single one is above 1/2."""
    if values.shape[1] == 1:
        return (values[:, 0] > 0.5).astype(np.int64)
    return np.asarray(np.argmax(values, axis=1))


def one_hot(net: ComputingNetwork, T: Any) -> Any:
    """Rows of classes that are given as numbers, one for each sample; of one output, or of rows, T as it is.

    Raises
    ------
    ValueError
        If a number is not that of an output.
    """
    numbers, n = np.asarray(T), net.n_outputs
    if numbers.ndim != 1 or n == 1 or numbers.dtype.kind not in "biuf":
        return T
    wrong = numbers[~np.isin(numbers, np.arange(n))]
    if len(wrong):
        raise ValueError(f"T must have one-hot rows, or numbers of classes from 0 to {n - 1}; got {wrong[0]}")
    return np.eye(n)[numbers.astype(np.int64)]


def _dot(n: int) -> float:
    """Size of a sample's dot: smaller where there are many."""
    return float(np.clip(6000 / max(n, 1), 4, 26))


def _outputs_and_targets(net: ComputingNetwork, X: Array, T: Array, output: int) -> tuple[Array, Array]:
    number = checks.integer(output, "output", minimum=0)
    if number >= net.n_outputs:
        raise ValueError(f"output must be below {net.n_outputs}, the number of outputs; got {number}")
    samples = net.check_samples(X, T)
    return net.forward(samples.x)[:, number].astype(float), samples.t[:, number].astype(float)
