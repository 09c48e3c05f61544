"""`show_versions`: what a report of a bug needs to say about the machine and the installation."""

import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numba.np.ufunc import parallel

from fastbp.engine import threads
from fastbp.kernels.one_sample import few
from fastbp.kernels.registers import machine
from fastbp.kernels.registers.machine import JIT_DISABLED

CORE = ("fastbp", "numpy", "numba", "llvmlite")
EXTRAS = ("scikit-learn", "joblib", "click", "rich", "polars", "pandas", "matplotlib")
# Settings of Numba and of OpenMP, which change what is compiled and how it runs. Nothing else of the environment
# is shown: it may hold secrets.
SETTINGS = ("NUMBA_", "OMP_", "GOMP_", "KMP_", "FASTBP_")


def versions() -> dict[str, dict[str, str]]:
    """What `show_versions` prints: {section: {name: value}}."""
    return {
        "system": {
            "platform": platform.platform(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
        },
        "processor": _processor(),
        "threads": _threads(),
        "machine code": {"kept in": _cache_folder()},
        "packages": _packages(CORE) | _packages(EXTRAS, missing=None),
        "settings": {name: value for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)},
    }


def show_versions() -> None:
    """Print what a report of a bug needs: processor, lanes, threads, versions, the cache, Numba's settings.

    Examples
    --------
    >>> import fastbp
    >>> fastbp.show_versions()  # doctest: +SKIP
    system
      platform      Linux-6.1.0-x86_64-with-glibc2.36
      python        CPython 3.11.9
    processor
      model         Intel(R) Xeon(R) Processor
      instructions  AVX-512
      ...
    """
    for section, entries in versions().items():
        if entries:
            print(section)
        width = max(map(len, entries), default=0)
        for name, value in entries.items():
            print(f"  {name:{width}}  {value}")


def _processor() -> dict[str, str]:
    lanes = [f"{machine.lanes_of(np.dtype(dtype))} {dtype}" for dtype in ("float32", "float64")]
    return {
        "model": processor_model(),
        "cores": str(os.cpu_count()),
        "instructions": machine.INSTRUCTIONS,
        "lanes": ", ".join(lanes),
        "features": " ".join(sorted(machine.cpu_features())),
    }


def processor_model() -> str:
    """Name of the processor; Linux alone does not tell Python."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _threads() -> dict[str, str]:
    """The layer, how many threads a fit would use, and what bounds them."""
    bounds = threads.limits()  # starts Numba's threads, after which the layer has a name
    return {
        "layer": "none" if JIT_DISABLED else parallel.threading_layer(),  # type: ignore[no-untyped-call]
        "used": str(threads.available()),
        "bounds": ", ".join(f"{name} {number:g}" for name, number in bounds.items() if math.isfinite(number)),
    }


def _cache_folder() -> str:
    """Where the machine code of the kernels is kept."""
    if JIT_DISABLED:
        return "nothing is compiled: NUMBA_DISABLE_JIT is set"
    cache: Any = few.forward_few
    return cache._cache.cache_path or "no place can be written to: each process compiles for itself"


def _packages(names: tuple[str, ...], missing: str | None = "not installed") -> dict[str, str]:
    """Their versions; those that are missing are left out if `missing` is None."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            if missing is not None:
                found[name] = missing
    return found
