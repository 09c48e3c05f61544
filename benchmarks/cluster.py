"""What a step on a cluster costs, simulated from constants that are measured here, and compared with real workers.

    python benchmarks/cluster.py            # measures, simulates 1 to 1,000 workers for three networks
    python benchmarks/cluster.py --real     # and trains with 1, 2 and 4 workers on this machine

`docs/scale.md` has the formula.
"""

import argparse
import heapq
import math
import time
from typing import NamedTuple

import numpy as np

import fastbp
from fastbp.dask.cluster import TASKS_PER_WORKER

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
    """Least time of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def gradient_seconds(net, n=1 << 14):
    """Seconds for a sample, on one thread."""
    draw = np.random.default_rng(0)
    x, t = draw.normal(size=(n, net.n_inputs)), draw.normal(size=(n, net.n_outputs))
    return seconds_of(lambda: net.gradient(x, t, n_threads=1)) / n


def scheduler_seconds(client, n=200):
    """Seconds that a task takes which does nothing, when the scheduler has many of them."""
    return seconds_of(lambda: client.gather([client.submit(int, k, pure=False) for k in range(n)])) / n


def costs(net, task, step):
    n_bytes = net.params.nbytes
    added = seconds_of(lambda: net.params + net.params)
    return Costs(gradient_seconds(net), task, step, n_bytes / LINK + added)


def simulated(known, n_samples, n_tasks, n_workers):
    """Seconds of a step: each task goes to the worker that is free first, results come to the client one by one."""
    free = [known.step] * n_workers
    heapq.heapify(free)
    sent = client = known.step
    work = known.sample * n_samples / n_tasks
    for _ in range(n_tasks):
        sent += known.task
        done = max(sent, heapq.heappop(free)) + work
        heapq.heappush(free, done)
        client = max(client, done) + known.gradient
    return client


def tasks_of(n_workers, n_partitions):
    """Tasks of a step, as `fastbp.dask` cuts them."""
    size = 1 << max(0, (n_partitions // (TASKS_PER_WORKER * n_workers)).bit_length() - 1)
    return math.ceil(n_partitions / size)


def batch(k, sizes, n):
    draw = np.random.default_rng(k)
    return draw.normal(size=(n, sizes[0])), draw.normal(size=(n, sizes[-1]))


def compare(sizes, n_workers, n_partitions=16, n=1 << 13, n_steps=5):
    """(simulated, real) seconds of a step, with workers on this machine."""
    from distributed import Client, LocalCluster

    net = fastbp.Network(sizes, seed=0)
    data = fastbp.data.partitions(lambda k: batch(k, sizes, n), n_partitions)
    local = LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        ends = []
        fastbp.dask.fit(
            client, net, data, solver="rprop", epochs=n_steps + 1, callback=lambda *_: ends.append(time.perf_counter()),
            n_threads=1,
        )  # fmt: skip
        task, step = scheduler_seconds(client), seconds_of(lambda: client.submit(int, 0, pure=False).result())
    real = min(np.diff(ends))
    return simulated(costs(net, task, step), n * n_partitions, tasks_of(n_workers, n_partitions), n_workers), real


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--real", action="store_true", help="train with 1, 2 and 4 workers on this machine")
    parser.add_argument("--task", type=float, default=0.008, help="seconds of a task beside its arithmetic")
    asked = parser.parse_args()
    print(f"seconds of a step over {N_SAMPLES:,} samples in 4,096 partitions; workers, and times as fast as one")
    for name, sizes in NETWORKS.items():
        net = fastbp.Network(sizes, seed=0)
        known = costs(net, asked.task, 0.02)
        steps = {w: simulated(known, N_SAMPLES, tasks_of(w, 4096), w) for w in WORKERS}
        print(f"{name} {sizes}: {known.sample * 1e6:.2f} us a sample, {net.params.nbytes / 1e6:.2f} MB of parameters")
        print("  " + "  ".join(f"{w}: {s:.3g} s ({steps[1] / s:.3g})" for w, s in steps.items()))
    for n_workers in (1, 2, 4) if asked.real else ():
        expected, real = compare(NETWORKS["middling"], n_workers)
        print(f"{n_workers} workers: {expected:.3f} s simulated, {real:.3f} s real, {expected / real - 1:+.0%}")


if __name__ == "__main__":
    main()
