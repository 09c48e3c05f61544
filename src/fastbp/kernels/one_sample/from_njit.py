"""Lets a user's compiled code call a Python function of `fastbp.jit`, of which the kernels of `plan.py` do the work.

A function that Numba compiles counts references to each array that it is given: longer, for each, than
a small layer, and all threads wait for one another at the counters of a network that they share. So these
calls are typed and lowered here, and pass views.
"""

import inspect
from typing import Any

from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.extending import lower_builtin, type_callable

from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.one_sample.plan import Arguments
from fastbp.kernels.registers.lanes import view
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.registers.types import ViewType
from fastbp.kernels.tables import Packed

WORK = types.Array(types.int64, 1, "C")


def register_run(function: Any, run: Any, result: Any) -> Any:
    """Let compiled code call `function(packed, *arrays, work)`: it is `run`, a kernel that takes a `Arguments`.

    Of the arrays the first is x, and the last one is written. Returns the same for Python to call.
    """
    if JIT_DISABLED:
        return lambda packed, *arrays: run(_views(packed, *arrays))
    names = list(inspect.signature(function).parameters)[1:-1]

    def check(packed, *arrays):
        dtype = _dtype_of(function, packed)
        for name, array in zip(names, arrays[:-1], strict=True):
            _check_array(function, name, array, dtype, writable=name == names[-1], in_rows=name == "jac")
        _check_array(function, "work", arrays[-1], types.int64, writable=True)
        return result

    type_callable(function)(lambda context: _typer(function, check))

    def lower(context, builder, sig, args):
        values = _passed(context, builder, sig, args)
        passed = types.NamedTuple([ViewType(ty.dtype) for ty, _array in values], Arguments)
        value = context.make_tuple(builder, passed, [_view(context, builder, *pair) for pair in values])
        callee = context.typing_context.resolve_value_type(run)
        call = callee.get_call_type(context.typing_context, (passed,), {})
        compiled = context.get_function(callee, call)
        returned = compiled(builder, (value,))
        context.add_linking_libs(compiled.libs)
        return returned

    lower_builtin(function, types.BaseNamedTuple, *[types.Array] * (len(names) + 1))(lower)

    def call(packed, *arrays):
        return function(packed, *arrays)

    return entry(call, key=function.__name__)


def _views(packed, *arrays):
    """What is passed, uncompiled."""
    return Arguments(*(view(array) for array in (packed.params, packed.layers, *_in_order(arrays))))


def _in_order(arrays):
    """x, what is given, the direction, what is written, and the work space."""
    x, *given, out, work = arrays
    first = given[0] if given else out  # to `forward` nothing more is given
    return x, first, given[-1] if given else out, out, work


def _passed(context, builder, sig, args):
    """(type, array) of each field of a `Arguments`."""
    packed, arrays = sig.args[0], list(zip(sig.args, args, strict=True))[1:]

    def field(name):
        k = Packed._fields.index(name)
        return packed.types[k], builder.extract_value(args[0], k)

    return field("params"), field("layers"), *_in_order(arrays)


def _view(context, builder, ty, array):
    """The `ViewType` of an array."""
    struct = context.make_array(ty)(context, builder, array)
    view = cgutils.create_struct_proxy(ViewType(ty.dtype))(context, builder)
    view.data, view.size = struct.data, struct.nitems
    return view._getvalue()


def register_replace(function: Any, field: Any) -> Any:
    """Let compiled code call `function(packed, array)`, which puts the array in the place of a field."""
    place = Packed._fields.index(field)

    def check(packed, array):
        _dtype_of(function, packed)
        if array != packed.types[place]:
            raise TypingError(f"{function.__name__}: {field} must be {packed.types[place]}; got {array}")
        return packed

    type_callable(function)(lambda context: _typer(function, check))

    def lower(context, builder, sig, args):
        return impl_ret_borrowed(context, builder, sig.return_type, builder.insert_value(args[0], args[1], place))

    lower_builtin(function, types.BaseNamedTuple, types.Array)(lower)


def _typer(function, check):
    """`check`, with the function's own signature: its arguments may be given by name."""
    signature = inspect.signature(function)

    def typer(*args, **kws):
        return check(*signature.bind(*args, **kws).args)

    typer.__signature__ = signature
    return typer


def _dtype_of(function, packed):
    """The type of a network's numbers."""
    if not isinstance(packed, types.BaseNamedTuple) or packed.instance_class is not Packed:
        raise TypingError(f"{function.__name__}: packed must be net.packed; got {packed}")
    return packed.types[Packed._fields.index("params")].dtype


def _check_array(function, name, array, dtype, *, writable, in_rows=False):
    """Refuse an array of another kind than the kernels take, when the user's function is compiled.

    `in_rows`: a matrix is as good as its rows one behind the other.
    """
    n_dims = (1, 2) if in_rows else (1,)
    if not isinstance(array, types.Array) or array.dtype != dtype or array.ndim not in n_dims:
        raise TypingError(f"{function.__name__}: {name} must be a 1-D array of {dtype}; got {array}")
    if array.layout != "C":
        raise TypingError(f"{function.__name__}: {name} must be known to be C-contiguous; got {array}")
    if writable and not array.mutable:
        raise TypingError(f"{function.__name__}: {name} must be writable; got {array}")
