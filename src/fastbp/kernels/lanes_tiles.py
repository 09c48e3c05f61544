"""Blocks of registers: the part of `lanes.py` for tiles, as LLVM instructions."""

from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastbp.kernels.intrinsics import intrinsic
from fastbp.kernels.lanes_arithmetic import run_of_lanes
from fastbp.kernels.lanes_memory import as_offset, pointer_to
from fastbp.kernels.vectors import INT32, ShapeType, TileType, as_vec, vec_of

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


@intrinsic
def transpose(typingctx, block):
    """Transpose a tile of `lanes` registers in place: log2(lanes) perfect shuffles of its rows."""
    count = block.vec.lanes
    pair = ir.VectorType(INT32, count)
    low = ir.Constant(pair, [k // 2 + count * (k % 2) for k in range(count)])
    high = ir.Constant(pair, [count // 2 + k // 2 + count * (k % 2) for k in range(count)])

    def lower(context, builder, sig, args):
        places = [builder.gep(args[0], [ir.IntType(64)(k)]) for k in range(count)]
        rows = [builder.load(place) for place in places]
        for _stage in range(count.bit_length() - 1):
            half = count // 2
            rows = [builder.shuffle_vector(rows[k // 2], rows[k // 2 + half], (low, high)[k % 2]) for k in range(count)]
        for place, row in zip(places, rows, strict=True):
            builder.store(row, place)
        return context.get_dummy_value()

    return types.void(block), lower


@cache
def _neighbours(count):
    """Numbers of the even lanes of two registers, and of the odd ones."""
    index = ir.VectorType(INT32, count)
    return tuple(ir.Constant(index, list(range(start, 2 * count, 2))) for start in (0, 1))


def _merge(builder, x, y):
    """Half as many lanes for each of two groups of sums: neighbours are added, x's groups first."""
    even, odd = (builder.shuffle_vector(x, y, lanes) for lanes in _neighbours(x.type.count))
    return builder.fadd(even, odd)


def runs_of_sums(shape, n_lanes):
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
        sums = [builder.load(builder.gep(args[1], [ir.IntType(64)(k)])) for k in range(size)]
        zero = ir.Constant(vec.llvm, [0.0] * vec.lanes)
        for _stage in range(vec.lanes.bit_length() - 1):
            sums += [zero] * (len(sums) % 2)
            sums = [_merge(builder, x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
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
