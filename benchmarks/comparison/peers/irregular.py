"""Networks of any connections, by library: fastbp's edges, dense layers under masks, neat-python's lists.

Each peer is made with an `EdgeNetwork`, its `EdgeParameters` and a batch. `outputs` and `gradient` are what is
timed; `output_array` and `gradient_parameters` give the results as NumPy's arrays, to be compared.
"""

import math
from typing import NamedTuple

import numpy as np

from ..irregular_networks import EdgeParameters, levels_of


class EdgesOfFastbp:
    """`Network.from_edges`."""

    def __init__(self, network, parameters, X, T):
        from fastbp import Network

        self.network, self.X, self.T = network, X, T
        self.net = Network.from_edges(
            network.n_inputs, network.n_outputs, network.edges, activation=network.activation, dtype=X.dtype.name
        )
        self.net.edge_weights = parameters.weights
        self.net.unit_biases = np.concatenate([np.zeros(network.n_inputs, X.dtype), parameters.biases])

    def outputs(self):
        return self.net.forward(self.X)

    output_array = outputs

    def gradient(self):
        return self.net.gradient(self.X, self.T)[1]

    def gradient_parameters(self):
        grad = self.net.astype(self.net.dtype)
        grad.params = self.gradient()
        return EdgeParameters(grad.edge_weights, grad.unit_biases[self.network.n_inputs :])


class Place(NamedTuple):
    """Where the edges that end in a level are in its matrix."""

    edges: np.ndarray  # their numbers in the network
    rows: np.ndarray
    columns: np.ndarray


class _Masked:
    """Dense layers, one for each level; weights that are no edges are multiplied by 0."""

    def __init__(self, network, parameters, X, T):
        self.network = network
        self.levels = levels_of(network)
        self.places = [self._place(level) for level in self.levels]
        self.is_chain = all(len(level.sources) == n for level, n in zip(self.levels, self._widths(), strict=True))
        masks = [level.mask.astype(X.dtype) for level in self.levels]
        weights = [np.zeros_like(mask) for mask in masks]
        for w, place in zip(weights, self.places, strict=True):
            w[place.rows, place.columns] = parameters.weights[place.edges]
        biases = [parameters.biases[level.units - network.n_inputs] for level in self.levels]
        self.take(masks, weights, biases, X, T)

    def _widths(self):
        return [self.network.n_inputs, *(len(level.units) for level in self.levels[:-1])]

    def _place(self, level):
        edges = np.flatnonzero(np.isin(self.network.edges[:, 1], level.units))
        sources, targets = self.network.edges[edges].T
        return Place(edges, np.searchsorted(level.units, targets), np.searchsorted(level.sources, sources))

    def by_edges(self, d_weights, d_biases):
        """`EdgeParameters` of arrays in the shapes of the layers."""
        weights = np.empty(len(self.network.edges), d_weights[0].dtype)
        biases = np.empty(self.network.n_units - self.network.n_inputs, d_weights[0].dtype)
        for place, level, w, b in zip(self.places, self.levels, d_weights, d_biases, strict=True):
            weights[place.edges] = w[place.rows, place.columns]
            biases[level.units - self.network.n_inputs] = b
        return EdgeParameters(weights, biases)

    def columns_of(self, level):
        """Where the units that feed a level are among those computed so far, which stand level by level."""
        done = [np.arange(self.network.n_inputs), *(before.units for before in self.levels)]
        position = np.empty(self.network.n_units, int)
        position[np.concatenate(done)] = np.arange(self.network.n_units)
        return position[level.sources]

    def take(self, masks, weights, biases, X, T):
        """Keep the arrays as the library's own."""
        raise NotImplementedError


class MaskedPyTorch(_Masked):
    """PyTorch, eager: F.linear(z, weight * mask, bias)."""

    def take(self, masks, weights, biases, X, T):
        import torch

        self.torch = torch
        self.masks = [torch.from_numpy(mask) for mask in masks]
        self.weights = [torch.from_numpy(w).requires_grad_() for w in weights]
        self.biases = [torch.from_numpy(b.copy()).requires_grad_() for b in biases]
        self.columns = [torch.from_numpy(self.columns_of(level)) for level in self.levels]
        self.X, self.T = torch.from_numpy(X), torch.from_numpy(T)

    def _forward(self):
        linear = self.torch.nn.functional.linear
        z, last = self.X, len(self.levels) - 1
        for k, (w, mask, b, columns) in enumerate(
            zip(self.weights, self.masks, self.biases, self.columns, strict=True)
        ):
            a = linear(z if self.is_chain else z[:, columns], w * mask, b)
            if k == last:
                return a
            h = getattr(self.torch, self.network.activation)(a)
            z = h if self.is_chain else self.torch.cat([z, h], dim=1)
        raise AssertionError("a network has outputs")

    def outputs(self):
        with self.torch.inference_mode():
            return self._forward()

    def output_array(self):
        return self.outputs().numpy()

    def gradient(self):
        for parameter in (*self.weights, *self.biases):
            parameter.grad = None
        (0.5 * (self._forward() - self.T).square().sum()).backward()

    def gradient_parameters(self):
        self.gradient()
        return self.by_edges([w.grad.numpy() for w in self.weights], [b.grad.numpy() for b in self.biases])


class MaskedJax(_Masked):
    """JAX: the same layers as one jitted function, and its gradient as another."""

    def take(self, masks, weights, biases, X, T):
        import jax

        jax.config.update("jax_enable_x64", X.dtype == np.float64)
        jnp = self.jnp = jax.numpy
        self.jax, self.masks = jax, [jnp.asarray(mask) for mask in masks]
        self.params = ([jnp.asarray(w) for w in weights], [jnp.asarray(b) for b in biases])
        self.columns = [self.columns_of(level) for level in self.levels]
        self.X, self.T = jnp.asarray(X), jnp.asarray(T)
        self.forward = jax.jit(self._forward)
        self.grad = jax.jit(jax.grad(lambda params, X, T: 0.5 * ((self._forward(params, X) - T) ** 2).sum()))

    def _forward(self, params, X):
        z, last = X, len(self.levels) - 1
        for k, (w, b) in enumerate(zip(*params, strict=True)):
            a = (z if self.is_chain else z[:, self.columns[k]]) @ (w * self.masks[k]).T + b
            if k == last:
                return a
            h = self.jax.nn.relu(a) if self.network.activation == "relu" else self.jnp.tanh(a)
            z = h if self.is_chain else self.jnp.concatenate([z, h], axis=1)
        raise AssertionError("a network has outputs")

    def outputs(self):
        return self.jax.block_until_ready(self.forward(self.params, self.X))

    def output_array(self):
        return np.asarray(self.outputs())

    def gradient(self):
        return self.jax.block_until_ready(self.grad(self.params, self.X, self.T))

    def gradient_parameters(self):
        weights, biases = self.gradient()
        return self.by_edges([np.asarray(w) for w in weights], [np.asarray(b) for b in biases])


class NeatPython:
    """neat-python's `FeedForwardNetwork.activate`, sample by sample. It has no gradient, and Python's floats."""

    label, package = "neat-python", "neat"
    slow_to_compile = False

    def __init__(self, network, parameters, X, T):
        from neat.nn import FeedForwardNetwork

        self.samples = X.tolist()
        biases = [0.0] * network.n_inputs + parameters.biases.tolist()
        links = {unit: [] for unit in range(network.n_units)}
        for (i, j), w in zip(network.edges.tolist(), parameters.weights.tolist(), strict=True):
            links[j].append((i, w))
        # In the order of their numbers each unit comes after its sources.
        h = math.tanh if network.activation == "tanh" else lambda a: max(a, 0.0)
        nodes = [(unit, h, sum, biases[unit], 1.0, links[unit]) for unit in network.hidden]
        nodes += [(unit, lambda a: a, sum, biases[unit], 1.0, links[unit]) for unit in network.outputs]
        self.net = FeedForwardNetwork(list(range(network.n_inputs)), list(network.outputs), nodes)

    @classmethod
    def takes(cls, workload):
        """Whether it can do this work at all: no training."""
        return False

    @classmethod
    def problem(cls):
        """Why it cannot take part on this machine, or None."""
        from importlib.util import find_spec

        return None if find_spec(cls.package) else "not installed"

    def output_array(self):
        return np.array([self.net.activate(x) for x in self.samples])


# For the section `irregular`, by the names of the columns.
IRREGULAR = {"fastbp": EdgesOfFastbp, "torch": MaskedPyTorch, "jax": MaskedJax, "neat": NeatPython}
