"""What the figures were measured on: processor, versions, and the peak of its multiply-add units."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

import numpy as np

_DISTRIBUTIONS = ("fastbp", "numba", "llvmlite", "numpy", "scikit-learn", "torch", "jax", "jaxlib")


def describe(cores, peaks):
    """{what: value} of the machine and the versions that the benchmark runs on.

    `peaks` are the measured GFLOP/s of a core, {dtype: peak}.
    """
    from fastbp.kernels.machine import INSTRUCTIONS

    facts = {
        "Processor": _processor(),
        "Cores": f"{len(cores)} used of {os.cpu_count()}" if cores else f"{os.cpu_count()}, not pinned",
        "Instructions used by fastbp": INSTRUCTIONS,
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for dtype, peak in peaks.items():
        facts[f"Peak of one core, {dtype}"] = f"{peak:.0f} GFLOP/s (independent FMAs)"
    return facts | {name: _version(name) for name in _DISTRIBUTIONS}


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


class FmaPeak:
    """Independent fused multiply-adds on one core: what the arithmetic of any kernel is bounded by."""

    N_STEPS = 100_000

    def __init__(self, dtype):
        from .fma_chains import CHAINS, fma_chains

        self.run, self.out = fma_chains, np.full(1024, 0.5, dtype)
        lanes = self.run(self.out, self.N_STEPS)
        self.flops = 2 * CHAINS * lanes * self.N_STEPS  # of one call

    def seconds(self, n_calls):
        """Seconds of so many calls."""
        began = perf_counter()
        for _ in range(n_calls):
            self.run(self.out, self.N_STEPS)
        return perf_counter() - began

    def gflops(self, n_calls=1000):
        """GFLOP/s of the fastest call."""
        return self.flops / min(self.seconds(1) for _ in range(n_calls)) / 1e9
