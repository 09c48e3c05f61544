"""What is known of numbers before they are computed: between what they are, and how far off."""

from dataclasses import dataclass

import numpy as np

from fastbp.checks import Array


@dataclass(frozen=True, eq=False)
class Range:
    """Of each unit: between which numbers z is, and how far what stands for it is off."""

    low: Array
    high: Array
    error: Array

    @property
    def largest(self) -> Array:
        """max |z| of each unit."""
        return np.maximum(np.abs(self.low), np.abs(self.high))
