"""What a call costs inside a user's compiled loop."""

import numba
import numpy as np

from fastbp.jit import forward, gradient, input_gradient

from .common import DTYPES, network_and_data
from .comparison.workloads import ONE_SAMPLE

N_CALLS = 1000


@numba.njit
def repeat_forward(packed, x, y, work):
    for _ in range(N_CALLS):
        forward(packed, x, y, work)


@numba.njit
def repeat_gradient(packed, x, t, grad, work):
    for _ in range(N_CALLS):
        gradient(packed, x, t, grad, work)


@numba.njit
def repeat_input_gradient(packed, x, v, dx, work):
    for _ in range(N_CALLS):
        input_gradient(packed, x, v, dx, work)


class InsideNjit:
    """A thousand calls: microseconds here are nanoseconds for one."""

    params = DTYPES
    param_names = ("dtype",)

    def setup(self, dtype):
        net, X, T = network_and_data(ONE_SAMPLE, dtype)
        self.packed, self.work, self.x, self.t = net.packed, net.workspace(), X[0].copy(), T[0].copy()
        self.y, self.dx, self.grad = np.zeros_like(self.t), np.zeros_like(self.x), np.zeros_like(net.params)
        self.time_forward(dtype)
        self.time_gradient(dtype)
        self.time_input_gradient(dtype)

    def time_forward(self, dtype):
        repeat_forward(self.packed, self.x, self.y, self.work)

    def time_gradient(self, dtype):
        repeat_gradient(self.packed, self.x, self.t, self.grad, self.work)

    def time_input_gradient(self, dtype):
        repeat_input_gradient(self.packed, self.x, self.t, self.dx, self.work)
