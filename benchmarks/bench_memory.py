"""Peak memory of a process that trains: the kernels' own arrays come on top of the data."""

from .common import SIZES, fit, network_and_data


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
