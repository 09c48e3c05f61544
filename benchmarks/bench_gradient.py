"""Forward, loss and gradient of all samples, on one thread."""

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
