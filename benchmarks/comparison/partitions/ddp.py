"""PyTorch's DistributedDataParallel: processes of one thread each, each with its rows of every batch."""

from contextlib import ExitStack
from tempfile import TemporaryDirectory

from ..children import Worker
from .work import N_WORKERS, Turn


class Ranks:
    """The processes, which know each other by a file and talk over the loopback device."""

    def __init__(self):
        self._stack = ExitStack()
        store = self._stack.enter_context(TemporaryDirectory()) + "/store"
        start = [Worker("partitions.rank", rank, store) for rank in range(N_WORKERS)]
        self._workers = [self._stack.enter_context(worker) for worker in start]

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return self._stack.__exit__(*problem)

    def ask(self, text):
        """All of them work at the same time."""
        for worker in self._workers:
            worker.tell(text)
        return [worker.answer() for worker in self._workers]


class Distributed:
    """A training by all ranks together."""

    def __init__(self, work, folder, ranks):
        self._request, self._ranks = f"{folder} {work.to_json()}", ranks

    def turn(self):
        turns = [Turn(*answer) for answer in self._ranks.ask(self._request)]
        if any(turn.flat != turns[0].flat for turn in turns):
            raise RuntimeError("the ranks of PyTorch end with different parameters")
        return Turn(max(turn.wall for turn in turns), sum(turn.processor for turn in turns), turns[0].flat)
