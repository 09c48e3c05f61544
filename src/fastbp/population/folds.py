"""Folds: which rows a network learns from, which stop it, and which it never sees, for an honest score."""

from typing import NamedTuple

import numpy as np

from fastbp.checks import Array


class Fold(NamedTuple):
    """Row numbers of one network of an ensemble."""

    training: Array
    validation: Array  # decides when its training stops
    unseen: Array  # it has no part in its training: the outputs for all folds' make the out-of-fold score


def folds_of(strata: Array, n_folds: int, rng: np.random.Generator) -> list[Fold]:
    """Cut rows into parts, with about the same share of each class in each.

    Fold k does not see part k, is stopped by the part after that, and learns from all others.

    Parameters
    ----------
    strata : array of int, (n_rows,)
        The class of each row; equal numbers without classes.
    n_folds : int
        At least 3.
    rng : numpy.random.Generator
        Decides which row goes where.

    Returns
    -------
    list of Fold
    """
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]  # classes one after the other, at random within
    parts = [np.sort(order[k::n_folds]) for k in range(n_folds)]
    found = []
    for k in range(n_folds):
        after = (k + 1) % n_folds
        rest = [part for place, part in enumerate(parts) if place not in (k, after)]
        found.append(Fold(np.sort(np.concatenate(rest)), parts[after], parts[k]))
    return found
