"""Robust scaling with smooth clipping, of columns of numbers that have values far out.

It is that of Holzmüller, Grinsztajn and Steinwart, "Better by default" (2024): a few values far out neither press all
others together nor reach the network as they are.
"""

import numpy as np

from fastbp.checks import Array

END = 3.0  # what smooth clipping never goes beyond
AT_END = 1e9  # from where on the result is END to the last bit: larger numbers have squares that overflow


def median_and_scale(values: Array) -> tuple[float, float]:
    """The median, and the distance of the quartiles, or half of the range where the quartiles are one number."""
    lower, median, upper = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    distance = upper - lower
    if is_rounding(distance, median):
        distance = 0.5 * (float(values.max()) - float(values.min()))
    return median, distance


def is_rounding(scale: float, centre: float) -> bool:
    """Whether a scale is 0 but for rounding: the mean of equal numbers is rounded, and so their deviation is not 0."""
    return scale <= 8 * float(np.finfo(float).eps) * abs(centre) or scale < 1e-300


def smoothly_clipped(x: Array) -> Array:
    """x / sqrt(1 + (x / 3)**2): about x where that is small, and between -3 and 3 wherever it is."""
    bounded = np.clip(x, -AT_END, AT_END)
    clipped: Array = bounded / np.sqrt(1.0 + (bounded / END) ** 2)
    return clipped
