"""Vector registers for Numba: a `Vec` holds the same quantity of several samples, one in each lane.

Numba's own loops reach 256-bit registers at best and test each pair of arrays for overlap; a kernel
written with these few functions decides both itself, and still reads as its equation does.

    load, store              the register array[offset : offset + lanes(array)]
    load_first, store_first  its first lanes only; the others are 0, or left alone
    number                   one number of an array, without a test for negative offsets
    splat, fma, select ...   arithmetic; + - * / and < <= > >= == work between Vecs, and with numbers
    tile, get, put           a block of registers: `Shape(units, registers)` says how many
    single, first            a number as a Vec of one lane, and back
    address, size_of         where a view begins, and how many numbers it has
    array_of                 a view as an array again

Offsets count numbers, not bytes. With NUMBA_BOUNDSCHECK=1 each load and store is checked. With
NUMBA_DISABLE_JIT=1 the plain NumPy stand-ins of `lanes_plain` take the place of the LLVM instructions.
"""

from fastbp.kernels.registers.machine import JIT_DISABLED

if JIT_DISABLED:
    from fastbp.kernels.registers.plain import (
        Shape,
        absolute,
        address,
        any_lane,
        array_of,
        copysign,
        exp2i,
        exponent,
        first,
        fma,
        get,
        has_estimates,
        has_lookup,
        inlined,
        keep_first,
        lanes,
        library_cos,
        library_sin,
        like,
        load,
        load_first,
        lookup,
        mantissa,
        maximum,
        minimum,
        not_unrolled,
        number,
        outlined,
        polynomial,
        precision,
        prefetch,
        put,
        reciprocal_estimate,
        rint,
        rows_shape,
        rsqrt_estimate,
        scale,
        select,
        set_number,
        shift,
        single,
        size_of,
        splat,
        square_root,
        square_tile,
        stays_here,
        store,
        store_first,
        sum_lanes,
        sum_tile,
        sums_of,
        tile,
        transpose,
        view,
        view_at,
        where_normal,
    )  # fmt: skip
else:
    from fastbp.kernels.registers.arithmetic import (
        absolute,
        any_lane,
        copysign,
        exp2i,
        exponent,
        first,
        fma,
        has_estimates,
        has_lookup,
        library_cos,
        library_sin,
        like,
        lookup,
        mantissa,
        maximum,
        minimum,
        polynomial,
        precision,
        reciprocal_estimate,
        rint,
        rsqrt_estimate,
        scale,
        select,
        single,
        splat,
        square_root,
        sum_lanes,
        where_normal,
    )  # fmt: skip
    from fastbp.kernels.registers.blocks import get, put, square_tile, sum_tile, tile, transpose
    from fastbp.kernels.registers.memory import (
        lanes,
        load,
        load_first,
        number,
        prefetch,
        set_number,
        shift,
        store,
        store_first,
        view,
    )  # fmt: skip
    from fastbp.kernels.registers.rows import (
        address,
        array_of,
        inlined,
        keep_first,
        not_unrolled,
        outlined,
        rows_shape,
        size_of,
        stays_here,
        sums_of,
        view_at,
    )
    from fastbp.kernels.registers.types import Shape

__all__ = [
    "Doubles", "Integers", "Numbers", "Shape", "absolute", "address", "any_lane", "array_of", "copysign", "exp2i",
    "exponent", "first", "fma", "get", "has_estimates", "has_lookup", "inlined", "keep_first", "lanes", "library_cos",
    "library_sin", "like", "load", "load_first", "lookup", "mantissa", "maximum", "minimum", "not_unrolled", "number",
    "outlined", "polynomial", "precision", "prefetch", "put", "reciprocal_estimate", "rint", "rows_shape",
    "rsqrt_estimate", "scale", "select", "set_number", "shift", "single", "size_of", "splat", "square_root",
    "square_tile", "stays_here", "store", "store_first", "sum_lanes", "sum_tile", "sums_of", "tile", "transpose",
    "view", "view_at", "where_normal",
]  # fmt: skip

# What the fields of the kernels' NamedTuples are


class Numbers:
    """A view of numbers of the network's dtype."""


class Doubles:
    """A view of float64."""


class Integers:
    """A view of int64."""
