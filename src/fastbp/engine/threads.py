"""Who may use how many threads, and when."""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

import numba
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock as compiler_lock
from numba.np.ufunc import parallel

from fastbp import checks

# One parallel kernel at a time in a process: under the threading layer `workqueue` a second one would
# abort it, and under the others the two would fight for the same cores. Who comes second runs serially.
_parallel = threading.Lock()

# Whether this is a forked child of a process that had started Numba's threads. It does not have them, and under
# GNU OpenMP it would be ended at its first parallel launch, even if the parent has launched nothing: it runs serially.
_without_threads = False


def _after_fork() -> None:
    global _without_threads  # noqa: PLW0603 - it is of one process
    compiler_lock.release()  # type: ignore[no-untyped-call]
    _without_threads = _without_threads or bool(getattr(parallel, "_is_initialized", True))


if hasattr(os, "register_at_fork"):  # a fork waits for a compilation to end: the child could never compile again
    os.register_at_fork(before=compiler_lock.acquire, after_in_parent=compiler_lock.release, after_in_child=_after_fork)


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


def limits() -> dict[str, float]:
    """What bounds the number of threads, by name."""
    return {
        "numba": numba.get_num_threads(),
        "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else math.inf,
        "quota": _quota(),
        "forked": 1 if _without_threads else math.inf,
    }


def available() -> int:
    """Threads to use if nobody says how many: Numba's number, but no more than cores this process may run on."""
    return int(min(limits().values()))


_ONE = nullcontext(1)


def limit(n_threads: int | None, most: int) -> AbstractContextManager[int]:
    """How many threads to use for work that is enough for `most`: up to n_threads (None: `available()`)."""
    _launch_threads()
    # It is not worth asking Numba for one, which takes longer than a small network
    return _ONE if most == 1 or n_threads == 1 else _several(n_threads, most)


@contextmanager
def _several(n_threads: int | None, most: int) -> Iterator[int]:
    present = numba.get_num_threads()
    wanted = available() if n_threads is None else min(n_threads, int(vars(config)["NUMBA_NUM_THREADS"]))
    if wanted == 1 or _without_threads or not _parallel.acquire(blocking=False):
        yield 1
        return
    try:
        numba.set_num_threads(wanted)
        yield min(wanted, most)
    finally:
        numba.set_num_threads(present)
        _parallel.release()


class OneTrainer:
    """Lets one thread at a time train a network. A callback of that thread's may train it as well."""

    def __init__(self) -> None:
        self._thread: dict[int, int] = {}  # by process: a forked child does not have the thread

    @contextmanager
    def training(self) -> Iterator[None]:
        """While the network is trained.

        Raises
        ------
        RuntimeError
            If another thread trains it: the two would write the same weights.
        """
        process, thread = os.getpid(), threading.get_ident()
        within = self._thread.get(process) == thread
        try:
            if self._thread.setdefault(process, thread) != thread:
                raise RuntimeError(
                    "fit or update was called while another thread trains this network: both would write the same "
                    "weights; train one after the other, or a copy of it (copy.deepcopy(net))"
                )
            yield
        finally:
            if not within and self._thread.get(process) == thread:
                del self._thread[process]
