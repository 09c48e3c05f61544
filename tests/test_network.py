"""Networks: construction, parameters and their views, initial weights, outputs, how they print."""

import importlib.metadata
import math

import numpy as np
import pytest
from cases import Case, bias_views, draw, place, weight_views
from subprocesses import run_python

import fastbp


def test_defaults():
    net = fastbp.Network([3, 5, 2])
    assert tuple(net.sizes) == (3, 5, 2)
    assert net.layer_functions == ("tanh", "identity")
    assert net.dtype == np.float64
    assert net.params.dtype == np.float64
    assert net.n_params == 3 * 5 + 5 * 2 + 5 + 2
    assert net.skip == ()
    assert not net.skip_weights


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("float64")])
def test_dtype(dtype):
    net, X, T, _ = draw(Case((3, 4, 2)), np.dtype(dtype).name)
    built = fastbp.Network([3, 4, 2], dtype=dtype)
    assert built.dtype == np.dtype(dtype)
    for array in (net.params, net.forward(X), net.gradient(X, T)[1], *net.weights, *net.activations(X)):
        assert array.dtype == np.dtype(dtype)


def test_layout_of_the_parameters():
    """All weights first, layer by layer, each row what arrives at one unit; then all biases."""
    net = fastbp.Network([2, 3, 1], bias=True)
    net.params = np.arange(13.0)
    assert np.array_equal(net.weights[0], [[0, 1], [2, 3], [4, 5]])
    assert np.array_equal(net.weights[1], [[6, 7, 8]])
    assert np.array_equal(net.biases[0], [9, 10, 11])
    assert np.array_equal(net.biases[1], [12])


def test_layout_with_skips():
    """Of the weights into a layer, those from the layer just below come first, those from the inputs last."""
    net = fastbp.Network([1, 1, 1, 1], skip="all", bias=False)
    net.params = np.arange(6.0)
    assert [w.item() for w in net.weights] == [0, 1, 3]
    assert {pair: w.item() for pair, w in net.skip_weights.items()} == {(0, 2): 2, (1, 3): 4, (0, 3): 5}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("skip", [(), ((0, 2),), ((0, 3), (1, 3)), "all"], ids=str)
def test_views_cover_the_parameters_once(skip, bias):
    net = fastbp.Network([3, 4, 2, 5], skip=skip, bias=bias)
    covered = np.zeros(net.n_params, dtype=int)
    views = [*weight_views(net).values(), *bias_views(net)]
    for view in views:
        covered[place(net, view)] += 1
    assert np.all(covered == 1)
    for (sender, receiver), view in weight_views(net).items():
        assert view.shape == (net.sizes[receiver], net.sizes[sender])
    assert len(bias_views(net)) == (3 if bias else 0)
    n_weights = sum(view.size for view in weight_views(net).values())
    assert all(place(net, view).stop <= n_weights for view in weight_views(net).values())


def test_skip_pairs():
    net = fastbp.Network([3, 4, 2, 5], skip="all")
    assert sorted(net.skip) == [(0, 2), (0, 3), (1, 3)]
    assert set(net.skip_weights) == set(net.skip)
    assert fastbp.Network([3, 4, 2, 5], skip=[(1, 3)]).skip == ((1, 3),)
    assert fastbp.Network([3, 4], skip="all").skip == ()


def test_a_skip_connection_adds_to_the_activation():
    net, X, _, _ = draw(Case((2, 3, 2), "tanh", skip=((0, 2),)))
    net.weights[1][:] = 0.0
    assert np.allclose(net.forward(X), X @ net.skip_weights[0, 2].T + net.biases[1], rtol=1e-14)


def test_views_can_be_written():
    net, X, _, _ = draw(Case((3, 4, 2)))
    before = net.forward(X)
    net.weights[0][1, 2] += 1.0
    assert not np.allclose(net.forward(X), before)
    net.weights[0][1, 2] -= 1.0
    assert np.allclose(net.forward(X), before, rtol=1e-13)
    net.biases[1][:] += 2.0  # identity output: y moves as far
    assert np.allclose(net.forward(X), before + 2.0, rtol=1e-13)
    net.params[:] = 0.0
    assert not np.any(net.weights[0])


def test_params_are_copied_in():
    net = fastbp.Network([2, 3, 1])
    weights = net.weights[0]
    values = np.linspace(0, 1, net.n_params)
    net.params = values
    values[:] = 9.0
    assert np.array_equal(net.params, np.linspace(0, 1, net.n_params))
    assert np.array_equal(weights.ravel(), net.params[:6])  # older views still look at the parameters


# ---------------------------------------------------------------- initial weights

SIZES = [60, 80, 70]


def standard_deviation(init, n_in, n_out):
    variance = {
        "glorot_uniform": 2 / (n_in + n_out),
        "glorot_normal": 2 / (n_in + n_out),
        "he_uniform": 2 / n_in,
        "he_normal": 2 / n_in,
        "lecun_uniform": 1 / n_in,
        "lecun_normal": 1 / n_in,
    }[init]
    return math.sqrt(variance)


@pytest.mark.parametrize(
    "init", [f"{name}_{form}" for name in ("glorot", "he", "lecun") for form in ("uniform", "normal")]
)
def test_initial_weights(init):
    net = fastbp.Network(SIZES, init=init, seed=0)
    for w in net.weights:
        n_out, n_in = w.shape
        std = standard_deviation(init, n_in, n_out)
        assert abs(w.mean()) < 4 * std / math.sqrt(w.size)
        assert math.isclose(w.std(), std, rel_tol=0.05)
        if init.endswith("uniform"):
            assert 0.98 < np.abs(w).max() / (math.sqrt(3) * std) <= 1
        else:
            assert np.abs(w).max() > 2.5 * std
    assert not any(np.any(b) for b in net.biases)


def test_initial_weights_in_an_interval():
    net = fastbp.Network(SIZES, init=0.25, seed=0)
    for w in net.weights:
        assert 0.245 < np.abs(w).max() <= 0.25
        assert math.isclose(w.std(), 0.25 / math.sqrt(3), rel_tol=0.05)
    assert not any(np.any(b) for b in net.biases)


def test_initial_zeros():
    assert not np.any(fastbp.Network(SIZES, init="zeros").params)


def test_default_init_is_glorot_uniform():
    default, named = fastbp.Network(SIZES, seed=4), fastbp.Network(SIZES, seed=4, init="glorot_uniform")
    assert np.array_equal(default.params, named.params)
    assert not np.array_equal(default.params, fastbp.Network(SIZES, seed=5).params)


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize("n_samples", [1, 2, 5, 16, 64, 65])
def test_forward_does_not_depend_on_the_company_of_other_samples(n_samples):
    net, X, _, _ = draw(Case((4, 9, 3), "gelu", "softmax", "cross_entropy", n_samples=n_samples))
    y = net.forward(X)
    assert y.shape == (n_samples, 3)
    for n in range(n_samples):
        assert np.allclose(net.forward(X[n : n + 1]), y[n : n + 1], rtol=1e-13)


def test_forward_with_threshold_units():
    net, X, _, _ = draw(Case((2, 3, 1), "threshold", "threshold", n_samples=20))
    hidden = (X @ net.weights[0].T + net.biases[0] > 0).astype(float)
    assert np.array_equal(net.forward(X), (hidden @ net.weights[1].T + net.biases[1] > 0).astype(float))


@pytest.mark.parametrize("use", ["gradient", "fit", "deltas"])
def test_threshold_units_have_no_gradient(use):
    net, X, T, _ = draw(Case((2, 3, 1), "threshold", n_samples=20))
    before = net.params.copy()
    with pytest.raises(ValueError, match="threshold"):
        getattr(net, use)(X, T)
    assert np.array_equal(net.params, before)


def test_outputs_are_the_callers_own():
    net, X, _, _ = draw(Case((3, 4, 2)))
    y, layers = net.forward(X), net.activations(X)
    kept = y.copy(), [layer.copy() for layer in layers]
    net.forward(X + 1)
    net.activations(X + 1)
    assert np.array_equal(y, kept[0])
    assert all(map(np.array_equal, layers, kept[1]))


# ---------------------------------------------------------------- how it looks


def test_print(capsys):
    net = fastbp.Network([3, 12, 2], activation="relu", output="softmax", loss="cross_entropy", skip="all")
    print(net)
    text = capsys.readouterr().out
    assert text.strip() == repr(net).strip()
    for word in ("relu", "softmax", "cross_entropy", "12", str(net.n_params)):
        assert word in text
    assert len(text.splitlines()) >= len(net.sizes)


def test_check_gradient():
    net, X, T, weight = draw(Case((3, 5, 2), "silu", "logistic", "huber", n_samples=12, weighted=True))
    before = net.params.copy()
    check = fastbp.check_gradient(net, X, T, sample_weight=weight)
    _, grad = net.gradient(X, T, sample_weight=weight)
    assert 0 <= check.worst < 1e-6
    assert 0 <= check.index < net.n_params
    assert math.isclose(check.analytic, grad[check.index], rel_tol=1e-9)
    assert math.isclose(check.numeric, check.analytic, rel_tol=1e-4)
    assert np.array_equal(net.params, before)


def test_check_gradient_of_float32_is_computed_in_float64():
    net, X, T, _ = draw(Case((3, 5, 2), "silu", n_samples=12), "float32")
    assert fastbp.check_gradient(net, X, T).worst < 1e-6
    assert net.params.dtype == np.float32


def test_public_names():
    assert set(fastbp.__all__) >= {"Network", "Activation", "History", "Loss", "check_gradient", "__version__"}
    try:
        assert fastbp.__version__ == importlib.metadata.version("fastbp")
    except importlib.metadata.PackageNotFoundError:  # a source tree that is not installed
        assert isinstance(fastbp.__version__, str)


def test_import_loads_none_of_the_extras():
    loaded = set(run_python("import fastbp, sys; print(*sys.modules)").split())
    assert "numba" in loaded
    assert not {"sklearn", "click", "rich", "polars", "matplotlib", "pandas"} & loaded
