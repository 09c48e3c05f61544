"""Weights and gradients over the epochs of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.plots.axes import axes_or_new, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastbp.model.computing import ComputingNetwork

N_BINS = 60


class Recorder:
    """A callback for `Network.fit` that keeps how weights and gradients are distributed after each epoch.

    Parameters
    ----------
    X, T : array
        Samples whose gradient is taken after each epoch; a few hundred are enough.

    Attributes
    ----------
    weights, gradients : list of arrays
        Those of each epoch, biases included.

    Examples
    --------
    >>> recorder = Recorder(X[:200], T[:200])  # doctest: +SKIP
    >>> net.fit(X, T, callback=recorder)  # doctest: +SKIP
    >>> histograms(recorder, of="gradients")  # doctest: +SKIP
    """

    def __init__(self, X: Any, T: Any) -> None:
        self._samples = X, T
        self.weights: list[NDArray[Any]] = []
        self.gradients: list[NDArray[Any]] = []

    def __call__(self, net: ComputingNetwork, history: object) -> bool:
        """Keep the numbers of an epoch; never stops the training."""
        _, gradient = net.gradient(*self._samples)
        self.weights.append(net.params.copy())
        self.gradients.append(gradient / len(self._samples[0]))
        return False


def histograms(recorder: Recorder, *, of: str = "weights", ax: Axes | None = None) -> Axes:
    """Draw a histogram for each epoch, as a column of colours, with the median and the quartiles as lines.

    Parameters
    ----------
    recorder : Recorder
        After a training.
    of : "weights" or "gradients"
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    checks.name_of(of, ("weights", "gradients"), "of")
    values = np.array(getattr(recorder, of), dtype=float)
    if len(values) == 0:
        raise ValueError("recorder must have seen an epoch: pass it to fit as callback")
    ax = axes_or_new(ax)
    colours = colours_of(ax)
    low, high = np.quantile(values, [0.002, 0.998])  # a few numbers far out would squeeze all others
    edges = np.linspace(low, high if high > low else low + 1.0, N_BINS + 1)
    counts = np.stack([np.histogram(np.clip(row, edges[0], edges[-1]), edges)[0] for row in values], axis=1)
    epochs = np.arange(1, len(values) + 2) - 0.5
    share = counts / values.shape[1]
    mesh = ax.pcolormesh(epochs, edges, np.sqrt(share), cmap=colours.shares, rasterized=True)
    mesh.set_clim(0.0, max(float(np.sqrt(share).max()), 1e-9))
    quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=1)
    for row, style in zip(quartiles, ("--", "-", "--"), strict=True):
        ax.plot(np.arange(1, len(values) + 1), row, style, color=colours.second, linewidth=1.2)
    ax.set_xlabel("epoch")
    ax.set_ylabel(of)
    ax.set_title(f"{of}: median and quartiles, and the share in each bin", fontsize=10)
    return ax
