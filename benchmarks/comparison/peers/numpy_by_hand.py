"""What a careful user of NumPy writes: vectorised over the batch, one flat array of parameters."""

from itertools import pairwise

import numpy as np

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer

# h, and h' as a function of z = h(a)
FUNCTIONS = {
    "tanh": (np.tanh, lambda z: 1 - z * z),
    "relu": (lambda a: np.maximum(a, 0), lambda z: z > 0),
}


class NumpyByHand(Peer):
    label, package = "NumPy", "numpy"

    def __init__(self, workload, X, T):
        self.workload, self.X, self.T = workload, X, T
        self.h, self.dh = FUNCTIONS[workload.activation]
        n_params = sum((n_in + 1) * n_out for n_in, n_out in pairwise(workload.sizes))
        self.params, self.grad, self.m, self.v = np.zeros((4, n_params), X.dtype)
        self.weights, self.biases = self._views(self.params)
        self.weight_grads, self.bias_grads = self._views(self.grad)
        self.step = {"adam": self._adam, "sgd": self._sgd}[workload.solver]

    def _views(self, flat):
        weights, biases, at = [], [], 0
        for n_in, n_out in pairwise(self.workload.sizes):
            weights.append(flat[at : at + n_in * n_out].reshape(n_out, n_in))
            at += n_in * n_out
            biases.append(flat[at : at + n_out])
            at += n_out
        return Parameters(weights, biases)

    def load(self, parameters):
        for view, values in zip(self.weights + self.biases, [*parameters.weights, *parameters.biases], strict=True):
            view[:] = values

    def train(self, orders):
        batch_size = self.workload.batch_size
        self.m[:] = self.v[:] = 0
        self.t = 0
        for order in orders.rows:
            X, T = (self.X[order], self.T[order]) if orders.shuffled else (self.X, self.T)
            for start in range(0, len(X), batch_size):
                self._gradient(X[start : start + batch_size], T[start : start + batch_size])
                self.step()

    def _forward(self, X):
        z = [X]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z.append(self.h(z[-1] @ w.T + b))
        return z, z[-1] @ self.weights[-1].T + self.biases[-1]

    def _gradient(self, X, T):
        z, y = self._forward(X)
        delta = (y - T) / len(X)
        for layer in reversed(range(len(self.weights))):
            np.dot(delta.T, z[layer], out=self.weight_grads[layer])
            delta.sum(axis=0, out=self.bias_grads[layer])
            if layer:
                delta = delta @ self.weights[layer] * self.dh(z[layer])

    def _adam(self):
        self.t += 1
        self.m *= BETA_1
        self.m += (1 - BETA_1) * self.grad
        self.v *= BETA_2
        self.v += (1 - BETA_2) * self.grad * self.grad
        rate = self.workload.learning_rate * (1 - BETA_2**self.t) ** 0.5 / (1 - BETA_1**self.t)
        self.params -= rate * self.m / (np.sqrt(self.v) + EPSILON)

    def _sgd(self):
        self.params -= self.workload.learning_rate * self.grad

    def parameters(self):
        return Parameters([w.copy() for w in self.weights], [b.copy() for b in self.biases])

    def one_sample(self, x):
        return self._forward(x)[1]

    def outputs(self):
        return self._forward(self.X)[1]

    def gradient(self):
        self._gradient(self.X, self.T)

    def gradient_parameters(self):
        self.gradient()
        return Parameters(*([g.copy() for g in grads] for grads in (self.weight_grads, self.bias_grads)))
