"""JAX: a whole epoch is one compiled program, `lax.scan` over the minibatches.

The state (parameters, moments, step) is carried and donated; the permutation is passed in and the rows
are gathered inside. The last, smaller batch is one more step of the same program. One flat array of
parameters turned out faster than a tree of them, by up to a third where the network is small.
"""

from functools import partial

import numpy as np

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


class JaxScan(Peer):
    label, package = "JAX", "jax"

    def __init__(self, workload, X, T):
        import jax

        jax.config.update("jax_enable_x64", X.dtype == np.float64)
        self.jax, self.workload = jax, workload
        self.X, self.T = jax.numpy.asarray(X), jax.numpy.asarray(T)
        self.h = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[workload.activation]
        self.epoch = jax.jit(self._epoch, donate_argnums=0)
        self.forward = jax.jit(self._forward)
        self.grad = jax.jit(jax.grad(self._loss))

    def load(self, parameters):
        from jax.flatten_util import ravel_pytree

        self.params, self.unravel = ravel_pytree(
            self.jax.tree.map(self.jax.numpy.asarray, (parameters.weights, parameters.biases))
        )

    def _forward(self, params, X):
        weights, biases = self.unravel(params)
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            X = self.h(X @ w.T + b)
        return X @ weights[-1].T + biases[-1]

    def _loss(self, params, X, T):
        return 0.5 * ((self._forward(params, X) - T) ** 2).sum() / len(X)

    def _step(self, state, X, T):
        params, m, v, t = state
        grad = self.jax.grad(self._loss)(params, X, T)
        rate = self.workload.learning_rate
        if self.workload.solver == "sgd":
            return (params - rate * grad, m, v, t)
        t = t + 1
        m = BETA_1 * m + (1 - BETA_1) * grad
        v = BETA_2 * v + (1 - BETA_2) * grad * grad
        rate = rate * self._one_minus_power(BETA_2, t) ** 0.5 / self._one_minus_power(BETA_1, t)
        return (params - rate * m / (v**0.5 + EPSILON), m, v, t)

    def _one_minus_power(self, beta, t):
        """1 - beta^t, exact in float32 too."""
        return -self.jax.numpy.expm1(t * np.log(beta))

    def _epoch(self, state, order, X, T):
        batch_size = self.workload.batch_size
        if batch_size == len(X):  # batch learning: nothing to gather
            return self._step(state, X, T)
        full = len(order) // batch_size * batch_size
        batches = order[:full].reshape(-1, batch_size)
        state, _ = self.jax.lax.scan(lambda s, rows: (self._step(s, X[rows], T[rows]), None), state, batches)
        return self._step(state, X[order[full:]], T[order[full:]]) if full < len(order) else state

    def train(self, orders):
        jnp = self.jax.numpy
        zeros = partial(jnp.zeros_like, self.params)
        state = (self.params, zeros(), zeros(), jnp.zeros((), self.params.dtype))
        for order in orders.rows:
            state = self.epoch(state, order, self.X, self.T)
        self.params = self.jax.block_until_ready(state)[0]

    def parameters(self):
        return self._as_parameters(self.params)

    def _as_parameters(self, flat):
        weights, biases = self.unravel(flat)
        return Parameters([np.asarray(w) for w in weights], [np.asarray(b) for b in biases])

    def one_sample(self, x):
        return np.asarray(self.forward(self.params, x))

    def outputs(self):
        return self.jax.block_until_ready(self.forward(self.params, self.X))

    def gradient(self):
        return self.jax.block_until_ready(self.grad(self.params, self.X, self.T))

    def gradient_parameters(self):
        return self._as_parameters(self.gradient())
