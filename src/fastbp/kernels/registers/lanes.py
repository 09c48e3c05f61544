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
NUMBA_DISABLE_JIT=1 the plain NumPy stand-ins of `plain` take the place of the LLVM instructions.
"""

from fastbp.kernels.registers.machine import JIT_DISABLED

# Each instruction of `arithmetic`, `blocks`, `memory` and `rows` has its stand-in of the same name in `plain`: a test
# compares the names.
if JIT_DISABLED:
    from fastbp.kernels.registers.plain import *  # noqa: F403
else:
    from fastbp.kernels.registers.arithmetic import *  # noqa: F403
    from fastbp.kernels.registers.blocks import *  # noqa: F403
    from fastbp.kernels.registers.memory import *  # noqa: F403
    from fastbp.kernels.registers.rows import *  # noqa: F403
    from fastbp.kernels.registers.types import Shape  # noqa: F401

# What the fields of the kernels' NamedTuples are


class Numbers:
    """A view of numbers of the network's dtype."""


class Doubles:
    """A view of float64."""


class Integers:
    """A view of int64."""
