"""The derivation's loops as plain Python: the functions of `fastbp.kernels.derivation`, not compiled.

Only for a process with NUMBA_DISABLE_JIT=1, see `naive_loops.py`.
"""

import math

import numpy as np

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


class NaiveLoops(Peer):
    label, package = "naive loops", "fastbp"

    def __init__(self, workload, X, T):
        from fastbp import Network

        self.workload, self.X, self.T = workload, X, T
        self.net = Network(workload.sizes, activation=workload.activation, dtype=X.dtype.name)
        self.a, self.z, self.delta = np.zeros((3, sum(workload.sizes)), X.dtype)
        self.grad, self.m, self.v = np.zeros((3, self.net.n_params), X.dtype)
        self.t = 0
        self.step = {"adam": self.adam, "sgd": self.sgd}[workload.solver]

    def load(self, parameters):
        for views, values in zip((self.net.weights, self.net.biases), parameters, strict=True):
            for view, value in zip(views, values, strict=True):
                view[:] = value

    def train(self, orders):
        self.m[:] = self.v[:] = self.t = 0
        for order in orders.rows:
            for start in range(0, len(order), self.workload.batch_size):
                self.grad[:] = 0
                batch = order[start : start + self.workload.batch_size]
                for n in batch:
                    self.add_sample(n, 1 / len(batch))
                self.step()

    def add_sample(self, n, factor=1.0):
        """Add the gradient of sample n to the batch's."""
        from fastbp.kernels import derivation as sample

        net = self.net.packed
        sample.forward(net, self.X[n], self.a, self.z)
        sample.output_delta(net, self.T[n], self.a, self.z, self.delta)
        sample.backward(net, self.a, self.z, self.delta)
        sample.add_gradient(net, self.z, self.delta, factor, self.grad)

    def adam(self):
        """One step of Adam, parameter by parameter."""
        self.t += 1
        rate = self.workload.learning_rate * math.sqrt(1 - BETA_2**self.t) / (1 - BETA_1**self.t)
        params, grad, m, v = self.net.params, self.grad, self.m, self.v
        for i in range(len(params)):
            m[i] = BETA_1 * m[i] + (1 - BETA_1) * grad[i]
            v[i] = BETA_2 * v[i] + (1 - BETA_2) * grad[i] * grad[i]
            params[i] -= rate * m[i] / (math.sqrt(v[i]) + EPSILON)

    def sgd(self):
        """One step down the gradient, parameter by parameter."""
        params, grad, rate = self.net.params, self.grad, self.workload.learning_rate
        for i in range(len(params)):
            params[i] -= rate * grad[i]

    def parameters(self):
        return Parameters([w.copy() for w in self.net.weights], [b.copy() for b in self.net.biases])
