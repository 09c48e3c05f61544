"""Random bits of a bit generator of NumPy's, by its C functions."""

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.machine import JIT_DISABLED

_C_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)


def _draw_plain(function, state):
    return _C_FUNCTION(function)(state)


@intrinsic
def _draw_compiled(typingctx, function, state):
    def lower(context, builder, sig, args):
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        callee = builder.inttoptr(args[0], ir.FunctionType(word, [pointer]).as_pointer())
        return builder.call(callee, [builder.inttoptr(args[1], pointer)])

    return types.uint32(types.intp, types.intp), lower


# The next 32 random bits: (address of the generator's C function `next_uint32`, address of its state).
draw: Callable[..., Any] = _draw_plain if JIT_DISABLED else _draw_compiled
