"""Layers of units, blocks of connections and links, and every offset.

Every offset in the parameters is computed here alone, and read from the tables by the kernels. What the kernels work in
has its sizes from `kernels/layout.py`, and the rows of a tile from `stride_of` in `kernels/training/chunks.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastbp import checks
from fastbp.kernels.codes import IDENTITY
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.layout import whole
from fastbp.kernels.registers.machine import lanes_of
from fastbp.kernels.tables import BLOCK, LAYER, LINK_COLUMNS, NONE, UNIT, WEIGHT, Block, Layer
from fastbp.kernels.tuning import (
    BLOCK_TERMS,
    LONG_ROW,
    MIN_FILLED,
    MIN_OUT_FROM_HIDDEN,
    MIN_OUT_FROM_INPUTS,
    MIN_PACKED,
    MIN_PACKED_OF_LONG_ROWS,
)

Int64Array = NDArray[np.int64]
Skips = str | Iterable[tuple[int, int]]

T = TypeVar("T")

NO_LINKS = np.empty((0, 2), np.int64)
KEPT, MOST_KEPT_UNITS = 256, 1 << 14  # topologies of layers that are kept with their tables, and of how many units

# A layer without anything
NO_LAYER = Layer(*[0] * len(LAYER))._replace(
    function=IDENTITY,
    bias=NONE,
    rows=NONE,
    h_address=NONE,
    dh_address=NONE,
    links_in=NONE,
    links_out=NONE,
    links_gradient=NONE,
)


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
        """A block from each layer into the next, and one for each pair of `skip`.

        The same object for the same layers, if that was made not long ago: what follows from it is worked out once.
        """
        make = _layered if sum(sizes) <= MOST_KEPT_UNITS else _layered.__wrapped__
        return make(tuple(sizes), tuple(skip), bias)

    def __reduce__(self) -> tuple[Any, ...]:
        return Topology, (self.sizes, self.pairs, self.biased, self.links, self.outputs)

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Topology":
        return self

    @cached_property
    def _tables(self) -> dict[tuple[object, ...], Any]:
        """Tables that have been made, by what they are for."""
        return {}

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What make() gives for a key, made once; whoever is given an array must not write into it."""
        if key not in self._tables:
            self._tables[key] = make()
        found: T = self._tables[key]
        return found

    @property
    def n_layers(self) -> int:
        """Number of layers, the inputs counted."""
        return len(self.sizes)

    @cached_property
    def n_units(self) -> int:
        """Number of units, the inputs counted."""
        return sum(self.sizes)

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self.sizes[0]

    @cached_property
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
        return self.ends_in_outputs and not any(map(any, self.has_links))

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
        """Numbers in all packed columns, see `kernels/many_samples/columns.py`."""
        return sum(n * m for (n, m), is_packed in zip(self.block_shapes, self.packed_blocks, strict=True) if is_packed)

    def block_table(self, dtype: np.dtype) -> Int64Array:
        """The table of blocks that the kernels read: not to be written into."""
        return self.once(("blocks", dtype), lambda: self._block_table(dtype))

    def _block_table(self, dtype: np.dtype) -> Int64Array:
        sizes = [n * m if packed else 0 for (n, m), packed in zip(self.block_shapes, self.packed_blocks, strict=True)]
        columns = np.where(self.packed_blocks, np.cumsum([0, *sizes])[:-1], NONE)
        rows = [
            Block(
                source=source,
                source_unit=self.first_units[source],
                target=target,
                target_unit=self.first_units[target],
                weights=self.weight_offsets[c],
                n_in=self.block_shapes[c][1],
                n_out=self.block_shapes[c][0],
                by_inputs=_is_by_inputs(source, *self.block_shapes[c], dtype),
                columns=columns[c],
            )
            for c, (source, target) in enumerate(self.pairs)
        ]
        return np.array(rows, np.int64).reshape(-1, len(BLOCK))

    @cached_property
    def outgoing(self) -> Int64Array:
        """Numbers of the blocks in the order of their source layers: not to be written into."""
        sources = [source for source, _target in self.pairs]
        return np.argsort(sources, kind="stable").astype(np.int64)

    @cached_property
    def link_tables(self) -> tuple[Int64Array, Int64Array]:
        """(starts, links) of `Packed`: each link twice, by the unit at which it arrives and by that which it leaves.

        Not to be written into.
        """
        weights = self.weight_offsets[-1] + np.arange(len(self.links))
        table = np.empty((2, len(self.links), LINK_COLUMNS), np.int64)
        counts = [np.empty(0, np.int64)] * 2
        for side, (this_end, other_end) in enumerate(((1, 0), (0, 1))):
            order = np.argsort(self.links[:, this_end], kind="stable")
            table[side, :, UNIT], table[side, :, WEIGHT] = self.links[order, other_end], weights[order]
            counts[side] = np.bincount(self.links[:, this_end], minlength=self.n_units)
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        return starts, table.reshape(-1, LINK_COLUMNS)

    @cached_property
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
        """The table of layers, without addresses, a copy; `functions`: codes of the layers after the inputs."""
        key = "layers", tuple(functions), dtype
        return self.once(key, lambda: self._layer_table(functions, dtype)).copy()

    def _layer_table(self, functions: Sequence[int], dtype: np.dtype) -> Int64Array:
        blocks, outgoing = [Block(*row) for row in self.block_table(dtype).tolist()], self.outgoing
        targets, sources = [block.target for block in blocks], [blocks[c].source for c in outgoing]
        rows, n_by_sample = [], 0
        for layer, function in enumerate([IDENTITY, *functions[: self.n_layers - 1]]):
            arriving, leaving = _run(targets, layer), _run(sources, layer)
            blocks_out = [blocks[c] for c in outgoing[slice(*leaving)]]
            is_by_sample = any(block.by_inputs for block in blocks_out)
            rows.append(
                NO_LAYER._replace(
                    first_unit=self.first_units[layer],
                    n_units=self.sizes[layer],
                    function=function,
                    bias=self.bias_offsets[layer],
                    in_start=arriving[0],
                    in_end=arriving[1],
                    out_start=leaving[0],
                    out_end=leaving[1],
                    rows=n_by_sample if is_by_sample else NONE,
                    wide_forward=any(block.n_in > BLOCK_TERMS for block in blocks[slice(*arriving)]),
                    wide_backward=any(block.n_out > BLOCK_TERMS for block in blocks_out),
                )
            )
            n_by_sample += _whole_registers(self.sizes[layer], dtype) if is_by_sample else 0
        if not self.ends_in_outputs:  # a row that stands for them
            ends = dict.fromkeys(("in_start", "in_end", "out_start", "out_end"), len(blocks))
            rows.append(NO_LAYER._replace(first_unit=self.first_output, n_units=self.n_outputs, **ends))
        return np.array(rows, np.int64)

    def n_by_sample(self, dtype: np.dtype) -> int:
        """Numbers that are kept sample by sample, for each sample: see `rows_of_layer` in `gather.py`."""
        return self.once(("by sample", dtype), lambda: self._n_by_sample(dtype))

    def _n_by_sample(self, dtype: np.dtype) -> int:
        blocks = self.block_table(dtype)
        layers = set(blocks[blocks[:, BLOCK.by_inputs] == 1, BLOCK.source].tolist())
        return sum(_whole_registers(self.sizes[layer], dtype) for layer in layers)


@lru_cache(KEPT)
def _layered(sizes: tuple[int, ...], skip: tuple[tuple[int, int], ...], bias: bool) -> Topology:
    """`Topology.layered`."""
    chain = [(layer, layer + 1) for layer in range(len(sizes) - 1)]
    # The block from the layer just below comes first among those that arrive at a layer.
    pairs = sorted([*chain, *skip], key=lambda pair: (pair[1], -pair[0]))
    return Topology(sizes, tuple(pairs), (bias,) * (len(sizes) - 1), NO_LINKS, (len(sizes) - 1,))


def _is_by_inputs(source: int, n_out: int, n_in: int, dtype: np.dtype) -> bool:
    """Whether the lanes of a block's weight gradient run along its inputs."""
    fewest = MIN_OUT_FROM_INPUTS if source == 0 else MIN_OUT_FROM_HIDDEN
    return n_in >= MIN_FILLED * _whole_registers(n_in, dtype) and n_out >= fewest


def _whole_registers(n_units: int, dtype: np.dtype) -> int:
    """n_units, rounded up to whole registers."""
    return int(in_python(whole)(n_units, lanes_of(dtype)))


def _run(sorted_layers: Sequence[int], layer: int) -> tuple[int, int]:
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
