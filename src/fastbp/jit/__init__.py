"""Networks inside a user's compiled code: outputs, gradient, and derivatives by the inputs, for one sample.

Ways in alone: what they compute stands in `kernels/one_sample`.

The functions are called from functions that Numba compiles (`numba.njit`, also with ``parallel=True``,
``nogil=True``, ``cache=True``), or from Python. Nothing in them allocates memory, takes Python's lock, or
counts references, so that any number of threads may call them, each with a work space of its own.

`packed` is ``net.packed``, which shares memory with ``net.params``: a change of the parameters is seen at
once. `work` is ``net.workspace()``. Pass both as arguments: Numba freezes what is global.

All arrays are 1-D, C-contiguous and of the network's dtype. What is not is refused when the calling
function is compiled; an array of another length raises a ValueError and nothing is written. Parameters alone may
be more than the network has, since ``packed.params`` is filled up: see `with_params`.

Examples
--------
>>> import numba, numpy as np, fastbp
>>> from fastbp.jit import forward
>>> net = fastbp.Network((2, 8, 2), seed=0)

>>> @numba.njit
... def after(packed, u, n_steps, step, work):
...     du = np.empty_like(u)
...     for _ in range(n_steps):  # Euler's method for du/dt = net(u)
...         forward(packed, u, du, work)
...         u += step * du
...     return u

>>> after(net.packed, np.ones(2), 100, 0.01, net.workspace()).shape
(2,)
"""

from typing import Any

import numpy as np
from numba.core import types

from fastbp.checks import Array
from fastbp.engine.engine import filled_up
from fastbp.kernels.one_sample import plan
from fastbp.kernels.one_sample.from_njit import register_replace, register_run
from fastbp.kernels.tables import Packed


def forward(packed: Packed, x: Array, y: Array, work: Array) -> None:
    """Write the outputs of a network for one sample to `y`.

    Parameters
    ----------
    packed : Packed
        ``net.packed``, or what `with_params` makes of it.
    x : array (n_inputs,)
        The sample.
    y : array (n_outputs,)
        Where its outputs go. It may share memory with `x`.
    work : array of int64
        ``net.workspace()``: only one thread at a time may use it.

    Raises
    ------
    ValueError
        For an array of another size, or a work space of another network.

    Notes
    -----
    The numbers are those of ``net.forward(x[None])[0]``, to rounding.
    """
    _check_arrays("forward", packed, work, x=x, y=y)
    _forward(packed, x, y, work)


def gradient(packed: Packed, x: Array, t: Array, grad: Array, work: Array) -> float:
    """Add the gradient dE_n/dparams of one sample to `grad`, and return its error E_n.

    Parameters
    ----------
    packed : Packed
        ``net.packed``, or what `with_params` makes of it.
    x : array (n_inputs,)
        The sample.
    t : array (n_outputs,)
        Its targets.
    grad : array (n_params,)
        In the order of ``net.params``. Set it to zero before the first sample of a sum.
    work : array of int64
        ``net.workspace()``: only one thread at a time may use it.

    Returns
    -------
    float
        E_n, the network's loss for this sample.

    Raises
    ------
    ValueError
        For an array of another size, a work space of another network, or a network with the activation
        function "threshold".

    Notes
    -----
    The numbers are those of ``net.gradient(x[None], t[None])``, to rounding. Targets are not checked.
    """
    _check_arrays("gradient", packed, work, x=x, t=t, grad=grad)
    return float(_gradient(packed, x, t, grad, work))


def input_gradient(packed: Packed, x: Array, v: Array, dx: Array, work: Array) -> None:
    """Write v^T dy/dx, the derivatives of sum_k v_k y_k by the inputs, to `dx`.

    Parameters
    ----------
    packed : Packed
        ``net.packed``, or what `with_params` makes of it.
    x : array (n_inputs,)
        The sample.
    v : array (n_outputs,)
        A number for each output: a row of the identity matrix gives a row of the Jacobian matrix dy/dx.
    dx : array (n_inputs,)
        Where the derivatives go.
    work : array of int64
        ``net.workspace()``: only one thread at a time may use it.

    Raises
    ------
    ValueError
        For an array of another size, a work space of another network, or a network with the activation
        function "threshold".

    Notes
    -----
    Outputs are those after the output function, softmax included; the loss has no part in it. The forward
    pass of `x` is made anew: nothing has to be called before.
    """
    _check_arrays("input_gradient", packed, work, x=x, v=v, dx=dx)
    _input_gradient(packed, x, v, dx, work)


def jacobian(packed: Packed, x: Array, jac: Array, work: Array) -> None:
    """Write dy_k/dparams, the derivatives of each output by the parameters, to `jac`: for extended Kalman filters, say.

    Parameters
    ----------
    packed : Packed
        ``net.packed``, or what `with_params` makes of it.
    x : array (n_inputs,)
        The sample.
    jac : array (n_outputs, n_params), or the same numbers as (n_outputs * n_params,)
        Where the derivatives go; C-contiguous.
    work : array of int64
        ``net.workspace()``: only one thread at a time may use it.

    Raises
    ------
    ValueError
        For an array of another size, a work space of another network, or a network with the activation
        function "threshold".

    Notes
    -----
    The numbers are those of ``net.jacobian(x[None])[0]``, to rounding.
    """
    _check_arrays("jacobian", packed, work, x=x, jac=jac)
    _jacobian(packed, x, jac, work)


def hessian_product(packed: Packed, x: Array, t: Array, v: Array, product: Array, work: Array) -> float:
    """Add H v, the Hessian of one sample's error times a vector, to `product`, and return its error E_n.

    Parameters
    ----------
    packed : Packed
        ``net.packed``, or what `with_params` makes of it.
    x : array (n_inputs,)
        The sample.
    t : array (n_outputs,)
        Its targets.
    v : array (n_params,)
        The direction, in the order of ``net.params``.
    product : array (n_params,)
        Set it to zero before the first sample of a sum. It must not be `v`.
    work : array of int64
        ``net.workspace()``: only one thread at a time may use it.

    Returns
    -------
    float
        E_n, the network's loss for this sample.

    Raises
    ------
    ValueError
        For an array of another size, a work space of another network, or a network with an activation function whose
        second derivative is not known.

    Notes
    -----
    The numbers are those of ``net.hessian_product(x[None], t[None], v)``, to rounding. Targets are not checked.
    """
    _check_arrays("hessian_product", packed, work, x=x, t=t, v=v, product=product)
    return float(_hessian_product(packed, x, t, v, product, work))


def with_params(packed: Packed, params: Array) -> Packed:
    """The same network with other parameters: for one of many candidates, say, each in a thread of its own.

    Parameters
    ----------
    packed : Packed
        ``net.packed``.
    params : array (n_params,)
        In the order of ``net.params``, of the same dtype, C-contiguous. They are not copied. Filled up with other
        numbers as ``net.packed.params`` is, they are taken as well: what is beyond n_params is not read.

    Returns
    -------
    Packed
        It goes with work spaces of the same network.

    Raises
    ------
    ValueError
        For parameters of a network of another size. In compiled code, and where the sizes differ by less than what
        fills them up, it is raised by the function that is called with them.
    """
    _check_arrays("with_params", packed, None, params=params)
    if filled_up(params.size, params.dtype) != filled_up(packed.params.size, params.dtype):
        raise ValueError(
            f"with_params: params must be as many as the network has, up to {packed.params.size} with what fills "
            f"them up; got {params.size}"
        )
    return packed._replace(params=params)


# ---------------------------------------------------------------------------- called from Python

WRITTEN = ("y", "grad", "dx", "jac", "product", "work")  # the arguments that the functions write to


def _check_arrays(function: str, packed: Any, work: Any, **arrays: Any) -> None:
    """What is checked by their types when a user's function is compiled."""
    if not isinstance(packed, Packed):
        raise TypeError(f"{function}: packed must be net.packed; got {type(packed).__name__}")
    dtypes = dict.fromkeys(arrays, packed.params.dtype)
    if function != "with_params":
        arrays["work"], dtypes["work"] = work, np.dtype(np.int64)
    for name, array in arrays.items():
        n_dims = (1, 2) if name == "jac" else (1,)
        if not isinstance(array, np.ndarray) or array.ndim not in n_dims or array.dtype != dtypes[name]:
            raise TypeError(f"{function}: {name} must be a 1-D array of {dtypes[name]}; got {_describe(array)}")
        if not array.flags.c_contiguous:
            raise TypeError(f"{function}: {name} must be C-contiguous")
        if name in WRITTEN and not array.flags.writeable:
            raise ValueError(
                f"{function}: {name} must be writable, it is read-only: pass an array of your own, or a copy"
            )


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.ndim}-D, {value.dtype}"
    return type(value).__name__


_forward = register_run(forward, plan.run_forward, types.none)
_gradient = register_run(gradient, plan.run_gradient, types.float64)
_input_gradient = register_run(input_gradient, plan.run_input_gradient, types.none)
_jacobian = register_run(jacobian, plan.run_jacobian, types.none)
_hessian_product = register_run(hessian_product, plan.run_hessian_product, types.float64)
register_replace(with_params, "params")
