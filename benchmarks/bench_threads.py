"""The same work on one thread and on two: the ratio is the result."""

import numba

from .common import SIZES, fit, network_and_data

N_THREADS = [1, 2]


class ThreadScaling:
    params = (N_THREADS, list(SIZES))
    param_names = ("n_threads", "size")

    def setup(self, n_threads, size):
        if n_threads > numba.config.NUMBA_NUM_THREADS:
            raise NotImplementedError("this process may use too few cores")
        self.workload = SIZES[size]
        self.net, self.X, self.T = network_and_data(self.workload)
        self.start = self.net.params.copy()
        self.net.gradient(self.X, self.T, n_threads=n_threads)
        fit(self.net, self.X, self.T, self.workload, epochs=1, n_threads=n_threads)

    def time_fit(self, n_threads, size):
        self.net.params = self.start
        fit(self.net, self.X, self.T, self.workload, epochs=1, n_threads=n_threads)

    def time_gradient(self, n_threads, size):
        self.net.gradient(self.X, self.T, n_threads=n_threads)
