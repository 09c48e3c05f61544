"""Numba types of vector registers and tiles, and the operators + - * / < on them.

The LLVM side of `lanes.py`. Nothing here knows of networks.
"""

import operator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_constant
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, lower_builtin, lower_getattr, models, register_model, typeof_impl

from fastbp.kernels.registers.machine import REGISTER_BYTES

INT32: Any = ir.IntType(32)
ELEMENTS: dict[Any, Any] = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.boolean: ir.IntType(1)}


class VecType(types.Type):
    """`lanes` numbers of type `element` in one register."""

    element: Any
    lanes: int

    def __init__(self, element: Any, lanes: Any) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vec({element}, {lanes})")

    @property
    def llvm(self) -> Any:
        """The type in LLVM."""
        return ir.VectorType(ELEMENTS[self.element], self.lanes)


class ViewType(types.Type):
    """A stretch of an array: where it begins, and how many numbers follow. Owns nothing, counts no references."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"View({dtype})")


class ShapeType(types.Type):
    """The type of a `Shape`. The numbers are part of it, so that loops over a tile unroll."""

    units: int
    registers: int

    def __init__(self, units: Any, registers: Any) -> None:
        self.units, self.registers = units, registers
        super().__init__(name=f"Shape({units}, {registers})")


class TileType(types.Type):
    """units x registers vectors. They are allocated on the stack; LLVM keeps them in registers."""

    vec: VecType
    shape: Any

    def __init__(self, vec: Any, shape: Any) -> None:
        self.vec, self.shape = vec, shape
        super().__init__(name=f"Tile({vec}, {shape})")


@register_model(VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.llvm)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.vec.llvm.as_pointer())


@register_model(ViewType)
class _ViewModel(models.StructModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, [("data", types.CPointer(fe_type.dtype)), ("size", types.intp)])


register_model(ShapeType)(models.OpaqueModel)


def vec_of(element: Any) -> Any:
    """The type of a full register of `element`s."""
    return VecType(element, REGISTER_BYTES * 8 // element.bitwidth)


def splat(builder: Any, value: Any, lanes: Any) -> Any:
    """An LLVM vector with `value` in each lane."""
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    lane_0 = builder.insert_element(undefined, value, INT32(0))
    zeros = ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(lane_0, undefined, zeros)


def suffix(vec: Any) -> Any:
    """How LLVM names a vector type at the end of an intrinsic's name."""
    return f"v{vec.lanes}f{vec.element.bitwidth}"


def declare(builder: Any, name: Any, function_type: Any) -> Any:
    """A function of LLVM's, known to the module."""
    return cgutils.get_or_insert_function(builder.module, function_type, name)


def as_vec(context: Any, builder: Any, value: Any, ty: Any, vec: Any) -> Any:
    """`value` as a `vec`: a number is converted to the element's type and copied to each lane."""
    if isinstance(ty, VecType):
        return value
    return splat(builder, context.cast(builder, value, ty, vec.element), vec.lanes)


def vec_among(args: Any) -> Any:
    """The Vec type among `args` if the others are Vecs or numbers, else None."""
    vecs = [ty for ty in args if isinstance(ty, VecType) and ty.element != types.boolean]
    if vecs and all(isinstance(ty, VecType | types.Number | types.IntegerLiteral) for ty in args):
        return vecs[0]
    return None


# ---------------------------------------------------------------------------- shapes


class Shape(NamedTuple):
    """A tile of accumulators: `units` rows of `registers` vectors each."""

    units: int
    registers: int


@typeof_impl.register(Shape)
def _typeof_shape(value, _context):
    return ShapeType(value.units, value.registers)


@lower_constant(ShapeType)
def _constant_shape(context, _builder, _ty, _value):
    return context.get_dummy_value()


@infer_getattr
class _ShapeAttributes(AttributeTemplate):
    key = ShapeType

    def resolve_units(self, _shape):
        return types.intp

    def resolve_registers(self, _shape):
        return types.intp


@lower_getattr(ShapeType, "units")
def _shape_units(context, _builder, ty, _value):
    return context.get_constant(types.intp, ty.units)


@lower_getattr(ShapeType, "registers")
def _shape_registers(context, _builder, ty, _value):
    return context.get_constant(types.intp, ty.registers)


# ---------------------------------------------------------------------------- operators


def _register_operator(function, emit, element=None):
    """Let `function` work on Vecs, and on Vecs with numbers; the result has `element`s if given."""

    class Operator(AbstractTemplate):
        def generic(self, args, _kws):
            vec = vec_among(args)
            if vec is None:
                return None
            return signature(VecType(element, vec.lanes) if element else vec, *args)

    def lower(context, builder, sig, args):
        vec = vec_among(sig.args)
        return emit(builder, *(as_vec(context, builder, v, ty, vec) for v, ty in zip(args, sig.args, strict=True)))

    infer_global(function)(Operator)
    if function is operator.neg:
        lower_builtin(function, VecType)(lower)
        return
    for pair in ((VecType, VecType), (VecType, types.Number), (types.Number, VecType)):
        lower_builtin(function, *pair)(lower)


_FUSED = ("contract",)
_register_operator(operator.add, lambda b, x, y: b.fadd(x, y, flags=_FUSED))
_register_operator(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_FUSED))
_register_operator(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_FUSED))
_register_operator(operator.truediv, lambda b, x, y: b.fdiv(x, y))
_register_operator(operator.neg, lambda b, x: b.fneg(x))
_register_operator(operator.lt, lambda b, x, y: b.fcmp_ordered("<", x, y), types.boolean)
_register_operator(operator.le, lambda b, x, y: b.fcmp_ordered("<=", x, y), types.boolean)
_register_operator(operator.gt, lambda b, x, y: b.fcmp_ordered(">", x, y), types.boolean)
_register_operator(operator.ge, lambda b, x, y: b.fcmp_ordered(">=", x, y), types.boolean)
_register_operator(operator.eq, lambda b, x, y: b.fcmp_ordered("==", x, y), types.boolean)
