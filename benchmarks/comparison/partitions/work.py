"""What is trained on partitions, the files it is in, and what a turn comes to."""

import json
from itertools import pairwise
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np

from ..workloads import Parameters, Workload, random_data, start_parameters

N_WORKERS = 2  # processes of a cluster, or threads of one process
N_EPOCHS = 3  # of a turn; the first one is not timed: it loads the data, and compiles


class Work(NamedTuple):
    """A workload whose samples are in partitions of `rows`."""

    workload: Workload
    rows: int

    def to_json(self):
        return json.dumps(self)

    @classmethod
    def from_json(cls, text):
        (name, sizes, *others), rows = json.loads(text)
        return cls(Workload(name, tuple(sizes), *others), rows)

    @property
    def is_linear(self):
        return len(self.workload.sizes) == 2

    @property
    def per_step(self):
        """Partitions that are in memory at a time: those of a step, where it takes several."""
        return max(N_WORKERS, self.workload.batch_size // self.rows)

    def start(self, dtype):
        """Weights and biases that all begin with; a linear model is scikit-learn's, which begins with zeros."""
        found = start_parameters(self.workload, dtype)
        if not self.is_linear:
            return found
        return Parameters(*([np.zeros_like(values) for values in kind] for kind in found))

    def write(self, folder, dtype):
        """Samples that depend on nothing but the numbers of inputs, outputs and samples, in .npy files."""
        drawn = self.workload._replace(sizes=(self.workload.sizes[0], self.workload.sizes[-1]))
        for name, values in zip("XT", random_data(drawn, dtype), strict=True):
            np.save(f"{folder}/{name}.npy", values)

    def error(self, flat, X, T):
        """Mean of 1/2 sum (y - t)^2 for parameters in the order of `Parameters.flat`, in float64, by NumPy alone."""
        weights, biases = _layers(self.workload.sizes, flat)
        h = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[self.workload.activation]
        z = X.astype(np.float64)
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            z = h(z @ w.T + b)
        y = z @ weights[-1].T + biases[-1]
        return float(0.5 * np.mean(np.sum((y - T) ** 2, axis=1)))


def _layers(sizes, flat):
    """Weights and biases, layer by layer."""
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(sizes)] + [(n,) for n in sizes[1:]]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
    return parts[: len(parts) // 2], parts[len(parts) // 2 :]


def mapped(folder):
    """The samples that `Work.write` has written."""
    return [np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in "XT"]


class Turn(NamedTuple):
    """One training of N_EPOCHS from the start."""

    wall: float  # seconds an epoch, after the first one
    processor: float  # seconds an epoch, of all processes that took part
    flat: list  # parameters at the end


class Clock:
    """Notes the times after the first epoch and after the last.

    `processor` gives the processor time of all processes: on a machine that others use it says more than the clock.
    """

    def __init__(self, processor=process_time):
        self._processor, self._n_epochs = processor, 0

    def __call__(self, *_):
        """An epoch has ended: can be a callback of `Network.fit`."""
        self._n_epochs += 1
        if self._n_epochs == 1:
            self._processor_at_first = self._processor()
            self._first = perf_counter()
        elif self._n_epochs == N_EPOCHS:
            self._last = perf_counter()
            self._processor_at_last = self._processor()

    def turn(self, flat):
        n = N_EPOCHS - 1
        wall, processor = self._last - self._first, self._processor_at_last - self._processor_at_first
        return Turn(wall / n, processor / n, flat)
