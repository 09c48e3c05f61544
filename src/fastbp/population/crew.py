"""The tables by which the kernels know the networks of a population: what those of a kind share."""

from collections.abc import Sequence

import numpy as np

from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros, filled_up
from fastbp.engine.few_samples import online_memory
from fastbp.kernels.many_samples.tile import OF_SLOTS, Memory
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.population import tables
from fastbp.kernels.population.members import ONLINE_COLUMNS
from fastbp.kernels.population.tables import ARRAYS_OF_SPACE, SPACE_COLUMNS
from fastbp.kernels.training.chunks import GRADIENT
from fastbp.population.kinds import Kind

FLOAT32 = np.dtype(np.float32)
NOTHING = np.zeros(0, np.int64), np.zeros(0)


def address_of(array: Array) -> int:
    """Where an array begins."""
    return int(array.ctypes.data)


def addresses_of_rows(array: Array) -> Array:
    """Where each row of an array begins."""
    return address_of(array) + np.arange(len(array), dtype=np.int64) * array.strides[0]


class Crew:
    """Tables and work spaces of some kinds of networks.

    Parameters
    ----------
    kinds : sequence of Kind
    most_samples : sequence of int
        Of each kind: samples that are worked on at a time.
    n_slots : int
        Networks that are worked on at a time.
    drops : sequence of bool
        Of each kind: whether any of its networks leaves out units.
    """

    kinds: Array
    spaces: Array
    online: Array

    def __init__(self, kinds: Sequence[Kind], most_samples: Sequence[int], n_slots: int, drops: Sequence[bool]) -> None:
        self.n_slots = n_slots
        self._sizes = [(n, 1, True) for n in most_samples]
        self._kinds = kinds
        self._memories = [
            [kind.net.engine.take(size) for _slot in range(n_slots)]
            for kind, size in zip(kinds, self._sizes, strict=True)
        ]
        self._online = [[online_memory(kind.net.engine.gate.packed) for _slot in range(n_slots)] for kind in kinds]
        scheduled = [
            [
                [kind.net.engine.scheduled(memory, GRADIENT, dropout=dropout) for memory in of_kind]
                for dropout in (False, drop)
            ]
            for kind, of_kind, drop in zip(kinds, self._memories, drops, strict=True)
        ]
        self.kinds = np.array(
            [_row_of_kind(kind, online[0]) for kind, online in zip(kinds, self._online, strict=True)], np.int64
        )
        self._scheduled = scheduled  # the addresses in the tables are of their arrays
        self.spaces = np.array(
            [[[_row_of_space(memory) for memory in memories] for memories in of_kind] for of_kind in scheduled],
            np.int64,
        )
        self._dropped = [
            [
                (np.zeros(filled_up(n, FLOAT32), np.int64), aligned_zeros(memory.z.shape, kind.net.dtype))
                for memory in of_kind
            ]
            if drop
            else [NOTHING] * n_slots
            for kind, of_kind, n, drop in zip(kinds, self._memories, most_samples, drops, strict=True)
        ]
        self.dropouts = np.array(
            [
                [[number for array in arrays for number in (address_of(array), array.size)] for arrays in of_kind]
                for of_kind in self._dropped
            ],
            np.int64,
        )
        self.online = np.array([[_row_of_online(memory) for memory in of_kind] for of_kind in self._online], np.int64)

    def give_back(self) -> None:
        """Leave the work spaces to whoever computes with these networks next."""
        for kind, size, memories in zip(self._kinds, self._sizes, self._memories, strict=True):
            for memory in memories:
                kind.net.engine.give_back(size, memory)


def _row_of_kind(kind: Kind, online: OnlineMemory) -> tables.Kind:
    net = kind.net
    packed, topology = net.engine.gate.packed, net.topology
    return tables.Kind(
        layers=address_of(packed.layers),
        blocks=address_of(packed.blocks),
        outgoing=address_of(packed.outgoing),
        starts=address_of(packed.starts),
        links=address_of(packed.links),
        n_layers=len(packed.layers),
        n_blocks=len(packed.blocks),
        n_links=len(topology.links),
        n_units=topology.n_units,
        loss=packed.loss,
        n_params=kind.n_filled,
        n_parameters=net.n_params,
        n_weights=topology.n_weights,
        part_size=net.engine.part_size,
        wide_layers=address_of(online.layers),
        wide_blocks=address_of(online.blocks),
        n_wide=online.params.size,
        n_values=online.values.shape[1],
        deltas_address=online.deltas_address,
    )


def _row_of_space(memory: Memory) -> list[int]:
    """A row of `Tables.spaces`."""
    arrays = [getattr(memory, name) for name in ARRAYS_OF_SPACE]
    row = [number for array in arrays for number in (address_of(array), array.size)]
    row += [getattr(memory, name).shape[1] for name in (*OF_SLOTS, "grads")]
    row += [memory.errors.size, *memory.plan.tolist()]
    assert len(row) == SPACE_COLUMNS
    return row


def _row_of_online(memory: OnlineMemory) -> list[int]:
    """A row of `Tables.online`."""
    row = [address_of(array) for array in (memory.params, memory.grad, memory.values, memory.error)]
    assert len(row) == ONLINE_COLUMNS
    return row
