"""What is done with a tile of samples, in which order: lists of tasks, made once for each width of a tile.

All that follows from the network, the width of the tile, the machine and what is wanted is decided here, and each
decision has its reason beside it. The kernels do the tasks: `kernels/many_samples/forward.py`, `backward.py` and
`gradients.py` have an equation for each kind. No decision changes what is computed, nor a bit of it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.kernels.compiling.decorators import in_python
from fastbp.kernels.formulas.activation_calls import IDENTITY, IN_KERNELS, RELU, SOFTMAX
from fastbp.kernels.formulas.losses import CANONICAL
from fastbp.kernels.many_samples import tasks as kinds
from fastbp.kernels.many_samples.tasks import N_PHASES, TASK_COLUMNS, Task
from fastbp.kernels.registers.machine import REGISTER_BYTES, lanes_of
from fastbp.kernels.tables import NONE, Block, Layer, Packed
from fastbp.kernels.training.chunks import stride_of
from fastbp.kernels.tuning import (
    BLOCK_BYTES,
    FEW_DELTAS,
    FEWEST_AT_ONCE,
    MOST_AT_ONCE,
    NARROW_ROW,
    STEP_NUMBERS,
    STRIPE,
    WIDE_ROW,
    WIDE_STRIPE,
    WIDEST_AT_ONCE,
)

NARROW = 3  # units, fed by many

# How far a work space goes: outputs; error and delta of the outputs; all deltas
VALUES, DELTAS, SLOPES = 1, 2, 3

Tasks = Iterator[Task]


class Want(NamedTuple):
    """What a work space is for."""

    level: int
    gradient: bool = False
    dropout: bool = False
    shared: bool = False  # whether several threads may share the work on a tile


class Schedule(NamedTuple):
    """All lists of a work space, as the kernels read them."""

    tasks: NDArray[np.int64]  # (n_tasks, TASK_COLUMNS)
    bounds: NDArray[np.int64]  # (registers of a tile, without and with a gradient, phase): number of its first task


class Tables:
    """The tables of a network, and what follows from them alone.

    Parameters
    ----------
    packed : Packed
        With the addresses of what goes along links.
    """

    def __init__(self, packed: Packed) -> None:
        self.layers = [Layer(*row) for row in packed.layers.tolist()]
        units = [layer.first_unit for layer in self.layers]
        self.blocks = [Block(row[0], units[row[0]], row[1], units[row[1]], *row[2:]) for row in packed.blocks.tolist()]
        self.outgoing = [self.blocks[c] for c in packed.outgoing.tolist()]
        self.lanes, self.n_params = int(lanes_of(packed.params.dtype)), packed.params.size
        self.last, self.output = len(self.layers) - 1, self.layers[-1]
        self.n_units = self.output.first_unit + self.output.n_units
        self.is_canonical = (packed.loss, self.output.function) in CANONICAL

    def arriving(self, layer: Layer) -> list[Block]:
        """The blocks into a layer."""
        return self.blocks[layer.in_start : layer.in_end]

    def leaving(self, layer: Layer) -> list[Block]:
        """The blocks from a layer."""
        return self.outgoing[layer.out_start : layer.out_end]

    def is_output(self, layer: Layer) -> bool:
        """Whether a layer's units are outputs: dE/dy_k is there before the delta recursion comes to it."""
        return layer.first_unit >= self.output.first_unit

    def has_slope(self, layer: Layer) -> bool:
        """Whether delta has to be multiplied by h'; the outputs' (5.54) may hold it already."""
        return layer.function != IDENTITY and not (layer is self.output and self.is_canonical)


def is_narrow(block: Block) -> bool:
    """Whether a block's gradient is summed up where it leaves, while z is in a cache: few units, many inputs."""
    return block.n_out <= NARROW and block.n_in >= STRIPE and block.source > 0


class Lists:
    """The lists of tasks for tiles of one width.

    Parameters
    ----------
    net : Tables
    want : Want
    n_registers : int
        Of each unit's samples.
    """

    def __init__(self, net: Tables, want: Want, n_registers: int) -> None:
        self.net, self.want = net, want
        self.row_bytes = n_registers * REGISTER_BYTES
        self.z_bytes = net.n_units * in_python(stride_of)(n_registers) * REGISTER_BYTES
        self.n_samples = n_registers * net.lanes
        self.stripe, self.is_at_once = self._stripe(), self._is_at_once()

    # ------------------------------------------------------------------ decisions

    @property
    def choices(self) -> tuple[object, ...]:
        """All that is decided by the width: where it is the same, so are the lists."""
        cut = tuple(self._is_cut(block) for block in self.net.blocks)
        return self.stripe, self.is_at_once, self._are_biases_together(), cut if any(cut) else ()

    def _stripe(self) -> int:
        """Units that are processed at a time, so that their rows stay in the L1 cache."""
        if self.row_bytes <= NARROW_ROW:
            return 4 * STRIPE
        return STRIPE if self.row_bytes <= WIDE_ROW else STRIPE // 2

    def _is_at_once(self) -> bool:
        """Whether the gradient goes along with the delta recursion, a stripe at a time.

        Where z and delta would leave the L1 cache before it, but those of a stripe do not, and the parameters, which
        are all stepped along at the end, stay in the L2 cache.
        """
        leaves_cache, stays = self.z_bytes >= FEWEST_AT_ONCE, self.row_bytes <= WIDEST_AT_ONCE
        return leaves_cache and stays and self.net.n_params <= MOST_AT_ONCE

    def _are_biases_together(self) -> bool:
        """Whether all rows of delta fit into the L1 cache and all biases stand side by side: one call for all of them.

        A call for each layer takes 2 to 4 % of an epoch of 4-10-3.
        """
        first, last = self.net.layers[1], self.net.output
        in_order = first.bias != NONE and last.bias - first.bias == last.first_unit - first.first_unit
        return in_order and self.z_bytes <= FEW_DELTAS and not self.want.shared

    def _is_cut(self, block: Block) -> bool:
        """Whether the rows of a block's gradient are so long that they are cut, and read again for each stripe."""
        filled = -(-block.n_in // self.net.lanes) * REGISTER_BYTES
        return self.n_samples * filled > BLOCK_BYTES and not self.want.shared

    def _is_slope_in_sums(self, layer: Layer) -> bool:
        """Whether the last sums of (5.56) multiply by h': relu's costs 10-100-1 a tenth by itself."""
        dropped = self.want.dropout and not self.net.is_output(layer)  # then h' comes with the units that are left out
        return layer.function == RELU and layer.links_out == NONE and layer.out_end > layer.out_start and not dropped

    def _has_feeders(self, layer: Layer) -> bool:
        """Whether a layer feeds one unit, by one narrow block, and nothing else: see `feeders.py`.

        A layer of relu with biases, that other blocks feed, and without dropout.
        """
        if self.net.is_output(layer) or not self._is_slope_in_sums(layer) or layer.out_end > layer.out_start + 1:
            return False
        block = self.net.leaving(layer)[0]
        is_fed = layer.bias != NONE and layer.in_start < layer.in_end
        return is_narrow(block) and block.n_out == 1 and is_fed and not self.want.dropout

    def _is_delta_kept(self, layer: Layer, lowest: int) -> bool:
        """Whether delta of a layer is read again. Not that of the lowest one, once its gradient is there."""
        return layer is not self.net.layers[lowest] or self.net.is_output(layer) or layer.links_gradient != NONE

    def _is_over_z(self, layer: Layer) -> bool:
        """Whether delta that is not kept takes the place of z, which nobody reads afterwards.

        Where all units are one stripe, what a batch touches shrinks by a fifth: 4 % of 13-50-1 in float64, whose
        numbers fill the L1 cache. The sums must be complete when they are stored: by then z is needed for their slope.
        """
        is_one_sum = layer.out_end == layer.out_start + 1 and not layer.wide_backward and layer.n_units <= self.stripe
        return is_one_sum and self._is_slope_in_sums(layer) and not self.want.dropout

    # ------------------------------------------------------------------ forward

    def forward(self) -> Tasks:
        """z of all units."""
        for l, layer in enumerate(self.net.layers[1:], 1):
            in_place = layer.function in IN_KERNELS
            # Of sums of several parts all units come before the next part: see `large_sums`
            for task in stripes(l, layer, layer.n_units if layer.wide_forward else self.stripe):
                yield from self._sums(layer, task._replace(in_z=in_place))
                if not in_place and layer.function != SOFTMAX:
                    yield task._replace(kind=kinds.ACTIVATE)
                if self.want.dropout and not self.net.is_output(layer):
                    yield task._replace(kind=kinds.DROP)
            if layer.function == SOFTMAX:
                yield whole(l, layer)._replace(kind=kinds.SOFTMAX_OUTPUTS)

    def _sums(self, layer: Layer, task: Task) -> Tasks:
        """(5.48) of some units: over the layers that feed them, and along links after these."""
        relu, has_links = layer.function == RELU, layer.links_in != NONE
        first, blocks = task.unit - layer.first_unit, self.net.arriving(layer)
        task = task._replace(bias=layer.bias if layer.bias == NONE else layer.bias + first)
        for c, block in enumerate(blocks):
            yield task._replace(
                kind=kinds.SUMS, adds=c > 0, relu=relu and not has_links and c == len(blocks) - 1,
                weights=block.weights + first * block.n_in, n_in=block.n_in,
                terms=block.source_unit, n_terms=block.n_in,
            )  # fmt: skip
        if has_links:
            yield task._replace(kind=kinds.LINK_SUMS, adds=len(blocks) > 0, relu=relu)

    # ------------------------------------------------------------------ outputs, delta recursion

    def outputs(self) -> Tasks:
        """The error, and delta of the outputs."""
        yield whole(self.net.last, self.net.output)._replace(kind=kinds.OUTPUT_DELTA)

    def recursion(self, lowest: int, at_once: bool) -> Tasks:
        """Delta from that of the outputs down to layer `lowest`; the gradient with it, if at once."""
        output, last = self.net.output, self.net.last
        if self.net.has_slope(output):
            kind = kinds.SOFTMAX_SLOPES if output.function == SOFTMAX else kinds.SLOPES
            yield whole(last, output)._replace(kind=kind)
        for l in range(last if at_once else last - 1, lowest - 1, -1):
            layer = self.net.layers[l]
            is_wide = layer.wide_backward or l == last
            for task in stripes(l, layer, layer.n_units if is_wide else self.stripe):
                if at_once and not self._is_delta_kept(layer, lowest):
                    over_z = self._is_over_z(layer)
                    task = task._replace(in_z=over_z, out=task.unit if over_z else layer.first_unit)
                yield from self._deltas(layer, task, l < last, at_once)

    def _deltas(self, layer: Layer, task: Task, is_wanted: bool, at_once: bool) -> Tasks:
        """Delta of some units; the gradient of what leaves them by narrow blocks, and of what arrives."""
        first, has_feeders = task.unit - layer.first_unit, at_once and self._has_feeders(layer)
        if has_feeders:
            block = self.net.leaving(layer)[0]
            yield task._replace(
                kind=kinds.FEEDERS, weights=block.weights + first, bias=layer.bias + first, terms=block.target_unit
            )
        elif at_once:
            yield from self._few(layer, task)
        if is_wanted and not has_feeders:
            yield from self._sums_of_delta(layer, task)
        if at_once:
            for block in self.net.arriving(layer):
                if not is_narrow(block):
                    yield self._weights(block, task)
            if not has_feeders and layer.in_start < layer.in_end and layer.bias != NONE:
                yield task._replace(kind=kinds.BIASES, bias=layer.bias + first)

    def _sums_of_delta(self, layer: Layer, task: Task) -> Tasks:
        """(5.56) of some units."""
        is_output, first = self.net.is_output(layer), task.unit - layer.first_unit
        in_sums, blocks = self._is_slope_in_sums(layer), self.net.leaving(layer)
        for o, block in enumerate(blocks):
            packed = block.columns != NONE
            yield task._replace(
                kind=kinds.SUMS_OF_DELTA, adds=is_output or o > 0, relu=in_sums and o == len(blocks) - 1,
                packed=packed, weights=block.columns + first * block.n_out if packed else block.weights + first,
                n_in=block.n_in, terms=block.target_unit, n_terms=block.n_out,
            )  # fmt: skip
        if layer.links_out != NONE:
            yield task._replace(kind=kinds.LINK_SUMS_OF_DELTA, adds=is_output or len(blocks) > 0)
        if self.want.dropout and not is_output:
            yield task._replace(kind=kinds.DROPPED_SLOPES)
        elif not in_sums and self.net.has_slope(layer):
            yield task._replace(kind=kinds.SLOPES)

    # ------------------------------------------------------------------ gradient

    def copies(self) -> Tasks:
        """z sample by sample, of the hidden layers whose blocks take it: the inputs' is made when they are loaded."""
        for l, layer in enumerate(self.net.layers[1:], 1):
            if layer.rows != NONE:
                yield whole(l, layer)._replace(kind=kinds.TRANSPOSE)

    def gradient(self) -> Tasks:
        """The gradient, or what is left of it where it goes along with the delta recursion; and the step."""
        together, done = not self.is_at_once and self._are_biases_together(), 0
        for block in () if self.is_at_once else self.net.blocks:
            layer = self.net.layers[block.target]
            for task in stripes(block.target, layer, WIDE_STRIPE if self._is_cut(block) else self.stripe):
                first = task.unit - layer.first_unit
                weights = self._weights(block, task)
                yield weights
                if block is self.net.blocks[layer.in_start] and layer.bias != NONE and not together:
                    yield task._replace(kind=kinds.BIASES, bias=layer.bias + first, weights=weights.weights)
                stop = weights.weights + weights.n_units * weights.n_in
                stop -= stop % self.net.lanes
                if stop - done >= STEP_NUMBERS:
                    yield Task(**NOTHING)._replace(kind=kinds.STEP, weights=done, n_units=stop - done)
                    done = stop
        yield from self._links(together)
        if together:
            layer = self.net.layers[1]
            n_units = self.net.n_units - layer.first_unit
            yield whole(1, layer)._replace(kind=kinds.BIASES, bias=layer.bias, n_units=n_units)
        yield Task(**NOTHING)._replace(kind=kinds.STEP, weights=done, n_units=self.net.n_params - done)

    def _links(self, together: bool) -> Tasks:
        """The gradient of the weights of all links, and of biases that come with no block. Shared layer by layer."""
        for l, layer in enumerate(self.net.layers[1:], 1):
            if layer.links_gradient != NONE:
                task = whole(l, layer)._replace(weights=NONE)
                yield task._replace(kind=kinds.LINK_WEIGHTS)
                if layer.in_start == layer.in_end and layer.bias != NONE and not together:
                    yield task._replace(kind=kinds.BIASES, bias=layer.bias)

    def _weights(self, block: Block, task: Task) -> Task:
        """(5.57) of some units that a block arrives at: along its inputs, where that pays, or along the samples."""
        first = task.unit - block.target_unit
        task = task._replace(weights=block.weights + first * block.n_in, n_in=block.n_in)
        if block.by_inputs:
            return task._replace(kind=kinds.WEIGHTS_BY_INPUTS, layer=block.source)
        return task._replace(kind=kinds.WEIGHTS_BY_SAMPLES, terms=block.source_unit)

    def _few(self, layer: Layer, task: Task) -> Tasks:
        """(5.57) of narrow blocks that leave some units."""
        first = task.unit - layer.first_unit
        for block in self.net.leaving(layer):
            for k in range(block.n_out if is_narrow(block) else 0):
                weights = block.weights + k * block.n_in + first
                yield task._replace(kind=kinds.WEIGHTS_OF_FEW, weights=weights, terms=block.target_unit + k)

    # ------------------------------------------------------------------ all of it

    def phases(self, gradient: bool) -> list[list[Task]]:
        """The lists of the phases, with a gradient or without: those that go as far as is wanted."""
        want, at_once = self.want, gradient and self.is_at_once
        phases = [list(self.forward()), [], [], []]
        if gradient:
            phases[1:] = list(self.outputs()), [*self.copies(), *self.recursion(1, at_once)], list(self.gradient())
        elif want.level >= DELTAS:
            phases[1] = list(self.outputs())
            if want.level == SLOPES:
                deltas = list(self.recursion(0, False))
                n_below = next((n for n, task in enumerate(deltas) if task.layer == 0), len(deltas))
                phases[2:] = deltas[:n_below], deltas[n_below:]
        return phases


NOTHING = dict.fromkeys(Task._fields, 0)


def stripes(l: int, layer: Layer, most: int) -> Iterator[Task]:
    """Tasks for the units of a layer, at most so many at a time."""
    for first in range(0, layer.n_units, most):
        unit = layer.first_unit + first
        yield Task(**NOTHING)._replace(layer=l, unit=unit, out=unit, n_units=min(most, layer.n_units - first))


def whole(l: int, layer: Layer) -> Task:
    """A task for all units of a layer."""
    return next(stripes(l, layer, layer.n_units))


def schedule(packed: Packed, want: Want, most_registers: int) -> Schedule:
    """All lists for tiles of up to so many registers."""
    net, found = Tables(packed), {}
    tasks: list[Task] = []
    bounds = np.zeros((most_registers + 1, 2, N_PHASES + 1), np.int64)
    for n_registers in range(1, most_registers + 1):
        lists = Lists(net, want, n_registers)
        if lists.choices not in found:
            found[lists.choices] = rows = np.zeros((2, N_PHASES + 1), np.int64)
            for gradient in range(1 + want.gradient):
                rows[gradient, 0] = len(tasks)
                for phase, its_tasks in enumerate(lists.phases(bool(gradient)), 1):
                    tasks += its_tasks
                    rows[gradient, phase] = len(tasks)
        bounds[n_registers] = found[lists.choices]
    return Schedule(np.array(tasks, np.int64).reshape(-1, TASK_COLUMNS), bounds)
