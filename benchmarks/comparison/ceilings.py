"""What no kernel can exceed: multiply-adds of the cores in a second, and bytes from memory."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np


class FmaPeak:
    """Independent fused multiply-adds on so many cores at once: what any kernel's arithmetic is bounded by."""

    N_STEPS = 100_000

    def __init__(self, dtype, n_threads=1):
        from .fma_chains import CHAINS, fma_chains

        self.run, self.n_threads = fma_chains, n_threads
        self.outs = [np.full(1024, 0.5, dtype) for _ in range(n_threads)]
        lanes = self.run(self.outs[0], self.N_STEPS)
        self.flops = n_threads * 2 * CHAINS * lanes * self.N_STEPS  # of one call on each core
        self.pool = ThreadPoolExecutor(n_threads)

    def seconds(self, n_calls):
        """Seconds of so many calls on each core, at the same time."""
        began = perf_counter()
        if self.n_threads == 1:
            self._calls(self.outs[0], n_calls)
        else:
            list(self.pool.map(self._calls, self.outs, [n_calls] * self.n_threads))
        return perf_counter() - began

    def _calls(self, out, n_calls):
        for _ in range(n_calls):
            self.run(out, self.N_STEPS)

    def gflops(self, n_calls=500):
        """GFLOP/s of the fastest call."""
        return self.flops / min(self.seconds(1) for _ in range(n_calls)) / 1e9


def copy_bandwidth(n_bytes=1 << 28, n_copies=10):
    """Bytes a second that one core reads and writes, copying what is too large for most caches."""
    source, target = np.ones(n_bytes // 8), np.ones(n_bytes // 8)
    seconds = []
    for _ in range(n_copies):
        began = perf_counter()
        np.copyto(target, source)
        seconds.append(perf_counter() - began)
    return 2 * n_bytes / min(seconds)
