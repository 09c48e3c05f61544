"""Importers against the real libraries: the same outputs; what is not ours, and what is damaged, is refused."""

import ctypes
import ctypes.util
import json
import re
import shutil
import subprocess
import warnings
from itertools import pairwise
from pathlib import Path

import exchanged
import numpy as np
import pytest
from hostile import assert_refused_or_read, damaged

import fastbp
from fastbp.exchange import from_fann, from_keras, from_matlab, from_neuralnet, from_nnet, from_pytorch, from_sklearn
from fastbp.exchange.matlab import SCRIPT
from fastbp.exporting.safetensors import write_tensors

DATA = Path(__file__).parent / "data"
FOLDED = 24.0  # ulp: folded weights are rounded anew, and so are their sums


def close(found, expected, most=4.0):
    assert exchanged.ulps(found, np.asarray(expected).reshape(found.shape)) <= most


def same(expected, net, X):
    """Outputs of weights that are taken as they are."""
    exchanged.assert_same(np.asarray(expected, net.dtype).reshape(len(X), -1), net, X)


# ---------------------------------------------------------------- scikit-learn


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 2.0, size=(80, 4))
    return X, X @ [1.0, -2.0, 0.5, 1.0] + np.sin(X[:, 0]), rng.integers(0, 3, 80)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_scikit_learn(activation, table):
    neural, pre, pipe = (pytest.importorskip(f"sklearn.{m}") for m in ("neural_network", "preprocessing", "pipeline"))
    compose = pytest.importorskip("sklearn.compose")
    X, t, c = table
    options = {"hidden_layer_sizes": (7, 5), "activation": activation, "max_iter": 20, "random_state": 0}
    regressor = neural.MLPRegressor(**options).fit(X, t)
    same(regressor.predict(X), from_sklearn(regressor), X)
    single = neural.MLPRegressor(**options).fit(X.astype(np.float32), t)
    net = from_sklearn(single)
    assert net.dtype == "float32"
    same(single.predict(X.astype(np.float32)), net, X.astype(np.float32))
    three = neural.MLPClassifier(**options).fit(X, c)
    same(three.predict_proba(X), from_sklearn(three), X)
    two = neural.MLPClassifier(**options).fit(X, c > 0)
    same(two.predict_proba(X)[:, 1], from_sklearn(two), X)
    for scaler in (
        pre.StandardScaler(),
        pre.StandardScaler(with_mean=False),
        pre.MinMaxScaler((-1, 1)),
        pre.MaxAbsScaler(),
    ):
        model = pipe.make_pipeline(scaler, "passthrough", neural.MLPRegressor(**options)).fit(X, t)
        close(from_sklearn(model).forward(X), model.predict(X), FOLDED)
    both = compose.TransformedTargetRegressor(model, transformer=pre.StandardScaler()).fit(X, t)
    close(from_sklearn(both).forward(X), both.predict(X), FOLDED)


def test_what_scikit_learn_has_and_fastbp_has_not(table):
    neural, pre, pipe = (pytest.importorskip(f"sklearn.{m}") for m in ("neural_network", "preprocessing", "pipeline"))
    X, t, _c = table
    for model, kind, message in [
        (neural.MLPRegressor(), ValueError, "must be fitted"),
        (pre.StandardScaler(), TypeError, "must end in an MLPClassifier"),
        (pipe.make_pipeline("passthrough"), TypeError, "its pipeline is empty"),
    ]:
        with pytest.raises(kind, match=message):
            from_sklearn(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step, message in (
            (pre.PolynomialFeatures(), "got PolynomialFeatures"),
            (pre.MinMaxScaler(clip=True), "clip=True"),
        ):
            with pytest.raises(ValueError, match=message):
                from_sklearn(pipe.make_pipeline(step, neural.MLPRegressor(max_iter=2)).fit(X, t))


@pytest.mark.parametrize("kind", ["StandardScaler", "MinMaxScaler"])
def test_scalers_that_weights_cannot_hold_are_refused(kind):
    """Near a mean that is large against the scale: folded in, digits are lost, or the importer says so."""
    neural, pre, pipe = (pytest.importorskip(f"sklearn.{m}") for m in ("neural_network", "preprocessing", "pipeline"))
    rng = np.random.default_rng(0)
    for mean in (0.0, 1e2, 1e5, 1e6):
        X = (rng.normal(size=(80, 4)) * 3 + mean).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            perceptron = neural.MLPRegressor(hidden_layer_sizes=(8,), max_iter=30, random_state=0)
            model = pipe.make_pipeline(getattr(pre, kind)(), perceptron).fit(X, X[:, 0] - mean)
        assert perceptron.coefs_[0].dtype == np.float32
        expected = model.predict(X.astype(float))
        largest = np.abs(expected).max()
        if mean > 1e3:
            with pytest.raises(ValueError, match=rf'^{kind} must not shift.*weights of float32.*Take dtype="float64"'):
                from_sklearn(model)
        else:
            found = from_sklearn(model).forward(X)[:, 0]
            assert np.abs(found - model.predict(X)).max() < 3e-4 * largest
        net = from_sklearn(model, dtype="float64")
        assert net.dtype == "float64"
        assert np.abs(net.forward(X)[:, 0] - expected).max() < 1e-6 * largest
    model[0].set_output(transform="default")
    attribute, far = ("mean_", 1e14) if kind == "StandardScaler" else ("min_", -1e14)
    setattr(model[0], attribute, np.full(4, far))
    with pytest.raises(ValueError, match=rf"^{kind} must not shift.*weights of float64.*allowed\. Scale the inputs"):
        from_sklearn(model, dtype="float64")


def test_a_scaler_is_compared_where_its_samples_are(table):
    """Far from the mean a tanh is flat, and hides what the model is."""
    neural, pre, pipe = (pytest.importorskip(f"sklearn.{m}") for m in ("neural_network", "preprocessing", "pipeline"))
    X, t, _c = table
    X = X + 5000.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        perceptron = neural.MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=5, random_state=0)
        model = pipe.make_pipeline(pre.StandardScaler(), perceptron).fit(X, t)
    own = type(model).predict
    model.predict = lambda x: own(model, x) + (np.abs(x - 5000.0) < 1000.0).all(axis=1)
    with pytest.raises(ValueError, match="for a sample of random numbers"):
        from_sklearn(model)


# ---------------------------------------------------------------- PyTorch


def torch_layers(torch, rng):
    """Return a random Sequential, with everything that can be folded."""
    nn, sizes = torch.nn, [int(n) for n in rng.integers(1, 20, 4)]
    functions = [
        nn.ReLU,
        nn.Tanh,
        nn.Sigmoid,
        nn.ELU,
        nn.GELU,
        nn.SiLU,
        nn.SELU,
        nn.Mish,
        lambda: nn.Hardtanh(0, 1),
        nn.Softplus,
        nn.Softsign,
        nn.LeakyReLU,
        nn.Identity,
    ]
    layers = [nn.BatchNorm1d(sizes[0])] if rng.random() < 0.3 else []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, bias=bool(rng.random() < 0.8))]
        layers += [nn.BatchNorm1d(n_out)] if rng.random() < 0.3 else []
        layers += [functions[rng.integers(len(functions))]()]
        layers += [nn.BatchNorm1d(n_out, affine=False)] if rng.random() < 0.2 else []
        layers += [nn.Dropout(0.5)] if rng.random() < 0.3 else []
    model = nn.Sequential(layers[0], nn.Sequential(*layers[1:]))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.to(torch.float64 if rng.random() < 0.5 else torch.float32).eval(), sizes[0]


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_pytorch(seed):
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model, n_inputs = torch_layers(torch, rng)
    net = from_pytorch(model)
    X = rng.uniform(-1, 1, (20, n_inputs)).astype(net.dtype)
    with torch.no_grad():
        expected = model(torch.from_numpy(X)).numpy()
    close(net.forward(X), expected, FOLDED)


def test_pytorch_state_dicts_and_their_files(tmp_path):
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(*[part for _ in range(12) for part in (nn.Linear(3, 3), nn.Tanh())], nn.Linear(3, 2))
    X = torch.randn(20, 3)
    expected = model(X).detach().numpy()
    close(from_pytorch(model.state_dict(), activation="tanh").forward(X.numpy()), expected)
    save.save_file(model.state_dict(), tmp_path / "m.safetensors")
    close(from_pytorch(tmp_path / "m.safetensors", activation=["tanh"] * 12).forward(X.numpy()), expected)
    with pytest.raises(ValueError, match=r"from_pytorch\(path, activation"):
        fastbp.Network.load(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="activation must be a name, or one for each of 12"):
        from_pytorch(model.state_dict())
    with pytest.raises(ValueError, match="must have weight and bias alone"):
        from_pytorch({**model.state_dict(), "1.running_mean": X[0]}, activation="tanh")
    with pytest.raises(ValueError, match=r"order of its layers by numbers.*'output.weight' and 'hidden.weight'"):
        from_pytorch({"output.weight": np.ones((2, 2)), "hidden.weight": np.ones((2, 2))}, activation="tanh")
    backwards = {f"fc{k}.weight": np.full((1, 1), float(k)) for k in (10, 9, 2)}
    assert [w.item() for w in from_pytorch(backwards, activation="tanh").weights] == [2.0, 9.0, 10.0]


def test_pytorch_modules_that_come_twice_or_compute_in_half_precision():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    linear, tanh = torch.nn.Linear(3, 3), torch.nn.Tanh()
    model = torch.nn.Sequential(linear, tanh, linear, tanh, torch.nn.Sequential(linear), torch.nn.Dropout(0.5))
    X = torch.randn(20, 3)
    assert model.training
    net = from_pytorch(model)
    assert model.training
    assert model[5].training
    assert net.layer_functions == ("tanh", "tanh", "identity")
    close(net.forward(X.numpy()), model.eval()(X).detach().numpy())
    half = torch.nn.Sequential(linear, tanh).half()
    assert from_pytorch(half).weights[0].tolist() == linear.weight.tolist()


@pytest.mark.parametrize("place", ["inputs", "hidden"])
def test_batch_normalisation_that_weights_cannot_hold_is_refused(place):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    before = [nn.Linear(4, 4), nn.ReLU()] if place == "hidden" else []
    norm = nn.BatchNorm1d(4)
    model = nn.Sequential(*before, norm, nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).eval()
    for mean in (0.0, 1e2, 1e6):
        norm.running_mean[:], norm.running_var[:] = mean, 9.0
        if before:
            before[0].bias.data[:] = mean
        X = torch.randn(50, 4) * 3 + (0.0 if before else mean)
        with torch.no_grad():
            expected = model.double()(X.double()).numpy()
            model.float()
        if mean > 1e3:
            message = rf'^Sequential\.{len(before)} must not shift.*weights of float32.*Take dtype="float64"'
            with pytest.raises(ValueError, match=message):
                from_pytorch(model)
        else:
            assert np.abs(from_pytorch(model).forward(X.numpy()) - expected).max() < 1e-4
        assert np.abs(from_pytorch(model, dtype="float64").forward(X.numpy()) - expected).max() < 1e-7


def test_a_model_that_is_not_what_its_parts_say_is_refused(table):
    """What no name shows: a function that was replaced in the library, weights that are computed in another type."""
    neural = pytest.importorskip("sklearn.neural_network")
    X, t, _c = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = neural.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, t)
    model.predict = lambda x: np.zeros(len(x))
    with pytest.raises(ValueError, match=r"for a sample of random numbers its output 0 is 0"):
        from_sklearn(model)
    model.predict = lambda x: np.zeros((len(x), 2))
    with pytest.raises(ValueError, match="must give 1 numbers for a sample"):
        from_sklearn(model)
    model.predict = lambda x: 1 / 0
    with pytest.raises(ValueError, match="must take samples of 4 numbers; division by zero"):
        from_sklearn(model)


def test_damaged_files_of_pytorch(tmp_path):
    path = tmp_path / "m.safetensors"
    write_tensors(path, {"0.weight": np.ones((4, 3)), "0.bias": np.ones(4), "2.weight": np.ones((2, 4))}, {})
    n_refused = 0
    for altered in damaged(path.read_bytes(), exchanged.N_DAMAGED):
        n_refused += assert_refused_or_read(path, altered, lambda p: from_pytorch(p, activation="tanh"))
    assert n_refused > 0


def test_what_pytorch_has_and_fastbp_has_not():
    nn = pytest.importorskip("torch").nn
    for module, message in [
        (nn.Conv1d(1, 1, 1), "is Conv1d"),
        (nn.LeakyReLU(0.3), r"negative_slope=0.01; got 0.3"),
        (nn.GELU("tanh"), "approximate=none"),
        (nn.ELU(2.0), "alpha=1.0"),
        (nn.Hardtanh(), "min_val=0.0; got -1.0"),
        (nn.BatchNorm1d(2, track_running_stats=False), "track_running_stats"),
        (nn.BatchNorm1d(5), "one for each of 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_pytorch(nn.Sequential(nn.Linear(2, 2), module))
    with pytest.raises(ValueError, match="begin with a dense layer"):
        from_pytorch(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    clipped = nn.Linear(2, 2)
    clipped.register_forward_hook(lambda module, x, y: y.clamp(-1, 1))
    own_forward = nn.Linear(2, 2)
    own_forward.forward = lambda x: -x
    for module, message in [
        (clipped, "Sequential.1 has one: function"),
        (own_forward, "a forward of its own"),
        (type("Linear", (nn.Linear,), {"forward": lambda self, x: -x})(2, 2), "PyTorch's own modules"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "ParametrizedLinear"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_pytorch(nn.Sequential(nn.Linear(2, 2), module))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = nn.utils.weight_norm(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"has one: WeightNorm.*remove_weight_norm"):
        from_pytorch(nn.Sequential(old))
    with pytest.raises(ValueError, match="layer 2 must take what layer 1 gives"):
        from_pytorch(nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="1 to 4096 layers"):
        from_pytorch(nn.Sequential())
    empty = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, device="meta"))
    with pytest.raises(ValueError, match=r'Sequential\.1\.weight is on the device "meta"'):
        from_pytorch(empty)
    with pytest.raises(ValueError, match=r'1\.weight is on the device "meta"'):
        from_pytorch(empty.state_dict(), activation="tanh")


# ---------------------------------------------------------------- Keras


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("keras")
        yield library


def keras_model(keras, rng):
    """Return a random Sequential, with everything that can be folded, and its number of inputs."""
    k, sizes = keras.layers, [int(n) for n in rng.integers(1, 20, 4)]
    functions = ["linear", "relu", "sigmoid", "tanh", "elu", "softplus", "softsign", "gelu", "silu", "selu", "mish"]
    layers = [keras.Input((sizes[0],))]
    if rng.random() < 0.5:
        layers.append(k.Normalization(invert=bool(rng.random() < 0.5)))
        layers[-1].adapt(np.repeat(rng.normal(2, 3, (30, sizes[0])), 2, axis=0))
    layers += [k.Rescaling(0.5, 0.1)] if rng.random() < 0.3 else []
    for n in sizes[1:]:
        apart = rng.random() < 0.5
        name = str(rng.choice(functions))
        layers.append(k.Dense(n, activation=None if apart else name, use_bias=bool(rng.random() < 0.8)))
        layers += [k.BatchNormalization(scale=bool(rng.random() < 0.5), center=bool(rng.random() < 0.5))] * apart
        layers += [k.Activation(name)] * apart
        layers += [k.Dropout(0.3)] if rng.random() < 0.3 else []
    layers += [k.Softmax()] if rng.random() < 0.3 and sizes[-1] > 1 else []
    layers += [k.LeakyReLU(negative_slope=0.01)] if rng.random() < 0.2 else []
    model = keras.Sequential(layers)
    for layer in model.layers:
        if layer.trainable_weights:
            layer.set_weights([rng.uniform(0.2, 1.0, w.shape) for w in layer.get_weights()])
    return model, sizes[0]


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_keras(seed, keras):
    rng = np.random.default_rng(seed)
    model, n_inputs = keras_model(keras, rng)
    if any(type(layer).__name__ == "Softmax" for layer in model.layers[:-1]):
        with pytest.raises(ValueError, match="softmax, which is for the output layer"):
            from_keras(model)
        return
    X = rng.normal(size=(20, n_inputs)).astype(np.float32)
    net, expected = from_keras(model), model.predict_on_batch(X)
    close(net.forward(X), expected, max(2 * FOLDED, 4 * own_rounding(net, X)))


def own_rounding(net, X):
    """Return by how many ulp rounding moves outputs of the network itself."""
    return exchanged.ulps(net.forward(X), net.astype("float64").forward(X.astype(float)), net.dtype)


def test_what_keras_has_and_fastbp_has_not(keras):
    k = keras.layers

    def relu(x):
        return keras.ops.minimum(keras.ops.relu(x), 0.5)

    for layers, message in [
        ([k.Dense(3), k.Dense(2, activation="relu6")], "relu6"),
        ([k.Dense(3), k.LeakyReLU(negative_slope=0.3)], "0.01; got 0.3"),
        ([k.Dense(3), k.Dense(2, activation="leaky_relu")], "leaky_relu"),
        ([k.Dense(3), k.GroupNormalization(1)], "is GroupNormalization"),
        ([k.Dense(3, activation=relu)], "for a sample of random numbers its output"),
        ([k.Dense(3, dtype="mixed_bfloat16")], "for a sample of random numbers its output"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_keras(keras.Sequential([keras.Input((4,)), *layers]))
    shifted = k.Normalization(mean=1e6, variance=9.0)
    with pytest.raises(ValueError, match=rf"^{shifted.name}.* must not shift.*dtype=.float64"):
        from_keras(keras.Sequential([keras.Input((4,)), shifted, k.Dense(3)]))
    double = from_keras(keras.Sequential([keras.Input((4,)), shifted, k.Dense(3)]), dtype="float64")
    assert double.dtype == "float64"
    with pytest.raises(ValueError, match="model must be built"):
        from_keras(keras.Sequential([k.Dense(3)]))
    with pytest.raises(TypeError, match="must be a Sequential of Keras"):
        from_keras(3)


# ---------------------------------------------------------------- FANN


def load_fann():
    name = ctypes.util.find_library("doublefann")
    if name is None:
        pytest.skip("no libfann")
    fann = ctypes.CDLL(name)
    for function in ("fann_create_standard_array", "fann_create_shortcut_array", "fann_create_sparse_array"):
        getattr(fann, function).restype = ctypes.c_void_p
    fann.fann_create_sparse_array.argtypes = [ctypes.c_float, ctypes.c_uint, ctypes.c_void_p]
    fann.fann_run.restype = ctypes.POINTER(ctypes.c_double)
    return fann


def draw_fann(fann, seed):
    """Return a random network of FANN's, with a function and steepness of its own for each layer."""
    rng = np.random.default_rng(seed)
    sizes = (ctypes.c_uint * 4)(*(int(n) for n in rng.integers(1, 9, 4)))
    if seed % 3 == 0:
        ann = fann.fann_create_standard_array(4, sizes)
    elif seed % 3 == 1:
        ann = fann.fann_create_shortcut_array(4, sizes)
    else:
        ann = fann.fann_create_sparse_array(0.6, 4, sizes)
    pointer = ctypes.c_void_p(ann)
    fann.fann_randomize_weights(pointer, ctypes.c_double(-1.0), ctypes.c_double(1.0))
    for layer in (1, 2, 3):
        code = int(rng.choice([0, 3, 5, 7, 8, 10, 11, 14, 15, 16, 17]))
        fann.fann_set_activation_function_layer(pointer, code, layer)
        fann.fann_set_activation_steepness_layer(pointer, ctypes.c_double(rng.uniform(0.2, 1.5)), layer)
    return pointer, rng.uniform(-1, 1, (20, sizes[0])), sizes[3]


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_fann(seed, tmp_path):
    fann = load_fann()
    ann, X, n_outputs = draw_fann(fann, seed)
    path = tmp_path / "a.net"
    assert fann.fann_save(ann, str(path).encode()) == 0
    expected = [fann.fann_run(ann, x.ctypes.data_as(ctypes.c_void_p))[:n_outputs] for x in X]
    fann.fann_destroy(ann)
    net = from_fann(path)
    # The file has 20 digits; cos is sin of a sum, and factors are folded in.
    close(net.forward(X), np.array(expected), FOLDED)
    fann_of_damaged = path.read_bytes()
    if seed == 0:
        for altered in damaged(fann_of_damaged, exchanged.N_DAMAGED):
            assert_refused_or_read(path, altered, from_fann)


def test_fann_of_fixed_point(tmp_path):
    fann = load_fann()
    ann, X, n_outputs = draw_fann(fann, 3)
    for layer in (1, 2, 3):
        fann.fann_set_activation_function_layer(ann, 5, layer)
    path = tmp_path / "a.net"
    bits = fann.fann_save_to_fixed(ann, str(path).encode())
    assert bits > 0
    expected = np.array([fann.fann_run(ann, x.ctypes.data_as(ctypes.c_void_p))[:n_outputs] for x in X])
    assert np.abs(from_fann(path).forward(X) - expected).max() < 50 * 0.5**bits


NET = """FANN_FLO_2.1
num_layers=2
network_type=0
layer_sizes=2 2
neurons (num_inputs, activation_function, activation_steepness)=(0, 0, 0e0) (0, 0, 0e0) (2, {code}, 5e-1) (0, 0, 0e0)
connections (connected_to_neuron, weight)=({source}, {w}) (1, 2.5e-1)
"""


def test_files_of_fann_that_make_no_sense(tmp_path):
    path = tmp_path / "a.net"

    def read(code=5, source=0, w="1e0", **changes):
        text = NET.format(code=code, source=source, w=w)
        for old, new in changes.values():
            text = text.replace(old, new)
        path.write_text(text)
        return from_fann(path)

    assert read().forward([[2.0]])[0, 0] == pytest.approx(np.tanh(0.5 * 2.25))
    for message, options in [
        ("FANN_SIGMOID_STEPWISE", {"code": 4}),
        ("number 77", {"code": 77}),
        ("fed by earlier layers; it has a connection from neuron 2", {"source": 2}),
        ("connection from neuron 999999999", {"source": 999999999}),
        ("a number of its connections must be finite", {"w": "nan"}),
        ("a number of its connections must be finite", {"w": "1e999"}),
        ("add up to its 4 neurons", {"a": ("layer_sizes=2 2", "layer_sizes=2 1000000000")}),
        ("at most 1000000000", {"a": ("layer_sizes=2 2", "layer_sizes=2 99999999999999")}),
        (
            "with 2 connections it may have 1,028 neurons; it has 1,029",
            {"a": ("=(0, 0, 0e0) ", "=" + "(0, 0, 0e0) " * 1026)},
        ),
        ("must have 2 inputs together", {"a": ("(2, 5", "(7, 5")}),
        ("besides its bias neurons", {"a": ("layer_sizes=2 2", "layer_sizes=1 3")}),
        ("no 'network_type'", {"a": ("network_type=0\n", "")}),
        ("not a .net file", {"a": ("FANN_FLO_2.1", "FANN_FLO_9.9")}),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            read(**options)
    twice = read(a=("(1, 2.5e-1)", "(0, 2.5e-1)"))
    assert twice.edge_weights.tolist() == [0.625]
    with pytest.raises(ValueError, match=r"neuron 2 must have a steepness of up to 7.89.*got 9"):
        read(a=("5e-1)", "9e0)"))
    for code in (0, 11, 14):
        assert read(code=code, w="5.99e2").n_params == 2
        with pytest.raises(ValueError, match=r"times its steepness, of up to 300 for inputs of up to 1.*may be 301"):
            read(code=code, w="6.01e2")
    assert read(code=7, a=("5e-1)", "9e0)")).n_params == 2


# ---------------------------------------------------------------- MATLAB


MATLAB = {
    "format": "fastbp matlab",
    "version": 1,
    "input": [{"keep": [1, 3], "n": 3}, {"gain": [0.5, 0.25], "offset": [1.0, -2.0], "min": -1}],
    "layers": [
        {"transfer": "tansig", "weights": [[1.0, 2.0], [-0.5, 0.25], [0.1, 0.2]], "biases": [0.1, 0.2, 0.3]},
        {"transfer": "purelin", "weights": [[1.0, -1.0, 0.5]], "biases": [0.25]},
    ],
    "output": [{"gain": [0.125], "offset": [10.0], "min": -1}],
}


def test_matlab(tmp_path):
    """As genFunction writes it: mapminmax_apply, layers, mapminmax_reverse."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(MATLAB))
    X = np.random.default_rng(0).normal(size=(20, 3))
    x = (X[:, [0, 2]] - [1.0, -2.0]) * [0.5, 0.25] - 1
    w1, w2 = (np.array(layer["weights"]) for layer in MATLAB["layers"])
    y = np.tanh(x @ w1.T + [0.1, 0.2, 0.3]) @ w2.T + 0.25
    close(from_matlab(path).forward(X), (y + 1) / 0.125 + 10.0, FOLDED)
    content = path.read_bytes()
    for altered in damaged(content, exchanged.N_DAMAGED):
        assert_refused_or_read(path, altered, from_matlab)
    for key, value, message in [
        ("format", "other", "did not write it"),
        ("layers", [], "must have layers"),
        ("layers", [{**MATLAB["layers"][1], "transfer": "satlins"}], "satlins"),
        ("input", [{"keep": [1, 1], "n": 3}], "each once"),
        ("input", [{"keep": [1, 2], "n": 10**12}], "at most"),
        ("output", [{"gain": [0.0], "offset": [0], "min": 0}], "must not be 0"),
    ]:
        path.write_text(json.dumps(MATLAB | {key: value}))
        with pytest.raises(ValueError, match=message):
            from_matlab(path)


FAKE = """
p = struct('gain', [0.5; 0.25], 'xoffset', [1; -2], 'ymin', -1, 'no_change', false);
q = struct('gain', 0.125, 'xoffset', 10, 'ymin', -1, 'no_change', false);
r = struct('keep', [1 3], 'remove', 2, 'xrows', 3);
net.numLayers = 2;
net.inputs = {struct('processFcns', {{'removeconstantrows', 'mapminmax'}}, 'processSettings', {{r, p}})};
net.outputs = {[], struct('processFcns', {{'mapminmax'}}, 'processSettings', {{q}})};
net.IW = {[1 2; -0.5 0.25; 0.1 0.2], []; [], []};
net.LW = {[], []; [1 -1 0.5], []};
net.b = {[0.1; 0.2; 0.3]; 0.25};
net.layers = {struct('transferFcn', 'tansig'); struct('transferFcn', 'purelin')};
save_for_fastbp(net, 'net.json');
"""


def test_the_script_of_matlab_in_octave(tmp_path):
    """Octave has no networks: a struct with their fields."""
    if shutil.which("octave") is None:
        pytest.skip("no octave")
    command = ["octave", "--no-gui", "--norc", "--eval", f"addpath('{SCRIPT.parent}');{FAKE}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert json.loads((tmp_path / "net.json").read_text()) == MATLAB


# ---------------------------------------------------------------- R


@pytest.mark.parametrize("name", ["linear", "softmax", "skip", "entropy"])
def test_nnet(name):
    """Dumps of R 4.2 with nnet 7.3-18, and what predict gave for the inputs beside them."""
    folder = DATA / "nnet"
    rows = np.loadtxt(folder / f"{name}.csv", delimiter=",", ndmin=2)
    net = from_nnet(folder / f"{name}.txt")
    X, Y = rows[:, : net.n_inputs], rows[:, net.n_inputs :]
    close(net.forward(X), Y, FOLDED)


def test_damaged_files_of_nnet(tmp_path):
    content, path = (DATA / "nnet" / "softmax.txt").read_bytes(), tmp_path / "net.txt"
    for altered in damaged(content, exchanged.N_DAMAGED):
        assert_refused_or_read(path, altered, from_nnet)
    for old, new, message in [
        ("n = c(", "n = c(1e9, ", "n must be"),
        ("list(", "system(", "must be list, c or structure"),
        ("nconn = c(0", "nconn = c(5", "nconn must be"),
        ("wts = c(", "wts = c(1, ", "of one length"),
        ("conn = c(", "conn = 0:999999999999, old = c(", "a range must have"),
    ]:
        assert old in content.decode()
        path.write_text(content.decode().replace(old, new))
        with pytest.raises(ValueError, match=message):
            from_nnet(path)


NEURALNET = """list(weights = list(structure(c(0.5, 1, -2, 0.25, 0.125, -1), dim = 3:2),
    structure(c(0.1, 2, 3), dim = c(3L, 1L))), type = "logistic", linear.output = TRUE)"""


def test_neuralnet(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text(NEURALNET)
    X = np.random.default_rng(0).normal(size=(20, 2))
    hidden = 1 / (1 + np.exp(-(X @ [[1.0, 0.125], [-2.0, -1.0]] + [0.5, 0.25])))
    close(from_neuralnet(path).forward(X), hidden @ [[2.0], [3.0]] + 0.1)
    path.write_text(NEURALNET.replace("TRUE", "FALSE").replace("logistic", "tanh"))
    assert from_neuralnet(path).layer_functions == ("tanh", "tanh")
    for altered in damaged(NEURALNET.encode(), exchanged.N_DAMAGED):
        assert_refused_or_read(path, altered, from_neuralnet)
    for text in (
        "list(" * 100_000, "", "c(1, 2)", '"', "list(weights = 1:99999999999)", NEURALNET + ")",
        "list(weights = c(" + "1:99999," * 100_000 + "1))", "c(" + "1," * 1_000_000, "list(" + "list()," * 100_000,
        "list(a = " + "1" * 1_000_000, '"' + "a" * 1_000_000, "c(" + '"",' * 300_000,
    ):  # fmt: skip
        assert assert_refused_or_read(path, text.encode(), from_neuralnet)


def test_small_files_that_would_be_large_are_refused(tmp_path):
    one = {"transfer": "purelin", "weights": [[1.0]], "biases": [0.0]}
    many = {"transfer": "tansig", "weights": [[1.0]] * 5000, "biases": [0.0] * 5000}
    for k, contents in enumerate([
        {"input": [{"keep": [1], "n": 10**6}], "layers": [many], "output": []},
        {"input": [], "layers": [many], "output": [{"gain": 1.0, "offset": 0.0, "min": -1}]},
        {"input": [{"keep": [1], "n": 10**6}] * 2, "layers": [one], "output": []},
    ]):  # fmt: skip
        path = tmp_path / f"{k}.json"
        content = json.dumps({"format": "fastbp matlab", "version": 1} | contents).encode()
        assert assert_refused_or_read(path, content, from_matlab)
    path = tmp_path / "lists.json"
    assert assert_refused_or_read(path, b"[" + b"[]," * 2_000_000 + b"[]]", from_matlab)
    path = tmp_path / "a.net"
    tuples = "(1, 5, 5e-1) " * 300_000
    sizes = "layer_sizes=2 2\nnetwork_type=0\n"
    for text in (f"neurons (a)={tuples}", f"neurons (a)=(0, 0, 0)\nconnections (a)={'(0,1)' * 500_000}"):
        assert assert_refused_or_read(path, f"FANN_FLO_2.1\n{sizes}{text}\n".encode(), from_fann)
