"""A population as the kernels see it: a row of integers for each network, most of them addresses.

Networks differ in shape, and a loop over them cannot have one array more for each. So the arrays are Python's, and a
row says where those of a network stand; how many numbers each has follows from the row, and from the row of its kind.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples.tile import KINDS, Dropout, Space
from fastbp.kernels.registers.lanes import Doubles, Integers, Numbers, number, set_number, shift, view, view_at
from fastbp.kernels.tables import BLOCK, LAYER, LINK_COLUMNS, Net, row_reader


class Kind(NamedTuple):
    """A row of the table of kinds: what networks of the same layers, functions and loss have in common."""

    layers: int  # addresses of the tables of `Packed`, ...
    blocks: int
    outgoing: int
    starts: int
    links: int
    n_layers: int  # ... and their rows
    n_blocks: int
    n_links: int
    n_units: int
    loss: int
    n_params: int  # filled up
    n_parameters: int  # as many as there are
    n_weights: int
    part_size: int  # samples of a batch in one call
    wide_layers: int  # of on-line learning: see `OnlineMemory`
    wide_blocks: int
    n_wide: int
    n_values: int
    deltas_address: int


class Member(NamedTuple):
    """A row of the table of networks."""

    kind: int
    params: int  # addresses of its numbers: (n_params filled up,) each, but for the moments
    moments: int
    n_state_rows: int  # moments, and what factors take
    safe: int  # parameters at the start of the epoch
    partial: int  # gradient of the parts of a batch
    best: int  # parameters with the lowest loss; only with patience
    solver: int  # code, address of its step, and of its options
    step: int
    options: int
    decay: int  # addresses: (2,) float64
    random: int  # (1,) uint64
    order: int  # (n_samples,) int64: rows of the samples that it learns from
    weight: int  # (n_rows,) weights of all samples; 0: none
    n_samples: int
    held_order: int  # the same of the samples that are held out
    held_weight: int
    n_held: int  # 0: none
    rates: int  # (n_epochs,) float64: learning rates, losses
    losses: int
    held_losses: int
    batch_size: int
    shuffle: int
    mean: int
    one_by_one: int  # whether it is trained as on-line learning is
    dropout: int  # address of what leaves out units; NONE: nothing does
    dropout_rates: int  # of (n_layers,) float64
    dropout_key: int  # of (1,) uint64
    patience: int  # epochs without a lower loss after which to stop; 0: none
    keeps_best: int


class Settings(NamedTuple):
    """A row of the table of settings, float64."""

    l1: int
    l2: int
    tol: int
    goal: int  # NaN: none
    loss_option: int  # while it learns
    held_option: int  # of the samples that are held out
    best_loss: int  # the lowest so far


class Course(NamedTuple):
    """A row of the table of courses: where the training of a network stands."""

    epoch: int  # of those that there are rates for
    start: int  # first sample of the batch
    n_done: int  # samples of the batch that are done
    first_epoch: int  # number of the epoch of rates[0]
    best_epoch: int  # -1: none
    stopped: int  # why
    held_not_finite: int  # epoch after which that loss was not finite for the first time; -1: none


SETTINGS, COURSE = Settings(*range(len(Settings._fields))), Course(*range(len(Course._fields)))

RUNNING, NOT_FINITE, GOAL, WAITED = range(4)  # why a training has stopped

ITEM_COLUMNS = 2  # of the queue: network k, or group g as -1 - g; and how many steps it may take


class Group(NamedTuple):
    """A row of the table of groups: networks of one kind, one in each lane, see groups.py."""

    kind: int
    n_members: int
    width: int  # lanes: whole registers
    members: int  # address of their numbers: (width,) int64, behind the last one the first again
    numbers: int  # of what the group remembers: rows of `width` numbers
    n_rows: int
    position: int  # of (3,) int64: epoch, first sample of the batch, samples of the batch that are done
    decay: int  # of (2,) float64
    held_errors: int  # of (width,) float64
    most_held: int  # samples that are held out, of the network that has most
    n_ahead: int  # samples of each network that are gathered at a time
    deltas_address: int
    online_address: int  # of what learns on-line, see online.py
    penalized: int


class Tables(NamedTuple):
    """A population's arrays. All tables are int64 but for the settings, C-contiguous."""

    kinds: np.ndarray  # rows are those of `Kind`
    members: np.ndarray  # of `Member`
    groups: np.ndarray  # of `Group`
    settings: np.ndarray  # of `Settings`, float64
    courses: np.ndarray  # of `Course`
    spaces: np.ndarray  # (n_kinds, 2, n_slots, SPACE_COLUMNS): work spaces of gradients, without and with dropout
    dropouts: np.ndarray  # (n_kinds, n_slots, DROPOUT_COLUMNS): what dropout needs beside
    online: np.ndarray  # (n_kinds, n_slots, ONLINE_COLUMNS): see members.py
    queue: np.ndarray  # (n_items, ITEM_COLUMNS)
    x: np.ndarray  # samples that are learned from, and those that are held out: maybe others, maybe the same arrays
    t: np.ndarray
    held_x: np.ndarray
    held_t: np.ndarray
    rooms: np.ndarray  # (n_slots, ...): of groups, see `Room` in groups.py
    room_orders: np.ndarray  # (n_slots, ...) int64


class Crew(NamedTuple):
    """The views of `Tables`."""

    kinds: Integers
    members: Integers
    groups: Integers
    settings: Doubles
    courses: Integers
    spaces: Integers
    dropouts: Integers
    online: Integers
    queue: Integers
    x: Numbers
    t: Numbers
    held_x: Numbers
    held_t: Numbers
    rooms: Numbers
    room_orders: Integers
    n_rows: int
    n_held_rows: int
    n_inputs: int
    n_outputs: int
    n_items: int
    n_slots: int
    n_room: int
    n_room_orders: int


@kernel
def crew_of(tables, n_slots):
    """The views of a population."""
    return Crew(
        view(tables.kinds), view(tables.members), view(tables.groups), view(tables.settings), view(tables.courses),
        view(tables.spaces), view(tables.dropouts), view(tables.online), view(tables.queue),
        view(tables.x), view(tables.t),
        view(tables.held_x), view(tables.held_t), view(tables.rooms), view(tables.room_orders), len(tables.x),
        len(tables.held_x), tables.x.shape[1], tables.t.shape[1], len(tables.queue), n_slots, tables.rooms.shape[1],
        tables.room_orders.shape[1],
    )  # fmt: skip


kind_of: Callable[..., Any] = row_reader(Kind, "kinds")  # (crew, k)
member_of: Callable[..., Any] = row_reader(Member, "members")  # (crew, k)
group_of: Callable[..., Any] = row_reader(Group, "groups")  # (crew, g)


@kernel
def setting(crew, k, column):
    """A number of the settings of network k."""
    return number(crew.settings, k * len(SETTINGS) + column)


@kernel
def course_of(crew, k):
    """Where network k stands: a row of `Course` to be written into."""
    return shift(crew.courses, k * len(COURSE))


@kernel
def doubles_at(address, size):
    """So many float64 at an address."""
    return view_at(np.float64, address, size)


@kernel
def integers_at(address, size):
    """So many int64 at an address."""
    return view_at(np.int64, address, size)


SAMPLES, N_SAMPLES, SLOPES, N_SLOPES = range(
    4
)  # columns of `Tables.dropouts`: addresses, and how many numbers there are
DROPOUT_COLUMNS = 4


@kernel
def dropout_of_member(crew, member, kind, slot):
    """What it leaves out, in the memory of a slot."""
    row = shift(crew.dropouts, (member.kind * crew.n_slots + slot) * DROPOUT_COLUMNS)
    samples, slopes = integers_at(number(row, SAMPLES), number(row, N_SAMPLES)), number(row, SLOPES)
    rates = doubles_at(member.dropout_rates, kind.n_layers)
    return Dropout(member.dropout, rates, samples, view_at(crew.x, slopes, number(row, N_SLOPES)))


@kernel
def net_of_member(crew, k, member, kind):
    """The network itself."""
    return Net(
        view_at(crew.x, member.params, kind.n_params), integers_at(kind.layers, kind.n_layers * len(LAYER)),
        integers_at(kind.blocks, kind.n_blocks * len(BLOCK)), integers_at(kind.outgoing, kind.n_blocks),
        integers_at(kind.starts, 2 * kind.n_units + 1), integers_at(kind.links, 2 * kind.n_links * LINK_COLUMNS),
        kind.loss, setting(crew, k, SETTINGS.loss_option), kind.n_layers, kind.n_blocks, kind.n_units,
    )  # fmt: skip


# A work space is a row of pairs for its arrays, address and size, and of the lengths of `Space`
ARRAYS_OF_SPACE = {name: kind[0] for name, kind in KINDS.items() if name != "plan"}
LENGTHS_OF_SPACE = tuple(name for name in Space._fields if name not in ARRAYS_OF_SPACE)
SPACE_COLUMNS = 2 * len(ARRAYS_OF_SPACE) + len(LENGTHS_OF_SPACE)


def _space_reader():
    """A kernel (crew, k): work space number k. Written out, as `row_reader` is."""
    kinds = {Numbers: "crew.x", Integers: "np.int64", Doubles: "np.float64"}
    columns = [f"number(crew.spaces, start + {column})" for column in range(SPACE_COLUMNS)]
    pairs = zip(ARRAYS_OF_SPACE.items(), columns[::2], columns[1::2], strict=False)
    fields = [f"{name}=view_at({kinds[kind]}, {address}, {size})" for (name, kind), address, size in pairs]
    lengths = zip(LENGTHS_OF_SPACE, columns[2 * len(ARRAYS_OF_SPACE) :], strict=True)
    fields += [f"{name}={column}" for name, column in lengths]
    source = f"def space_at(crew, k):\n    start = k * {SPACE_COLUMNS}\n    return Space({', '.join(fields)})"
    exec(source, known := {"number": number, "view_at": view_at, "Space": Space, "np": np})
    return kernel(known["space_at"])


space_at: Callable[..., Any] = _space_reader()


@kernel
def stop(course, why):
    """Let a training end."""
    set_number(course, COURSE.stopped, why)
