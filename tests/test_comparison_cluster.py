"""The simulation of a step on a cluster, against formulas and an event loop of another kind. Nothing is timed."""

import heapq
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("an installed package has no benchmarks beside its tests", allow_module_level=True)
pytest.importorskip("distributed")
sys.path.insert(0, str(BENCHMARKS.parent))

from benchmarks.cluster import Costs, simulated, tasks_of  # noqa: E402 - found by the line before

KNOWN = Costs(sample=1e-5, task=0.008, step=0.02, gradient=0.001)


def one_core_each(known, n_samples, n_tasks, n_workers):
    """Each task to the worker that is free first, which has a core of its own."""
    free = [known.step] * n_workers
    sent = client = known.step
    for _ in range(n_tasks):
        sent += known.task
        done = max(sent, heapq.heappop(free)) + known.sample * n_samples / n_tasks
        heapq.heappush(free, done)
        client = max(client, done) + known.gradient
    return client


@pytest.mark.parametrize("n_workers", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("n_samples", [0, 1000, 30_000, 1 << 20])
def test_workers_with_a_core_each(n_workers, n_samples):
    n_tasks = tasks_of(n_workers, 256)
    expected = one_core_each(KNOWN, n_samples, n_tasks, n_workers)
    for n_cores in (n_workers, np.inf):
        assert simulated(KNOWN, n_samples, n_tasks, n_workers, n_cores) == pytest.approx(expected)


def stepwise(known, n_samples, n_tasks, n_workers, n_cores, dt=1e-5):
    """The same by small steps of time: whoever has a task goes on by its share of the cores."""
    work, now, client = known.sample * n_samples / n_tasks, known.step, known.step
    left, n_begun, n_done = [], 0, 0
    while n_done < n_tasks:
        while n_begun < n_tasks and len(left) < n_workers and now >= known.step + (n_begun + 1) * known.task:
            left.append(work)
            n_begun += 1
        now += dt
        left = [part - dt * min(1.0, n_cores / len(left)) for part in left]
        for _ in range(sum(part <= 0 for part in left)):
            client, n_done = max(client, now) + known.gradient, n_done + 1
        left = [part for part in left if part > 0]
    return client


@pytest.mark.parametrize("n_workers", [1, 3, 4])
@pytest.mark.parametrize("n_cores", [0.5, 1, 2, 2.5])
def test_workers_that_share_cores(n_workers, n_cores):
    n_samples, n_tasks = 20_000, tasks_of(n_workers, 32)
    expected = stepwise(KNOWN, n_samples, n_tasks, n_workers, n_cores)
    assert simulated(KNOWN, n_samples, n_tasks, n_workers, n_cores) == pytest.approx(expected, rel=0.01)


def test_workers_beyond_the_cores_do_no_more():
    """Arithmetic alone: as long as that of as many workers as there are cores."""
    known = KNOWN._replace(task=0.0, gradient=0.0)
    two, four = (simulated(known, 1 << 20, 16, n_workers, 2) for n_workers in (2, 4))
    assert two == pytest.approx(known.step + known.sample * (1 << 20) / 2)
    assert four == pytest.approx(two)
