"""Blocks of registers: the part of `lanes.py` for tiles, as LLVM instructions."""

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastbp.kernels.registers.arithmetic import run_of_lanes
from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.memory import as_offset, pointer_to
from fastbp.kernels.registers.types import INT32, ShapeType, TileType, as_vec, vec_of

MOST_REGISTERS = 24  # in a tile whose size is known late; LLVM drops those that are not used


@intrinsic
def tile(typingctx, shape, array):
    """A tile of the array's registers, not yet filled."""
    ty = TileType(vec_of(array.dtype), shape)
    size = shape.units * shape.registers if isinstance(shape, ShapeType) else MOST_REGISTERS

    def lower(context, builder, sig, args):
        return cgutils.alloca_once(builder, ty.vec.llvm, size=size)

    return ty(shape, array), lower


@intrinsic
def square_tile(typingctx, array):
    """A tile of as many registers as each has lanes, not yet filled: what `transpose` takes."""
    ty = TileType(vec_of(array.dtype), ShapeType(vec_of(array.dtype).lanes, 1))

    def lower(context, builder, sig, args):
        return cgutils.alloca_once(builder, ty.vec.llvm, size=ty.vec.lanes)

    return ty(array), lower


@intrinsic
def get(typingctx, block, k):
    """The k-th register of a tile."""

    def lower(context, builder, sig, args):
        index = as_offset(context, builder, args[1], sig.args[1])
        return builder.load(builder.gep(args[0], [index]))

    return block.vec(block, k), lower


@intrinsic
def put(typingctx, block, k, value):
    """Set the k-th register of a tile."""

    def lower(context, builder, sig, args):
        index = as_offset(context, builder, args[1], sig.args[1])
        builder.store(as_vec(context, builder, args[2], sig.args[2], block.vec), builder.gep(args[0], [index]))
        return context.get_dummy_value()

    return types.void(block, k, value), lower


def _interleaved(count, n_groups, size, start):
    """Lanes of x and y in turns, `size` together, within each of n_groups equal parts; from the part's `start` on."""
    part = count // n_groups
    lanes = []
    for first in range(0, count, part):
        for k in range(first + start, first + start + part // 2, size):
            lanes += [*range(k, k + size), *range(count + k, count + k + size)]
    return ir.Constant(ir.VectorType(INT32, count), lanes)


def _transposed(builder, rows, size):
    """The rows of a square transposed, of which `size` lanes are a number: perfect shuffles of pairs of rows.

    Each row holds as many such squares, side by side, as it has room for; all of them are transposed.
    """
    count, n_rows = rows[0].type.count, len(rows)
    n_squares = count // (n_rows * size)
    part, half = count // n_squares, n_rows // 2
    low, high = (_interleaved(count, n_squares, size, start) for start in (0, part // 2)) if half else (None, None)
    for _stage in range(n_rows.bit_length() - 1):
        rows = [builder.shuffle_vector(rows[k // 2], rows[k // 2 + half], (low, high)[k % 2]) for k in range(n_rows)]
    return rows


@intrinsic
def transpose(typingctx, block):
    """Transpose a tile of `lanes` registers in place.

    First the squares of 128 bits, whose shuffles take a cycle, then the places of the squares.
    """
    count, per_square = block.vec.lanes, 128 // block.vec.element.bitwidth

    def lower(context, builder, sig, args):
        places = [builder.gep(args[0], [ir.IntType(64)(k)]) for k in range(count)]
        rows = [builder.load(place) for place in places]
        squares = [_transposed(builder, rows[k : k + per_square], 1) for k in range(0, count, per_square)]
        for q in range(per_square):  # row q of each square: its parts of 128 bits change places with the squares
            for k, row in enumerate(_transposed(builder, [square[q] for square in squares], per_square)):
                builder.store(row, places[k * per_square + q])
        return context.get_dummy_value()

    return types.void(block), lower


@cache
def _partners(count, distance):
    """Lanes of x and y that are added in `_merge`: the numbers on the left of each sum, and those on the right."""
    is_x = [k & distance == 0 for k in range(count)]
    left = [k if is_x[k] else count + k for k in range(count)]
    right = [k + distance if is_x[k] else count + k - distance for k in range(count)]
    return tuple(ir.Constant(ir.VectorType(INT32, count), lanes) for lanes in (left, right))


def _merge(builder, x, y, distance):
    """Sums of lanes that are `distance` apart, x's where that bit of the lane's number is 0 and y's where it is 1.

    Most of it stays within 128 bits, where shuffles are cheap: on AVX2 half of those that sums of neighbours take.
    """
    left, right = (builder.shuffle_vector(x, y, lanes) for lanes in _partners(x.type.count, distance))
    return builder.fadd(left, right)


def sums_across(builder: Any, vec: Any, rows: Any) -> Any:
    """Registers in whose lanes stand the sums of the lanes of `rows`, one after the other; 0 behind the last.

    In each round two registers merge into one with both their half sums: after all, lane q is the sum of row q.
    """
    zero, distance = ir.Constant(vec.llvm, [0.0] * vec.lanes), 1
    while distance < vec.lanes:
        rows = [*rows, zero] if len(rows) % 2 else rows
        rows = [_merge(builder, x, y, distance) for x, y in zip(rows[::2], rows[1::2], strict=True)]
        distance *= 2
    return rows


def runs_of_sums(shape: Any, n_lanes: Any) -> Any:
    """Sums (q, p), (q, p + 1) ... of a tile that stand side by side in `out` and in one register: (q, p, how many).

    A row of a tile may have more sums than a register has lanes: NEON's 4 registers of 2 numbers of float64.
    """
    runs = []
    for q in range(shape.units):
        p = 0
        while p < shape.registers:
            count = min(shape.registers - p, n_lanes - (q * shape.registers + p) % n_lanes)
            runs.append((q, p, count))
            p += count
    return runs


@intrinsic
def sum_tile(typingctx, shape, block, out, stride, accumulate):
    """out[q * stride + p] = the sum of the lanes of register (q, p), for the whole tile; += if `accumulate`.

    A sum of one register takes log2(lanes) shuffles and additions. Two registers merge into one with both their
    half sums, and so on: about three instructions for each sum.
    """
    vec = block.vec

    def lower(context, builder, sig, args):
        size = shape.units * shape.registers
        stride = as_offset(context, builder, args[3], sig.args[3])
        accumulates = context.cast(builder, args[4], sig.args[4], types.boolean)
        rows = [builder.load(builder.gep(args[1], [ir.IntType(64)(k)])) for k in range(size)]
        sums = sums_across(builder, vec, rows)
        for q, p, count in runs_of_sums(shape, vec.lanes):
            place = builder.add(builder.mul(stride, ir.IntType(64)(q)), ir.IntType(64)(p))
            register, lane = divmod(q * shape.registers + p, vec.lanes)
            run = run_of_lanes(builder, sums[register], lane, count)
            pointer = pointer_to(context, builder, sig.args[2], args[2], place, context.get_constant(types.intp, count))
            pointer = builder.bitcast(pointer, run.type.as_pointer())
            old = builder.load(pointer)
            old.align = vec.element.bitwidth // 8
            old = builder.select(accumulates, old, ir.Constant(old.type, [0.0] * count))
            builder.store(builder.fadd(old, run), pointer).align = vec.element.bitwidth // 8
        return context.get_dummy_value()

    return types.void(shape, block, out, stride, accumulate), lower
