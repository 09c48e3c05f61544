"""How columns of numbers are brought to one scale: by mean and deviation, or by median and quartiles with clipping."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fastbp.scaling import is_rounding, median_and_scale, smoothly_clipped
from fastbp.tables.cells.errors import TableError

Floats = NDArray[np.float64]
Scaling = Literal["standard", "robust"]

SCALINGS: tuple[str, ...] = get_args(Scaling)


def centre_and_scale(name: str, values: Floats, scaling: Scaling = "standard") -> tuple[float, float]:
    """Return what is subtracted from a column's values, and what the difference is divided by.

    Parameters
    ----------
    name : str
        The column's, for the error.
    values : array
        Those of the training rows that are not missing.
    scaling : "standard" or "robust"
        Mean and standard deviation; or the median and the distance of the quartiles, of which half of the range takes
        the place where the quartiles are one number.

    Returns
    -------
    centre, scale : float
        The scale is exactly 0 when the values are one value, or none.

    Raises
    ------
    TableError
        For numbers so large that these are infinite.
    """
    if len(values) == 0:
        return 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        centre, scale = median_and_scale(values) if scaling == "robust" else (float(values.mean()), float(values.std()))
    return scale_of(name, centre, scale)


def scale_of(name: str, centre: float, scale: float) -> tuple[float, float]:
    """Return both where they are finite; the scale is exactly 0 where it is no more than rounding."""
    if not np.isfinite([centre, scale]).all():
        raise TableError(f"column {name!r} holds numbers too large to standardise")
    return centre, 0.0 if is_rounding(scale, centre) else scale


def scaled(values: Floats, centre: float, scale: float, scaling: Scaling) -> Floats:
    """Return values as the network has them; those of robust scaling are smoothly clipped."""
    with np.errstate(over="ignore"):
        x: Floats = (values - centre) / scale
    return smoothly_clipped(x) if scaling == "robust" else x
