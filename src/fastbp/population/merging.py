"""Networks side by side as one plain network, whose outputs are the mean of theirs."""

from collections.abc import Sequence

import numpy as np

from fastbp.checks import Array
from fastbp.network import Network

TWO_CLASSES = 2
TWO_LAYERS = 2  # inputs and outputs, none hidden


def averaged(networks: Sequence[Network]) -> Network:
    """One network that computes the mean of the networks' outputs.

    Layers stand side by side, with no connections from one network to another. Where outputs are straight, the last
    layer takes the mean of what arrives. Other outputs become one more hidden layer, and straight outputs take its
    mean: of two classes that layer has each network's logistic function of a_2 - a_1, the second one's probability.

    Parameters
    ----------
    networks : sequence of Network
        Of the same layers and functions, without connections that skip layers.

    Raises
    ------
    ValueError
        For more than two classes: a mean of their probabilities is the output of no such network.
    """
    output, n = networks[0].layer_functions[-1], networks[0].n_outputs
    if len(networks) == 1:
        return networks[0]
    if output == "identity":
        return joined(networks)
    if output != "softmax":
        return _with_outputs_as_layer(networks, output, np.eye(n), np.eye(n), np.zeros(n))
    if n == TWO_CLASSES:
        difference = np.array([[-1.0, 1.0]])
        return _with_outputs_as_layer(networks, "logistic", difference, difference.T, np.array([1.0, 0.0]))
    raise ValueError(
        f"the mean of {len(networks)} networks' probabilities for {n} classes is the output of no plain network: take "
        "one of them, or train a single one, fastbp train --ensemble 1"
    )


def joined(networks: Sequence[Network]) -> Network:
    """One network at whose outputs the mean arrives of what arrives at the networks' outputs."""
    first = networks[0]
    hidden = [len(networks) * size for size in first.sizes[1:-1]]
    net = Network(
        (first.n_inputs, *hidden, first.n_outputs), activation=first.layer_functions[:-1] or "identity",
        output=first.layer_functions[-1], loss=first.loss_name, dtype=first.dtype, init="zeros",
    )  # fmt: skip
    _fill(net, networks)
    last = [one.weights[-1] for one in networks]
    net.weights[-1][...] = np.concatenate(last, axis=1) / len(networks) if hidden else np.mean(last, axis=0)
    net.biases[-1][...] = np.mean([one.biases[-1] for one in networks], axis=0)
    return net


def _with_outputs_as_layer(
    networks: Sequence[Network], function: str, before: Array, after: Array, bias: Array
) -> Network:
    """A network with a layer of `before` times what arrives at each network's outputs, and above it a straight mean.

    The outputs are `after` times the mean of that layer over the networks, and `bias`.
    """
    first, n = networks[0], len(networks)
    hidden = [n * size for size in (*first.sizes[1:-1], len(before))]
    net = Network(
        (first.n_inputs, *hidden, first.n_outputs), activation=[*first.layer_functions[:-1], function],
        output="identity", dtype=first.dtype, init="zeros",
    )  # fmt: skip
    _fill(net, networks)
    size = len(before)
    for k, one in enumerate(networks):
        rows = slice(k * size, (k + 1) * size)
        width = one.sizes[-2]
        columns = slice(k * width, (k + 1) * width) if len(one.sizes) > TWO_LAYERS else slice(None)
        net.weights[-2][rows, columns] = before @ one.weights[-1]
        net.biases[-2][rows] = before @ one.biases[-1]
    net.weights[-1][...] = np.tile(after, n) / n
    net.biases[-1][...] = bias
    return net


def _fill(net: Network, networks: Sequence[Network]) -> None:
    """Put the networks' hidden layers side by side: blocks along the diagonal, above the inputs that all share."""
    for layer in range(len(networks[0].sizes) - TWO_LAYERS):
        net.biases[layer][...] = np.concatenate([one.biases[layer] for one in networks])
        if layer == 0:
            net.weights[0][...] = np.concatenate([one.weights[0] for one in networks])
            continue
        height, width = networks[0].weights[layer].shape
        for k, one in enumerate(networks):
            rows, columns = slice(k * height, (k + 1) * height), slice(k * width, (k + 1) * width)
            net.weights[layer][rows, columns] = one.weights[layer]
