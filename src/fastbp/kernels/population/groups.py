"""Networks of one kind side by side, one in each lane: what is remembered of them, and their samples.

Which rows of the data a network learns from, and in which order, is its own; what is gathered of them ahead lands in
its lane.
"""

from typing import NamedTuple

from fastbp.kernels.codes import N_OPTIONS, SGD
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.formulas.steps import MOMENTUM, Rule
from fastbp.kernels.many_samples.gather import Source, rows_to_lanes
from fastbp.kernels.many_samples.weighted_sums import Rows, terms_of
from fastbp.kernels.population.passes import Lanes
from fastbp.kernels.population.steps import Stepping
from fastbp.kernels.population.tables import (
    Group,
    doubles_at,
    group_of,
    integers_at,
    kind_of,
    member_of,
    net_of_member,
)
from fastbp.kernels.registers.lanes import (
    Doubles,
    Integers,
    Numbers,
    lanes,
    load,
    number,
    set_number,
    shift,
    splat,
    store,
    view_at,
)
from fastbp.kernels.tables import Net
from fastbp.kernels.tuning import FEW_TO_LANES

# Rows of what a group remembers: so many for each parameter, then these
PER_PARAMETER = 6  # parameters, gradient, those at the start of the epoch, the best ones, two moments
RATES, FALLING, L1, L2, SUMS, ZEROS = range(6)
FURTHER_ROWS = 6


class Views(NamedTuple):
    """The views of a group."""

    row: Group
    net: Net  # its parameters are those of all networks, side by side
    stepping: Stepping
    rule: Rule  # for the corrections of the learning rates
    safe: Numbers
    best: Numbers
    falling: Numbers  # learning rates times -1, and times the scale of a batch
    sums: Numbers  # errors of the samples of a block
    zeros: Numbers
    members: Integers
    position: Integers
    held_errors: Doubles
    n_samples: int
    batch_size: int
    mean: bool
    plain: bool  # gradient descent, in steps along the samples of one block
    online: bool  # ... of one sample
    weighted: bool  # whether samples have weights


class Room(NamedTuple):
    """The memory of a slot, for what is gathered ahead and for the units."""

    order: Integers
    ones: Numbers  # weights of samples that have none
    x: Numbers
    t: Numbers
    t_now: Numbers
    weight: Numbers
    units: Numbers  # a, z and delta


@kernel
def group_from(crew, g):
    """The views of group g."""
    row = group_of(crew, g)
    members = integers_at(row.members, row.width)
    first = number(members, 0)
    member, kind = member_of(crew, first), kind_of(crew, row.kind)
    numbers, n = view_at(crew.x, row.numbers, row.n_rows * row.width), kind.n_parameters * row.width
    rows = shift(numbers, PER_PARAMETER * n)
    own = net_of_member(crew, first, member, kind)
    net = Net(
        numbers, own.layers, own.blocks, own.outgoing, own.starts, own.links, own.loss, own.loss_option, own.n_layers,
        own.n_blocks, own.n_units,
    )  # fmt: skip
    options, decay = doubles_at(member.options, N_OPTIONS), doubles_at(row.decay, 2)
    moments = shift(numbers, 4 * n)
    stepping = Stepping(
        member.solver, options, numbers, shift(numbers, n), moments, shift(moments, n), rows,
        shift(rows, L1 * row.width), shift(rows, L2 * row.width), kind.n_weights, kind.n_parameters, row.width,
        row.penalized != 0,
    )  # fmt: skip
    rule = Rule(member.solver, options, moments, moments, decay, 0.0, 0.0, kind.n_weights, kind.n_parameters, 0)
    is_plain = member.solver == SGD and number(options, MOMENTUM) == 0.0 and row.penalized == 0
    return Views(
        row, net, stepping, rule, shift(numbers, 2 * n), shift(numbers, 3 * n), shift(rows, FALLING * row.width),
        shift(rows, SUMS * row.width), shift(rows, ZEROS * row.width), members, integers_at(row.position, 3),
        doubles_at(row.held_errors, row.width), member.n_samples, member.batch_size, member.mean != 0,
        is_plain and member.batch_size <= row.n_ahead, is_plain and member.batch_size == 1, member.weight != 0,
    )  # fmt: skip


@kernel
def room_of(crew, group, slot):
    """The memory of a slot as a group needs it."""
    n = group.row.n_ahead * group.row.width
    numbers = shift(crew.rooms, slot * crew.n_room)
    x = shift(numbers, n)
    t = shift(x, crew.n_inputs * n)
    t_now = shift(t, crew.n_outputs * n)
    weight = shift(t_now, crew.n_outputs * n)
    order = shift(crew.room_orders, slot * crew.n_room_orders)
    for k in range(0, n, lanes(numbers)):
        store(numbers, k, splat(numbers, 1.0))
    return Room(order, numbers, x, t, t_now, weight, shift(weight, n))


@kernel
def lanes_of(group, room, s, n_samples, weighted):
    """What samples s .. s + n_samples - 1 of those that were gathered ahead make of the units."""
    weight = room.weight if weighted else room.ones
    width, n_ahead = group.row.width, group.row.n_ahead
    stride, n = n_samples * width, group.net.n_units * n_ahead * width
    errors = shift(room.units, 3 * n)
    return Lanes(
        shift(room.x, s * width), room.t_now, shift(weight, s * width), room.units, shift(room.units, n),
        shift(room.units, 2 * n), errors, group.zeros, width, n_samples, stride, n_ahead * width,
        group.row.deltas_address,
    )  # fmt: skip


@kernel
def take_targets(crew, group, room, s, n_samples):
    """Targets of some samples of those that were gathered ahead, in the places of the outputs."""
    width, stride = group.row.width, n_samples * group.row.width
    for k in range(crew.n_outputs):
        source = shift(room.t, (k * group.row.n_ahead + s) * width)
        for place in range(0, stride, lanes(room.t)):
            store(room.t_now, k * stride + place, load(source, place))


class Columns(NamedTuple):
    """A user's array of samples, and where they go: number i of sample s, lane n, to i * number + s * sample + n."""

    values: Numbers
    n_columns: int
    out: Numbers
    number: int
    sample: int


@kernel
def columns_of(values, n_columns, out, group):
    """Where samples go: the numbers of a sample together on-line, else the samples of a number."""
    width = group.row.width
    if group.online:
        return Columns(values, n_columns, out, width, n_columns * width)
    return Columns(values, n_columns, out, group.row.n_ahead * width, width)


@kernel
def rows_of_lane(columns, order, n_samples, lane):
    """Rows order[0] .. order[n_samples - 1] into a lane, number by number."""
    for i in range(columns.n_columns):
        values, out = shift(columns.values, i), shift(columns.out, i * columns.number + lane)
        for s in range(n_samples):
            set_number(out, s * columns.sample, number(values, number(order, s) * columns.n_columns))


@kernel
def rows_of_lanes(columns, order, n_samples, width):
    """The same of all lanes, transposed in registers: rows of many columns."""
    for s in range(n_samples):
        out, order_s = Rows(shift(columns.out, s * columns.sample), columns.number), shift(order, s * width)
        rows_to_lanes(Source(columns.values, columns.n_columns, order_s, width), out, terms_of(out), False)


@kernel
def weights_of_lane(weight, order, room, n_samples, width, lane):
    """Weights of the samples into a lane."""
    for s in range(n_samples):
        set_number(room.weight, s * width + lane, number(weight, number(order, s)))


@kernel
def gather_ahead(crew, group, room, first, n_samples):
    """Samples first .. first + n_samples - 1 of each network, in its own order."""
    width = group.row.width
    x = columns_of(crew.x, crew.n_inputs, room.x, group)
    t = columns_of(crew.t, crew.n_outputs, room.t, group)
    few = crew.n_inputs <= FEW_TO_LANES
    for lane in range(width):
        member = member_of(crew, number(group.members, lane))
        order = shift(integers_at(member.order, member.n_samples), first)
        rows_of_lane(t, order, n_samples, lane)
        if few:
            rows_of_lane(x, order, n_samples, lane)
        else:
            for s in range(n_samples):
                set_number(room.order, s * width + lane, number(order, s))
        if member.weight != 0:
            weights_of_lane(view_at(crew.x, member.weight, crew.n_rows), order, room, n_samples, width, lane)
    if not few:
        rows_of_lanes(x, room.order, n_samples, width)


@kernel
def gather_held(crew, group, room, first, n_samples):
    """The same of the samples that are held out; those that a network does not have count with weight 0."""
    width, n_ahead = group.row.width, group.row.n_ahead
    x = Columns(crew.held_x, crew.n_inputs, room.x, n_ahead * width, width)
    t = Columns(crew.held_t, crew.n_outputs, room.t, n_ahead * width, width)
    for lane in range(width):
        member = member_of(crew, number(group.members, lane))
        order = integers_at(member.held_order, member.n_held)
        weight = view_at(crew.x, member.held_weight, crew.n_held_rows)
        for s in range(n_samples):
            row = number(order, min(first + s, member.n_held - 1))
            counts = 1.0
            if member.held_weight != 0:
                counts = 1.0 * number(weight, row)
            set_number(room.order, s * width + lane, row)
            set_number(room.weight, s * width + lane, counts if first + s < member.n_held else 0.0)
    rows_of_lanes(x, room.order, n_samples, width)
    rows_of_lanes(t, room.order, n_samples, width)


@kernel
def clear(numbers, n):
    """n zeros, whole registers."""
    for k in range(0, n, lanes(numbers)):
        store(numbers, k, splat(numbers, 0.0))
