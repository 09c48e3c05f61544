"""Each minimiser on a few samples, so that its kernels run uncompiled and with bounds checks as well."""

import numpy as np
import pytest

import fastbp
from fastbp.minimiser_options import MINIMISERS


def problem(n_samples=9):
    """A tile in part, and more residuals than parameters."""
    x = np.linspace(-1, 1, n_samples).reshape(-1, 1)
    net = fastbp.Network((1, 2, 1), seed=1)
    net.params = np.linspace(-0.8, 0.9, net.n_params)
    return net, x, np.sin(2 * x)


@pytest.mark.parametrize("solver", sorted(MINIMISERS))
@pytest.mark.parametrize("options", [{}, {"l2": 0.01, "sample_weight": np.linspace(0.5, 2.0, 9)}], ids=["", "l2"])
def test_each_step_makes_the_loss_smaller(solver, options):
    net, x, t = problem()
    weight = options.get("sample_weight")
    before = net.loss(x, t, weight) / 9
    history = net.fit(x, t, solver=solver, epochs=3, **options)
    assert history.n_epochs == 3
    assert history.loss[-1] == pytest.approx(net.loss(x, t, weight) / 9, rel=1e-10)
    penalised = np.array([before, *history.loss])
    assert (np.diff(penalised) < 1e-3).all()
    assert history.loss[-1] < 0.9 * before


@pytest.mark.parametrize("solver", sorted(MINIMISERS))
def test_partitions_add_up_to_what_arrays_are(solver):
    net, x, t = problem()
    other = fastbp.Network((1, 2, 1), seed=1)
    other.params = net.params
    options = {"solver": solver, "epochs": 2, "l2": 0.01}
    history = net.fit(x, t, **options)
    found = other.fit(fastbp.data.arrays(x, t, rows=3, window=1), **options)
    assert np.allclose(other.params, net.params, rtol=1e-9)
    assert np.allclose(found.loss, history.loss, rtol=1e-9)
    assert history.n_epochs == 2


def test_newton_steps_of_a_linear_network_are_least_squares():
    """mu so small that one step of Levenberg and Marquardt, and one truncated Newton step, is the solution."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(12)]), T, rcond=None)[0]
    for solver, options, epochs in (("lm", {"mu": 1e-12}, 2), ("newton_cg", {}, 12), ("lbfgs", {}, 12), ("cg", {}, 25)):
        net = fastbp.Network((2, 2), seed=0)
        net.fit(X, T, solver=solver, epochs=epochs, min_gradient=1e-13, **options)
        found = np.vstack([net.weights[0].T, net.biases[0]])
        assert np.allclose(found, exact, atol=1e-6), solver


def test_fewer_residuals_than_parameters():
    """The small system makes the step of the large one, which NumPy solves."""
    net, x, t = problem(3)
    J, r = net.jacobian(x)[:, 0], (net.forward(x) - t)[:, 0]
    before = net.params.copy()
    mu = 1e-2 * (J.T @ J / 3).diagonal().max()
    step = np.linalg.solve(J.T @ J / 3 + mu * np.eye(7), -J.T @ r / 3)
    net.fit(x, t, solver="lm", epochs=1, min_gradient=0.0)
    assert np.allclose(net.params - before, step, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("output", ["identity", "logistic"])
def test_the_evidence_after_a_few_steps(output):
    net, x, t = problem()
    loss = "squared_error" if output == "identity" else "binary_cross_entropy"
    net = fastbp.Network((1, 2, 1), output=output, loss=loss, seed=1)
    targets = t if output == "identity" else (t > 0).astype(float)
    found = net.fit_evidence(x, targets, restarts=1, epochs=2)
    y, std = found.predict(x, return_std=True)
    A = found.beta * net.hessian(x, targets, kind="gauss_newton")[2]
    J = net.jacobian(x)[:, 0]
    decays = np.diag(np.linalg.inv(found.covariance) - A)
    assert sorted(set(decays.round(6))) == pytest.approx(sorted(set(found.alpha.round(6))), rel=1e-3, abs=1e-5)
    noise = 1 / found.beta if output == "identity" else 0.0
    assert np.allclose(std[:, 0] ** 2, np.einsum("np,pq,nq->n", J, found.covariance, J) + noise, rtol=1e-8)
    assert y.shape == std.shape == (9, 1)
