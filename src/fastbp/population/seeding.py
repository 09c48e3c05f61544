"""What `numpy.random.PCG64` of each of many seeds draws first, without a generator for each of them.

A generator takes ten times as long as what is drawn from it. NumPy promises these bits for good: a seed is spread over
256 bits by `SeedSequence`, of all seeds together here, and those begin a `PCG64`.
"""

from collections.abc import Sequence

import numpy as np

from fastbp.checks import Array

WORD = 0xFFFFFFFF  # 32 bits
POOL = 4  # words
# The constants of SeedSequence: what hashing begins with, and is multiplied by; and what words are mixed by
INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT, SHIFT = 0xCA01F9DD, 0x4973F715, np.uint32(16)
MULTIPLIER, MODULUS = 0x2360ED051FC65DA44385DF649FCCF645, 1 << 128  # PCG64's step


class _Hash:
    """SeedSequence's hash, whose constant goes on from one call to the next."""

    def __init__(self, constant: int, multiplier: int) -> None:
        self._constant, self._multiplier = constant, multiplier

    def __call__(self, words: Array) -> Array:
        words = words ^ np.uint32(self._constant)
        self._constant = self._constant * self._multiplier & WORD
        words = words * np.uint32(self._constant)
        return words ^ (words >> SHIFT)


def _mixed(x: Array, y: Array) -> Array:
    words: Array = x * np.uint32(MIX_LEFT) - y * np.uint32(MIX_RIGHT)
    mixed: Array = words ^ (words >> SHIFT)
    return mixed


def _states(seeds: Array) -> Array:
    """Eight words for each of some seeds of one word: `SeedSequence(seed).generate_state(8)`, (8, n)."""
    hashed = _Hash(INIT_A, MULT_A)
    pool = [hashed(seeds), *(hashed(np.zeros_like(seeds)) for _ in range(POOL - 1))]
    for source in range(POOL):
        for target in range(POOL):
            if source != target:
                pool[target] = _mixed(pool[target], hashed(pool[source]))
    drawn = _Hash(INIT_B, MULT_B)
    return np.array([drawn(pool[k % POOL]) for k in range(2 * POOL)])


def _first_bits(words: Sequence[int]) -> int:
    """The first 64 bits of a PCG64 that begins with these eight words, the low one of each two first."""
    state_high, state_low, step_high, step_low = (
        low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)
    )
    step = ((step_high << 64 | step_low) << 1 | 1) % MODULUS
    state = ((state_high << 64 | state_low) + step) * MULTIPLIER + step  # from 0, a step before and after the seed
    state = (state * MULTIPLIER + step) % MODULUS
    bits, turn = (state >> 64) ^ (state & (1 << 64) - 1), state >> 122
    return (bits >> turn | bits << (-turn & 63)) & (1 << 64) - 1


def first_bits(seeds: Sequence[int]) -> Array:
    """`np.random.PCG64(seed).random_raw()` of each seed: (n,) of uint64."""
    found = np.empty(len(seeds), np.uint64)
    short = np.array([seed <= WORD for seed in seeds], bool)
    states = _states(np.array([seed for seed in seeds if seed <= WORD], np.uint32))
    found[short] = np.array([_first_bits(words) for words in states.T.tolist()], np.uint64)
    for k in np.flatnonzero(~short).tolist():
        found[k] = np.random.PCG64(seeds[k]).random_raw()
    return found
