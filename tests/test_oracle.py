"""The oracle itself: its formulas against torch's functions, its derivatives against central differences."""

import math

import numpy as np
import oracle
import pytest

POINTS = [-3.1, -1.2, -0.4, 0.3, 0.9, 2.7]


@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
def test_value_differentiates_activations(name):
    h = oracle.ACTIVATIONS[name]
    for a in POINTS:
        numeric = oracle.central_difference(lambda s, a=a: h(a + s), 1e-3)
        assert math.isclose(oracle.derivative(h, a), numeric, rel_tol=1e-10, abs_tol=1e-10)


@pytest.mark.parametrize("name", oracle.LOSSES)
def test_value_differentiates_losses(name):
    loss = oracle.LOSSES[name]
    for y in (0.2, 0.45, 0.8):
        for t in (0.0, 0.3, 1.0):
            numeric = oracle.central_difference(lambda s, y=y, t=t: loss(y + s, t), 1e-4)
            analytic = oracle.derivative(lambda v, t=t: loss(v, t), y)
            assert math.isclose(analytic, numeric, rel_tol=1e-9, abs_tol=1e-9)


def test_value_adds_up_all_paths():
    x = oracle.Value(3.0)
    y = x * x + x / 2 - 1 / x
    (y * y).backward()
    value, slope = 9 + 1.5 - 1 / 3, 6 + 0.5 + 1 / 9
    assert math.isclose(x.grad, 2 * value * slope, rel_tol=1e-15)


@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
def test_activations_equal_torch(name):
    peers = pytest.importorskip("peers")
    y = peers.ACTIVATIONS[name](peers.torch.tensor(POINTS, dtype=peers.torch.float64)).numpy()
    assert np.allclose([oracle.ACTIVATIONS[name](a) for a in POINTS], y, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss", oracle.LOSSES)
def test_network_gradient_equals_torch(loss):
    peers = pytest.importorskip("peers")
    rng = np.random.default_rng(5)
    shapes = {(0, 1): (3, 2), (1, 2): (4, 3), (0, 2): (4, 2), (2, 3): (2, 4), (1, 3): (2, 3)}
    net = oracle.Layers(
        weights={pair: rng.normal(size=shape).tolist() for pair, shape in shapes.items()},
        biases=[rng.normal(size=n).tolist() for n in (3, 4, 2)],
        functions=["tanh", "gelu", "softmax"],
        loss=loss,
    )
    X, T = rng.normal(size=(6, 2)), rng.uniform(0.1, 0.9, size=(6, 2))
    weight = rng.uniform(0.5, 2, size=6)
    E, d_weights, d_biases = oracle.gradient(net, X.tolist(), T.tolist(), weight.tolist())
    ref_E, ref_weights, ref_biases = peers.gradient(net, X, T, weight)
    assert math.isclose(E, ref_E, rel_tol=1e-13)
    for pair in shapes:
        assert np.allclose(d_weights[pair], ref_weights[pair], rtol=1e-12, atol=1e-13)
    for b, ref in zip(d_biases, ref_biases, strict=True):
        assert np.allclose(b, ref, rtol=1e-12, atol=1e-13)
