"""`warm_up`: compile everything now, so that nothing has to be compiled later."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastbp import checks, jit
from fastbp.activations import ACTIVATIONS
from fastbp.checking.self_check import self_check
from fastbp.engine import curvature, gate  # noqa: F401 - the kernels of second derivatives make themselves known
from fastbp.engine.work_spaces import BY_LOOPS, BY_REGISTERS
from fastbp.kernels.compiling.addresses import WARM_UP
from fastbp.kernels.one_sample import plan
from fastbp.kernels.training import losses  # noqa: F401 - what only estimators call
from fastbp.kernels.tuning import CURVATURE_TILE
from fastbp.minimiser_options import MINIMISERS
from fastbp.network import Network


def warm_up(dtypes: Iterable[Any] = ("float32", "float64")) -> None:
    """Compile all kernels for the given dtypes, and keep the machine code on disk.

    Without it each kernel is compiled when it is first used. With it, in the build of a container image
    or after an installation, no later process compiles anything but a user's own activation functions.

    Parameters
    ----------
    dtypes : iterable of "float32" and "float64"

    Raises
    ------
    ValueError, TypeError
        For another dtype.
    fastbp.self_check.WrongResultsError
        If what was compiled computes wrong results on this machine, see `self_check`.

    Notes
    -----
    Some 25 s for each dtype, and less than half of that once for second derivatives. The code is kept where Numba
    keeps it: in ``NUMBA_CACHE_DIR`` if that is set, or else beside the package, or in the user's cache directory if
    the package cannot be written to. It serves processors like the one that it was compiled on.

    Examples
    --------
    >>> import fastbp
    >>> fastbp.warm_up(["float32"])  # doctest: +SKIP
    """
    given = checks.items(dtypes, "dtypes", "a sequence of dtypes")
    for dtype in [checks.float_dtype(dtype, f"dtypes[{k}]") for k, dtype in enumerate(given)]:
        _compile_functions(dtype)
        _use_a_network(dtype)
        _use_second_derivatives(dtype)
        _use_an_estimator(dtype)
        self_check([dtype])


def _compile_functions(dtype: np.dtype) -> None:
    """What is called by address: activation functions, losses, solvers, the parallel loop, kernels of `fastbp.jit`."""
    for activation in ACTIVATIONS.values():
        activation.address(dtype)
        activation.address(dtype, slope=True)
        activation.address_of_bend(dtype)
    for function, arguments in WARM_UP:
        for before in arguments:
            function(*before, dtype)
    for kernel in (*BY_REGISTERS, *BY_LOOPS):
        plan.KERNEL.address(kernel, dtype)


def _use_a_network(dtype: np.dtype) -> None:
    """The ways in from Python."""
    net, X = Network((1, 1), init="zeros", dtype=dtype), np.zeros((32, 1), dtype)
    net.forward(X[:1])
    net.forward(X)
    Network.from_edges(1, 1, [(0, 1)], init="zeros", dtype=dtype).forward(X[:1])
    net.gradient(X, X)
    net.input_gradient(X)
    net.update(X[0], X[0])
    packed, work, x = net.packed, net.workspace(), X[0]
    jit.forward(packed, x, x.copy(), work)
    jit.gradient(packed, x, x, np.zeros_like(net.params), work)
    jit.input_gradient(packed, x, x, x.copy(), work)
    jit.jacobian(packed, x, np.zeros_like(net.params), work)
    jit.hessian_product(packed, x, x, net.params, np.zeros_like(net.params), work)
    for solver, batch_size in (("adam", 2), ("sgd", 1), ("adam", 1)):
        net.fit(X, X, solver=solver, batch_size=batch_size, epochs=1)


def _use_second_derivatives(dtype: np.dtype) -> None:
    """Hessians and minimisers, on several threads too; whatever the dtype they compute in float64."""
    net, X = Network((1, 1), init="zeros", dtype=dtype), np.linspace(0, 1, 3 * CURVATURE_TILE, dtype=dtype)
    net.hessian(X, X)
    net.hessian_product(X, X, net.params)
    net.jacobian(X)
    net.jacobian_product(X, net.params)
    net.sample_gradients(X, X)
    for solver in MINIMISERS:
        net.fit(X, X, solver=solver, epochs=1)
    net.fit(X[:1], X[:1], solver="lm", epochs=1)  # fewer residuals than parameters


def _use_an_estimator(dtype: np.dtype) -> None:
    """What only scikit-learn's estimators call, if they can be used."""
    if find_spec("sklearn") is not None:
        from fastbp.estimators import MLPRegressor
        from fastbp.estimators.labels import scorer_of
        from fastbp.estimators.lbfgs import Objective

        X = np.zeros((2, 1), dtype)
        estimator = MLPRegressor(hidden_layer_sizes=1, random_state=0).partial_fit(X, X[:, 0])
        samples = estimator._samples(X, X, None)
        gate.score_outputs(scorer_of(estimator, samples))
        if dtype == np.float64:  # "lbfgs" always computes in it
            objective = Objective(estimator, estimator.network_, samples)
            for objective.is_one_call in (True, False):
                objective(estimator.network_.params.copy())
