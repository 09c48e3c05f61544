"""Time plain Python loops in a process of their own, in which Numba compiles nothing.

    NUMBA_DISABLE_JIT=1 python -m comparison.naive_loops W1 float32

A few samples and updates are timed, and scaled up to an epoch.
"""

import sys

from . import children
from .peers.naive import NaiveLoops
from .peers.numpy_by_hand import NumpyByHand
from .timing import make_peers, seconds_a_call, validate
from .workloads import ON_LINE, WORKLOADS

N_VALIDATED = 4  # samples, in two batches: W8 takes a second for each


def epoch_seconds(workload, dtype):
    """Seconds an epoch of plain Python loops would take."""
    return children.run("naive_loops", workload.name, dtype, NUMBA_DISABLE_JIT="1")


def _scaled_up(workload, dtype):
    few = workload._replace(n_samples=N_VALIDATED, batch_size=max(1, min(workload.batch_size, N_VALIDATED // 2)))
    made = make_peers({"numpy": NumpyByHand, "naive": NaiveLoops}, few, dtype)
    validate(made, few, dtype)
    naive = made["naive"]
    a_sample, an_update = seconds_a_call(naive.add_sample, 0), seconds_a_call(naive.step)
    return workload.n_samples * a_sample + workload.n_updates * an_update


if __name__ == "__main__":
    name, dtype = sys.argv[1:]
    print(_scaled_up((WORKLOADS | ON_LINE)[name], dtype))
