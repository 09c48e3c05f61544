"""How much memory there is, so that what cannot fit is refused before anything is allocated."""

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

# Limits of the container's control group, version 2 and 1 (Linux).
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
GROUPS = Path("/proc/self/cgroup")  # the groups of this process, below those
MEMINFO = Path("/proc/meminfo")


@cache
def total() -> int:
    """Bytes of memory of the machine, or of the container if it grants less; all that can be addressed if unknown."""
    found = [sys.maxsize]
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _limits():
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(path.read_text()))
    return min(n for n in found if n > 0)


def available() -> int:
    """Bytes that can still be taken: of the machine, its swap included, and of the groups of the process."""
    found = [total()]
    with suppress(OSError, KeyError, ValueError):
        lines = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        found.append(sum(int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree")))
    for path in _limits():
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()) - _used(path.parent))
    return max(0, min(found))


def check(n_bytes: int, argument: str, what: str) -> None:
    """Raise a MemoryError that names the argument if `n_bytes` for `what` are more than there are."""
    if n_bytes > total():
        raise MemoryError(f"{argument} must fit into memory: {what} take {n_bytes:,} bytes; there are {total():,}")


def check_copy(n_bytes: int, argument: str, dtype: str) -> None:
    """Raise a MemoryError before `n_bytes` are taken for a copy of a user's array, if there are not so many left."""
    left = available()
    if n_bytes > left:
        raise MemoryError(
            f"{argument} must fit into memory: its copy in {dtype} takes {n_bytes:,} bytes; {left:,} are left. "
            f"A C-contiguous array of {dtype} is not copied"
        )


def _limits() -> list[Path]:
    """The files with the limits of the groups of this process, and of those around them."""
    paths = set(LIMITS)
    with suppress(OSError):
        for line in GROUPS.read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            root = LIMITS[0] if number == "0" else LIMITS[1] if "memory" in controllers.split(",") else None
            if root is not None:
                inner = root.parent / group.lstrip("/")
                paths |= {folder / root.name for folder in (inner, *inner.parents) if root.parent in folder.parents}
    return sorted(paths)


def _used(group: Path) -> int:
    """Bytes that a control group uses, but for files' pages, which the system gives up when memory is short."""
    current = next(path for name in ("memory.current", "memory.usage_in_bytes") if (path := group / name).exists())
    numbers = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    files = sum(int(numbers.get(name, 0)) for name in ("inactive_file", "active_file"))
    return int(current.read_text()) - files
