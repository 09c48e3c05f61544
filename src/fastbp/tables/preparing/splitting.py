"""Which rows of a table are learnt from, watched, and held out for the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.preparing.preparation import Prepared

Rows = NDArray[np.int64]

FEWEST_TO_SPLIT = 10  # rows; with fewer nothing is held out
VALIDATION_FRACTION = 0.1  # of the rows that are not held out


@dataclass(frozen=True)
class Split:
    """Row numbers: what the gradient sees, what stops the training, what is held out for the score."""

    training: Rows
    validation: Rows
    test: Rows

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each part."""
        return {
            "training": len(self.training),
            "validation": len(self.validation),
            "held_out": len(self.test),
        }


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


def split_table(prepared: Prepared, seed: int, test_fraction: float, stops_early: bool) -> Split:
    """Split the rows of a table: each class keeps its share; of very few rows, none is held out."""
    codes, n_rows = _class_codes(prepared), prepared.n_rows
    strata = np.zeros(n_rows, dtype=np.int64) if codes is None else codes
    few = n_rows < FEWEST_TO_SPLIT
    rng = np.random.default_rng(seed)
    kept, test = split_rows(strata, 0.0 if few else test_fraction, rng)
    part, validation = split_rows(strata[kept], VALIDATION_FRACTION if stops_early and not few else 0.0, rng)
    return Split(kept[part], kept[validation], test)


def _class_codes(prepared: Prepared) -> Rows | None:
    """Return a number for each row's class, so that splits keep their shares; None for numbers."""
    if prepared.task == "regression":
        return None
    column = prepared.targets[0]
    values = column.values if column.text is None else column.text
    levels = values.drop_nulls().unique().sort()
    ranks = pl.Series(range(1, len(levels) + 1), dtype=pl.Int64)
    codes: Rows = values.replace_strict(levels, ranks, default=0, return_dtype=pl.Int64).to_numpy()
    return codes
