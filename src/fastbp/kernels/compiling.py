"""How every kernel is compiled: the options, and a cache that knows the whole package.

`kernel` marks a function that other kernels call, `entry` one that Python calls. Only entries are
cached: the machine code of an entry holds that of everything it calls.
"""

import hashlib
from functools import cache
from pathlib import Path

import numba
from numba.core import config
from numba.core.caching import FunctionCache, IndexDataCacheFile

JIT_DISABLED = bool(config.DISABLE_JIT)

# Division by zero gives inf, as in NumPy: a test for it would end vectorisation.
# No fastmath: products and sums are fused where `lanes.fma` or "contract" says so, NaN and inf survive.
OPTIONS = {"error_model": "numpy", "nogil": True, "fastmath": {"contract"}}

# Sums inside one sample may be reordered, so that they vectorise; NaN and inf still survive.
SUM_FLAGS = {"contract", "reassoc", "nsz"}


@cache
def package_stamp():
    """Hash of all kernel sources and of the switches that change the code made from them."""
    digest = hashlib.sha256(f"boundscheck={config.BOUNDSCHECK}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class PackageCache(FunctionCache):
    """Numba's cache, stamped with all kernel sources.

    Numba stamps a cached function with the file it stands in alone: after an upgrade that changes a
    callee in another file it would go on running the old machine code (numba issues 8851, 10659).
    """

    def __init__(self, py_func):
        super().__init__(py_func)
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=package_stamp()
        )


# What only compiled code calls needs no way in from Python: that halves the time to compile it.
INTERNAL = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(func=None, **options):
    """Compile `func` when another kernel first calls it. Python cannot call it."""
    if func is None:
        return lambda f: kernel(f, **options)
    return numba.njit(func, **(OPTIONS | INTERNAL | options))


def entry(func=None, **options):
    """Compile `func` when Python first calls it, and keep the machine code on disk where that works."""
    if func is None:
        return lambda f: entry(f, **options)
    compiled = numba.njit(func, **(OPTIONS | options))
    if not JIT_DISABLED:
        try:
            compiled._cache = PackageCache(func)
        except (OSError, RuntimeError):
            pass  # no writable place: compile anew in each process
    return compiled
