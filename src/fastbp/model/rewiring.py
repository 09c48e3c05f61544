"""Networks of single units: from parts that are checked, and from another network without some of its edges."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from fastbp import checks
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.kernels.formulas import activation_calls as codes
from fastbp.losses import Loss
from fastbp.model.attributes import constructor
from fastbp.model.packed_network import PackedNetwork
from fastbp.structure.topology import Int64Array
from fastbp.structure.wiring import Graph, wire

if TYPE_CHECKING:
    import networkx as nx

Net = TypeVar("Net", bound=PackedNetwork)


@dataclass(frozen=True, eq=False)
class Parts:
    """A network unit by unit, each part checked, but for cycles.

    Attributes
    ----------
    n_inputs, n_outputs : int
    edges : array (n_edges, 2)
    functions : list of Activation
        Of each unit after the inputs, by number.
    biased : list of bool
        For each unit after the inputs, whether it has a bias.
    loss : Loss
    dtype : dtype
    """

    n_inputs: int
    n_outputs: int
    edges: Int64Array
    functions: list[Activation]
    biased: list[bool]
    loss: Loss
    dtype: np.dtype

    def build(self, cls: type[Net]) -> Net:
        """A network with parameters that are zero; ValueError for a cycle, or for softmax where it cannot be."""
        kinds = [(function.name, id(function), has) for function, has in zip(self.functions, self.biased, strict=True)]
        topology, wiring = wire(Graph(self.n_inputs, self.n_outputs, self.edges, kinds))
        by_layer = [self.functions[wiring.units[first] - self.n_inputs] for first in topology.first_units[1:]]
        if any(function.code == codes.SOFTMAX for function in by_layer) and not topology.ends_in_outputs:
            raise ValueError("output 'softmax' needs outputs that are alike and feed no other unit")
        zeros = np.zeros(topology.n_params, self.dtype)
        return cls.assemble(topology, by_layer, self.loss, self.dtype, zeros, wiring)


def with_edges(net: Net, kept: Array) -> Net:
    """A network of the edges of `net` for which `kept`, (n_edges,) of bool, is True; all else as it was."""
    biases = net.unit_biases
    has_bias = np.isin(np.arange(net.n_units), net.biased_units)
    parts = Parts(
        net.n_inputs,
        net.n_outputs,
        net.edges[kept],
        list(net.unit_activations),
        has_bias[net.n_inputs :].tolist(),
        net.loss_function,
        net.dtype,
    )
    sparse = parts.build(type(net)).with_attributes_of(net)
    sparse.edge_weights = net.edge_weights[kept]
    sparse.unit_biases = biases
    return sparse


def check_mask(mask: object, net: PackedNetwork) -> Array:
    """The mask of a user, one for all edges or one for each of `net.weights`, as (n_edges,) of bool."""
    if isinstance(mask, list | tuple) and any(np.ndim(item) > 0 for item in mask):
        return _joined(mask, net)
    flat = _bools(mask, "mask")
    n_edges = len(net.wiring.edges)
    if flat.shape != (n_edges,):
        also = "" if net.is_given_by_edges else ", or be a list of arrays shaped like weights"
        raise ValueError(f"mask must have shape ({n_edges},), one for each edge{also}; got shape {flat.shape}")
    return flat


def _joined(masks: Iterable[object], net: PackedNetwork) -> Array:
    """Masks of the blocks of `net.weights` as one; the connections that skip a layer are kept."""
    if net.is_given_by_edges:
        raise ValueError("mask must be one array, one for each edge: the network was given by its edges; got a list")
    arrays = [_bools(item, f"mask[{layer}]") for layer, item in enumerate(masks)]
    shapes, wanted = [array.shape for array in arrays], [view.shape for view in net.weights]
    if shapes != wanted:
        raise ValueError(f"mask must have arrays shaped like weights, {wanted}; got {shapes}")
    pairs = net.topology.pairs
    blocks = {(layer, layer + 1): array for layer, array in enumerate(arrays)}
    every = [np.ones(n_out * n_in, bool) for n_out, n_in in net.topology.block_shapes]
    return np.concatenate(
        [blocks[pair].reshape(-1) if pair in blocks else all_kept for pair, all_kept in zip(pairs, every, strict=True)]
    )


def _bools(values: object, argument: str) -> Array:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{argument} must be an array of True and False; {error}") from None
    if array.dtype != np.bool_:
        raise TypeError(f"{argument} must hold True and False; got an array of {array.dtype}")
    return array


def above(net: PackedNetwork, threshold: object) -> Array:
    """Which edges have a weight whose size is above the threshold; NaN is kept, it is not small."""
    limit = checks.number(threshold, "threshold")
    return ~(np.abs(net.edge_weights) <= limit)


class RewirableNetwork(PackedNetwork):
    """What a `Network` has to make other networks of it, and of graphs."""

    def with_mask(self, mask: Any) -> Self:
        """The network without some of its connections; all else is kept, and training does not bring them back.

        Parameters
        ----------
        mask : array (n_edges,) of bool, or list of arrays of bool
            Which connections to keep, in the order of `edges`. Of a network of layers also a list of arrays
            shaped like `weights`; connections that skip a layer are all kept then.

        Returns
        -------
        Network
            One that is given by its edges, whatever the mask: same numbers of the units, same functions,
            biases, loss and dtype, same weights of the connections that are left.

        Raises
        ------
        ValueError, TypeError
            For a mask of another shape, or not of bool.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> net = fastbp.Network((8, 16, 2), seed=0)
        >>> sparse = net.with_mask(np.random.default_rng(0).random(len(net.edges)) < 0.25)
        >>> len(net.edges), len(sparse.edges)
        (160, 37)
        """
        return with_edges(self, check_mask(mask, self))

    def prune(self, threshold: float) -> Self:
        """The network without the connections whose weight is small, see `with_mask`.

        Parameters
        ----------
        threshold : float
            Weights w with abs(w) <= threshold go; 0 removes those that are zero. Biases stay.
        """
        return with_edges(self, above(self, threshold))

    @constructor
    def from_networkx(
        cls,
        G: "nx.DiGraph",
        inputs: Iterable[Hashable] | None = None,
        outputs: Iterable[Hashable] | None = None,
        *,
        activation: str | Activation = "tanh",
        output: str | Activation = "identity",
        loss: str | Loss | None = None,
        bias: bool = True,
        init: str | float = "glorot_uniform",
        dtype: Any = None,
        seed: int | None = None,
        activations: Iterable[Activation] = (),
    ) -> Self:
        """A network from a directed graph of networkx (needs ``fastbp[graphs]``).

        Parameters
        ----------
        G : networkx.DiGraph
            Without cycles; nodes may be called anything.
        inputs, outputs : iterable of nodes, optional
            In the order of the columns of X and T. By default what ``G.graph`` has under these names, or
            else the nodes without incoming edges and those without outgoing ones, as they come in G.
        activation, output : str or Activation
            Function of the hidden units, and of the outputs, that have no attribute "activation".
        bias : bool
            Whether units without an attribute "bias" have one, which begins at 0. The attribute is a number,
            or None for no bias.
        init, seed
            Of the weights of edges without an attribute "weight", see `Network`.
        loss, dtype
            See `Network`; by default what ``G.graph`` has under these names.
        activations : iterable of Activation
            The user's own ones that nodes name.

        Returns
        -------
        Network
            Its units are the inputs, then the nodes that are neither input nor output, as they come in G,
            then the outputs: `fastbp.model.networkx_graphs.unit_order` lists the nodes so.

        Raises
        ------
        ValueError, TypeError
            For a graph that is undirected, has several edges from one node to another, or a cycle; for nodes
            that cannot be what they should. The message names the node.

        Examples
        --------
        >>> import fastbp, networkx
        >>> G = networkx.DiGraph([("x", "hidden"), ("x", "y"), ("hidden", "y")])
        >>> net = fastbp.Network.from_networkx(G)
        >>> net.edges.tolist()
        [[0, 1], [0, 2], [1, 2]]
        """
        from fastbp.model.networkx_graphs import from_networkx

        options = {"loss": loss, "dtype": dtype, "init": init, "seed": seed}
        return from_networkx(cls, G, inputs, outputs, (activation, output), bias, activations, options)

    def to_networkx(self) -> "nx.DiGraph":
        """The network as a directed graph of networkx (needs ``fastbp[graphs]``).

        Returns
        -------
        networkx.DiGraph
            Its nodes are the numbers of the units, with attributes "activation" and "bias" after the inputs;
            its edges have "weight"; the graph has "inputs", "outputs", "loss", "loss_options" and "dtype".
            `from_networkx` makes the same network of it, one that is given by its edges.
        """
        from fastbp.model.networkx_graphs import to_networkx

        return to_networkx(self)
