"""From layer sizes and skips to layers of units, blocks of connections, and every offset.

This is the only place where an offset is computed. The kernels read them from the tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.kernels.machine import lanes_of
from fastbp.kernels.packed import (
    BIAS,
    BLOCK_COLUMNS,
    BY_INPUTS,
    COLUMNS,
    FIRST_UNIT,
    FUNCTION,
    IN_END,
    IN_START,
    LAYER_COLUMNS,
    N_IN,
    N_OUT,
    N_UNITS,
    NONE,
    OUT_END,
    OUT_START,
    ROW_STRIDE,
    ROWS,
    SOURCE,
    TARGET,
    WEIGHTS,
)  # fmt: skip

Int64Array = NDArray[np.int64]
Skips = str | Iterable[tuple[int, int]]

# Fewest units at which a block's weight gradient runs with its inputs in the lanes. The inputs of the
# network come sample by sample anyway; a hidden layer has to be transposed, which pays later.
MIN_OUT_FROM_INPUTS, MIN_OUT_FROM_HIDDEN = 4, 24

# Fewest weights of a block of which columns are packed: smaller ones stay in the first cache.
MIN_PACKED = 8192


@dataclass(frozen=True)
class Topology:
    """Layers and blocks of a network, and where everything is.

    Attributes
    ----------
    sizes : tuple of int
        Units of each layer, inputs first.
    pairs : tuple of (int, int)
        (source layer, target layer) of each block, in the order of the targets.
    bias : bool
        Whether the layers after the inputs have biases.
    """

    sizes: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    bias: bool

    @classmethod
    def layered(cls, sizes: Sequence[int], skip: Sequence[tuple[int, int]], bias: bool) -> "Topology":
        """A block from each layer into the next, and one for each pair of `skip`."""
        chain = [(layer, layer + 1) for layer in range(len(sizes) - 1)]
        # The block from the layer just below comes first among those that arrive at a layer.
        pairs = sorted(chain + list(skip), key=lambda pair: (pair[1], -pair[0]))
        return cls(tuple(sizes), tuple(pairs), bias)

    @property
    def n_layers(self) -> int:
        """Number of layers, the inputs counted."""
        return len(self.sizes)

    @property
    def n_units(self) -> int:
        """Number of units, the inputs counted."""
        return sum(self.sizes)

    @property
    def first_units(self) -> list[int]:
        """First unit of each layer."""
        return [sum(self.sizes[:layer]) for layer in range(self.n_layers)]

    @property
    def block_shapes(self) -> list[tuple[int, int]]:
        """(n_out, n_in) of each block."""
        return [(self.sizes[target], self.sizes[source]) for source, target in self.pairs]

    @property
    def weight_offsets(self) -> list[int]:
        """Where each block's weights begin in the parameters; last, where the weights end."""
        return [0, *np.cumsum([n_out * n_in for n_out, n_in in self.block_shapes]).tolist()]

    @property
    def bias_offsets(self) -> list[int]:
        """Where each layer's biases begin, NONE for the inputs and without biases; last, where all parameters end."""
        if not self.bias:
            return [NONE] * self.n_layers + [self.n_weights]
        ends = np.cumsum(self.sizes[1:]) + self.n_weights
        return [NONE, self.n_weights, *ends.tolist()]

    @property
    def n_weights(self) -> int:
        """Number of weights, which stand before the biases."""
        return self.weight_offsets[-1]

    @property
    def n_params(self) -> int:
        """Number of weights and biases."""
        return self.bias_offsets[-1]

    @property
    def packed_blocks(self) -> list[bool]:
        """Which blocks' columns are packed: large ones that the delta recursion reads, so not from the inputs."""
        shapes = zip(self.pairs, self.block_shapes, strict=True)
        return [source > 0 and n_out * n_in >= MIN_PACKED for (source, _target), (n_out, n_in) in shapes]

    @property
    def n_packed(self) -> int:
        """Numbers in all packed columns, see `pack_columns` in `kernels/passes.py`."""
        return sum(n * m for (n, m), is_packed in zip(self.block_shapes, self.packed_blocks, strict=True) if is_packed)

    def block_table(self, dtype: np.dtype) -> Int64Array:
        """The table of blocks that the kernels read."""
        table = np.zeros((len(self.pairs), BLOCK_COLUMNS), np.int64)
        sizes = [n * m if packed else 0 for (n, m), packed in zip(self.block_shapes, self.packed_blocks, strict=True)]
        table[:, COLUMNS] = np.where(self.packed_blocks, np.cumsum([0, *sizes])[:-1], NONE)
        for row, (source, target), (n_out, n_in), start in zip(
            table, self.pairs, self.block_shapes, self.weight_offsets, strict=False
        ):
            row[[SOURCE, TARGET, WEIGHTS, N_IN, N_OUT]] = source, target, start, n_in, n_out
            fewest = MIN_OUT_FROM_INPUTS if source == 0 else MIN_OUT_FROM_HIDDEN
            row[BY_INPUTS] = 2 * n_in >= lanes_of(dtype) and n_out >= fewest
        return table

    def outgoing(self) -> Int64Array:
        """Numbers of the blocks in the order of their source layers."""
        sources = [source for source, _target in self.pairs]
        return np.argsort(sources, kind="stable").astype(np.int64)

    def layer_table(self, functions: Sequence[int], dtype: np.dtype) -> Int64Array:
        """The table of layers, without addresses; `functions`: codes of the layers after the inputs."""
        blocks = self.block_table(dtype)
        table = np.zeros((self.n_layers, LAYER_COLUMNS), np.int64)
        by_sample = 0
        for layer, row in enumerate(table):
            row[[FIRST_UNIT, N_UNITS, BIAS]] = (
                self.first_units[layer],
                self.sizes[layer],
                self.bias_offsets[layer],
            )
            row[[IN_START, IN_END]] = _run(blocks[:, TARGET], layer)
            row[[OUT_START, OUT_END]] = _run(blocks[self.outgoing(), SOURCE], layer)
            row[[ROWS, ROW_STRIDE]] = NONE, 0
            if blocks[blocks[:, SOURCE] == layer, BY_INPUTS].any():
                row[[ROWS, ROW_STRIDE]] = by_sample, _row_stride(self.sizes[layer], dtype)
                by_sample += row[ROW_STRIDE]
            if layer > 0:
                row[FUNCTION] = functions[layer - 1]
        return table

    def n_by_sample(self, dtype: np.dtype) -> int:
        """Numbers that are kept sample by sample, for each sample: see `rows_of_layer` in `kernels/gather.py`."""
        blocks = self.block_table(dtype)
        layers = set(blocks[blocks[:, BY_INPUTS] == 1, SOURCE].tolist())
        return sum(_row_stride(self.sizes[layer], dtype) for layer in layers)


def _row_stride(n_units: int, dtype: np.dtype) -> int:
    """Numbers from one sample's row to the next: an odd number of registers, spread over the lines of a cache."""
    step = int(lanes_of(dtype))
    return (-(-n_units // step) | 1) * step


def _run(sorted_layers: Int64Array, layer: int) -> tuple[int, int]:
    """First and last + 1 of the places where `layer` stands."""
    start, stop = np.searchsorted(sorted_layers, [layer, layer + 1])
    return int(start), int(stop)


def check_skip(skip: Skips, n_layers: int) -> list[tuple[int, int]]:
    """The pairs of layers, checked."""
    if isinstance(skip, str):
        if skip != "all":
            raise ValueError(f'skip must be "all" or pairs (from_layer, to_layer); got {skip!r}')
        return [(i, k) for i in range(n_layers) for k in range(i + 2, n_layers)]
    if not isinstance(skip, Iterable):
        raise TypeError(f'skip must be "all" or pairs (from_layer, to_layer); got {skip!r}')
    pairs: list[tuple[int, int]] = []
    for pair in skip:
        if isinstance(pair, str) or not isinstance(pair, Iterable) or len(ends := list(pair)) != 2:
            raise ValueError(f"skip must hold pairs (from_layer, to_layer); got {pair!r}")
        source, target = (checks.integer(end, "skip", minimum=0) for end in ends)
        if not source + 2 <= target < n_layers:
            raise ValueError(
                f"skip must go from a layer to one at least two further on, the last being {n_layers - 1}; "
                f"got {(source, target)}"
            )
        if (source, target) in pairs:
            raise ValueError(f"skip must name each pair once; got {(source, target)} twice")
        pairs.append((source, target))
    return pairs
