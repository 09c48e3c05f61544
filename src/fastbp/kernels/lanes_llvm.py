"""The functions of `lanes.py` as LLVM instructions."""

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from fastbp.kernels.machine import HAS_FMA
from fastbp.kernels.vectors import ELEMENTS, Shape, ShapeType, TileType, VecType, ViewType, as_vec, splat as llvm_splat, vec_among, vec_of

__all__ = [
    "Shape", "absolute", "any_lane", "call", "copysign", "exp2i", "exponent", "first", "fma", "get", "lanes", "library_cos",
    "library_sin", "like",
    "load", "load_first", "mantissa", "maximum", "minimum", "number", "polynomial", "precision", "put", "rint",
    "select", "set_number", "shift", "single", "splat", "sqrt", "square_tile", "store", "store_first", "sum_lanes", "sum_tile", "tile", "transpose", "view",
]  # fmt: skip

_INT = ir.IntType(32)


# ---------------------------------------------------------------------------- memory


def _view(context, builder, view_type, value):
    return cgutils.create_struct_proxy(view_type)(context, builder, value=value)


def _check(context, builder, offset, count, size):
    """With NUMBA_BOUNDSCHECK=1: an IndexError unless 0 <= offset and offset + count <= size."""
    if config.BOUNDSCHECK:
        negative = builder.icmp_signed("<", offset, context.get_constant(types.intp, 0))
        past = builder.icmp_signed(">", builder.add(offset, count), size)
        with builder.if_then(builder.or_(negative, past), likely=False):
            context.call_conv.return_user_exc(builder, IndexError, ("a register reaches past the end of its array",))


def _pointer(context, builder, view_type, value, offset, count):
    """LLVM pointer to number `offset` of a view of which `count` numbers are about to be used."""
    view = _view(context, builder, view_type, value)
    _check(context, builder, offset, count, view.size)
    return builder.gep(view.data, [offset])


def _vec_pointer(context, builder, view_type, value, offset, count, vec):
    return builder.bitcast(_pointer(context, builder, view_type, value, offset, count), vec.llvm.as_pointer())


def _offset(context, builder, value, ty):
    return context.cast(builder, value, ty, types.intp)


@intrinsic
def view(typingctx, array):
    """All of a C-contiguous array, as what the functions here take."""
    ty = ViewType(array.dtype)

    def lower(context, builder, sig, args):
        struct = context.make_array(sig.args[0])(context, builder, args[0])
        result = cgutils.create_struct_proxy(ty)(context, builder)
        result.data, result.size = struct.data, struct.nitems
        return result._getvalue()

    return ty(array), lower


@intrinsic
def shift(typingctx, x, offset):
    """The view x from number `offset` on."""

    def lower(context, builder, sig, args):
        offset = _offset(context, builder, args[1], sig.args[1])
        old = _view(context, builder, x, args[0])
        _check(context, builder, offset, context.get_constant(types.intp, 0), old.size)
        result = cgutils.create_struct_proxy(x)(context, builder)
        result.data, result.size = builder.gep(old.data, [offset]), builder.sub(old.size, offset)
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
        offset = _offset(context, builder, args[1], sig.args[1])
        count = context.get_constant(types.intp, vec.lanes)
        value = builder.load(_vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec))
        value.align = vec.element.bitwidth // 8
        return value

    return vec(array, offset), lower


@intrinsic
def store(typingctx, array, offset, value):
    """array[offset : offset + lanes] = value."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset = _offset(context, builder, args[1], sig.args[1])
        count = context.get_constant(types.intp, vec.lanes)
        vector = as_vec(context, builder, args[2], sig.args[2], vec)
        instruction = builder.store(vector, _vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec))
        instruction.align = vec.element.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, offset, value), lower


def _first_lanes(builder, count, vec):
    """A mask, true in the first `count` lanes."""
    integers = ir.VectorType(_INT, vec.lanes)
    index = ir.Constant(integers, list(range(vec.lanes)))
    counts = llvm_splat(builder, builder.trunc(count, _INT), vec.lanes)
    return builder.icmp_signed("<", index, counts)


@intrinsic
def number(typingctx, array, offset):
    """array[offset], without the test for a negative offset that array[offset] makes each time."""

    def lower(context, builder, sig, args):
        offset = _offset(context, builder, args[1], sig.args[1])
        one = context.get_constant(types.intp, 1)
        return builder.load(_pointer(context, builder, sig.args[0], args[0], offset, one))

    return array.dtype(array, offset), lower


@intrinsic
def set_number(typingctx, array, offset, value):
    """array[offset] = value, without the test for a negative offset."""

    def lower(context, builder, sig, args):
        offset = _offset(context, builder, args[1], sig.args[1])
        one = context.get_constant(types.intp, 1)
        pointer = _pointer(context, builder, sig.args[0], args[0], offset, one)
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
        offset, count = (_offset(context, builder, args[k], sig.args[k]) for k in (1, 2))
        pointer = _vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec)
        function_type = ir.FunctionType(vec.llvm, (pointer.type, _INT, _mask_type(vec), vec.llvm))
        function = _declare(builder, f"llvm.masked.load.{_suffix(vec)}.p0", function_type)
        align = _INT(vec.element.bitwidth // 8)
        zero = ir.Constant(vec.llvm, [0.0] * vec.lanes)
        return builder.call(function, (pointer, align, _first_lanes(builder, count, vec), zero))

    return vec(array, offset, count), lower


@intrinsic
def store_first(typingctx, array, offset, value, count):
    """array[offset : offset + count] = the first lanes of value."""
    vec = vec_of(array.dtype)

    def lower(context, builder, sig, args):
        offset, count = (_offset(context, builder, args[k], sig.args[k]) for k in (1, 3))
        vector = as_vec(context, builder, args[2], sig.args[2], vec)
        pointer = _vec_pointer(context, builder, sig.args[0], args[0], offset, count, vec)
        function_type = ir.FunctionType(ir.VoidType(), (vec.llvm, pointer.type, _INT, _mask_type(vec)))
        function = _declare(builder, f"llvm.masked.store.{_suffix(vec)}.p0", function_type)
        builder.call(function, (vector, pointer, _INT(vec.element.bitwidth // 8), _first_lanes(builder, count, vec)))
        return context.get_dummy_value()

    return types.void(array, offset, value, count), lower


# ---------------------------------------------------------------------------- arithmetic


def _suffix(vec):
    return f"v{vec.lanes}f{vec.element.bitwidth}"


def _declare(builder, name, function_type):
    return cgutils.get_or_insert_function(builder.module, function_type, name)


def _call(builder, name, vec, *values):
    """Call LLVM's intrinsic `name` on vectors."""
    function_type = ir.FunctionType(vec.llvm, [vec.llvm] * len(values))
    return builder.call(_declare(builder, f"llvm.{name}.{_suffix(vec)}", function_type), values)


def _operation(args, emit):
    """Signature and code of an operation on Vecs; numbers among `args` are copied to each lane."""
    vec = vec_among(args)
    if vec is None:
        return None

    def lower(context, builder, sig, values):
        vectors = [as_vec(context, builder, v, ty, vec) for v, ty in zip(values, sig.args, strict=True)]
        return emit(builder, vec, *vectors)

    return vec(*args), lower


def _fma(builder, vec, x, y, z):
    if HAS_FMA:
        return _call(builder, "fma", vec, x, y, z)
    return builder.fadd(builder.fmul(x, y), z)


@intrinsic
def fma(typingctx, x, y, z):
    """x * y + z, rounded once where the machine can."""
    return _operation((x, y, z), _fma)


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


@intrinsic
def sqrt(typingctx, x):
    """Square root."""
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
        function = _declare(builder, f"llvm.{name}.f{x.element.bitwidth}", ir.FunctionType(scalar, (scalar,)))
        result = args[0]
        for k in range(x.lanes):
            value = builder.call(function, (builder.extract_element(args[0], _INT(k)),))
            result = builder.insert_element(result, value, _INT(k))
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
            value = _fma(builder, x, value, args[0], vectors.pop())
        return value

    return x(x, coefficients), lower


# Sign, exponent and mantissa of the two formats: bits of the mantissa, bias of the exponent.
_FORMAT = {types.float32: (23, 127), types.float64: (52, 1023)}


def _integers(vec):
    return ir.VectorType(ir.IntType(vec.element.bitwidth), vec.lanes)


def _integer(vec, value):
    return ir.Constant(_integers(vec), [value] * vec.lanes)


def _exp2i(builder, vec, n):
    # 1.5 * 2**bits + n has the whole number n in its low bits: a conversion of NaN would be undefined.
    bits, bias = _FORMAT[vec.element]
    shifted = builder.fadd(n, ir.Constant(vec.llvm, [1.5 * 2.0**bits] * vec.lanes))
    exponents = builder.shl(builder.bitcast(shifted, _integers(vec)), _integer(vec, bits))
    return builder.bitcast(builder.add(exponents, _integer(vec, bias << bits)), vec.llvm)


@intrinsic
def exp2i(typingctx, n):
    """2 ** n of whole numbers n within the range of normal exponents."""
    return _operation((n,), _exp2i)


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
            value = builder.fadd(_run_of_lanes(builder, value, 0, count), _run_of_lanes(builder, value, count, count))
        return builder.extract_element(value, _INT(0))

    return v.element(v), lower


def _run_of_lanes(builder, value, start, count):
    """Lanes start .. start + count - 1 of a vector."""
    indices = ir.Constant(ir.VectorType(_INT, count), list(range(start, start + count)))
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
    return v.element(v), lambda context, builder, sig, args: builder.extract_element(args[0], _INT(0))


# ---------------------------------------------------------------------------- tiles


@intrinsic
def tile(typingctx, shape, array):
    """A tile of the array's registers, not yet filled."""
    ty = TileType(vec_of(array.dtype), shape)
    size = shape.units * shape.registers

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
        index = _offset(context, builder, args[1], sig.args[1])
        return builder.load(builder.gep(args[0], [index]))

    return block.vec(block, k), lower


@intrinsic
def put(typingctx, block, k, value):
    """Set the k-th register of a tile."""

    def lower(context, builder, sig, args):
        index = _offset(context, builder, args[1], sig.args[1])
        builder.store(as_vec(context, builder, args[2], sig.args[2], block.vec), builder.gep(args[0], [index]))
        return context.get_dummy_value()

    return types.void(block, k, value), lower


@intrinsic
def transpose(typingctx, block):
    """Transpose a tile of `lanes` registers in place: log2(lanes) perfect shuffles of its rows."""
    count = block.vec.lanes
    pair = ir.VectorType(_INT, count)
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


def _merge(builder, x, y):
    """Half as many lanes for each of two groups of sums: neighbours are added, x's groups first."""
    count = x.type.count
    index = ir.VectorType(_INT, count)
    even = builder.shuffle_vector(x, y, ir.Constant(index, list(range(0, 2 * count, 2))))
    odd = builder.shuffle_vector(x, y, ir.Constant(index, list(range(1, 2 * count, 2))))
    return builder.fadd(even, odd)


@intrinsic
def sum_tile(typingctx, shape, block, out, offset, stride):
    """out[offset + q * stride + p] += the sum of the lanes of register (q, p), for the whole tile.

    registers must divide lanes. A sum of one register takes log2(lanes) shuffles and additions. Two registers merge into one with
    both their half sums, and so on: about three instructions for each sum.
    """
    vec = block.vec

    def lower(context, builder, sig, args):
        size = shape.units * shape.registers
        offset, stride = (_offset(context, builder, args[k], sig.args[k]) for k in (3, 4))
        sums = [builder.load(builder.gep(args[1], [ir.IntType(64)(k)])) for k in range(size)]
        zero = ir.Constant(vec.llvm, [0.0] * vec.lanes)
        for _stage in range(vec.lanes.bit_length() - 1):
            sums += [zero] * (len(sums) % 2)
            sums = [_merge(builder, x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
        count = context.get_constant(types.intp, shape.registers)
        for q in range(shape.units):
            row = builder.add(offset, builder.mul(stride, ir.IntType(64)(q)))
            lane = q * shape.registers
            row_sums = _run_of_lanes(builder, sums[lane // vec.lanes], lane % vec.lanes, shape.registers)
            pointer = _pointer(context, builder, sig.args[2], args[2], row, count)
            pointer = builder.bitcast(pointer, row_sums.type.as_pointer())
            old = builder.load(pointer)
            old.align = vec.element.bitwidth // 8
            builder.store(builder.fadd(old, row_sums), pointer).align = vec.element.bitwidth // 8
        return context.get_dummy_value()

    return types.void(shape, block, out, offset, stride), lower


@intrinsic
def call(typingctx, address, x, y, offset, count):
    """Call the C function at `address` with pointers to x[offset] and y[offset], and `count`."""

    def lower(context, builder, sig, args):
        offset, count = (_offset(context, builder, args[k], sig.args[k]) for k in (3, 4))
        pointers = [_pointer(context, builder, sig.args[k], args[k], offset, count) for k in (1, 2)]
        function_type = ir.FunctionType(ir.VoidType(), [p.type for p in pointers] + [ir.IntType(64)])
        builder.call(builder.inttoptr(args[0], function_type.as_pointer()), [*pointers, count])
        return context.get_dummy_value()

    return types.void(address, x, y, offset, count), lower
