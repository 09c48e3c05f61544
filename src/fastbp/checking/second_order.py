"""Second derivatives by NumPy: what `self_check` compares the kernels of curvature with, which know float64 alone.

f(x + ih) = f(x) + ih f'(x) + O(h**2), with h so small that the rest vanishes: the imaginary part of a gradient is a
column of the Hessian, that of the outputs one of the Jacobian.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastbp.checking.crossings import error_of
from fastbp.checks import Array
from fastbp.kernels.registers import machine
from fastbp.kernels.tuning import CURVATURE_TILE
from fastbp.network import Network

STEP = 1e-30
MU = 0.01  # damping of the step that is checked, as a part of the largest element of the diagonal


class Exact(NamedTuple):
    """Of a network of tanh with squared errors."""

    gradient: Array
    jacobian: Array  # (n_samples, n_outputs, n_params)
    hessian: Array


def problem() -> tuple[Network, Array, Array]:
    """A network with units and inputs that fill registers in part, and samples of several tiles."""
    lanes = 2 if machine.JIT_DISABLED else int(machine.lanes_of(np.dtype(np.float64)))
    net = Network((lanes + 1, lanes + 2, 3, 2), skip=((0, 3),), seed=0)
    draw = np.random.default_rng(0)
    net.params = draw.uniform(-0.7, 0.7, net.n_params)
    n_samples = lanes + 1 if machine.JIT_DISABLED else 2 * CURVATURE_TILE + lanes + 1
    return net, draw.standard_normal((n_samples, lanes + 1)), draw.standard_normal((n_samples, 2))


def exact(net: Network, X: Array, T: Array) -> Exact:
    """All derivatives, by complex steps in each parameter."""
    n = net.n_params
    jacobian, hessian = np.empty((len(X), net.n_outputs, n)), np.empty((n, n))
    for p in range(n):
        params = net.params.astype(np.complex128)
        params[p] += 1j * STEP
        outputs, gradient = _outputs_and_gradient(net, params, X, T)
        jacobian[:, :, p], hessian[p] = outputs.imag / STEP, gradient.imag / STEP
    return Exact(_outputs_and_gradient(net, net.params.astype(np.complex128), X, T)[1].real, jacobian, hessian)


def _outputs_and_gradient(net: Network, params: Array, X: Array, T: Array) -> tuple[Array, Array]:
    """Of a network of layers with skips, by matrix products: (5.48) to (5.57)."""
    topology, z = net.topology, [X.astype(params.dtype)]
    blocks = [
        (source, target, start, (n_out, n_in))
        for (source, target), start, (n_out, n_in) in zip(
            topology.pairs, topology.weight_offsets, topology.block_shapes, strict=False
        )
    ]

    def of(start: int, shape: tuple[int, int]) -> Array:
        return params[start : start + shape[0] * shape[1]].reshape(shape)

    for layer in range(1, topology.n_layers):
        bias = topology.bias_offsets[layer]
        a = params[bias : bias + topology.sizes[layer]] + sum(
            z[source] @ of(start, shape).T for source, target, start, shape in blocks if target == layer
        )
        z.append(np.tanh(a) if layer < topology.n_layers - 1 else a)
    delta, gradient = [np.zeros_like(values) for values in z], np.zeros_like(params)
    delta[-1] = z[-1] - T
    for layer in range(topology.n_layers - 1, 0, -1):
        if layer < topology.n_layers - 1:
            delta[layer] = delta[layer] * (1 - z[layer] ** 2)
        bias = topology.bias_offsets[layer]
        gradient[bias : bias + topology.sizes[layer]] = delta[layer].sum(axis=0)
        for source, target, start, shape in blocks:
            if target == layer:
                gradient[start : start + shape[0] * shape[1]] = (delta[layer].T @ z[source]).ravel()
                delta[source] = delta[source] + delta[layer] @ of(start, shape)
    return z[-1], gradient


def errors() -> Iterator[tuple[str, tuple[int, ...], int, float]]:
    """(what was computed, sizes, samples, error) of each kind of job."""
    net, X, T = problem()
    expected = exact(net, X, T)
    gauss_newton = np.einsum("nkp,nkq->pq", expected.jacobian, expected.jacobian)
    v = np.random.default_rng(1).standard_normal(net.n_params)
    for what, found, right in (
        ("Jacobian", net.jacobian(X), expected.jacobian),
        ("Hessian", net.hessian(X, T)[2], expected.hessian),
        ("Gauss-Newton matrix", net.hessian(X, T, kind="gauss_newton")[2], gauss_newton),
        ("product with the Hessian", net.hessian_product(X, T, v), expected.hessian @ v),
        ("step of Levenberg and Marquardt", *_damped_steps(net, X, T, expected.gradient, gauss_newton)),
    ):
        yield what, net.sizes, len(X), error_of([found], [right])


def _damped_steps(net: Network, X: Array, T: Array, gradient: Array, matrix: Array) -> tuple[Array, Array]:
    """(the step that was taken, the one that solves the equations)."""
    moved = net.astype(np.float64)
    moved.fit(X, T, solver="lm", epochs=1, mu=MU, acceleration=0.0, damping="fixed", mu_increase=10.0, reduction="sum")
    damping = MU * matrix.diagonal().max()
    return moved.params - net.params, np.linalg.solve(matrix + damping * np.eye(net.n_params), -gradient)
