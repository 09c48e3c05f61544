"""Arithmetic between registers: the part of `lanes.py` without memory, as LLVM instructions."""

from typing import Any

from llvmlite import ir
from numba import types

from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.machine import HAS_AVX512, HAS_FMA
from fastbp.kernels.registers.types import ELEMENTS, INT32, VecType, as_vec, declare, suffix, vec_among, vec_of
from fastbp.kernels.registers.types import splat as llvm_splat


def _call(builder, name, vec, *values):
    """Call LLVM's intrinsic `name` on vectors."""
    function_type = ir.FunctionType(vec.llvm, [vec.llvm] * len(values))
    return builder.call(declare(builder, f"llvm.{name}.{suffix(vec)}", function_type), values)


def _operation(args, emit):
    """Signature and code of an operation on Vecs; numbers among `args` are copied to each lane."""
    vec = vec_among(args)
    if vec is None:
        return None

    def lower(context, builder, sig, values):
        vectors = [as_vec(context, builder, v, ty, vec) for v, ty in zip(values, sig.args, strict=True)]
        return emit(builder, vec, *vectors)

    return vec(*args), lower


def emit_fma(builder: Any, vec: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z as one instruction, if there is one."""
    if HAS_FMA:
        return _call(builder, "fma", vec, x, y, z)
    return builder.fadd(builder.fmul(x, y), z)


@intrinsic
def fma(typingctx, x, y, z):
    """x * y + z, rounded once where the machine can."""
    return _operation((x, y, z), emit_fma)


@intrinsic
def minimum(typingctx, x, y):
    """The smaller one; y where x is NaN."""
    return _operation((x, y), lambda b, vec, x, y: b.select(b.fcmp_ordered("<", x, y), x, y))


@intrinsic
def maximum(typingctx, x, y):
    """The larger one; y where x is NaN."""
    return _operation((x, y), lambda b, vec, x, y: b.select(b.fcmp_ordered(">", x, y), x, y))


@intrinsic
def absolute(typingctx, x):
    """|x|."""
    return _operation((x,), lambda b, vec, x: _call(b, "fabs", vec, x))


@intrinsic
def copysign(typingctx, x, y):
    """|x| with the sign of y."""
    return _operation((x, y), lambda b, vec, x, y: _call(b, "copysign", vec, x, y))


def _has_estimates(vec):
    return HAS_AVX512 and vec.lanes * vec.element.bitwidth == 512


@intrinsic
def has_estimates(typingctx, x):
    """Whether 1 / x and 1 / sqrt(x) are estimated sooner than a division is done: a constant."""
    return types.boolean(x), lambda context, builder, sig, args: context.get_constant(types.boolean, _has_estimates(x))


def _estimate(builder, name, vec, x):
    """AVX-512's estimate of a function, right to 14 bits."""
    mask = ir.IntType(max(8, vec.lanes))
    kind = "ps" if vec.element.bitwidth == 32 else "pd"
    function_type = ir.FunctionType(vec.llvm, (vec.llvm, vec.llvm, mask))
    function = declare(builder, f"llvm.x86.avx512.{name}14.{kind}.512", function_type)
    return builder.call(function, (x, ir.Constant(vec.llvm, ir.Undefined), ir.Constant(mask, -1)))


@intrinsic
def reciprocal_estimate(typingctx, x):
    """About 1 / x: right to 14 bits, where `has_estimates`."""
    return _operation((x,), lambda b, vec, x: _estimate(b, "rcp", vec, x) if _has_estimates(vec) else x)


@intrinsic
def rsqrt_estimate(typingctx, x):
    """About 1 / sqrt(x): right to 14 bits, where `has_estimates`."""
    return _operation((x,), lambda b, vec, x: _estimate(b, "rsqrt", vec, x) if _has_estimates(vec) else x)


@intrinsic
def square_root(typingctx, x):
    """The square root, rounded once."""
    return _operation((x,), lambda b, vec, x: _call(b, "sqrt", vec, x))


@intrinsic
def rint(typingctx, x):
    """The nearest whole number, halves to the even one."""
    return _operation((x,), lambda b, vec, x: _call(b, "rint", vec, x))


@intrinsic
def select(typingctx, mask, x, y):
    """x in the lanes where mask is true, else y."""
    vec = vec_among((x, y))
    if vec is None or not isinstance(mask, VecType):
        return None

    def lower(context, builder, sig, args):
        x, y = (as_vec(context, builder, args[k], sig.args[k], vec) for k in (1, 2))
        return builder.select(args[0], x, y)

    return vec(mask, x, y), lower


@intrinsic
def any_lane(typingctx, mask):
    """True if a lane of the mask is."""

    def lower(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(mask.lanes))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), lower


def _lane_by_lane(x, name):
    """A function of the C library, called for each lane: right for any number, and slow."""

    def lower(context, builder, sig, args):
        scalar = ELEMENTS[x.element]
        function = declare(builder, f"llvm.{name}.f{x.element.bitwidth}", ir.FunctionType(scalar, (scalar,)))
        result = args[0]
        for k in range(x.lanes):
            value = builder.call(function, (builder.extract_element(args[0], INT32(k)),))
            result = builder.insert_element(result, value, INT32(k))
        return result

    return x(x), lower


@intrinsic
def library_sin(typingctx, x):
    """Sine by the C library."""
    return _lane_by_lane(x, "sin")


@intrinsic
def library_cos(typingctx, x):
    """Cosine by the C library."""
    return _lane_by_lane(x, "cos")


@intrinsic
def precision(typingctx, x):
    """Bits of a lane, 32 or 64: a constant, so that a branch on it costs nothing."""
    return types.intp(x), lambda context, builder, sig, args: context.get_constant(types.intp, x.element.bitwidth)


@intrinsic
def polynomial(typingctx, x, coefficients):
    """c[0] + c[1] x + c[2] x**2 + ... by Horner's rule, unrolled."""
    if not isinstance(coefficients, types.UniTuple):
        return None

    def lower(context, builder, sig, args):
        vectors = [
            as_vec(context, builder, builder.extract_value(args[1], k), coefficients.dtype, x)
            for k in range(coefficients.count)
        ]
        value = vectors.pop()
        while vectors:
            value = emit_fma(builder, x, value, args[0], vectors.pop())
        return value

    return x(x, coefficients), lower


TABLE_SIZE = 16


def _has_lookup(vec):
    return HAS_AVX512 and vec.element is types.float64 and vec.lanes * vec.element.bitwidth == 512


@intrinsic
def has_lookup(typingctx, x):
    """Whether `lookup` is an instruction for such a register: a constant."""
    return types.boolean(x), lambda context, builder, sig, args: context.get_constant(types.boolean, _has_lookup(x))


@intrinsic
def lookup(typingctx, shifted, table):
    """table[n % 16], a tuple of 16 numbers, of 1.5 * 2**23 + n, in float64 1.5 * 2**52 + n, for whole numbers n."""
    if not isinstance(table, types.UniTuple) or table.count != TABLE_SIZE:
        return None

    def lower(context, builder, sig, args):
        numbers = [context.cast(builder, builder.extract_value(args[1], k), table.dtype, shifted.element)
                   for k in range(TABLE_SIZE)]  # fmt: skip
        places = builder.bitcast(args[0], _integers(shifted))
        if _has_lookup(shifted):
            low, high = (_vector(builder, shifted.llvm, numbers[half : half + 8]) for half in (0, 8))
            function_type = ir.FunctionType(shifted.llvm, (shifted.llvm, places.type, shifted.llvm))
            return builder.call(
                declare(builder, "llvm.x86.avx512.vpermi2var.pd.512", function_type), (low, places, high)
            )
        places = builder.and_(places, _integer(shifted, TABLE_SIZE - 1))
        all_numbers = _vector(builder, ir.VectorType(ELEMENTS[shifted.element], TABLE_SIZE), numbers)
        found = [builder.extract_element(all_numbers, builder.extract_element(places, INT32(k)))
                 for k in range(shifted.lanes)]  # fmt: skip
        return _vector(builder, shifted.llvm, found)

    return shifted(shifted, table), lower


def _vector(builder, ty, values):
    """An LLVM vector of numbers."""
    vector = ir.Constant(ty, ir.Undefined)
    for k, value in enumerate(values):
        vector = builder.insert_element(vector, value, INT32(k))
    return vector


# Sign, exponent and mantissa of the two formats: bits of the mantissa, bias of the exponent.
_FORMAT = {types.float32: (23, 127), types.float64: (52, 1023)}


def _integers(vec):
    return ir.VectorType(ir.IntType(vec.element.bitwidth), vec.lanes)


def _integer(vec, value):
    return ir.Constant(_integers(vec), [value] * vec.lanes)


def _where_normal(builder, vec, x, value):
    bits, bias = _FORMAT[vec.element]
    exponents = builder.and_(builder.bitcast(x, _integers(vec)), _integer(vec, (2 * bias + 1) << bits))
    is_normal = builder.icmp_unsigned("!=", exponents, _integer(vec, 0))
    return builder.select(is_normal, value, ir.Constant(vec.llvm, [0.0] * vec.lanes))


@intrinsic
def where_normal(typingctx, x, value):
    """value, or 0 where x is smaller than the smallest normal number: two instructions."""
    return _operation((x, value), _where_normal)


def _exp2i(builder, vec, shifted):
    # 1.5 * 2**bits + n has the whole number n in its low bits: a conversion of NaN would be undefined.
    bits, bias = _FORMAT[vec.element]
    exponents = builder.shl(builder.bitcast(shifted, _integers(vec)), _integer(vec, bits))
    return builder.bitcast(builder.add(exponents, _integer(vec, bias << bits)), vec.llvm)


@intrinsic
def exp2i(typingctx, shifted):
    """2 ** n of 1.5 * 2**23 + n, in float64 1.5 * 2**52 + n, for whole numbers n in the range of normal exponents."""
    return _operation((shifted,), _exp2i)


def _scale(builder, vec, x, n):
    if HAS_AVX512 and vec.lanes * vec.element.bitwidth == 512:
        mask = ir.IntType(max(8, vec.lanes))
        kind = "ps" if vec.element.bitwidth == 32 else "pd"
        function_type = ir.FunctionType(vec.llvm, (vec.llvm, vec.llvm, vec.llvm, mask, INT32))
        function = declare(builder, f"llvm.x86.avx512.mask.scalef.{kind}.512", function_type)
        return builder.call(function, (x, n, x, ir.Constant(mask, -1), INT32(4)))  # 4: round as usual
    # In two factors: 2**128 and 2**-149 are no normal numbers.
    whole = ir.Constant(vec.llvm, [1.5 * 2.0 ** _FORMAT[vec.element][0]] * vec.lanes)
    half = _call(builder, "rint", vec, builder.fmul(n, ir.Constant(vec.llvm, [0.5] * vec.lanes)))
    powers = [_exp2i(builder, vec, builder.fadd(part, whole)) for part in (half, builder.fsub(n, half))]
    return builder.fmul(builder.fmul(x, powers[0]), powers[1])


@intrinsic
def scale(typingctx, x, n):
    """x 2**n for x in [1/2, 2] and whole numbers n, or n rounded down where `has_lookup`; rounded once if subnormal."""
    return _operation((x, n), _scale)


def _exponent(builder, vec, x):
    bits, bias = _FORMAT[vec.element]
    biased = builder.lshr(builder.bitcast(x, _integers(vec)), _integer(vec, bits))
    return builder.sitofp(builder.sub(biased, _integer(vec, bias)), vec.llvm)


@intrinsic
def exponent(typingctx, x):
    """floor(log2(x)) of positive normal numbers x."""
    return _operation((x,), _exponent)


def _mantissa(builder, vec, x):
    bits, bias = _FORMAT[vec.element]
    fraction = builder.and_(builder.bitcast(x, _integers(vec)), _integer(vec, (1 << bits) - 1))
    return builder.bitcast(builder.or_(fraction, _integer(vec, bias << bits)), vec.llvm)


@intrinsic
def mantissa(typingctx, x):
    """x / 2 ** exponent(x), in [1, 2), of positive normal numbers x."""
    return _operation((x,), _mantissa)


@intrinsic
def sum_lanes(typingctx, v):
    """The sum of the lanes, pairwise: halves are added until one number is left."""

    def lower(context, builder, sig, args):
        value, count = args[0], v.lanes
        while count > 1:
            count //= 2
            value = builder.fadd(run_of_lanes(builder, value, 0, count), run_of_lanes(builder, value, count, count))
        return builder.extract_element(value, INT32(0))

    return v.element(v), lower


def run_of_lanes(builder: Any, value: Any, start: Any, count: Any) -> Any:
    """Lanes start .. start + count - 1 of a vector."""
    indices = ir.Constant(ir.VectorType(INT32, count), list(range(start, start + count)))
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), indices)


@intrinsic
def splat(typingctx, array, x):
    """A register of the array's dtype with x in each lane."""
    vec = vec_of(array.dtype)
    return vec(array, x), lambda context, builder, sig, args: as_vec(context, builder, args[1], sig.args[1], vec)


@intrinsic
def like(typingctx, v, x):
    """A Vec like v with x in each lane."""
    return v(v, x), lambda context, builder, sig, args: as_vec(context, builder, args[1], sig.args[1], v)


@intrinsic
def single(typingctx, x):
    """A Vec of one lane: what is written for registers, for one number."""
    if not isinstance(x, types.Float):
        return None
    vec = VecType(x, 1)
    return vec(x), lambda context, builder, sig, args: llvm_splat(builder, args[0], 1)


@intrinsic
def first(typingctx, v):
    """The number in the first lane."""
    return v.element(v), lambda context, builder, sig, args: builder.extract_element(args[0], INT32(0))
