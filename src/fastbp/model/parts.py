"""Networks of single units: from parts that are checked, and from another network without some of its edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fastbp import checks
from fastbp.activations import Activation
from fastbp.checks import Array
from fastbp.kernels.codes import SOFTMAX
from fastbp.losses import Loss
from fastbp.model.packed_network import PackedNetwork
from fastbp.structure.topology import Int64Array
from fastbp.structure.wiring import Graph, wire

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
        if any(function.code == SOFTMAX for function in by_layer) and not topology.ends_in_outputs:
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
