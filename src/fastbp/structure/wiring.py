"""From a list of edges to layers, blocks and links: any network without cycles.

A unit is computed after all that feed it: its *level* is one more than the highest of theirs. Units of one
level, function and kind are a layer. Within it, those that are fed by the same units, or by all of the same
layers, are put together in a layer of their own, so that what is dense between two layers runs as a block.
All other edges are links. Neighbours in a layer have like sources, which are then still in the cache.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from fastbp import checks, memory
from fastbp.checks import Array
from fastbp.kernels.tuning import MIN_DENSE
from fastbp.structure.topology import Int64Array, Topology

UNIT_BYTES = 500  # of memory for a unit while a network is wired, at least


@dataclass(frozen=True, eq=False)
class Wiring:
    """The units and edges of a network as its user numbers them.

    Attributes
    ----------
    edges : array (n_edges, 2)
        (from, to), in the order in which they were given.
    places : array (n_edges,)
        Where each edge's weight stands in the parameters.
    units : array (n_units,)
        The user's number of each unit of the packed network.
    """

    edges: Int64Array
    places: Int64Array
    units: Int64Array

    @classmethod
    def of_layers(cls, topology: Topology) -> "Wiring":
        """Edges in the order of the parameters, units as they are packed."""
        edges = topology.connections()
        return cls(edges, np.arange(len(edges)), np.arange(topology.n_units))


@dataclass(frozen=True)
class Graph:
    """A checked network of single units.

    Attributes
    ----------
    n_inputs, n_outputs : int
    edges : array (n_edges, 2)
    kinds : sequence
        For each unit after the inputs: what units of one layer have in common, such as function and bias.
    """

    n_inputs: int
    n_outputs: int
    edges: Int64Array
    kinds: Sequence[Hashable]

    @property
    def n_units(self) -> int:
        """Number of units, the inputs counted."""
        return self.n_inputs + len(self.kinds)

    @property
    def first_output(self) -> int:
        """The unit that is the first output."""
        return self.n_units - self.n_outputs


def check_edges(edges: object, n_inputs: int, n_outputs: int, n_units: int | None) -> tuple[Int64Array, int]:
    """(edges, number of units), checked but for cycles, which `wire` finds."""
    if isinstance(edges, str | bytes | dict | set | frozenset):  # a set has no order for the weights to follow
        raise TypeError(f"edges must be a sequence of pairs (from, to); got {type(edges).__name__}")
    if isinstance(edges, np.ma.MaskedArray) and np.ma.is_masked(edges):
        raise TypeError("edges must be all there; got an array with masked values: drop those rows")
    try:
        array = np.asarray(edges if isinstance(edges, np.ndarray) else list(edges))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise TypeError(f"edges must be pairs (from, to) of unit numbers; got {type(edges).__name__}") from None
    if array.size == 0:
        array = np.empty((0, 2), np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"edges must hold integers, the numbers of units; got an array of {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"edges must have shape (n_edges, 2), rows (from, to); got shape {array.shape}")
    fewest = n_inputs + n_outputs
    highest = int(array.max()) if len(array) else -1
    n_all = max(highest + 1, fewest) if n_units is None else checks.integer(n_units, "n_units", minimum=fewest)
    memory.check(n_all * UNIT_BYTES, "edges" if n_units is None else "n_units", f"{n_all:,} units")
    _refuse(array, (array < 0).any(axis=1) | (array >= n_all).any(axis=1), f"name units from 0 to {n_all - 1}")
    array = array.astype(np.int64)
    _refuse(array, array[:, 0] == array[:, 1], "connect different units")
    _refuse(array, array[:, 1] < n_inputs, f"not go into an input, units 0 to {n_inputs - 1}")
    _, first, inverse = np.unique(array, axis=0, return_index=True, return_inverse=True)
    repeated = first[inverse.reshape(-1)] != np.arange(len(array))
    _refuse(array, repeated, "be there once")
    return array, n_all


def check_biased(bias: object, n_inputs: int, n_units: int) -> list[bool]:
    """For each unit after the inputs, whether it has a bias."""
    if isinstance(bias, bool | np.bool_):
        return [bool(bias)] * (n_units - n_inputs)
    if isinstance(bias, str | bytes) or not isinstance(bias, Iterable) or np.ndim(bias) == 0:  # type: ignore[arg-type]
        raise TypeError(f"bias must be True, False, or the units that have one; got {bias!r}")
    units = {checks.integer(unit, "bias", minimum=n_inputs) for unit in bias}
    if units and max(units) >= n_units:
        raise ValueError(f"bias must name units from {n_inputs} to {n_units - 1}; got {max(units)}")
    return [unit in units for unit in range(n_inputs, n_units)]


def _refuse(edges: Array, wrong: Any, what: str) -> None:
    if wrong.any():
        n = int(np.argmax(wrong))
        more = f", and {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
        raise ValueError(f"edges must {what}; edges[{n}] is {tuple(edges[n].tolist())}{more}")


def wire(graph: Graph) -> tuple[Topology, Wiring]:
    """Layers, blocks and links for a graph, and the user's names for them.

    Raises
    ------
    ValueError
        If the edges have a cycle; the message names it unit by unit.
    """
    levels = _levels(graph)
    layers, outputs = _layers(graph, levels)
    units = np.array([unit for layer in _outputs_last(layers, outputs) for unit in layer], np.int64)
    rows = np.empty(graph.n_units, np.int64)
    rows[units] = np.arange(graph.n_units)
    layer_of = np.empty(graph.n_units, np.int64)
    for number, layer in enumerate(layers):
        layer_of[layer] = number
    sizes = np.array([len(layer) for layer in layers])
    pairs, is_dense = _dense_pairs(layer_of[graph.edges], sizes)
    links = rows[graph.edges[~is_dense]]
    links = links[np.lexsort((links[:, 0], links[:, 1]))]
    has_bias = tuple(bool(graph.kinds[layer[0] - graph.n_inputs][-1]) for layer in layers[1:])  # type: ignore[index]
    topology = Topology(tuple(sizes.tolist()), pairs, has_bias, links, outputs)
    return topology, Wiring(graph.edges, _places(topology, rows[graph.edges]), units)


def _outputs_last(layers: list[list[int]], outputs: tuple[int, ...]) -> list[list[int]]:
    others = [layer for number, layer in enumerate(layers) if number not in outputs]
    return others + [layers[number] for number in outputs]


def _levels(graph: Graph) -> Int64Array:
    """0 for the inputs, and for each other unit one more than the highest level among its sources."""
    edges, n_units = graph.edges, graph.n_units
    by_source = edges[np.argsort(edges[:, 0], kind="stable")]
    starts = np.searchsorted(by_source[:, 0], np.arange(n_units + 1))
    waiting = np.bincount(edges[:, 1], minlength=n_units)
    levels = np.zeros(n_units, np.int64)
    levels[graph.n_inputs :] = 1
    ready = np.flatnonzero(waiting == 0)
    while ready.size:  # a wave of units at a time
        fed = np.concatenate([by_source[starts[unit] : starts[unit + 1]] for unit in ready])
        np.maximum.at(levels, fed[:, 1], levels[fed[:, 0]] + 1)
        np.subtract.at(waiting, fed[:, 1], 1)
        targets = np.unique(fed[:, 1])
        ready = targets[waiting[targets] == 0]
    if waiting.any():
        cycle = _cycle(edges, waiting > 0)
        raise ValueError(f"edges must have no cycle; got {' -> '.join(map(str, cycle))}")
    return levels


def _cycle(edges: Int64Array, blocked: Any) -> list[int]:
    """A cycle among the units that wait for each other: each of them has a source that waits too."""
    inside = edges[blocked[edges[:, 0]] & blocked[edges[:, 1]]]
    source_of = dict(zip(inside[:, 1].tolist(), inside[:, 0].tolist(), strict=True))
    unit = int(inside[0, 1])
    seen: dict[int, int] = {}
    path: list[int] = []
    while unit not in seen:
        seen[unit] = len(path)
        path.append(unit)
        unit = source_of[unit]
    return [unit, *path[: seen[unit] : -1], unit]


def _layers(graph: Graph, levels: Int64Array) -> tuple[list[list[int]], tuple[int, ...]]:
    """(units of each layer, in the order of their computation; numbers of the layers of outputs)."""
    outputs = np.arange(graph.first_output, graph.n_units)
    kinds = graph.kinds[graph.first_output - graph.n_inputs :]
    feed_others = np.isin(outputs, graph.edges[:, 0]).any()
    levels = levels.copy()
    if not feed_others:  # all at the end, however few layers lie before one of them
        levels[outputs] = levels.max() + 1
    hidden = _split(graph, levels)
    # Outputs stay in their order: runs of one level and kind are layers.
    runs = [list(run) for _key, run in groupby(outputs.tolist(), lambda u: (levels[u], kinds[u - graph.first_output]))]
    keyed = [((int(levels[layer[0]]), 0, number), layer) for number, layer in enumerate(hidden)]
    keyed += [((int(levels[layer[0]]), 1, number), layer) for number, layer in enumerate(runs)]
    keyed.sort(key=lambda item: item[0])
    numbers = {key: number for number, (key, _layer) in enumerate(keyed, 1)}
    at_end = tuple(numbers[int(levels[layer[0]]), 1, number] for number, layer in enumerate(runs))
    return [list(range(graph.n_inputs)), *(layer for _key, layer in keyed)], at_end


def _split(graph: Graph, levels: Int64Array) -> list[list[int]]:
    """The hidden units in layers; those that may be the ends of a dense block in layers of their own."""
    sources: list[frozenset[int]] = [frozenset()] * graph.n_units
    targets: list[frozenset[int]] = [frozenset()] * graph.n_units
    for lists, (this_end, other_end) in ((sources, (1, 0)), (targets, (0, 1))):
        order = graph.edges[np.argsort(graph.edges[:, this_end], kind="stable")]
        starts = np.searchsorted(order[:, this_end], np.arange(graph.n_units + 1))
        for unit in range(graph.n_units):
            lists[unit] = frozenset(order[starts[unit] : starts[unit + 1], other_end].tolist())
    hidden = range(graph.n_inputs, graph.first_output)
    layers = _grouped(hidden, lambda u: (levels[u], graph.kinds[u - graph.n_inputs]))
    inputs = list(range(graph.n_inputs))
    for ends in (sources, targets, sources):  # the last time by the parts that the targets have made
        layers = _split_by([inputs, *layers], ends)[1:]
    return [sorted(layer, key=lambda u: sorted(sources[u])) for layer in layers]


def _split_by(layers: list[list[int]], ends: list[frozenset[int]]) -> list[list[int]]:
    """The layers, each cut into units that go together, by their sources or targets `ends`.

    Those are units connected to all of the same layers, whatever else they are connected to; or else to just the
    same units.
    """
    whole = [frozenset(layer) for layer in layers if len(layer) >= MIN_DENSE]

    def key(unit: int) -> Hashable:
        covered = tuple(number for number, units in enumerate(whole) if units <= ends[unit])
        return covered or (ends[unit] if len(ends[unit]) >= MIN_DENSE else None)

    return [layers[0], *(part for layer in layers[1:] for part in _parts(layer, key))]


def _grouped(units: Iterable[int], key: Any) -> list[list[int]]:
    """Units with the same key together, in the order in which the keys first come."""
    groups: dict[Hashable, list[int]] = {}
    for unit in units:
        groups.setdefault(key(unit), []).append(unit)
    return list(groups.values())


def _parts(layer: list[int], key: Any) -> list[list[int]]:
    """The groups of `layer` that are large enough for a dense block, and all its other units; no key, no group."""
    groups = _grouped(layer, key)
    large = [group for group in groups if len(group) >= MIN_DENSE and key(group[0])]
    rest = [unit for group in groups if len(group) < MIN_DENSE or not key(group[0]) for unit in group]
    return [*large, rest] if rest else large


def _dense_pairs(ends: Int64Array, sizes: Any) -> tuple[tuple[tuple[int, int], ...], Any]:
    """((source layer, target layer) of the blocks, whether each edge belongs to one); `ends`: layers of the edges."""
    n_layers = len(sizes)
    codes = ends[:, 1] * n_layers + (n_layers - 1 - ends[:, 0])  # the layer just below comes first
    found, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    target, source = found // n_layers, n_layers - 1 - found % n_layers
    is_dense = (counts == sizes[source] * sizes[target]) & (np.minimum(sizes[source], sizes[target]) >= MIN_DENSE)
    pairs = tuple(zip(source[is_dense].tolist(), target[is_dense].tolist(), strict=True))
    return pairs, is_dense[inverse.reshape(-1)]


def _places(topology: Topology, edges: Int64Array) -> Int64Array:
    """Where the weight of each edge, between units of the packed network, stands in the parameters."""
    n_units = topology.n_units
    packed = topology.connections() @ np.array([n_units, 1])
    order = np.argsort(packed)
    return np.asarray(order[np.searchsorted(packed[order], edges @ np.array([n_units, 1]))], np.int64)
