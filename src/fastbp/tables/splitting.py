"""Which rows are held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def split_rows(strata: Rows, fraction: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Split row numbers at random into the kept ones and a `fraction`, the same in every stratum.

    Parameters
    ----------
    strata : array of int, (n_rows,)
        The class of each row; equal numbers when there are no classes.
    fraction : float
        Of the second part; at least one row, unless it is 0.
    rng : numpy.random.Generator
        Decides.

    Returns
    -------
    kept, taken : arrays of int
        Row numbers, ascending.
    """
    n_rows = len(strata)
    n_taken = max(1, round(fraction * n_rows)) if fraction > 0 else 0
    order = rng.permutation(n_rows)
    if strata.min() < strata.max():
        order = order[np.argsort(strata[order], kind="stable")]
        _, starts, counts = np.unique(strata[order], return_index=True, return_counts=True)
        # Row p of a class of c stands at (p + 1/2) / c: the lowest places are the same share of every class.
        place = (np.arange(n_rows) - np.repeat(starts, counts) + 0.5) / np.repeat(counts, counts)
        order = order[np.argsort(place, kind="stable")]
    taken = np.zeros(n_rows, dtype=bool)
    taken[order[:n_taken]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)
