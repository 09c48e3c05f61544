"""Networks of any connections: what they compute, against the reference of irregular.py; their mistakes."""

import irregular
import numpy as np
import pytest
from cases import COMPILED, numeric_gradient

N_NETWORKS = 200 if COMPILED else 12


def assert_close(values, reference, rtol, scale):
    assert np.abs(values - reference).max(initial=0) <= rtol * max(scale, 1e-3)


@pytest.mark.parametrize("first", range(0, N_NETWORKS, 20))
def test_gradient_of_random_networks(first):
    for seed in range(first, min(first + 20, N_NETWORKS)):
        drawn = irregular.draw(seed, n_units=2 + seed if seed < 20 else None if COMPILED else 30)
        net, X, T = irregular.build(drawn, seed)
        weight = np.random.default_rng(seed).uniform(0, 2, len(X)) if seed % 3 == 0 else None
        y, error, d_weights, d_biases = irregular.reference(net, X, T, weight)
        E, grad = net.gradient(X, T, weight)
        edges, biases = irregular.by_user(net, grad)
        scale = max(np.abs(d_weights).max(initial=0), np.abs(d_biases[drawn.biased]).max(initial=0))
        assert_close(net.forward(X), y, 1e-11, np.abs(y).max())
        assert abs(E - error) <= 1e-11 * max(error, 1.0)
        assert_close(edges, d_weights, 1e-11, scale)
        assert_close(biases[drawn.biased], d_biases[drawn.biased], 1e-11, scale)


@pytest.mark.parametrize("seed", range(4))
def test_gradient_against_differences(seed):
    drawn = irregular.draw(seed, n_units=14, density=0.4)
    net, X, T = irregular.build(drawn, seed)
    grad = net.gradient(X, T)[1]

    def error(params):
        net.params = params
        return net.loss(X, T)

    numeric = numeric_gradient(error, net.params.copy(), 1e-3)
    kinks = {"relu", "leaky_relu", "elu"} & set(net.unit_functions)
    assert np.abs(grad - numeric).max() <= (1e-2 if kinks else 1e-7) * np.abs(grad).max()
