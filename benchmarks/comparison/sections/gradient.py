"""The gradient of a large batch on one thread and on two: speed, speed-up, and the same bits."""

from contextlib import ExitStack

import numpy as np

from ..children import Worker
from ..measure import Row, say
from ..tables import ARITHMETIC, Outcome, Table, compared, digits
from ..timing import by_name
from ..workloads import GRADIENT, flops_per_epoch

N_THREADS = (1, 2)
PEERS = ("fastbp", "numpy", "torch", "torch-compiled", "jax")  # scikit-learn has no public gradient


def run(setup, done):
    """Processes of one thread and of two take their rounds in turns."""
    counts = [n for n in N_THREADS if n <= len(setup.cores)]
    rows = list(_rows(setup, counts).values())
    tables = compared(f"Gradient of {GRADIENT.shape}, {GRADIENT.n_samples} samples", rows, "ms", 1e-3, ARITHMETIC)
    if len(rows) > 1:
        columns = ["dtype", "speed-up on two threads", "bits of the gradient"]
        tables.append(Table("fastbp on one thread and on two", columns, [_speed_up(*rows)]))
    return Outcome("gradient", rows, tables)


def _rows(setup, counts):
    """{number of threads: row}."""
    say(f"{GRADIENT.shape} gradient, {setup.dtype}, numbers of threads: {counts}")
    names, cores = ",".join(setup.only(*PEERS)), ",".join(map(str, setup.cores))
    with ExitStack() as stack:
        workers = {n: stack.enter_context(Worker("gradient_worker", n, cores, setup.dtype, names)) for n in counts}
        checks = {n: worker.ask() for n, worker in workers.items()}
        rounds = [{n: worker.ask() for n, worker in workers.items()} for _ in range(setup.repeats)]
    return {n: _row(setup, n, checks[n], [turn[n] for turn in rounds]) for n in counts}


def _row(setup, n_threads, check, rounds):
    return Row(
        title=f"{n_threads} thread{'s' * (n_threads > 1)}",
        dtype=setup.dtype,
        seconds=by_name([turn["seconds"] for turn in rounds]),
        deviations={setup.dtype: check["deviations"]},
        absent={name: problem for name, problem in setup.problems.items() if name in PEERS},
        flops=flops_per_epoch(GRADIENT),
        peak=np.array([turn["peak"] for turn in rounds]),
        details={"digest": check["digest"]},
    )


def _speed_up(one, two):
    ratio = np.median(one.seconds["fastbp"] / two.seconds["fastbp"])
    same = one.details["digest"] == two.details["digest"]
    return [one.dtype, digits(ratio), "the same" if same else "NOT the same"]
