"""Random numbers: splitmix64, Steele, Lea and Flood (2014). One after the other, or any of them by its number."""

import numpy as np

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import number, set_number

GOLDEN = 0x9E3779B97F4A7C15


@kernel
def mix(x):
    """64 bits, each of which hangs on all bits of x."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def next_random(state):
    """The next 64 random bits of a state, which moves on."""
    x = number(state, 0) + np.uint64(GOLDEN)
    set_number(state, 0, x)
    return mix(x)


@kernel
def nth_random(key, n):
    """The same bits as number n, from 0 on, that follows the state `key`."""
    return mix(key + np.uint64(n + 1) * np.uint64(GOLDEN))
