"""Copies of the columns of large weight matrices, as the delta recursion reads them."""

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.many_samples.parts import n_parts_of_terms, terms_of_part
from fastbp.kernels.many_samples.stripes import is_ours
from fastbp.kernels.many_samples.weighted_sums import units_of_block
from fastbp.kernels.registers.lanes import (
    inlined,
    lanes,
    load_first,
    outlined,
    prefetch,
    shift,
    store_first,
)  # fmt: skip
from fastbp.kernels.tables import NONE, block_of
from fastbp.kernels.tuning import PACKED_TOGETHER, REGISTERS_OF_LINE


@kernel
def pack_columns(net, columns, share):
    """Copies of the weights as the delta recursion reads them: see `Weights`.

    Read where they stand, n_in numbers apart, the weights of one unit evict each other from the caches
    where n_in is a power of two: a third of the speed at 4,096 x 4,096.
    """
    outlined()
    for c in range(net.n_blocks):
        block = block_of(net, c)
        if block.columns != NONE:
            n_parts = n_parts_of_terms(block.n_out)
            for part in range(n_parts):
                first, stop = terms_of_part(block.n_out, part, n_parts)
                for k in range(first, stop, PACKED_TOGETHER):
                    if is_ours(share, k, block.n_out):
                        pack_rows(net, columns, block, k, min(k + PACKED_TOGETHER, stop), first, stop)


@kernel
def pack_rows(net, columns, block, k_start, k_stop, first, stop):
    """Copy the weights w_kj of some units k to where they stand among the packed ones of units first .. stop - 1.

    A few rows at a time: each is read from its beginning to its end, as the memory likes it. Where they are copied to
    is prefetched two blocks ahead.
    """
    j = 0
    while j < block.n_in:
        n_units = units_of_block(block.n_in - j, False)
        w_kj = shift(columns, block.columns + first * block.n_in + (stop - first) * j)
        line = lanes(columns) * REGISTERS_OF_LINE
        for place in range((k_start - first) * n_units, (k_stop - first) * n_units, line):
            prefetch(w_kj, 2 * n_units * (stop - first) + place)
        for k in range(k_start, k_stop):
            copy_numbers(w_kj, (k - first) * n_units, net.params, block.weights + k * block.n_in + j, n_units)
        j += n_units


@kernel
def copy_numbers(out, place, numbers, start, n):
    """out[place : place + n] = numbers[start : start + n]; a register may hold fewer than n."""
    inlined()
    for q in range(0, n, lanes(out)):
        count = min(n - q, lanes(out))
        store_first(out, place + q, load_first(numbers, start + q, count), count)
