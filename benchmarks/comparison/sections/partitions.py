"""Samples in partitions: steps of large batches beside PyTorch's processes, a linear model beside dask-ml."""

import json
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from ..children import Worker
from ..measure import Row, say
from ..partitions.work import N_WORKERS, Work
from ..tables import Outcome, Table, digits
from ..workloads import Workload

LABELS = {
    "arrays": "fastbp, arrays",
    "partitions": "fastbp, partitions",
    "cluster": "fastbp.dask",
    "ddp": "PyTorch DDP",
    "dask-ml": "dask-ml, threads",
    "dask-ml-cluster": "dask-ml, cluster",
}
NEEDS = {"cluster": "distributed", "ddp": "torch", "dask-ml": "dask_ml", "dask-ml-cluster": "dask_ml"}
OTHERS = {"ddp": "torch", "dask-ml": "sklearn", "dask-ml-cluster": "sklearn"}  # whose name --peers knows them by


class Kind(NamedTuple):
    """Works that have the same peers."""

    title: str
    what: str  # is timed
    works: list[Work]
    peers: tuple[str, ...]

    def per_epoch(self, work):
        """How many times what is timed happens in an epoch."""
        return work.workload.n_updates if self.what == "step" else 1


def _work(sizes, rows, batch_size, activation="tanh", solver="adam"):
    return Work(Workload("", sizes, 8 * rows, batch_size, activation, solver, 0.001), rows)


# Steps of some tens of milliseconds and more; partitions of 10 MiB (float64), and of 3.4.
STEPS = Kind(
    "A step of Adam with a large batch, 4 of them in an epoch",
    "step",
    [_work((20, 32, 1), 65_536, 131_072), _work((100, 256, 256, 10), 4096, 8192, "relu")],
    ("arrays", "partitions", "cluster", "ddp"),
)
LINEAR = Kind(
    "An epoch of a linear model, a sample a step",
    "epoch",
    [_work((20, 1), 65_536, 1, solver="sgd")],
    ("arrays", "partitions", "dask-ml", "dask-ml-cluster"),
)
HIDDEN = Kind(
    "An epoch of a network on the same data",
    "epoch",
    [_work((20, 32, 1), 65_536, 256)],
    ("arrays", "partitions"),
)


def run(setup, done):
    """All kinds in a process of its own, which starts the others."""
    if len(setup.cores) < N_WORKERS:
        say(f"partitions: left out, it takes {N_WORKERS} cores")
        return Outcome("partitions", [], [])
    rows, tables = [], []
    with Worker("partitions.worker", ",".join(map(str, setup.cores))) as worker:
        for kind in (STEPS, LINEAR, HIDDEN):
            found = [_row(setup, worker, kind, work, dtype) for work in kind.works for dtype in setup.dtypes]
            rows += found
            tables += tables_of(kind, found)
    return Outcome("partitions", rows, tables)


def missing(setup, kind):
    """{peer: why it has no time}, of those that were asked for."""
    asked = [name for name in kind.peers if name not in OTHERS or OTHERS[name] in setup.peers | setup.problems]
    return {name: "not installed" for name in asked if name in NEEDS and find_spec(NEEDS[name]) is None}


def _row(setup, worker, kind, work, dtype):
    absent = missing(setup, kind)
    names = [name for name in kind.peers if name not in absent and OTHERS.get(name, "fastbp") in setup.peers]
    title = f"{work.workload.shape}, {work.workload.n_samples:,}, {work.workload.batch_size:,}"
    say(f"partitions: {title}, {dtype}")
    with TemporaryDirectory() as folder:
        work.write(folder, dtype)
        job = {"folder": folder, "work": work.to_json(), "names": names, "repeats": setup.repeats}
        answer = worker.ask(json.dumps(job))
    n = kind.per_epoch(work)
    wall, processor = (
        {name: np.array(times) / n for name, times in answer[what].items()} for what in ("wall", "processor")
    )
    details = {"processor": processor, "errors": answer["errors"]}
    return Row(title, dtype, wall, {dtype: answer["deviations"]}, absent, details=details)


def tables_of(kind, rows):
    """By the clock, and by the processor time of all processes."""
    names = [name for name in kind.peers if name in rows[0].seconds | rows[0].absent]
    ratios = [(other, own) for other in names if other in OTHERS for own in names if own not in OTHERS]
    columns = ["", "dtype", *(LABELS[name] for name in names), *(f"{LABELS[a]} / {LABELS[b]}" for a, b in ratios)]
    times = {"clock": lambda row: row.seconds, "processor time": lambda row: row.details["processor"]}
    return [
        Table(f"{kind.title} (ms, {what})", columns, [_cells(row, of(row), names, ratios) for row in rows])
        for what, of in times.items()
    ]


def _cells(row, seconds, names, ratios):
    of_names = [
        digits(1e3 * np.median(seconds[name])) if name in seconds else row.absent.get(name, "-") for name in names
    ]
    of_ratios = [
        digits(np.median(seconds[a] / seconds[b])) if a in seconds and b in seconds else "-" for a, b in ratios
    ]
    return [row.title, row.dtype, *of_names, *of_ratios]
