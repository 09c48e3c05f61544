"""What is measured: training, on-line learning, one sample. Every peer is validated before it is timed."""

import sys
from typing import NamedTuple

import numpy as np

from .machine import FmaPeak
from .naive_loops import epoch_seconds
from .peers import PEERS, is_installed
from .timing import call_timer, epoch_timer, in_turns, make_peers, validate
from .workloads import ON_LINE, ONE_SAMPLE, flops_per_epoch, random_data, start_parameters


class Result(NamedTuple):
    """Times of one piece of work."""

    title: str
    section: str  # the table it belongs to
    seconds: dict[str, np.ndarray]  # peer -> one time for each round (naive loops: one)
    deviations: dict[str, float]  # peer -> distance from the first one's result, as a share
    gflops: np.ndarray | None = None  # of fastbp, for each round
    peak: np.ndarray | None = None  # GFLOP/s of all cores in use, for each round


class Comparison:
    """The peers that are asked for and installed, on one dtype."""

    def __init__(self, names, dtype, repeats, n_threads):
        self.peers = {name: peer for name, peer in PEERS.items() if name in names and is_installed(peer)}
        self.naive = "naive" in names
        self.dtype, self.repeats, self.n_threads = dtype, repeats, n_threads

    def training(self, workload):
        """An epoch of a workload, shuffled."""
        deviations, seconds, peak = self._epochs(workload)
        own = seconds.get("fastbp")
        gflops = None if own is None else flops_per_epoch(workload) / own / 1e9
        return Result(workload.title, "training", seconds, deviations, gflops, peak)

    def on_line(self):
        """An update of on-line learning."""
        deviations, seconds, _ = self._epochs(ON_LINE)
        updates = {name: epoch / ON_LINE.n_updates for name, epoch in seconds.items()}
        return Result(f"{ON_LINE.shape}, {ON_LINE.activation}", "on-line", updates, deviations)

    def _epochs(self, workload):
        print(f"{workload.title}: does one epoch of each give the same parameters?", file=sys.stderr)
        deviations = validate(make_peers(self.peers, workload, "float64"), workload, "float64")
        made = make_peers(self.peers, workload, self.dtype)
        validate(made, workload, self.dtype)
        print(f"{workload.title}: timing", file=sys.stderr)
        fma_peak = FmaPeak(self.dtype)
        timers = {name: epoch_timer(peer, workload, self.dtype) for name, peer in made.items()}
        seconds = in_turns(timers | {"peak": fma_peak.seconds}, self.repeats)
        peak = self.n_threads * fma_peak.flops / seconds.pop("peak") / 1e9
        if self.naive:
            seconds["naive"] = np.array([epoch_seconds(workload, self.dtype)])
        return deviations, seconds, peak

    def one_sample(self):
        """One sample from Python."""
        workload, start = ONE_SAMPLE, start_parameters(ONE_SAMPLE, self.dtype)
        x = random_data(workload, self.dtype)[0]
        made = make_peers(self.peers, workload, self.dtype)
        outputs = {}
        for name, peer in made.items():
            peer.load(start)
            outputs[name] = np.ravel(peer.one_sample(x))
        first = next(iter(outputs.values()))
        for name, y in outputs.items():
            np.testing.assert_allclose(y, first, rtol=1e-5, atol=1e-6, err_msg=f"one sample: {name}")
        timers = {name: call_timer(peer.one_sample, x) for name, peer in made.items()}
        seconds = in_turns(timers, self.repeats, most=100_000)
        deviations = {name: float(np.max(np.abs(y - first) / np.abs(first))) for name, y in outputs.items()}
        return Result(f"{workload.shape}, {workload.activation}", "one sample", seconds, deviations)
