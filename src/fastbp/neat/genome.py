"""From a genome to a network, and the trained weights back into it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from fastbp import checks, losses
from fastbp.activations import Activation
from fastbp.losses import Loss
from fastbp.model.parts import Parts
from fastbp.neat.activations import ACTIVATIONS
from fastbp.network import Network

NO_ACTIVATIONS: Mapping[str, Activation] = {}


def from_genome(
    genome: Any,
    config: Any,
    *,
    activations: Mapping[str, Activation] = NO_ACTIVATIONS,
    loss: str | Loss = "squared_error",
    dtype: Any = "float64",
) -> Network:
    """The network that a genome of neat-python describes.

    Parameters
    ----------
    genome : neat.DefaultGenome
    config : neat.Config
        Or its genome_config.
    activations : mapping of str to Activation
        Further activation functions, by the names that the genome calls them: those that the user has added
        to the config.
    loss, dtype
        See `Network`.

    Returns
    -------
    Network
        Its outputs are those of ``neat.nn.FeedForwardNetwork.create(genome, config)``. Units are the input
        keys of the config, then the hidden nodes that the outputs need, by ascending key, then the output
        keys.

    Raises
    ------
    ValueError
        For a node with an aggregation other than "sum", or with an unknown activation function, and for a
        cycle of enabled connections. The message has the keys of the nodes.

    Notes
    -----
    A node computes act(bias + response * sum_i weight_i z_i). The weight of an edge of the network is
    response * weight: `write_back` divides it again. A node with response 0 has no incoming edges, as its
    weights have no effect.

    Examples
    --------
    ::

        net = from_genome(genome, config)
        net.fit(X, T, epochs=200)
        write_back(net, genome, config)
    """
    expressed = _express(genome, config)
    defined = _genome_config(config).activation_defs
    nodes = [genome.nodes[key] for key in expressed.keys[expressed.n_inputs :]]
    parts = Parts(
        expressed.n_inputs,
        expressed.n_outputs,
        expressed.edges,
        [_activation(node, defined, activations) for node in nodes],
        [True] * len(nodes),
        losses.resolve(loss),
        checks.float_dtype(dtype),
    )
    net = parts.build(Network)
    weights = [genome.nodes[key[1]].response * genome.connections[key].weight for key in expressed.connections]
    net.edge_weights = np.array(weights)
    net.unit_biases = np.array([0.0] * expressed.n_inputs + [node.bias for node in nodes])
    return net


def write_back(net: Network, genome: Any, config: Any) -> None:
    """Put the weights and biases of a network into the genome that it was made from.

    Parameters
    ----------
    net : Network
        What `from_genome` made of `genome`, trained since, or pruned.
    genome : neat.DefaultGenome
        neat-python computes the same outputs from it afterwards as `net`. Connections that `net` no longer
        has are disabled. Responses stay, and genes that are not expressed. Weights may come to lie beyond
        the bounds of the config; neat-python cuts them off when it mutates them.
    config : neat.Config

    Raises
    ------
    ValueError
        If `net` was not made from `genome`, or if a weight divided by the node's response is no finite
        number. The genome is as it was then.
    """
    expressed = _express(genome, config)
    places = {tuple(edge): place for place, edge in enumerate(expressed.edges.tolist())}
    kept = [places.get(tuple(edge)) for edge in net.edges.tolist()]
    if net.n_units != len(expressed.keys) or None in kept:
        raise ValueError("net must be one that from_genome made of this genome; it has other units or connections")
    keys = [expressed.connections[place] for place in kept if place is not None]
    weights = {
        key: float(weight) / genome.nodes[key[1]].response
        for key, weight in zip(keys, net.edge_weights, strict=True)
    }  # fmt: skip
    for key, weight in weights.items():
        if not np.isfinite(weight):
            raise ValueError(f"net must have finite weights; that of connection {key} over its response is {weight}")
    for key in expressed.connections:
        genome.connections[key].enabled = key in weights
    for key, weight in weights.items():
        genome.connections[key].weight = weight
    for key, bias in zip(expressed.keys[expressed.n_inputs :], net.unit_biases[expressed.n_inputs :], strict=True):
        genome.nodes[key].bias = float(bias)


@dataclass(frozen=True, eq=False)
class _Expressed:
    """What a genome's network consists of: node keys by unit, connection keys by edge."""

    keys: list[Any]
    n_inputs: int
    n_outputs: int
    connections: list[tuple[Any, Any]]
    edges: Any


def _express(genome: Any, config: Any) -> _Expressed:
    """The nodes that neat-python's feed-forward network computes, and the connections between them."""
    try:
        from neat.graphs import required_for_output
    except ImportError as error:
        raise ImportError('genomes need neat-python: pip install "fastbp[neat]"') from error
    settings = _genome_config(config)
    inputs, outputs = list(settings.input_keys), list(settings.output_keys)
    enabled = [key for key, gene in genome.connections.items() if gene.enabled]
    required = required_for_output(inputs, outputs, enabled)
    for key in sorted(required):
        _check_node(genome, key)
    keys = [*inputs, *sorted(required - set(outputs)), *outputs]
    numbers = {key: number for number, key in enumerate(keys)}
    connections = [
        (i, j) for i, j in enabled if i in numbers and j in required and genome.nodes[j].response != 0.0
    ]  # fmt: skip
    _refuse_cycles(connections)
    edges = np.array([(numbers[i], numbers[j]) for i, j in connections], np.int64).reshape(-1, 2)
    return _Expressed(keys, len(inputs), len(outputs), connections, edges)


def _genome_config(config: Any) -> Any:
    settings = getattr(config, "genome_config", config)
    if not hasattr(settings, "input_keys"):
        raise TypeError(f"config must be a neat.Config, or its genome_config; got {type(config).__name__}")
    return settings


def _check_node(genome: Any, key: Hashable) -> None:
    if key not in genome.nodes:
        raise ValueError(f"genome must have a gene for each node that its outputs need; node {key} has none")
    aggregation = genome.nodes[key].aggregation
    if aggregation != "sum":
        raise ValueError(f"genome must have aggregation 'sum' everywhere; node {key} has {aggregation!r}")


def _refuse_cycles(connections: list[tuple[Any, Any]]) -> None:
    sources: dict[Any, set[Any]] = {}
    for i, j in connections:
        sources.setdefault(j, set()).add(i)
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        cycle = " -> ".join(map(str, error.args[1]))
        raise ValueError(f"genome must have no cycle of enabled connections; got nodes {cycle}") from None


def _activation(node: Any, defined: Any, further: Mapping[str, Activation]) -> Activation:
    """The function of a node: the user's, or neat-python's own unless the config has another one by that name."""
    name = node.activation
    if name in further:
        return further[name]
    is_own = defined.is_valid(name) and defined.get(name).__module__ == "neat.activations"
    if name not in ACTIVATIONS or not is_own:
        raise ValueError(
            f"genome must have neat-python's activation functions, or those given as activations; "
            f"node {node.key} has {name!r}"
        )
    return ACTIVATIONS[name]
