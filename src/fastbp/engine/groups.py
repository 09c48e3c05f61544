"""The groups of a network's units, and how its Hessian is cut into blocks of them."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.curvature import blocks, pairs, plan, shared
from fastbp.kernels.tables import NONE
from fastbp.kernels.tuning import CURVATURE_COLUMNS, CURVATURE_ROWS, FEW_PAIRS, SECONDS_OF_FEW
from fastbp.structure.topology import Topology

KEPT_GROUPS = 1 << 14  # parameters up to which the tables of a network's groups are kept: 256 KB


class Groups:
    """Units that the same units feed, and where their weights stand: see `kernels/curvature/plan.py`.

    Parameters
    ----------
    topology : Topology
    shares : bool
        Whether the outputs share what can be shared, see `kernels/curvature/shared.py`.
    """

    table: Array
    sources: Array
    places: Array
    layers_of: Array

    def __init__(self, topology: Topology, shares: bool) -> None:
        self._topology, self.layers_of = topology, layers_of(topology)
        arriving = np.bincount(topology.links[:, 1], minlength=topology.n_units)
        rows: list[tuple[int, ...]] = []
        sources: list[Array] = []
        places: list[Array] = []
        keys: list[bytes] = []
        starts, links = topology.link_tables
        for layer in range(1, topology.n_layers):
            first, size = topology.first_units[layer], topology.sizes[layer]
            is_one = not arriving[first : first + size].any()
            for j, n in [(0, size)] if is_one else [(j, 1) for j in range(size)]:
                own = links[starts[first + j] : starts[first + j + 1]] if not is_one else links[:0]
                fed_by, weights = self._of_units(layer, j, n, own)
                starts_at = sum(s.size for s in sources), sum(p.size for p in places)
                rows.append((layer, first + j, n, starts_at[0], len(fed_by), starts_at[1], shared.APART))
                sources.append(fed_by)
                places.append(weights.reshape(-1))
                keys.append(fed_by.tobytes())
        self.table = np.array(rows, np.int64).reshape(-1, plan.GROUP_COLUMNS)
        self.sources = np.concatenate([*sources, np.zeros(0, np.int64)])
        self.places = np.concatenate([*places, np.zeros(0, np.int64)])
        self._keys = keys
        if shares:
            self._find_gains()

    def _find_gains(self) -> None:
        """Note which groups are the outputs, or feed them alone: only where the outputs are one group."""
        topology, last = self._topology, self._topology.n_layers - 1
        if np.count_nonzero(self.table[:, plan.GROUP_LAYER] == last) != 1:
            return
        has_links = topology.has_links[1]
        for row in self.table:
            layer, n_units = row[plan.GROUP_LAYER], row[plan.GROUP_UNITS]
            fed = [
                (to, at)
                for (source, to), at in zip(topology.pairs, topology.weight_offsets, strict=False)
                if source == layer
            ]
            if layer == last:
                row[plan.GROUP_GAINS] = shared.OF_OUTPUTS
            elif n_units == topology.sizes[layer] and not has_links[layer] and [to for to, _at in fed] == [last]:
                row[plan.GROUP_GAINS] = fed[0][1]

    @cached_property
    def are_shared(self) -> Array:
        """Of each group, whether all outputs share its rows."""
        return np.asarray(self.table[:, plan.GROUP_GAINS] != shared.APART)

    def _of_units(self, layer: int, j: int, n: int, links: Array) -> tuple[Array, Array]:
        """(units that feed units j .. j + n - 1 of a layer, places of the weights (n, n_sources))."""
        topology = self._topology
        units, weights = [np.zeros(0, np.int64)], [np.zeros((n, 0), np.int64)]
        for (source, target), offset in zip(topology.pairs, topology.weight_offsets, strict=False):
            if target == layer:
                n_in = topology.sizes[source]
                units.append(topology.first_units[source] + np.arange(n_in))
                weights.append(offset + np.arange(j * n_in, (j + n) * n_in).reshape(n, n_in))
        units.append(links[:, 0])
        weights.append(np.broadcast_to(links[:, 1], (n, len(links))))
        bias = topology.bias_offsets[layer]
        if bias != NONE:
            units.append(np.array([topology.n_units]))
            weights.append(bias + np.arange(j, j + n).reshape(n, 1))
        return np.concatenate(units), np.concatenate(weights, axis=1)

    @cached_property
    def most_sources(self) -> int:
        """Most units that feed a group."""
        return int(self.table[:, plan.GROUP_N_SOURCES].max(initial=0))

    @property
    def most_units(self) -> int:
        """Most units in a group."""
        return int(self.table[:, plan.GROUP_UNITS].max(initial=0))

    @cached_property
    def tasks(self) -> "Tasks":
        """The blocks of the matrix."""
        found, n_rows, n_columns, n_sums = [], self.most_units, self.most_sources + pairs.SPARE, 0
        for g in range(len(self.table)):
            for h in range(g, len(self.table)):
                same = self._keys[g] == self._keys[h]
                is_shared = bool(self.are_shared[[g, h]].all())
                (units_g, sources_g), (units_h, sources_h) = (self._shape(group, is_shared) for group in (g, h))
                of_units, of_inputs = Pairs(units_g, units_h, g == h), Pairs(sources_g, sources_h, same)
                has_one_row = is_shared or self._topology.n_outputs == 1
                few = which_are_few(of_units, of_inputs, has_one_row)
                parts_j = of_units.parts(CURVATURE_COLUMNS if few == blocks.INPUTS else CURVATURE_ROWS)
                for j_start, j_stop, n_j in parts_j:
                    for i_start, i_stop, n_i in of_inputs.parts(CURVATURE_COLUMNS):
                        found.append((g, h, j_start, j_stop, i_start, i_stop, same, few, is_shared))
                        n_rows, n_columns = max(n_rows, n_j), max(n_columns, n_i)
                        if few == blocks.INPUTS:  # then rows are pairs of inputs, but for the exact matrix
                            n_rows, n_columns = max(n_rows, n_i), max(n_columns, units_h)
                            n_sums = max(n_sums, n_i * of_units.with_rest(j_start, j_stop))
                        elif few == blocks.UNITS:
                            n_sums = max(n_sums, n_j * of_inputs.with_rest(i_start, i_stop))
        n_rows = max(n_rows, -(-n_sums // n_columns))
        return Tasks(np.array(found, np.int64).reshape(-1, blocks.TASK_COLUMNS), n_rows, n_columns)

    def _shape(self, group: int, is_shared: bool) -> tuple[int, int]:
        """Units and sources of a group, in a block with M of its own, or with that which outputs share."""
        row = self.table[group]
        stands_for_all = is_shared and row[plan.GROUP_GAINS] == shared.OF_OUTPUTS
        return 1 if stands_for_all else int(row[plan.GROUP_UNITS]), int(row[plan.GROUP_N_SOURCES])


class Tasks(NamedTuple):
    """The tasks of `kernels/curvature/blocks.py`."""

    table: Array
    n_rows: int  # most of a task
    n_columns: int


class Pairs(NamedTuple):
    """Pairs of n things with n_other others, or with those that do not stand behind them."""

    n: int
    n_other: int
    is_same: bool

    @property
    def number(self) -> int:
        """How many there are."""
        return self.n * (self.n + 1) // 2 if self.is_same else self.n * self.n_other

    def parts(self, most: int) -> list[tuple[int, int, int]]:
        """(start, stop, pairs) of runs of the n things, with up to so many pairs unless a single one has more."""
        found, start = [], 0
        while start < self.n:
            stop, pairs = start, 0
            while stop < self.n and (stop == start or pairs + self._of_one(stop) <= most):
                pairs += self._of_one(stop)
                stop += 1
            found.append((start, stop, pairs))
            start = stop
        return found

    def with_rest(self, start: int, stop: int) -> int:
        """Numbers in rows that n things have with all others that one of them goes with, in whole cache lines."""
        return (stop - start) * int(in_python(blocks.row_stride)(self._of_one(stop - 1)))

    def _of_one(self, k: int) -> int:
        return k + 1 if self.is_same else self.n_other


def which_are_few(of_units: Pairs, of_inputs: Pairs, has_one_row: bool) -> int:
    """Which of the pairs of a block, if any, are so few that those of the other kind are not formed."""
    if has_one_row and of_inputs.number < of_units.number and _are_few(of_inputs, of_units):
        return blocks.INPUTS
    return blocks.UNITS if _are_few(of_units, of_inputs) else blocks.NEITHER


def _are_few(some: Pairs, others: Pairs) -> bool:
    """Few, and few beside the second things of the others, which are the lanes then."""
    return some.number <= min(FEW_PAIRS, others.n_other // SECONDS_OF_FEW)


def groups_of(topology: Topology, *, shares: bool) -> Groups:
    """The groups of a network; of a small one they are kept with its other tables."""
    if topology.n_params > KEPT_GROUPS:
        return Groups(topology, shares)
    return topology.once(("groups", shares), lambda: Groups(topology, shares))


def layers_of(topology: Topology) -> Array:
    """Layer of each unit."""
    layers = np.zeros(topology.n_units, np.int64)
    for layer, (first, size) in enumerate(zip(topology.first_units, topology.sizes, strict=True)):
        layers[first : first + size] = layer
    return layers
