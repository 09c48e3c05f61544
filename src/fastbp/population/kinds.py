"""Networks sorted by what they have in common, and their parameters in one array."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros
from fastbp.network import Network


class Kind:
    """Networks of the same layers, functions and loss: the kernels read one set of tables for all of them.

    Parameters
    ----------
    net : Network
        One of them.
    members : array (n,) of int
        Their numbers in the population.
    start : int
        Where their parameters begin in the array of all: n rows of `n_filled` numbers.
    """

    net: Network
    members: Array
    start: int
    n_filled: int

    def __init__(self, net: Network, members: Array, start: int) -> None:
        self.net, self.members, self.start = net, members, start
        self.n_filled = len(net.packed.params)

    def __len__(self) -> int:
        return len(self.members)

    def params_in(self, flat: Array) -> Array:
        """Their parameters, filled up to whole cache lines: (n, n_filled), a view."""
        return flat[self.start : self.start + len(self) * self.n_filled].reshape(len(self), self.n_filled)


def sort(networks: Sequence[Network]) -> list[Kind]:
    """The kinds of some networks."""
    keys: dict[int, tuple[Any, ...]] = {}  # of a topology: twins share theirs, and are as quick to compare
    found: dict[tuple[Any, ...], list[int]] = {}
    for k, net in enumerate(networks):
        topology = net.topology
        if id(topology) not in keys:
            parts = topology.sizes, topology.pairs, topology.biased, topology.outputs
            keys[id(topology)] = (*parts, topology.links.tobytes())
        functions = tuple(map(id, net._functions))
        found.setdefault((keys[id(topology)], functions, net.loss_function), []).append(k)
    kinds, start = [], 0
    for members in found.values():
        kinds.append(Kind(networks[members[0]], np.array(members), start))
        start += len(kinds[-1]) * kinds[-1].n_filled
    return kinds


def one_array(kinds: Sequence[Kind]) -> Array:
    """Room for the parameters of all networks."""
    last = kinds[-1]
    return aligned_zeros((last.start + len(last) * last.n_filled,), last.net.dtype)
