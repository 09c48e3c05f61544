"""The packed network, as the kernels see it: flat parameters, and tables of layers and blocks.

A *layer* is a run of units with one activation function and no connections among them; layer 0 is the
inputs. A *block* is all connections from one layer into another: a matrix (n_out, n_in), row j = what
arrives at unit j. `topology.py` makes the tables and computes every offset in them.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling import kernel
from fastbp.kernels.lanes import Integers, Numbers, number, view

# Columns of `Packed.layers`
(
    FIRST_UNIT,
    N_UNITS,
    FUNCTION,
    BIAS,
    IN_START,
    IN_END,
    OUT_START,
    OUT_END,
    TRANSPOSED,
    H_ADDRESS,
    DH_ADDRESS,
) = range(11)
LAYER_COLUMNS = 11

# Columns of `Packed.blocks`
SOURCE, TARGET, WEIGHTS, N_IN, N_OUT, BY_INPUTS = range(6)
BLOCK_COLUMNS = 6

NONE = -1  # no biases; no transposed copy


class Packed(NamedTuple):
    """One network. All tables are int64, C-contiguous."""

    params: np.ndarray  # (n_params,): weights of all blocks, then biases of all layers
    layers: np.ndarray  # (n_layers, LAYER_COLUMNS)
    blocks: np.ndarray  # (n_blocks, BLOCK_COLUMNS), in the order of their target layers
    outgoing: np.ndarray  # (n_blocks,): numbers of the blocks, in the order of their source layers
    loss: int  # code in loss.py


class Net(NamedTuple):
    """A `Packed` as views: nothing in it is counted by reference, which would cost more than a small layer."""

    params: Numbers
    layers: Integers
    blocks: Integers
    outgoing: Integers
    loss: int
    n_layers: int
    n_blocks: int
    n_units: int


class Layer(NamedTuple):
    """A row of the table of layers."""

    first_unit: int
    n_units: int
    function: int  # code in activation.py
    bias: int  # offset in params, or NONE
    in_start: int  # the blocks that arrive: in_start .. in_end - 1
    in_end: int
    out_start: int  # the blocks that leave: outgoing[out_start .. out_end - 1]
    out_end: int
    transposed: int  # panel where the layer's z is kept sample by sample, or NONE
    h_address: int  # of a user's own function
    dh_address: int


class Block(NamedTuple):
    """A row of the table of blocks, with the units at its ends."""

    source_unit: int  # first unit from which it comes
    target_unit: int  # first unit at which it arrives
    weights: int  # offset in params of the matrix (n_out, n_in)
    n_in: int
    n_out: int
    by_inputs: int  # 1 if the lanes of its weight gradient run along the inputs, see passes.py
    transposed: int  # of the source layer


@kernel
def net_of(packed):
    """The views of a packed network."""
    layers, last = packed.layers, len(packed.layers) - 1
    n_units = layers[last, FIRST_UNIT] + layers[last, N_UNITS]
    return Net(
        view(packed.params), view(layers), view(packed.blocks), view(packed.outgoing),
        packed.loss, len(layers), len(packed.blocks), n_units,
    )  # fmt: skip


@kernel
def layer_of(net, l):
    """Layer number l."""
    row = l * LAYER_COLUMNS
    return Layer(
        number(net.layers, row + FIRST_UNIT), number(net.layers, row + N_UNITS), number(net.layers, row + FUNCTION),
        number(net.layers, row + BIAS), number(net.layers, row + IN_START), number(net.layers, row + IN_END),
        number(net.layers, row + OUT_START), number(net.layers, row + OUT_END), number(net.layers, row + TRANSPOSED),
        number(net.layers, row + H_ADDRESS), number(net.layers, row + DH_ADDRESS),
    )  # fmt: skip


@kernel
def block_of(net, c):
    """Block number c."""
    row = c * BLOCK_COLUMNS
    source = number(net.blocks, row + SOURCE) * LAYER_COLUMNS
    target = number(net.blocks, row + TARGET) * LAYER_COLUMNS
    return Block(
        number(net.layers, source + FIRST_UNIT), number(net.layers, target + FIRST_UNIT),
        number(net.blocks, row + WEIGHTS), number(net.blocks, row + N_IN), number(net.blocks, row + N_OUT),
        number(net.blocks, row + BY_INPUTS), number(net.layers, source + TRANSPOSED),
    )  # fmt: skip
