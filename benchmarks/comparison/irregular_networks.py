"""Networks that are no stack of dense layers: their edges, and the arithmetic of a batch."""

from typing import NamedTuple

import numpy as np


class EdgeNetwork(NamedTuple):
    """Any network without cycles: identity outputs, all units with biases; squared error."""

    title: str
    n_inputs: int
    n_outputs: int
    edges: np.ndarray  # (n_edges, 2): (from, to); inputs first, outputs last
    n_samples: int
    activation: str  # of the hidden units: "relu" or "tanh"

    @property
    def n_units(self):
        return int(self.edges.max()) + 1

    @property
    def hidden(self):
        return range(self.n_inputs, self.n_units - self.n_outputs)

    @property
    def outputs(self):
        return range(self.n_units - self.n_outputs, self.n_units)

    @property
    def forward_flops(self):
        """2 for each connection and sample."""
        return 2 * self.n_samples * len(self.edges)

    @property
    def gradient_flops(self):
        """2 more in the weight gradient, and 2 in the delta recursion but for connections from inputs."""
        from_inputs = int((self.edges[:, 0] < self.n_inputs).sum())
        return self.n_samples * (6 * len(self.edges) - 2 * from_inputs)


def sparse_layers(sizes=(64, 256, 256, 10), n_sources=(8, 16, 64), n_samples=2000, activation="relu", seed=0):
    """Layers of which each unit has a few random sources in the layer before."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes])
    edges = [
        (int(source), unit)
        for layer, count in enumerate(n_sources)
        for unit in range(starts[layer + 1], starts[layer + 2])
        for source in np.sort(rng.choice(np.arange(starts[layer], starts[layer + 1]), count, replace=False))
    ]
    shape = "-".join(map(str, sizes))
    title = f"sparse {shape}, {activation}, {len(edges)} edges"
    return EdgeNetwork(title, sizes[0], sizes[-1], np.array(edges), n_samples, activation)


def as_if_evolved(n_inputs=8, n_hidden=48, n_outputs=4, n_sources=4, n_samples=2000, seed=0):
    """Units that have their sources anywhere before them, as evolution leaves them."""
    rng = np.random.default_rng(seed)
    first_output = n_inputs + n_hidden
    edges = [
        (int(source), unit)
        for unit in range(n_inputs, first_output + n_outputs)
        for source in np.sort(rng.choice(min(unit, first_output), n_sources, replace=False))
    ]
    n_units = first_output + n_outputs
    title = f"as if evolved, {n_units} units, tanh, {len(edges)} edges"
    return EdgeNetwork(title, n_inputs, n_outputs, np.array(edges), n_samples, "tanh")


class Level(NamedTuple):
    """Units that can be computed at once, as one matrix with zeros in it."""

    units: np.ndarray
    sources: np.ndarray  # all units of the levels that feed it
    mask: np.ndarray  # (n_units, n_sources) of 0 and 1


def levels_of(network):
    """The levels after the inputs: a unit is one level above the highest of its sources; outputs come last."""
    level = np.zeros(network.n_units, int)
    for i, j in sorted(network.edges.tolist(), key=lambda edge: edge[1]):  # edges go to higher numbers
        level[j] = max(level[j], level[i] + 1)
    level[network.outputs] = level.max() + (level[network.outputs].max() <= level[network.hidden].max())
    return [_level(network, level, k) for k in range(1, level.max() + 1)]


def _level(network, level, k):
    units = np.flatnonzero(level == k)
    into = network.edges[level[network.edges[:, 1]] == k]
    sources = np.flatnonzero(np.isin(level, np.unique(level[into[:, 0]])))
    mask = np.zeros((len(units), len(sources)))
    mask[np.searchsorted(units, into[:, 1]), np.searchsorted(sources, into[:, 0])] = 1
    return Level(units, sources, mask)


class EdgeParameters(NamedTuple):
    """A weight for each edge, a bias for each unit after the inputs."""

    weights: np.ndarray
    biases: np.ndarray

    def flat(self):
        return np.concatenate(self).astype(np.float64)


def random_numbers(network, dtype):
    """(parameters, X, T), always the same numbers."""
    rng = np.random.default_rng(network.n_units)
    n_into = np.bincount(network.edges[:, 1], minlength=network.n_units)
    weights = rng.uniform(-1, 1, len(network.edges)) * np.sqrt(3 / n_into[network.edges[:, 1]])
    biases = rng.uniform(-0.1, 0.1, network.n_units - network.n_inputs)
    X = rng.standard_normal((network.n_samples, network.n_inputs))
    T = rng.standard_normal((network.n_samples, network.n_outputs))
    return EdgeParameters(weights.astype(dtype), biases.astype(dtype)), X.astype(dtype), T.astype(dtype)
