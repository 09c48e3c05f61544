"""The process of all peers on partitions: it has two threads and cores, and the comparison itself has one of each.

    python -m comparison.partitions.worker 0,1

The cores that may be used are its argument. A line of its input is a job; it answers with what `done` returns.
"""

import json
import sys
from contextlib import ExitStack
from time import sleep

import numpy as np

from ..threads import pin
from ..timing import DIRECT_TOLERANCE, REST_SECONDS, TOLERANCE, agree
from .work import N_WORKERS, Work, mapped


class Running:
    """What is up before anything is timed: a cluster of Dask's, and PyTorch's processes; each when first asked for."""

    def __init__(self):
        self._stack, self._started = ExitStack(), {}

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return self._stack.__exit__(*problem)

    def _once(self, name, start):
        if name not in self._started:
            self._started[name] = self._stack.enter_context(start())
        return self._started[name]

    @property
    def client(self):
        from distributed import Client, LocalCluster

        local = {"n_workers": N_WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
        return self._once("client", lambda: Client(self._once("cluster", lambda: LocalCluster(**local))))

    @property
    def ranks(self):
        from .ddp import Ranks

        return self._once("ranks", Ranks)


def peer(name, work, folder, running):
    """One way to train, ready for its turns; libraries are imported when they are asked for, and not before `pin`."""
    from .ddp import Distributed
    from .incremental import Incremental
    from .own import Arrays, OnCluster, Streamed

    makers = {
        "arrays": lambda: Arrays(work, folder),
        "partitions": lambda: Streamed(work, folder),
        "cluster": lambda: OnCluster(work, folder, running.client),
        "ddp": lambda: Distributed(work, folder, running.ranks),
        "dask-ml": lambda: Incremental(work, folder),
        "dask-ml-cluster": lambda: Incremental(work, folder, running.client),
    }
    return makers[name]()


def validate(work, folder, flats):
    """({peer: way off the first one's parameters}, {peer: error at the end}), or an error if they are apart."""
    X, T = mapped(folder)
    dtype, what = X.dtype.name, f"{work.workload.title}, {X.dtype}"
    start = work.start(dtype).flat()
    deviations = agree({name: flat - start for name, flat in flats.items()}, what, TOLERANCE[dtype])
    errors = {name: work.error(flat, X, T) for name, flat in flats.items()}
    agree({name: np.array([error]) for name, error in errors.items()}, f"{what}: loss", DIRECT_TOLERANCE[dtype])
    return deviations, errors


def done(work, folder, names, repeats, running):
    """Turns of all peers in `repeats` rounds, after one that shows whether they arrive at the same numbers."""
    peers = {name: peer(name, work, folder, running) for name in names}
    flats = {name: np.array(each.turn().flat) for name, each in peers.items()}
    deviations, errors = validate(work, folder, flats)
    rounds = []
    for _ in range(repeats):
        rounds.append({})
        for name, each in peers.items():
            sleep(REST_SECONDS)  # the threads of the one before go to sleep
            rounds[-1][name] = each.turn()
    times = {kind: {name: [getattr(turn[name], kind) for turn in rounds] for name in names}
             for kind in ("wall", "processor")}  # fmt: skip
    return times | {"deviations": deviations, "errors": errors}


def main(cores):
    pin(N_WORKERS, [int(core) for core in cores.split(",")])
    with Running() as running:
        for line in sys.stdin:
            job = json.loads(line)
            work = Work.from_json(job.pop("work"))
            print(json.dumps(done(work, running=running, **job)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
