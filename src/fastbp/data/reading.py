"""The next thing is read by a thread while one is worked on."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from fastbp.data.partitions import EndOfStream

Key = TypeVar("Key")
Item = TypeVar("Item")


def ahead(read: Callable[[Key], Item], keys: Iterable[Key]) -> Iterator[Item]:
    """What `read` gives for each key in turn, each while the caller works on the one before.

    An error of `read` is raised when its turn comes. No more than one is ahead: two are in memory. Ctrl-C does not wait
    for a source that may never give anything, nor does the end of the process.
    """
    left = iter(keys)

    def begin() -> Future[Item] | None:
        for key in left:
            return _begun(read, key)
        return None

    coming = begin()
    while coming is not None:
        try:
            item = coming.result()
        except EndOfStream:
            return
        coming = begin()
        try:
            yield item
        except GeneratorExit:  # the caller has had enough; who comes next must not read at the same time
            if coming is not None:
                wait([coming])
            raise


def _begun(read: Callable[[Key], Item], key: Key) -> Future[Item]:
    """A call of `read` in a thread that no process waits for at its end, as it does for those of an executor."""
    future: Future[Item] = Future()

    def run() -> None:
        try:
            future.set_result(read(key))
        except BaseException as error:  # raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, name="fastbp-reading", daemon=True).start()
    return future
