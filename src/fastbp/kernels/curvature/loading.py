"""Samples into a tile, and the memory of a whole job."""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.curvature.plan import tile_in
from fastbp.kernels.registers.lanes import Numbers, inlined, lanes, number, set_number, view


class Given(NamedTuple):
    """The user's samples in float64: C-contiguous; empty arrays stand for what is not there."""

    x: np.ndarray  # (n_samples, n_inputs)
    t: np.ndarray  # (n_samples, n_outputs)
    weight: np.ndarray  # (n_samples,)


class GivenViews(NamedTuple):
    """`Given` as views."""

    x: Numbers
    t: Numbers
    weight: Numbers
    n_samples: int
    n_inputs: int
    n_outputs: int
    has_targets: bool
    has_weight: bool


@kernel
def views_of_given(given):
    """The views of the samples."""
    return GivenViews(
        view(given.x), view(given.t), view(given.weight), len(given.x), given.x.shape[1], given.t.shape[1],
        len(given.t) > 0, len(given.weight) > 0,
    )  # fmt: skip


@kernel
def columns_to_rows(values, n_columns, start, n_samples, out, width):
    """out[i, s] = values[start + s, i]; the lanes behind the last sample get it once more."""
    for s in range(width):
        row = (start + min(s, n_samples - 1)) * n_columns
        for i in range(n_columns):
            set_number(out, i * width + s, number(values, row + i))


@kernel
def whole(n_samples, numbers):
    """Samples, filled up to whole registers."""
    return (n_samples + lanes(numbers) - 1) // lanes(numbers) * lanes(numbers)


@kernel
def load_tile(curve, given, numbers, start, n_samples):
    """A tile with the samples from `start` on; lanes without one have weight 0."""
    inlined()
    width = whole(n_samples, numbers)
    tile = tile_in(curve, numbers, n_samples, width)
    columns_to_rows(given.x, given.n_inputs, start, n_samples, tile.z, width)
    if given.has_targets:
        columns_to_rows(given.t, given.n_outputs, start, n_samples, tile.t, width)
    for s in range(width):
        weight = 1.0 if s < n_samples else 0.0
        if given.has_weight and s < n_samples:
            weight = number(given.weight, start + s)
        set_number(tile.weight, s, weight)
    return tile
