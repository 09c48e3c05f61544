"""The call from a user's compiled function to a kernel of `called.py`, through an address in a plan.

All that a user's function contains of fastbp stands in this file and in `plan_table.py`. The function may be kept on
disk longer than they stay as they are: so each work space carries a stamp of the two, which a call compares.

A work space is believed in nothing: its plan is looked up, and compared with the network that is called.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling import cache, plan_table
from fastbp.kernels.compiling.addresses import Slot
from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.compiling.plan_table import MAX_PLANS, PLAN_SIZE, table
from fastbp.kernels.registers.lanes import Integers, Numbers, address, inlined, lanes, number, shift, size_of, view_at
from fastbp.kernels.registers.machine import REGISTER_BYTES
from fastbp.kernels.tables import NONE
from fastbp.kernels.tuning import CACHE_LINE

STAMP = int.from_bytes(hashlib.sha256(b"".join(map(cache.content_of, (__name__, plan_table.__name__)))).digest()[:7])

# A work space: int64. What it begins with; from the next cache line on its memory, E_n as a float64 and, from the
# next cache line on, what the kernels make of it.
STAMPED, PLACE = range(2)  # STAMP, and the number of its plan
WORDS = CACHE_LINE // 8

# A plan: int64. First what this file reads
(
    NETWORK,  # address of the table of layers: which network it is for
    N_WORDS,  # of its work spaces
    N_INPUTS,
    N_OUTPUTS,
    N_PARAMS,
    FORWARD,  # addresses of the kernels; NONE if there is none
    GRADIENT,
    INPUT_GRADIENT,
    JACOBIAN,
    HESSIAN_PRODUCT,
    # Then what the kernels read. Addresses of tables, each followed by its number of numbers
    LAYERS,
    _LAYERS_SIZE,
    BLOCKS,
    _BLOCKS_SIZE,
    OUTGOING,
    _OUTGOING_SIZE,
    STARTS,
    _STARTS_SIZE,
    LINKS,
    _LINKS_SIZE,
    LOSS,
    LOSS_OPTION,  # the bits of a float64
    N_COMPUTED,
    N_VALUES,  # numbers in each of a, z and delta
    DELTAS,  # of what fills delta of the outputs, see outputs.py
    SLOPES,  # 1 if that is then to be multiplied by h'
    INPUT_LAYERS,  # the layers without a canonical pair: delta of the outputs gets its h' whatever the loss is
    _INPUT_LAYERS_SIZE,
    PARAMS,  # for calls from Python, see few.py; a user's compiled code passes its own
    _PARAMS_SIZE,
    MEMORY,
    _MEMORY_SIZE,
    LINK_WEIGHTS,  # offset in params
    BENDS,  # addresses of h'' of each layer
    _BENDS_SIZE,
    EXTRA,  # where further arrays of the units' numbers begin, behind a, z, delta and the stripe
) = range(36)


class Call(NamedTuple):
    """What a kernel is called with."""

    plan: Integers
    memory: Numbers
    params: Numbers
    x: Numbers
    given: Numbers  # t, or v; y if there is nothing to give
    along: Numbers  # v of a Hessian product; of others `given`
    out: Numbers  # y, grad, dx, jac or product


# What is called through the addresses of a plan
KERNEL = Slot(Call)


class Arguments(NamedTuple):
    """What a user's function passes."""

    params: Numbers
    layers: Integers
    x: Numbers
    given: Numbers
    along: Numbers
    out: Numbers
    work: Integers


@kernel
def per_line(x):
    """Numbers in a cache line."""
    return CACHE_LINE // REGISTER_BYTES * lanes(x)


@kernel
def error_of(memory):
    """Where E_n is put."""
    return view_at(np.float64, address(memory), 1)


@kernel
def loss_option_of(plan):
    """The number that the loss takes."""
    return number(view_at(np.float64, address(plan) + LOSS_OPTION * 8, 1), 0)


@kernel
def plan_of(passed):
    """The plan that a work space names; a ValueError unless it is one of the network that is called."""
    inlined()
    work = passed.work
    if size_of(work) <= WORDS:
        raise ValueError("work must be what net.workspace() returns")
    if number(work, STAMPED) != STAMP:
        raise ValueError(
            "work must come from net.workspace(), and from the version of fastbp that this function was compiled with; "
            "if it was kept on disk, by cache=True, remove it there"
        )
    place = number(work, PLACE)
    if place < 0 or place >= MAX_PLANS:
        raise ValueError("work must be the work space of the network in packed")
    plan = shift(table(), place * PLAN_SIZE)
    if number(plan, NETWORK) != address(passed.layers):
        raise ValueError("work must be the work space of the network in packed")
    if size_of(work) < number(plan, N_WORDS):
        raise ValueError("work must be a whole work space, as net.workspace() returns it")
    return plan


@kernel
def check(passed, plan):
    """Raise a ValueError unless x and the parameters have the network's sizes.

    The parameters may be filled up to whole cache lines: a network's own are.
    """
    inlined()
    n_params, line = number(plan, N_PARAMS), per_line(passed.params)
    filled = (n_params + line - 1) // line * line
    if size_of(passed.params) != n_params and size_of(passed.params) != filled:
        raise ValueError("params must be as many as the network has")
    if size_of(passed.x) != number(plan, N_INPUTS):
        raise ValueError("x must have as many numbers as the network has inputs")


@kernel
def call_of(passed, plan):
    """The call, once what was passed has been looked at."""
    inlined()
    work = passed.work
    size = (number(plan, N_WORDS) - WORDS) // WORDS * per_line(passed.params)
    memory = view_at(passed.params, address(work) + WORDS * 8, size)
    own_plan = view_at(np.int64, address(plan), PLAN_SIZE)
    return Call(own_plan, memory, passed.params, passed.x, passed.given, passed.along, passed.out)


@kernel
def run_forward(passed):
    """y = outputs of the network."""
    inlined()
    plan = plan_of(passed)
    check(passed, plan)
    if size_of(passed.out) != number(plan, N_OUTPUTS):
        raise ValueError("y must have as many numbers as the network has outputs")
    KERNEL.call(number(plan, FORWARD), call_of(passed, plan))


@kernel
def run_gradient(passed):
    """Add dE_n/dparams to grad; return E_n."""
    inlined()
    plan = plan_of(passed)
    check(passed, plan)
    if size_of(passed.given) != number(plan, N_OUTPUTS):
        raise ValueError("t must have as many numbers as the network has outputs")
    if size_of(passed.out) != number(plan, N_PARAMS):
        raise ValueError("grad must have as many numbers as the network has parameters")
    if number(plan, GRADIENT) == NONE:
        raise ValueError("gradient needs activation functions with a derivative; 'threshold' has none")
    call = call_of(passed, plan)
    KERNEL.call(number(plan, GRADIENT), call)
    return number(error_of(call.memory), 0)


@kernel
def run_input_gradient(passed):
    """dx = v^T dy/dx."""
    inlined()
    plan = plan_of(passed)
    check(passed, plan)
    if size_of(passed.given) != number(plan, N_OUTPUTS):
        raise ValueError("v must have as many numbers as the network has outputs")
    if size_of(passed.out) != number(plan, N_INPUTS):
        raise ValueError("dx must have as many numbers as the network has inputs")
    if number(plan, INPUT_GRADIENT) == NONE:
        raise ValueError("input_gradient needs activation functions with a derivative; 'threshold' has none")
    KERNEL.call(number(plan, INPUT_GRADIENT), call_of(passed, plan))


@kernel
def run_jacobian(passed):
    """jac = dy/dparams."""
    inlined()
    plan = plan_of(passed)
    check(passed, plan)
    if size_of(passed.out) != number(plan, N_OUTPUTS) * number(plan, N_PARAMS):
        raise ValueError("jac must have a row of as many numbers as the network has parameters for each output")
    if number(plan, JACOBIAN) == NONE:
        raise ValueError("jacobian needs activation functions with a derivative; 'threshold' has none")
    KERNEL.call(number(plan, JACOBIAN), call_of(passed, plan))


@kernel
def run_hessian_product(passed):
    """Add H v to product; return E_n."""
    inlined()
    plan = plan_of(passed)
    check(passed, plan)
    if size_of(passed.given) != number(plan, N_OUTPUTS):
        raise ValueError("t must have as many numbers as the network has outputs")
    if size_of(passed.along) != number(plan, N_PARAMS):
        raise ValueError("v must have as many numbers as the network has parameters")
    if size_of(passed.out) != number(plan, N_PARAMS):
        raise ValueError("product must have as many numbers as the network has parameters")
    if number(plan, HESSIAN_PRODUCT) == NONE:
        raise ValueError("hessian_product needs activation functions with second derivatives: Activation(..., d2h)")
    call = call_of(passed, plan)
    KERNEL.call(number(plan, HESSIAN_PRODUCT), call)
    return number(error_of(call.memory), 0)
