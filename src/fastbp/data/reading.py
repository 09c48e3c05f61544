"""The next thing is read by a thread while one is worked on."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fastbp.data.partitions import EndOfStream

Key = TypeVar("Key")
Item = TypeVar("Item")


def ahead(read: Callable[[Key], Item], keys: Iterable[Key]) -> Iterator[Item]:
    """What `read` gives for each key in turn, each while the caller works on the one before.

    An error of `read` is raised when its turn comes. No more than one is ahead: two are in memory.
    """
    left = iter(keys)
    with ThreadPoolExecutor(1, thread_name_prefix="fastbp-reading") as reader:

        def begin() -> Future[Item] | None:
            for key in left:
                return reader.submit(read, key)
            return None

        coming = begin()
        while coming is not None:
            try:
                item = coming.result()
            except EndOfStream:
                return
            coming = begin()
            yield item
