"""`RewirableNetwork`: what a network has to make others of it, with fewer edges, and of graphs."""

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, Self

from fastbp.activations import Activation
from fastbp.losses import Loss
from fastbp.model import networkx_graphs
from fastbp.model.attributes import constructor
from fastbp.model.packed_network import PackedNetwork
from fastbp.model.parts import above, check_mask, with_edges

if TYPE_CHECKING:
    import networkx as nx


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

        Returns
        -------
        Network
            One that is given by its edges, even if nothing was removed.
        """
        return with_edges(self, above(self, threshold))

    @constructor
    def from_networkx(
        cls,
        G: "nx.DiGraph[Any]",
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
        options = {"loss": loss, "dtype": dtype, "init": init, "seed": seed}
        return networkx_graphs.from_networkx(cls, G, inputs, outputs, (activation, output), bias, activations, options)

    def to_networkx(self) -> "nx.DiGraph[Any]":
        """The network as a directed graph of networkx (needs ``fastbp[graphs]``).

        Returns
        -------
        networkx.DiGraph
            Its nodes are the numbers of the units, with attributes "activation" and "bias" after the inputs;
            its edges have "weight"; the graph has "inputs", "outputs", "loss", "loss_options" and "dtype".
            `from_networkx` makes the same network of it, one that is given by its edges.
        """
        return networkx_graphs.to_networkx(self)
