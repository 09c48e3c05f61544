"""A pass over a tile of samples is a list of tasks: each is one equation for some units, with where its numbers stand.

`engine/schedule.py` makes the lists, for each width of a tile that a work space can hold, and takes all decisions that
follow from the network, the width and the machine. `passes.py` does one task after the other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import Integers, shift
from fastbp.kernels.tables import row_reader

# Kinds of tasks: of the forward pass
SUMS, LINK_SUMS, ACTIVATE, SOFTMAX_OUTPUTS, DROP = range(5)
# ... of the outputs, and copies of z sample by sample
OUTPUT_DELTA, TRANSPOSE = 5, 6
# ... of the delta recursion
SLOPES, SOFTMAX_SLOPES, DROPPED_SLOPES, SUMS_OF_DELTA, LINK_SUMS_OF_DELTA, FEEDERS = range(7, 13)
# ... of the gradient, and the step along it
WEIGHTS_BY_INPUTS, WEIGHTS_BY_SAMPLES, WEIGHTS_OF_FEW, BIASES, LINK_WEIGHTS, STEP = range(13, 19)

# Phases of a list, one after the other: forward pass; error and delta of the outputs; delta recursion; and then what is
# left of the gradient, or the derivatives by the inputs
PASS, OUTPUTS, RECURSION, SUMMING = range(4)
N_PHASES = 4


class Task(NamedTuple):
    """What is done for some units j of a layer. Numbers that its kind has no use for are 0; offsets may be NONE.

    `WEIGHTS_BY_INPUTS` is done for some units i, of the layer that the weights come from; `FEEDERS` and
    `WEIGHTS_OF_FEW` for some units j that feed the unit k which `terms` is. The units of a `STEP` are parameters;
    `BIASES` together are those of all layers.

    Units are those of the whole network: the rows of unit j begin at j times the tile's stride.
    """

    kind: int
    layer: int
    unit: int  # the first unit j
    n_units: int
    in_z: int  # whether sums stand in the place of z: those of a function that is done with them in registers
    out: int  # unit at whose row delta_j begins: of its own, or, where nobody reads it, the same row for all stripes
    adds: int  # whether sums begin with what stands there
    relu: int  # whether sums end with relu, or with its slope
    packed: int  # whether the weights are packed columns
    weights: int  # offset of the first weight, and of its derivative
    n_in: int  # weights from one unit's row in the matrix to the next one's
    bias: int  # offset of b_j, and of its derivative
    terms: int  # unit whose row is the first term
    n_terms: int


TASK_COLUMNS = len(Task._fields)


class ScheduleViews(NamedTuple):
    """All lists of a work space, as views."""

    tasks: Integers  # (n_tasks, TASK_COLUMNS)
    bounds: Integers  # (registers of a tile, with a gradient or without, phase): its first task; N_PHASES: behind all


task_of: Callable[..., Any] = row_reader(Task, "tasks")  # (schedule, n): task number n


@kernel
def bounds_of(schedule, n_registers, with_gradient):
    """The bounds of the phases of a tile of so many registers."""
    return shift(schedule.bounds, (2 * n_registers + with_gradient) * (N_PHASES + 1))
