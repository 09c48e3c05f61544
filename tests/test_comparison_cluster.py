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

from benchmarks.cluster import Costs, Machine, simulated, tasks_of  # noqa: E402 - found by the line before

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
    for n_cores in (n_workers + 1, np.inf):  # the scheduler has one, too
        assert simulated(KNOWN, n_samples, n_tasks, n_workers, Machine(n_cores)) == pytest.approx(expected)


def stepwise(known, n_samples, n_tasks, n_workers, machine, dt=1e-5):
    """The same by small steps of time: workers that have a task, and the scheduler, have their share of the cores."""
    work, now, client = known.sample * n_samples / n_tasks, known.step, known.step
    left, to_send, n_begun, n_done = [], n_tasks * known.task, 0, 0
    while n_done < n_tasks:
        while len(left) < n_workers and n_begun < n_tasks and to_send <= (n_tasks - n_begun - 1) * known.task + 1e-12:
            left.append(work)
            n_begun += 1
        speed = machine.share * min(1.0, machine.n_cores / max(1, len(left) + (to_send > 1e-12)))
        now += dt
        to_send = max(0.0, to_send - dt * speed)
        left = [part - dt * speed for part in left]
        for _ in range(sum(part <= 0 for part in left)):
            client, n_done = max(client, now) + known.gradient, n_done + 1
        left = [part for part in left if part > 0]
    return client


@pytest.mark.parametrize("n_workers", [1, 3, 4])
@pytest.mark.parametrize("machine", [Machine(0.5), Machine(1), Machine(2), Machine(2.5), Machine(2, 0.3)])
def test_workers_that_share_cores(n_workers, machine):
    n_samples, n_tasks = 20_000, tasks_of(n_workers, 32)
    expected = stepwise(KNOWN, n_samples, n_tasks, n_workers, machine)
    assert simulated(KNOWN, n_samples, n_tasks, n_workers, machine) == pytest.approx(expected, rel=0.01)


def test_workers_beyond_the_cores_do_no_more():
    """Arithmetic alone: as long as that of as many workers as there are cores."""
    known = KNOWN._replace(task=0.0, gradient=0.0)
    two, four = (simulated(known, 1 << 20, 16, n_workers, Machine(2)) for n_workers in (2, 4))
    assert two == pytest.approx(known.step + known.sample * (1 << 20) / 2)
    assert four == pytest.approx(two)
