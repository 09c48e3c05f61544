"""Networks of any connections for the tests, and what they must compute, unit by unit.

The reference shares no code with the package: it walks over the units in any order that the edges allow,
and differentiates the activation functions by a step along the imaginary axis, exact to the last bits.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import erf

import fastbp

STEP = 1e-200


def where_positive(a, positive, other):
    return np.where(a.real > 0, positive(a), other(a))


FUNCTIONS = {
    "identity": lambda a: a,
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "relu": lambda a: where_positive(a, lambda a: a, lambda a: 0 * a),
    "leaky_relu": lambda a: where_positive(a, lambda a: a, lambda a: 0.01 * a),
    "elu": lambda a: where_positive(a, lambda a: a, lambda a: np.exp(a) - 1),
    "softplus": lambda a: np.log(1 + np.exp(a)),
    "softsign": lambda a: where_positive(a, lambda a: a / (1 + a), lambda a: a / (1 - a)),
    "gelu": lambda a: a * (1 + erf(a / np.sqrt(2))) / 2,
    "silu": lambda a: a / (1 + np.exp(-a)),
    "sin": np.sin,
    "gaussian": lambda a: np.exp(-a * a),
    "exp": np.exp,
    "selu": lambda a: where_positive(
        a, lambda a: 1.0507009873554805 * a, lambda a: 1.7580993408473766 * (np.exp(a) - 1)
    ),
    "ramp": lambda a: np.where((a.real > 0) & (a.real < 1), a, np.clip(a.real, 0, 1)),
    "mish": lambda a: a * np.tanh(np.log(1 + np.exp(a))),
}


class Drawn(NamedTuple):
    """A random network, as its user would describe it."""

    n_inputs: int
    n_outputs: int
    n_units: int
    edges: np.ndarray
    activation: dict
    biased: list
    n_samples: int


def draw(seed, *, n_units=None, density=None):
    """Return a random network of 2 to 120 units; hidden units are numbered in random order, outputs may feed others."""
    rng = np.random.default_rng(seed)
    n_all = n_units or int(rng.integers(2, 121))
    n_inputs = int(rng.integers(1, max(2, n_all // 3)))
    n_outputs = int(rng.integers(1, max(2, (n_all - n_inputs) // 3)))
    order = np.concatenate([np.arange(n_inputs), rng.permutation(np.arange(n_inputs, n_all))])
    first, second = np.triu_indices(n_all, 1)
    kept = rng.random(len(first)) < (rng.random() ** 2 if density is None else density)
    edges = np.stack([order[first[kept]], order[second[kept]]], axis=1)
    edges = rng.permutation(edges[edges[:, 1] >= n_inputs])
    names = rng.choice([name for name in FUNCTIONS if name != "exp"], size=int(rng.integers(1, 4)))
    activation = {int(unit): str(rng.choice(names)) for unit in range(n_inputs, n_all)}
    biased = [unit for unit in range(n_inputs, n_all) if rng.random() < 0.8]
    return Drawn(n_inputs, n_outputs, n_all, edges, activation, biased, int(rng.integers(1, 131)))


def build(drawn, seed, dtype="float64"):
    """Return the network with weights that keep its activations at about 1, and a batch for it."""
    rng = np.random.default_rng(seed)
    net = fastbp.Network.from_edges(
        drawn.n_inputs, drawn.n_outputs, drawn.edges, activation=drawn.activation, bias=drawn.biased,
        n_units=drawn.n_units, dtype=dtype,
    )  # fmt: skip
    n_into = np.bincount(drawn.edges[:, 1], minlength=drawn.n_units)
    net.edge_weights = rng.uniform(-1, 1, len(drawn.edges)) / np.sqrt(1 + n_into[drawn.edges[:, 1]])
    biases = np.zeros(drawn.n_units)
    biases[drawn.biased] = rng.uniform(-0.5, 0.5, len(drawn.biased))
    net.unit_biases = biases
    X = rng.normal(size=(drawn.n_samples, drawn.n_inputs))
    return net, X, rng.normal(size=(drawn.n_samples, drawn.n_outputs))


def arrange(edges, n_units):
    """Return the units such that each comes after all that feed it."""
    sources = {unit: set() for unit in range(n_units)}
    for i, j in edges.tolist():
        sources[j].add(i)
    order = []
    while len(order) < n_units:
        ready = [unit for unit in sources if sources[unit] <= set(order)]
        assert ready, "the edges have a cycle"
        order += ready
        for unit in ready:
            del sources[unit]
    return order


def reference(net, X, T, sample_weight=None):
    """Return y, E, and dE/d of every edge's weight and of every unit's bias, for the squared error."""
    edges, weights, n_units = net.edges, net.edge_weights, net.n_units
    biases, names = np.nan_to_num(net.unit_biases), net.unit_functions
    order, n_inputs, first_output = arrange(edges, n_units), X.shape[1], n_units - T.shape[1]
    into = {unit: np.flatnonzero(edges[:, 1] == unit) for unit in order}
    out_of = {unit: np.flatnonzero(edges[:, 0] == unit) for unit in order}
    z, slope = np.zeros((n_units, len(X))), np.zeros((n_units, len(X)))
    for j in order:
        if j < n_inputs:
            z[j] = X[:, j]
            continue
        a = biases[j] + sum((weights[e] * z[edges[e, 0]] for e in into[j]), np.zeros(len(X)))
        h = FUNCTIONS[names[j - n_inputs]](a + 1j * STEP)
        z[j], slope[j] = h.real, h.imag / STEP
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    delta = np.zeros((n_units, len(X)))
    for j in reversed(order):
        total = (z[j] - T[:, j - first_output]) * weight if j >= first_output else np.zeros(len(X))
        for e in out_of[j]:
            total = total + weights[e] * delta[edges[e, 1]]
        delta[j] = slope[j] * total
    y = z[first_output:].T
    d_weights = np.array([delta[j] @ z[i] for i, j in edges])
    return y, 0.5 * ((y - T) ** 2 * weight[:, None]).sum(), d_weights, delta.sum(axis=1)


def by_user(net, flat):
    """Return (edges, biases) of an array in the order of net.params; NaN for units without a bias."""
    copy = fastbp.Network.assemble(net.topology, net._functions, net.loss_name, net.dtype, flat, net.wiring)
    return copy.edge_weights, copy.unit_biases
