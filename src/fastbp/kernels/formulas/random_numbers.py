"""Random numbers: splitmix64, Steele, Lea and Flood (2014), any of them by its number."""

import numpy as np

from fastbp.kernels.compiling.decorators import kernel

GOLDEN = 0x9E3779B97F4A7C15


@kernel
def mix(x):
    """64 bits, each of which depends on all bits of x."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def nth_random(key, n):
    """64 random bits: number n, from 0 on, of those that follow the state `key`."""
    return mix(state_after(key, n + 1))


@kernel
def state_after(key, n):
    """The state that n numbers after `key` leave."""
    return key + np.uint64(n) * np.uint64(GOLDEN)
