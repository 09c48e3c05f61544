"""fastbp: `Network.fit`, many epochs in one call."""

from ..workloads import Parameters
from .base import BETA_1, BETA_2, EPSILON, Peer


class Fastbp(Peer):
    label, package = "fastbp", "fastbp"

    def __init__(self, workload, X, T):
        from fastbp import Network

        self.X, self.T = X, T
        self.net = Network(workload.sizes, activation=workload.activation, dtype=X.dtype.name)
        self.options = {
            "solver": workload.solver,
            "batch_size": workload.batch_size,
            "learning_rate": workload.learning_rate,
        }
        if workload.solver == "adam":
            self.options |= {"beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}

    def load(self, parameters):
        for view, values in zip(self.net.weights, parameters.weights, strict=True):
            view[:] = values
        for view, values in zip(self.net.biases, parameters.biases, strict=True):
            view[:] = values

    def train(self, orders):
        self.net.fit(self.X, self.T, epochs=len(orders.rows), shuffle=orders.shuffled, seed=0, **self.options)

    def parameters(self):
        return Parameters([w.copy() for w in self.net.weights], [b.copy() for b in self.net.biases])

    def one_sample(self, x):
        return self.net.forward(x)

    def outputs(self):
        return self.net.forward(self.X)

    def gradient(self):
        """The sum over the samples, which is what `Network.gradient` returns."""
        return self.net.gradient(self.X, self.T)[1]

    def gradient_parameters(self):
        mean = self.gradient() / len(self.X)
        there = self.parameters()
        self.net.params = mean  # its views are those of the gradient now
        grads = self.parameters()
        self.load(there)
        return grads
