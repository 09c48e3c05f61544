"""Derivatives of the outputs by the inputs: against central differences, and the loops of kernels/derivation.py."""

import numpy as np
import oracle
import pytest
from cases import COMPILED, Case, draw
from refusals import X as THREE_INPUTS
from refusals import refused, with_value
from shapes import COVERING, SKIPS
from test_sample import as_it_is, plain

import fastbp
from fastbp.engine import engine
from fastbp.kernels import derivation as sample

OUTPUTS = [*oracle.ACTIVATIONS, "softmax"]
CANONICAL = [("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"), ("exp", "poisson")]


def differences(net, X, step=1e-3):
    """Return dy_k/dx_i by central differences, (n_samples, n_outputs, n_inputs)."""
    J = np.empty((len(X), net.n_outputs, net.sizes[0]))
    for i in range(net.sizes[0]):
        e_i = np.eye(net.sizes[0])[i]
        J[:, :, i] = oracle.central_difference(lambda s, e=e_i: net.forward(X + s * e), step)
    return J


def by_loops(net, X, v, version):
    """Return sum_k v_k dy_k/dx_i by the loops over samples, layers and units."""
    packed, result = net.engine.for_inputs._packed, np.empty_like(X)
    for n in range(len(X)):
        a, z, delta = np.zeros((3, sum(net.sizes)), net.dtype)
        version(sample.forward)(packed, X[n], a, z)
        version(sample.input_gradient)(packed, v[n], a, z, delta)
        result[n] = delta[: net.sizes[0]]
    return result


def check(case, version=plain):
    net, X, *_ = draw(case)
    v = np.random.default_rng(case.seed).normal(size=(len(X), net.sizes[-1]))
    J, vJ = net.input_gradient(X), net.input_gradient(X, v)
    assert J.shape == (len(X), net.sizes[-1], net.sizes[0])
    scale = np.abs(J).max()
    assert scale > 1e-6
    assert np.allclose(J, differences(net, X), rtol=1e-7, atol=1e-8 * scale)
    assert np.allclose(vJ, np.einsum("nk,nki->ni", v, J), rtol=1e-10, atol=1e-12 * scale)
    assert np.allclose(vJ, by_loops(net, X, v, version), rtol=1e-10, atol=1e-12 * scale)


@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
def test_every_activation(name):
    check(Case((3, 5, 4, 2), name, output=name, n_samples=5, seed=2))


@pytest.mark.parametrize(("output", "loss"), [*CANONICAL, ("softmax", "squared_error"), ("logistic", "poisson")])
def test_outputs_whose_slope_the_loss_leaves_out(output, loss):
    """The Jacobian knows no loss; and it leaves alone what the gradient of the loss takes."""
    net, X, T, _ = draw(Case((3, 4, 3), "tanh", output, loss))
    before = net.gradient(X, T)
    other = fastbp.Network(net.sizes, output=output, loss="sse")
    other.params = net.params
    assert np.array_equal(net.input_gradient(X), other.input_gradient(X))
    after = net.gradient(X, T)
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    check(Case((3, 4, 3), "tanh", output, loss))


@pytest.mark.parametrize("case", [*SKIPS, Case((4, 3)), Case((1, 2, 1), bias=False)], ids=str)
def test_skips_and_small_networks(case):
    check(case)


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", [c for c in COVERING if c.activation not in ("relu", "elu")][::2], ids=str)
def test_all_sizes(case):
    check(case, as_it_is)


@pytest.mark.parametrize("output", ["identity", "tanh", "softmax"])
def test_networks_of_any_connections(output):
    """Links and skips; without softmax, an output that feeds another."""
    edges = [(0, 3), (1, 3), (2, 4), (3, 4), (0, 5), (4, 5), (3, 6), (4, 6), (4, 7), (1, 7), (5, 7)]
    edges += [] if output == "softmax" else [(6, 7)]
    net = fastbp.Network.from_edges(3, 2, edges, activation="gelu", output=output, seed=3)
    X = np.random.default_rng(0).normal(size=(20, 3))
    J = net.input_gradient(X)
    assert np.all(J.any(axis=0))
    assert np.allclose(J, differences(net, X), rtol=1e-8, atol=1e-10)


def test_a_function_of_the_users_own():
    cube = fastbp.Activation("cube", lambda a: a * a * a, lambda a: 3.0 * a * a)
    net = fastbp.Network((3, 5, 2), activation=cube, output=cube, seed=1)
    X = np.random.default_rng(0).normal(size=(9, 3))
    assert np.allclose(net.input_gradient(X), differences(net, X), rtol=1e-8, atol=1e-9)


def test_linear_network_has_its_weights_for_jacobian():
    net = fastbp.Network((3, 2), seed=0)
    assert np.array_equal(net.input_gradient(np.zeros((4, 3))), np.tile(net.weights[0], (4, 1, 1)))


@pytest.mark.parametrize("n_samples", [1, 70])
def test_one_v_for_all_samples(n_samples):
    net, X, *_ = draw(Case((3, 5, 2), n_samples=n_samples))
    v = np.array([0.3, -2.0])
    assert np.array_equal(net.input_gradient(X, v), net.input_gradient(X, np.tile(v, (n_samples, 1))))
    assert np.array_equal(net.input_gradient(X, [0, 1]), net.input_gradient(X)[:, 1])


def test_float32():
    net, X, *_ = draw(Case((5, 12, 3), "gelu", "softmax", n_samples=40), "float32")
    J = net.input_gradient(X)
    assert J.dtype == np.float32
    assert np.allclose(J, net.astype("float64").input_gradient(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_samples", [130, 257] if COMPILED else [130])
def test_same_bits_for_any_number_of_threads(n_samples, monkeypatch):
    """With thresholds as low as they go, a few samples make many chunks of many tiles."""
    whole, X, *_ = draw(Case((2, 5, 3), "gelu", n_samples=n_samples))
    monkeypatch.setattr(engine, "MIN_CHUNK_PRODUCTS", 1)
    for name, value in (("TILE_BYTES", 1), ("MIN_TILE", 64)):
        monkeypatch.setattr(engine, name, value)
    cut = draw(Case((2, 5, 3), "gelu", n_samples=n_samples)).net
    assert cut.engine.memory(n_samples).errors.size > 1
    one, two, any_number = (cut.input_gradient(X, n_threads=n) for n in (1, 2, None))
    assert np.array_equal(one, two)
    assert np.array_equal(one, any_number)
    assert np.allclose(one, whole.input_gradient(X), rtol=1e-12, atol=1e-14)


def test_errors():
    net = fastbp.Network((3, 4, 2))
    X = THREE_INPUTS
    refused(lambda: net.input_gradient(X[:, :2]), "X", "3")
    refused(lambda: net.input_gradient(X, np.ones(3)), "v", "2")
    refused(lambda: net.input_gradient(X, np.ones((6, 3))), "v", "2")
    refused(lambda: net.input_gradient(X, np.ones((5, 2))), "v", "6", "5")
    refused(lambda: net.input_gradient(X, with_value(np.ones((6, 2)), np.nan)), "v")
    refused(lambda: net.input_gradient(X, "one"), "v")
    refused(lambda: net.input_gradient(X, n_threads=0), "n_threads")
    refused(lambda: fastbp.Network((3, 2, 2), activation="threshold").input_gradient(X), "input_gradient", "threshold")
