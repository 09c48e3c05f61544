"""The packed network, as the kernels see it: flat parameters, and tables of layers and blocks.

A *layer* is a run of units with one activation function and no connections among them; layer 0 is the
inputs, and the last one the outputs. A *block* is all connections from one layer into another: a matrix
(n_out, n_in), row j = what arrives at unit j. A *link* is a single connection, for networks, or parts of
them, that are not made of blocks. `topology.py` makes the tables and computes every offset in them.

Where the outputs are not one layer that feeds nothing, a last row of the table of layers stands for them
all. It has no connections: its units are those of layers before it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import Integers, Numbers, number, view

# Columns of `Packed.links`
UNIT, WEIGHT = range(2)
LINK_COLUMNS = 2


NONE = -1  # no biases; no copy sample by sample; no function


class Packed(NamedTuple):
    """One network. All tables are int64, C-contiguous."""

    params: NDArray[Any]  # (n_params,): weights of all blocks, of all links, then biases of all layers
    layers: NDArray[np.int64]  # (n_layers, columns): rows are those of `Layer`
    blocks: NDArray[np.int64]  # (n_blocks, columns): rows are those of `Block`, in the order of their target layers
    outgoing: NDArray[np.int64]  # (n_blocks,): numbers of the blocks, in the order of their source layers
    starts: NDArray[np.int64]  # (2 n_units + 1,): what arrives at unit u is links[starts[u] : starts[u + 1]], ...
    links: NDArray[np.int64]  # (2 n_links, LINK_COLUMNS): ... and what leaves it, links[starts[n_units + u] : ...]
    loss: int  # code in codes.py
    loss_option: float  # the number that the loss takes, if it takes one
    n_computed: int  # rows of `layers` that are layers: all, or all but the last one, which stands for the outputs


class Net(NamedTuple):
    """A `Packed` as views: nothing in it is counted by reference, which would cost more than a small layer."""

    params: Numbers
    layers: Integers
    blocks: Integers
    outgoing: Integers
    starts: Integers
    links: Integers
    loss: int
    loss_option: float
    n_layers: int
    n_blocks: int
    n_units: int


class Layer(NamedTuple):
    """A row of the table of layers."""

    first_unit: int
    n_units: int
    function: int  # code in codes.py
    bias: int  # offset in params, or NONE
    in_start: int  # the blocks that arrive: in_start .. in_end - 1
    in_end: int
    out_start: int  # the blocks that leave: outgoing[out_start .. out_end - 1]
    out_end: int
    rows: int  # where z is kept sample by sample: numbers of other layers before it, for each sample; or NONE
    h_address: int  # of its function, see activation_calls.py; NONE: of relu and identity; softmax: see outputs.py
    dh_address: int  # of what multiplies delta by the derivative; NONE if nothing has to
    deltas_address: int  # of the output layer: of what fills delta, see outputs.py
    links_in: int  # addresses of what goes along its links, see links.py: of what arrives, forward; NONE without
    links_out: int  # of what leaves, backward
    links_gradient: int  # of what arrives, for their weights' gradient
    wide_forward: int  # 1 if sums have so many terms that all its units are processed together
    wide_backward: int


class Block(NamedTuple):
    """A row of the table of blocks."""

    source: int  # layer from which it comes
    source_unit: int  # its first unit
    target: int  # layer at which it arrives
    target_unit: int  # its first unit
    weights: int  # offset in params of the matrix (n_out, n_in)
    n_in: int
    n_out: int
    by_inputs: int  # 1 if the lanes of its weight gradient run along the inputs, see gradients.py
    columns: int  # offset of its packed columns, see columns.py; or NONE


# Rows that hold the numbers of their own columns: layers[l, LAYER.bias]
LAYER, BLOCK = Layer(*range(len(Layer._fields))), Block(*range(len(Block._fields)))


@kernel
def net_of(packed):
    """The views of a packed network."""
    layers, last = packed.layers, len(packed.layers) - 1
    n_units = layers[last, LAYER.first_unit] + layers[last, LAYER.n_units]
    return Net(
        view(packed.params), view(layers), view(packed.blocks), view(packed.outgoing),
        view(packed.starts), view(packed.links), packed.loss, packed.loss_option,
        len(layers), len(packed.blocks), n_units,
    )  # fmt: skip


@kernel
def with_loss_option(net, option):
    """The network with another number for its loss."""
    return Net(
        net.params, net.layers, net.blocks, net.outgoing, net.starts, net.links, net.loss, option,
        net.n_layers, net.n_blocks, net.n_units,
    )  # fmt: skip


def row_reader(form: Any, table: Any) -> Any:
    """A kernel (net, k): row k of a table of the network. Written out: Numba has no loop over a tuple's fields."""
    columns = ", ".join(f"number(net.{table}, start + {column})" for column in range(len(form._fields)))
    source = f"def row(net, k):\n    start = k * {len(form._fields)}\n    return form({columns})"
    exec(source, known := {"number": number, "form": form})
    known["row"].__qualname__ = f"row_of_{table}"
    return kernel(known["row"])


layer_of: Callable[..., Any] = row_reader(Layer, "layers")  # (net, l): layer number l
block_of: Callable[..., Any] = row_reader(Block, "blocks")  # (net, c): block number c
