"""One process of PyTorch's DistributedDataParallel.

    python -m comparison.partitions.rank RANK STORE

A line of its input is a folder with X.npy and T.npy, and the work as JSON; it answers with its `Turn`.
"""

import json
import os
import sys

import numpy as np

from ..peers.pytorch import PyTorch
from .work import N_EPOCHS, N_WORKERS, Clock, Work, mapped


class Rank(PyTorch):
    """The rows of every batch that this process has; gradients are averaged over all of them."""

    def __init__(self, work, rank, X, T):
        parts = [part_of(array, work.workload.batch_size, rank) for array in (X, T)]
        super().__init__(work.workload, *parts)
        self.rows = work.workload.batch_size // N_WORKERS
        self.together = self.torch.nn.parallel.DistributedDataParallel(self.model)

    def _loss(self, x, t):
        return 0.5 * (self.together(x) - t).square().sum() / len(x)

    def turn(self, start):
        self.load(start)
        optimizer, clock = self._optimizer(), Clock()
        for _ in range(N_EPOCHS):
            for x, t in zip(self.X.split(self.rows), self.T.split(self.rows), strict=True):
                optimizer.zero_grad()
                self._loss(x, t).backward()
                optimizer.step()
            clock()
        return clock.turn(self.parameters().flat().tolist())


def part_of(array, batch_size, rank):
    """This rank's rows of each batch: the first half of it, or the second."""
    batches = array.reshape(-1, N_WORKERS, batch_size // N_WORKERS, array.shape[1])
    return np.ascontiguousarray(batches[:, rank]).reshape(-1, array.shape[1])


def main(rank, store):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{store}", rank=int(rank), world_size=N_WORKERS)
    for line in sys.stdin:
        folder, text = line.split(" ", 1)
        work = Work.from_json(text)
        X, T = mapped(folder)
        turn = Rank(work, int(rank), X, T).turn(work.start(X.dtype))
        print(json.dumps(turn), flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
