"""On-line learning from a stream: some samples a call, with as little around the arithmetic as there can be.

As in `few.py` the network comes as one number, the address of a *plan*. The steps are those of `online.py`.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import Rule
from fastbp.kernels.one_sample.few import array_at, call_without_types, in_rows
from fastbp.kernels.one_sample.online import learn, online_from
from fastbp.kernels.one_sample.passes import Units
from fastbp.kernels.one_sample.wide import copy_params
from fastbp.kernels.registers.lanes import Numbers, number, set_number, shift, view, view_at
from fastbp.kernels.tables import BLOCK, LAYER, Net, layer_of

# What a plan holds: the addresses of arrays, each followed by its number of numbers; then whole numbers.
(
    PARAMS, LAYERS, BLOCKS, OUTGOING, WIDE_PARAMS, WIDE_LAYERS, WIDE_BLOCKS, VALUES, GRAD, STATE, OPTIONS, DECAY,
    NUMBERS, FIRST,
) = range(0, 28, 2)  # fmt: skip
N_ARRAYS = 14
LOSS, DELTAS_ADDRESS, KIND, STEP_ADDRESS, N_WEIGHTS = range(2 * N_ARRAYS, 2 * N_ARRAYS + 5)
PLAN_SIZE = 2 * N_ARRAYS + 5
# What its array NUMBERS holds; ERROR: of the last sample, TOTAL: of those of a call
RATE, L1, L2, LOSS_OPTION, ERROR, TOTAL = range(6)
N_NUMBERS = 6
OTHER_WAY = -1  # what `learn_few` returns of samples that are not as it needs them


class Sample(NamedTuple):
    """A sample, as views: what `learn` needs of samples."""

    x: Numbers
    t: Numbers
    weight: Numbers  # none, since it has no weight
    n_inputs: int
    n_outputs: int
    has_weight: bool


@kernel
def net_at(plan, params, layers, blocks):
    """A network of a plan, whose tables stand at these places."""
    table, other = array_at(plan, layers, np.int64), array_at(plan, OUTGOING, np.int64)
    n_layers, n_blocks = number(plan, layers + 1) // len(LAYER), number(plan, blocks + 1) // len(BLOCK)
    last = (n_layers - 1) * len(LAYER)
    n_units = number(table, last + LAYER.first_unit) + number(table, last + LAYER.n_units)
    loss, option = number(plan, LOSS), number(array_at(plan, NUMBERS, np.float64), LOSS_OPTION)
    return Net(
        params, table, array_at(plan, blocks, np.int64), other, other, other, loss, option, n_layers, n_blocks, n_units
    )


@kernel
def rule_at(plan, dtype):
    """The solver of a plan."""
    numbers, first = array_at(plan, NUMBERS, np.float64), array_at(plan, STATE, dtype)
    n_params = number(plan, PARAMS + 1)
    return Rule(
        number(plan, KIND), array_at(plan, OPTIONS, np.float64), first,
        shift(first, number(plan, STATE + 1) - n_params), array_at(plan, DECAY, np.float64),
        number(numbers, L1), number(numbers, L2), number(plan, N_WEIGHTS), n_params, number(plan, STEP_ADDRESS),
    )  # fmt: skip


@kernel
def online_at(plan, dtype):
    """What learns, of a plan."""
    values, n_values = array_at(plan, VALUES, dtype), number(plan, VALUES + 1) // 3
    numbers = array_at(plan, NUMBERS, np.float64)
    return online_from(
        net_at(plan, array_at(plan, PARAMS, dtype), LAYERS, BLOCKS),
        net_at(plan, array_at(plan, WIDE_PARAMS, dtype), WIDE_LAYERS, WIDE_BLOCKS),
        Units(values, shift(values, n_values), shift(values, 2 * n_values)),
        array_at(plan, GRAD, dtype), rule_at(plan, dtype), array_at(plan, FIRST, np.int64),
        shift(numbers, ERROR), number(plan, DELTAS_ADDRESS),
    )  # fmt: skip


@kernel
def are_finite(x, n):
    """Whether the first n numbers are finite."""
    bad = 0.0
    for i in range(n):
        bad += number(x, i) * 0.0
    return bad == 0.0


@entry(nogil=False)
def learn_few(address, x, t):
    """A step for each row of x and t; returns how many there were before an error that is not finite, or OTHER_WAY."""
    plan = view_at(np.int64, address, PLAN_SIZE)
    online, numbers = online_at(plan, x.dtype), array_at(plan, NUMBERS, np.float64)
    n_inputs, n_outputs = layer_of(online.net, 0).n_units, layer_of(online.net, online.net.n_layers - 1).n_units
    if len(x) != len(t) or not in_rows(x, n_inputs) or not in_rows(t, n_outputs):
        return OTHER_WAY
    xs, ts = view(x), view(t)
    if not are_finite(xs, len(x) * n_inputs) or not are_finite(ts, len(t) * n_outputs):
        return OTHER_WAY
    set_number(numbers, TOTAL, 0.0)
    copy_params(online.net, online.wide)
    n_done = 0
    while n_done < len(x):
        row, target = shift(xs, n_done * n_inputs), shift(ts, n_done * n_outputs)
        data = Sample(row, target, target, n_inputs, n_outputs, False)
        if not learn(online, data, numbers, TOTAL, number(numbers, RATE), 0, 1):
            break
        n_done += 1
    copy_params(online.wide, online.net)
    return n_done


@cache
def learning_call(dtype):
    """`learn_few` for arrays of one dtype, see `call_without_types`."""
    return call_without_types(learn_few, dtype)
