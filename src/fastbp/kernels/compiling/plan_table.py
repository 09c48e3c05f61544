"""The plans of this process, by number: where a call from a user's compiled code finds what it runs.

A work space is a user's array: it may be copied, cut, written over, or come from another process. So no address
stands in it, but the number of a plan, and what is read there is right whatever the number is: the table is never
moved or freed, and a plan that is taken back is all zeros.

Compiled code knows the table by its name, which the linker looks up, also for code that was kept on disk. Such code
may be older than this file: the name, and what it stands for, stay.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.registers.types import ViewType

MAX_PLANS = 1 << 18  # networks that compiled code can call at a time
PLAN_SIZE = 40  # int64 numbers; see plan.py for what they are
SYMBOL = "fastbp_plans"

TABLE = np.zeros(MAX_PLANS * PLAN_SIZE, np.int64)  # 80 MiB of addresses; memory is taken for the plans in use

binding.add_symbol(SYMBOL, TABLE.ctypes.data)

_unused, _numbers = [], itertools.count()  # without a lock: each call of these is one step for Python's threads


def add(plan: Any) -> Any:
    """Put a plan into the table, and return its number."""
    try:
        place = _unused.pop()
    except IndexError:
        place = next(_numbers)
    if place >= MAX_PLANS:
        raise MemoryError(f"at most {MAX_PLANS:,} networks can have work spaces at a time")
    TABLE[place * PLAN_SIZE : (place + 1) * PLAN_SIZE] = plan
    return place


def remove(place: Any, *_kept: Any) -> None:
    """Take back a plan: every call that still names it is refused. `_kept`: what had to live as long."""
    TABLE[place * PLAN_SIZE : (place + 1) * PLAN_SIZE] = 0
    _unused.append(place)


def plan_address(place: Any) -> Any:
    """Where a plan stands."""
    return TABLE.ctypes.data + place * PLAN_SIZE * TABLE.itemsize


@intrinsic
def _table(typingctx):
    """A view of the table."""
    ty = ViewType(types.int64)

    def lower(context, builder, sig, args):
        words = ir.ArrayType(ir.IntType(64), TABLE.size)
        table = cgutils.create_struct_proxy(ty)(context, builder)
        pointer = context.get_c_value(builder, words, SYMBOL)
        table.data = builder.bitcast(pointer, table.data.type)
        table.size = context.get_constant(types.intp, TABLE.size)
        return table._getvalue()

    return ty(), lower


table: Callable[[], Any] = (lambda: TABLE) if JIT_DISABLED else _table
