"""Registers from arrays and back: the part of `lanes.py` that touches memory, as LLVM instructions."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, config

from fastbp.kernels.registers.arithmetic import run_of_lanes
from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.machine import HAS_CHEAP_MASKS
from fastbp.kernels.registers.types import INT32, ViewType, as_vec, declare, suffix, vec_of
from fastbp.kernels.registers.types import splat as llvm_splat


def _view(context, builder, view_type, value):
    return cgutils.create_struct_proxy(view_type)(context, builder, value=value)


def _check(context, builder, offset, count, size):
    """With NUMBA_BOUNDSCHECK=1: an IndexError unless 0 <= offset and offset + count <= size."""
    if config.BOUNDSCHECK:
        negative = builder.icmp_signed("<", offset, context.get_constant(types.intp, 0))
        past = builder.icmp_signed(">", builder.add(offset, count), size)
        with builder.if_then(builder.or_(negative, past), likely=False):
            context.call_conv.return_user_exc(builder, IndexError, ("a register reaches past the end of its array",))


def pointer_to(context: Any, builder: Any, view_type: Any, value: Any, offset: Any, count: Any) -> Any:
    """LLVM pointer to number `offset` of a view of which `count` numbers are about to be used."""
    view = _view(context, builder, view_type, value)
    _check(context, builder, offset, count, view.size)
    return builder.gep(view.data, [offset])


def vec_pointer(context: Any, builder: Any, view_type: Any, value: Any, offset: Any, count: Any, vec: Any) -> Any:
    """`pointer_to`, of a `vec`."""
    return builder.bitcast(pointer_to(context, builder, view_type, value, offset, count), vec.llvm.as_pointer())


def as_offset(context: Any, builder: Any, value: Any, ty: Any) -> Any:
    """An integer as LLVM takes it for an offset."""
    return context.cast(builder, value, ty, types.intp)


def _size(size):
    """The size of a view that only the checks ask for; without them each call would hand one over with each view."""
    return size if config.BOUNDSCHECK else ir.Constant(size.type, ir.Undefined)


@intrinsic
def view(typingctx, array):
    """All of a C-contiguous array, as what the functions here take. It is not asked for its size: see `view_at`."""
    ty = ViewType(array.dtype)

    def lower(context, builder, sig, args):
        struct = context.make_array(sig.args[0])(context, builder, args[0])
        result = cgutils.create_struct_proxy(ty)(context, builder)
        result.data, result.size = struct.data, _size(struct.nitems)
        return result._getvalue()

    return ty(array), lower


@intrinsic
def shift(typingctx, x, offset):
    """The view x from number `offset` on. It is not asked for its size."""

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        old = _view(context, builder, x, args[0])
        _check(context, builder, offset, context.get_constant(types.intp, 0), old.size)
        result = cgutils.create_struct_proxy(x)(context, builder)
        result.data, result.size = builder.gep(old.data, [offset]), _size(builder.sub(old.size, offset))
        return result._getvalue()

    return x(x, offset), lower


@intrinsic
def lanes(typingctx, array):
    """Numbers in a register of the array's dtype."""
    count = vec_of(array.dtype).lanes
    return types.intp(array), lambda context, builder, sig, args: context.get_constant(types.intp, count)


@intrinsic
def load(typingctx, array, offset):
    """The register array[offset : offset + lanes]."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        count = context.get_constant(types.intp, vec.lanes)
        value = builder.load(vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec))
        value.align = vec.element.bitwidth // 8
        return value

    return vec(array, offset), lower


@intrinsic
def store(typingctx, array, offset, value):
    """array[offset : offset + lanes] = value."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        count = context.get_constant(types.intp, vec.lanes)
        vector = as_vec(context, builder, args[2], sig.args[2], vec)
        instruction = builder.store(vector, vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec))
        instruction.align = vec.element.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, offset, value), lower


def _first_lanes(builder, count, vec):
    """A mask, true in the first `count` lanes."""
    integers = ir.VectorType(INT32, vec.lanes)
    index = ir.Constant(integers, list(range(vec.lanes)))
    counts = llvm_splat(builder, builder.trunc(count, INT32), vec.lanes)
    return builder.icmp_signed("<", index, counts)


@intrinsic
def number(typingctx, array, offset):
    """array[offset], without the test for a negative offset that array[offset] makes each time."""

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        one = context.get_constant(types.intp, 1)
        return builder.load(pointer_to(context, builder, sig.args[0], args[0], offset, one))

    return array.dtype(array, offset), lower


@intrinsic
def set_number(typingctx, array, offset, value):
    """array[offset] = value, without the test for a negative offset."""
    if not isinstance(value, types.Number | types.Boolean):  # of an array Numba would take the first number
        return None

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        one = context.get_constant(types.intp, 1)
        pointer = pointer_to(context, builder, sig.args[0], args[0], offset, one)
        builder.store(context.cast(builder, args[2], sig.args[2], array.dtype), pointer)
        return context.get_dummy_value()

    return types.void(array, offset, value), lower


def _mask_type(vec):
    return ir.VectorType(ir.IntType(1), vec.lanes)


@intrinsic
def load_first(typingctx, array, offset, count):
    """A register with array[offset : offset + count] in its first lanes, and 0 in the others."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset, count = (as_offset(context, builder, args[k], sig.args[k]) for k in (1, 2))
        pointer = vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec)
        function_type = ir.FunctionType(vec.llvm, (pointer.type, INT32, _mask_type(vec), vec.llvm))
        function = declare(builder, f"llvm.masked.load.{suffix(vec)}.p0", function_type)
        align = INT32(vec.element.bitwidth // 8)
        zero = ir.Constant(vec.llvm, [0.0] * vec.lanes)
        loaded = builder.call(function, (pointer, align, _first_lanes(builder, count, vec), zero))
        return _fenced(builder, loaded, vec)

    return vec(array, offset, count), lower


def _fenced(builder, vector, vec):
    """The vector, made by an instruction of its own.

    Where nobody asks for the lanes that a masked load leaves out, as in `keep_first(fma(a, x, b), count)`, LLVM 22 loads
    them all for AVX-512, also past the end of the array: it expects the load to become part of the masked instruction.
    """
    fence = declare(builder, f"llvm.arithmetic.fence.{suffix(vec)}", ir.FunctionType(vec.llvm, (vec.llvm,)))
    return builder.call(fence, (vector,))


def _store_runs(builder, vec, vector, pointer, count):
    """Store the first `count` lanes: all of them, or half of them, a quarter, one, as the bits of `count` say.

    A masked store of AVX2 is slow on AMD before Zen 4; where there is none, it is a branch for each lane.
    """
    align, number = vec.element.bitwidth // 8, pointer.type.pointee.element.as_pointer()
    is_whole = builder.icmp_signed(">=", count, count.type(vec.lanes))
    with builder.if_else(is_whole) as (whole, part):
        with whole:
            builder.store(vector, pointer).align = align
        with part:
            place, left, n_lanes = builder.bitcast(pointer, number), vector, vec.lanes // 2
            while n_lanes:
                before = builder.basic_block
                bit = builder.icmp_unsigned("!=", builder.and_(count, count.type(n_lanes)), count.type(0))
                with builder.if_then(bit):
                    run = run_of_lanes(builder, left, 0, n_lanes)
                    builder.store(run, builder.bitcast(place, run.type.as_pointer())).align = align
                    next_left = builder.shuffle_vector(left, left, _from_lane(n_lanes, vec.lanes))
                    next_place, stored = builder.gep(place, [count.type(n_lanes)]), builder.basic_block
                left = _either(builder, (next_left, stored), (left, before))
                place = _either(builder, (next_place, stored), (place, before))
                n_lanes //= 2


def _from_lane(first, n_lanes):
    """Numbers of a register's lanes from `first` on; behind the last one it begins anew."""
    return ir.Constant(ir.VectorType(INT32, n_lanes), [(first + k) % n_lanes for k in range(n_lanes)])


def _either(builder, *values):
    """The value of the block that control came from."""
    phi = builder.phi(values[0][0].type)
    for value, block in values:
        phi.add_incoming(value, block)
    return phi


@intrinsic
def store_first(typingctx, array, offset, value, count):
    """array[offset : offset + count] = the first lanes of value."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset, count = (as_offset(context, builder, args[k], sig.args[k]) for k in (1, 3))
        vector = as_vec(context, builder, args[2], sig.args[2], vec)
        pointer = vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec)
        if HAS_CHEAP_MASKS:
            function_type = ir.FunctionType(ir.VoidType(), (vec.llvm, pointer.type, INT32, _mask_type(vec)))
            function = declare(builder, f"llvm.masked.store.{suffix(vec)}.p0", function_type)
            mask = _first_lanes(builder, count, vec)
            builder.call(function, (vector, pointer, INT32(vec.element.bitwidth // 8), mask))
        else:
            _store_runs(builder, vec, vector, pointer, count)
        return context.get_dummy_value()

    return types.void(array, offset, value, count), lower


@intrinsic
def prefetch(typingctx, array, offset):
    """Ask for the cache line with array[offset], which will be loaded soon. It may lie past the end of the array."""

    def lower(context, builder, sig, args):
        offset = as_offset(context, builder, args[1], sig.args[1])
        pointer = builder.gep(_view(context, builder, sig.args[0], args[0]).data, [offset])
        function_type = ir.FunctionType(ir.VoidType(), (pointer.type, INT32, INT32, INT32))
        function = declare(builder, "llvm.prefetch.p0", function_type)
        builder.call(function, (pointer, INT32(0), INT32(3), INT32(1)))
        return context.get_dummy_value()

    return types.void(array, offset), lower
