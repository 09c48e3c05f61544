"""How numbers are brought to one scale: by mean and deviation, or by median and quartiles with smooth clipping.

The second is that of Holzmüller, Grinsztajn and Steinwart, "Better by default" (2024): a few values far out neither
press all others together nor reach the network as they are.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fastbp.tables.errors import TableError

Floats = NDArray[np.float64]
Scaling = Literal["standard", "robust"]

SCALINGS: tuple[str, ...] = get_args(Scaling)
END = 3.0  # what smooth clipping never goes beyond
_AT_END = 1e9  # from where on the result is END to the last bit: larger numbers have squares that overflow


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
        centre, scale = _robust(values) if scaling == "robust" else (float(values.mean()), float(values.std()))
    return scale_of(name, centre, scale)


def scale_of(name: str, centre: float, scale: float) -> tuple[float, float]:
    """Return both where they are finite; the scale is exactly 0 where it is no more than rounding."""
    if not np.isfinite([centre, scale]).all():
        raise TableError(f"column {name!r} holds numbers too large to standardise")
    return centre, 0.0 if _is_rounding(scale, centre) else scale


def _robust(values: Floats) -> tuple[float, float]:
    lower, median, upper = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    distance = upper - lower
    if _is_rounding(distance, median):
        distance = 0.5 * (float(values.max()) - float(values.min()))
    return median, distance


def _is_rounding(scale: float, centre: float) -> bool:
    """Whether a scale is 0 but for rounding: the mean of equal numbers is rounded, and so their deviation is not 0."""
    return scale <= 8 * float(np.finfo(float).eps) * abs(centre) or scale < 1e-300


def scaled(values: Floats, centre: float, scale: float, scaling: Scaling) -> Floats:
    """Return values as the network has them; those of robust scaling are smoothly clipped."""
    with np.errstate(over="ignore"):
        x: Floats = (values - centre) / scale
    return smoothly_clipped(x) if scaling == "robust" else x


def smoothly_clipped(x: Floats) -> Floats:
    """Return x / sqrt(1 + (x / 3)**2): about x where that is small, and between -3 and 3 wherever it is."""
    bounded = np.clip(x, -_AT_END, _AT_END)
    clipped: Floats = bounded / np.sqrt(1.0 + (bounded / END) ** 2)
    return clipped
