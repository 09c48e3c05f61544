"""The examples do what they say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from cases import numeric_gradient

from fastbp.jit import with_params

EXAMPLES = Path(__file__).parents[1] / "examples"
if not EXAMPLES.exists():
    pytest.skip("an installed package has no examples beside its tests", allow_module_level=True)


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gradient_through_the_steps_of_a_solver():
    example = load("neural_ode")
    data = example.trajectories(2, seed=3)[:, :4]
    net = example.fastbp.Network((2, 5, 2), seed=1)
    work, grad = net.workspace(), np.zeros(net.n_params)
    packed, unused = net.packed, np.zeros(net.n_params)

    def error(params):
        return example.error_and_gradient(with_params(packed, params), data, unused, work)

    example.error_and_gradient(packed, data, grad, work)
    numeric = numeric_gradient(error, net.params.copy(), 1e-3)
    assert np.abs(grad).max() > 0.1
    assert np.allclose(grad, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.compiled_only
def test_a_neural_ode_learns_the_spiral():
    _net, before, after = load("neural_ode").train()
    assert before > 1.0
    assert after < 0.1


@pytest.mark.compiled_only
def test_a_pendulum_is_swung_up():
    example = load("swing_up")
    untrained = example.fastbp.Network((4, 16, 1), output="tanh", bias=False, seed=0)
    assert example.share_upright(untrained) < 0.1
    assert example.share_upright(example.train()) > 0.9
