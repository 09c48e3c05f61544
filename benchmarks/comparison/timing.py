"""First the same numbers from every peer, then their times, taken in turns."""

from time import perf_counter

import numpy as np

from .peers.base import Orders
from .workloads import random_data, start_parameters

# What one epoch may differ by, as a share of the way that it goes. float64 is the sharp test. In float32
# Adam turns the rounding of a small gradient into a step of full size, and with relu it spreads: W8
# differs by 0.03 between peers of which float64 shows that they compute the same.
TOLERANCE = {"float32": 0.1, "float64": 1e-6}
MAX_EPOCHS = 200  # in one turn


def make_peers(peers, workload, dtype):
    """The peers of a workload, each with its data."""
    X, T = random_data(workload, dtype)
    return {name: peer(workload, X, T) for name, peer in peers.items()}


def validate(made, workload, dtype):
    """How far each peer is from the first one after an unshuffled epoch from the same parameters.

    Returns {name: |p - p_first| / |p_first - p_start|}; raises RuntimeError where that is more than
    rounding: times of different computations are not compared.
    """
    start = start_parameters(workload, dtype)
    ends = {}
    for name, peer in made.items():
        peer.load(start)
        peer.train(Orders.as_given(workload.n_samples))
        ends[name] = peer.parameters().flat()
    first = next(iter(ends.values()))
    way = np.linalg.norm(first - start.flat())
    deviations = {name: float(np.linalg.norm(end - first) / way) for name, end in ends.items()}
    for name, deviation in deviations.items():
        if not deviation <= TOLERANCE[dtype]:  # NaN is refused as well
            raise RuntimeError(
                f"{workload.title}, {dtype}: after one epoch {name} is {deviation:.1e} of the way off "
                f"{next(iter(made))}, {TOLERANCE[dtype]:.0e} is allowed"
            )
    return deviations


def epoch_timer(peer, workload, dtype):
    """A function of a number of epochs: trains that many, shuffled, and returns the seconds it took."""
    start = start_parameters(workload, dtype)

    def seconds(n_epochs):
        peer.load(start)
        orders = Orders.shuffles(workload.n_samples, n_epochs)
        began = perf_counter()
        peer.train(orders)
        return perf_counter() - began

    return seconds


def call_timer(function, *args):
    """A function of a number of calls: makes that many and returns the seconds it took."""

    def seconds(n_calls):
        began = perf_counter()
        for _ in range(n_calls):
            function(*args)
        return perf_counter() - began

    return seconds


def in_turns(timers, repeats, turn_seconds=0.15, most=MAX_EPOCHS):
    """Seconds an epoch (or a call) of each timer: {name: array (repeats,)}.

    One turn of each, then again from the first, so that a machine that slows down or speeds up does
    it to all of them. Each turn is as many epochs as fit into `turn_seconds`, at least one.
    """
    counts = {}
    for name, seconds in timers.items():
        seconds(1)  # warm up: compile, allocate
        counts[name] = int(np.clip(turn_seconds / seconds(1), 1, most))
    rounds = [{name: seconds(counts[name]) / counts[name] for name, seconds in timers.items()} for _ in range(repeats)]
    return {name: np.array([turn[name] for turn in rounds]) for name in timers}


def seconds_a_call(function, *args, least_seconds=0.3):
    """Seconds of one call: as many calls in a row as take `least_seconds`, at least one."""
    n_calls, began = 0, perf_counter()
    while (passed := perf_counter() - began) < least_seconds:
        function(*args)
        n_calls += 1
    return passed / n_calls
