"""Partitions that are summed by tasks on a cluster."""

import pickle
import uuid
from typing import Any

import numpy as np

from fastbp.dask import tasks
from fastbp.data.partitions import Partition, Partitions, Summable
from fastbp.data.sums import PairwiseSum, Term

TASKS_PER_WORKER = 4  # of a step: a worker that is slow, or late, has fewer of them


class OnCluster(Partitions):
    """Partitions whose errors and gradients are added up by workers.

    Parameters
    ----------
    client : distributed.Client
    data : Partitions
        That workers can read: files by paths that all of them know, or functions.
    per_step : int or None
        Partitions in a step; None: all.
    per_task : int or None
        Partitions in a task, a power of 2; None: so many that each worker has about four tasks in a step.
    keep : bool
        Whether workers keep in memory what they have loaded.
    """

    def __init__(
        self, client: Any, data: Partitions, per_step: int | None, per_task: int | None, *, keep: bool
    ) -> None:
        super().__init__(len(data), data.window)
        self._client, self._inner, self._keep = client, data, keep
        self.per_step, self._per_task = per_step, per_task
        self._token, self._n_steps = uuid.uuid4().hex, 0
        self._structures: dict[str, Any] = {}  # of each dtype: minimisers work in float64, whatever the network's is
        self._data: Any = None
        self._loaded: dict[tuple[Any, ...], Any] = {}
        self._workers: set[str] = set()

    def _read(self, k: int) -> Partition:
        return self._inner.read(k)

    def place(self, k: int) -> str:
        """See `Partitions`."""
        return self._inner.place(k)

    @property
    def description(self) -> dict[str, Any]:
        """See `Partitions`: those of the data, and how they are cut into steps; not of the cluster."""
        return self._inner.description | {"per_step": self.per_step}

    def sums_of(self, net: Summable, numbers: list[int], wanted: Any, n_threads: int | None) -> Term:
        """See `Partitions`."""
        structure = self._begin(net)
        self._n_steps += 1
        params = self._client.submit(
            tasks.handed_on, net.params.copy(), key=f"fastbp-params-{self._token}-{self._n_steps}"
        )
        futures = [self._sum(structure, params, group, wanted, n_threads) for group in self._groups(numbers)]
        total = PairwiseSum()
        for future in futures:
            error, gradient, n_samples = future.result()
            total.add((error, np.array(gradient), n_samples))  # what came over the network is read-only
        return total.result()

    def _begin(self, net: Summable) -> Any:
        """Send what does not change, and see which workers there are; returns the network without its parameters."""
        dtype, submit = net.params.dtype.name, self._client.submit
        if self._data is None:
            self._data = submit(tasks.handed_on, self._inner, key=f"fastbp-data-{self._token}")
        if dtype not in self._structures:
            token = f"{self._token}-{dtype}"
            structure = tasks.Structure(token, pickle.dumps(net))
            self._structures[dtype] = submit(tasks.handed_on, structure, key=f"fastbp-network-{token}")
        workers = set(self._client.nthreads())
        if self._loaded and workers - self._workers:  # who has joined takes some of what others have loaded
            self._client.rebalance(list(self._loaded.values()))
        self._workers = workers
        return self._structures[dtype]

    def _groups(self, numbers: list[int]) -> list[list[int]]:
        """Partitions of each task: 2**m of them, so that their sum is a part of the tree."""
        size = self._per_task
        if size is None:
            most = len(numbers) // (TASKS_PER_WORKER * max(1, len(self._workers)))
            size = 1 if self.per_step is not None else 1 << max(0, most.bit_length() - 1)
            self._per_task = size  # as long as the data are kept, so are the groups
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def _sum(self, structure: Any, params: Any, group: list[int], wanted: Any, n_threads: int | None) -> Any:
        submit = self._client.submit
        if not self._keep:
            return submit(tasks.load_and_sum, structure, params, self._data, group, wanted, n_threads, pure=False)
        # Steps over all have the same groups each time; others draw theirs anew, and keep each partition by itself.
        kept = [group] if self.per_step is None else [[k] for k in group]
        loaded = [self._load(structure, numbers) for numbers in kept]
        return submit(tasks.sums, structure, params, loaded, wanted, n_threads, pure=False)

    def _load(self, structure: Any, numbers: list[int]) -> Any:
        """Some partitions in a worker's memory, loaded by the first step that asks for them."""
        key = (structure.key, *numbers)
        if key not in self._loaded:
            self._loaded[key] = self._client.submit(tasks.load, structure, self._data, numbers, pure=False)
        return self._loaded[key]
