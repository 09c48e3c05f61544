"""Prechelt's rules, each worked out by hand from the losses; and solvers that go on from one `fit` to the next."""

import math

import numpy as np
import pytest

import fastbp
from fastbp.training.history import History
from fastbp.training.stopping import Rules


def reasons(rules, loss, validation_loss=None):
    """What a rule says after each epoch."""
    return [
        rules.reason(History(loss[:t], None if validation_loss is None else validation_loss[:t]))
        for t in range(1, len(loss) + 1)
    ]


def test_generalisation_loss():
    """Lowest 2.0: 2.1 is 5 percent above it, 2.2 is 10."""
    losses = [4.0, 2.0, 2.1, 2.2, 1.0]
    assert reasons(Rules({"GL": 6.0}, 5), losses, losses) == [None, None, None, "GL", None]
    assert reasons(Rules({"GL": 4.0}, 5), losses, losses) == [None, None, "GL", "GL", None]


def test_generalisation_loss_is_looked_at_where_there_was_a_validation():
    losses = [4.0, 2.0, math.nan, 3.0]
    assert reasons(Rules({"GL": 6.0}, 5), losses, losses) == [None, None, None, "GL"]


def test_progress():
    """Strips (4, 2) and (2, 1.98): 1000 (6 / 4 - 1) = 500, and 1000 (3.98 / 3.96 - 1) = 5.05."""
    losses = [4.0, 2.0, 2.0, 1.98]
    assert reasons(Rules({"P": 5.0}, 2), losses) == [None] * 4
    assert reasons(Rules({"P": 5.1}, 2), losses) == [None, None, None, "P"]
    assert reasons(Rules({"P": 501.0}, 2), losses) == [None, "P", None, "P"]


def test_quotient():
    """At the end of the second strip: GL = 10, P = 5.05, PQ = 1.98."""
    losses, validation = [4.0, 2.0, 2.0, 1.98], [3.0, 2.0, 2.0, 2.2]
    assert reasons(Rules({"PQ": 1.9}, 2), losses, validation) == [None, None, None, "PQ"]
    assert reasons(Rules({"PQ": 2.0}, 2), losses, validation) == [None] * 4


def test_quotient_without_progress():
    assert reasons(Rules({"PQ": 100.0}, 2), [1.0, 1.0], [1.0, 1.1]) == [None, "PQ"]
    assert reasons(Rules({"PQ": 100.0}, 2), [1.0, 1.0], [1.0, 1.0]) == [None, None]


def test_losses_that_are_not_above_zero_stop_nothing():
    """As Poisson's may be."""
    losses = [-1.0, -2.0, -1.0, 0.0]
    assert reasons(Rules({"GL": 0.0, "P": 1e9, "PQ": 0.0}, 2), losses, losses) == [None] * 4


def noisy():
    """Few samples with much noise: a large network learns them by heart."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 3))
    T = X[:, 0] + 0.5 * rng.normal(size=60)
    return (X[:30], T[:30]), (X[30:], T[30:])


@pytest.mark.parametrize("solver", ["rprop", "adam", "lm", "scg"])
@pytest.mark.parametrize(("rule", "alpha"), [("GL", 5.0), ("P", 200.0), ("PQ", 0.05)])
def test_a_rule_ends_a_training_and_keeps_the_best_weights(solver, rule, alpha):
    (X, T), held_out = noisy()
    net = fastbp.Network((3, 4 if rule == "P" else 20, 1), seed=1)  # with 20 there is progress to the very end
    rate = {"learning_rate": 0.02} if solver == "adam" else {}
    history = net.fit(
        X, T, solver=solver, epochs=3000, validation=held_out, stop={rule: alpha}, batch_size=None, seed=0, **rate
    )
    assert history.stopped_by == rule
    rules = Rules({rule: alpha}, 5)
    assert reasons(rules, history.loss, history.validation_loss) == [None] * (history.n_epochs - 1) + [rule]
    assert history.best_epoch == int(np.argmin(history.validation_loss))
    best = min(history.validation_loss)
    assert net.loss(*held_out) / 30 == pytest.approx(best, rel=1e-9)
    if rule != "P":
        assert best < history.validation_loss[-1]


def test_rules_are_combined():
    (X, T), held_out = noisy()
    found = {}
    for stop in ({"GL": 5.0}, {"P": 100.0}, {"GL": 5.0, "P": 100.0}, {"GL": 1e6, "P": 0.0}):
        history = fastbp.Network((3, 20, 1), seed=1).fit(
            X, T, solver="rprop", epochs=200, validation=held_out, stop=stop, patience=150, goal=1e-9
        )
        found[tuple(stop.items())] = history.n_epochs, history.stopped_by
    gl, p, both, neither = found.values()
    assert both == min(gl, p)
    assert gl[1] == "GL"
    assert p[1] == "P"
    assert neither[1] in ("patience", "goal", "epochs")


def test_progress_needs_no_validation():
    (X, T), _held_out = noisy()
    net = fastbp.Network((3, 4, 1), seed=1)
    history = net.fit(X, T, solver="rprop", epochs=2000, stop={"P": 1.0}, strip=10)
    assert history.stopped_by == "P"
    assert history.n_epochs % 10 == 0
    assert net.loss(X, T) / 30 == pytest.approx(min(history.loss), rel=1e-9)


def test_a_goal_keeps_the_weights_that_are_best_on_validation():
    (X, T), held_out = noisy()
    net = fastbp.Network((3, 20, 1), seed=1)
    history = net.fit(X, T, solver="rprop", epochs=3000, validation=held_out, goal=0.02)
    assert history.stopped_by == "goal"
    assert net.loss(*held_out) / 30 == pytest.approx(min(history.validation_loss), rel=1e-9)
    assert min(history.validation_loss) < history.validation_loss[-1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stop": "GL"}, TypeError, "stop must be a dict"),
        ({"stop": {"gl": 5}}, ValueError, "one of GL, P, PQ"),
        ({"stop": {"GL": 5}}, ValueError, "needs a set for validation"),
        ({"stop": {"P": -1.0}}, ValueError, r"stop\['P'\] must be at least 0"),
        ({"stop": {"P": 1.0}, "strip": 0}, ValueError, "strip must be at least 1"),
        ({"stop": {"PQ": 1.0}, "validation": 0.3, "validate_every": 2}, ValueError, "multiple of validate_every"),
        ({"warm": True, "restarts": 2}, ValueError, "restarts must be 1 with warm=True"),
        ({"warm": 1}, TypeError, "warm must be True or False"),
    ],
)
def test_refusals(options, error, message):
    (X, T), _held_out = noisy()
    net = fastbp.Network((3, 4, 1), seed=1)
    before = net.params.copy()
    with pytest.raises(error, match=message):
        net.fit(X, T, **options)
    assert np.array_equal(net.params, before)


WARM = [
    {"solver": "adam", "batch_size": None}, {"solver": "sgd", "momentum": 0.9, "batch_size": None},
    {"solver": "rprop"}, {"solver": "rprop", "variant": "irprop+"}, {"solver": "quickprop"},
    {"solver": "lm"}, {"solver": "scg"}, {"solver": "cg"}, {"solver": "lbfgs"}, {"solver": "newton_cg"},
]  # fmt: skip


@pytest.mark.parametrize("options", WARM, ids=str)
def test_a_warm_solver_goes_on_with_the_same_bits(options):
    (X, T), _held_out = noisy()
    whole, halves, cold = (fastbp.Network((3, 5, 1), seed=1) for _ in range(3))
    expected = whole.fit(X, T, epochs=12, **options)
    losses = [loss for _ in range(2) for loss in halves.fit(X, T, epochs=6, warm=True, **options).loss]
    assert losses == expected.loss
    assert np.array_equal(halves.params, whole.params)
    for _ in range(2):
        cold.fit(X, T, epochs=6, **options)
    if options["solver"] != "newton_cg":  # which remembers nothing
        assert not np.array_equal(cold.params, whole.params)


def test_another_solver_or_option_begins_anew():
    (X, T), _held_out = noisy()
    nets = [fastbp.Network((3, 5, 1), seed=1) for _ in range(2)]
    nets[0].fit(X, T, epochs=6, batch_size=None, warm=True)
    nets[1].fit(X, T, epochs=6, batch_size=None)
    for net, warm in zip(nets, (True, False), strict=True):
        net.fit(X, T, epochs=6, batch_size=None, beta_1=0.8, warm=warm)
    assert np.array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "cg"])
def test_a_warm_minimiser_looks_at_other_samples_anew(solver):
    (X, T), (X_other, T_other) = noisy()
    net = fastbp.Network((3, 5, 1), seed=1)
    net.fit(X, T, epochs=4, solver=solver, warm=True)
    before = net.loss(X_other, T_other) / 30
    history = net.fit(X_other, T_other, epochs=4, solver=solver, warm=True)
    assert history.loss[0] < before
    assert history.loss[-1] == pytest.approx(net.loss(X_other, T_other) / 30, rel=1e-12)


@pytest.mark.parametrize("rule", [{"goal": 0.01}, {"patience": 3, "validation": 0.3}])
def test_validation_and_callbacks_come_after_the_last_epoch_whatever_ends_it(rule):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(60, 2))
    T = X.sum(axis=1) + 0.5 * rng.normal(size=60) * ("patience" in rule)
    seen = []
    net = fastbp.Network((2, 5, 1), seed=0)
    history = net.fit(
        X, T, **{"validation": 0.2} | rule, solver="rprop", epochs=997, validate_every=1 if "patience" in rule else 50,
        callback_every=50, callback=lambda _net, history: seen.append(history.n_epochs), seed=0,
    )  # fmt: skip
    assert history.stopped_by == next(iter(rule)) and history.n_epochs % 50 != 0
    assert seen[-1] == history.n_epochs
    assert np.isfinite(history.validation_loss[-1])
