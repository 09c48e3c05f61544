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
    keys : array (n,) of uint64
        From which it is drawn.

    Attributes
    ----------
    any : array (n,) of bool
        Which networks leave out units at all.
    """

    any: Array

    def __init__(self, rates: Sequence[Array], keys: Array) -> None:
        self._rates, self._keys = rates, keys.reshape(-1, 1).copy()
        self.any = np.array([bool(of_network.any()) for of_network in rates])

    def tell(self, members: Array, dtype: np.dtype) -> None:
        """Write it into the table of the networks, whose addresses are of these arrays."""
        members[:, MEMBER.dropout] = np.where(self.any, address_of_drop(dtype) if self.any.any() else NONE, NONE)
        members[:, MEMBER.dropout_rates] = [address_of(of_network) for of_network in self._rates]
        members[:, MEMBER.dropout_key] = addresses_of_rows(self._keys)


def rates_of_networks(kinds: Sequence[Kind], dropout: Sequence[Any]) -> list[Array]:
    """The rates of the layers of each network, checked."""
    found = [np.zeros(0)] * len(dropout)
    for kind in kinds:
        for k in kind.members.tolist():
            found[k] = rates_of(dropout[k], len(kind.net.sizes))
    return found
