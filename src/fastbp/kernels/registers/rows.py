"""Sums of the lanes of several registers, first lanes, numbers at an address: what `one_sample/passes.py` needs.

And where a function's code goes: into its callers, or not.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastbp.kernels.registers.blocks import sums_across
from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.memory import _first_lanes, as_offset
from fastbp.kernels.registers.types import ShapeType, ViewType, vec_of


@intrinsic
def rows_shape(typingctx, array, n_rows):
    """Shape(n_rows, 1), n_rows a constant; of as many rows as the array's registers have lanes, at most."""
    if not isinstance(n_rows, types.IntegerLiteral):
        return None
    shape = ShapeType(min(n_rows.literal_value, vec_of(array.dtype).lanes), 1)
    return shape(array, n_rows), lambda context, builder, sig, args: context.get_dummy_value()


@intrinsic
def sums_of(typingctx, block):
    """A register whose lane q is the sum of the lanes of register q of a tile; 0 behind the last one.

    For tiles of no more registers than a register has lanes. Two registers merge into one with both their
    half sums, and so on: about three instructions for each sum.
    """
    vec, count = block.vec, block.shape.units * block.shape.registers

    def lower(context, builder, sig, args):
        rows = [builder.load(builder.gep(args[0], [ir.IntType(64)(k)])) for k in range(count)]
        return sums_across(builder, vec, rows)[0]

    return vec(block), lower


@intrinsic
def keep_first(typingctx, v, count):
    """v in the first `count` lanes, and 0 in the others."""

    def lower(context, builder, sig, args):
        mask = _first_lanes(builder, as_offset(context, builder, args[1], sig.args[1]), v)
        return builder.select(mask, args[0], ir.Constant(v.llvm, [0.0] * v.lanes))

    return v(v, count), lower


@intrinsic
def view_at(typingctx, dtype, address, size):
    """`size` numbers that stand at an address, of `dtype` or of a view's: whoever passes it keeps them alive."""
    ty = ViewType(dtype.instance_type if isinstance(dtype, types.NumberClass) else dtype.dtype)

    def lower(context, builder, sig, args):
        result = cgutils.create_struct_proxy(ty)(context, builder)
        result.data = builder.inttoptr(as_offset(context, builder, args[1], sig.args[1]), result.data.type)
        result.size = as_offset(context, builder, args[2], sig.args[2])
        return result._getvalue()

    return ty(dtype, address, size), lower


@intrinsic
def address(typingctx, x):
    """Address of the first number of a view."""

    def lower(context, builder, sig, args):
        data = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(x), lower


@intrinsic
def size_of(typingctx, x):
    """How many numbers a view has that `view_at` made, or a user's call."""

    def lower(context, builder, sig, args):
        return cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).size

    return types.intp(x), lower


@intrinsic
def array_of(typingctx, x):
    """All of a view, made by `view_at` or a user's call, as a 1-D array again. It owns nothing: nothing is counted."""
    ty = types.Array(x.dtype, 1, "C")

    def lower(context, builder, sig, args):
        from numba.np.arrayobj import populate_array  # here: a process that trains nothing need not import it

        view = cgutils.create_struct_proxy(x)(context, builder, value=args[0])
        array = context.make_array(ty)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(x.dtype)))
        populate_array(array, data=view.data, shape=[view.size], strides=[itemsize], itemsize=itemsize, meminfo=None)
        return array._getvalue()

    return ty(x), lower


def _attribute(name):
    """Code that gives an attribute to the function that it stands in."""

    def lower(context, builder, sig, args):
        builder.function.attributes.add(name)
        return context.get_dummy_value()

    return types.void(), lower


@intrinsic
def not_unrolled(typingctx):
    """Keep LLVM from unrolling the loop around this where the number of its rounds is not known."""

    def lower(context, builder, sig, args):
        nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "", side_effect=True)
        builder.call(nothing, [], attrs=("convergent", "nounwind"))
        return context.get_dummy_value()

    return types.void(), lower


@intrinsic
def stays_here(typingctx, x):
    """The whole number x, of which LLVM knows nothing then: what is worked out with it is not moved out of a loop."""

    def lower(context, builder, sig, args):
        copy = ir.InlineAsm(ir.FunctionType(args[0].type, [args[0].type]), "", "=r,0", side_effect=True)
        return builder.call(copy, [args[0]])

    return x(x), lower


@intrinsic
def inlined(typingctx):
    """Make the function that calls this part of its callers: a call takes as long as a short loop."""
    return _attribute("alwaysinline")


@intrinsic
def outlined(typingctx):
    """Keep the function that calls this out of its callers: what it sets up would be set up in them each time."""
    return _attribute("noinline")
