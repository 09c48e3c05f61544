"""What a step on a cluster costs, simulated from constants that are measured here, and compared with real workers.

    python benchmarks/cluster.py            # measures, simulates 1 to 1,000 workers for three networks
    python benchmarks/cluster.py --check    # and real steps of 1, 2 and 4 workers on this machine beside them

`docs/scale.md` has the formula.
"""

import argparse
import math
import os
import pickle
import time
from collections import deque
from statistics import median
from typing import NamedTuple

import numpy as np

import fastbp
from fastbp.dask import tasks
from fastbp.dask.cluster import TASKS_PER_WORKER, OnCluster
from fastbp.data.sums import PairwiseSum
from fastbp.kernels.training.chunks import GRADIENT

NETWORKS = {"small": (20, 32, 1), "middling": (100, 256, 256, 10), "large": (784, 1024, 1024, 10)}
N_SAMPLES = 1 << 24  # of the simulated training
WORKERS = (1, 2, 4, 10, 30, 100, 300, 1000)
LINK = 1.25e9  # bytes in a second of the network between machines: 10 Gbit/s


class Costs(NamedTuple):
    """Constants of a step, in seconds."""

    sample: float  # of the gradient, of one worker
    task: float  # beside its arithmetic, of the scheduler: one at a time
    step: float  # beside its tasks
    gradient: float  # to bring one back, and to add it up


def seconds_of(function, repeats=3):
    """Least processor time of some calls that use one thread: others on the machine count for little in it."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def gradient_seconds(net, n=1 << 12):
    """Seconds for a sample, on one thread."""
    draw = np.random.default_rng(0)
    x, t = draw.normal(size=(n, net.n_inputs)), draw.normal(size=(n, net.n_outputs))
    return seconds_of(lambda: net.gradient(x, t, n_threads=1), 5) / n


def costs(net, task, step):
    n_bytes = net.params.nbytes
    added = seconds_of(lambda: net.params + net.params)
    return Costs(gradient_seconds(net), task, step, n_bytes / LINK + added)


class Machine(NamedTuple):
    """One that workers and scheduler are on together."""

    n_cores: float = math.inf
    share: float = 1.0  # of the time of its cores that is left by other programs

    def speed(self, n_busy):
        """Seconds of a core that each of so many threads has in a second."""
        return self.share * min(1.0, self.n_cores / max(1, n_busy))


CORE_EACH = Machine()  # as good as machines of their own


def simulated(known, n_samples, n_tasks, n_workers, machine=CORE_EACH):
    """Seconds of a step: the scheduler sends one task after the other, and each goes to the worker that is free first.

    Results come to the client one by one. Whoever is busy, the scheduler or a worker, is one of those that share the
    machine: all go on at one speed, and so by one clock.
    """
    work = known.sample * n_samples / n_tasks
    now = client = known.step
    n_sent = n_begun = 0
    clock, ends = 0.0, deque()  # when tasks that run will be done, by this clock, in the order in which they began
    sent = known.task  # when the next one will be, by this clock
    while n_sent < n_tasks or ends:
        speed = machine.speed(len(ends) + (n_sent < n_tasks))
        next_event = min(ends[0] if ends else math.inf, sent)
        now += (next_event - clock) / speed
        clock = next_event
        if ends and ends[0] <= sent:
            ends.popleft()
            client = max(client, now) + known.gradient
        else:
            n_sent += 1
            sent = clock + known.task if n_sent < n_tasks else math.inf
        if n_begun < n_sent and len(ends) < n_workers:
            n_begun += 1
            ends.append(clock + work)
    return client


def tasks_of(n_workers, n_partitions):
    """Tasks of a step, as `fastbp.dask` cuts them."""
    size = 1 << max(0, (n_partitions // (TASKS_PER_WORKER * n_workers)).bit_length() - 1)
    return math.ceil(n_partitions / size)


def batch(k, sizes, n):
    draw = np.random.default_rng(k)
    return draw.normal(size=(n, sizes[0])), draw.normal(size=(n, sizes[-1]))


def timed_sums(structure, params, loaded, n_threads):
    """((seconds, seconds of a core) of the arithmetic alone, where and while it is done; what the task brings back)."""
    clock, core = time.perf_counter(), time.thread_time()
    found = tasks.sums(structure, params, loaded, GRADIENT, n_threads)
    return (time.perf_counter() - clock, time.thread_time() - core), found


def idle(params, loaded, found):
    """A task of the same traffic without arithmetic: parameters come, a gradient goes back."""
    return found[0], params.copy(), found[2]


class OnWorkers:
    """Partitions that workers hold, to measure what a step is made of."""

    def __init__(self, client, net, data, size):
        self._client, self._net = client, net
        self._structure = client.submit(tasks.handed_on, tasks.Structure("measured", pickle.dumps(net)))
        numbers = range(len(data))
        groups = [list(numbers[start : start + size]) for start in range(0, len(data), size)]
        given = client.submit(tasks.handed_on, data)
        self._loaded = [client.submit(tasks.load, self._structure, given, group, pure=False) for group in groups]
        client.gather(client.map(len, self._loaded))

    def _params(self):
        return self._client.submit(tasks.handed_on, self._net.params.copy(), pure=False)

    def arithmetic(self):
        """Seconds of a task's arithmetic, and seconds of a core, all workers at work."""
        params = self._params()
        futures = [
            self._client.submit(timed_sums, self._structure, params, loaded, 1, pure=False) for loaded in self._loaded
        ]
        return np.mean([future.result()[0] for future in futures], axis=0)

    def traffic(self):
        """Seconds of a core that a task takes beside its arithmetic: of scheduler and client, and of the worker.

        Those of steps that carry the parameters, all tasks, and all gradients, and have no arithmetic.
        """
        before = self._processor_times()
        self._idle_step()
        return (self._processor_times() - before) / len(self._loaded)

    def _processor_times(self):
        """Of this process, which client and scheduler are in, and of all workers."""
        return np.array([time.process_time(), sum(self._client.run(time.process_time).values())])

    def _idle_step(self):
        found = (0.0, np.zeros(0), 0)
        params = self._params()
        futures = [self._client.submit(idle, params, loaded, found, pure=False) for loaded in self._loaded]
        total = PairwiseSum()
        for future in futures:
            error, gradient, n = future.result()
            total.add((error, np.array(gradient), n))
        total.result()


def real_step(on_cluster, net):
    """Seconds of a step of `fastbp.dask`; the first one loads the data."""
    start = time.perf_counter()
    on_cluster.sums_of(net, list(range(len(on_cluster))), GRADIENT, 1)
    return time.perf_counter() - start


class Compared(NamedTuple):
    """A step, in seconds."""

    simulated: float
    real: float
    share: float  # of the machine's cores that was left by other programs


def compare(sizes, n_workers, n_partitions=32, n=1 << 10, n_rounds=9):
    """A step with workers on this machine: medians of what is measured in turn.

    Workers, scheduler and client share the machine's cores, with whatever else runs there: so all constants are seconds
    of a core. What others leave is seen by the workers: seconds of a core in a second, while all of them work.
    """
    from distributed import Client, LocalCluster

    net = fastbp.Network(sizes, seed=0)
    data = fastbp.data.partitions(lambda k: batch(k, sizes, n), n_partitions)
    n_tasks = tasks_of(n_workers, n_partitions)
    local = LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0")
    with local, Client(local) as client:
        measured = OnWorkers(client, net, data, n_partitions // n_tasks)
        on_cluster = OnCluster(client, data, None, None, keep=True)
        rounds = [
            (*measured.arithmetic(), *measured.traffic(), real_step(on_cluster, net)) for _ in range(n_rounds + 1)
        ][1:]  # the first one loads, and compiles
    clock, core, of_scheduler, of_worker, real = (median(times) for times in zip(*rounds, strict=True))
    known = Costs((core + of_worker) * n_tasks / (n * n_partitions), of_scheduler, 0.0, 0.0)
    n_cores = os.cpu_count()
    share = min(1.0, core / clock / Machine(n_cores).speed(n_workers))
    step = simulated(known, n * n_partitions, n_tasks, n_workers, Machine(n_cores, share))
    return Compared(step, real, share)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="real steps with 1, 2 and 4 workers on this machine")
    parser.add_argument("--task", type=float, default=0.008, help="seconds of a task beside its arithmetic")
    asked = parser.parse_args()
    print(f"seconds of a step over {N_SAMPLES:,} samples in 4,096 partitions; workers, and times as fast as one")
    for name, sizes in NETWORKS.items():
        net = fastbp.Network(sizes, seed=0)
        known = costs(net, asked.task, 0.02)
        steps = {w: simulated(known, N_SAMPLES, tasks_of(w, 4096), w) for w in WORKERS}
        print(f"{name} {sizes}: {known.sample * 1e6:.2f} us a sample, {net.params.nbytes / 1e6:.2f} MB of parameters")
        print("  " + "  ".join(f"{w}: {s:.3g} s ({steps[1] / s:.3g})" for w, s in steps.items()))
    for n_workers in (1, 2, 4) if asked.check else ():
        found = compare(NETWORKS["middling"], n_workers)
        print(
            f"{n_workers} workers, {os.cpu_count()} cores of which others left {found.share:.0%}: "
            f"{found.simulated:.3f} s simulated, {found.real:.3f} s real, {found.simulated / found.real - 1:+.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
