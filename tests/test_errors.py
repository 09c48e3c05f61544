"""Wrong input: the message names the argument, the kind of error fits, and no parameter has changed."""

import math

import numpy as np
import pytest
from cases import Case, draw
from refusals import T, X, refused, with_value

import fastbp
from fastbp.activations import OUTPUTS

NAN, INF = float("nan"), float("inf")


# ---------------------------------------------------------------- Network(...)


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [3],
        [3, 0],
        [0, 3],
        [3, -1, 2],
        [3, 2.5],
        [3, NAN],
        "3-2",
        3,
        None,
        [3, "2"],
        [[3, 2]],
        [3, True],
        {3: 2},
    ],
    ids=str,
)
def test_sizes(sizes):
    refused(lambda: fastbp.Network(sizes), "sizes")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "tahn"}, ["activation", "tahn", "tanh"]),
        ({"activation": "Relu"}, ["activation", "relu"]),
        ({"activation": ""}, ["activation"]),
        ({"activation": 3}, ["activation", "int"]),
        ({"activation": None}, ["activation"]),
        ({"activation": np.tanh}, ["activation"]),
        ({"activation": ["tanh"]}, ["activation", "2", "1"]),
        ({"activation": ["tanh", "relu", "relu"]}, ["activation", "2", "3"]),
        ({"activation": ["tanh", "reul"]}, ["activation", "reul", "relu"]),
        ({"activation": "softmax"}, ["activation", "softmax", "output"]),
        ({"activation": OUTPUTS["softmax"]}, ["activation", "softmax", "output"]),
        ({"output": "softmx"}, ["output", "softmx", "softmax"]),
        ({"output": ["identity"]}, ["output"]),
        ({"loss": "cross_entrophy"}, ["loss", "cross_entrophy", "cross_entropy"]),
        ({"loss": "mse"}, ["loss", "mse"]),
        ({"loss": 1}, ["loss"]),
        ({"bias": "no"}, ["bias"]),
        ({"bias": None}, ["bias"]),
        ({"skip": "al"}, ["skip", "all"]),
        ({"skip": [(0, 1)]}, ["skip", "(0, 1)"]),
        ({"skip": [(0, 4)]}, ["skip", "(0, 4)"]),
        ({"skip": [(2, 0)]}, ["skip", "(2, 0)"]),
        ({"skip": [(1, 1)]}, ["skip", "(1, 1)"]),
        ({"skip": [(-1, 2)]}, ["skip", "-1"]),
        ({"skip": [(0, 2), (0, 2)]}, ["skip", "(0, 2)"]),
        ({"skip": [(0,)]}, ["skip"]),
        ({"skip": [0, 2]}, ["skip"]),
        ({"skip": [(0.5, 2)]}, ["skip"]),
        ({"skip": 2}, ["skip"]),
        ({"init": "glorot_unifrom"}, ["init", "glorot_unifrom", "glorot_uniform"]),
        ({"init": -0.5}, ["init", "-0.5"]),
        ({"init": NAN}, ["init", "nan"]),
        ({"init": INF}, ["init", "inf"]),
        ({"init": [0.1]}, ["init"]),
        ({"dtype": "float16"}, ["dtype", "float16"]),
        ({"dtype": "int64"}, ["dtype", "int64"]),
        ({"dtype": "nonsense"}, ["dtype", "nonsense"]),
        ({"dtype": "complex128"}, ["dtype", "complex128"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": 1.5}, ["seed"]),
        ({"seed": "today"}, ["seed"]),
    ],
    ids=str,
)
def test_network_options(options, words):
    refused(lambda: fastbp.Network([3, 4, 5, 2], **options), *words)


def test_wrong_kinds_are_type_errors():
    refused(lambda: fastbp.Network([3, 2], activation=3), "activation", kind=TypeError)
    refused(lambda: fastbp.Network("32"), "sizes", kind=TypeError)
    refused(lambda: fastbp.Network([3, 2], seed="today"), "seed", kind=TypeError)
    refused(lambda: fastbp.Network([3, 2], loss="mse"), "loss", kind=ValueError)
    with pytest.raises(TypeError, match="hidden"):
        fastbp.Network([3, 2], hidden=3)


@pytest.mark.parametrize(
    "values",
    [np.zeros(3), np.zeros((1, 26)), 0.0, [NAN] * 26, [INF] * 26, ["a"] * 26, None, np.zeros(26, complex)],
    ids=["short", "2-D", "number", "nan", "inf", "text", "none", "complex"],
)
def test_params(values):
    net = fastbp.Network([3, 4, 2], seed=0)
    before = net.params.copy()

    def assign():
        net.params = values

    assert net.n_params == 26
    refused(assign, "params")
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((3, abs, abs), "name"),
        (("", abs, abs), "name"),
        (("tanh", abs, abs), "name"),
        (("own", 3, abs), "h"),
        (("own", abs, None), "dh"),
        (("own", "abs", abs), "h"),
    ],
    ids=str,
)
def test_activation_arguments(arguments, word):
    refused(lambda: fastbp.Activation(*arguments), word)


# ---------------------------------------------------------------- X, T, sample_weight


@pytest.mark.compiled_only
@pytest.mark.parametrize("h", [lambda a: a.no_such_thing, lambda a: [a, "a"][1], lambda: 0.0, math.tanh])
def test_activations_that_cannot_be_compiled(h):
    own = fastbp.Activation("own", h, lambda a: 1.0)
    refused(lambda: fastbp.Network([2, 3, 1], activation=own), "own", kind=TypeError)


@pytest.fixture
def problem():
    return draw(Case((3, 4, 2), n_samples=6))


BAD_X = {
    "columns": np.zeros((6, 4)),
    "transposed": X.T.copy(),
    "1-D": np.zeros(6),
    "3-D": np.zeros((6, 3, 1)),
    "number": 1.0,
    "none": None,
    "nan": with_value(X, NAN),
    "inf": with_value(X, INF),
    "minus inf": with_value(X, -INF),
    "text": np.full((6, 3), "a"),
    "complex": np.zeros((6, 3), complex),
    "objects": np.full((6, 3), None),
    "ragged": [[0, 0, 0], [0, 0]],
    "dates": np.zeros((6, 3), "datetime64[s]"),
}

BAD_T = {
    "rows": np.zeros((5, 2)),
    "columns": np.zeros((6, 3)),
    "1-D": np.zeros(6),
    "flat": np.zeros(12),
    "number": 1.0,
    "none": None,
    "nan": with_value(T, NAN),
    "inf": with_value(T, INF),
    "text": np.full((6, 2), "a"),
    "complex": np.zeros((6, 2), complex),
}

BAD_WEIGHT = {
    "short": np.ones(5),
    "2-D": np.ones((6, 1)),
    "number": 1.0,
    "negative": np.array([1, 1, -0.1, 1, 1, 1]),
    "nan": np.array([1, 1, NAN, 1, 1, 1]),
    "inf": np.array([1, 1, INF, 1, 1, 1]),
    "text": ["a"] * 6,
}

USES_OF_X = {
    "forward": lambda net, X: net.forward(X),
    "activations": lambda net, X: net.activations(X),
    "deltas": lambda net, X: net.deltas(X, T),
    "loss": lambda net, X: net.loss(X, T),
    "gradient": lambda net, X: net.gradient(X, T),
    "fit": lambda net, X: net.fit(X, T),
    "check_gradient": lambda net, X: fastbp.check_gradient(net, X, T),
}


@pytest.mark.parametrize("bad", BAD_X)
@pytest.mark.parametrize("use", USES_OF_X)
def test_inputs(problem, use, bad):
    before = problem.net.params.copy()
    refused(lambda: USES_OF_X[use](problem.net, BAD_X[bad]), "X")
    assert np.array_equal(problem.net.params, before)


@pytest.mark.parametrize("bad", BAD_T)
@pytest.mark.parametrize("use", ["deltas", "loss", "gradient", "fit"])
def test_targets(problem, use, bad):
    before = problem.net.params.copy()
    refused(lambda: getattr(problem.net, use)(X, BAD_T[bad]), "T")
    assert np.array_equal(problem.net.params, before)


@pytest.mark.parametrize("bad", BAD_WEIGHT)
@pytest.mark.parametrize("use", ["loss", "gradient", "fit"])
def test_sample_weights(problem, use, bad):
    before = problem.net.params.copy()
    refused(lambda: getattr(problem.net, use)(X, T, sample_weight=BAD_WEIGHT[bad]), "sample_weight")
    assert np.array_equal(problem.net.params, before)


def test_masked_arrays(problem):
    """A masked value is no number; a mask that hides nothing does no harm."""
    masked = np.ma.array(X, mask=False)
    assert np.array_equal(problem.net.forward(masked), problem.net.forward(X))
    masked[3, 1] = np.ma.masked
    refused(lambda: problem.net.forward(masked), "X", "masked", kind=ValueError)


def test_python_numbers_in_an_array_of_objects(problem):
    objects = X.astype(object)
    assert np.array_equal(problem.net.forward(objects), problem.net.forward(X))


@pytest.mark.parametrize("use", ["gradient", "fit"])
def test_no_samples_at_all(problem, use):
    before = problem.net.params.copy()
    refused(lambda: getattr(problem.net, use)(X[:0], T[:0]), "X")
    assert np.array_equal(problem.net.params, before)


def test_messages_tell_what_was_expected_and_what_came(problem):
    refused(lambda: problem.net.forward(np.zeros((6, 4))), "X", "3", "4")
    refused(lambda: problem.net.gradient(X, np.zeros((5, 2))), "T", "6", "5")
    refused(lambda: problem.net.gradient(X, with_value(T, NAN)), "T", "nan")
    refused(lambda: problem.net.gradient(X, T, sample_weight=np.ones(5)), "sample_weight", "6", "5")


@pytest.mark.parametrize(
    ("loss", "output", "row"),
    [
        ("cross_entropy", "softmax", [-0.1, 1.1]),
        ("binary_cross_entropy", "logistic", [0.5, 1.01]),
        ("binary_cross_entropy", "logistic", [-1e-3, 1.0]),
        ("binary_cross_entropy", "tanh", [2.0, 1.0]),
        ("poisson", "exp", [3.0, -1.0]),
    ],
)
@pytest.mark.parametrize("use", ["loss", "gradient", "fit"])
def test_targets_outside_the_range_of_the_loss(loss, output, row, use):
    net, inputs, targets, _ = draw(Case((3, 4, 2), "tanh", output, loss, n_samples=6))
    targets[4] = row
    refused(lambda: getattr(net, use)(inputs, targets), "T", loss, kind=ValueError)


def test_numbers_too_large_for_float32():
    net, inputs, targets, _ = draw(Case((3, 4, 2), n_samples=6), "float32")
    refused(lambda: net.forward(with_value(inputs, 1e39)), "X")
    refused(lambda: net.gradient(inputs, with_value(targets, -1e39)), "T")


# ---------------------------------------------------------------- check_gradient, load


def test_check_gradient_arguments(problem):
    refused(lambda: fastbp.check_gradient("net", X, T), "net")
    refused(lambda: fastbp.check_gradient(problem.net, X, T, sample_weight=np.ones(3)), "sample_weight")


@pytest.mark.parametrize("activations", ["tanh", [3], 3], ids=str)
def test_activations_of_load(problem, activations, tmp_path):
    problem.net.save(tmp_path / "a.net")
    refused(lambda: fastbp.Network.load(tmp_path / "a.net", activations=activations), "activations")


@pytest.mark.parametrize("path", [3, None, 2.5], ids=str)
def test_paths(problem, path):
    with pytest.raises(TypeError):
        problem.net.save(path)
    with pytest.raises(TypeError):
        fastbp.Network.load(path)
