"""Peak memory of a process that trains: the kernels' own arrays come on top of the data."""

import numpy as np

from .common import SIZES, fit, network_and_data
from .comparison.workloads import many_samples


class Memory:
    params = tuple(SIZES)
    param_names = ("size",)

    def setup(self, size):
        self.workload = SIZES[size]
        self.net, self.X, self.T = network_and_data(self.workload)

    def peakmem_data_only(self, size):
        """Interpreter, libraries, network and data: what the others are compared with."""
        assert len(self.X) == len(self.T)

    def peakmem_forward(self, size):
        self.net.forward(self.X)

    def peakmem_gradient(self, size):
        self.net.gradient(self.X, self.T, n_threads=1)

    def peakmem_fit(self, size):
        fit(self.net, self.X, self.T, self.workload, epochs=1)


class ManySamples(Memory):
    """1,000,000 samples, the same 10,000 over and over: to draw them all would be the peak."""

    params = ("many_samples",)

    def setup(self, size):
        self.workload = many_samples(1_000_000)
        few = many_samples(10_000)
        self.net, *data = network_and_data(few)
        self.X, self.T = (np.tile(array, (self.workload.n_samples // few.n_samples, 1)) for array in data)
