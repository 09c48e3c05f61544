"""What takes time to make, and is kept for who wants one of its kind next."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Spares(Generic[T]):
    """Things by their kind. They are taken away while in use, so threads do not share them.

    Parameters
    ----------
    most : int
        How many are kept: those that came last.
    """

    def __init__(self, most: int) -> None:
        self._things: deque[tuple[Hashable, T]] = deque(maxlen=most)

    def take(self, kind: Hashable) -> T | None:
        """One of this kind, no longer kept; None if there is none."""
        for _ in range(len(self._things)):
            try:
                found = self._things.pop()
            except IndexError:  # another thread was sooner
                break
            if found[0] == kind:
                return found[1]
            self._things.appendleft(found)
        return None

    def keep(self, kind: Hashable, thing: T) -> None:
        """Keep a thing that nobody uses any more."""
        self._things.append((kind, thing))

    def clear(self) -> None:
        """Keep none."""
        self._things.clear()
