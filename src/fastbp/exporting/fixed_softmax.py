"""Softmax in whole numbers: exp(-d) = 2**-u, u = d / ln 2: a shift by what is before the point, a table of the rest."""

import math

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.fixed_ranges import Range

PLACES = 20  # bits behind the point of d and u
LARGEST = 22  # of d: exp(-22) is below the last bit of a power
LOG2_E = round(math.log2(math.e) * 2**PLACES)
TABLE_PLACES = 8  # bits of u behind the point that choose an entry
POWER_BITS = 24
SCALE = 16  # of outputs
POWERS = np.rint(2.0 ** (POWER_BITS - np.arange(2**TABLE_PLACES + 1) / 2**TABLE_PLACES)).astype(np.int64)


def softmax(sums: Array, sums_scale: int) -> Array:
    """Outputs for whole numbers (n_samples, n), 2**sums_scale of which are 1, as the C file computes them."""
    d = sums.max(axis=1, keepdims=True) - sums
    d = np.minimum(d, LARGEST << sums_scale if sums_scale >= 0 else LARGEST)
    d = d >> (sums_scale - PLACES) if sums_scale > PLACES else d << (PLACES - sums_scale)
    u = (np.minimum(d, LARGEST << PLACES) * LOG2_E) >> PLACES
    rest_bits = PLACES - TABLE_PLACES
    k, rest = (u >> rest_bits) & (2**TABLE_PLACES - 1), u & (2**rest_bits - 1)
    powers = (POWERS[k] - (((POWERS[k] - POWERS[k + 1]) * rest) >> rest_bits)) >> (u >> PLACES)
    total = powers.sum(axis=1, keepdims=True)
    y: Array = ((powers << SCALE) + (total >> 1)) // total
    return y


def softmax_error(error: Array, sums_scale: int) -> tuple[Range, int]:
    """What is known of the outputs, and their scale.

    An error e of each a moves y_k by up to 2 e y_k (1 - y_k) <= e / 2, and so does one relative error e of all powers.
    """
    n = len(error)
    of_u = 2.0**-PLACES * (2 + LARGEST)  # d and u are cut off; LOG2_E is rounded
    relative = of_u * math.log(2) + (math.log(2) / 2**TABLE_PLACES) ** 2 / 8
    absolute = 3.0 * 2.0**-POWER_BITS + math.exp(-LARGEST)  # of the table, of its lines, of the shift; of the largest d
    by_powers = relative / 2 * math.exp(2 * relative) + (n + 1) * absolute / (1 - min(n * absolute, 0.5))
    total = float(error.max()) / 2 + by_powers + 2.0**-SCALE
    return Range(np.zeros(n), np.ones(n), np.full(n, min(total, 1.0))), SCALE
