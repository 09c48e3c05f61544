"""A network whose rows of weights are filled up to whole registers, with zeros: for on-line learning.

Each step of on-line learning stores all weights, and the next one loads them. A register that was
stored whole can be loaded at once; one of which a mask left some numbers alone cannot, nor can its
neighbours in a matrix of short rows. So learning goes on in a copy without masks.
"""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import lanes, load_first, shift, store_first
from fastbp.kernels.tables import NONE, block_of, layer_of


@kernel
def copy_params(source, target):
    """Copy the parameters of a network to one with rows of another length."""
    for c in range(source.n_blocks):
        old, new = block_of(source, c), block_of(target, c)
        n_in = min(old.n_in, new.n_in)
        for j in range(old.n_out):
            copy_row(
                shift(source.params, old.weights + j * old.n_in), shift(target.params, new.weights + j * new.n_in), n_in
            )
    for l in range(1, source.n_layers):
        old, new = layer_of(source, l), layer_of(target, l)
        if old.bias != NONE:
            copy_row(shift(source.params, old.bias), shift(target.params, new.bias), old.n_units)


@kernel
def copy_row(source, target, n):
    """target[:n] = source[:n]."""
    for i in range(0, n, lanes(source)):
        count = min(n - i, lanes(source))
        store_first(target, i, load_first(source, i, count), count)
