"""Every solver, step by step over several epochs, against its formula in plain NumPy."""

import math

import numpy as np
import pytest
from cases import Case, bias_views, draw, place
from numba import njit
from solver_formulas import (
    CASE,
    EPOCHS,
    SGD,
    Adam,
    QuickProp,
    RMSProp,
    RProp,
    RPropVariant,
    assert_same_training,
    fresh,
    set_part_size,
    train,
)  # fmt: skip

from fastbp.kernels.formulas import steps
from fastbp.training import loop

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


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("batch_size", [None, 8, 1])
def test_formula(name, batch_size):
    step, rate, options = SOLVERS[name]
    assert_same_training(fresh(step), rate, batch_size=batch_size, **options)


@pytest.mark.parametrize("n_samples", [1, 5, 8, 22])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_formula_where_python_gets_control_back_often(batch_size, n_samples, monkeypatch):
    """Large batches are done in parts and many epochs in windows, so that Ctrl-C is heard: here both are tiny."""
    set_part_size(monkeypatch, n_samples)
    monkeypatch.setattr("fastbp.training.options.WINDOW", 2)
    monkeypatch.setattr(loop, "RETURN_SECONDS", 0.0)
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
    """Samples without weight, but for one of next to nothing: only the penalty moves anything."""
    net, X, T, _ = draw(CASE)
    net.weights[0][2], X[0] = 0.0, 0.0
    weight = np.zeros(len(X))
    weight[0] = 1e-290
    before = net.params.copy()
    options = {"solver": "sgd", "learning_rate": 1e-5, "epochs": 1, "batch_size": batch_size, "shuffle": False}
    net.fit(X, T, sample_weight=weight, l1=0.5, **options)
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


@pytest.mark.parametrize("variant", ["rprop-", "rprop+", "irprop+"])
@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 0.4},
        {"learning_rate": 0.5, "eta_minus": 0.3, "eta_plus": 1.5},
        {"learning_rate": 0.4, "l1": 0.3, "l2": 0.1},
    ],
    ids=str,
)
def test_variants_of_rprop(variant, options):
    penalties = {name: value for name, value in options.items() if name in ("l1", "l2")}
    formula = {name: value for name, value in options.items() if name not in ("learning_rate", *penalties)}
    net, X, T, _ = draw(CASE)
    reference = draw(CASE)._replace(sample_weight=None)
    step = RPropVariant(variant, **formula)
    losses = train(reference, step, options.get("learning_rate", 0.1), epochs=25, **penalties)
    history = net.fit(X, T, solver="rprop", variant=variant, epochs=25, **options)
    assert np.allclose(net.params, reference.net.params, rtol=1e-9)
    assert np.allclose(history.loss, losses, rtol=1e-9)
    assert (np.diff(losses) > 0).any(), "no error has grown: the variants are not told apart"


def test_the_variants_differ_and_the_default_is_irprop_minus():
    found = {}
    for variant in (None, "irprop-", "rprop-", "rprop+", "irprop+"):
        net, X, T, _ = draw(CASE)
        options = {} if variant is None else {"variant": variant}
        net.fit(X, T, solver="rprop", epochs=25, learning_rate=0.5, **options)
        found[variant] = net.params.tobytes()
    assert found[None] == found["irprop-"]
    assert len(set(found.values())) == 4


@pytest.mark.parametrize(("variant", "begin", "path"), [
    ("rprop-", 0.15, [0.05, -0.07, -0.01, 0.062]),
    ("rprop+", 0.15, [0.05, -0.07, 0.05, -0.01]),
    ("irprop+", 0.15, [0.05, -0.07, 0.05, -0.01]),
    ("rprop+", 0.2, [0.1, -0.02, 0.1, 0.04]),
    ("irprop+", 0.2, [0.1, -0.02, -0.02, 0.04]),  # the error fell: nothing is undone
])  # fmt: skip
def test_rprop_variants_after_a_sign_change(variant, begin, path):
    """E = (w x)^2 / 2 at x = 1: a step of 0.1, then one of 0.12, which leads past zero."""
    net, seen = draw(Case((1, 1), bias=False)).net, []
    net.params = np.array([begin])
    net.fit(
        np.ones((1, 1)), np.zeros((1, 1)), solver="rprop", variant=variant, epochs=4, learning_rate=0.1,
        callback=lambda net, history: seen.append(net.params.item()),
    )  # fmt: skip
    assert np.allclose(seen, path, rtol=1e-12)


@pytest.mark.parametrize("part", [5, 1000])
def test_irprop_plus_in_parts_of_the_batch(part, monkeypatch):
    """Errors of all parts count, and steps that Python interrupts."""
    set_part_size(monkeypatch, part)
    monkeypatch.setattr(loop, "RETURN_SECONDS", 0.0)
    net, X, T, _ = draw(CASE)
    reference = draw(CASE)._replace(sample_weight=None)
    train(reference, RPropVariant("irprop+"), 0.1, epochs=25)
    net.fit(X, T, solver="rprop", variant="irprop+", epochs=25)
    assert np.allclose(net.params, reference.net.params, rtol=1e-9)


def test_first_steps_of_rprop():
    net, X, T, _ = draw(CASE)
    reference = draw(CASE)._replace(sample_weight=None)
    sizes = np.linspace(0.01, 0.2, net.n_params)
    train(reference, RPropVariant("rprop-"), sizes, epochs=10)
    net.fit(X, T, solver="rprop", variant="rprop-", epochs=10, initial_step=sizes)
    assert np.allclose(net.params, reference.net.params, rtol=1e-9)
    moved = []
    for seed in (0, 0, 1):
        drawn = draw(CASE).net
        before = drawn.params.copy()
        drawn.fit(X, T, solver="rprop", epochs=1, initial_step=(0.05, 0.2), seed=seed)
        moved.append(abs(drawn.params - before))
    assert np.array_equal(moved[0], moved[1])
    assert not np.array_equal(moved[0], moved[2])
    assert (moved[0] > 0.0499).all()
    assert (moved[0] < 0.2001).all()
    assert np.ptp(moved[0]) > 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial_step": np.full(3, 0.1)}, r"initial_step must have shape \(38,\)"),
        ({"initial_step": (0.2, 0.1)}, "low not above high"),
        ({"initial_step": (0.0, 0.1)}, "must be above 0"),
        ({"initial_step": [-0.1] * 38}, "numbers above 0"),
        ({"initial_step": 0.1}, "must be an array"),
        ({"initial_step": (0.1, 0.2), "learning_rate": 0.1}, "learning_rate must be left out"),
        ({"variant": "irprop"}, "variant must be one of"),
    ],
)
def test_refused_options_of_rprop(options, message):
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    with pytest.raises(ValueError, match=message):
        net.fit(X, T, solver="rprop", **options)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize(
    "options", [{}, {"learning_rate": 0.5, "max_growth": 1.2}, {"l1": 0.03, "l2": 0.1}, {"reduction": "sum"}], ids=str
)
def test_quickprop(options):
    shared = {name: value for name, value in options.items() if name in ("l1", "l2", "reduction")}
    rate = options.get("learning_rate", 0.1) * (0.1 if "reduction" in options else 1.0)
    net, X, T, _ = draw(CASE)
    reference = draw(CASE)._replace(sample_weight=None)
    losses = train(reference, QuickProp(options.get("max_growth", 1.75)), rate, epochs=25, **shared)
    history = net.fit(X, T, solver="quickprop", epochs=25, **options | {"learning_rate": rate})
    assert np.allclose(net.params, reference.net.params, rtol=1e-8)
    assert np.allclose(history.loss, losses, rtol=1e-8)
    assert losses[-1] < 0.9 * losses[0]


def test_quickprop_takes_both_kinds_of_step():
    """E = (w - 1)^2 / 2: epsilon times the slope, then to where the parabola is least, which is all there is."""
    net, seen = draw(Case((1, 1), bias=False)).net, []
    net.params = np.array([0.0])
    net.fit(
        np.ones((1, 1)), np.ones((1, 1)), solver="quickprop", epochs=3, learning_rate=0.5,
        callback=lambda net, history: seen.append(net.params.item()),
    )  # fmt: skip
    assert np.allclose(seen, [0.5, 1.25, 1.0], atol=1e-12)


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
    ({"schedule": "linear"}, lambda epoch: 0.05 - 0.05 * epoch / EPOCHS),
    ({"schedule": "coslog4"}, lambda epoch: 0.05 * math.sin(math.pi * math.log2(1 + 15 * (epoch + 0.5) / EPOCHS)) ** 2),
    ({"schedule": "step"}, lambda epoch: 0.05 * 0.1 ** (3 * epoch // EPOCHS)),
    ({"schedule": "step", "decay": 0.5, "decay_epochs": 2}, lambda epoch: 0.05 / 2 ** (epoch // 2)),
    ({"warm_up": 2}, lambda epoch: 0.05 * min(epoch + 1, 3) / 3),
    (
        {"schedule": "cosine", "warm_up": 1},
        lambda epoch: 0.05 / 2 * (1 if epoch == 0 else 1 + math.cos(math.pi * (epoch - 1) / (EPOCHS - 1))),
    ),
    ({"learning_rate": lambda epoch: 0.05 if epoch < 2 else 0.01}, lambda epoch: 0.05 if epoch < 2 else 0.01),
]


def name_of(options):
    return "-".join(str(value) for value in options.values() if not callable(value)) or "function"


@pytest.mark.parametrize(("options", "rate"), SCHEDULES, ids=[name_of(options) for options, _ in SCHEDULES])
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


@njit
def powers(base, n):
    """base ** 1 ... base ** n, as adam has them."""
    result = np.empty(n)
    power = 1.0
    for t in range(n):
        power = steps.next_power(power, base)
        result[t] = power
    return result


def test_powers_that_adam_corrects_with_go_to_zero_not_to_subnormal_numbers():
    found = powers(0.9, 8000)
    smallest = np.finfo(float).tiny
    normal = found >= smallest
    assert np.allclose(found[normal], 0.9 ** np.arange(1, normal.sum() + 1), rtol=1e-12)
    assert 6000 < normal.sum() < 7000
    assert not found[~normal].any()
