"""Every solver, step by step over several epochs, against its formula in plain NumPy."""

import math

import numpy as np
import pytest
from cases import Case, bias_views, draw, place
from numba import njit

from fastbp import engine, training
from fastbp.kernels import updates

CASE = Case((3, 6, 2), "tanh", n_samples=23, weighted=True, seed=4)
EPOCHS = 5


class SGD:
    def __init__(self, momentum=0.0, nesterov=False):
        self.momentum, self.nesterov, self.v = momentum, nesterov, 0.0

    def __call__(self, w, g, learning_rate):
        self.v = self.momentum * self.v - learning_rate * g
        if self.nesterov:
            return w + self.momentum * self.v - learning_rate * g
        return w + self.v


class Adam:
    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m, self.v, self.t = 0.0, 0.0, 0

    def __call__(self, w, g, learning_rate):
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        rate = learning_rate * math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return w - rate * self.m / (np.sqrt(self.v) + self.epsilon)


class RMSProp:
    def __init__(self, rho=0.9, epsilon=1e-8):
        self.rho, self.epsilon, self.v = rho, epsilon, 0.0

    def __call__(self, w, g, learning_rate):
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        return w - learning_rate * g / (np.sqrt(self.v) + self.epsilon)


class RProp:
    """iRprop-: Igel and Huesken (2000), "Improving the Rprop learning algorithm"."""

    def __init__(self, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0):
        self.eta_minus, self.eta_plus, self.step_min, self.step_max = eta_minus, eta_plus, step_min, step_max
        self.previous, self.step = 0.0, None

    def __call__(self, w, g, learning_rate):
        if self.step is None:
            self.step = np.full_like(w, learning_rate)
        same, changed = self.previous * g > 0, self.previous * g < 0
        self.step = np.where(same, np.minimum(self.step * self.eta_plus, self.step_max), self.step)
        self.step = np.where(changed, np.maximum(self.step * self.eta_minus, self.step_min), self.step)
        self.previous = np.where(changed, 0.0, g)
        return w - np.sign(self.previous) * self.step


def train(problem, step, learning_rate, *, epochs=EPOCHS, batch_size=None, reduction="mean", l1=0.0, l2=0.0):
    """Train with the formulas, rows in order; return the History.loss that belongs to it."""
    net, X, T, weight = problem
    n = len(X)
    weight = np.ones(n) if weight is None else weight
    is_weight = np.ones(net.n_params)
    for view in bias_views(net):
        is_weight[place(net, view)] = 0.0
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for start in range(0, n, batch_size or n):
            rows = slice(start, start + (batch_size or n))
            E, g = net.gradient(X[rows], T[rows], sample_weight=weight[rows])
            total += E
            if reduction == "mean":
                g = g / len(X[rows])
            rate = learning_rate(epoch) if callable(learning_rate) else learning_rate
            penalty = is_weight * (l2 * net.params + l1 * np.sign(net.params))
            net.params = step(net.params.copy(), g + penalty, rate)
        losses.append(total / n)
    return losses


def assert_same_training(step, rate, *, case=CASE, rtol=1e-10, **options):
    """Train one network by `fit`, its twin by the formulas, and compare weights and losses."""
    fitted, reference = draw(case), draw(case)
    shared = {name: options[name] for name in ("batch_size", "reduction", "l1", "l2") if name in options}
    losses = train(reference, step, rate, **shared)
    net, X, T, weight = fitted
    before = net.params.copy()
    history = net.fit(X, T, sample_weight=weight, epochs=EPOCHS, shuffle=False, **options)
    assert not np.allclose(net.params, before, rtol=1e-4), "nothing was learnt"
    assert np.allclose(net.params, reference.net.params, rtol=rtol, atol=rtol)
    assert np.allclose(history.loss, losses, rtol=rtol)
    assert history.n_epochs == EPOCHS
    assert history.stopped_by == "epochs"


SOLVERS = {
    "sgd": (SGD(), 0.05, {"solver": "sgd", "learning_rate": 0.05}),
    "momentum": (SGD(0.9), 0.02, {"solver": "sgd", "learning_rate": 0.02, "momentum": 0.9}),
    "nesterov": (
        SGD(0.8, True),
        0.02,
        {"solver": "sgd", "learning_rate": 0.02, "momentum": 0.8, "nesterov": True},
    ),
    "adam": (Adam(), 0.03, {"solver": "adam", "learning_rate": 0.03}),
    "adam, other betas": (
        Adam(0.7, 0.95, 1e-3),
        0.03,
        {"solver": "adam", "learning_rate": 0.03, "beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-3},
    ),
    "rmsprop": (RMSProp(), 0.01, {"solver": "rmsprop", "learning_rate": 0.01}),
    "rmsprop, other rho": (
        RMSProp(0.6, 1e-2),
        0.01,
        {"solver": "rmsprop", "learning_rate": 0.01, "rho": 0.6, "epsilon": 1e-2},
    ),
}


def fresh(step):
    """Return a solver with the same options and no memory."""
    options = {k: v for k, v in vars(step).items() if k not in ("v", "m", "t", "previous", "step")}
    return type(step)(**options)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("batch_size", [None, 8, 1])
def test_formula(name, batch_size):
    step, rate, options = SOLVERS[name]
    assert_same_training(fresh(step), rate, batch_size=batch_size, **options)


def set_part_size(monkeypatch, n_samples):
    """Have large jobs done in parts of so many samples, in networks made from now on."""
    monkeypatch.setattr(engine, "SAMPLE_PRODUCTS", 10**6)  # next to which a small network's weights do not count
    monkeypatch.setattr(engine, "PART_PRODUCTS", n_samples * (10**6 + 10**4))


@pytest.mark.parametrize("n_samples", [1, 5, 8, 22])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_formula_where_python_gets_control_back_often(batch_size, n_samples, monkeypatch):
    """Large batches are done in parts and many epochs in windows, so that Ctrl-C is heard: here both are tiny."""
    set_part_size(monkeypatch, n_samples)
    monkeypatch.setattr(training, "WINDOW", 2)
    monkeypatch.setattr(training, "RETURN_SECONDS", 0.0)
    for name in ("adam", "momentum"):
        step, rate, options = SOLVERS[name]
        assert_same_training(fresh(step), rate, batch_size=batch_size, **options)


@pytest.mark.parametrize("name", SOLVERS)
def test_formula_in_float32(name):
    step, rate, options = SOLVERS[name]
    net, X, T, weight = draw(CASE, dtype="float32")
    double = draw(CASE)
    double.net.params = net.params
    net.fit(X, T, sample_weight=weight, epochs=EPOCHS, shuffle=False, batch_size=8, **options)
    train(double, fresh(step), rate, batch_size=8)
    assert np.allclose(net.params, double.net.params, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [None, 10])
def test_reduction_sum_and_l2(name, batch_size):
    step, rate, options = SOLVERS[name]
    rate /= 10
    shared = options | {"learning_rate": rate, "batch_size": batch_size, "reduction": "sum", "l2": 0.3}
    assert_same_training(fresh(step), rate, **shared)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_l2_with_the_mean(batch_size):
    step, rate, options = SOLVERS["sgd"]
    assert_same_training(fresh(step), rate, batch_size=batch_size, l2=0.5, **options)


def test_l2_without_biases_and_with_skips():
    step, rate, options = SOLVERS["momentum"]
    case = CASE._replace(bias=False, skip=((0, 2),))
    assert_same_training(fresh(step), rate, case=case, batch_size=7, l2=0.5, **options)


def test_l2_is_not_part_of_the_loss():
    net, X, T, _ = draw(CASE)
    E = net.loss(X, T)
    history = net.fit(X, T, solver="sgd", epochs=1, batch_size=None, l2=3.0)
    assert math.isclose(history.loss[0], E / len(X), rel_tol=1e-13)


# ---------------------------------------------------------------- l1


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("batch_size", [None, 8, 1])
def test_l1(name, batch_size):
    step, rate, options = SOLVERS[name]
    assert_same_training(fresh(step), rate, batch_size=batch_size, l1=0.2, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_l1_and_l2_with_skips_and_without_biases(reduction):
    step, rate, options = SOLVERS["adam"]
    case = CASE._replace(bias=False, skip=((0, 2),))
    penalties = {"l1": 0.1, "l2": 0.3}
    assert_same_training(fresh(step), rate, case=case, batch_size=7, reduction=reduction, **penalties, **options)


@pytest.mark.parametrize("batch_size", [None, 1])
def test_l1_leaves_zeros_and_biases_alone(batch_size):
    """Samples without weight: only the penalty moves anything."""
    net, X, T, _ = draw(CASE)
    net.weights[0][2] = 0.0
    before = net.params.copy()
    options = {"solver": "sgd", "learning_rate": 1e-5, "epochs": 1, "batch_size": batch_size, "shuffle": False}
    net.fit(X, T, sample_weight=np.zeros(len(X)), l1=0.5, **options)
    expected = before - 0.5e-5 * (1 if batch_size is None else len(X)) * np.sign(before)
    for view in bias_views(net):
        expected[place(net, view)] = before[place(net, view)]
    assert np.count_nonzero(net.params != before) == 3 * 5 + 6 * 2
    assert np.allclose(net.params, expected, rtol=1e-11, atol=0)


def test_l1_is_not_part_of_the_loss():
    net, X, T, _ = draw(CASE)
    E = net.loss(X, T)
    history = net.fit(X, T, solver="sgd", epochs=1, batch_size=None, l1=3.0)
    assert math.isclose(history.loss[0], E / len(X), rel_tol=1e-13)


# ---------------------------------------------------------------- rprop


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate": 0.02},
        {"learning_rate": 0.5, "eta_minus": 0.3, "eta_plus": 1.5},
        {"learning_rate": 0.3, "step_max": 0.31, "step_min": 0.1},
        {"l1": 0.3, "l2": 0.1},
    ],
    ids=str,
)
def test_rprop(options):
    penalties = {name: value for name, value in options.items() if name in ("l1", "l2")}
    formula = {name: value for name, value in options.items() if name not in ("learning_rate", *penalties)}
    net, X, T, _ = draw(CASE)
    reference = draw(CASE)._replace(sample_weight=None)
    losses = train(reference, RProp(**formula), options.get("learning_rate", 0.1), epochs=25, **penalties)
    history = net.fit(X, T, solver="rprop", epochs=25, **options)  # batch_size unset: all samples
    assert np.allclose(net.params, reference.net.params, rtol=1e-9)
    assert np.allclose(history.loss, losses, rtol=1e-9)


def test_rprop_after_a_sign_change_leaves_the_weight_alone_and_shrinks_its_step():
    """E = (w x)^2 / 2 at x = 1: from w = 0.15 the steps are 0.1, 0.12 (past zero), none, 0.06."""
    net = draw(Case((1, 1), bias=False)).net
    net.params = np.array([0.15])
    path = []
    net.fit(
        np.ones((1, 1)),
        np.zeros((1, 1)),
        solver="rprop",
        epochs=4,
        learning_rate=0.1,
        callback=lambda net, history: path.append(net.params.item()),
    )
    assert np.allclose(path, [0.05, -0.07, -0.07, -0.01], rtol=1e-12)


def test_rprop_moves_by_signs_alone():
    """The same path when the error is scaled by a power of two: only signs of the gradient count."""
    net, X, T, _ = draw(CASE)
    scaled = draw(CASE).net
    net.fit(X, T, solver="rprop", epochs=10)
    scaled.fit(X, T, solver="rprop", epochs=10, sample_weight=np.full(len(X), 1024.0))
    assert np.array_equal(net.params, scaled.params)


@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_rprop_wants_all_samples(batch_size):
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    with pytest.raises(ValueError, match="batch_size"):
        net.fit(X, T, solver="rprop", batch_size=batch_size)
    assert np.array_equal(net.params, before)


# ---------------------------------------------------------------- learning rates


@pytest.mark.parametrize(("solver", "rate"), [("sgd", 0.01), ("adam", 0.001), ("rmsprop", 0.001)])
def test_default_learning_rate(solver, rate):
    default, explicit = draw(CASE), draw(CASE)
    default.net.fit(default.X, default.T, solver=solver, epochs=2, seed=1)
    explicit.net.fit(default.X, default.T, solver=solver, epochs=2, seed=1, learning_rate=rate)
    assert np.array_equal(default.net.params, explicit.net.params)


SCHEDULES = [
    ({"schedule": "constant"}, lambda epoch: 0.05),
    ({"schedule": "inverse_scaling"}, lambda epoch: 0.05 / math.sqrt(epoch + 1)),
    ({"schedule": "inverse_scaling", "power": 1.5}, lambda epoch: 0.05 / (epoch + 1) ** 1.5),
    ({"schedule": "cosine"}, lambda epoch: 0.05 / 2 * (1 + math.cos(math.pi * epoch / EPOCHS))),
    ({"learning_rate": lambda epoch: 0.05 if epoch < 2 else 0.01}, lambda epoch: 0.05 if epoch < 2 else 0.01),
]


@pytest.mark.parametrize(("options", "rate"), SCHEDULES, ids=["constant", "inverse", "power", "cosine", "function"])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_schedule(options, rate, name):
    step, _, solver_options = SOLVERS[name]
    assert_same_training(fresh(step), rate, batch_size=8, **(solver_options | {"learning_rate": 0.05} | options))


def test_a_second_fit_starts_with_a_fresh_solver():
    net, X, T, weight = draw(CASE)
    reference = draw(CASE)
    _, rate, options = SOLVERS["adam"]
    for _ in range(2):
        net.fit(X, T, sample_weight=weight, epochs=3, shuffle=False, batch_size=8, **options)
        train(reference, Adam(), rate, epochs=3, batch_size=8)
    assert np.allclose(net.params, reference.net.params, rtol=1e-10)


# ---------------------------------------------------------------- batches


def test_a_batch_larger_than_the_data_is_all_of_it():
    one, other = draw(CASE), draw(CASE)
    one.net.fit(one.X, one.T, batch_size=1000, epochs=3, seed=0)
    other.net.fit(one.X, one.T, batch_size=23, epochs=3, seed=0)
    assert np.array_equal(one.net.params, other.net.params)


def test_default_batch_is_32():
    case = CASE._replace(n_samples=70)
    default, explicit = draw(case), draw(case)
    default.net.fit(default.X, default.T, epochs=2, seed=5)
    explicit.net.fit(default.X, default.T, epochs=2, seed=5, batch_size=32, solver="adam")
    assert np.array_equal(default.net.params, explicit.net.params)


@pytest.mark.parametrize("batch_size", [1, 4, 23])
def test_shuffling_takes_every_sample_once(batch_size):
    """With steps too small to matter, the loss of the epoch is the mean over all samples, in any order."""
    net, X, T, weight = draw(CASE)
    mean = net.loss(X, T, sample_weight=weight) / len(X)
    history = net.fit(
        X, T, sample_weight=weight, solver="sgd", learning_rate=1e-30, batch_size=batch_size, epochs=4, seed=3
    )
    assert np.allclose(history.loss, mean, rtol=1e-12)


def test_shuffling_changes_the_order_in_each_epoch():
    """On-line learning depends on the order: it shows that orders differ among seeds and epochs."""
    ordered, X, T, _ = draw(CASE)
    shuffled, other_seed = draw(CASE).net, draw(CASE).net
    options = {"solver": "sgd", "learning_rate": 0.1, "batch_size": 1, "epochs": 1}
    ordered.fit(X, T, shuffle=False, **options)
    shuffled.fit(X, T, seed=1, **options)
    other_seed.fit(X, T, seed=2, **options)
    assert not np.allclose(ordered.params, shuffled.params, rtol=1e-6)
    assert not np.allclose(other_seed.params, shuffled.params, rtol=1e-6)
    two_epochs, twice_one = draw(CASE).net, draw(CASE).net
    two_epochs.fit(X, T, seed=1, **(options | {"epochs": 2}))
    for _ in range(2):
        twice_one.fit(X, T, seed=1, **options)
    assert not np.allclose(two_epochs.params, twice_one.params, rtol=1e-6)


def test_a_batch_in_parts_is_the_same_batch(monkeypatch):
    """Python gets control back in the midst of a large batch: the step follows the sum over all its parts."""
    case = Case((3, 5, 2), n_samples=50, weighted=True)
    nets = []
    for part_size in (50, 6):  # all samples at once; 6 samples at a time
        set_part_size(monkeypatch, part_size)
        net, X, T, weight = draw(case)
        history = net.fit(X, T, solver="adam", epochs=3, batch_size=20, shuffle=False, sample_weight=weight)
        nets.append((net.params.copy(), history.loss))
    assert np.allclose(nets[0][0], nets[1][0], rtol=1e-12, atol=0)
    assert np.allclose(nets[0][1], nets[1][1], rtol=1e-13, atol=0)


def test_more_epochs_than_a_window(monkeypatch):
    monkeypatch.setattr("fastbp.training.WINDOW", 7)
    case = Case((3, 5, 2), n_samples=12)
    net, X, T, _ = draw(case)
    rates = []
    history = net.fit(X, T, epochs=20, seed=0, learning_rate=lambda epoch: rates.append(epoch) or 0.01)
    monkeypatch.undo()
    other, X, T, _ = draw(case)
    assert history.loss == other.fit(X, T, epochs=20, seed=0, learning_rate=0.01).loss
    assert np.array_equal(net.params, other.params)
    assert sorted(set(rates)) == list(range(20))


@pytest.mark.parametrize("n_samples", [12, 13, 29])
def test_jobs_in_parts_come_to_the_same(n_samples, monkeypatch):
    """Many samples are done a part at a time: each output is the same, and sums are to rounding."""
    case = Case((3, 5, 2), n_samples=n_samples, weighted=True)
    whole = draw(case)
    set_part_size(monkeypatch, 6)
    monkeypatch.setattr(engine, "MIN_PART", 1)
    monkeypatch.setattr(engine, "MIN_GRADIENT_PART", 1)
    parts = draw(case)
    assert parts.net.engine.part_size == 6
    (E, grad), (E_parts, grad_parts) = (problem.net.gradient(*problem.data) for problem in (whole, parts))
    assert math.isclose(E, E_parts, rel_tol=1e-13)
    assert np.allclose(grad, grad_parts, rtol=1e-12, atol=1e-14)
    assert math.isclose(E, parts.net.loss(*parts.data), rel_tol=1e-13)
    for z, z_parts in zip(whole.net.activations(whole.X), parts.net.activations(parts.X), strict=True):
        assert np.array_equal(z, z_parts)
    for delta, delta_parts in zip(whole.net.deltas(*whole.data[:2]), parts.net.deltas(*parts.data[:2]), strict=True):
        assert np.allclose(delta, delta_parts, rtol=1e-13, atol=1e-15)


@njit
def powers(base, n):
    """base ** 1 ... base ** n, as adam has them."""
    result = np.empty(n)
    power = 1.0
    for t in range(n):
        power = updates.next_power(power, base)
        result[t] = power
    return result


def test_powers_that_adam_corrects_with_go_to_zero_not_to_subnormal_numbers():
    found = powers(0.9, 8000)
    smallest = np.finfo(float).tiny
    normal = found >= smallest
    assert np.allclose(found[normal], 0.9 ** np.arange(1, normal.sum() + 1), rtol=1e-12)
    assert 6000 < normal.sum() < 7000
    assert not found[~normal].any()
