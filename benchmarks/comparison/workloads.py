"""The work that is timed: networks, data sets, start weights, and the arithmetic and bytes of an epoch."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """Training of a layered network with identity output and squared error."""

    name: str
    sizes: tuple[int, ...]  # inputs, hidden layers, outputs
    n_samples: int
    batch_size: int  # 1: on-line learning; n_samples: batch learning
    activation: str  # of the hidden layers
    solver: str = "adam"
    learning_rate: float = 0.001
    input_scale: float = 1.0  # standard deviation of the inputs

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

    @property
    def n_connections(self):
        return sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def n_params(self):
        return self.n_connections + sum(self.sizes[1:])


def _by_name(*workloads):
    return {w.name: w for w in workloads}


WORKLOADS = _by_name(
    Workload("W1", (4, 10, 3), 5000, 32, "tanh"),
    Workload("W2", (2, 2, 2, 1), 5000, 8, "tanh"),
    Workload("W3", (13, 50, 1), 5000, 32, "relu"),
    Workload("W4", (13, 50, 50, 1), 10000, 200, "relu"),
    Workload("W5", (64, 100, 10), 10000, 200, "relu"),
    Workload("W6", (64, 100, 10), 10000, 200, "tanh"),
    Workload("W7", (64, 256, 256, 10), 10000, 200, "relu"),
    Workload("W8", (784, 512, 512, 10), 5000, 200, "relu"),
)
# FANN takes tanh(a) for at most 0.98 in its derivative: inputs of this size keep below that, so that it
# has to arrive at the same parameters as everybody else.
_SMALL = 0.25
ON_LINE = _by_name(
    Workload("O1", (8, 16, 1), 1000, 1, "relu", "sgd", 0.01),
    Workload("O2", (64, 100, 10), 1000, 1, "relu", "sgd", 0.01),
    Workload("O3", (8, 16, 1), 1000, 1, "tanh", "sgd", 0.01, _SMALL),
)
BATCH = Workload("B1", (64, 100, 10), 10000, 10000, "tanh", "sgd", 0.01, _SMALL)
ONE_SAMPLE = Workload("one sample", (8, 16, 16, 1), 1, 1, "tanh")
INFERENCE = Workload("inference", (64, 100, 10), 100_000, 100_000, "relu")
GRADIENT = Workload("gradient", (64, 256, 256, 10), 100_000, 100_000, "relu")
# Inputs and outputs on either side, so that all three sums run over the 4096 x 4096 connections.
LARGE_LAYER = Workload("large layer", (16, 4096, 4096, 16), 512, 512, "relu")


def wide(width, n_samples=5000):
    """A network that is as wide as asked for."""
    return Workload(f"width {width}", (16, width, width, 1), n_samples, 200, "relu")


def many_samples(n_samples):
    """A middling network and as many samples as asked for."""
    return Workload(f"{n_samples:,} samples", (16, 32, 32, 1), n_samples, 200, "relu")


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
    X = workload.input_scale * rng.standard_normal((workload.n_samples, workload.sizes[0]))
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


def forward_flops(workload):
    """Multiplications and additions of the forward pass of all samples: 2 for each connection and sample."""
    return 2 * workload.n_samples * workload.n_connections


def flops_per_epoch(workload):
    """Multiplications and additions of the three sums over the connections, in one epoch.

    2 for each connection and sample forward, 2 in the delta recursion (not into the inputs) and 2 in
    the weight gradient. Activation functions and weight updates are not counted.
    """
    into_inputs = workload.sizes[0] * workload.sizes[1]
    return workload.n_samples * (6 * workload.n_connections - 2 * into_inputs)


# Numbers that a step reads and writes for each parameter: the parameter and the solver's moments.
_NUMBERS_A_STEP = {"adam": 6, "sgd": 2}


def bytes_per_epoch(workload, dtype):
    """Bytes that an epoch has to move whatever it is computed by.

    Each step reads and writes every parameter and moment once, each sample is read once: what stays in
    registers and caches between two uses (activations, deltas, the gradient) is not counted.
    """
    updates = _NUMBERS_A_STEP[workload.solver] * workload.n_params * workload.n_updates
    data = workload.n_samples * (workload.sizes[0] + workload.sizes[-1])
    return (updates + data) * np.dtype(dtype).itemsize
