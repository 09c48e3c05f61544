"""Explanations: every term of a gradient, from the kernels' numbers; the terms add up to the kernels' sums."""

import json
import math

import irregular
import numpy as np
import pytest
from cases import COMPILED, Case, draw
from refusals import refused

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.explaining.explained import MOST_PARAMS
from fastbp.losses import LOSSES

CANONICAL = [
    ("identity", "squared_error"),
    ("softmax", "cross_entropy"),
    ("logistic", "binary_cross_entropy"),
    ("exp", "poisson"),
]
N_IRREGULAR = 100 if COMPILED else 4


def explained(problem, n=0, **options):
    return problem.net.explain(problem.X[n], problem.T[n], **options)


def close(value, expected, scale=1.0, rtol=1e-12):
    return abs(value - expected) <= rtol * max(abs(expected), scale)


def check_terms(net, x, t, rtol=1e-12):
    """The terms of every unit add up to its a and its delta, and their products are the kernels' gradient."""
    ex = net.explain(x, t)
    error, gradient = net.gradient(x[None], t[None])
    scale = max(np.abs(gradient).max(), 1e-300)
    z = np.empty(net.n_units)
    for units, values in zip(net.layer_units, net.activations(x[None]), strict=True):
        z[units] = values[0]
    assert ex.error == error
    for unit in ex.units:
        assert unit.z == z[unit.j]
        if unit.j < net.n_inputs:
            continue
        total = math.fsum(term.w_ji * term.z_i for term in unit.terms) + (unit.bias or 0.0)
        assert close(total, unit.a, rtol=rtol)
        if unit.output is None:
            arrives = math.fsum(fed.w_kj * fed.delta_k for fed in unit.fed)
            assert close(unit.slope * arrives, unit.delta, scale, rtol)
            assert close(arrives, unit.arrives, scale, rtol)
    by_hand = [parameter.delta * parameter.z for parameter in ex.gradient.values()]
    derivatives = net.twin()
    derivatives.params[:] = gradient
    assert np.allclose(by_hand, derivatives.edge_weights, rtol=rtol, atol=rtol * scale)
    assert [parameter.value for parameter in ex.gradient.values()] == derivatives.edge_weights.tolist()
    biases = derivatives.unit_biases
    assert {j: p.value for j, p in ex.bias_gradient.items()} == {j: biases[j] for j in net.biased_units}
    return ex


@pytest.mark.parametrize("output", [*(name for name in ACTIVATIONS if name != "threshold"), "softmax"])
def test_terms_of_every_loss_with_an_output(output):
    losses = sorted(LOSSES) if COMPILED else ["squared_error", "cross_entropy", "poisson"]
    for loss in losses:
        problem = draw(Case((3, 4, 2), "tanh", output, loss, seed=3))
        ex = check_terms(problem.net, problem.X[0], problem.T[0])
        total = math.fsum(unit.output.error for unit in ex.units if unit.output)
        assert close(total, ex.error, 1e-3, 1e-12), loss
        worst = max(abs(p.value - p.difference) for p in ex.gradient.values())
        assert worst <= 1e-6 * max(1.0, *(abs(p.value) for p in ex.gradient.values())), loss


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "threshold"])
def test_slope_is_that_of_the_function(activation):
    problem = draw(Case((3, 4, 2), activation, seed=5))
    ex = explained(problem)
    for unit in ex.units[3:7]:
        step = 1e-6
        h = ACTIVATIONS[activation].h
        (low, high) = h(np.array([unit.a - step, unit.a + step]))
        assert unit.slope == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-8)
        assert unit.z == pytest.approx(h(np.array([unit.a]))[0], rel=1e-12)
        assert unit.function == activation


@pytest.mark.parametrize(
    "case",
    [
        Case((3, 5, 4, 2), ["relu", "logistic"], "logistic", "sse", skip="all"),
        Case((2, 4, 3), "tanh", "softmax", "squared_error", bias=False),
        Case((1, 1), output="exp", loss="poisson"),
        Case((4, 3), output="softmax", loss="cross_entropy"),
        Case((3, 4, 1), loss=fastbp.Loss("huber", threshold=0.3)),
        Case((3, 4, 2), loss=fastbp.Loss("quantile", quantile=0.9)),
    ],
    ids=str,
)
def test_terms_of_layered_networks(case):
    problem = draw(case)
    for n in range(3):
        check_terms(problem.net, problem.X[n], problem.T[n])


@pytest.mark.parametrize("first", range(0, N_IRREGULAR, 20))
def test_terms_of_irregular_networks(first):
    for seed in range(first, min(first + 20, N_IRREGULAR)):
        net, X, T = irregular_problem(seed)
        check_terms(net, X[0], T[0])


def irregular_problem(seed):
    built = irregular.build(irregular.draw(seed, n_units=None if COMPILED else 12), seed)
    return built[0], built[1], built[2]


def test_outputs_of_every_pair_come_from_the_loss():
    """What arrives at an output is dE/dy, times the slope where the pair is not canonical."""
    for output, loss in [*CANONICAL, ("logistic", "squared_error"), ("tanh", "huber"), ("softplus", "poisson")]:
        ex = explained(draw(Case((3, 4, 2), "tanh", output, loss, seed=1)))
        for unit in ex.units[-2:]:
            y, t = unit.output.y, unit.output.t
            expected = y - t if (output, loss) in CANONICAL else unit.slope * unit.output.slope
            assert unit.delta == pytest.approx(expected, rel=1e-12), (output, loss)


def test_float32_numbers_are_the_kernels_own():
    problem = draw(Case((3, 5, 2), "relu", seed=2), "float32")
    ex = explained(problem, learning_rate=0.1)
    before = problem.net.params.copy()
    _, gradient = problem.net.gradient(problem.X[:1], problem.T[:1])
    values = np.array([p.value for p in [*ex.gradient.values(), *ex.bias_gradient.values()]], np.float32)
    assert np.array_equal(values, gradient)
    new = np.array([p.new_w for p in [*ex.gradient.values(), *ex.bias_gradient.values()]], np.float32)
    assert np.array_equal(new, before - np.float32(0.1) * gradient)
    for parameter in ex.gradient.values():
        assert parameter.value == pytest.approx(parameter.difference, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_new_weights_are_those_of_a_step_of_online_learning(notation):
    problem = draw(Case((3, 4, 2), "tanh", "logistic", seed=4))
    ex = explained(problem, learning_rate=0.3, notation=notation)
    options = {"solver": "sgd", "learning_rate": 0.3, "batch_size": 1, "epochs": 1}
    problem.net.fit(problem.X[:1], problem.T[:1], **options)
    new = [p.new_w for p in [*ex.gradient.values(), *ex.bias_gradient.values()]]
    assert np.allclose(new, problem.net.params, rtol=1e-13, atol=1e-15)


def test_own_activations():
    swish = fastbp.Activation("own", lambda a: a * a + a, lambda a: 2 * a + 1)
    problem = draw(Case((2, 3, 1), seed=1))
    net = fastbp.Network((2, 3, 1), activation=swish)
    net.params = problem.net.params
    ex = check_terms(net, problem.X[0], problem.T[0])
    assert all(unit.slope == pytest.approx(2 * unit.a + 1) for unit in ex.units[2:5])
    assert "own: h'(a_j) = own'(a_j)" in str(ex)


def test_a_wrong_derivative_is_seen():
    wrong = fastbp.Activation("wrong", lambda a: a * a, lambda a: a)
    net = fastbp.Network((2, 2, 1), activation=wrong, seed=1)
    assert "The check differs at" in str(net.explain([1.0, -0.5], [0.3]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_derivative_is_doubted_at_a_minimum(dtype):
    """Where the error is as good as 0, so are its derivatives: what rounding makes of them is no fault of h'."""
    for seed in range(10 if COMPILED else 2):
        problem = draw(Case((3, 4, 2), "tanh", "logistic", seed=seed), dtype)
        y = problem.net.forward(problem.X[:1])[0]
        for away in (0.0, 1e-12, 1e-10, 1e-7):
            ex = problem.net.explain(problem.X[0], y + problem.net.dtype.type(away))
            assert "differs" not in str(ex), (seed, away)


def test_an_explanation_stays_as_it_is():
    problem = draw(Case((3, 4, 1)))
    ex = explained(problem)
    before = str(ex), json.dumps(ex.to_dict())
    again = explained(problem)
    problem.net.fit(problem.X, problem.T, epochs=3)
    assert (str(again), json.dumps(again.to_dict())) == before
    assert str(explained(problem)) != before[0]
    with pytest.raises(AttributeError):
        ex.learning_rate = 1.0
    with pytest.raises(AttributeError):
        ex.units[3].a = 1.0


def test_all_numbers_as_json():
    problem = draw(Case((2, 3, 2), output="softmax", loss="cross_entropy"))
    ex = explained(problem, learning_rate=0.5)
    read = json.loads(json.dumps(ex.to_dict(), allow_nan=False))
    assert read["error"] == ex.error
    assert read["layers"] == [[0, 1], [2, 3, 4], [5, 6]]
    assert read["canonical"] is True
    assert [unit["delta"] for unit in read["units"]] == [unit.delta for unit in ex.units]
    assert read["units"][2]["terms"][1] == dict(ex.units[2].terms[1]._asdict())
    found = {(p["i"], p["j"]): p["value"] for p in read["gradient"]}
    assert found == {ends: p.value for ends, p in ex.gradient.items()}
    assert len(read["bias_gradient"]) == 5


# ---------------------------------------------------------------- paths, why


@pytest.mark.parametrize("notation", ["bishop", "layers", "neurons"])
def test_paths_add_up_to_the_gradient(notation):
    cases = [Case((2, 3, 2, 2), "tanh", "softmax", "squared_error", skip="all"), Case((2, 3, 2), "relu", seed=2)]
    for case in cases:
        ex = explained(draw(case), notation=notation)
        for (i, j), parameter in ex.gradient.items():
            paths = ex.paths(i, j)
            assert paths.total == pytest.approx(parameter.value, rel=1e-12, abs=1e-15)
            for path in paths:
                assert path.units[:2] == (i, j)
                assert path.product == pytest.approx(path.end * math.prod(path.factors), rel=1e-13)


def test_paths_of_irregular_networks_end_at_outputs_that_feed_others():
    edges = [(0, 2), (1, 2), (0, 3), (2, 3), (3, 4), (2, 4), (2, 5), (4, 5)]
    net = fastbp.Network.from_edges(2, 2, edges, loss="binary_cross_entropy", output="logistic", seed=0)
    ex = check_terms(net, np.array([1, 0.5]), np.array([1.0, 0]))
    paths = ex.paths(0, 2)
    ways = {(0, 2, 3, 4), (0, 2, 3, 4, 5), (0, 2, 4), (0, 2, 4, 5), (0, 2, 5)}
    assert {path.units for path in paths} == ways
    assert paths.total == pytest.approx(ex.gradient[0, 2].value, rel=1e-13)
    assert "%" not in str(paths)  # products of both signs
    assert "unit 4 is an output too" in ex.why(4)


def test_a_unit_without_a_way_to_an_output():
    net = fastbp.Network.from_edges(1, 1, [(0, 1), (0, 2)], n_units=3, seed=0)
    ex = check_terms(net, np.array([1.0]), np.array([0.0]))
    assert (ex.units[1].delta, ex.paths(0, 1).total, len(ex.paths(0, 1))) == (0.0, 0.0, 0)
    for notation in ("bishop", "layers", "neurons"):
        assert "feeds no" in net.explain([1.0], [0.0], 0.1, notation).text()
    assert "A sum of no terms" in ex.why(1)


def test_too_many_paths_are_refused_before_they_are_walked():
    net = fastbp.Network((1, 10, 10, 10, 10, 10, 10, 10, 1), seed=0)
    ex = net.explain([1.0], [0.0])
    refused(lambda: ex.paths(0, 1), "most", "1,000,000")
    assert len(net.explain([1.0], [0.0]).paths(51, 61)) == 1


def test_deep_networks_do_not_recurse():
    n = 1200 if COMPILED else 30
    edges = [(k, k + 1) for k in range(n)]
    net = fastbp.Network.from_edges(1, 1, edges, activation="identity", init="zeros")
    net.edge_weights = np.ones(n)
    assert net.explain([1.0], [0.0]).paths(0, 1).total == 1.0


# ---------------------------------------------------------------- what is refused


def test_wrong_arguments():
    net = fastbp.Network((2, 3, 2), seed=0)
    x, t = [1.0, 2.0], [0.0, 1.0]
    ex = net.explain(x, t, notation="neurons")
    refused(lambda: net.explain([1.0], t), "x", "(2,)")
    refused(lambda: net.explain(np.ones((2, 2)), t), "x")
    refused(lambda: net.explain([1.0, np.nan], t), "x", "finite")
    refused(lambda: net.explain(x, [1.0]), "t")
    refused(lambda: net.explain(x, "ab"), "t")
    refused(lambda: net.explain(x, t, -1.0), "learning_rate")
    refused(lambda: net.explain(x, t, notation="bishops"), "notation", "bishop")
    refused(lambda: net.explain(x, t, unit=7), "unit", "6")
    refused(lambda: ex.why(0), "j", "no input", "2 to 6", "0 to 1")
    refused(lambda: net.explain(x, t, names=["a"]), "names", "2 inputs", "4")
    refused(lambda: net.explain(x, t, names="ab"), "names")
    refused(lambda: ex.why(1.5), "j")
    refused(lambda: ex.why("x1"), "j")
    refused(lambda: ex.why("f9"), "j")
    refused(lambda: ex.why("x3"), "j")
    refused(lambda: ex.why("neuron"), "j")
    refused(lambda: ex.paths(0, 1), "j")
    refused(lambda: ex.paths(0, 6), "i", "connection")
    refused(lambda: ex.text(digits=0), "digits")
    refused(lambda: ex.text(width=10), "width")
    with pytest.raises(KeyError):
        ex.gradient[2, 0]
    with pytest.raises(KeyError):
        ex.bias_gradient[0]
    with pytest.raises(IndexError):
        ex.units[7]
    poisson = fastbp.Network((2, 1), output="exp", loss="poisson")
    refused(lambda: poisson.explain(x, [-1.0]), "t", "poisson")
    step = fastbp.Network((2, 3, 1), activation="threshold")
    refused(lambda: step.explain(x, [1.0]), "explain", "threshold")


def test_one_sample_in_any_shape():
    net = fastbp.Network((1, 2, 1), seed=0)
    texts = {str(net.explain(x, t)) for x, t in [(1.0, 0.5), ([1], [0.5]), ([[1.0]], np.array([[0.5]]))]}
    assert len(texts) == 1


# ---------------------------------------------------------------- large networks


def test_large_networks_are_summarised_by_layer():
    problem = draw(Case((10, 40, 3), "relu", "softmax", "cross_entropy"))
    assert problem.net.n_params > MOST_PARAMS
    ex = explained(problem)
    z, delta = problem.net.activations(problem.X[:1]), problem.net.deltas(problem.X[:1], problem.T[:1])
    assert [layer.n_units for layer in ex.layers] == [40, 3]
    for layer, z_l, delta_l in zip(ex.layers, z[1:], delta, strict=True):
        assert (layer.z_low, layer.z_high) == (z_l.min(), z_l.max())
        assert layer.delta_norm == pytest.approx(np.linalg.norm(delta_l))
    assert ex.layers[0].dead == np.mean(z[1] <= 0) > 0
    text = str(ex)
    assert "LAYERS" in text and "GRADIENT" not in text
    one = str(explained(problem, unit=12))
    assert "unit 12" in one and "9 -> 12" in one and "unit 13" not in one
    assert ex.gradient[0, 10].value == pytest.approx(ex.gradient[0, 10].difference, abs=1e-7)


def test_saturated_units_are_counted():
    net = fastbp.Network((1, 4, 1), init="zeros")
    net.weights[0][:, 0] = [0.1, 3.0, 5.0, 30.0]
    (hidden, _) = net.explain([1.0], [0.0]).layers
    assert (hidden.saturated, hidden.dead) == (0.5, 0.25)  # 1 - tanh(3)**2 is 0.0099; tanh(30) is 1


def test_losses_with_branches_say_which_one():
    net = fastbp.Network((1, 1), loss=fastbp.Loss("huber", threshold=0.5), init="zeros")
    assert "0.5 (|y - t| - 0.5/2)" in str(net.explain([1.0], [2.0]))
    assert "1/2 (y - t)^2" in str(net.explain([1.0], [0.25]))
    net = fastbp.Network((1, 1), loss=fastbp.Loss("quantile", quantile=0.9), init="zeros")
    assert "0.9 (t - y)" in str(net.explain([1.0], [2.0]))
    assert "(1 - 0.9) (y - t)" in str(net.explain([1.0], [-2.0]))
    ex = net.explain([1.0], [0.0])
    assert ex.units[1].delta == 0.0 and ex.error == 0.0
