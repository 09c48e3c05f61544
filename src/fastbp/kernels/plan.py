"""The call from a user's compiled function to a kernel of `inside.py`, through an address in a work space.

All that a user's function contains of fastbp stands in this file. The function may be kept on disk longer
than the file stays as it is: so each work space carries a stamp of the file, which a call compares.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling import call_address, kernel
from fastbp.kernels.lanes import Integers, Numbers, address, inlined, lanes, number, size_of, view_at
from fastbp.kernels.machine import REGISTER_BYTES
from fastbp.kernels.packed import NONE

STAMP = int.from_bytes(hashlib.sha256(Path(__file__).read_bytes()).digest()[:7])

# What a work space begins with, its *plan*: int64. First what this file reads
(
    STAMPED,  # STAMP
    NETWORK,  # address of the table of layers: which network it is for
    N_INPUTS,
    N_OUTPUTS,
    N_PARAMS,
    FORWARD,  # addresses of the kernels; NONE if there is none
    GRADIENT,
    INPUT_GRADIENT,
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
    DELTAS,  # of what fills delta of the outputs, see single_outputs.py
    SLOPES,  # 1 if that is then to be multiplied by h'
    INPUT_LAYERS,  # the layers without a canonical pair: delta of the outputs gets its h' whatever the loss is
    _INPUT_LAYERS_SIZE,
) = range(26)
PLAN_SIZE = 32

# Behind the plan, the memory: E_n as a float64; from the next cache line on, what the kernels make of it.
CACHE_LINE = 64  # bytes
WORDS = CACHE_LINE // 8


class Call(NamedTuple):
    """What a kernel is called with."""

    plan: Integers
    memory: Numbers
    params: Numbers
    x: Numbers
    given: Numbers  # t, or v; y if there is nothing to give
    out: Numbers  # y, grad, or dx


class Passed(NamedTuple):
    """What a user's function passes."""

    params: Numbers
    layers: Integers
    x: Numbers
    given: Numbers
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
def call_of(passed):
    """The call, once what was passed has been looked at."""
    inlined()
    work = passed.work
    size = (size_of(work) - PLAN_SIZE) // WORDS * per_line(passed.params)
    memory = view_at(passed.params, address(work) + PLAN_SIZE * 8, size)
    return Call(work, memory, passed.params, passed.x, passed.given, passed.out)


@kernel
def check(passed):
    """Raise a ValueError unless the work space is the network's, and x and the parameters have its sizes."""
    inlined()
    work = passed.work
    if size_of(work) <= PLAN_SIZE:
        raise ValueError("work must be what net.workspace() returns")
    if number(work, STAMPED) != STAMP:
        raise ValueError(
            "work must come from the version of fastbp that this function was compiled with; if it was kept on disk, "
            "by cache=True, remove it there"
        )
    if number(work, NETWORK) != address(passed.layers):
        raise ValueError("work must be the work space of the network in packed")
    if size_of(passed.params) < number(work, N_PARAMS):
        raise ValueError("params must be as many as the network has")
    if size_of(passed.x) != number(work, N_INPUTS):
        raise ValueError("x must have as many numbers as the network has inputs")


@kernel
def run_forward(passed):
    """y = outputs of the network."""
    inlined()
    check(passed)
    if size_of(passed.out) != number(passed.work, N_OUTPUTS):
        raise ValueError("y must have as many numbers as the network has outputs")
    call_address(number(passed.work, FORWARD), call_of(passed))


@kernel
def run_gradient(passed):
    """Add dE_n/dparams to grad; return E_n."""
    inlined()
    check(passed)
    if size_of(passed.given) != number(passed.work, N_OUTPUTS):
        raise ValueError("t must have as many numbers as the network has outputs")
    if size_of(passed.out) != number(passed.work, N_PARAMS):
        raise ValueError("grad must have as many numbers as the network has parameters")
    if number(passed.work, GRADIENT) == NONE:
        raise ValueError("gradient needs activation functions with a derivative; 'threshold' has none")
    call = call_of(passed)
    call_address(number(passed.work, GRADIENT), call)
    return number(error_of(call.memory), 0)


@kernel
def run_input_gradient(passed):
    """dx = v^T dy/dx."""
    inlined()
    check(passed)
    if size_of(passed.given) != number(passed.work, N_OUTPUTS):
        raise ValueError("v must have as many numbers as the network has outputs")
    if size_of(passed.out) != number(passed.work, N_INPUTS):
        raise ValueError("dx must have as many numbers as the network has inputs")
    if number(passed.work, INPUT_GRADIENT) == NONE:
        raise ValueError("input_gradient needs activation functions with a derivative; 'threshold' has none")
    call_address(number(passed.work, INPUT_GRADIENT), call_of(passed))
