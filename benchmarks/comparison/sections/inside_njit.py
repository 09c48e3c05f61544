"""One sample, called inside a user's compiled loop; beside the calls that the others make from Python."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import numba
import numpy as np

from fastbp.jit import forward, gradient

from ..measure import Task, measure
from ..peers import PEERS
from ..tables import Outcome, compared
from ..timing import call_timer, validate_call
from ..workloads import ONE_SAMPLE, flops_per_epoch, forward_flops, random_data

NAMES = ("numpy", "torch")


@numba.njit
def repeat_forward(packed, x, y, work, n_calls):
    for _ in range(n_calls):
        forward(packed, x, y, work)


@numba.njit
def repeat_gradient(packed, x, t, grad, work, n_calls):
    for _ in range(n_calls):
        gradient(packed, x, t, grad, work)


class Inside(PEERS["fastbp"]):
    """fastbp, called from compiled code."""

    def __init__(self, workload, X, T):
        super().__init__(workload, X, T)
        self.x, self.t, self.y = X[0].copy(), T[0].copy(), np.zeros_like(T[0])
        self.grad = np.zeros_like(self.net.params)
        self.work = self.net.workspace()

    def repeat_forward(self, n_calls):
        repeat_forward(self.net.packed, self.x, self.y, self.work, n_calls)

    def repeat_gradient(self, n_calls):
        repeat_gradient(self.net.packed, self.x, self.t, self.grad, self.work, n_calls)

    def one_sample(self, x):
        """Must be what `Network.forward` gives."""
        self.repeat_forward(1)
        np.testing.assert_allclose(self.y, super().one_sample(x)[0], rtol=1e-4)
        return self.y.reshape(1, -1)

    def gradient(self):
        """Must be what `Network.gradient` gives."""
        self.grad[:] = 0
        self.repeat_gradient(1)
        np.testing.assert_allclose(self.grad, super().gradient(), rtol=1e-3, atol=1e-5)
        return self.grad.copy()


class Work(NamedTuple):
    """What is called: by its name in a compiled loop of `Inside`, and of the other peers."""

    repeat: str
    call: str
    result: Callable  # (peer, x): what has to agree
    flops: Callable

    def task(self):
        return Task(self.validate, self.timer, self.flops, most=1_000_000)

    def validate(self, made, workload, dtype):
        x = random_data(workload, dtype)[0]
        return validate_call(made, lambda peer: self.result(peer, x), workload, dtype)

    def timer(self, peer, workload, dtype):
        if not isinstance(peer, Inside):
            arguments = random_data(workload, dtype)[:1] if self.call == "one_sample" else ()
            return call_timer(getattr(peer, self.call), *arguments)

        def seconds(n_calls):
            began = perf_counter()
            getattr(peer, self.repeat)(n_calls)
            return perf_counter() - began

        return seconds


WORKS = {
    "forward": Work("repeat_forward", "one_sample", lambda peer, x: peer.one_sample(x), forward_flops),
    "gradient": Work("repeat_gradient", "gradient", lambda peer, x: peer.gradient_parameters().flat(), flops_per_epoch),
}


def run(setup, done):
    """Outputs and gradient of one sample."""
    peers = {"fastbp": Inside} | setup.only(*NAMES)
    rows = []
    for name, work in WORKS.items():
        title = f"{name}, {ONE_SAMPLE.shape}, {ONE_SAMPLE.activation}"
        rows += [row._replace(title=title) for row in measure(setup, work.task(), ONE_SAMPLE, peers=peers)]
    return Outcome(
        "inside-njit", rows, compared("One sample: fastbp inside njit, others from Python", rows, "µs", 1e-6)
    )
