"""Dropout of the networks of a population; what it does is in `kernels/many_samples/dropout.py`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.kernels.many_samples.dropout import address_of_drop
from fastbp.kernels.population.tables import Member
from fastbp.kernels.tables import NONE
from fastbp.population.crew import address_of, addresses_of_rows
from fastbp.population.kinds import Kind
from fastbp.training.dropout import rates_of

MEMBER = Member(*range(len(Member._fields)))


class Dropouts:
    """What each network leaves out while it learns.

    Parameters
    ----------
    rates : sequence of array (n_layers,)
        Of each network.

    Attributes
    ----------
    any : array (n,) of bool
        Which networks leave out units at all.
    keys : array (n, 1) of uint64
        From which it is drawn: to be set.
    """

    any: Array
    keys: Array

    def __init__(self, rates: Sequence[Array]) -> None:
        self._rates, self.keys = rates, np.zeros((len(rates), 1), np.uint64)
        once = {id(of_network): of_network for of_network in rates}
        leaves_out = {key: bool(of_network.any()) for key, of_network in once.items()}
        self._addresses = {key: address_of(of_network) for key, of_network in once.items()}
        self.any = np.array([leaves_out[id(of_network)] for of_network in rates])

    def tell(self, members: Array, dtype: np.dtype) -> None:
        """Write it into the table of the networks, whose addresses are of these arrays."""
        members[:, MEMBER.dropout] = np.where(self.any, address_of_drop(dtype) if self.any.any() else NONE, NONE)
        members[:, MEMBER.dropout_rates] = [self._addresses[id(of_network)] for of_network in self._rates]
        members[:, MEMBER.dropout_key] = addresses_of_rows(self.keys)


def rates_of_networks(kinds: Sequence[Kind], dropout: Sequence[Any]) -> list[Array]:
    """The rates of the layers of each network, checked."""
    found = [np.zeros(0)] * len(dropout)
    for kind in kinds:
        known: dict[int, Array] = {}
        for k in kind.members.tolist():
            if id(dropout[k]) not in known:
                known[id(dropout[k])] = rates_of(dropout[k], len(kind.net.sizes))
            found[k] = known[id(dropout[k])]
    return found
