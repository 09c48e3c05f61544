"""Who may use how many threads, and when."""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numba
from numba.core import config

from fastbp import checks

# One parallel kernel at a time in a process: under the threading layer `workqueue` a second one would
# abort it, and under the others the two would fight for the same cores. Who comes second runs serially.
_parallel = threading.Lock()

# Under GNU OpenMP a child forked after a parallel launch dies at its own first one: it runs serially.
_launched_in: int | None = None


def _after_fork() -> None:
    global _parallel  # noqa: PLW0603 - the parent's lock may be held by a thread that the child does not have
    _parallel = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check(n_threads: object) -> int | None:
    """`n_threads` if it is None or an integer of at least 1."""
    return None if n_threads is None else checks.integer(n_threads, "n_threads", minimum=1)


@cache
def _launch_threads() -> None:
    """Make Numba start its threads, before machine code that refers to them comes from the cache.

    Numba notes with cached code that it needs them, but loses the note where that code was compiled
    around a parallel function that was itself cached: it would crash.
    """
    numba.get_num_threads()


@cache
def _quota() -> float:
    """Cores that the container's control group grants (Linux); infinity without a limit."""
    for path, split in ((Path("/sys/fs/cgroup/cpu.max"), True), (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), False)):
        with suppress(OSError, ValueError):
            text = path.read_text()
            quota, period = text.split() if split else (text, path.with_name("cpu.cfs_period_us").read_text())
            return quota_of(quota, period)
    return math.inf


def quota_of(quota: str, period: str) -> float:
    """Cores, at least one, from a control group's quota ("max" or -1: no limit) and period in microseconds."""
    if quota.strip() == "max" or int(quota) < 0:
        return math.inf
    return max(1, round(int(quota) / int(period)))


def available() -> int:
    """Threads to use if nobody says how many: Numba's number, but no more than cores this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else math.inf
    return int(min(numba.get_num_threads(), cores, _quota()))


@contextmanager
def limit(n_threads: int | None, n_chunks: int) -> Iterator[int]:
    """How many of `n_chunks` chunks to work on at a time, each on a thread: up to n_threads (None: `available()`)."""
    global _launched_in  # noqa: PLW0603 - a process launches threads once
    _launch_threads()
    if n_chunks == 1:  # not worth 4 us to ask Numba
        yield 1
        return
    present = numba.get_num_threads()
    wanted = available() if n_threads is None else min(n_threads, int(vars(config)["NUMBA_NUM_THREADS"]))
    forked = _launched_in not in (None, os.getpid())
    lock = _parallel
    if wanted == 1 or forked or not lock.acquire(blocking=False):
        yield 1
        return
    _launched_in = os.getpid()
    try:
        numba.set_num_threads(wanted)
        yield min(wanted, n_chunks)
    finally:
        numba.set_num_threads(present)
        lock.release()
