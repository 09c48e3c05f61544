"""C functions that compute one network: made by Numba from a few lines around the kernels of `called.py`.

What they compute in stands on the stack, so that any number of threads may call one of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import carray, types
from numba.core import cgutils

from fastbp.kernels.compiling.decorators import OPTIONS, kernel
from fastbp.kernels.compiling.plan_table import PLAN_SIZE
from fastbp.kernels.one_sample.plan import CACHE_LINE, FORWARD, INPUT_GRADIENT, KERNEL, Call
from fastbp.kernels.registers.intrinsics import intrinsic
from fastbp.kernels.registers.lanes import address, inlined, number, set_number, view, view_at


@intrinsic
def on_stack(typingctx, like, size):
    """A view of `size` numbers, a constant, on the stack of the function that calls this, at a cache line's start."""
    if not isinstance(size, types.IntegerLiteral):
        return None

    def lower(context, builder, sig, args):
        memory = cgutils.alloca_once(builder, context.get_data_type(like.dtype), size=size.literal_value)
        memory.align = CACHE_LINE
        view = cgutils.create_struct_proxy(like)(context, builder)
        view.data, view.size = memory, context.get_constant(types.intp, size.literal_value)
        return view._getvalue()

    return like(like, size), lower


class Constants(NamedTuple):
    """What is compiled into the C functions of one network."""

    plan: int  # addresses
    params: int
    n_params: int
    n_inputs: int
    n_outputs: int
    n_memory: int


@kernel(_nrt=True)  # carray is a function that returns an array
def numbers_at(pointer, size):
    """`size` numbers, as a view that can be asked for its size."""
    x = view(carray(pointer, size))
    return view_at(x, address(x), size)


@kernel
def run(which, plan, params, memory, x, given, out):
    """Call a kernel of a plan."""
    inlined()
    KERNEL.call(number(plan, which), Call(plan, memory, params, x, given, given, out))


def outputs(constants: Any) -> Any:
    """(x, y): y = outputs."""
    plan_address, params_address, n_params, n_inputs, n_outputs, n_memory = constants

    def compute(x, y):
        plan, x_i, y_k = (
            view_at(np.int64, plan_address, PLAN_SIZE),
            numbers_at(x, n_inputs),
            numbers_at(y, n_outputs),
        )
        params, memory = view_at(x_i, params_address, n_params), on_stack(x_i, n_memory)
        run(FORWARD, plan, params, memory, x_i, y_k, y_k)

    return compute


def scalar(constants: Any) -> Any:
    """(n, x): the only output; NaN unless n is the number of inputs."""
    plan_address, params_address, n_params, n_inputs, _n_outputs, n_memory = constants

    def compute(n, x):
        plan, x_i = view_at(np.int64, plan_address, PLAN_SIZE), numbers_at(x, n_inputs)
        params, memory, y = view_at(x_i, params_address, n_params), on_stack(x_i, n_memory), on_stack(x_i, 1)
        if n != n_inputs:
            return np.nan
        run(FORWARD, plan, params, memory, x_i, y, y)
        return number(y, 0)

    return compute


def ode(constants: Any) -> Any:
    """(t, u, du, p): du = outputs for u, or for t and u if there is one input more."""
    plan_address, params_address, n_params, n_inputs, n_outputs, n_memory = constants
    n_first = n_inputs - n_outputs

    def compute(t, u, du, p):
        plan, u_k, du_k = (
            view_at(np.int64, plan_address, PLAN_SIZE),
            numbers_at(u, n_outputs),
            numbers_at(du, n_outputs),
        )
        params, memory, x = view_at(u_k, params_address, n_params), on_stack(u_k, n_memory), on_stack(u_k, n_inputs)
        set_number(x, 0, t)
        for k in range(n_outputs):
            set_number(x, n_first + k, number(u_k, k))
        run(FORWARD, plan, params, memory, x, du_k, du_k)

    return compute


def input_gradient(constants: Any) -> Any:
    """(x, v, dx): dx = v^T dy/dx."""
    plan_address, params_address, n_params, n_inputs, n_outputs, n_memory = constants

    def compute(x, v, dx):
        plan, x_i = view_at(np.int64, plan_address, PLAN_SIZE), numbers_at(x, n_inputs)
        params, memory = view_at(x_i, params_address, n_params), on_stack(x_i, n_memory)
        run(INPUT_GRADIENT, plan, params, memory, x_i, numbers_at(v, n_outputs), numbers_at(dx, n_inputs))

    return compute


class Form(NamedTuple):
    """A form of C function."""

    make: Callable  # from `Constants` to what is compiled
    returns: object  # None stands for the network's dtype
    arguments: tuple[Any, ...]  # the same, with NUMBERS for a pointer to such numbers
    text: str


NUMBERS = "pointer to numbers"

FORMS = {
    "outputs": Form(outputs, types.void, (NUMBERS, NUMBERS), "void (const {0} *x, {0} *y)"),
    "scalar": Form(scalar, None, (types.intc, NUMBERS), "{0} (int n, {0} *x)"),
    "ode": Form(ode, types.void, (None, NUMBERS, NUMBERS, NUMBERS), "void ({0} t, {0} *u, {0} *du, {0} *p)"),
    "input_gradient": Form(
        input_gradient, types.void, (NUMBERS, NUMBERS, NUMBERS), "void (const {0} *x, const {0} *v, {0} *dx)"
    ),
}


def c_function(form: Any, dtype: Any, constants: Any) -> Any:
    """The C function of a form, compiled for one network."""
    element = numba.from_dtype(dtype)
    known = {None: element, NUMBERS: types.CPointer(element)}
    signature = known.get(form.returns, form.returns)(*[known.get(ty, ty) for ty in form.arguments])
    return numba.cfunc(signature, error_model=OPTIONS["error_model"])(form.make(constants))
