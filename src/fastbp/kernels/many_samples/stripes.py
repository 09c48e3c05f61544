"""What the passes over a tile have in common: rows of units, shares of the work."""

from typing import NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples.weighted_sums import Rows
from fastbp.kernels.registers.lanes import lanes, shift


@kernel
def rows_from(tile, values, j):
    """The rows of `values` (a, z or delta) from unit j on."""
    return Rows(shift(values, j * tile.stride), tile.stride)


@kernel
def ones_of(tile):
    """A register of ones, as the factors of `row_sums`."""
    return Rows(shift(tile.constants, lanes(tile.constants)), 0)


@kernel
def n_parts_of(n, most):
    """Number of parts of at most `most` samples. One, mostly: a division takes as long as a small layer."""
    return 1 if n <= most else (n + most - 1) // most


class Share(NamedTuple):
    """What one of several threads does of the work on a tile."""

    index: int
    n_shares: int


@kernel
def is_ours(share, place, n_places):
    """Whether the work at one of n_places places belongs to this share: an even part of them, one after the other."""
    return share.n_shares == 1 or place * share.n_shares // n_places == share.index
