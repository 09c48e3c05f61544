"""Networks from graphs of networkx, and graphs from networks.

Nodes may be called anything; `unit_order` says which of them is which unit. What a graph says of its nodes and
edges is read, and written, under these names:

    node "activation"   name of its function (or an Activation), not of inputs
    node "bias"         a number; None: it has none
    edge "weight"       a number
    graph "inputs", "outputs", "loss", "loss_options", "dtype"
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastbp import checks, losses
from fastbp.activations import ACTIVATIONS, OUTPUTS, Activation, by_name, resolve
from fastbp.losses import Loss
from fastbp.model.packed_network import PackedNetwork
from fastbp.model.parts import Parts
from fastbp.structure import initial

if TYPE_CHECKING:
    import networkx as nx

Net = TypeVar("Net", bound=PackedNetwork)
Nodes = Iterable[Hashable] | None


def unit_order(G: "nx.DiGraph[Any]", inputs: Nodes = None, outputs: Nodes = None) -> list[Hashable]:
    """Nodes of a graph in the order of the units that `Network.from_networkx` makes of them.

    Parameters
    ----------
    G : networkx.DiGraph
    inputs, outputs : iterable of nodes, optional
        As for `Network.from_networkx`.

    Returns
    -------
    list of nodes
        The inputs, then all that are neither, as they come in G, then the outputs; node k is unit k.

    Raises
    ------
    ValueError, TypeError
        For a graph that is no network, with the name of a node.
    """
    order, _n_inputs, _n_outputs = _arrange(G, inputs, outputs)
    return order


def from_networkx(
    cls: type[Net],
    G: "nx.DiGraph[Any]",
    inputs: Nodes,
    outputs: Nodes,
    functions: tuple[object, object],
    bias: object,
    activations: Iterable[Activation],
    options: Mapping[str, Any],
) -> Net:
    """`Network.from_networkx`; `functions`: of hidden units and outputs; `options`: init, loss, dtype, seed."""
    order, n_inputs, n_outputs = _arrange(G, inputs, outputs)
    has_bias = checks.flag(bias, "bias")
    known = by_name(activations)
    default = [resolve(functions[0], "activation", ACTIVATIONS), resolve(functions[1], "output", OUTPUTS)]
    dtype = checks.float_dtype(G.graph.get("dtype", "float64") if options["dtype"] is None else options["dtype"])
    draw, draw_weights = initial.generator(options["seed"]), initial.resolve(options["init"], dtype)
    first_output = len(order) - n_outputs
    for node in order[:n_inputs]:
        _check_input(G, node)
    units = [
        _unit(G, node, default[number >= first_output], has_bias, known, is_output=number >= first_output)
        for number, node in enumerate(order)
        if number >= n_inputs
    ]
    numbers = {node: number for number, node in enumerate(order)}
    edges = np.array([(numbers[i], numbers[j]) for i, j in G.edges], np.int64).reshape(-1, 2)
    named = Loss(G.graph.get("loss", "squared_error"), **G.graph.get("loss_options", {}))
    loss = named if options["loss"] is None else options["loss"]
    parts = Parts(
        n_inputs,
        n_outputs,
        edges,
        [function for function, _bias in units],
        [start is not None for _function, start in units],
        losses.resolve(loss),
        dtype,
    )
    net = parts.build(cls)
    net.edge_weights = _weights(G, initial.of_edges(draw_weights, draw, edges, len(order)))
    net.unit_biases = np.array([0.0] * n_inputs + [start or 0.0 for _function, start in units])
    return net


def to_networkx(net: PackedNetwork) -> "nx.DiGraph[Any]":
    """`Network.to_networkx`."""
    nx = _networkx()
    first_output = net.n_units - net.n_outputs
    G = nx.DiGraph(
        inputs=list(range(net.n_inputs)),
        outputs=list(range(first_output, net.n_units)),
        loss=net.loss_name,
        loss_options=net.loss_function.options,
        dtype=net.dtype.name,
    )
    G.add_nodes_from(range(net.n_inputs))
    for unit, (name, bias) in enumerate(zip(net.unit_functions, net.unit_biases[net.n_inputs :], strict=True)):
        G.add_node(net.n_inputs + unit, activation=name, bias=None if np.isnan(bias) else float(bias))
    ends, weights = net.edges.tolist(), net.edge_weights.tolist()
    G.add_weighted_edges_from((i, j, w) for (i, j), w in zip(ends, weights, strict=True))
    return G


def _networkx() -> Any:
    try:
        import networkx
    except ImportError as error:
        raise ImportError('graphs need networkx: pip install "fastbp[graphs]"') from error
    return networkx


def _arrange(G: "nx.DiGraph[Any]", inputs: Nodes, outputs: Nodes) -> tuple[list[Hashable], int, int]:
    """(nodes in the order of the units, number of inputs, number of outputs), of a graph that may be a network."""
    _check_graph(G)
    into, out_of = dict(G.in_degree()), dict(G.out_degree())
    without_sources = [node for node in G if not into[node]]
    without_targets = [node for node in G if not out_of[node]]
    first = _nodes(G, inputs, "inputs", without_sources, "node without incoming edges")
    last = _nodes(G, outputs, "outputs", without_targets, "node without outgoing edges")
    both = set(first) & set(last)
    if both:
        raise ValueError(
            f"inputs and outputs must be different nodes; node {next(n for n in G if n in both)!r} is both"
        )
    for node in first:
        if into[node]:
            raise ValueError(f"inputs must be nodes without incoming edges; node {node!r} has {into[node]}")
    between = [node for node in G if node not in set(first) | set(last)]
    return [*first, *between, *last], len(first), len(last)


def _check_graph(G: object) -> None:
    """Refuse what is no directed graph without cycles."""
    nx = _networkx()
    if not isinstance(G, nx.Graph):
        raise TypeError(f"G must be a networkx.DiGraph; got {type(G).__name__}")
    if not G.is_directed() or G.is_multigraph():
        raise TypeError(f"G must be a networkx.DiGraph, directed and with one edge a pair; got {type(G).__name__}")
    if nx.is_directed_acyclic_graph(G):
        return
    cycle = [edge[0] for edge in nx.find_cycle(G)]
    raise ValueError(f"G must have no cycle; got {' -> '.join(map(repr, [*cycle, cycle[0]]))}")


def _nodes(G: "nx.DiGraph[Any]", given: Nodes, argument: str, found: list[Hashable], what: str) -> list[Hashable]:
    """The inputs or outputs: as given, or as the graph names them, or those that were found."""
    named: Any = G.graph.get(argument, found) if given is None else given
    if isinstance(named, str) or not isinstance(named, Iterable):
        raise TypeError(f"{argument} must be a sequence of nodes; got {named!r}")
    nodes: list[Hashable] = list(named)
    for place, node in enumerate(nodes):
        if node not in G:
            raise ValueError(f"{argument} must be nodes of G; {node!r} is none")
        if node in nodes[:place]:
            raise ValueError(f"{argument} must name each node once; node {node!r} comes twice")
    if not nodes:
        raise ValueError(f"{argument} must have at least one node; G has no {what}")
    return nodes


def _check_input(G: "nx.DiGraph[Any]", node: Hashable) -> None:
    """Refuse what an input cannot have: it is what a sample says, without bias or function."""
    for name, nothing in (("bias", (None, 0)), ("activation", (None, "identity"))):
        value = G.nodes[node].get(name)
        if not any(value is none or (isinstance(value, type(none)) and value == none) for none in nothing):
            raise ValueError(
                f"node {node!r} is an input, and has no {name}; got {value!r}: remove the attribute, or feed the node"
            )


def _unit(
    G: "nx.DiGraph[Any]",
    node: Hashable,
    default: Activation,
    has_bias: bool,
    known: dict[str, Activation],
    *,
    is_output: bool,
) -> tuple[Activation, float | None]:
    """(function, bias or None) of a node."""
    attributes = G.nodes[node]
    function = default
    if "activation" in attributes:
        names = (OUTPUTS if is_output else ACTIVATIONS) | known
        function = resolve(attributes["activation"], f"activation of node {node!r}", names)
    bias = attributes.get("bias", 0.0 if has_bias else None)
    if bias is None:
        return function, None
    return function, checks.number(bias, f"bias of node {node!r}", low=-np.inf, low_open=True)


def _weights(G: "nx.DiGraph[Any]", drawn: Any) -> Any:
    """Weights of the edges: those that the graph has, the others as drawn."""
    for place, (i, j, attributes) in enumerate(G.edges(data=True)):
        if "weight" in attributes:
            argument = f"weight of edge {i!r} -> {j!r}"
            drawn[place] = checks.number(attributes["weight"], argument, low=-np.inf, low_open=True)
    return drawn
