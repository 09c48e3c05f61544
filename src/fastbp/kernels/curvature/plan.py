"""What second derivatives need of a network beside its tables, and the memory of a tile of samples.

All arithmetic here is that of float64, whatever the network's dtype: products of derivatives lose half of the digits.

A *group* is a run of units that the same units feed: a layer that only blocks feed, or a single unit with links. Its
weights are the rows of a matrix (n_units, n_sources), whose last column is that of the biases where it has some.
"""

from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import Integers, Numbers, inlined, number, shift, view
from fastbp.kernels.tables import Net, Packed, layer_of, net_of

# Columns of `Plan.groups`
GROUP_LAYER, GROUP_UNIT, GROUP_UNITS, GROUP_SOURCES, GROUP_N_SOURCES, GROUP_PLACES, GROUP_GAINS = range(7)
GROUP_COLUMNS = 7

# What `Plan.facts` holds
(
    N_COMPUTED,
    FIRST_OUTPUT,
    N_OUTPUTS,
    IS_CANONICAL,
    IS_SOFTMAX,
    ENDS_APART,
    SUMS,
    PRODUCTS,
    N_TASKS,
    N_ROWS,
    N_COLUMNS,
    ELSEWHERE,
    N_ROWS_APART,
    SHARES,
) = range(14)
N_FACTS = 14


class Plan(NamedTuple):
    """A network for second derivatives. All but the network is int64."""

    packed: Packed  # float64, with the address of h' at the outputs too
    bends: np.ndarray  # (n_layers,): addresses of h'', see activation_calls.py; NONE where it is 0
    groups: np.ndarray  # (n_groups, GROUP_COLUMNS)
    sources: np.ndarray  # units that feed the groups, group after group; n_units stands for the bias
    places: np.ndarray  # (n_params,): where the groups' weights stand among the parameters, row after row
    layers_of: np.ndarray  # (n_units,): layer of each unit
    tasks: np.ndarray  # (n_tasks, TASK_COLUMNS), see assembly.py
    facts: np.ndarray  # (N_FACTS,)
    zeros: np.ndarray  # float64: a register, for sums that begin with nothing


class Outline(NamedTuple):
    """A `Plan` as views, with its facts, but for the network."""

    bends: Integers
    groups: Integers
    sources: Integers
    places: Integers
    layers_of: Integers
    tasks: Integers
    zeros: Numbers
    n_groups: int
    n_computed: int  # layers; without the row that stands for outputs of several layers
    first_output: int
    n_outputs: int
    is_canonical: bool
    is_softmax: bool
    ends_apart: bool  # outputs are units of several layers, or feed others: the last row of the layers stands for them
    sums: int  # address of `calls.sums`
    products: int  # address of `calls.products`
    n_tasks: int
    n_rows: int  # most rows of a task
    n_columns: int  # most columns of a task
    elsewhere: int  # address of the function of Python's that adds samples up elsewhere, see elsewhere.py
    n_rows_apart: int  # rows b_m that are kept: one for each output, or none if all groups share theirs
    shares: bool  # whether some groups share theirs, see shared.py


class Curve(NamedTuple):
    """A network, and the fields of `Outline`."""

    net: Net
    bends: Integers
    groups: Integers
    sources: Integers
    places: Integers
    layers_of: Integers
    tasks: Integers
    zeros: Numbers
    n_groups: int
    n_computed: int
    first_output: int
    n_outputs: int
    is_canonical: bool
    is_softmax: bool
    ends_apart: bool
    sums: int
    products: int
    n_tasks: int
    n_rows: int
    n_columns: int
    elsewhere: int
    n_rows_apart: int
    shares: bool


@kernel
def outline_of(plan):
    """The views of a plan, but for the network."""
    facts = plan.facts
    return Outline(
        view(plan.bends), view(plan.groups), view(plan.sources), view(plan.places),
        view(plan.layers_of), view(plan.tasks), view(plan.zeros), len(plan.groups),
        facts[N_COMPUTED], facts[FIRST_OUTPUT], facts[N_OUTPUTS], facts[IS_CANONICAL] != 0, facts[IS_SOFTMAX] != 0,
        facts[ENDS_APART] != 0, facts[SUMS], facts[PRODUCTS], facts[N_TASKS], facts[N_ROWS], facts[N_COLUMNS],
        facts[ELSEWHERE], facts[N_ROWS_APART], facts[SHARES] != 0,
    )  # fmt: skip


@kernel
def curve_from(net, o):
    """A network with its outline: apart from each other they can be handed to threads, which take no nested tuples."""
    return Curve(
        net, o.bends, o.groups, o.sources, o.places, o.layers_of, o.tasks, o.zeros, o.n_groups, o.n_computed,
        o.first_output, o.n_outputs, o.is_canonical, o.is_softmax, o.ends_apart, o.sums, o.products, o.n_tasks,
        o.n_rows, o.n_columns, o.elsewhere, o.n_rows_apart, o.shares,
    )  # fmt: skip


@kernel
def outline_from(c):
    """The outline of a curve."""
    return Outline(
        c.bends, c.groups, c.sources, c.places, c.layers_of, c.tasks, c.zeros, c.n_groups, c.n_computed,
        c.first_output, c.n_outputs, c.is_canonical, c.is_softmax, c.ends_apart, c.sums, c.products, c.n_tasks,
        c.n_rows, c.n_columns, c.elsewhere, c.n_rows_apart, c.shares,
    )  # fmt: skip


@kernel
def curve_of(plan):
    """The views of a plan."""
    return curve_from(net_of(plan.packed), outline_of(plan))


class Group(NamedTuple):
    """A row of the table of groups."""

    layer: int
    unit: int  # its first unit
    n_units: int
    sources: int  # place in `Curve.sources` of the first unit that feeds it
    n_sources: int
    places: int  # place in `Curve.places` of its first weight
    gains: int  # among the parameters, the weights from it to the outputs; or another kind, see shared.py


@kernel
def group_of(curve, g):
    """Group number g."""
    row = g * GROUP_COLUMNS
    return Group(
        number(curve.groups, row + GROUP_LAYER), number(curve.groups, row + GROUP_UNIT),
        number(curve.groups, row + GROUP_UNITS), number(curve.groups, row + GROUP_SOURCES),
        number(curve.groups, row + GROUP_N_SOURCES), number(curve.groups, row + GROUP_PLACES),
        number(curve.groups, row + GROUP_GAINS),
    )  # fmt: skip


class CurvedTile(NamedTuple):
    """Memory of some samples: the numbers of unit j are at j * width, those of output k at k * width."""

    a: Numbers
    z: Numbers
    eps: Numbers  # dE/dz_j, what arrives before h': delta_j = h'(a_j) eps_j
    delta: Numbers  # dE/da_j
    slope: Numbers  # h'(a_j)
    bend: Numbers  # h''(a_j)
    r_a: Numbers  # derivatives along a direction: R{a_j} ...
    r_z: Numbers
    r_eps: Numbers
    r_delta: Numbers
    t: Numbers
    first: Numbers  # dE/dy_k; of a canonical pair delta_k
    second: Numbers  # d2E/dy_k2; of a canonical pair see outputs.py
    weight: Numbers
    n_samples: int
    width: int  # n_samples, filled up to whole registers


N_OF_UNITS, N_OF_OUTPUTS = 10, 3  # arrays of a tile with a row for each unit, for each output


@kernel
def tile_in(curve, numbers, n_samples, width):
    """A tile in memory that has room for it: see `tile_numbers`."""
    inlined()
    u = curve.net.n_units * width
    k, o = curve.n_outputs * width, N_OF_UNITS * u
    return CurvedTile(
        numbers, shift(numbers, u), shift(numbers, 2 * u), shift(numbers, 3 * u), shift(numbers, 4 * u),
        shift(numbers, 5 * u), shift(numbers, 6 * u), shift(numbers, 7 * u), shift(numbers, 8 * u),
        shift(numbers, 9 * u), shift(numbers, o), shift(numbers, o + k), shift(numbers, o + 2 * k),
        shift(numbers, o + 3 * k), n_samples, width,
    )  # fmt: skip


@kernel
def last_layer(curve):
    """The row of the table that stands for the outputs."""
    return layer_of(curve.net, curve.net.n_layers - 1)


def tile_numbers(n_units: Any, n_outputs: Any, width: Any) -> Any:
    """Numbers of a tile's memory."""
    return width * (N_OF_UNITS * n_units + N_OF_OUTPUTS * n_outputs + 1)
