"""Damaged files: refused with the file's name, in bounded memory, or read as another network that makes sense."""

import contextlib
import random
import tracemalloc
from pathlib import Path

import numpy as np

MEGABYTE = 1 << 20
PIECES = [
    b"nan",
    b"inf",
    b"-1",
    b"1e999",
    b"999999999999",
    b"0",
    b"(",
    b")",
    b"[",
    b"\xff",
    b"\x80\x80\x80\x80\x01",
    b"",
]


def damaged(content, n, seed=0):
    """Yield n files: with bits flipped, cut, with pieces put in, left out or doubled."""
    draws = random.Random(seed)
    for k in range(n):
        altered = bytearray(content)
        place, length = draws.randrange(len(content)), draws.choice([1, 2, 8, 40])
        if k % 4 == 0:
            altered[place] ^= 1 << draws.randrange(8)
        elif k % 4 == 1:
            altered = altered[:place]
        elif k % 4 == 2:
            altered[place : place + draws.choice([0, 1, 8])] = draws.choice(PIECES)
        else:
            altered[place:place] = altered[place : place + length]
        yield bytes(altered)


def assert_refused_or_read(path, content, read):
    """Return whether a file is refused: by a ValueError that names it, in bounded memory."""
    path.write_bytes(content)
    with bounded_memory(16 * MEGABYTE + 60 * len(content)):
        try:
            net = read(path)
        except ValueError as error:
            assert path.name in str(error)
            assert len(str(error)) < 2000
            return True
        assert np.isfinite(net.params).all()
        return False


@contextlib.contextmanager
def bounded_memory(most):
    """Fail if more bytes are taken meanwhile: of Python and NumPy, and of the process where the system tells it."""
    PEAK.exists() and PEAK.write_text("5")  # the highest use so far is forgotten
    before = resident("VmRSS")
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= most
    assert resident("VmHWM") - before <= most + 4 * MEGABYTE  # tracemalloc's own, and what the allocator keeps


PEAK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def resident(name):
    """Return a number of bytes from the process's status; 0 where there is none."""
    if not STATUS.exists():
        return 0
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
