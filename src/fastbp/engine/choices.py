"""Every decision about a pass over a tile of samples, with its reason; `schedule.py` makes a list of tasks by them.

They follow from the network, the width of the tile, the machine and what is wanted, and are taken once, not for each
batch. None changes what is computed, nor a bit of it: only in which order numbers are read, and where they stand.
"""

from bisect import bisect_right
from typing import NamedTuple

from fastbp.kernels.codes import IDENTITY, RELU
from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.formulas.losses import CANONICAL
from fastbp.kernels.registers.machine import REGISTER_BYTES, lanes_of
from fastbp.kernels.tables import NONE, Block, Layer, Packed
from fastbp.kernels.training.chunks import stride_of
from fastbp.kernels.tuning import (
    BLOCK_BYTES,
    FEW_DELTAS,
    FEWEST_AT_ONCE,
    MOST_AT_ONCE,
    NARROW,
    NARROW_ROW,
    STRIPE,
    WIDE_ROW,
    WIDE_STRIPE,
    WIDEST_AT_ONCE,
)

_stride_of = in_python(stride_of)

# How far a work space goes: outputs; error and delta of the outputs; all deltas
VALUES, DELTAS, SLOPES = 1, 2, 3


class Want(NamedTuple):
    """What a work space is for."""

    level: int
    gradient: bool = False
    dropout: bool = False
    shared: bool = False  # whether several threads may share the work on a tile


class Tables:
    """The tables of a network, and what follows from them alone.

    Parameters
    ----------
    packed : Packed
        With the addresses of what goes along links.
    """

    layers: list[Layer]
    blocks: list[Block]
    lanes: int
    n_params: int
    last: int
    output: Layer
    most_units: int
    registers: list[int]
    n_units: int

    def __init__(self, packed: Packed) -> None:
        self.layers = [Layer(*row) for row in packed.layers.tolist()]
        self.blocks = [Block(*row) for row in packed.blocks.tolist()]
        self._outgoing = [self.blocks[c] for c in packed.outgoing.tolist()]
        self.lanes, self.n_params = int(lanes_of(packed.params.dtype)), packed.params.size
        self.last, self.output = len(self.layers) - 1, self.layers[-1]
        self.most_units = max(layer.n_units for layer in self.layers)
        self.registers = sorted({0, *map(self.registers_of, self.blocks)})  # of rows of gradients
        self.n_units = self.output.first_unit + self.output.n_units
        self._is_canonical = (packed.loss, self.output.function) in CANONICAL

    def arriving(self, layer: Layer) -> list[Block]:
        """The blocks into a layer."""
        return self.blocks[layer.in_start : layer.in_end]

    def leaving(self, layer: Layer) -> list[Block]:
        """The blocks from a layer."""
        return self._outgoing[layer.out_start : layer.out_end]

    def registers_of(self, block: Block) -> int:
        """Registers of a row of a block's gradient."""
        return -(-block.n_in // self.lanes)

    def is_output(self, layer: Layer) -> bool:
        """Whether a layer's units are outputs: dE/dy_k is there before the delta recursion comes to it."""
        return layer.first_unit >= self.output.first_unit

    def has_slope(self, layer: Layer) -> bool:
        """Whether delta has to be multiplied by h'; the outputs' (5.54) may hold it already."""
        return layer.function != IDENTITY and not (layer is self.output and self._is_canonical)


def is_narrow(block: Block) -> bool:
    """Whether a block's gradient is summed up where it leaves, while z is in a cache: few units, many inputs."""
    return block.n_out <= NARROW and block.n_in >= STRIPE and block.source > 0


class Width(NamedTuple):
    """What the registers of a unit's samples decide: where this is the same, so are the lists."""

    stripe: int  # units that are processed at a time
    is_at_once: bool
    biases_together: bool
    uncut: int  # registers of the longest row of a gradient that is not cut


def width_of(net: Tables, want: Want, n_registers: int) -> Width:
    """The decisions for tiles with so many registers in a row."""
    row_bytes = n_registers * REGISTER_BYTES
    stripe = min(_stripe_of(row_bytes), net.most_units)
    if not want.gradient:
        return Width(stripe, is_at_once=False, biases_together=False, uncut=0)
    z_bytes = net.n_units * _stride_of(n_registers) * REGISTER_BYTES
    is_at_once = _is_at_once(net, row_bytes, z_bytes)
    together = not is_at_once and not want.shared and _are_biases_together(net, z_bytes)
    # Rows that leave the L2 cache are cut. Threads share narrow stripes, more evenly.
    most = net.registers[-1] if want.shared else BLOCK_BYTES // (row_bytes * net.lanes)
    return Width(stripe, is_at_once, together, net.registers[bisect_right(net.registers, most) - 1])


def _stripe_of(row_bytes: int) -> int:
    """So many units that their rows stay in the L1 cache from their sums to the activation function."""
    if row_bytes <= NARROW_ROW:
        return 4 * STRIPE
    return STRIPE if row_bytes <= WIDE_ROW else STRIPE // 2


def _is_at_once(net: Tables, row_bytes: int, z_bytes: int) -> bool:
    """Whether the gradient goes along with the delta recursion, a stripe at a time.

    Where z and delta would leave the L1 cache before it, but those of a stripe do not, and the parameters, which are
    all stepped along at the end, stay in the L2 cache.
    """
    return z_bytes >= FEWEST_AT_ONCE and row_bytes <= WIDEST_AT_ONCE and net.n_params <= MOST_AT_ONCE


def _are_biases_together(net: Tables, z_bytes: int) -> bool:
    """Whether all rows of delta fit into the L1 cache and all biases stand side by side: one call for all of them.

    Of a small network a call for each layer is much of the work: see "Small costs" in docs/performance.md.
    """
    first, last = net.layers[1], net.output
    in_order = first.bias != NONE and last.bias - first.bias == last.first_unit - first.first_unit
    return in_order and z_bytes <= FEW_DELTAS


class Choices:
    """The decisions for tiles of one width.

    Parameters
    ----------
    net : Tables
    want : Want
    width : Width
    """

    net: Tables
    want: Want
    width: Width

    def __init__(self, net: Tables, want: Want, width: Width) -> None:
        self.net, self.want, self.width = net, want, width

    # ------------------------------------------------------------------ units that are processed at a time

    def stripe_forward(self, layer: Layer) -> int:
        """All, if sums are added up in parts of their terms: each part is read once."""
        return layer.n_units if layer.wide_forward else self.width.stripe

    def stripe_backward(self, layer: Layer) -> int:
        """All, as forward; of the outputs too, whose delta is there."""
        return layer.n_units if layer.wide_backward or layer is self.net.output else self.width.stripe

    def stripe_of_gradient(self, block: Block) -> int:
        """Many, where the rows of a gradient are cut: each part of them is read again for each stripe."""
        return WIDE_STRIPE if self.net.registers_of(block) > self.width.uncut else self.width.stripe

    # ------------------------------------------------------------------ delta

    def is_slope_in_sums(self, layer: Layer) -> bool:
        """Whether the last sums of (5.56) multiply by h': relu's is a pass over all deltas by itself."""
        dropped = self.want.dropout and not self.net.is_output(layer)  # then h' comes with what is left out
        return layer.function == RELU and layer.links_out == NONE and layer.out_end > layer.out_start and not dropped

    def has_feeders(self, layer: Layer) -> bool:
        """Whether a layer feeds one unit, by one narrow block, and nothing else: see `feeders.py`.

        A layer of relu with biases, that other blocks feed, and without dropout. Only with the gradient along.
        """
        if self.net.is_output(layer) or not self.is_slope_in_sums(layer) or layer.out_end > layer.out_start + 1:
            return False
        block = self.net.leaving(layer)[0]
        return is_narrow(block) and block.n_out == 1 and layer.bias != NONE and layer.in_start < layer.in_end

    def is_delta_kept(self, layer: Layer) -> bool:
        """Whether delta of a layer is read again once its gradient is there. Of the first one it is not.

        Its stripes then share a row: it stays in the L1 cache.
        """
        return layer is not self.net.layers[1] or self.net.is_output(layer) or layer.links_gradient != NONE
