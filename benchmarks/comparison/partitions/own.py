"""fastbp on samples in partitions: three ways to the same numbers."""

from functools import partial
from time import process_time

import numpy as np

import fastbp

from ..peers.fastbp_fit import Fastbp
from .work import N_EPOCHS, N_WORKERS, Clock, mapped


class Arrays:
    """`Network.fit` on arrays in memory."""

    def __init__(self, work, folder):
        self.work, self.folder = work, folder
        self.X, self.T = (np.array(array) for array in mapped(folder))
        self.clock = Clock
        self.options = {"epochs": N_EPOCHS, "shuffle": False, "n_threads": N_WORKERS}

    def turn(self):
        peer, clock = Fastbp(self.work.workload, self.X, self.T), self.clock()
        peer.load(self.work.start(self.X.dtype))
        self._fit(peer, callback=clock, **self.options)
        return clock.turn(peer.parameters().flat().tolist())

    def _fit(self, peer, **options):
        peer.net.fit(self.X, self.T, **options, **peer.options)

    def _partitions(self):
        files = (f"{self.folder}/{name}.npy" for name in "XT")
        return fastbp.data.memmap(*files, rows=self.work.rows, window=self.work.per_step)


class Streamed(Arrays):
    """`Network.fit` on partitions, which are read from the files again in each epoch."""

    def _fit(self, peer, **options):
        peer.net.fit(self._partitions(), **options, **peer.options)


class OnCluster(Arrays):
    """`fastbp.dask.fit`: workers of one thread hold the partitions, a task for each."""

    def __init__(self, work, folder, client):
        super().__init__(work, folder)
        self.client, self.clock = client, partial(Clock, partial(processor_time, client))
        self.options |= {"n_threads": 1}

    def _fit(self, peer, **options):
        import fastbp.dask

        own = {name: value for name, value in peer.options.items() if name != "batch_size"}
        n = self.work.per_step
        fastbp.dask.fit(self.client, peer.net, self._partitions(), partitions_per_step=n, **options, **own)


def processor_time(client):
    """Seconds of the workers, and of this process, which client and scheduler are in."""
    return process_time() + sum(client.run(process_time).values())
