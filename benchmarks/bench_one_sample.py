"""One sample at a time from Python: what a call costs."""

from .common import network_and_data
from .comparison.workloads import ONE_SAMPLE


class OneSample:
    def setup(self):
        self.net, X, T = network_and_data(ONE_SAMPLE)
        self.x, self.t = X[:1], T[:1]
        self.net.forward(self.x)
        self.net.gradient(self.x, self.t)

    def time_forward(self):
        self.net.forward(self.x)

    def time_gradient(self):
        self.net.gradient(self.x, self.t)
