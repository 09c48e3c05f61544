"""Forward, loss and gradient of all samples, through the public interface, on one thread."""

from .common import DTYPES, SIZES, network_and_data
from .comparison.workloads import INFERENCE, LARGE_LAYER, WORKLOADS


class Phases:
    """One pass over the samples of a workload's network."""

    params = (list(WORKLOADS), DTYPES)
    param_names = ("workload", "dtype")

    def setup(self, workload, dtype):
        self.net, self.X, self.T = network_and_data(WORKLOADS[workload], dtype)
        self.net.forward(self.X)
        self.net.loss(self.X, self.T)
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_forward(self, workload, dtype):
        self.net.forward(self.X)

    def time_loss(self, workload, dtype):
        self.net.loss(self.X, self.T)

    def time_gradient(self, workload, dtype):
        self.net.gradient(self.X, self.T, n_threads=1)


class Inference:
    """Outputs of 100,000 samples: the reading of the samples is a good part of the work."""

    params = DTYPES
    param_names = ("dtype",)

    def setup(self, dtype):
        self.net, self.X, _ = network_and_data(INFERENCE, dtype)
        self.net.forward(self.X)

    def time_forward(self, dtype):
        self.net.forward(self.X)


class LargeLayer:
    """A layer of 4096 x 4096: its weights fit into no cache but the last."""

    params = DTYPES
    param_names = ("dtype",)
    timeout = 300

    def setup(self, dtype):
        self.net, self.X, self.T = network_and_data(LARGE_LAYER, dtype)
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_gradient(self, dtype):
        self.net.gradient(self.X, self.T, n_threads=1)


class Activations:
    """Gradient of a network in which the functions are a good part of the work."""

    params = ("relu", "tanh", "logistic", "softplus", "gelu", "silu", "sin")
    param_names = ("activation",)

    def setup(self, activation):
        self.net, self.X, self.T = network_and_data(SIZES["overhead_bound"]._replace(activation=activation))
        self.net.gradient(self.X, self.T, n_threads=1)

    def time_gradient(self, activation):
        self.net.gradient(self.X, self.T, n_threads=1)
