"""How much memory there is, so that what cannot fit is refused before anything is allocated."""

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

# Limits of the container's control group, version 2 and 1 (Linux).
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@cache
def total() -> int:
    """Bytes of memory of the machine, or of the container if it grants less; all that can be addressed if unknown."""
    found = [sys.maxsize]
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in LIMITS:
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(path.read_text()))
    return min(n for n in found if n > 0)


def check(n_bytes: int, argument: str, what: str) -> None:
    """Raise a MemoryError that names the argument if `n_bytes` for `what` are more than there are."""
    if n_bytes > total():
        raise MemoryError(f"{argument} must fit into memory: {what} take {n_bytes:,} bytes; there are {total():,}")
