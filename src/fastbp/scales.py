"""A word about inputs of very different scales, which train badly as they are."""

import warnings

import numpy as np

from fastbp.checks import Array

ROWS_LOOKED_AT = 256
RATIO = 100.0  # of the largest deviation of a column to the smallest
LARGE = 10.0  # deviation from which on a column is not standardised


def warn_of_scales(x: Array) -> None:
    """Warn where the columns of the inputs (n_samples, n_inputs) have very different scales.

    A sample of the rows is looked at. Columns of one number do not count.
    """
    if x.shape[1] < 2 or len(x) < 2:
        return
    rows = x[:: max(1, len(x) // ROWS_LOOKED_AT)]
    with np.errstate(over="ignore", invalid="ignore"):
        deviations = rows.std(axis=0)
    varying = deviations > 0
    if varying.sum() < 2:
        return
    largest, smallest = int(deviations.argmax()), int(np.where(varying, deviations, np.inf).argmin())
    if deviations[largest] > LARGE and deviations[largest] > RATIO * deviations[smallest]:
        warnings.warn(
            f"columns of X have very different scales: column {largest} varies by {deviations[largest]:.3g}, column "
            f"{smallest} by {deviations[smallest]:.3g}. Training goes better on standardised columns: "
            "fastbp.TableEncoder (of tables) or scikit-learn's StandardScaler makes them",
            UserWarning,
            stacklevel=3,
        )
