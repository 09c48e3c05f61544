"""`describe_schedule`: what is done with a batch, task by task, with how much work each of them is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fastbp import checks
from fastbp.engine.choices import SLOPES, Choices, Tables, Want, width_of
from fastbp.engine.schedule import Lists
from fastbp.kernels.many_samples import tasks as kinds
from fastbp.kernels.many_samples.tasks import Task
from fastbp.kernels.registers.machine import TILE_REGISTERS
from fastbp.kernels.tables import Packed
from fastbp.model.computing import ComputingNetwork

PHASES = "forward", "outputs", "backward", "gradient"
EQUATIONS = {
    kinds.SUMS: "(5.48) a_j = b_j + sum_i w_ji z_i", kinds.LINK_SUMS: "(5.48) a_j = b_j + sum_i w_ji z_i, links",
    kinds.ACTIVATE: "(5.49) z_j = h(a_j)", kinds.SOFTMAX_OUTPUTS: "(5.49) y = softmax(a)",
    kinds.OUTPUT_DELTA: "(5.54) E, delta_k", kinds.TRANSPOSE: "z sample by sample",
    kinds.SLOPES: "(5.56) delta_j *= h'(a_j)", kinds.SOFTMAX_SLOPES: "(5.56) delta_k, softmax",
    kinds.SUMS_OF_DELTA: "(5.56) delta_j = sum_k w_kj delta_k",
    kinds.LINK_SUMS_OF_DELTA: "(5.56) delta_j = sum_k w_kj delta_k, links",
    kinds.FEEDERS: "(5.56) delta_j, (5.57) dE/dw_kj, dE/db_j",
    kinds.WEIGHTS_BY_INPUTS: "(5.57) dE/dw_ji = sum_s delta_j z_i", kinds.BIASES: "dE/db_j = sum_s delta_j",
    kinds.WEIGHTS_BY_SAMPLES: "(5.57) dE/dw_ji = sum_s delta_j z_i, across",
    kinds.WEIGHTS_OF_FEW: "(5.57) dE/dw_kj = sum_s delta_k z_j, few k",
    kinds.LINK_WEIGHTS: "(5.57) dE/dw_ji = sum_s delta_j z_i, links", kinds.STEP: "step",
}  # fmt: skip
# The same where relu, or its slope, is part of the sums: while they are in registers.
WITH_RELU = {
    kinds.SUMS: "(5.48) a_j = b_j + sum_i w_ji z_i; (5.49) z_j = h(a_j)",
    kinds.LINK_SUMS: "(5.48) a_j = b_j + sum_i w_ji z_i, links; (5.49)",
    kinds.SUMS_OF_DELTA: "(5.56) delta_j = h'(a_j) sum_k w_kj delta_k",
}
TILED = kinds.SUMS, kinds.SUMS_OF_DELTA, kinds.WEIGHTS_BY_INPUTS
# What a core does in a cycle: multiply-adds and loads of a register; and the cycles until a product can be added to
MULTIPLY_ADDS, LOADS, LATENCY = 2, 2, 4


class ScheduledTask(NamedTuple):
    """One line of a schedule: the same task for all stripes of a layer's units.

    Lines stand in the order in which their first stripes come. The stripes of neighbouring lines take turns: sums of
    some units, then what follows for them while they are in the L1 cache.

    Attributes
    ----------
    phase : str
        "forward", "outputs", "backward" or "gradient".
    equation : str
        With its number in Bishop (2006).
    layer : int or None
        Number of the layer whose units it is done for; None for a step, which has no units.
    n_tasks : int
        Stripes: units are processed some at a time.
    multiply_adds : int
        Products of a weight and a number of a sample, or of two numbers of a sample, that are added up.
    n_bytes : int
        Of all numbers that are read or written, each counted once for each stripe.
    bound : float or None
        Largest share of the core's multiply-adds that the register tiles of the sums allow; None for what is no such
        sum.
    """

    phase: str
    equation: str
    layer: int | None
    n_tasks: int
    multiply_adds: int
    n_bytes: int
    bound: float | None


@dataclass(frozen=True)
class ScheduleDescription:
    """What `describe_schedule` returns; as text, a table.

    Attributes
    ----------
    n_samples : int
        In a tile: samples that are worked on together.
    n_tiles : int
        In the whole batch. The last of them may be smaller.
    n_registers : int
        Of samples in a row of the tile.
    tasks : tuple of ScheduledTask
    """

    n_samples: int
    n_tiles: int
    n_registers: int
    tasks: tuple[ScheduledTask, ...]

    def __str__(self) -> str:
        head = f"{self.n_tiles} x {self.n_samples} samples, {self.n_registers} registers in a row"
        if self.n_tiles > 1:
            head += "; each line is of one tile, the step of all of them"
        lines = [f"{'phase':9} {'layer':>5}  {'task':54} {'times':>5} {'multiply-adds':>14} {'bytes':>12}  bound"]
        for task in self.tasks:
            bound = "" if task.bound is None else f"{task.bound:5.0%}"
            layer = "" if task.layer is None else task.layer
            lines.append(
                f"{task.phase:9} {layer:>5}  {task.equation:54} {task.n_tasks:5} {task.multiply_adds:14,} "
                f"{task.n_bytes:12,}  {bound}".rstrip()
            )
        legend = (
            "bound: largest share of the peak that the registers allow; across: sums over the lanes, which are samples"
        )
        return "\n".join([head, *lines, legend])


def describe_schedule(net: ComputingNetwork, n_samples: int) -> ScheduleDescription:
    """Say what is done for the gradient of a batch, task by task, with how much work each is.

    Parameters
    ----------
    net : Network
    n_samples : int
        In the batch.

    Returns
    -------
    ScheduleDescription
        Of the largest tile of the batch; `print` makes a table of it.

    Raises
    ------
    TypeError, ValueError
        For what is no network, or no number of samples.

    Notes
    -----
    Nothing is run or measured. ``bound`` is worked out from the registers: a core that does two multiply-adds and two
    loads a cycle, and waits four cycles for a sum, cannot reach a larger share of its peak with these tiles, whose
    lanes without a sample count for nothing. From the L1 cache the sums come to within some per cent of it; how far
    larger ones fall behind is for a profiler to say.

    Examples
    --------
    >>> import fastbp
    >>> schedule = fastbp.describe_schedule(fastbp.Network((3, 8, 2), dtype="float64"), 32)
    >>> [task.multiply_adds for task in schedule.tasks if task.phase == "forward"]
    [768, 0, 512]
    """
    if not isinstance(net, ComputingNetwork):
        raise TypeError(f"net must be a fastbp.Network; got {net!r}")
    n_samples = checks.integer(n_samples, "n_samples", minimum=1)
    net.engine.link(SLOPES)
    tables, (n_tiles, largest) = Tables(net.packed), net.engine.tiles(n_samples)
    n_registers = -(-largest // tables.lanes)
    want = Want(SLOPES, gradient=True)
    phases = Lists(Choices(tables, want, width_of(tables, want, n_registers))).phases(gradient=True)
    counted = Counted(tables, net.packed, largest, n_registers)
    found = [task for name, own in zip(PHASES, phases, strict=True) for task in counted.lines(name, own)]
    return ScheduleDescription(largest, n_tiles, n_registers, tuple(found))


class Counted:
    """Counts the work of tasks, for a tile.

    Parameters
    ----------
    net : Tables
    packed : Packed
    n_samples, n_registers : int
        In a row.
    """

    def __init__(self, net: Tables, packed: Packed, n_samples: int, n_registers: int) -> None:
        self._net, self._starts, self._itemsize = net, packed.starts, packed.params.itemsize
        self._n_samples, self._n_registers, self._row = n_samples, n_registers, n_registers * net.lanes

    def lines(self, phase: str, tasks: list[Task]) -> Iterator[ScheduledTask]:
        """A line for the stripes of a layer together, in the order in which the first of them comes."""
        alike: dict[tuple[int, int, int], list[Task]] = {}
        for task in tasks:
            alike.setdefault((task.kind, task.layer, task.terms), []).append(task)
        for (kind, _, _), group in alike.items():
            products = sum(self._products(task) for task in group)
            bound = None
            if kind in TILED:
                bound = products / self._net.lanes / MULTIPLY_ADDS / sum(self._cycles(task) for task in group)
            n_bytes = self._itemsize * sum(self._numbers(task) for task in group)
            equation = WITH_RELU.get(kind, EQUATIONS[kind]) if group[-1].relu else EQUATIONS[kind]
            yield ScheduledTask(phase, equation, self._layer(group[0]), len(group), products, n_bytes, bound)

    def _layer(self, task: Task) -> int | None:
        """Number of the layer of the units of a task; its own is that of the inputs where they are in the lanes."""
        if task.kind == kinds.STEP:
            return None
        layers = enumerate(self._net.layers)
        return next(l for l, layer in layers if layer.first_unit <= task.unit < layer.first_unit + layer.n_units)

    def _n_links(self, task: Task) -> int:
        first = task.unit + (self._net.n_units if task.kind == kinds.LINK_SUMS_OF_DELTA else 0)
        return int(self._starts[first + task.n_units] - self._starts[first])

    def _products(self, task: Task) -> int:
        if task.kind in (kinds.LINK_SUMS, kinds.LINK_SUMS_OF_DELTA, kinds.LINK_WEIGHTS):
            return self._n_links(task) * self._n_samples
        if task.kind in (kinds.SUMS, kinds.SUMS_OF_DELTA):
            return task.n_units * task.n_terms * self._n_samples
        if task.kind in (kinds.WEIGHTS_BY_INPUTS, kinds.WEIGHTS_BY_SAMPLES):
            return task.n_units * task.n_in * self._n_samples
        return task.n_units * self._n_samples * {kinds.FEEDERS: 2, kinds.WEIGHTS_OF_FEW: 1}.get(task.kind, 0)

    def _numbers(self, task: Task) -> int:
        """Numbers that are read or written."""
        row, n = self._row, task.n_units
        if task.kind == kinds.STEP:
            return 3 * n
        if task.kind in (kinds.SUMS, kinds.SUMS_OF_DELTA):
            own_rows = 1 + (task.adds != 0) + (task.kind == kinds.SUMS_OF_DELTA and task.relu != 0)
            return n * task.n_terms + (n * own_rows + task.n_terms) * row
        if task.kind in (kinds.WEIGHTS_BY_INPUTS, kinds.WEIGHTS_BY_SAMPLES):
            return n * task.n_in + (n + task.n_in) * row
        if task.kind in (kinds.LINK_SUMS, kinds.LINK_SUMS_OF_DELTA, kinds.LINK_WEIGHTS):
            return 3 * self._n_links(task) + (self._n_links(task) + n) * row
        if task.kind in (kinds.FEEDERS, kinds.WEIGHTS_OF_FEW, kinds.BIASES):
            n_rows = {kinds.FEEDERS: 2 * n + 1, kinds.WEIGHTS_OF_FEW: n + 1}.get(task.kind, n)
            return n + n_rows * row
        return (4 if task.kind == kinds.OUTPUT_DELTA else 3 if task.kind == kinds.SLOPES else 2) * n * row

    def _cycles(self, task: Task) -> float:
        """Fewest cycles of the register tiles of some sums."""
        if task.kind == kinds.WEIGHTS_BY_INPUTS:
            n_terms, row = self._n_samples, -(-task.n_in // self._net.lanes)
        else:
            n_terms, row = task.n_terms, self._n_registers
        shapes = ((q, r) for q in units_of_tiles(task.n_units, row, is_packed=bool(task.packed)) for r in tiles_of(row))
        return n_terms * sum(cycles_of_term(q, r) for q, r in shapes)


def units_of_tiles(n_units: int, n_registers: int, *, is_packed: bool) -> Iterator[int]:
    """Units of each row of tiles: as `units_of_block` of `weighted_sums.py` cuts them."""
    while n_units > 0:
        most = 12 if n_registers == 1 and not is_packed else 6
        n = next(n for n in (most, 6, 4, 2, 1) if n <= n_units)
        yield n
        n_units -= n


def tiles_of(n_registers: int) -> Iterator[int]:
    """Registers of each tile of a row: as `registers_of_tile` of `parts.py` cuts it."""
    while n_registers > 0:
        is_long = TILE_REGISTERS == 4 and n_registers > 4
        n = 4 - min(n_registers % 4, 1) if is_long else min(n_registers, TILE_REGISTERS)
        yield n
        n_registers -= n


def cycles_of_term(n_units: int, n_registers: int) -> float:
    """Fewest cycles for a term of a tile: its multiply-adds; its loads; or the wait for the sums of the term before."""
    return max(n_units * n_registers / MULTIPLY_ADDS, (n_units + n_registers) / LOADS, LATENCY)
