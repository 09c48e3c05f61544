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


def test_the_points_of_the_two_spirals():
    X, t = load("two_spirals").two_spirals()
    assert X.shape == (194, 2)
    assert t.sum() == 97
    np.testing.assert_allclose(np.hypot(*X.T), np.tile(6.5 * np.arange(104, 7, -1) / 104, 2))
    np.testing.assert_array_equal(X[t == 1], -X[t == 0])
    # Three turns: neighbours on a spiral are further apart than in angle alone, and no point is on both.
    np.testing.assert_allclose(np.arctan2(X[1:8, 0], X[1:8, 1]), np.pi / 16 * np.arange(1, 8))
    assert min(np.hypot(*(X[:97, None] - X[None, 97:]).reshape(-1, 2).T)) > 0.3


@pytest.mark.compiled_only
def test_two_spirals_are_solved():
    example = load("two_spirals")
    net, epochs = example.solve(seed=0)
    X, t = example.two_spirals()
    assert net.sizes == (2, 5, 5, 5, 1)
    assert len(net.edges) == 2 * 16 + 5 * 11 + 5 * 6 + 5 * 1
    y = net.forward(X)[:, 0]
    assert np.abs(y - t).max() < 0.4
    assert np.array_equal(y > 0.5, t == 1)
    assert epochs < min(example.PUBLISHED.values())


@pytest.mark.compiled_only
def test_evolved_and_trained(capsys):
    pytest.importorskip("neat")
    evolved, trained, back = load("evolve_and_train").main()
    assert evolved < 0.1  # what is constant has 0.2
    assert trained < 0.1 * evolved
    assert back == pytest.approx(trained, rel=1e-9)
    assert "neat-python" in capsys.readouterr().out


def test_each_rung_of_the_ladder_computes_what_the_first_one_does(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "ladder")
    run = load("ladder/run")
    size = {"n_units": 2 * run.UNITS, "n_inputs": 3, "n_samples": 2 * run.TILE_SAMPLES}
    rows = run.climb(**size, seconds=0.0)  # checks each of them
    assert [row[0] for row in rows] == list(run.RUNGS)
    assert len(rows) == 6

    def wrong(w, b, z, a):
        run.RUNGS["vectorised (NumPy)"](w, b, z, a)
        a[-1, -1] += 1.0

    monkeypatch.setitem(run.RUNGS, "wrong", wrong)
    with pytest.raises(AssertionError):
        run.climb(**size, seconds=0.0)


def test_the_ladder_prints_its_table(monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES / "ladder")
    run = load("ladder/run")
    rows = [(name, 1e-4 / n, float(n), 1.5) for n, name in enumerate(run.RUNGS, 1)]
    monkeypatch.setattr(run, "climb", lambda: rows)
    run.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24].strip() for line in lines[3:]] == list(run.RUNGS)
