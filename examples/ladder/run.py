"""Climb the ladder: check each rung of `rungs.py` against the first one, time it, and print the table.

    python examples/ladder/run.py

Times are the best of many short runs on one core; GFLOP/s count a multiplication and an addition for each weight and
sample. Compare rungs of one table, not tables of two machines.
"""

import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a rung is a core's; must be set before NumPy is imported

import numpy as np
from rungs import RUNGS, TILE_SAMPLES, UNITS

N_UNITS, N_INPUTS, N_SAMPLES = 16 * UNITS, 64, 4 * TILE_SAMPLES


def arrays(n_units, n_inputs, n_samples, seed=0):
    """w, b, z of float32."""
    rng = np.random.default_rng(seed)
    shapes = (n_units, n_inputs), (n_units,), (n_inputs, n_samples)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def check(rung, w, b, z, expected):
    """Raise an AssertionError unless a rung computes what the first one does, to rounding."""
    a = np.full_like(expected, np.nan)
    rung(w, b, z, a)
    np.testing.assert_allclose(a, expected, rtol=1e-4, atol=1e-4)


def best_time(rung, w, b, z, seconds):
    """Seconds of the fastest of the calls that fit into some seconds; of one at least."""
    a, best, end = np.empty((len(w), z.shape[1]), w.dtype), np.inf, time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        rung(w, b, z, a)
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def climb(n_units=N_UNITS, n_inputs=N_INPUTS, n_samples=N_SAMPLES, seconds=0.3):
    """Rows of the table: (rung, seconds, GFLOP/s, times as fast as the rung before it)."""
    w, b, z = arrays(n_units, n_inputs, n_samples)
    expected = np.empty((n_units, n_samples), np.float32)
    RUNGS["plain loops"](w, b, z, expected)
    rows, before = [], None
    for name, rung in RUNGS.items():
        check(rung, w, b, z, expected)
        best = best_time(rung, w, b, z, seconds)
        rows.append((name, best, 2e-9 * n_units * n_inputs * n_samples / best, before / best if before else 1.0))
        before = best
    return rows


def main():
    """Print the table."""
    print(f"a[j, s] = b_j + sum_i w_ji z[i, s], {N_UNITS} units, {N_INPUTS} inputs, {N_SAMPLES} samples, float32\n")
    print(f"{'rung':24}{'time (us)':>12}{'GFLOP/s':>10}{'x rung above':>14}")
    for name, seconds, gflops, gain in climb():
        print(f"{name:24}{1e6 * seconds:12,.1f}{gflops:10.2f}{gain:14.1f}")


if __name__ == "__main__":
    main()
