"""Weighted sums in registers: the one kernel behind all the arithmetic of a network.

A block of sums `out[q, s] = begin[q, s] + sum_k weights[q, k] terms[k, s]` stays in vector registers from
the first term to the last. `forward.py`, `backward.py` and `gradients.py` call it once each: forward
pass, delta recursion and weight gradient differ in what the rows and weights are, and in their strides. (Of narrow
blocks the gradient is `row_products`, of `sums_across.py`.)

A register tile is 6 units x 4 registers, or 3, on machines with 32 of them; smaller ones are for what is
left at the end.
"""

from typing import Any, NamedTuple

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.layout import n_registers_of
from fastbp.kernels.many_samples.epilogue import NO_FLOOR, Epilogue, begin_sums, end_sums, epilogue_from
from fastbp.kernels.many_samples.parts import n_parts_of_terms, registers_of_column, registers_of_tile, terms_of_part
from fastbp.kernels.many_samples.prefetch import Prefetch, no_prefetch, prefetch_at, prefetch_from
from fastbp.kernels.registers.lanes import (
    Numbers,
    fma,
    get,
    inlined,
    lanes,
    load,
    not_unrolled,
    number,
    outlined,
    prefetch,
    put,
    shift,
    stays_here,
    tile,
)  # fmt: skip
from fastbp.kernels.registers.machine import REGISTER_BYTES, TILE_REGISTERS
from fastbp.kernels.tuning import (
    BLOCK_BYTES,
    BLOCK_TERMS,
    PREFETCH_BYTES,
    PREFETCH_DISTANCE,
    PREFETCH_TERMS,
    REGISTERS_OF_LINE,
)


class LateShape(NamedTuple):
    """A `Shape` that is no type of its own: the loops over it unroll in a caller where it is a constant.

    For functions that are `inlined`. Numba compiles them once, not for each of 17 shapes.
    """

    units: int
    registers: int


def shapes_of(kind: Any, units: Any, most: Any = TILE_REGISTERS) -> Any:
    """Tiles of so many units, by the number of registers less 1; none has more than the machine's, or `most`."""
    return tuple(kind(units, min(registers, most)) for registers in (1, 2, 3, 4))


UNITS_6, UNITS_4 = (shapes_of(LateShape, units) for units in (6, 4))
UNITS_2, UNITS_1 = (shapes_of(LateShape, units, 4) for units in (2, 1))  # of 2 registers, the sums wait for each other
UNITS_12 = (LateShape(12, 1),) * 4  # for rows of one register: 6 sums would wait for each other


class Rows(NamedTuple):
    """Row q of a matrix begins at data[q * stride]."""

    data: Numbers
    stride: int


class Terms(NamedTuple):
    """The rows that are weighted and summed up: number s of row k is data[(first + k) * stride + s].

    In panels: the numbers of a tile side by side, row after row, and then those of the next tile.
    """

    data: Numbers
    stride: int  # in panels: PANELS
    n_rows: int  # of a panel; 1 without
    first: int  # row that is the first term


PANELS = 0


@kernel
def terms_of(rows):
    """Rows, as terms of sums."""
    return Terms(rows.data, rows.stride, 1, 0)


@kernel
def rows_of_tile(terms, s, length):
    """Numbers s .. s + length - 1 of all terms."""
    inlined()
    stride = length if terms.stride == PANELS else terms.stride
    return Rows(shift(terms.data, s * terms.n_rows + terms.first * stride), stride)


class Weights(NamedTuple):
    """The weight of term k in sum q is data[q * sum_stride + k * term_stride].

    Packed: the terms are cut into parts (`terms_of_part`), one after the other, and each part's sums into blocks
    (`units_of_block`): a row of the block's weights for each term of the part.
    """

    data: Numbers
    sum_stride: int  # packed: n_sums
    term_stride: int  # packed: PACKED


PACKED = 0


class Size(NamedTuple):
    """How many sums, how many numbers in each row, how many terms in each sum."""

    n_sums: int
    row_length: int
    n_terms: int


@kernel
def add_term(shape, sums, weights, rows, k):
    """sums[q, :] += weights[q, k] rows[k, :]."""
    inlined()
    n, step = shape.registers, lanes(rows.data)
    for q in range(shape.units):
        w = number(weights.data, q * weights.sum_stride + k * weights.term_stride)
        for r in range(n):
            row_k = load(rows.data, k * rows.stride + r * step)
            put(sums, q * n + r, fma(row_k, w, get(sums, q * n + r)))


@kernel
def add_far_terms(shape, sums, weights, rows, ahead, n_terms):
    """Add up terms whose rows come from the L2 cache: prefetched in time, and so is what comes next."""
    inlined()
    step, place = lanes(rows.data), ahead.start
    for start in range(0, n_terms, PREFETCH_TERMS):
        for k in range(start, min(start + PREFETCH_TERMS, n_terms)):
            not_unrolled()
            for r in range(0, shape.registers, REGISTERS_OF_LINE):
                prefetch(rows.data, (k + PREFETCH_DISTANCE) * rows.stride + r * step)
            add_term(shape, sums, weights, rows, k)
        prefetch_at(ahead, place)
        place += step * REGISTERS_OF_LINE


@kernel
def weighted_sum(shape, out, weights, rows, epilogue, ahead, n_terms, last):
    """out[q, s] = begin[q, s] + sum_k weights[q, k] rows[k, s] for a register tile; `last` lanes at its end count."""
    inlined()
    sums = tile(shape, out.data)
    begin_sums(shape, sums, out, epilogue)
    if ahead.far and shape.registers > TILE_REGISTERS // 2:
        add_far_terms(shape, sums, weights, rows, ahead, n_terms)
    else:
        for k in range(n_terms):
            not_unrolled()
            add_term(shape, sums, weights, rows, k)
    end_sums(shape, sums, out, epilogue, last)


@kernel
def sums_along_rows(shapes, out, weights, terms, epilogue, ahead, size):
    """`weighted_sum` along the rows of one block of units. Panels have a tile's registers, and no more."""
    inlined()
    step, most = lanes(out.data), TILE_REGISTERS if terms.stride == PANELS else shapes[3].registers
    s = 0
    while s < size.row_length:
        left = size.row_length - s
        n = registers_of_tile(n_registers_of(left, step), most)
        last = min(left - (n - 1) * step, step)
        out_s, rows_s = Rows(shift(out.data, s), out.stride), rows_of_tile(terms, s, n * step)
        epilogue_s, n_units = epilogue_from(epilogue, 0, s), shapes[0].units
        ahead_s = prefetch_from(ahead, s * n_units, n * step * n_units)
        if n == 4:
            weighted_sum(shapes[3], out_s, weights, rows_s, epilogue_s, ahead_s, size.n_terms, last)
        elif n == 3:
            weighted_sum(shapes[2], out_s, weights, rows_s, epilogue_s, ahead_s, size.n_terms, last)
        elif n == 2:
            weighted_sum(shapes[1], out_s, weights, rows_s, epilogue_s, ahead_s, size.n_terms, last)
        else:
            weighted_sum(shapes[0], out_s, weights, rows_s, epilogue_s, ahead_s, size.n_terms, last)
        s += n * step


@kernel
def bytes_of_rows(numbers, n_rows, row_length):
    """Bytes of so many rows, in whole registers."""
    return n_rows * n_registers_of(row_length, lanes(numbers)) * REGISTER_BYTES


@kernel
def bytes_of_terms(numbers, terms, size):
    """Bytes of the rows of a whole tile. By those of a thread's part of it, the order of its sums would differ."""
    length = size.row_length if terms.stride == PANELS else terms.stride
    return bytes_of_rows(numbers, size.n_terms, length)


@kernel
def weighted_sums(out, weights, terms, epilogue, size):
    """out[q, s] = begin[q, s] + sum_k weights[q, k] terms[k, s] for all q and s."""
    inlined()
    sums_with_prefetch(out, weights, terms, epilogue, no_prefetch(out.data, False), size)


@kernel
def sums_with_prefetch(out, weights, terms, epilogue, ahead, size):
    """`weighted_sums`, and what is needed next is prefetched if the terms take some time.

    The terms are read again for each 6 sums. From the L2 cache they stream in at little cost if they are prefetched
    in time, from further away they would hold up the sums: so large ones are cut into blocks.
    """
    inlined()
    # More terms are added up in parts whatever the caches hold: the bits do not depend on them
    if size.n_terms <= BLOCK_TERMS and bytes_of_terms(out.data, terms, size) <= PREFETCH_BYTES:
        sums_of_block(out, weights, terms, epilogue, size)
    else:
        large_sums(out, weights, terms, epilogue, ahead, size)


@kernel
def large_sums(out, weights, terms, epilogue, ahead, size):
    """`weighted_sums` of rows that fill much of the L2 cache."""
    outlined()
    if size.n_terms <= BLOCK_TERMS and bytes_of_terms(out.data, terms, size) <= BLOCK_BYTES:
        far_sums_of_block(out, weights, terms, epilogue, ahead, size)
    else:
        sums_by_blocks(out, weights, terms, epilogue, size)


@kernel
def units_of_block(left, single):
    """Units in the next block of sums, when so many are left; `single`: their rows are one register."""
    inlined()
    if left >= 6:
        return 12 if single and left >= 12 else 6
    return 4 if left >= 4 else min(left, 2)


@kernel
def sums_by_blocks(out, weights, terms, epilogue, size):
    """`weighted_sums` of some terms k and some registers of s at a time."""
    outlined()
    step = lanes(out.data)
    left = n_registers_of(size.row_length, step)
    n_parts, packed = n_parts_of_terms(size.n_terms), weights.term_stride == PACKED
    most = BLOCK_BYTES // REGISTER_BYTES * n_parts // size.n_terms
    s = 0
    while left > 0:
        n = registers_of_column(left, most)
        length = min(n * step, size.row_length - s)
        out_s, data_s = Rows(shift(out.data, s), out.stride), shift(terms.data, s * terms.n_rows)
        for part in range(n_parts):
            k, stop = terms_of_part(size.n_terms, part, n_parts)
            first = k * (weights.sum_stride if packed else weights.term_stride)
            weights_k = Weights(shift(weights.data, first), weights.sum_stride, weights.term_stride)
            terms_k = Terms(data_s, terms.stride, terms.n_rows, terms.first + k)
            is_last = stop == size.n_terms
            floor, masked = epilogue.floor if is_last else NO_FLOOR, epilogue.masked and is_last
            epilogue_k = Epilogue(
                epilogue.adds or k > 0, epilogue.numbers, epilogue.stride, floor, masked, shift(epilogue.mask, s)
            )
            size_k = Size(size.n_sums, length, stop - k)
            far_sums_of_block(out_s, weights_k, terms_k, epilogue_k, no_prefetch(out.data, True), size_k)
        s, left = s + n * step, left - n


@kernel
def of_units(out, weights, epilogue, q, n_units, size):
    """Where the sums of the n_units units of a block from q on are stored, their weights, and their epilogue."""
    inlined()
    if weights.term_stride == PACKED:
        weights_q = Weights(shift(weights.data, q * size.n_terms), 1, n_units)
    else:
        stride = stays_here(weights.sum_stride)
        weights_q = Weights(shift(weights.data, q * stride), stride, weights.term_stride)
    # Or else strides times units, of all shapes, are worked out before the loop, also for small networks
    out_q = Rows(shift(out.data, q * out.stride), stays_here(out.stride))
    return out_q, weights_q, epilogue_from(epilogue, q, q * out.stride)


@kernel
def sums_of_block(out, weights, terms, epilogue, size):
    """`weighted_sums`, all of 6 rows before the next 6: their weights stay in the L1 cache."""
    outlined()
    q, single = 0, size.row_length <= lanes(out.data) and weights.term_stride != PACKED
    ahead = no_prefetch(out.data, False)
    while q < size.n_sums:
        n_units = units_of_block(size.n_sums - q, single)
        out_q, weights_q, epilogue_q = of_units(out, weights, epilogue, q, n_units, size)
        if n_units == 12:
            sums_along_rows(UNITS_12, out_q, weights_q, terms, epilogue_q, ahead, size)
        elif n_units == 6:
            sums_along_rows(UNITS_6, out_q, weights_q, terms, epilogue_q, ahead, size)
        elif n_units == 4:
            sums_along_rows(UNITS_4, out_q, weights_q, terms, epilogue_q, ahead, size)
        elif n_units == 2:
            sums_along_rows(UNITS_2, out_q, weights_q, terms, epilogue_q, ahead, size)
        else:
            sums_along_rows(UNITS_1, out_q, weights_q, terms, epilogue_q, ahead, size)
        q += n_units


@kernel
def prefetch_of_units(weights_q, packed, ahead, q, size):
    """What is prefetched while the sums of 6 units are formed: `ahead`, or the weights of the next 6, side by side."""
    inlined()
    data, stride = weights_q.data, size.n_terms if packed else weights_q.sum_stride
    if not packed and (ahead.stop > 0 or stride >= 2 * size.n_terms or q + 12 > size.n_sums):
        return prefetch_from(ahead, q * size.row_length, 6 * size.row_length)
    return Prefetch(data, shift(data, 2 * stride), shift(data, 4 * stride), 6 * stride, 8 * stride, True)


@kernel
def far_sums_of_block(out, weights, terms, epilogue, ahead, size):
    """`sums_of_block` of rows that fill much of the L2 cache."""
    outlined()
    q, ahead = 0, Prefetch(ahead.first, ahead.second, ahead.third, ahead.start, ahead.stop, True)
    while q + 6 <= size.n_sums:
        out_q, weights_q, epilogue_q = of_units(out, weights, epilogue, q, 6, size)
        ahead_q = prefetch_of_units(weights_q, weights.term_stride == PACKED, ahead, q, size)
        sums_along_rows(UNITS_6, out_q, weights_q, terms, epilogue_q, ahead_q, size)
        q += 6
    if q < size.n_sums:
        out_q, weights_q, epilogue_q = of_units(out, weights, epilogue, q, 6, size)
        weights_q = Weights(weights_q.data, weights.sum_stride, weights.term_stride)
        sums_of_block(out_q, weights_q, terms, epilogue_q, Size(size.n_sums - q, size.row_length, size.n_terms))
