"""Before a process first uses the engine's machine code: it has passed the check on this machine, or is checked now.

The kept file of the engine has a mark beside it once it has passed. So code that was saved by a process which was
ended, or by one that checks at this moment, is checked again by whoever finds it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.core.compiler_lock import global_compiler_lock as compiler_lock

from fastbp.kernels.compiling.cache import PackageCache
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.training.chunks import work_on_chunk, worker_address

# Dtypes of which the machine code need not be checked any more in this process
CHECKED: set[np.dtype] = set()


class _Checking(threading.local):
    """Dtypes that this thread is checking: it has to use their code meanwhile."""

    def __init__(self) -> None:
        self.dtypes: set[np.dtype] = set()


_checking = _Checking()
# What checks a dtype, by means of a solver or of any: the room `checking`, which needs all that is above this one
_checks: list[Callable[[np.dtype, Any], Any]] = []


def check_with(check: Callable[[np.dtype, Any], Any]) -> None:
    """Have new machine code checked by a function of (dtype, solver or None), which raises an error if it is wrong."""
    _checks.append(check)


def check_new_code(dtype: np.dtype, solver: Any = None) -> None:
    """Compare gradients with NumPy's if the engine's code for a dtype has not passed that yet, see `self_check`.

    Once, before the first training, by means of its solver if one is given, or the first job. Other threads wait.
    """
    if JIT_DISABLED or dtype in CHECKED or dtype in _checking.dtypes:
        return
    with compiler_lock:  # a fork waits for it too
        if dtype in CHECKED:
            return
        worker_address(dtype)
        if _has_passed(dtype):
            CHECKED.add(dtype)
            return
        with checking(dtype):
            for check in _checks:
                check(dtype, solver)


@contextmanager
def checking(dtype: np.dtype) -> Iterator[None]:
    """While this thread checks a dtype. Its code has passed if nothing is raised: not Ctrl-C either."""
    within = dtype in _checking.dtypes
    _checking.dtypes.add(dtype)
    try:
        yield
    finally:
        if not within:
            _checking.dtypes.discard(dtype)
    CHECKED.add(dtype)
    if not JIT_DISABLED:
        _mark(dtype)


def forget_all() -> None:
    """Remove the engine's code and marks from disk: it is wrong. What this process has loaded is checked again."""
    CHECKED.clear()
    if not JIT_DISABLED:
        _compiled()._cache.flush()


def _compiled() -> Any:
    """The engine as Numba's compiler of it, of which the types say nothing."""
    return work_on_chunk


def _signature(dtype: np.dtype) -> Any:
    """The types of the engine's arguments, once it is there for a dtype."""
    single = dtype == np.float32
    return next(types for types in _compiled().overloads if ("float32" in str(types)) == single)


def _has_passed(dtype: np.dtype) -> bool:
    """Whether the code that is used is that of a file with a mark."""
    kept = _compiled()._cache
    return isinstance(kept, PackageCache) and kept.has_passed(_signature(dtype), _compiled().targetctx)


def _mark(dtype: np.dtype) -> None:
    """Tell later processes that the code has passed, if it is kept."""
    worker_address(dtype)
    kept = _compiled()._cache
    if isinstance(kept, PackageCache):
        kept.mark_passed(_signature(dtype), _compiled().targetctx)
