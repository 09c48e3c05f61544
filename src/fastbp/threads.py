"""Who may use how many threads, and when."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numba
from numba.core import config

from fastbp import checks
from fastbp.kernels.batch import SERIAL, Memory

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


@contextmanager
def limit(n_threads: int | None, memory: Memory) -> Iterator[None]:
    """Run kernels with `memory` on up to n_threads threads (None: Numba's present number)."""
    global _launched_in  # noqa: PLW0603 - a process launches threads once
    _launch_threads()
    if memory.errors.size == 1:  # a single chunk: not worth 4 us to ask Numba
        memory.plan[SERIAL] = True
        yield
        return
    present = numba.get_num_threads()
    wanted = present if n_threads is None else min(n_threads, int(vars(config)["NUMBA_NUM_THREADS"]))
    forked = _launched_in not in (None, os.getpid())
    lock = _parallel
    parallel = wanted > 1 and not forked and lock.acquire(blocking=False)
    memory.plan[SERIAL] = not parallel
    if not parallel:
        yield
        return
    _launched_in = os.getpid()
    try:
        numba.set_num_threads(wanted)
        yield
    finally:
        numba.set_num_threads(present)
        lock.release()
