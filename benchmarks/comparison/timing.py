"""First the same numbers from every peer, then their times, taken in turns."""

from time import perf_counter, sleep

import numpy as np

from .peers.base import Orders
from .threads import allowed_cores
from .workloads import random_data, start_parameters

# What one epoch may differ by, as a share of the way that it goes. float64 is the sharp test. In float32
# Adam turns the rounding of a small gradient into a step of full size, and with relu it spreads: W8
# differs by 0.03 between peers of which float64 shows that they compute the same.
TOLERANCE = {"float32": 0.1, "float64": 1e-6}
# What outputs and gradients may differ by, as a share of their length: no step of Adam between.
DIRECT_TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
TURN_SECONDS = 0.08
MAX_EPOCHS = 200  # in one turn
REST_SECONDS = 0.25  # in which threads that look for work go to sleep: OpenMP's do within 0.2 s


def make_peers(peers, workload, dtype):
    """The peers that can do a workload, each with its data."""
    X, T = random_data(workload, dtype)
    return {name: peer(workload, X, T) for name, peer in peers.items() if peer.takes(workload)}


def validate(made, workload, dtype):
    """How far each peer is from the first one after an unshuffled epoch from the same parameters.

    Returns {name: |p - p_first| / |p_first - p_start|}; raises RuntimeError where that is more than
    rounding: times of different computations are not compared.
    """
    start = start_parameters(workload, dtype)
    ways = {}
    for name, peer in made.items():
        peer.load(start)
        peer.train(Orders.as_given(workload.n_samples))
        ways[name] = peer.parameters().flat() - start.flat()
    return agree(ways, f"{workload.title}, {dtype}: one epoch", TOLERANCE[dtype])


def validate_call(made, of, workload, dtype):
    """How far each peer's `of(peer)`, an array, is from the first one's, the parameters being the same."""
    start = start_parameters(workload, dtype)
    results = {}
    for name, peer in made.items():
        peer.load(start)
        results[name] = np.ravel(of(peer)).astype(np.float64)
    return agree(results, f"{workload.name} {workload.shape}, {dtype}", DIRECT_TOLERANCE[dtype])


def agree(results, what, tolerance):
    """{name: |r - r_first| / |r_first|}; raises RuntimeError if that is more than `tolerance`."""
    first_name, first = next(iter(results.items()))
    length = np.linalg.norm(first)
    deviations = {name: float(np.linalg.norm(result - first) / length) for name, result in results.items()}
    for name, deviation in deviations.items():
        if not deviation <= tolerance:  # NaN is refused as well
            raise RuntimeError(f"{what}: {name} is {deviation:.1e} of it off {first_name}, {tolerance:.0e} is allowed")
    return deviations


def epoch_timer(peer, workload, dtype):
    """A function of a number of epochs: trains that many, shuffled, and returns the seconds it took.

    Batch learning takes the samples as they come: their order does not matter.
    """
    start = start_parameters(workload, dtype)
    make_orders = Orders.shuffles if workload.batch_size < workload.n_samples else Orders.as_given

    def seconds(n_epochs):
        peer.load(start)
        orders = make_orders(workload.n_samples, n_epochs)
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


class Turns:
    """One turn of each timer in a round, so that a machine that slows down or speeds up does it to all.

    Each turn is as many epochs (or calls) as fit into `TURN_SECONDS`, at least one and `most` at most; on several cores
    there is a rest before each.
    """

    def __init__(self, timers, most=MAX_EPOCHS):
        self.timers = timers
        self.counts = {}
        for name, seconds in timers.items():
            seconds(1)  # warm up: compile, allocate
            shortest = seconds(1)
            if shortest < TURN_SECONDS * 10:  # once more: Python may have collected its garbage meanwhile, for 0.3 s
                shortest = min(shortest, seconds(1))
            self.counts[name] = int(np.clip(TURN_SECONDS / shortest, 1, most))

    def round(self):
        """Seconds an epoch (or a call) of each timer."""
        return {name: self._turn(seconds, self.counts[name]) for name, seconds in self.timers.items()}

    def _turn(self, seconds, count):
        if len(allowed_cores()) > 1:  # the threads of the library before may still be on one of them
            sleep(REST_SECONDS)
        return seconds(count) / count


def in_turns(timers, repeats, most=MAX_EPOCHS):
    """Seconds an epoch (or a call) of each timer in each round: {name: array (repeats,)}."""
    turns = Turns(timers, most)
    return by_name([turns.round() for _ in range(repeats)])


def by_name(rounds):
    """[{name: number} for each round] as {name: array (repeats,)}."""
    return {name: np.array([turn[name] for turn in rounds]) for name in rounds[0]}


def seconds_a_call(function, *args, least_seconds=0.3):
    """Seconds of one call: as many calls in a row as take `least_seconds`, at least one."""
    n_calls, began = 0, perf_counter()
    while (passed := perf_counter() - began) < least_seconds:
        function(*args)
        n_calls += 1
    return passed / n_calls
