"""Networks that spread each input: the first layer by the paper's formulas, and that all else is as ever."""

import copy
import ctypes
import shutil
from itertools import pairwise

import irregular
import numpy as np
import pytest
from c_compilers import compile_c
from cases import COMPILED

import fastbp

N_SAMPLES = 60 if COMPILED else 12


def samples(rng):
    """Draw columns of many values, of few, of two, and of one alone."""
    columns = (
        rng.normal(50, 3, N_SAMPLES),
        rng.integers(0, 4, N_SAMPLES),
        rng.random(N_SAMPLES) < 0.3,
        np.full(N_SAMPLES, 7.5),
    )
    return np.column_stack([column.astype(float) for column in columns])


@pytest.fixture
def X():
    return samples(np.random.default_rng(0))


def first_layer(net, X):
    """Return the values of the units of the embedding, in the order of their numbers."""
    order = np.argsort(net.layer_units[1])
    return net.activations(X)[1][:, order]


def ramps_by_hand(X, new, n_bins):
    """Encode piecewise linearly, number by number, as the paper's algorithm does; constant beyond the outer bins."""
    encoded = []
    for column, values in zip(X.T, new.T, strict=True):
        ordered = np.sort(column)
        place = [(len(column) - 1) * k / n_bins for k in range(n_bins + 1)]
        above = np.append(ordered[1:], ordered[-1])
        ends = sorted({ordered[int(p)] + (p - int(p)) * (above[int(p)] - ordered[int(p)]) for p in place})
        for low, high in pairwise(ends):
            encoded.append([0.0 if x < low else 1.0 if x > high else (x - low) / (high - low) for x in values])
    return np.array(encoded).T


def test_ramps_are_those_of_the_paper(X):
    net = fastbp.embedded((4, 5, 2), X, n_bins=6, seed=0)
    new = np.concatenate([X, X + np.random.default_rng(1).normal(size=X.shape), [[1e6] * 4, [-1e6] * 4]])
    expected = ramps_by_hand(X, new, 6)
    assert expected.shape[1] < 4 * 6  # of equal quantiles there are fewer bins
    np.testing.assert_allclose(first_layer(net, new), expected, atol=1e-12)
    assert set(net.unit_functions) == {"ramp", "relu", "identity"}
    assert 3 not in net.edges[:, 0]  # one value alone


def test_the_periodic_embedding_is_that_of_the_paper(X):
    net = fastbp.embedded((4, 5, 2), X, embedding="periodic", n_frequencies=400, sigma=0.5, seed=0)
    n, starts = 400, (0, 800, 1600)
    z = first_layer(net, X)
    c = np.random.default_rng(0).normal(0, 0.5, (3, n))
    for column, start in enumerate(starts):
        angle = 2 * np.pi * np.outer((X[:, column] - X[:, column].mean()) / X[:, column].std(), c[column])
        np.testing.assert_allclose(z[:, start : start + n], np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(z[:, start + n : start + 2 * n], np.cos(angle), atol=1e-9)


@pytest.mark.parametrize("embedding", ["piecewise", "periodic"])
@pytest.mark.parametrize("sizes", [(4, 2), (4, 5, 2)])
def test_the_whole_network(X, embedding, sizes):
    """Outputs and gradients, edge by edge, with complex steps in place of derivatives; not at the ends of bins."""
    net = fastbp.embedded(sizes, X, embedding=embedding, keep_inputs=True, activation="tanh", seed=1)
    rng = np.random.default_rng(2)
    new, T = X + rng.uniform(0.01, 0.02, X.shape), rng.normal(size=(len(X), 2))
    y, right, by_weight, by_bias = irregular.reference(net, new, T)
    np.testing.assert_allclose(net.forward(new), y, rtol=1e-9, atol=1e-11)
    error, grad = net.gradient(new, T)
    edges, biases = irregular.by_user(net, grad)
    assert error == pytest.approx(right, rel=1e-9)
    np.testing.assert_allclose(edges, by_weight, rtol=1e-8, atol=1e-8 * np.abs(by_weight).max())
    np.testing.assert_allclose(biases[4:], by_bias[4:], rtol=1e-8, atol=1e-8 * np.abs(by_bias).max())
    assert np.abs(by_weight[: len(net.layer_units[1])]).max() > 0


@pytest.mark.compiled_only
def test_it_is_a_plain_network(X, tmp_path):
    net = fastbp.embedded((4, 5, 1), X, n_bins=4, dtype="float32", seed=0)
    T = np.sin(X[:, 0]) + X[:, 1]
    before = first_layer(net, X)
    alone, population = copy.deepcopy(net), fastbp.Population([net, net])
    histories = population.fit(X, T, epochs=3, seeds=[5, 6])
    assert histories[0].loss == pytest.approx(alone.fit(X, T, epochs=3, seed=5).loss, rel=1e-5)
    np.testing.assert_allclose(population[0].params, alone.params, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(first_layer(alone, X), before)  # bins are learned, too
    frozen = copy.deepcopy(net)
    frozen.fit(X, T, epochs=3, seed=5, rate_factors={"layers": [0, 1, 1]})
    assert np.array_equal(first_layer(frozen, X), before)
    assert not np.array_equal(frozen.forward(X), net.forward(X))
    alone.save(tmp_path / "net.fastbp")
    loaded = fastbp.Network.load(tmp_path / "net.fastbp")
    assert loaded.forward(X).tobytes() == alone.forward(X).tobytes()
    explained = alone.explain(X[0], T[0])
    assert [explained.units[j].z for j in range(4, 8)] == pytest.approx(first_layer(alone, X[:1])[0, :4].tolist())
    if shutil.which("gcc"):
        alone.to_c(tmp_path / "net.c")
        library = ctypes.CDLL(str(compile_c(tmp_path / "net.c", "-shared", "-fPIC")))
        x, y = (ctypes.c_float * 4)(*X[0]), (ctypes.c_float * 1)()
        library.net(x, y)
        assert y[0] == pytest.approx(alone.forward(X)[0, 0], rel=1e-4)


@pytest.mark.compiled_only
def test_what_it_is_good_for():
    """A saw of four teeth: bins learn in a moment what a plain network of as many parameters does not."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 1, (600, 2))
    T = np.floor(8 * X[:, 0]) % 2 + X[:, 1]
    net = fastbp.embedded((2, 16, 1), X, n_bins=16, seed=0)
    plain = fastbp.Network((2, 27, 27, 1), activation="relu", init="he_uniform", seed=0)
    assert plain.n_params > net.n_params
    errors = [n.fit(X, T, epochs=60, seed=0).loss[-1] for n in (net, plain)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("embedding", ["piecewise", "periodic"])
@pytest.mark.parametrize(
    ("dtype", "shift", "scale"),
    [
        ("float32", 1e9, 1.0),
        ("float32", 0.0, 1e-300),
        ("float32", 0.0, 1e300),
        ("float64", 1e17, 1e3),
        ("float64", 0.0, 1.7e308),
        ("float64", 0.0, 5e-324),
    ],
)
def test_columns_that_the_dtype_cannot_spread_are_named(embedding, dtype, shift, scale):
    X = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    X[:, 1] = shift + np.round(X[:, 1], 1) * scale
    assert len(set(X[:, 1].tolist())) > 2
    with pytest.raises(
        ValueError, match=rf"{dtype} can hold beside their size; got columns 1 \(from \S+ to \S+\): stand"
    ):
        fastbp.embedded((3, 4, 1), X, embedding=embedding, dtype=dtype)


@pytest.mark.parametrize("embedding", ["piecewise", "periodic"])
def test_many_columns_that_cannot_be_spread(embedding):
    X = 1e9 + np.random.default_rng(0).uniform(-1, 1, (50, 7))
    with pytest.raises(ValueError, match=r"got columns 0 \(.*, 4 \([^,]*\) and 2 more: standardise them"):
        fastbp.embedded((7, 4, 1), X, embedding=embedding, dtype="float32")
    net = fastbp.embedded((7, 4, 1), X, embedding=embedding, dtype="float64")
    assert set(net.edges[:, 0]) >= set(range(7))


@pytest.mark.parametrize(("embedding", "dtype", "scale"), [
    ("piecewise", "float64", 1e300), ("piecewise", "float64", 1e-300), ("piecewise", "float32", 1e30),
    ("periodic", "float64", 1e150), ("periodic", "float64", 1e-150), ("periodic", "float32", 1e-30),
])  # fmt: skip
def test_what_the_dtype_can_spread_is_spread(embedding, dtype, scale):
    """The same values as those of the numbers before they were scaled."""
    X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    first, second = (
        first_layer(fastbp.embedded((2, 1), x, embedding=embedding, dtype=dtype, seed=0), x) for x in (X, X * scale)
    )
    assert np.ptp(first) > 0.5
    np.testing.assert_allclose(first, second, atol=1e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("embedding", ["piecewise", "periodic"])
def test_what_is_one_number_but_for_rounding_feeds_nothing(X, embedding):
    X[:, 3] = 0.1
    X[::2, 3] = np.nextafter(0.1, 1)
    net = fastbp.embedded((4, 5, 1), X, embedding=embedding, dtype="float32")
    assert 3 not in net.edges[:, 0]
    with pytest.raises(ValueError, match="X must have a column that is not the same in all samples"):
        fastbp.embedded((1, 2, 1), X[:, 3:], embedding=embedding)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": "spline"}, "embedding must be one of periodic, piecewise; got 'spline'"),
        ({"n_frequencies": 4}, "n_frequencies must be left out for embedding 'piecewise'; got 4"),
        ({"embedding": "periodic", "n_bins": 4}, "n_bins must be left out for embedding 'periodic'; got 4"),
        ({"embedding": "periodic", "sigma": 0.0}, "sigma must be above 0"),
        ({"n_bins": 0}, "n_bins must be at least 1; got 0"),
        ({"sizes": (4,)}, "sizes must have at least two numbers"),
        ({"sizes": (3, 2)}, r"X must have shape \(n_samples, 3\)"),
        ({"X": np.full((5, 4), 2.0)}, "X must have a column that is not the same in all samples"),
        ({"X": np.full((5, 4), np.nan)}, "X must be finite"),
    ],
)
def test_refusals(X, options, message):
    given = {"sizes": (4, 3, 1), "X": X} | options
    with pytest.raises(ValueError, match=message):
        fastbp.embedded(given.pop("sizes"), given.pop("X"), **given)
