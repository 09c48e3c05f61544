"""Forward, loss and gradient of all samples, on one thread; irregular networks beside dense ones."""

import numpy as np

from fastbp import Network

from .common import SIZES, network_and_data


class Dense:
    """One pass over the samples of a layered network."""

    params = (list(SIZES), ["float32", "float64"])
    param_names = ("size", "dtype")

    def setup(self, size, dtype):
        self.net, self.X, self.T = network_and_data(SIZES[size], dtype)
        self.net.forward(self.X)
        self.net.loss(self.X, self.T)
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_forward(self, size, dtype):
        self.net.forward(self.X)

    def time_loss(self, size, dtype):
        self.net.loss(self.X, self.T)

    def time_gradient(self, size, dtype):
        self.net.gradient(self.X, self.T, n_threads=1)


class Activations:
    """Forward and gradient of a network in which the functions are a good part of the work."""

    params = ("relu", "tanh", "logistic", "softplus", "gelu", "silu", "sin")
    param_names = ("activation",)

    def setup(self, activation):
        self.net, self.X, self.T = network_and_data(SIZES["overhead_bound"]._replace(activation=activation))
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_gradient(self, activation):
        self.net.gradient(self.X, self.T, n_threads=1)


class Sparse:
    """A network given by its edges: each of the hidden units has three sources."""

    N_INPUTS, N_HIDDEN, N_OUTPUTS, N_SAMPLES = 20, 200, 5, 10_000

    def setup(self):
        if not hasattr(Network, "from_edges"):
            raise NotImplementedError("this version knows layered networks only")
        rng = np.random.default_rng(0)
        first_output = self.N_INPUTS + self.N_HIDDEN
        edges = [
            (i, j)
            for j in range(self.N_INPUTS, first_output + self.N_OUTPUTS)
            for i in rng.choice(min(j, first_output), 3, replace=False)
        ]
        self.net = Network.from_edges(self.N_INPUTS, self.N_OUTPUTS, np.array(edges), dtype="float32", seed=0)
        self.X = rng.standard_normal((self.N_SAMPLES, self.N_INPUTS), dtype=np.float32)
        self.T = rng.standard_normal((self.N_SAMPLES, self.N_OUTPUTS), dtype=np.float32)
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_gradient(self):
        self.net.gradient(self.X, self.T, n_threads=1)
