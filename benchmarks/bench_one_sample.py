"""One sample at a time from Python: what a call costs."""

from .common import DTYPES, network_and_data
from .comparison.workloads import ONE_SAMPLE


class OneSample:
    params = DTYPES
    param_names = ("dtype",)

    def setup(self, dtype):
        self.net, X, T = network_and_data(ONE_SAMPLE, dtype)
        self.x, self.t = X[:1], T[:1]
        self.net.forward(self.x)
        self.net.loss(self.x, self.t)
        self.net.gradient(self.x, self.t)

    def time_forward(self, dtype):
        self.net.forward(self.x)

    def time_loss(self, dtype):
        self.net.loss(self.x, self.t)

    def time_gradient(self, dtype):
        self.net.gradient(self.x, self.t)
