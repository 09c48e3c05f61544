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
CAN_PIN = hasattr(os, "sched_setaffinity")  # macOS and Windows cannot


def allowed_cores():
    """Cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if CAN_PIN else list(range(os.cpu_count()))


def pin(n_threads, allowed):
    """Keep this process to `n_threads` of the allowed cores; return them, or None where a system cannot pin.

    The last cores are taken: the first one serves most of the machine's interrupts. JAX has no setting
    for its pool of threads: it makes as many as the process may use cores.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(n_threads)
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # else it starts processes for it
    if n_threads > len(allowed):
        raise SystemExit(f"{n_threads} threads: number of cores that this process may use: {len(allowed)}")
    if not CAN_PIN:
        return None
    cores = allowed[-n_threads:]
    os.sched_setaffinity(0, cores)
    return cores
