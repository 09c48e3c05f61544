"""Layers of units, blocks of connections and links, and every offset.

This is the only place where an offset is computed. The kernels read them from the tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.kernels.formulas.activation_calls import IDENTITY
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import (
    BIAS,
    BLOCK_COLUMNS,
    BY_INPUTS,
    COLUMNS,
    DH_ADDRESS,
    FIRST_UNIT,
    FUNCTION,
    H_ADDRESS,
    IN_END,
    IN_START,
    LAYER_COLUMNS,
    LINK_COLUMNS,
    LINKS_GRADIENT,
    LINKS_IN,
    LINKS_OUT,
    N_IN,
    N_OUT,
    N_UNITS,
    NONE,
    OUT_END,
    OUT_START,
    ROWS,
    SOURCE,
    TARGET,
    UNIT,
    WEIGHT,
    WEIGHTS,
    WIDE_BACKWARD,
    WIDE_FORWARD,
)  # fmt: skip
from fastbp.kernels.tuning import BLOCK_TERMS, LONG_ROW, MIN_PACKED, MIN_PACKED_OF_LONG_ROWS

Int64Array = NDArray[np.int64]
Skips = str | Iterable[tuple[int, int]]

# Fewest units at which a block's weight gradient runs with its inputs in the lanes. The inputs of the
# network come sample by sample anyway; a hidden layer has to be transposed, which pays later.
MIN_OUT_FROM_INPUTS, MIN_OUT_FROM_HIDDEN = 4, 24
# And the least part of the lanes that the inputs must fill: 10 inputs in 2 registers of 8 cost 10-100-1 an eighth.
MIN_FILLED = 0.75

NO_LINKS = np.empty((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class Topology:
    """Layers, blocks and links of a network, and where everything is.

    Attributes
    ----------
    sizes : tuple of int
        Units of each layer in the order in which they are computed, inputs first.
    pairs : tuple of (int, int)
        (source layer, target layer) of each block, in the order of the targets.
    biased : tuple of bool
        For each layer after the inputs, whether its units have biases.
    links : array (n_links, 2)
        (source unit, target unit) of each link, in the order of the targets.
    outputs : tuple of int
        Layers whose units are the outputs, in that order. These units are numbered last.
    """

    sizes: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    biased: tuple[bool, ...]
    links: Int64Array
    outputs: tuple[int, ...]

    @classmethod
    def layered(cls, sizes: Sequence[int], skip: Sequence[tuple[int, int]], bias: bool) -> "Topology":
        """A block from each layer into the next, and one for each pair of `skip`."""
        chain = [(layer, layer + 1) for layer in range(len(sizes) - 1)]
        # The block from the layer just below comes first among those that arrive at a layer.
        pairs = sorted(chain + list(skip), key=lambda pair: (pair[1], -pair[0]))
        return cls(tuple(sizes), tuple(pairs), (bias,) * (len(sizes) - 1), NO_LINKS, (len(sizes) - 1,))

    @property
    def n_layers(self) -> int:
        """Number of layers, the inputs counted."""
        return len(self.sizes)

    @property
    def n_units(self) -> int:
        """Number of units, the inputs counted."""
        return sum(self.sizes)

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return sum(self.sizes[layer] for layer in self.outputs)

    @property
    def first_output(self) -> int:
        """Unit that is the first output."""
        return self.n_units - self.n_outputs

    @property
    def ends_in_outputs(self) -> bool:
        """Whether the last layer is that of the outputs. If not, a further row of the table stands for them."""
        return self.outputs == (self.n_layers - 1,)

    @cached_property
    def is_layered(self) -> bool:
        """Whether there are blocks alone, one at least into and out of each layer, and outputs at the end."""
        return self.ends_in_outputs and not any(map(any, self.has_links()))

    @cached_property
    def first_units(self) -> list[int]:
        """First unit of each layer: outputs are numbered after all others."""
        order = [layer for layer in range(self.n_layers) if layer not in self.outputs] + list(self.outputs)
        starts = accumulate((self.sizes[layer] for layer in order[:-1]), initial=0)
        return [start for _layer, start in sorted(zip(order, starts, strict=True))]

    @cached_property
    def block_shapes(self) -> list[tuple[int, int]]:
        """(n_out, n_in) of each block."""
        return [(self.sizes[target], self.sizes[source]) for source, target in self.pairs]

    @cached_property
    def weight_offsets(self) -> list[int]:
        """Where each block's weights begin in the parameters; last, where the links' weights begin."""
        # Sums of Python integers: those of NumPy's would wrap around, for sizes from a damaged file.
        return list(accumulate((n_out * n_in for n_out, n_in in self.block_shapes), initial=0))

    @cached_property
    def bias_offsets(self) -> list[int]:
        """Where each layer's biases begin, NONE for the inputs and without biases; last, where all parameters end."""
        offsets, end = [NONE], self.n_weights
        for size, has_bias in zip(self.sizes[1:], self.biased, strict=True):
            offsets.append(end if has_bias else NONE)
            end += size if has_bias else 0
        return [*offsets, end]

    @cached_property
    def n_weights(self) -> int:
        """Number of weights, which stand before the biases."""
        return self.weight_offsets[-1] + len(self.links)

    @property
    def n_params(self) -> int:
        """Number of weights and biases."""
        return self.bias_offsets[-1]

    def connections(self) -> Int64Array:
        """(source unit, target unit) of every weight, in the order of the parameters: (n_weights, 2)."""
        first = self.first_units
        blocks = [
            np.stack(
                [
                    np.tile(np.arange(first[source], first[source] + n_in), n_out),
                    np.repeat(np.arange(first[target], first[target] + n_out), n_in),
                ],
                axis=1,
            )
            for (source, target), (n_out, n_in) in zip(self.pairs, self.block_shapes, strict=True)
        ]
        return np.concatenate([*blocks, self.links]).astype(np.int64)

    @cached_property
    def packed_blocks(self) -> list[bool]:
        """Which blocks' columns are packed: large ones that the delta recursion reads, so not from the inputs."""
        shapes = zip(self.pairs, self.block_shapes, strict=True)
        return [
            source > 0 and n_out * n_in >= (MIN_PACKED_OF_LONG_ROWS if n_in >= LONG_ROW else MIN_PACKED)
            for (source, _target), (n_out, n_in) in shapes
        ]

    @property
    def n_packed(self) -> int:
        """Numbers in all packed columns, see `pack_columns` in `kernels/many_samples/passes.py`."""
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
            fewest, n_lanes = MIN_OUT_FROM_INPUTS if source == 0 else MIN_OUT_FROM_HIDDEN, lanes_of(dtype)
            n_filled = -(-n_in // n_lanes) * n_lanes
            row[BY_INPUTS] = n_in >= MIN_FILLED * n_filled and n_out >= fewest
        return table

    def outgoing(self) -> Int64Array:
        """Numbers of the blocks in the order of their source layers."""
        sources = [source for source, _target in self.pairs]
        return np.argsort(sources, kind="stable").astype(np.int64)

    def link_tables(self) -> tuple[Int64Array, Int64Array]:
        """(starts, links) of `Packed`: each link twice, by the unit at which it arrives and by that which it leaves."""
        weights = self.weight_offsets[-1] + np.arange(len(self.links))
        table = np.empty((2, len(self.links), LINK_COLUMNS), np.int64)
        counts = [np.empty(0, np.int64)] * 2
        for side, (this_end, other_end) in enumerate(((1, 0), (0, 1))):
            order = np.argsort(self.links[:, this_end], kind="stable")
            table[side, :, UNIT], table[side, :, WEIGHT] = self.links[order, other_end], weights[order]
            counts[side] = np.bincount(self.links[:, this_end], minlength=self.n_units)
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        return starts, table.reshape(-1, LINK_COLUMNS)

    def has_links(self) -> tuple[list[bool], list[bool]]:
        """For each layer: whether its sums go along links, forward and backward.

        Also where nothing arrives, or leaves, by any block: sums of no terms.
        """
        leaving, arriving = (np.bincount(self.links[:, end], minlength=self.n_units) for end in (0, 1))
        units = [slice(first, first + size) for first, size in zip(self.first_units, self.sizes, strict=True)]
        sources, targets = {source for source, _target in self.pairs}, {target for _source, target in self.pairs}
        forward = [bool(arriving[u].any()) or layer not in targets for layer, u in enumerate(units)]
        ends = sources | set(self.outputs)  # the outputs' delta begins with dE/dy
        backward = [bool(leaving[u].any()) or layer not in ends for layer, u in enumerate(units)]
        return [False, *forward[1:]], [False, *backward[1:]]

    def layer_table(self, functions: Sequence[int], dtype: np.dtype) -> Int64Array:
        """The table of layers, without addresses; `functions`: codes of the layers after the inputs."""
        blocks, outgoing = self.block_table(dtype), self.outgoing()
        table = np.zeros((self.n_layers + (not self.ends_in_outputs), LAYER_COLUMNS), np.int64)
        by_sample, first_units, bias_offsets = 0, self.first_units, self.bias_offsets
        table[:, [ROWS, H_ADDRESS, DH_ADDRESS, LINKS_IN, LINKS_OUT, LINKS_GRADIENT]] = NONE
        for layer, row in enumerate(table[: self.n_layers]):
            row[[FIRST_UNIT, N_UNITS, BIAS]] = first_units[layer], self.sizes[layer], bias_offsets[layer]
            row[[IN_START, IN_END]] = _run(blocks[:, TARGET], layer)
            row[[OUT_START, OUT_END]] = _run(blocks[outgoing, SOURCE], layer)
            if blocks[blocks[:, SOURCE] == layer, BY_INPUTS].any():
                row[ROWS] = by_sample
                by_sample += _whole_registers(self.sizes[layer], dtype)
            row[WIDE_FORWARD] = (blocks[blocks[:, TARGET] == layer, N_IN] > BLOCK_TERMS).any()
            row[WIDE_BACKWARD] = (blocks[blocks[:, SOURCE] == layer, N_OUT] > BLOCK_TERMS).any()
            if layer > 0:
                row[FUNCTION] = functions[layer - 1]
        if not self.ends_in_outputs:
            table[-1, [FIRST_UNIT, N_UNITS, BIAS]] = self.first_output, self.n_outputs, NONE
            table[-1, [IN_START, IN_END, OUT_START, OUT_END]] = len(blocks)
            table[-1, FUNCTION] = IDENTITY
        return table

    def n_by_sample(self, dtype: np.dtype) -> int:
        """Numbers that are kept sample by sample, for each sample: see `rows_of_layer` in `gather.py`."""
        blocks = self.block_table(dtype)
        layers = set(blocks[blocks[:, BY_INPUTS] == 1, SOURCE].tolist())
        return sum(_whole_registers(self.sizes[layer], dtype) for layer in layers)


def _whole_registers(n_units: int, dtype: np.dtype) -> int:
    """n_units, rounded up to whole registers."""
    step = int(lanes_of(dtype))
    return -(-n_units // step) * step


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
    pairs: dict[tuple[int, int], None] = {}  # in their order
    for pair in checks.items(skip, "skip", '"all" or a sequence of pairs (from_layer, to_layer)'):
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
        pairs[source, target] = None
    return list(pairs)
