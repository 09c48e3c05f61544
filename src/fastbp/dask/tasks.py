"""What workers do: load partitions, and add up errors and gradients of them.

Whatever a task needs comes from another task or in its arguments, which the scheduler keeps: what a worker that dies
has had is made again by another.
"""

import pickle
import threading
from itertools import chain
from typing import NamedTuple

from fastbp.checks import Array
from fastbp.data.partitions import Partitions
from fastbp.data.sums import PairwiseSum, Term
from fastbp.engine import gate
from fastbp.kernels.training.chunks import Wanted
from fastbp.model.partitioned import Asked, Source, term_of
from fastbp.network import Network

Loaded = list[tuple[Array, Array, Array | None]]  # (X, T, weights) of each partition, checked, in the network's dtype


class Structure(NamedTuple):
    """A network without its present parameters."""

    token: str  # of one run
    pickled: bytes


_own = threading.local()  # a network for each thread: tasks set its parameters


def network_of(structure: Structure) -> Network:
    """The network, made once for each thread of a worker and each run."""
    if getattr(_own, "token", None) != structure.token:
        _own.network, _own.token = pickle.loads(structure.pickled), structure.token
    network: Network = _own.network
    return network


def handed_on(value: object) -> object:
    """What is sent to a worker once, and by workers to each other."""
    return value


def load(structure: Structure, data: Partitions, numbers: list[int]) -> Loaded:
    """Some partitions, read and checked."""
    source = Source(network_of(structure), data, numbers)
    return [(part.x, part.t, part.weight if part.weight.size else None) for part in source.each()]


def sums(
    structure: Structure, params: Array, loaded: list[Loaded], wanted: Wanted | Asked, n_threads: int | None
) -> Term:
    """The sum over partitions that are loaded: a part of the tree of all."""
    net, total = network_of(structure), PairwiseSum()
    net.params = params
    for x, t, weight in chain.from_iterable(loaded):
        samples = gate.samples(net.engine.gate.port, x, t, weight, are_finite=True)
        total.add(term_of(net, samples, wanted, n_threads))
    return total.result()


def load_and_sum(
    structure: Structure,
    params: Array,
    data: Partitions,
    numbers: list[int],
    wanted: Wanted | Asked,
    n_threads: int | None,
) -> Term:
    """The sum over partitions that are read for it, and not kept."""
    net = network_of(structure)
    net.params = params
    return Source(net, data, numbers).sums(wanted, n_threads)
