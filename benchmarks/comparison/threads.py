"""Cores and threads of every library, fixed before any of them is imported."""

import os

# Each library reads one or more of these once, when it is loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def pin(n_threads):
    """Keep this process to `n_threads` cores; return them, or None where a system cannot pin.

    The last cores are taken: the first one serves most of the machine's interrupts. JAX has no setting
    for its pool of threads: it makes as many as the process may use cores.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(n_threads)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if n_threads > len(allowed):
        raise SystemExit(f"--threads {n_threads}: number of cores that this process may use: {len(allowed)}")
    cores = allowed[-n_threads:]
    os.sched_setaffinity(0, cores)
    return cores
