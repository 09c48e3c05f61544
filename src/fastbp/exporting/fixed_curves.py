"""Activation functions in fixed point: tables between whose entries lines are drawn, and how far off that can be.

Between entries a step delta apart, a function is off its chord by at most max |h''| delta**2 / 8; and an error e of its
argument moves it by at most max |h'| e. Where a function is as good as constant, its table ends.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastbp.activations import ACTIVATIONS
from fastbp.checks import Array
from fastbp.kernels.formulas.activations import SELU_LOWEST

TABLE_BITS = 15  # of an entry, besides its sign
REST_BITS = 14  # of the place between two entries: times a difference of entries it fits into 31 bits
MOST_ENTRIES = {8: 256, 16: 2048}
LARGEST_EXPONENT = 20.0


class Bounds(NamedTuple):
    """Of a function: max |h'|, max |h''|; where it is constant, below and above, but for an error `tail`."""

    slope: float
    bend: float
    low: float = -math.inf
    high: float = math.inf
    tail: float = 0.0


# exp is bounded by what its argument is. h' of gelu, silu and mish have their extremes where h'' is 0: at sqrt(2), 2.4
# and 1.49. The bends of selu and of the ramp are those of each side of their kinks, which are entries of the table.
BOUNDS = {
    "tanh": Bounds(1.0, 4 / (3 * math.sqrt(3)), -8.0, 8.0, 2.3e-7),
    "logistic": Bounds(0.25, 1 / (6 * math.sqrt(3)), -16.0, 16.0, 1.2e-7),
    "elu": Bounds(1.0, 1.0, low=-16.0, tail=1.2e-7),
    "softplus": Bounds(1.0, 0.25, low=-16.0, tail=1.2e-7),
    "softsign": Bounds(1.0, 2.0),
    "gelu": Bounds(1.13, 0.8, low=-6.0, tail=6e-9),
    "silu": Bounds(1.1, 0.5, low=-20.0, tail=4.2e-8),
    "selu": Bounds(SELU_LOWEST, SELU_LOWEST, low=-16.0, tail=2.0e-7),
    "mish": Bounds(1.0885, 0.645, low=-20.0, tail=4.2e-8),
    "ramp": Bounds(1.0, 0.0, 0.0, 1.0),
    "sin": Bounds(1.0, 1.0),
    "gaussian": Bounds(math.sqrt(2 / math.e), 2.0, -4.0, 4.0, 1.2e-7),
    "exp": Bounds(math.nan, math.nan, low=-16.0, tail=1.2e-7),
}


def bounds_of(function: str, high: float) -> Bounds:
    """Those of a function of arguments up to `high`."""
    if function != "exp":
        return BOUNDS[function]
    return BOUNDS[function]._replace(slope=math.exp(high), bend=math.exp(high))


@dataclass(frozen=True, eq=False)
class Curve:
    """h from a table: entries at (first + k) 2**shift, k = 0 ..., in units of the sums; 2**scale of them are 1.

    `error`: how far a value is off, at most, with that of its argument times `slope`. `low`, `high`: where values are.
    """

    first: int
    shift: int
    scale: int
    entries: Array
    error: float
    slope: float
    low: float
    high: float

    def __call__(self, sums: Array) -> Array:
        """Values for whole numbers, as the C file computes them."""
        last = len(self.entries) - 1
        place = np.clip(sums - (self.first << self.shift), 0, last << self.shift)
        k = np.minimum(place >> self.shift, last - 1)
        rest, bits = place - (k << self.shift), self.rest_bits
        rest = rest >> (self.shift - bits)
        left, right = self.entries[k], self.entries[k + 1]
        values: Array = left + rounded((right - left) * rest, bits)
        return values

    @property
    def rest_bits(self) -> int:
        """Bits of the place between two entries that count."""
        return min(self.shift, REST_BITS)


def rounded(numbers: Array, bits: int) -> Array:
    """Whole numbers divided by 2**bits, rounded to the nearest, halves up."""
    return (numbers + ((1 << bits) >> 1)) >> bits


def curve(function: str, sums_scale: int, low: float, high: float, bits: int) -> Curve:
    """The table of a function of sums between `low` and `high`, of which 2**sums_scale are 1."""
    if function == "exp" and high > LARGEST_EXPONENT:
        raise ValueError(f"sums of 'exp' must be bounded by {LARGEST_EXPONENT:g} in fixed point; got {high:.3g}")
    bounds = bounds_of(function, high)
    low, high = min(max(low, bounds.low), bounds.high), max(min(high, bounds.high), bounds.low)
    p = min(sums_scale, math.floor(math.log2(MOST_ENTRIES[bits] / max(high - low, 1e-3))))
    step = 2.0**-p
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    values = function_of(function, step * np.arange(first, last + 1))
    bend = bounds.bend * step**2 / 8
    z_low, z_high = float(values.min()) - bend, float(values.max()) + bend
    scale = math.floor(math.log2((1 << TABLE_BITS) / max(-z_low, z_high, 2.0**-TABLE_BITS)))
    unit = 2.0**-scale
    entries = np.minimum(np.rint(values / unit).astype(np.int64), (1 << TABLE_BITS) - 1)
    shift = sums_scale - p
    error = bend + bounds.tail + float(np.abs(entries * unit - values).max()) + unit / 2
    if shift > REST_BITS:  # places between entries are cut off to as many bits
        error += bounds.slope * step * 2.0**-REST_BITS
    return Curve(first, shift, scale, entries, error, bounds.slope, z_low, z_high)


def function_of(function: str, a: Array) -> Array:
    """h(a) in double precision, as the kernels compute it."""
    return ACTIVATIONS[function].h(a)
