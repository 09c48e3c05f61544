"""How sums begin and end while they are in registers: biases, what stands there already, relu or its slope.

What BLAS calls beta C, and libraries of GEMM kernels an epilogue.
"""

from typing import NamedTuple

import numpy as np

from fastbp.kernels.compiling.decorators import kernel
from fastbp.kernels.registers.lanes import (
    Numbers,
    get,
    inlined,
    lanes,
    load_first,
    maximum,
    number,
    prefetch,
    put,
    select,
    shift,
    splat,
    store_first,
)  # fmt: skip
from fastbp.kernels.registers.machine import HAS_CHEAP_MASKS
from fastbp.kernels.tuning import REGISTERS_OF_LINE


class Epilogue(NamedTuple):
    """Beginning and end of sums: what they begin with, and what they do not fall below, relu, while in registers."""

    adds: bool  # begin with what stands in `out`; or else sum q begins with numbers[q * stride]
    numbers: Numbers
    stride: int
    floor: float  # NO_FLOOR, or another number
    masked: bool  # whether sums count as 0 where `mask` is not positive in their place: the slope of relu
    mask: Numbers


NO_FLOOR = -np.inf


@kernel
def epilogue_from(epilogue, n_sums, place):
    """The epilogue from so many sums on, `place` numbers further in `out`."""
    numbers = shift(epilogue.numbers, n_sums * epilogue.stride)
    return Epilogue(
        epilogue.adds, numbers, epilogue.stride, epilogue.floor, epilogue.masked, shift(epilogue.mask, place)
    )


@kernel
def begin_sums(shape, sums, out, epilogue):
    """What the sums begin with. What stands in `out` may have far to come: it is prefetched, and added at the end."""
    inlined()
    n, step = shape.registers, lanes(out.data)
    for q in range(shape.units):
        begin = splat(out.data, number(epilogue.numbers, q * epilogue.stride))
        for r in range(n):
            put(sums, q * n + r, begin)
    if epilogue.adds:
        for q in range(shape.units):
            for r in range(n):
                if r % REGISTERS_OF_LINE == 0:
                    prefetch(out.data, q * out.stride + r * step)
                put(sums, q * n + r, splat(out.data, 0.0))


@kernel
def end_sums(shape, sums, out, epilogue, last):
    """Store the sums; `last` lanes of their last registers count: asked once for the tile, where masks are dear."""
    inlined()
    if HAS_CHEAP_MASKS or last < lanes(out.data):
        store_sums(shape, sums, out, epilogue, last)
    else:
        store_sums(shape, sums, out, epilogue, lanes(out.data))


@kernel
def store_sums(shape, sums, out, epilogue, last):
    """`end_sums`, whose stores are plain ones where `last` is known to be a whole register.

    One thing after the other, not all of it for each register: LLVM unrolls short loops only, and a loop that it leaves
    rolled up keeps the sums in memory.
    """
    inlined()
    n, step = shape.registers, lanes(out.data)
    if epilogue.adds:
        for q in range(shape.units):
            for r in range(n):
                count = step if r < n - 1 else last
                put(sums, q * n + r, get(sums, q * n + r) + load_first(out.data, q * out.stride + r * step, count))
    if epilogue.masked:
        for q in range(shape.units):
            for r in range(n):
                place, count = q * out.stride + r * step, step if r < n - 1 else last
                positive = load_first(epilogue.mask, place, count) > 0.0
                put(sums, q * n + r, select(positive, get(sums, q * n + r), 0.0))
    for q in range(shape.units):
        for r in range(n):
            count = step if r < n - 1 else last
            store_first(out.data, q * out.stride + r * step, maximum(epilogue.floor, get(sums, q * n + r)), count)
