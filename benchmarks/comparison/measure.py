"""A piece of work, done by all peers that can do it: validated first, then timed."""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from .ceilings import FmaPeak
from .peers import PEERS
from .products import products_timer
from .timing import MAX_EPOCHS, epoch_timer, in_turns, make_peers, validate
from .workloads import flops_per_epoch

NONE = MappingProxyType({})


class Setup(NamedTuple):
    """What was asked for, and who can take part."""

    peers: dict[str, type]  # that can, fastbp first
    problems: dict[str, str]  # of the others: peer -> why it cannot
    naive: bool  # plain Python loops as well
    dtypes: list[str]  # the first one is that of the sections that take only one
    repeats: int
    n_threads: int
    workloads: list[str]
    cores: list[int]  # that this process could use before it was pinned
    bandwidth: float  # bytes a second, from and to memory
    large: bool = False
    plot: str | None = None

    @property
    def dtype(self):
        return self.dtypes[0]

    def only(self, *names):
        """The peers of these names that take part."""
        return {name: peer for name, peer in self.peers.items() if name in names}


class Row(NamedTuple):
    """Times of one piece of work."""

    title: str
    dtype: str
    seconds: dict[str, np.ndarray]  # column -> a time for each round (naive loops: one)
    deviations: Mapping[str, float] = MappingProxyType(
        {}
    )  # peer -> distance from the first one's result in float64, as a share
    absent: Mapping[str, str] = NONE  # peer -> why it has no time
    flops: int = 0  # of the work that the times are of
    peak: np.ndarray | None = None  # GFLOP/s that the cores can do, for each round
    products: np.ndarray | None = None  # seconds of BLAS for the matrix products alone, for each round
    details: Mapping[str, Any] = NONE  # further figures of a section's own

    def gflops(self, column="fastbp"):
        """GFLOP/s in each round."""
        return self.flops / self.seconds[column] / 1e9


class Task(NamedTuple):
    """A kind of work: how results are compared, how they are timed, what arithmetic it takes."""

    validate: Callable  # (made, workload, dtype) -> {peer: deviation}, or an error
    timer: Callable  # (peer, workload, dtype) -> a function of a number of repetitions
    flops: Callable  # (workload) -> of one repetition
    most: int = MAX_EPOCHS  # repetitions in one turn
    products: Callable | None = None  # (workload, dtype) -> a function of a number of repetitions


EPOCH = Task(validate, epoch_timer, flops_per_epoch, products=products_timer)


def measure(setup, task, workload, *, dtypes=None, peers=None):
    """A `Row` for each dtype (of `setup`, if not given).

    Every peer is validated in the dtypes that are timed; and in float64 in any case, but for those that
    take seconds to compile.
    """
    dtypes, peers = dtypes or setup.dtypes, peers or setup.peers
    rows, deviations = {}, {}
    for dtype in sorted({"float64", *dtypes}, reverse=True):
        timed = dtype in dtypes
        say(f"{workload.title}, {dtype}: do all arrive at the same numbers?")
        made = make_peers(peers if timed else _quick(peers), workload, dtype)
        deviations[dtype] = task.validate(made, workload, dtype)
        if timed:
            say(f"{workload.title}, {dtype}: timing")
            rows[dtype] = _timed(setup, task, workload, made, dtype)._replace(deviations=deviations)
    return [rows[dtype] for dtype in dtypes]


def _quick(peers):
    return {name: peer for name, peer in peers.items() if not peer.slow_to_compile}


def _timed(setup, task, workload, made, dtype):
    fma_peak = FmaPeak(dtype, setup.n_threads)
    timers = {name: task.timer(peer, workload, dtype) for name, peer in made.items()}
    bounds = {"peak": fma_peak.seconds}
    if task.products:
        bounds["products"] = task.products(workload, dtype)
    seconds = in_turns(timers | bounds, setup.repeats, task.most)
    return Row(
        title=workload.title,
        dtype=dtype,
        peak=fma_peak.flops / seconds.pop("peak") / 1e9,
        products=seconds.pop("products", None),
        seconds=seconds,
        absent={name: problem for name, problem in setup.problems.items() if PEERS[name].takes(workload)},
        flops=task.flops(workload),
    )


def say(text):
    """Tell what is being done; the tables go to standard output."""
    print(text, file=sys.stderr)
