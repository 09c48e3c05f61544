"""The work that is timed: networks, data sets, start weights, and how many flops an epoch takes."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """Training of a layered network with identity output and squared error."""

    name: str
    sizes: tuple[int, ...]  # inputs, hidden layers, outputs
    n_samples: int
    batch_size: int
    activation: str  # of the hidden layers
    solver: str = "adam"
    learning_rate: float = 0.001

    @property
    def title(self):
        return f"{self.name} {self.shape}, {self.n_samples}, {self.batch_size}, {self.activation}"

    @property
    def shape(self):
        return "-".join(map(str, self.sizes))

    @property
    def n_updates(self):
        """Steps of the solver in one epoch: the last batch may be smaller."""
        return -(-self.n_samples // self.batch_size)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("W1", (4, 10, 3), 5000, 32, "tanh"),
        Workload("W2", (2, 2, 2, 1), 5000, 8, "tanh"),
        Workload("W3", (13, 50, 1), 5000, 32, "relu"),
        Workload("W4", (13, 50, 50, 1), 10000, 200, "relu"),
        Workload("W5", (64, 100, 10), 10000, 200, "relu"),
        Workload("W6", (64, 100, 10), 10000, 200, "tanh"),
        Workload("W7", (64, 256, 256, 10), 10000, 200, "relu"),
        Workload("W8", (784, 512, 512, 10), 5000, 200, "relu"),
    )
}
ON_LINE = Workload("on-line", (8, 16, 1), 5000, 1, "relu", solver="sgd", learning_rate=0.01)
ONE_SAMPLE = Workload("one sample", (8, 16, 16, 1), 1, 1, "tanh")


class Parameters(NamedTuple):
    """Weights (n_out, n_in) and biases (n_out,), layer by layer."""

    weights: list
    biases: list

    def flat(self):
        """All numbers in one float64 array."""
        return np.concatenate([np.ravel(p) for p in (*self.weights, *self.biases)]).astype(np.float64)


def random_data(workload, dtype):
    """Inputs and targets: a smooth function of all inputs with some noise, always the same numbers."""
    rng = np.random.default_rng(len(workload.sizes) + workload.sizes[0])
    X = rng.standard_normal((workload.n_samples, workload.sizes[0]))
    directions = rng.standard_normal((workload.sizes[0], workload.sizes[-1])) / np.sqrt(workload.sizes[0])
    T = np.sin(2 * X @ directions) + 0.1 * rng.standard_normal((workload.n_samples, workload.sizes[-1]))
    return X.astype(dtype), T.astype(dtype)


def start_parameters(workload, dtype):
    """Glorot's uniform weights and small biases (none zero), always the same numbers."""
    rng = np.random.default_rng(sum(workload.sizes))
    weights, biases = [], []
    for n_in, n_out in pairwise(workload.sizes):
        bound = np.sqrt(6 / (n_in + n_out))
        weights.append(rng.uniform(-bound, bound, (n_out, n_in)).astype(dtype))
        biases.append(rng.uniform(-0.1, 0.1, n_out).astype(dtype))
    return Parameters(weights, biases)


def flops_per_epoch(workload):
    """Multiplications and additions of the three sums over the connections, in one epoch.

    2 for each connection and sample forward, 2 in the delta recursion (not into the inputs) and 2 in
    the weight gradient. Activation functions and weight updates are not counted.
    """
    connections = [n_in * n_out for n_in, n_out in pairwise(workload.sizes)]
    return workload.n_samples * (6 * sum(connections) - 2 * connections[0])
