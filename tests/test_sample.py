"""The naive loops of kernels/derivation.py, as plain Python and compiled, against the tiles of many samples."""

import math

import numpy as np
import pytest
from cases import COMPILED, Case, assert_gradients_equal, draw
from shapes import COVERING, LARGE, SKIPS

from fastbp.activations import ACTIVATIONS, OUTPUTS
from fastbp.engine import engine
from fastbp.kernels import derivation as sample
from fastbp.losses import LOSSES


def plain(kernel):
    """Return a kernel's Python function."""
    return kernel.py_func if COMPILED else kernel


def as_it_is(kernel):
    return kernel


def naive_gradient(problem, version):
    """Return E and its gradient by the loops over samples, layers and units."""
    net, X, T, weight = problem
    packed, dtype = net.packed, net.dtype
    a, z, delta = np.zeros((3, sum(net.sizes)), dtype)
    grad, E = np.zeros(packed.params.size, dtype), 0.0
    for n in range(len(X)):
        factor = 1.0 if weight is None else weight[n]
        version(sample.forward)(packed, X[n].astype(dtype), a, z)
        E += factor * version(sample.output_delta)(packed, T[n].astype(dtype), a, z, delta)
        version(sample.backward)(packed, a, z, delta)
        version(sample.add_gradient)(packed, z, delta, factor, grad)
    return E, grad[: net.n_params]


def check(case, version):
    problem = draw(case)
    E, grad = problem.net.gradient(problem.X, problem.T, sample_weight=problem.sample_weight)
    ref_E, ref = naive_gradient(problem, version)
    assert math.isclose(E, ref_E, rel_tol=1e-12)
    assert_gradients_equal(problem.net, grad, ref, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", [name for name in OUTPUTS if name != "threshold"])
def test_plain_loops_with_every_loss_and_output(loss, output):
    check(Case((3, 4, 3), "softplus", output, loss, n_samples=5, weighted=True), plain)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name not in ("threshold", "softmax")])
@pytest.mark.parametrize("bias", [True, False])
def test_plain_loops_with_every_activation(activation, bias):
    check(Case((2, 7, 5, 2), activation, activation, bias=bias, n_samples=9), plain)


@pytest.mark.parametrize("case", SKIPS, ids=str)
def test_plain_loops_with_skips(case):
    check(case, plain)


@pytest.mark.parametrize("width", [2, 17])
def test_plain_loops_with_a_wide_hidden_layer(width):
    """Wide enough for every way in which tiles sum up a weight's gradient."""
    check(Case((width, 17, 25, 1), "tanh", n_samples=3), plain)


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", COVERING, ids=str)
def test_compiled_loops_over_all_sizes(case):
    check(case, as_it_is)


@pytest.mark.compiled_only
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_compiled_loops_over_many_samples(case):
    """Several tiles, several chunks; the last of each only partly filled."""
    check(case, as_it_is)


@pytest.mark.parametrize("n_samples", [130, 257] if COMPILED else [130])
def test_chunks_and_tiles_change_nothing_but_rounding(n_samples, monkeypatch):
    """With thresholds as low as they go, a few samples make many chunks of many tiles."""
    problem = draw(Case((2, 5, 3), "gelu", n_samples=n_samples, weighted=True))
    whole = problem.net.gradient(problem.X, problem.T, sample_weight=problem.sample_weight)
    monkeypatch.setattr(engine, "MIN_CHUNK_PRODUCTS", 1)
    for name, value in (("TILE_BYTES", 1), ("MIN_TILE", 64)):
        monkeypatch.setattr(engine, name, value)
    cut = draw(Case((2, 5, 3), "gelu", n_samples=n_samples, weighted=True)).net
    assert cut.engine.memory(n_samples).errors.size > 1
    E, grad = cut.gradient(problem.X, problem.T, sample_weight=problem.sample_weight)
    assert math.isclose(E, whole[0], rel_tol=1e-13)
    assert_gradients_equal(cut, grad, whole[1], rtol=1e-13)
    assert np.array_equal(cut.forward(problem.X), cut.activations(problem.X)[-1])


@pytest.mark.compiled_only
def test_loops_in_float32():
    problem = draw(Case((5, 12, 3), "tanh", "softmax", "cross_entropy", n_samples=40), "float32")
    E, grad = problem.net.gradient(problem.X, problem.T)
    ref_E, ref = naive_gradient(problem, as_it_is)
    assert math.isclose(E, ref_E, rel_tol=1e-5)
    assert_gradients_equal(problem.net, grad.astype(float), ref.astype(float), rtol=1e-5)
