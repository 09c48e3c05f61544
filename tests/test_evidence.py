"""Weight decay found from the data, against scikit-learn's Bayesian regressions and what the data were drawn with."""

import numpy as np
import pytest
from sklearn.linear_model import ARDRegression, BayesianRidge

import fastbp
from fastbp import memory

pytestmark = pytest.mark.compiled_only


def linear(n_samples=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 4)) * [1.0, 0.5, 2.0, 1.0]
    return X, X @ [1.0, -2.0, 0.3, 0.0] + 0.5 * rng.normal(size=n_samples)


def wave(n_samples=100):
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, size=(n_samples, 3))
    return X, np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=n_samples)


def test_without_hidden_layer_it_is_bayesian_ridge_regression():
    X, t = linear()
    ridge = BayesianRidge(
        fit_intercept=False, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-12, max_iter=5000, compute_score=True
    ).fit(X, t)
    net = fastbp.Network((4, 1), bias=False, seed=0)
    evidence = net.fit_evidence(X, t, groups="one", restarts=1, epochs=5000)
    assert evidence.beta == pytest.approx(ridge.alpha_, rel=1e-5)
    assert evidence.alpha[0] == pytest.approx(ridge.lambda_, rel=1e-5)
    assert np.allclose(net.params, ridge.coef_, rtol=1e-5)
    y, std = evidence.predict(X, return_std=True)
    expected, expected_std = ridge.predict(X, return_std=True)
    assert np.allclose(y[:, 0], expected, rtol=1e-5)
    assert np.allclose(std[:, 0], expected_std, rtol=1e-5)
    assert evidence.log_evidence == pytest.approx(ridge.scores_[-1], rel=1e-5)


def test_a_decay_for_each_input_is_automatic_relevance_determination():
    """But for inputs that say nothing, which scikit-learn's regression drops where their decay passes a threshold."""
    X, t = linear()
    ard = ARDRegression(
        fit_intercept=False, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-14, max_iter=100_000,
        threshold_lambda=1e12,
    ).fit(X[:, :3], t)  # fmt: skip
    net = fastbp.Network((3, 1), bias=False, seed=0)
    evidence = net.fit_evidence(X[:, :3], t, restarts=1, epochs=5000)
    assert evidence.groups == [f"input {i}" for i in range(3)]
    assert np.allclose(evidence.alpha, ard.lambda_, rtol=1e-5)
    assert evidence.beta == pytest.approx(ard.alpha_, rel=1e-5)
    assert np.allclose(net.params, ard.coef_, rtol=1e-5)
    y, std = evidence.predict(X[:, :3], return_std=True)
    expected, expected_std = ard.predict(X[:, :3], return_std=True)
    assert np.allclose(y[:, 0], expected, rtol=1e-5)
    assert np.allclose(std[:, 0], expected_std, rtol=1e-5)


def test_an_input_that_says_nothing_decays():
    X, t = linear()
    evidence = fastbp.Network((4, 1), bias=False, seed=0).fit_evidence(X, t, restarts=1, epochs=5000)
    assert evidence.alpha[3] > 10 * evidence.alpha[:3].max()


def test_noise_relevance_and_intervals():
    X, t = wave()
    net = fastbp.Network((3, 6, 1), seed=0)
    before = net.params.copy()
    evidence = net.fit_evidence(X, t, seed=0, restarts=2)
    assert not np.array_equal(net.params, before)
    assert 0.07 < evidence.beta**-0.5 < 0.14
    assert evidence.relevance[0, 0] > 10 * evidence.relevance[0, 1:].max()
    assert 3 < evidence.gamma < 25
    fresh, truth = wave(2000)
    lower, upper = evidence.interval(fresh, level=0.9)
    covered = ((lower[:, 0] < truth) & (truth < upper[:, 0])).mean()
    assert 0.85 < covered < 0.95
    y, std = evidence.predict(fresh, return_std=True)
    assert np.array_equal(y, evidence.predict(fresh))
    assert (std >= evidence.beta**-0.5).all()
    assert "gamma" in repr(evidence)


def test_a_callback_sees_each_estimate_and_ends_the_search():
    X, t = wave()
    net, seen = fastbp.Network((3, 6, 1), seed=0), []

    def stop_after_ten(trained, history):
        seen.append((history.n_epochs, trained.loss(X, t) / len(X)))
        return len(seen) == 10

    found = net.fit_evidence(X, t, seed=0, restarts=3, callback=[lambda _net, _history: None, stop_after_ten])
    assert found.history.stopped_by == "callback"
    assert [n for n, _loss in seen] == list(range(1, 11))
    assert seen[-1][1] == pytest.approx(found.history.loss[-1])
    assert np.array_equal(net.params, found.network.params)
    with pytest.raises(TypeError, match="callback must be a function"):
        net.fit_evidence(X, t, callback=3)


def test_float32_and_edges():
    X, t = wave()
    single = fastbp.Network((3, 4, 1), seed=0, dtype="float32")
    evidence = single.fit_evidence(X, t, restarts=1, groups="layers")
    assert np.array_equal(single.params, evidence.network.params.astype(np.float32))
    edges = [(0, 3), (1, 3), (0, 4), (2, 4), (3, 5), (4, 5), (0, 5)]
    net = fastbp.Network.from_edges(3, 1, edges, seed=0)
    found = net.fit_evidence(X, t, restarts=2, seed=0)
    assert found.groups[:3] == ["input 0", "input 1", "input 2"]
    assert np.isfinite(found.log_evidence)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_classes(output):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    labels = (X[:, 0] + 0.5 * rng.normal(size=150) > 0).astype(int)
    T = labels if output == "logistic" else np.eye(2)[labels]
    loss = "binary_cross_entropy" if output == "logistic" else "cross_entropy"
    net = fastbp.Network((2, 4, 1 if output == "logistic" else 2), output=output, loss=loss, seed=0)
    evidence = net.fit_evidence(X, T, restarts=1)
    plain, moderated = net.forward(X)[:, -1], evidence.predict(X)[:, -1]
    assert (abs(moderated - 0.5) <= abs(plain - 0.5) + 1e-12).all()
    assert ((moderated > 0.5) == labels).mean() > 0.8
    assert evidence.relevance[-1, 0] > 3 * evidence.relevance[-1, 1]
    with pytest.raises(ValueError, match="interval is for outputs that are values"):
        evidence.interval(X)


def test_refusals(monkeypatch):
    X, t = wave()
    for message, net, options in (
        ("squared_error with identity", fastbp.Network((3, 4, 1), loss="huber"), {}),
        ("squared_error with identity", fastbp.Network((3, 4, 1), output="tanh"), {}),
        ("groups must be one of inputs, layers, one", fastbp.Network((3, 4, 1)), {"groups": "all"}),
        ("restarts must be at least 1", fastbp.Network((3, 4, 1)), {"restarts": 0}),
    ):
        before = net.params.copy()
        with pytest.raises(ValueError, match=message):
            net.fit_evidence(X, t, **options)
        assert np.array_equal(net.params, before)
    monkeypatch.setattr(memory, "total", lambda: 1000)
    with pytest.raises(MemoryError, match="fit_evidence must fit into memory: matrices of 21 x 21"):
        fastbp.Network((3, 4, 1)).fit_evidence(X, t)


def test_restarts_of_fit():
    X, t = wave()
    net = fastbp.Network((3, 2, 1), seed=3)
    one = net.fit(X, t, solver="lm", epochs=20)
    several = fastbp.Network((3, 2, 1), seed=3)
    history = several.fit(X, t, solver="lm", epochs=20, restarts=4, seed=1)
    assert history.loss[-1] <= one.loss[-1]
    assert several.loss(X, t) / len(X) == pytest.approx(history.loss[-1])
    again = fastbp.Network((3, 2, 1), seed=3)
    again.fit(X, t, solver="lm", epochs=20, restarts=4, seed=1)
    assert np.array_equal(again.params, several.params)
    with pytest.raises(ValueError, match="restarts must be at least 1"):
        net.fit(X, t, restarts=0)
    with pytest.raises(ValueError, match="restarts must be 1 with a checkpoint"):
        net.fit(X, t, restarts=2, checkpoint="x")


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 100.0, 1e8])
def test_targets_of_any_size_are_found_the_same_in(scale):
    """Standard deviations, relevance and gamma of targets s times as large: s times as large, and the same."""
    X, t = wave(60)
    expected = fastbp.Network((3, 5, 1), seed=1).fit_evidence(X, t, restarts=1, seed=0, epochs=1000)
    evidence = fastbp.Network((3, 5, 1), seed=1).fit_evidence(X, scale * t, restarts=1, seed=0, epochs=1000)
    assert evidence.beta**-0.5 / scale == pytest.approx(expected.beta**-0.5, rel=1e-2)
    assert evidence.gamma == pytest.approx(expected.gamma, rel=5e-2)
    assert np.allclose(evidence.relevance / scale, expected.relevance, atol=0.02)
    assert evidence.log_evidence + 60 * np.log(scale) == pytest.approx(expected.log_evidence, abs=0.1)


@pytest.mark.parametrize("groups", ["inputs", "layers", "one"])
@pytest.mark.parametrize("value", [5.0, 100.0, 1e-3, 0.0])
def test_targets_that_are_all_one_number(groups, value):
    X, _t = wave(50)
    net = fastbp.Network((3, 5, 1), seed=1)
    evidence = net.fit_evidence(X, np.full(50, value), groups=groups, restarts=1, seed=0)
    assert np.isfinite(evidence.covariance).all()
    assert np.isfinite([evidence.log_evidence, evidence.gamma, evidence.beta]).all()
    assert net.forward(X) == pytest.approx(value, rel=1e-3, abs=1e-9)


def test_squares_that_overflow_are_refused_and_nothing_is_changed():
    X, t = wave(50)
    net = fastbp.Network((3, 5, 1), seed=1)
    before = net.params.copy()
    with pytest.raises(ValueError, match=r"up to \S+e\+15[45]: standardise"):
        net.fit_evidence(X * 1e155, t, seed=0)
    with pytest.raises(ValueError, match=r"T must have a deviation from 1e-100 to 1e\+100; got 7.*e-201: standardise"):
        net.fit_evidence(X, t * 1e-200, seed=0)
    assert (net.params == before).all()


def test_inverse_and_determinant_of_matrices_near_singular():
    from fastbp.training.minimising.evidence_search import inverse_and_log_det

    rng = np.random.default_rng(0)
    J = rng.normal(size=(30, 6))
    alpha = rng.uniform(0.1, 10, size=6)
    A = J.T @ J + np.diag(alpha)
    inverse, log_det = inverse_and_log_det(J.T @ J, alpha)
    assert np.allclose(inverse, np.linalg.inv(A), rtol=1e-10)
    assert log_det == pytest.approx(np.linalg.slogdet(A)[1], rel=1e-12)
    J[:, 3] = J[:, 2]  # A's inverse is dominated by the decays of the two, whose difference is not determined
    inverse, log_det = inverse_and_log_det(1e6 * J.T @ J, np.full(6, 1e-6))
    expected = np.array([0, 0, 1, -1, 0, 0]) / np.sqrt(2)
    assert expected @ inverse @ expected == pytest.approx(1e6, rel=0.2)
    inverse, log_det = inverse_and_log_det(1e12 * J.T @ J, np.full(6, 1e-12))  # beyond what rounding can tell
    assert np.isfinite(inverse).all() and (np.diag(inverse) > 0).all() and np.isfinite(log_det)
