"""`CFunction`: a network as a C function, for SciPy, solvers of differential equations, and C code."""

from typing import Any

from fastbp import checks
from fastbp.engine.work_spaces import WORD, UserCalls
from fastbp.kernels.one_sample import from_c, plan
from fastbp.kernels.registers.machine import JIT_DISABLED
from fastbp.kernels.tables import NONE

# Of what the kernels compute in, on the stack: threads have 512 KiB and more.
MAX_STACK_BYTES = 1 << 18
C_NAMES = {"float32": "float", "float64": "double"}


class CFunction:
    """A C function that computes one network. `Network.cfunc` makes it.

    It reads the network's parameters where they are, and so sees each change. Any number of threads may call
    it. It keeps alive what it needs: the object, or its `ctypes`, must live as long as the address is in use.

    Attributes
    ----------
    address : int
        Where the machine code is.
    ctypes : ctypes function
        The same, for `ctypes` and ``scipy.LowLevelCallable``.
    signature : str
        In C.
    """

    signature: str

    def __init__(self, calls: UserCalls, form: str) -> None:
        chosen = from_c.FORMS[checks.name_of(form, from_c.FORMS, "form")]
        if JIT_DISABLED:
            raise RuntimeError("cfunc needs compiled code, which NUMBA_DISABLE_JIT=1 switches off")
        constants, dtype = _constants(calls), calls.packed.params.dtype
        _check_form(form, constants, differentiable=calls.plan[plan.INPUT_GRADIENT] != NONE)
        compiled = from_c.c_function(chosen, dtype, constants)
        self.address: int = compiled.address
        self.ctypes: Any = compiled.ctypes
        self.ctypes.keeps = compiled, calls
        self.signature = chosen.text.format(C_NAMES[dtype.name])

    def __repr__(self) -> str:
        return f"<CFunction {self.signature!r} at {self.address:#x}>"


def _constants(calls: UserCalls) -> from_c.Constants:
    """What is compiled into the functions of a network."""
    params, n_bytes = calls.packed.params, calls.memory_words(with_gradient=False) * WORD.itemsize
    if n_bytes > MAX_STACK_BYTES:
        raise ValueError(
            f"cfunc is for networks whose units take at most {MAX_STACK_BYTES} bytes of the stack; got {n_bytes}"
        )
    return from_c.Constants(
        plan=calls.plan_address,
        params=params.ctypes.data,
        n_params=params.size,
        n_inputs=int(calls.plan[plan.N_INPUTS]),
        n_outputs=int(calls.plan[plan.N_OUTPUTS]),
        n_memory=n_bytes // params.itemsize,
    )


def _check_form(form: str, constants: from_c.Constants, *, differentiable: bool) -> None:
    """Refuse a form that the network does not go with."""
    n_inputs, n_outputs = constants.n_inputs, constants.n_outputs
    if form == "scalar" and n_outputs != 1:
        raise ValueError(f"form 'scalar' needs a network with one output; it has {n_outputs}")
    if form == "ode" and n_inputs - n_outputs not in (0, 1):
        raise ValueError(
            f"form 'ode' needs as many inputs as outputs, or one more for t; got {n_inputs} and {n_outputs}"
        )
    if form == "input_gradient" and not differentiable:
        raise ValueError(
            "form 'input_gradient' needs activation functions with a derivative; the network has 'threshold'"
        )
