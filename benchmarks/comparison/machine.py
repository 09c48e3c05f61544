"""What the figures were measured on: processor, versions, and what its cores and its memory can do."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

_DISTRIBUTIONS = ("fastbp", "numba", "llvmlite", "numpy", "scikit-learn", "torch", "jax", "jaxlib")


def describe(cores, peaks, bandwidth):
    """{what: value} of the machine and the versions that the benchmark runs on.

    `peaks` are the measured GFLOP/s of a core, {dtype: peak}; `bandwidth` bytes a second.
    """
    from fastbp.kernels.registers.machine import INSTRUCTIONS

    facts = {
        "Processor": _processor(),
        "Cores": f"{len(cores)} used of {os.cpu_count()}" if cores else f"{os.cpu_count()}, not pinned",
        "Instructions used by fastbp": INSTRUCTIONS,
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "BLAS of NumPy": blas(),
    }
    for dtype, peak in peaks.items():
        facts[f"Peak of one core, {dtype}"] = f"{peak:.0f} GFLOP/s (independent FMAs)"
    facts["Memory, one core"] = f"{bandwidth / 1e9:.1f} GB/s (read and written by a copy)"
    return facts | {name: _version(name) for name in _DISTRIBUTIONS}


def blas():
    """The library behind `np.dot`."""
    return np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"].replace("scipy-openblas", "OpenBLAS")


def _processor():
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(
            (part.strip() for part in line.split(":", 1)) for line in info.read_text().splitlines() if ":" in line
        )
        family = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
        return f"{fields.get('model name', platform.machine())} {family}".strip()
    return platform.processor() or platform.machine()


def _version(distribution):
    try:
        return version(distribution)
    except PackageNotFoundError:
        module = sys.modules.get(distribution)  # run from the source tree
        return getattr(module, "__version__", "not installed")
