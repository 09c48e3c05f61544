"""Signed importance of the inputs, from the weights along all paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.explaining.drawn import names_of_units
from fastbp.plots.axes import axes_or_new, colours_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from fastbp.model.computing import ComputingNetwork

MOST_BARS = 40  # the inputs of most weight are shown


def olden(net: ComputingNetwork) -> NDArray[Any]:
    """Connection weights by Olden: for each input and output, the sum over all paths of the product of weights.

    Parameters
    ----------
    net : Network
        Any; inputs should be on one scale.

    Returns
    -------
    array (n_inputs, n_outputs)

    Notes
    -----
    Slopes are left out, so that no sample is needed: with h' = 1 everywhere this is dy_k/dx_i. See Olden, Joy and
    Death, Ecological Modelling 178 (2004).

    Examples
    --------
    >>> import fastbp
    >>> from fastbp.plots import olden
    >>> net = fastbp.Network((2, 2, 1), init="zeros")
    >>> net.params = [1.0, 2.0, 3.0, 4.0, 5.0, -6.0, 0, 0, 0]
    >>> olden(net)  # 1*5 - 3*6 and 2*5 - 4*6
    array([[-13.],
           [-14.]])
    """
    edges, weights = net.edges, net.edge_weights.astype(float)
    towards = np.zeros((net.n_units, net.n_outputs))
    towards[net.n_units - net.n_outputs :] = np.eye(net.n_outputs)
    layer_of = np.empty(net.n_units, np.int64)
    for layer, units in enumerate(net.layer_units):
        layer_of[units] = layer
    source_layers = layer_of[edges[:, 0]]
    for layer in range(len(net.sizes) - 1, -1, -1):  # what a unit feeds lies in later layers
        chosen = source_layers == layer
        np.add.at(towards, edges[chosen, 0], weights[chosen, None] * towards[edges[chosen, 1]])
    return towards[: net.n_inputs]


def importance(
    net: ComputingNetwork, *, output: int = 0, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the signed importance of each input for an output, the largest on top.

    Parameters
    ----------
    net : Network
    output : int
        Which output.
    names : sequence of str, optional
        Of the inputs, or of the inputs and the outputs.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    number = checks.integer(output, "output", minimum=0)
    if number >= net.n_outputs:
        raise ValueError(f"output must be below {net.n_outputs}, the number of outputs; got {number}")
    shown = [name or f"x_{i}" for i, name in enumerate(names_of_units(net, names)[: net.n_inputs])]
    values = olden(net)[:, number]
    order = np.argsort(np.abs(values), kind="stable")[-MOST_BARS:]
    ax = axes_or_new(ax, (6.0, 1.2 + 0.28 * len(order)))
    colours = colours_of(ax)
    bars = [colours.second if value > 0 else colours.first for value in values[order]]
    ax.barh(range(len(order)), values[order], color=bars)
    ax.set_yticks(range(len(order)), [shown[i] for i in order], parse_math=False)
    ax.axvline(0.0, color=colours.faint, linewidth=1)
    ax.set_xlabel("sum over paths of the products of weights")
    ax.grid(alpha=0.3, axis="x")
    return ax
