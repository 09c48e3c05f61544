"""How every kernel is compiled: the options, and what is kept of it.

`kernel` marks a function that other kernels call, `entry` one that Python calls. Only entries are
cached: the machine code of an entry holds that of everything it calls.
"""

import contextlib
import functools
import gc
import re
import warnings
from collections.abc import Callable
from typing import Any, overload

import numba
import numpy as np
from numba import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.extending import typeof_impl

from fastbp.kernels.compiling.cache import PackageCache
from fastbp.kernels.compiling.numba_inside import why_not_own_passes
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.registers.types import ViewType

# Division by zero gives inf, as in NumPy: a test for it would end vectorisation.
# No fastmath: products and sums are fused where `lanes.fma` or "contract" says so, NaN and inf survive.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "fastmath": {"contract"}}

# Sums inside one sample may be reordered, so that they vectorise; NaN and inf still survive.
SUM_FLAGS = {"contract", "reassoc", "nsz"}


if not why_not_own_passes():
    from fastbp.kernels.compiling.lowering import passes_over_entry, passes_over_kernels
else:

    def passes_over_kernels(state):
        """Numba's own passes."""
        return DefaultPassBuilder.define_nopython_pipeline(state)

    def passes_over_entry(state):
        """Numba's own passes; says once that they take longer."""
        _say_why_once()
        return DefaultPassBuilder.define_nopython_pipeline(state)


@functools.cache
def _say_why_once():
    warnings.warn(
        f"{why_not_own_passes()}: its own passes compile fastbp's kernels, to the same results. That takes about three"
        " times as long, and the kernels up to twice as long to run",
        RuntimeWarning,
        stacklevel=2,
    )


class _KernelCompiler(CompilerBase):
    """Numba's compiler for functions that only kernels call.

    Numba optimises each function by itself and again in all that call it, level by level. They are optimised once, in
    the entry.
    """

    def define_pipelines(self):
        return [passes_over_kernels(self.state)]


class _EntryCompiler(CompilerBase):
    """Numba's compiler for entries."""

    def compile_extra(self, func):
        """Compile, and look for no garbage meanwhile: Numba's objects stay, and would be looked at again and again."""
        if any(has_views(ty) for ty in self.state.args):
            self.state.flags.no_cpython_wrapper = True
        collects = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if collects:
                gc.enable()

    def define_pipelines(self):
        return [passes_over_entry(self.state)]


def has_views(ty: Any) -> bool:
    """Whether a type is that of views, or holds some: Python has none, and calls nothing that takes them."""
    return isinstance(ty, ViewType) or any(has_views(part) for part in getattr(ty, "types", ()))


# What only compiled code calls needs no way in from Python. References are not counted: the caller holds them. What
# returns an array, or calls what does, wants `_nrt=True`: Numba refuses it otherwise.
INTERNAL: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _KernelCompiler,
    "_nrt": False,
}
CALLED: dict[str, Any] = {"no_cfunc_wrapper": True, "pipeline_class": _EntryCompiler, "_nrt": False}


class Kernel:
    """A function that only kernels and entries call. Numba hears of it when the first of them is compiled.

    `njit` would take its time for each function at import, for nothing where the machine code is on disk.
    """

    def __init__(self, func: Callable[..., Any], options: dict[str, Any]) -> None:
        self.py_func: Callable[..., Any] = func
        self._options = options
        functools.update_wrapper(self, func)

    def __call__(self, *_args: Any) -> Any:
        """Refuse: Numba makes no way into a kernel from Python."""
        raise TypeError(f"{self.py_func.__name__} is for kernels and entries alone, not for Python to call")

    @functools.cached_property
    def dispatcher(self) -> Any:
        """Numba's compiler of this function."""
        compiled = numba.njit(self.py_func, **(OPTIONS | INTERNAL | self._options))
        template_of = compiled.get_call_template
        # A constant is a number like any other: not compiled once for `False` and again for a bool
        compiled.get_call_template = lambda args, kws: template_of([types.unliteral(ty) for ty in args], kws)
        return compiled


@typeof_impl.register(Kernel)
def _typeof_kernel(function, _context):
    return types.Dispatcher(function.dispatcher)


@overload
def kernel(func: Callable[..., Any]) -> Callable[..., Any]: ...


@overload
def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...


def kernel(func: Any = None, **options: Any) -> Any:
    """Compile `func` when another kernel first calls it. Python cannot call it."""
    if func is None:
        return lambda f: kernel(f, **options)
    return func if JIT_DISABLED else Kernel(func, options)


def in_python(function: Any) -> Callable[..., Any]:
    """A kernel as the Python function that it was made from: for what both sides work out, such as sizes."""
    return function if JIT_DISABLED else function.py_func


@overload
def entry(func: Callable[..., Any], *, key: str = ..., **options: Any) -> Callable[..., Any]: ...


@overload
def entry(*, key: str = ..., **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...


def entry(func: Any = None, *, key: str = "", **options: Any) -> Any:
    """Compile `func` when Python first calls it, and keep the machine code on disk where that works.

    `key` tells apart functions made by one piece of source.
    """
    if func is None:
        return lambda f: entry(f, key=key, **options)
    if JIT_DISABLED:
        return np.errstate(all="ignore")(func)  # compiled code does not warn of inf and NaN either
    if key:  # in the symbol as well: what another process numbered and kept may else have the symbol of a twin of this
        func.__qualname__ += "_" + re.sub(r"\W", "_", key)
    counts_references = {"_nrt": True} if options.get("parallel") else {}  # the threads' arrays of Numba's own
    compiled = numba.njit(func, **(OPTIONS | CALLED | counts_references | options))
    with contextlib.suppress(OSError, RuntimeError):  # no writable place: compile anew in each process
        compiled._cache = PackageCache(func, f"{key} {describe_options(OPTIONS | options)}")
    return compiled


def describe_options(options: dict[str, Any]) -> list[tuple[str, Any]]:
    """The options as text, the same in each process: sets have no order."""
    return sorted((name, sorted(value) if isinstance(value, set) else value) for name, value in options.items())


def unkept(func: Callable[..., Any]) -> Any:
    """Compile `func`, which may be a user's, as an entry that is not kept on disk."""
    return np.errstate(all="ignore")(func) if JIT_DISABLED else numba.njit(func, **(OPTIONS | CALLED | {"_nrt": True}))
