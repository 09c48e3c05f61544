"""Calls through an address: one compiled engine serves every activation function, loss and solver.

What is called so is compiled by itself, and only if it is in use. Its address stands in a table of the network, or in a
work space. A `Slot` states once what such a function takes: for the machine code that an address is of, and for the
calls of that address. So a call with other arguments does not compile; by two statements, it would jump with them.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock as compiler_lock
from numba.extending import typeof_impl

from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.lanes import Doubles, Integers, Numbers
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.registers.types import ViewType

DTYPES = np.dtype(np.float32), np.dtype(np.float64)

# With the JIT switched off: functions that have been given an "address", their place in this list.
_PLAIN_FUNCTIONS = [None]


class Slot:
    """A kind of function that is called through its address. It returns nothing.

    Parameters
    ----------
    *fields : int, float, bool, Numbers, Doubles, Integers, or a NamedTuple class of such fields
        What its arguments are.

    Attributes
    ----------
    call : callable
        For kernels: call(address, *arguments).
    """

    def __init__(self, *fields: Any) -> None:
        self.fields: tuple[Any, ...] = fields
        self.call: Callable[..., Any] = _call_plain if JIT_DISABLED else _compiled_call(self)

    def address(self, compiled: Any, dtype: Any) -> Any:
        """Address of the machine code of an entry for numbers of `dtype`; compiles it if need be."""
        if JIT_DISABLED:
            with compiler_lock:
                _PLAIN_FUNCTIONS.append(compiled)
                return len(_PLAIN_FUNCTIONS) - 1
        signature = self.arguments(dtype)
        if signature not in compiled.overloads:
            compiled.compile(signature)
        result = compiled.overloads[signature]
        if result.signature.return_type != types.none:  # calls have no room for a result
            raise TypeError(f"{compiled.__name__} must return nothing; it returns {result.signature.return_type}")
        return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)

    def arguments(self, dtype: Any) -> Any:
        """Numba's types of the arguments, for numbers of `dtype`."""
        return tuple(_numba_type(field, dtype) for field in self.fields)

    def fit(self, given: Any) -> Any:
        """The types that arguments of `given` types are passed as; None where they do not fit."""
        for dtype in DTYPES:
            wanted = self.arguments(dtype)
            if len(wanted) == len(given) and all(map(_fits, wanted, given)):
                return [want if isinstance(want, types.Number) else ty for want, ty in zip(wanted, given, strict=True)]
        return None

    def __str__(self) -> Any:
        return ", ".join(f"{field.__module__}.{field.__qualname__}" for field in self.fields)


# What gives addresses for a dtype, with the arguments before it: all that `warm_up` has to compile.
WARM_UP: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []


def for_warm_up(*arguments: Any) -> Any:
    """Let `warm_up` call a function that gives an address: with each of `arguments`, if there are any, and a dtype."""

    def register(function):
        WARM_UP.append((function, arguments or ((),)))
        return function

    return register


def made_once(made: Any, kind: Any, make: Any) -> Any:
    """made[kind], an entry that make() gives if it is not there yet: each kind is compiled once."""
    if kind not in made:
        made.setdefault(kind, make())  # another thread's stays: its machine code may be in use
    return made[kind]


def _call_plain(address, *args):
    _PLAIN_FUNCTIONS[address](*args)


class PythonFunction:
    """A function of Python's that kernels call by its `address`, with a number. It must not raise.

    Parameters
    ----------
    function : callable
        Of an integer. It is called by the thread that called the kernel.
    """

    def __init__(self, function: Callable[[int], None]) -> None:
        self._pointer = ctypes.CFUNCTYPE(None, ctypes.c_int64)(function)  # the machine code lives as long as this
        if JIT_DISABLED:
            _PLAIN_FUNCTIONS.append(function)
            self.address = len(_PLAIN_FUNCTIONS) - 1
        else:
            self.address = ctypes.cast(self._pointer, ctypes.c_void_p).value or 0


def _call_python(typingctx, address, number):
    return types.void(types.int64, types.int64), _lower_call_python


def _lower_call_python(context, builder, _sig, values):
    function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
    builder.call(builder.inttoptr(values[0], function_type.as_pointer()), [values[1]])
    return context.get_dummy_value()


# For kernels: call_python(address of a `PythonFunction`, number).
call_python: Callable[[Any, Any], None] = _call_plain if JIT_DISABLED else intrinsic(_call_python)


def _compiled_call(slot):
    def call(typingctx, address, *args):
        arguments = slot.fit(args)
        return arguments and (types.void(types.intp, types.StarArgTuple(arguments)), _lower_call)

    call.__qualname__ = f"Slot({slot}).call"  # by which Numba tells one from another
    return intrinsic(call)


def _lower_call(context, builder, sig, values):
    arguments = sig.args[1].types
    function_type = context.call_conv.get_function_type(types.void, arguments)
    pointer = builder.inttoptr(values[0], function_type.as_pointer())
    unpacked = cgutils.unpack_tuple(builder, values[1])
    status, _ = context.call_conv.call_function(builder, pointer, types.void, arguments, unpacked)
    with cgutils.if_unlikely(builder, status.is_error):
        context.call_conv.return_status_propagate(builder, status)
    return context.get_dummy_value()


def _fits(want, given):
    """Whether an argument of a type can be passed: views and tuples as they are, single numbers may be converted."""
    if isinstance(want, types.BaseNamedTuple):
        return (
            isinstance(given, types.BaseNamedTuple)
            and given.instance_class is want.instance_class
            and all(_is_same(*pair) for pair in zip(want.types, given.types, strict=True))
        )
    if isinstance(want, types.Integer | types.Float):
        return isinstance(given, types.Integer) or type(given) is type(want)
    return given == want


def _is_same(want, given):
    """The same within a tuple, where nothing is converted. Numba has two types of tuple for one form in memory.

    The index of a `prange` loop is an unsigned number, of the same form as well.
    """
    if isinstance(want, types.BaseNamedTuple):
        return _fits(want, given)
    if isinstance(want, types.Integer):
        return isinstance(given, types.Integer) and given.bitwidth == want.bitwidth
    return types.unliteral(given) == want


# For Numba a slot is a module, whose only member is `call`.
@typeof_impl.register(Slot)
def _typeof_slot(slot, _context):
    return types.Module(slot)


def _numba_type(field, dtype):
    simple = {
        int: types.intp,
        bool: types.boolean,
        float: types.float64,
        Numbers: ViewType(numba.from_dtype(dtype)),
        Doubles: ViewType(types.float64),
        Integers: ViewType(types.int64),
    }
    if field in simple:
        return simple[field]
    return types.NamedTuple([_numba_type(kind, dtype) for kind in field.__annotations__.values()], field)
