"""Networks that are trained one in each lane of a register: which they are, their groups, and what these remember."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros
from fastbp.kernels.codes import OF_ACTIVATION
from fastbp.kernels.population import tables
from fastbp.kernels.population.groups import FURTHER_ROWS, L1, L2, PER_PARAMETER
from fastbp.kernels.population.online import address_of_online
from fastbp.kernels.population.outputs import address_of_network_deltas
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import LAYER, NONE
from fastbp.kernels.tuning import (
    AHEAD_BYTES,
    LANE_BYTES,
    LANE_BYTES_OF_BATCHES,
    LANE_REGISTERS,
    MOST_AHEAD,
    MOST_BATCH_REGISTERS,
    STATE_BYTES,
)
from fastbp.population.crew import address_of
from fastbp.population.kinds import Kind
from fastbp.solvers import Choice
from fastbp.training.options import Options

# Of large numbers it takes another way for all lanes of a register: what a network learns would depend on neighbours
BY_LANES = frozenset({OF_ACTIVATION["sin"]})


def has_factors(options: Options) -> bool:
    """Whether parameters have learning rates of their own."""
    return isinstance(options.solver, Choice) and options.solver.factors is not None


def is_for_lanes(kind: Kind, options: Options, batch_size: int) -> bool:
    """Whether networks of a kind are trained so: by what they are alone, never by how many there are."""
    net, step = kind.net, int(lanes_of(kind.net.dtype))
    most = LANE_BYTES if batch_size < step else LANE_BYTES_OF_BATCHES
    functions = net.packed.layers[1:, LAYER.function].tolist()
    return (
        net.topology.is_layered
        and net.n_params * net.dtype.itemsize <= most
        and batch_size <= MOST_BATCH_REGISTERS * step
        and not options.solver.batch_only
        and not has_factors(options)
        and BY_LANES.isdisjoint(functions)
    )


class Lot(NamedTuple):
    """Networks that take their steps together: numbers in the population, and what they have in common."""

    kind: int
    members: list[int]
    batch_size: int
    options: Options  # of the first


def lots_of(
    kinds: Sequence[Kind], options: Sequence[Options], batch_sizes: Array, n_samples: Array, *, alone: Array
) -> list[Lot]:
    """The networks that are for lanes, but for those `alone`, by what has to be the same for all lanes."""
    found: dict[tuple[object, ...], Lot] = {}
    asked: dict[tuple[object, ...], bool] = {}
    for number, kind in enumerate(kinds):
        for k in kind.members.tolist():
            o, batch_size = options[k], int(batch_sizes[k])
            assert isinstance(o.solver, Choice)
            case = number, o.solver.name, o.solver.factors is None, batch_size
            if case not in asked:
                asked[case] = is_for_lanes(kind, o, batch_size)
            if alone[k] or not asked[case]:
                continue
            common = o.solver.code, o.solver.values, o.l1 > 0 or o.l2 > 0, o.reduction, o.label_smoothing
            key = number, batch_size, int(n_samples[k]), *common
            found.setdefault(key, Lot(number, [], batch_size, o)).members.append(k)
    return list(found.values())


class Group:
    """Networks side by side, and all that the kernels remember of them.

    Parameters
    ----------
    kind : Kind
    lot : Lot
        Of which these are some.
    members : list of int
    options : sequence of Options
        Of all networks of the population.
    """

    def __init__(self, kind: Kind, lot: Lot, members: list[int], options: Sequence[Options]) -> None:
        dtype = kind.net.dtype
        step = int(lanes_of(dtype))
        self.kind, self.lot, self.members = kind, lot, np.array(members)
        self.n_registers = -(-len(members) // step)
        self.width = self.n_registers * step
        self.n_params = kind.net.n_params
        self.numbers = aligned_zeros((PER_PARAMETER * self.n_params + FURTHER_ROWS, self.width), dtype)
        self.lanes = np.full(self.width, members[0], np.int64)
        self.lanes[: len(members)] = members
        self.position, self.decay, self.held_errors = np.zeros(3, np.int64), np.ones(2), np.zeros(self.width)
        rows = self.numbers[PER_PARAMETER * self.n_params :]
        for row, name in ((L1, "l1"), (L2, "l2")):
            rows[row, : len(members)] = [getattr(options[k], name) for k in members]
        self.n_ahead = ahead(kind, lot.batch_size, self.width)

    def take(self, params: Array) -> None:
        """Parameters of its networks (n, n_params) into the lanes."""
        for row in (0, 2):  # those at the start of the epoch, too
            self.numbers[row * self.n_params : (row + 1) * self.n_params, : len(self.members)] = params.T

    def parameters(self, kept: Array) -> Array:
        """Parameters of its networks (n, n_params): the kept ones, or those at hand if they are finite."""
        n, own = len(self.members), self.n_params
        now, safe, best = (self.numbers[row * own : (row + 1) * own, :n] for row in (0, 2, 3))
        found = np.where(np.isfinite(now).all(axis=0), now, safe)
        return np.where(kept, best, found).T

    def row(self, most_held: int) -> tables.Group:
        """What the kernels know of it."""
        net, o = self.kind.net, self.lot.options
        function = int(net.packed.layers[-1, LAYER.function])
        return tables.Group(
            kind=self.lot.kind,
            n_members=len(self.members),
            width=self.width,
            members=address_of(self.lanes),
            numbers=address_of(self.numbers),
            n_rows=len(self.numbers),
            position=address_of(self.position),
            decay=address_of(self.decay),
            held_errors=address_of(self.held_errors),
            most_held=most_held,
            n_ahead=self.n_ahead,
            deltas_address=address_of_network_deltas(net.loss_function.code, function, net.dtype),
            online_address=address_of_online(self.n_registers, net.dtype) if self.lot.batch_size == 1 else NONE,
            penalized=o.l1 > 0 or o.l2 > 0,
        )

    def room(self) -> tuple[int, int]:
        """Numbers, and numbers of rows, that a slot needs for it: see `Room` in groups.py."""
        net, n = self.kind.net, self.n_ahead * self.width
        return (net.n_inputs + 2 * net.n_outputs + 3 + 3 * net.topology.n_units) * n, n


def ahead(kind: Kind, batch_size: int, width: int) -> int:
    """Samples of each network that are gathered at a time: a batch at most, or some on-line, as a cache holds."""
    net = kind.net
    per_sample = (net.n_inputs + 2 * net.n_outputs + 3 * net.topology.n_units) * width * net.dtype.itemsize
    if batch_size == 1:
        per_sample = (net.n_inputs + net.n_outputs) * width * net.dtype.itemsize
    return max(1, min(MOST_AHEAD, AHEAD_BYTES // per_sample))


def groups_of(kinds: Sequence[Kind], lots: Sequence[Lot], options: Sequence[Options], n_slots: int) -> list[Group]:
    """Groups of 1, 2 or 4 registers: as many as the L1 cache holds the parameters of, fewer if threads had none."""
    found = []
    for lot in lots:
        kind, n = kinds[lot.kind], len(lot.members)
        step = int(lanes_of(kind.net.dtype))
        state = kind.net.n_params * step * kind.net.dtype.itemsize
        most, k = max(1, min(STATE_BYTES // state, n // (step * n_slots))), 0
        while k < n:
            most = min(most, -(-(n - k) // step))
            size = step * max(registers for registers in LANE_REGISTERS if registers <= most)
            found.append(Group(kind, lot, lot.members[k : k + size], options))
            k += size
    return found
