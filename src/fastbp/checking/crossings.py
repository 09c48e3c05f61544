"""Networks that cross each threshold of this machine's kernels, and what they should compute: for `self_check`.

By NumPy's matrix products in float64: they share neither code nor compiler with the kernels.
"""

from typing import NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.kernels import tuning
from fastbp.kernels.registers import machine
from fastbp.network import Network

NEAR_KINK = 1e-4  # of the mean size of a: samples with a closer to the kink of relu count with weight 0


class Crossing(NamedTuple):
    """Sizes of a network that crosses a threshold, and samples."""

    what: str
    sizes: tuple[int, ...]
    n_samples: int

    @property
    def products(self) -> int:
        """Of a weight and a sample each."""
        return self.n_samples * sum(n * m for n, m in zip(self.sizes, self.sizes[1:], strict=False))


def crossing_networks(dtype: np.dtype) -> list[Crossing]:
    """Networks that cross each threshold of this machine's kernels: their sizes follow from the thresholds."""
    lanes, stripe, terms = int(machine.lanes_of(dtype)), tuning.STRIPE, tuning.BLOCK_TERMS
    part = 2 * lanes * machine.TILE_REGISTERS + lanes + 1  # registers of two tiles, one more, and a bit
    columns, long_row = tuning.MIN_PACKED, tuning.LONG_ROW
    n_in, widest = max(2, round((columns / 2) ** 0.5)), tuning.WIDEST_AT_ONCE // dtype.itemsize
    return [
        Crossing("one sample", (part, lanes + 3, 2 * lanes - 1, 3), 1),
        Crossing("registers filled in part", (3, lanes + 1, part, 4 * lanes, 2), part),
        Crossing("units that feed one unit", (13, 2 * stripe + 3, 1), widest - 1),
        Crossing("few units, fed by many", (10, 4 * stripe + 5, tuning.NARROW), widest // 2 + 1),
        *_of_long_rows(dtype),
        *_of_columns(dtype),
        Crossing("sums of several parts", (terms + 5, 9, 2), part),
        Crossing("sums of several parts, backward", (5, 19, terms + 5, 3), part),
        Crossing("packed columns", (5, n_in, columns // n_in + 1, 2), part),
        Crossing("packed columns, several parts", (5, columns // (terms + 9) + 1, terms + 9, 2), 2 * lanes + 1),
        Crossing(
            "packed columns of long rows",
            (5, long_row + 1, tuning.MIN_PACKED_OF_LONG_ROWS // long_row + 1, 2),
            lanes,
        ),
        Crossing("several tiles", (stripe + 1, tuning.SMALL_N_PARAMS // stripe, 3), tuning.MAX_TILE + lanes + 1),
        Crossing("several chunks", _several_chunks(lanes), 3 * tuning.MIN_CHUNK_REGISTERS * lanes + 1),
    ]


def _of_long_rows(dtype: np.dtype) -> list[Crossing]:
    """Rows of samples that fill a cache. So many parameters that the samples are one chunk, and a tile."""
    n_samples = tuning.MIN_TILE
    found = []
    for what, n_bytes in (("from the L2 cache", tuning.PREFETCH_BYTES), ("in blocks", tuning.BLOCK_BYTES)):
        n = n_bytes // dtype.itemsize // n_samples + 3
        m = tuning.SMALL_N_PARAMS // n + 1
        found += [
            Crossing(f"rows {what}", (7, n, m, 2), n_samples),
            Crossing(f"rows {what}, backward", (7, m, n, 2), n_samples),
        ]
    return found


def _of_columns(dtype: np.dtype) -> list[Crossing]:
    """Inputs in panels that are longer than a block: an even number of registers, an odd one, a column of many units.

    So few weights, or so many, that the samples are one chunk.
    """
    lanes, n_samples = int(machine.lanes_of(dtype)), tuning.MAX_TILE
    n = tuning.BLOCK_BYTES // dtype.itemsize // n_samples // lanes + 2
    most = tuning.MIN_CHUNK_PRODUCTS // (n_samples // 2 + lanes) // ((n + 1) * lanes)
    few = max(tuning.MIN_OUT_FROM_INPUTS, min(9, most))
    many = max(tuning.WIDE_STRIPE, tuning.SMALL_N_PARAMS // (n * lanes)) + 7
    return [
        Crossing("inputs in columns", (n * lanes, few, 1), n_samples),
        Crossing("inputs in columns, odd", ((n + 1) * lanes - 1, few, 1), n_samples),
        Crossing("inputs in columns, many units", (n * lanes, many, 1), n_samples),
    ]


def _several_chunks(lanes: int) -> tuple[int, ...]:
    """Sizes of a network of so many weights that so few samples are cut into chunks."""
    n_weights = tuning.MIN_CHUNK_PRODUCTS // (tuning.MIN_CHUNK_REGISTERS * lanes) + 1
    n_units = min(tuning.SMALL_N_PARAMS // 64, n_weights // 60 + 1)
    return 60, n_units, 3


class Problem(NamedTuple):
    """A network with samples, none of them close to a kink."""

    net: Network
    X: Array
    T: Array
    weight: Array

    @property
    def data(self) -> tuple[Array, Array, Array]:
        """What `Network.gradient` takes."""
        return self.X, self.T, self.weight


def problem_of(crossing: Crossing, dtype: np.dtype, *, sparse: bool = False) -> Problem:
    """A network of relu with small weights and biases, and samples, always the same ones.

    `sparse`: each third weight is 0.
    """
    draw = np.random.default_rng([crossing.n_samples, *crossing.sizes])
    net = Network(crossing.sizes, activation="relu", dtype=dtype, seed=0)
    for w, bias in zip(net.weights, net.biases, strict=True):
        bias[:] = draw.uniform(-0.5, 0.5, bias.shape)
        if sparse:
            w.ravel()[::3] = 0.0  # ravel is a view: a matrix is contiguous
    T = draw.standard_normal((crossing.n_samples, crossing.sizes[-1]), np.float32).astype(dtype)
    far = np.zeros(crossing.n_samples, bool)
    while not far.any():
        X = draw.standard_normal((crossing.n_samples, crossing.sizes[0]), np.float32).astype(dtype)
        far = _far_from_kinks(net, X)
    return Problem(net, X, T, far.astype(dtype))


def _far_from_kinks(net: Network, X: Array) -> Array:
    """Whether no unit of a sample is so close to the kink of relu that rounding decides on its slope."""
    far = np.ones(len(X), bool)
    for a in values_of(net, X)[0][:-1]:
        size = np.abs(a)
        far &= (size > NEAR_KINK * size.mean()).all(axis=1)
    return far


# ---------------------------------------------------------------------------- by matrices


def values_of(net: Network, X: Array) -> tuple[list[Array], list[Array]]:
    """(a of the layers after the inputs, z of all layers) in float64: relu, and the identity at the outputs."""
    a, z = [], [X.astype(np.float64)]
    for w, b in zip(net.weights, net.biases, strict=True):
        a.append(z[-1] @ w.T.astype(np.float64) + b)
        z.append(np.maximum(a[-1], 0.0))
    z[-1] = a[-1]
    return a, z


def by_matrices(problem: Problem) -> tuple[float, list[Array]]:
    """E and the derivatives by the weights and biases of each layer, all weights first: (5.48) to (5.57)."""
    net, X, T, weight = problem
    a, z = values_of(net, X)
    delta = weight[:, None] * (z[-1] - T)
    E = 0.5 * float((delta * (z[-1] - T)).sum())
    d_weights: list[Array] = []
    d_biases: list[Array] = []
    for layer in range(len(a), 0, -1):
        d_weights.insert(0, delta.T @ z[layer - 1])
        d_biases.insert(0, delta.sum(axis=0))
        if layer > 1:
            delta = (delta @ net.weights[layer - 1].astype(np.float64)) * (a[layer - 2] > 0.0)
    return E, [*d_weights, *d_biases]


def nan_last(error: float) -> float:
    """What errors are compared by: NaN is the largest."""
    return np.inf if np.isnan(error) else error


def error_of(found: list[Array], expected: list[Array]) -> float:
    """Largest difference of any block, relative to its largest number."""
    errors = [
        float(np.abs(f - e).max() / max(np.abs(e).max(), np.finfo(f.dtype).tiny))
        for f, e in zip(found, expected, strict=True)
    ]
    return max(errors, key=nan_last)


def blocks_of(net: Network, numbers: Array) -> list[Array]:
    """An array in the order of `params`, cut into the weights of each layer, and the biases of each."""
    shapes = [view.shape for view in (*net.weights, *net.biases)]
    epilogue = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, epilogue[:-1]), shapes, strict=True)]
