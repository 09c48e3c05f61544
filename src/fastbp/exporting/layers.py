"""A network layer by layer, as every format is written: units in the packed order, weights as matrices and lists.

Units are numbered as the kernels have them, inputs first and outputs last, so that what a layer needs is there when
it is computed. The user's numbers (`Network.layer_units`) may come in any other order; no format needs them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array
from fastbp.kernels.tables import NONE

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork


@dataclass(frozen=True, eq=False)
class Block:
    """All connections from one layer into another: `weights` (n_out, n_in), row j = what arrives at unit j."""

    source: int
    first_source: int
    weights: Array


@dataclass(frozen=True, eq=False)
class Links:
    """Single connections into a layer: what arrives at its unit j is numbers starts[j] .. starts[j + 1] - 1."""

    starts: Array
    sources: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Layer:
    """A run of units with one function; `biases` is None without them, `links` without links."""

    number: int
    first_unit: int
    n_units: int
    function: str
    biases: Array | None
    blocks: tuple[Block, ...]
    links: Links | None


def layers_of(net: "ComputingNetwork") -> list[Layer]:
    """The layers after the inputs, in the order in which they are computed."""
    topology = net.topology
    first, sizes, starts = topology.first_units, topology.sizes, topology.bias_offsets
    blocks: dict[int, list[Block]] = {}
    shapes = zip(topology.pairs, topology.block_shapes, topology.weight_offsets, strict=False)
    for (source, target), (n_out, n_in), at in shapes:
        weights = net.params[at : at + n_out * n_in].reshape(n_out, n_in)
        blocks.setdefault(target, []).append(Block(source, first[source], weights))
    return [
        Layer(
            number,
            first[number],
            sizes[number],
            function,
            None if starts[number] == NONE else net.params[starts[number] : starts[number] + sizes[number]],
            tuple(blocks.get(number, ())),
            _links_of(net, first[number], sizes[number]),
        )
        for number, function in enumerate(net.layer_functions, 1)
    ]


def _links_of(net: "ComputingNetwork", first: int, n_units: int) -> Links | None:
    """The links into the units first .. first + n_units - 1; they stand in the order of their targets."""
    links = net.topology.links
    bounds = np.searchsorted(links[:, 1], np.arange(first, first + n_units + 1))
    start, stop = int(bounds[0]), int(bounds[-1])
    if start == stop:
        return None
    at = net.topology.weight_offsets[-1]
    return Links(bounds - start, links[start:stop, 0], net.params[at + start : at + stop])


def check_exportable(net: "ComputingNetwork", file_format: str, functions: frozenset[str] | set[str]) -> None:
    """Raise a ValueError for weights that are not finite, or a function that the format has no word for."""
    if not np.isfinite(net.params).all():
        place = int(np.flatnonzero(~np.isfinite(net.params))[0])
        raise ValueError(
            f"params must be finite to be written as {file_format}; params[{place}] is {net.params[place]}"
        )
    for layer, name in enumerate(net.layer_functions, 1):
        if name not in functions:
            raise ValueError(
                f"{file_format} has no form of activation {name!r}, which layer {layer} has; "
                f"it has {', '.join(sorted(functions))}"
            )
