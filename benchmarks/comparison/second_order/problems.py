"""The problems of MATLAB's comparison of training functions, on data of the same kind; and where trainings begin."""

from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

import fastbp


class Problem(NamedTuple):
    """Samples, a network, and mean squared errors over samples and outputs that are to be reached."""

    name: str
    sizes: tuple[int, ...]
    X: np.ndarray
    T: np.ndarray
    goals: tuple[float, ...]
    output: str = "identity"

    def network(self, params=None):
        """The network, at some parameters."""
        net = fastbp.Network(self.sizes, output=self.output, seed=0)
        if params is not None:
            net.params = params
        return net

    def loss_at(self, goal):
        """What `History.loss` is there: half of the sum over the outputs."""
        return 0.5 * goal * self.sizes[-1]


def _sine():
    x = np.linspace(-1, 1, 41).reshape(-1, 1)
    return x, np.sin(np.pi * x)


def _parity(n_bits):
    codes = np.array(list(product((-1.0, 1.0), repeat=n_bits)))
    return codes, codes.prod(axis=1, keepdims=True)


def _engine():
    """A smooth surface: torque and emissions over fuel and speed, standardised."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (1200, 2))
    fuel, speed = X[:, 0], X[:, 1]
    torque = np.tanh(2 * fuel) * (1.2 - 0.6 * speed**2) + 0.3 * np.sin(3 * speed) * fuel
    emissions = np.exp(-((fuel - 0.3) ** 2) - (speed + 0.2) ** 2 / 0.5) + 0.4 * fuel * speed
    T = np.column_stack([torque, emissions])
    return X, (T - T.mean(axis=0)) / T.std(axis=0)


def _sinc():
    x = np.linspace(-1, 1, 200).reshape(-1, 1)
    return x, np.sin(10 * x) / (10 * x)


PROBLEMS = [
    Problem("SIN", (1, 5, 1), *_sine(), (0.002, 1e-6)),
    Problem("PARITY 3", (3, 10, 10, 1), *_parity(3), (0.001,), "tanh"),
    Problem("PARITY 7", (7, 7, 1), *_parity(7), (0.001,), "tanh"),
    Problem("PARITY 7", (7, 14, 1), *_parity(7), (0.001,), "tanh"),
    Problem("ENGINE", (2, 30, 2), *_engine(), (0.005, 1e-5)),
    Problem("SINC", (1, 20, 1), *_sinc(), (1e-6, 1e-9)),
]


def nguyen_widrow(problem, seed):
    """First parameters (Nguyen and Widrow 1990), as `Network.params` has them: weights layer by layer, then biases."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for n_in, n_out in pairwise(problem.sizes):
        directions = rng.uniform(-1, 1, (n_out, n_in))
        reach = 0.7 * n_out ** (1 / n_in)
        weights.append((reach * directions / np.linalg.norm(directions, axis=1, keepdims=True)).ravel())
        biases.append(reach * np.linspace(-1, 1, n_out) * np.sign(directions[:, 0]))
    weights[-1], biases[-1] = rng.uniform(-0.5, 0.5, weights[-1].size), rng.uniform(-0.5, 0.5, biases[-1].size)
    return np.concatenate([*weights, *biases])


def random_samples(sizes, n_samples, seed=0):
    """Samples for passes, whose time depends on sizes alone."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n_samples, sizes[0])), rng.uniform(-1, 1, (n_samples, sizes[-1]))
