"""Damaged files: refused with the file's name, in bounded memory, or read as another network that makes sense."""

import random
import tracemalloc

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
    tracemalloc.start()
    try:
        net = read(path)
        assert np.isfinite(net.params).all()
        return False
    except ValueError as error:
        assert path.name in str(error)
        assert len(str(error)) < 2000
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * MEGABYTE + 60 * len(content)
