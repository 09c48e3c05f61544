"""Jacobians and products with the Hessian inside a user's compiled code, against those of many samples and of loops."""

import irregular
import numba
import numpy as np
import pytest
from cases import COMPILED, Case, draw
from complex_step import ComplexNetwork

import fastbp
from fastbp import jit
from fastbp.engine.work_spaces import UserCalls

CASES = [
    Case((3, 4, 2)),
    Case((2, 3, 3, 1), activation="gelu", output="tanh"),
    Case((3, 4, 3), output="softmax", loss="cross_entropy"),
    Case((3, 3, 3, 2), activation="softplus", skip="all", bias=False),
    Case((3, 4, 2), output="logistic", loss="binary_cross_entropy", activation="silu"),
    Case((2, 4, 2), output="exp", loss="poisson"),
    Case((3, 4, 3), output="softmax", loss="binary_cross_entropy"),
    Case((3, 4, 3), output="softmax"),
    Case((3, 4, 2), output="logistic", loss="cross_entropy"),
    Case((3, 4, 2), loss="huber", skip=((0, 2),)),
    Case((3, 2), output="sin", loss="sse"),
    Case((3, 4, 2), loss="quantile", activation="exp"),
    Case((9, 17, 12, 5), activation="relu"),
]


@numba.njit
def jacobian_all(packed, X, J, work):
    for n in range(len(X)):
        jit.jacobian(packed, X[n], J[n], work)


@numba.njit
def product_of_all(packed, X, T, v, product, work):
    E = 0.0
    for n in range(len(X)):
        E += jit.hessian_product(packed, X[n], T[n], v, product, work)
    return E


def loops_of(net):
    return UserCalls(net.packed, net._functions, net.topology, by_loops=True).work_spaces(1)[0]


def check(net, X, T, work, rtol):
    """Everything of one network, against its own methods and the plain loops of complex numbers."""
    J = np.full((len(X), net.n_outputs, net.n_params), np.nan, net.dtype)
    jacobian_all(net.packed, X, J, work)
    expected = ComplexNetwork(net).jacobian(X.astype(float))
    assert np.allclose(J, expected, rtol=rtol, atol=rtol * abs(expected).max())
    v = np.random.default_rng(0).normal(size=net.n_params).astype(net.dtype)
    around = np.full(net.n_params + 32, 7.0, net.dtype)  # it ends inside: nothing behind may change
    product = around[: net.n_params]
    product[:] = 1.0
    E = product_of_all(net.packed, X, T, v, product, work)
    assert np.isclose(E, net.loss(X, T), rtol=10 * rtol)
    assert (around[net.n_params :] == 7.0).all()
    H = ComplexNetwork(net).hessian(X.astype(float), T.astype(float), np.ones(len(X)))
    assert np.allclose(product - 1.0, H @ v, rtol=rtol, atol=rtol * max(1.0, abs(H @ v).max()))


@pytest.mark.parametrize("make_work", [fastbp.Network.workspace, loops_of], ids=["workspace", "loops"])
@pytest.mark.parametrize("case", CASES[:: 1 if COMPILED else 3], ids=str)
def test_networks_of_layers(case, make_work):
    net, X, T, _ = draw(case._replace(n_samples=3, weighted=False))
    check(net, X, T, make_work(net), 1e-10)


def test_float32():
    net, X, T, _ = draw(Case((3, 4, 3), output="softmax", loss="cross_entropy", n_samples=3, weighted=False), "float32")
    check(net, X.astype(np.float32), T.astype(np.float32), net.workspace(), 1e-4)


@pytest.mark.parametrize("seed", range(12 if COMPILED else 3))
def test_networks_of_any_connections(seed):
    net, X, T = irregular.build(irregular.draw(seed, n_units=3 + seed), seed)
    check(net, X[:3].copy(), T[:3].copy(), net.workspace(), 1e-9)


def test_a_flat_jacobian_and_calls_from_python():
    net = fastbp.Network((2, 4, 3), seed=0)
    x, work = np.array([0.3, -0.2]), net.workspace()
    flat, rows = np.zeros(3 * net.n_params), np.zeros((3, net.n_params))
    jit.jacobian(net.packed, x, flat, work)
    jit.jacobian(net.packed, x, rows, work)
    assert np.array_equal(flat, rows.ravel())
    assert np.allclose(rows, net.jacobian(x[None])[0], rtol=1e-12)
    v, product, t = np.ones(net.n_params), np.zeros(net.n_params), np.zeros(3)
    error = jit.hessian_product(net.packed, x, t, v, product, work)
    assert np.isclose(error, net.loss(x[None], t[None]))
    assert np.allclose(product, net.hessian_product(x[None], t[None], v), rtol=1e-10)


def test_an_extended_kalman_filter_learns():
    """What the Jacobian is for: each sample moves the weights by the gain P J^T / (J P J^T + r)."""

    @numba.njit
    def learn(packed, params, X, T, P, r, work):
        y, J = np.empty(1), np.empty((1, params.size))
        for n in range(len(X)):
            jit.forward(packed, X[n], y, work)
            jit.jacobian(packed, X[n], J, work)
            gain = P @ J[0]
            gain /= (J[0] * gain).sum() + r
            params += gain * (T[n] - y[0])
            P -= np.outer(gain, J[0] @ P)

    net = fastbp.Network((1, 6, 1), seed=0)
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300 if COMPILED else 40, 1))
    T = np.sin(3 * X[:, 0])
    before = net.loss(X, T)
    params = net.params.copy()
    learn(jit.with_params(net.packed, params), params, X, T, np.eye(net.n_params), 0.01, net.workspace())
    net.params = params
    assert net.loss(X, T) < (0.02 if COMPILED else 0.5) * before
