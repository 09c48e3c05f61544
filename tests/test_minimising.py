"""Solvers that take all samples at once and find the length of their steps themselves."""

import numpy as np
import pytest

import fastbp
from fastbp import memory
from fastbp.minimiser_options import MINIMISERS

SOLVERS = sorted(MINIMISERS)
pytestmark = pytest.mark.compiled_only  # thousands of passes; test_curvature.py has each of them uncompiled


def wave(n_samples=41):
    """A sine, a little more than half of which a network of 5 units can learn in a few steps."""
    x = np.linspace(-1, 1, n_samples).reshape(-1, 1)
    return x, np.sin(np.pi * x)


def network(**options):
    net = fastbp.Network((1, 5, 1), seed=1, **options)
    net.params = net.params + np.linspace(-1.0, 1.0, net.n_params)  # biases that differ
    return net


def ridge(X, T, l2):
    """Weights and bias that make mean |W x + b - t|**2 / 2 + l2 / 2 |W|**2 least."""
    mean, target = X.mean(axis=0), T.mean(axis=0)
    A = (X - mean).T @ (X - mean) / len(X) + l2 * np.eye(X.shape[1])
    W = np.linalg.solve(A, (X - mean).T @ (T - target) / len(X)).T
    return np.append(W.ravel(), target - W @ mean)


@pytest.mark.parametrize("solver", SOLVERS)
def test_reaches_a_goal(solver):
    x, t = wave()
    net = network()
    begin = net.loss(x, t) / len(x)
    history = net.fit(x, t, solver=solver, epochs=2000, goal=1e-3)
    assert history.stopped_by == "goal"
    assert history.loss[-1] <= 1e-3 < history.loss[-2] < history.loss[0] < begin
    assert history.loss[-1] == pytest.approx(net.loss(x, t) / len(x), rel=1e-9)
    assert (np.diff(history.loss) < 0).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_hidden_layer_it_is_ridge_regression(solver):
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(50, 4)), rng.normal(size=(50, 2))
    net = fastbp.Network((4, 2), seed=0)
    history = net.fit(X, T, solver=solver, epochs=300, l2=0.3, min_gradient=1e-12)
    W = net.params[:8].reshape(2, 4)
    expected = ridge(X, T, 0.3)
    assert np.allclose(np.append(W.ravel(), net.params[8:]), expected, atol=1e-7)
    assert history.stopped_by in ("min_gradient", "no step", "mu_max")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "options",
    [
        {"output": "softmax", "loss": "cross_entropy"},
        {"output": "logistic", "loss": "binary_cross_entropy"},
        {"output": "exp", "loss": "poisson"},
        {"loss": "huber", "skip": "all"},
        {"output": "softmax"},
    ],
    ids=str,
)
def test_every_kind_of_loss(solver, options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    T = np.eye(2)[(X[:, 0] * X[:, 1] > 0).astype(int)]
    net = fastbp.Network((3, 4, 2), seed=0, **options)
    before = net.loss(X, T, np.arange(60))
    history = net.fit(X, T, solver=solver, epochs=30, sample_weight=np.arange(60), l2=1e-3)
    assert history.loss[-1] == pytest.approx(net.loss(X, T, np.arange(60)) / 60, rel=1e-9)
    assert history.loss[-1] < 0.8 * before / 60


@pytest.mark.parametrize("options", [{}, {"damping": "fixed"}, {"acceleration": 0.0}, {"mu": 1.0}])
def test_levenberg_marquardt(options):
    x, t = wave()
    history = network().fit(x, t, solver="lm", epochs=200, goal=1e-6, **options)
    assert history.stopped_by == "goal"
    assert history.n_epochs < 100
    assert len(history.mu) == history.n_epochs
    assert min(history.mu) > 0
    if options == {"damping": "fixed"}:
        ratios = np.log10(np.array(history.mu[1:]) / np.array(history.mu[:-1]))
        assert np.allclose(ratios, ratios.round())


@pytest.mark.parametrize(
    ("damping", "options", "least"),
    [
        ("nielsen", {}, 0.2),
        ("fixed", {}, 0.1),
        ("nielsen", {"mu_decrease": None}, 0.2),
        ("nielsen", {"mu_decrease": 0.4}, 0.4),
        ("fixed", {"mu_decrease": 0.4}, 0.4),
    ],
)
def test_mu_falls_by_mu_decrease_at_most(damping, options, least):
    x, t = wave()
    history = network().fit(x, t, solver="lm", epochs=12, damping=damping, **options)
    ratios = np.array(history.mu[1:]) / np.array(history.mu[:-1])
    assert ratios.min() == pytest.approx(least)


def test_fewer_residuals_than_parameters():
    """The small system makes the very steps of the large one."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    nets = [fastbp.Network((3, 8, 1), seed=0) for _ in range(2)]
    nets[0].fit(X, T, solver="lm", epochs=3, sample_weight=np.arange(1, 7))
    nets[1].fit(X, T, solver="lm", epochs=3, sample_weight=np.arange(1, 7), l2=1e-14, acceleration=0)
    assert np.allclose(nets[0].params, nets[1].params, atol=1e-8)
    history = nets[0].fit(X, T, solver="lm", epochs=100)
    assert history.loss[-1] < 1e-10


@pytest.mark.filterwarnings("ignore::fastbp.TrainingWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["singular", "constant", "no residuals", "one sample", "far away"])
def test_no_step_ends_in_nan(solver, case):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    T = X[:, :1] ** 2
    net = fastbp.Network((3, 6, 1), seed=0)
    if case == "singular":
        X[:, 1] = X[:, 2] = X[:, 0]
    elif case == "constant":
        X[:], T[:] = 1.0, 2.0
    elif case == "no residuals":
        T = net.forward(X)
    elif case == "one sample":
        X, T = X[:1], T[:1]
    elif case == "far away":
        net.params = net.params * 1e6
    before = net.loss(X, T)
    history = net.fit(X, T, solver=solver, epochs=40)
    assert np.isfinite(net.params).all()
    assert net.loss(X, T) <= before
    assert history.stopped_by in ("epochs", "min_gradient", "mu_max", "no step")
    if case == "no residuals":
        assert history.n_epochs == 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_resumed_with_the_same_bits(solver, tmp_path):
    x, t = wave()
    whole, halves = network(), network()
    options = {"solver": solver, "validation": (x[::3], t[::3]), "patience": 50, "seed": 0}
    expected = whole.fit(x, t, epochs=12, **options)
    path = tmp_path / "checkpoint"
    halves.fit(x, t, epochs=5, checkpoint=path, **options)
    resumed = network()
    history = resumed.fit(x, t, epochs=12, checkpoint=path, resume=True, **options)
    assert history.loss == expected.loss
    assert history.validation_loss == expected.validation_loss
    assert history.mu == expected.mu
    assert np.array_equal(resumed.params, whole.params)


@pytest.mark.compiled_only
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_bits_for_any_number_of_threads(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 6))
    T = np.sin(X[:, 0]) * X[:, 1]
    nets = [fastbp.Network((6, 12, 1), seed=0) for _ in range(2)]
    for n_threads, net in enumerate(nets, 1):
        net.fit(X, T, solver=solver, epochs=4, n_threads=n_threads)
    assert np.array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_networks_learn_in_float64(solver):
    x, t = wave()
    single = network(dtype="float32")
    double = network()
    double.params = single.params
    histories = [net.fit(x, t, solver=solver, epochs=8) for net in (single, double)]
    assert single.params.dtype == np.float32
    assert np.allclose(histories[0].loss, histories[1].loss, rtol=1e-5)
    assert np.allclose(single.params, double.params, atol=1e-3)


def test_validation_patience_and_callbacks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    T = X[:, 0] + 0.5 * rng.normal(size=60)
    net, seen = fastbp.Network((3, 20, 1), seed=0), []

    def watch(_net, history):
        seen.append(history.n_epochs)

    history = net.fit(
        X,
        T,
        solver="lm",
        epochs=100,
        validation=0.3,
        patience=4,
        seed=0,
        callback=lambda _net, h: seen.append(h.n_epochs),
    )
    assert history.stopped_by == "patience"
    assert history.best_epoch == int(np.argmin(history.validation_loss)) == history.n_epochs - 5
    assert seen == list(range(1, history.n_epochs + 1))


def test_a_callback_may_change_the_weights():
    x, t = wave()
    net = network()
    losses = []

    def begin_anew(net, history):
        losses.append(net.loss(x, t) / len(x))
        if history.n_epochs == 3:
            net.params = network().params

    history = net.fit(x, t, solver="lm", epochs=6, callback=begin_anew, mu=1.0)
    assert losses == pytest.approx(history.loss)
    unchanged = network().fit(x, t, solver="lm", epochs=6, mu=1.0)
    assert history.loss[:3] == unchanged.loss[:3]
    assert history.loss[3] > 1.1 * unchanged.loss[3]


@pytest.mark.parametrize("solver", ["adam", "sgd", "rprop", "lm"])
def test_goal_and_every(solver):
    x, t = wave()
    seen = []
    options = {"min_gradient": 0.0, "mu": 1e6, "damping": "fixed", "mu_decrease": 0.9} if solver == "lm" else {}
    history = network().fit(
        x, t, solver=solver, epochs=40, validation=(x, t), validate_every=5, callback_every=10,
        callback=lambda _net, h: seen.append(h.n_epochs), **options,
    )  # fmt: skip
    assert seen == [10, 20, 30, 40]
    taken = np.flatnonzero(np.isfinite(history.validation_loss)) + 1
    assert taken.tolist() == list(range(5, 41, 5))
    assert len(history.validation_loss) == history.n_epochs == 40
    goal = float(np.mean(history.loss[:2]))
    stopped = network().fit(x, t, solver=solver, epochs=40, goal=goal)
    assert stopped.stopped_by == "goal"
    assert stopped.loss[-1] <= goal


def test_refusals(monkeypatch):
    x, t = wave()
    net = network()
    before = net.params.copy()
    for message, options in {
        "learning_rate must be left out for solver 'lm'": {"learning_rate": 0.1},
        "batch_size must be None for solver 'lm'": {"batch_size": 8},
        "l1 must be 0 for solver 'lm'": {"l1": 0.1},
        "dropout must be 0": {"dropout": 0.2},
        "damping must be one of fixed, nielsen": {"damping": "none"},
        "mu must be above 0": {"mu": 0.0},
        "mu_increase must be above 1": {"mu_increase": 0.5},
        "goal must be a number": {"goal": "low"},
    }.items():
        with pytest.raises((ValueError, TypeError), match=message):
            net.fit(x, t, solver="lm", **options)
    with pytest.raises(TypeError, match="options of solver 'lbfgs': min_gradient, memory"):
        net.fit(x, t, solver="lbfgs", mu=0.1)
    with pytest.raises(ValueError, match="'absolute_error' has none"):
        network(loss="absolute_error").fit(x, t, solver="lm")
    own = fastbp.Activation("own", lambda a: a, lambda a: 1.0)
    with pytest.raises(ValueError, match="activation 'own' has none"):
        network(activation=own).fit(x, t, solver="scg")
    with pytest.raises(ValueError, match="acceleration must be 0"):
        network(activation=own).fit(x, t, solver="lm", acceleration=0.5)
    assert network(activation=own).fit(x, t, solver="lm", epochs=3).n_epochs == 3
    monkeypatch.setattr(memory, "total", lambda: 1000)
    with pytest.raises(MemoryError, match="the memory of solver 'lm' must fit into memory: matrices of 16 x 16"):
        net.fit(x, t, solver="lm")
    assert np.array_equal(net.params, before)
