"""Who may use how many threads, and when."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

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


@contextmanager
def limit(n_threads: int | None, n_chunks: int) -> Iterator[int]:
    """How many of `n_chunks` chunks to work on at a time, each on a thread: up to n_threads (None: Numba's number)."""
    global _launched_in  # noqa: PLW0603 - a process launches threads once
    _launch_threads()
    if n_chunks == 1:  # not worth 4 us to ask Numba
        yield 1
        return
    present = numba.get_num_threads()
    wanted = present if n_threads is None else min(n_threads, int(vars(config)["NUMBA_NUM_THREADS"]))
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
