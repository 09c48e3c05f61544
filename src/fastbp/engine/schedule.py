"""What is done with a tile of samples, in which order: lists of tasks, made once for each width of a tile.

The kernels do the tasks: `kernels/many_samples/forward.py`, `backward.py` and `gradients.py` have an equation for each
kind. Which tasks there are follows from the decisions of `choices.py`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.choices import DELTAS, SLOPES, Choices, Tables, Want, Width, is_narrow, width_of
from fastbp.kernels.codes import IN_KERNELS, RELU, SOFTMAX
from fastbp.kernels.many_samples import tasks as kinds
from fastbp.kernels.many_samples.tasks import N_PHASES, TASK_COLUMNS, Task
from fastbp.kernels.tables import NONE, Block, Layer, Packed
from fastbp.kernels.tuning import STEP_NUMBERS

Tasks = Iterator[Task]

NO_TASK = Task(*[0] * TASK_COLUMNS)


class Schedule(NamedTuple):
    """All lists of a work space, as the kernels read them."""

    tasks: NDArray[np.int64]  # (n_tasks, TASK_COLUMNS)
    bounds: NDArray[np.int64]  # (registers of a tile, without and with a gradient, phase): number of its first task


def stripes(l: int, layer: Layer, most: int) -> Tasks:
    """Tasks for the units of a layer, at most so many at a time."""
    for first in range(0, layer.n_units, most):
        unit = layer.first_unit + first
        yield NO_TASK._replace(layer=l, unit=unit, out=unit, n_units=min(most, layer.n_units - first))


def whole(kind: int, l: int, layer: Layer) -> Task:
    """A task for all units of a layer."""
    return next(stripes(l, layer, layer.n_units))._replace(kind=kind)


class Lists:
    """The lists of tasks for tiles of one width.

    Parameters
    ----------
    choices : Choices
    """

    def __init__(self, choices: Choices) -> None:
        self._choices, self._net, self._want = choices, choices.net, choices.want

    def phases(self, *, gradient: bool) -> list[list[Task]]:
        """The tasks of each phase, with a gradient or without: as far as is wanted.

        Where gradients are wanted, outputs and errors are too: of samples that are held out.
        """
        phases: list[list[Task]] = [list(self.forward()), [], [], []]
        if gradient:
            at_once = self._choices.width.is_at_once
            phases[1:] = list(self.outputs()), [*self.copies(), *self.recursion(1, at_once=at_once)], [*self.gradient()]
        elif self._want.level >= DELTAS:
            phases[1] = list(self.outputs())
            if self._want.level == SLOPES and not self._want.gradient:
                deltas = list(self.recursion(0, at_once=False))
                n_above = next((n for n, task in enumerate(deltas) if task.layer == 0), len(deltas))
                phases[2:] = deltas[:n_above], deltas[n_above:]
        return phases

    # ------------------------------------------------------------------ forward

    def forward(self) -> Tasks:
        """z of all units: (5.48) and (5.49)."""
        for l, layer in enumerate(self._net.layers[1:], 1):
            in_registers = layer.function in IN_KERNELS  # then a is nowhere else
            for task in stripes(l, layer, self._choices.stripe_forward(layer)):
                yield from self._sums(layer, task._replace(in_z=in_registers))
                if not in_registers and layer.function != SOFTMAX:
                    yield task._replace(kind=kinds.ACTIVATE)
                if self._want.dropout and not self._net.is_output(layer):
                    yield task._replace(kind=kinds.DROP)
            if layer.function == SOFTMAX:
                yield whole(kinds.SOFTMAX_OUTPUTS, l, layer)

    def _sums(self, layer: Layer, task: Task) -> Tasks:
        """(5.48) of some units: over the layers that feed them, and along links after these."""
        is_relu, has_links = layer.function == RELU, layer.links_in != NONE
        first, blocks = task.unit - layer.first_unit, self._net.arriving(layer)
        sums = task._replace(bias=layer.bias if layer.bias == NONE else layer.bias + first)
        for c, block in enumerate(blocks):
            yield sums._replace(
                kind=kinds.SUMS, adds=c > 0, relu=is_relu and not has_links and c == len(blocks) - 1,
                weights=block.weights + first * block.n_in, n_in=block.n_in,
                terms=block.source_unit, n_terms=block.n_in,
            )  # fmt: skip
        if has_links:
            yield sums._replace(kind=kinds.LINK_SUMS, adds=len(blocks) > 0, relu=is_relu)

    # ------------------------------------------------------------------ outputs, delta recursion

    def outputs(self) -> Tasks:
        """The error, and delta of the outputs: (5.54)."""
        yield whole(kinds.OUTPUT_DELTA, self._net.last, self._net.output)

    def recursion(self, lowest: int, *, at_once: bool) -> Tasks:
        """Delta from that of the outputs down to layer `lowest`; the gradient with it, if at once."""
        output, last = self._net.output, self._net.last
        if self._net.has_slope(output):
            yield whole(kinds.SOFTMAX_SLOPES if output.function == SOFTMAX else kinds.SLOPES, last, output)
        for l in range(last if at_once else last - 1, lowest - 1, -1):
            layer = self._net.layers[l]
            for task in stripes(l, layer, self._choices.stripe_backward(layer)):
                if at_once:
                    yield from self._with_gradient(layer, self._placed(layer, task))
                else:
                    yield from self._deltas(layer, task)

    def _placed(self, layer: Layer, task: Task) -> Task:
        """A task with the place of its delta."""
        return task if self._choices.is_delta_kept(layer) else task._replace(out=layer.first_unit)

    def _with_gradient(self, layer: Layer, task: Task) -> Tasks:
        """Delta of some units, and the gradient of what arrives; before, that of what leaves by narrow blocks."""
        has_feeders = self._choices.has_feeders(layer)
        if has_feeders:
            yield self._feeders(layer, task)
        else:
            yield from self._few(layer, task)
            if layer is not self._net.output:
                yield from self._deltas(layer, task)
        for block in self._net.arriving(layer):
            if not is_narrow(block):
                yield self._weights(block, task)
        if not has_feeders and layer.in_start < layer.in_end and layer.bias != NONE:
            yield self._biases(layer, task)

    def _deltas(self, layer: Layer, task: Task) -> Tasks:
        """(5.56) of some units."""
        is_output, first = self._net.is_output(layer), task.unit - layer.first_unit
        in_sums, blocks = self._choices.is_slope_in_sums(layer), self._net.leaving(layer)
        for o, block in enumerate(blocks):
            is_packed = block.columns != NONE
            yield task._replace(
                kind=kinds.SUMS_OF_DELTA, adds=is_output or o > 0, relu=in_sums and o == len(blocks) - 1,
                packed=is_packed, weights=block.columns + first * block.n_out if is_packed else block.weights + first,
                n_in=block.n_in, terms=block.target_unit, n_terms=block.n_out,
            )  # fmt: skip
        if layer.links_out != NONE:
            yield task._replace(kind=kinds.LINK_SUMS_OF_DELTA, adds=is_output or len(blocks) > 0)
        if self._want.dropout and not is_output:
            yield task._replace(kind=kinds.DROPPED_SLOPES)
        elif not in_sums and self._net.has_slope(layer):
            yield task._replace(kind=kinds.SLOPES)

    def _feeders(self, layer: Layer, task: Task) -> Task:
        """(5.56) and (5.57) of some units that feed one unit."""
        block, first = self._net.leaving(layer)[0], task.unit - layer.first_unit
        weights, bias = block.weights + first, layer.bias + first
        return task._replace(kind=kinds.FEEDERS, weights=weights, bias=bias, terms=block.target_unit)

    # ------------------------------------------------------------------ gradient

    def copies(self) -> Tasks:
        """z sample by sample, of the hidden layers whose blocks take it: the inputs' is made when they are loaded."""
        for l, layer in enumerate(self._net.layers[1:], 1):
            if layer.rows != NONE:
                yield whole(kinds.TRANSPOSE, l, layer)

    def gradient(self) -> Tasks:
        """The gradient, or what is left of it where it goes along with the delta recursion; and the step."""
        done = 0
        for block in () if self._choices.width.is_at_once else self._net.blocks:
            layer = self._net.layers[block.target]
            for stripe in stripes(block.target, layer, self._choices.stripe_of_gradient(block)):
                task = self._weights(block, stripe)
                yield task
                if block is self._net.arriving(layer)[0] and not self._choices.width.biases_together:
                    yield from self._biases_of(layer, task)
                stop = task.weights + task.n_units * task.n_in
                if stop - done >= STEP_NUMBERS:
                    stop -= stop % self._net.lanes
                    yield NO_TASK._replace(kind=kinds.STEP, weights=done, n_units=stop - done)
                    done = stop
        yield from self._links()
        if self._choices.width.biases_together:
            layer = self._net.layers[1]
            yield self._biases(layer, whole(0, 1, layer)._replace(n_units=self._net.n_units - layer.first_unit))
        yield NO_TASK._replace(kind=kinds.STEP, weights=done, n_units=self._net.n_params - done)

    def _links(self) -> Tasks:
        """The gradient of the weights of all links, and of biases that come with no block. Shared layer by layer."""
        for l, layer in enumerate(self._net.layers[1:], 1):
            if layer.links_gradient != NONE:
                task = whole(kinds.LINK_WEIGHTS, l, layer)._replace(weights=NONE)
                yield task
                if layer.in_start == layer.in_end and not self._choices.width.biases_together:
                    yield from self._biases_of(layer, task)

    def _weights(self, block: Block, task: Task) -> Task:
        """(5.57) of some units that a block arrives at: along its inputs, where that pays, or along the samples."""
        first = task.unit - block.target_unit
        weights = task._replace(weights=block.weights + first * block.n_in, n_in=block.n_in)
        if block.by_inputs:
            return weights._replace(kind=kinds.WEIGHTS_BY_INPUTS, layer=block.source)
        return weights._replace(kind=kinds.WEIGHTS_BY_SAMPLES, terms=block.source_unit)

    def _few(self, layer: Layer, task: Task) -> Tasks:
        """(5.57) of narrow blocks that leave some units."""
        first = task.unit - layer.first_unit
        for block in self._net.leaving(layer):
            for k in range(block.n_out if is_narrow(block) else 0):
                weights = block.weights + k * block.n_in + first
                yield task._replace(kind=kinds.WEIGHTS_OF_FEW, weights=weights, terms=block.target_unit + k)

    def _biases_of(self, layer: Layer, task: Task) -> Tasks:
        """The biases' gradient of the units of a task, if they have biases."""
        if layer.bias != NONE:
            yield self._biases(layer, task)

    def _biases(self, layer: Layer, task: Task) -> Task:
        return task._replace(kind=kinds.BIASES, bias=layer.bias + task.unit - layer.first_unit)


def schedule(packed: Packed, want: Want, most_registers: int) -> Schedule:
    """All lists for tiles of up to so many registers."""
    net, tasks = Tables(packed), list[Task]()
    found: dict[Width, NDArray[np.int64]] = {}
    bounds = np.zeros((most_registers + 1, 2, N_PHASES + 1), np.int64)
    for n_registers in range(1, most_registers + 1):
        width = width_of(net, want, n_registers)
        if width not in found:
            own = found[width] = np.zeros((2, N_PHASES + 1), np.int64)
            for gradient in range(1 + want.gradient):
                own[gradient, 0] = len(tasks)
                for phase, its_tasks in enumerate(Lists(Choices(net, want, width)).phases(gradient=bool(gradient)), 1):
                    tasks += its_tasks
                    own[gradient, phase] = len(tasks)
        bounds[n_registers] = found[width]
    return Schedule(np.array(tasks, np.int64).reshape(-1, TASK_COLUMNS), bounds)
