"""Learning rates by layer, for biases, and for each parameter: against formulas whose rate is an array."""

import numpy as np
import pytest
from cases import Case, draw
from solver_formulas import CASE, SGD, Adam, RMSProp, assert_same_training

import fastbp

# 3-6-2: weights layer by layer, then biases
FACTORS = {"layers": [2.0, 0.5], "bias": 0.1}
BY_HAND = np.repeat([2.0, 0.5, 0.2, 0.05], [18, 12, 6, 2])
SOLVERS = {
    "sgd": (SGD, 0.05, {}),
    "momentum": (lambda: SGD(0.9), 0.02, {"momentum": 0.9}),
    "nesterov": (lambda: SGD(0.8, True), 0.02, {"momentum": 0.8, "nesterov": True}),
    "adam": (Adam, 0.03, {}),
    "rmsprop": (RMSProp, 0.01, {}),
}


@pytest.mark.parametrize("batch_size", [1, 8, None], ids=["on-line", "batches", "all"])
@pytest.mark.parametrize("name", SOLVERS)
def test_formula(name, batch_size):
    step, rate, options = SOLVERS[name]
    solver = name if name in ("adam", "rmsprop") else "sgd"
    options = options | {"solver": solver, "learning_rate": rate, "batch_size": batch_size, "l2": 0.2}
    assert_same_training(step(), rate * BY_HAND, rate_factors=FACTORS, **options)


@pytest.mark.parametrize(
    ("given", "factors"),
    [
        ({"bias": 0.0}, np.repeat([1.0, 0.0], [30, 8])),
        ({"layers": (0.0, 3)}, np.repeat([0.0, 3.0, 0.0, 3.0], [18, 12, 6, 2])),
        (np.linspace(0, 2, 38), np.linspace(0, 2, 38)),
    ],
    ids=["bias", "layers", "each"],
)
def test_forms(given, factors):
    """A factor of 0 keeps a parameter to the bit."""
    assert_same_training(Adam(), 0.03 * factors, learning_rate=0.03, batch_size=8, rate_factors=given)
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    net.fit(X, T, epochs=3, batch_size=8, rate_factors=given)
    assert np.array_equal(net.params == before, factors == 0)


def test_skips_and_schedule():
    case = CASE._replace(skip=((0, 2),), bias=False)  # weights 0-1, 1-2, 0-2
    factors = np.repeat([2.0, 0.5, 0.5], [18, 12, 6])
    rates = lambda epoch: 0.1 * (1 - epoch / 5) * factors  # noqa: E731
    options = {"solver": "sgd", "learning_rate": 0.1, "schedule": "linear", "batch_size": 8}
    assert_same_training(SGD(), rates, case=case, rate_factors=FACTORS, **options)


def test_edges_one_by_one():
    """Of links, weights stand behind those of blocks: what counts is where they arrive."""
    edges = [(0, 2), (1, 2), (0, 3), (2, 4), (3, 4), (1, 4)]
    net = fastbp.Network.from_edges(2, 1, edges, seed=0, dtype="float64")
    X = np.random.default_rng(0).normal(size=(9, 2))
    before, g = net.params.copy(), net.gradient(X, X[:, :1])[1]
    net.fit(
        X,
        X[:, :1],
        solver="sgd",
        learning_rate=0.1,
        epochs=1,
        batch_size=None,
        rate_factors={"layers": [1, 3], "bias": 5},
    )
    layers = [set(units) for units in net.layer_units]
    arrives = np.array([3.0 if to in layers[2] else 1.0 for _, to in net.topology.connections().tolist()])
    factors = np.concatenate([arrives, [5.0, 5.0, 15.0]])
    assert np.allclose(net.params, before - 0.1 * factors * g / 9, rtol=1e-12, atol=1e-15)


def test_population():
    """Networks with factors are trained beside others, each as it is alone; float32, too."""
    for dtype, rtol in (("float64", 1e-9), ("float32", 1e-4)):
        net, X, T, _ = draw(Case((3, 6, 2), n_samples=23), dtype)
        asked = [None, FACTORS, BY_HAND[::-1], FACTORS]
        for batch_size in (1, 8):
            pop = fastbp.Population.of(net.sizes, 4, seeds=0, dtype=dtype)
            options = {"epochs": 3, "batch_size": batch_size, "learning_rate": 0.02}
            pop.fit(X, T, rate_factors=asked, seeds=7, **options)
            for k, factors in enumerate(asked):
                alone = fastbp.Network(net.sizes, seed=k, dtype=dtype)
                alone.fit(X, T, rate_factors=factors, seed=7 + k, **options)
                assert np.allclose(pop[k].params, alone.params, rtol=rtol, atol=rtol / 100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_factors": {"layers": [1.0]}}, "a factor for each of 2 layers after the inputs; got 1"),
        ({"rate_factors": {"layers": [1.0, -1.0]}}, r'rate_factors\["layers"\]\[1\]'),
        ({"rate_factors": {"bias": np.nan}}, r'rate_factors\["bias"\]'),
        ({"rate_factors": {"biases": 0.1}}, "got the key 'biases'"),
        ({"rate_factors": np.ones(37)}, r"shape \(38,\), a factor for each parameter; got shape \(37,\)"),
        ({"rate_factors": -np.ones(38)}, "not negative"),
        ({"rate_factors": 0.5}, "rate_factors must be"),
    ],
    ids=str,
)
def test_refused(options, message):
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    for one in (net, fastbp.Population([net])):
        if one is net or not isinstance(options["rate_factors"], np.ndarray):
            with pytest.raises(ValueError, match=message):
                one.fit(X, T, **options)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize("solver", ["rprop", "quickprop", "lm"])
def test_refused_by_solvers_without_a_rate(solver):
    net, X, T, _ = draw(CASE)
    with pytest.raises(TypeError, match="rate_factors"):
        net.fit(X, T, solver=solver, rate_factors={"bias": 0.1})
    with pytest.raises(TypeError, match="update takes no rate_factors"):
        net.update(X[0], T[0], rate_factors={"bias": 0.1})
