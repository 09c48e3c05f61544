"""ONNX: what onnxruntime makes of what `to_onnx` writes; what `from_onnx` makes of the graphs of others."""

import exchanged
import numpy as np
import pytest
from cases import COMPILED
from hostile import assert_refused_or_read, damaged

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.exchange import from_onnx
from fastbp.exporting.onnx_functions import FUNCTIONS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path, X):
    return session(path).run(None, {"x": X})[0]


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_outputs_in_onnxruntime(seed, tmp_path):
    net, X = exchanged.draw(seed)
    net.to_onnx(tmp_path / "net.onnx")
    # onnxruntime's own softmax of doubles is off by up to 4 ulp.
    exchanged.assert_same(outputs(tmp_path / "net.onnx", X), net, X, 6.0 if "softmax" in net.layer_functions else 4.0)
    model = onnx.load(tmp_path / "net.onnx")
    assert (model.ir_version, model.opset_import[0].version) == (9, 20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_function_near_and_far(dtype, tmp_path):
    sizes = np.concatenate([np.geomspace(1e-6, 60, 40), [0.0]])
    X = np.concatenate([-sizes, sizes]).astype(dtype).reshape(-1, 1)
    for name in sorted(FUNCTIONS - {"softmax"}):
        net = fastbp.Network((1, 1), output=name, dtype=dtype, init="zeros")
        net.weights[0][:] = 1
        net.to_onnx(tmp_path / "net.onnx")
        found, expected = outputs(tmp_path / "net.onnx", X), net.forward(X)
        eps = np.finfo(dtype).eps
        assert (np.abs(found - expected) <= 8 * eps * np.maximum(1, np.abs(expected))).all() or (
            name == "exp" and (np.abs(found - expected) <= 64 * eps * expected).all()
        ), name
    assert set(ACTIVATIONS) | {"softmax"} == FUNCTIONS


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_there_and_back(seed, tmp_path):
    """Layers with skips, of functions that are one node each."""
    rng = np.random.default_rng(seed)
    net = exchanged.draw_layered(rng, "float32")
    names = ["tanh", "relu", "logistic", "elu", "leaky_relu", "softplus", "softsign", "gelu", "sin", "exp"]
    functions = [str(name) for name in rng.choice(names, len(net.sizes) - 2)]
    other = fastbp.Network(net.sizes, activation=functions, output="identity", skip=net.skip, dtype="float32", seed=1)
    other.to_onnx(tmp_path / "net.onnx")
    back = from_onnx(tmp_path / "net.onnx")
    assert back.sizes == other.sizes
    assert back.layer_functions == other.layer_functions
    assert np.array_equal(back.params, other.params)
    assert back.skip == other.skip
    double = from_onnx(tmp_path / "net.onnx", dtype="float64")
    assert double.dtype == "float64"


def model_of(nodes, constants, n_in=3, n_out=2, element=onnx.TensorProto.FLOAT):
    make = onnx.helper.make_tensor_value_info
    arrays = [onnx.numpy_helper.from_array(np.asarray(a, np.float32), name) for name, a in constants.items()]
    inputs, results = [make("x", element, ["n", n_in])], [make("y", element, ["n", n_out])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, results, arrays)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)


def test_matmul_add_scalings_and_a_residual_connection(tmp_path):
    rng, node = np.random.default_rng(0), onnx.helper.make_node
    nodes = [
        node("Sub", ["x", "mean"], ["c"]),
        node("Div", ["c", "std"], ["s"]),
        node("MatMul", ["s", "w1"], ["p"]),
        node("Add", ["b1", "p"], ["a1"]),
        node("Tanh", ["a1"], ["z1"]),
        node("Gemm", ["z1", "w2", "b2"], ["a2"]),
        node("Relu", ["a2"], ["z2"]),
        node("Add", ["z1", "z2"], ["r"]),
        node("Gemm", ["r", "w3"], ["q"], transB=1),
        node("Mul", ["q", "two"], ["y"]),
    ]
    constants = {
        "mean": rng.normal(size=3), "std": rng.uniform(1, 2, 3), "w1": rng.normal(size=(3, 5)),
        "b1": rng.normal(size=5),
        "w2": rng.normal(size=(5, 5)), "b2": rng.normal(size=5), "w3": rng.normal(size=(2, 5)), "two": [2.0],
    }  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(model_of(nodes, constants), path)
    net = from_onnx(path)
    assert net.sizes == (3, 5, 5, 2)
    assert net.skip == ((1, 3),)
    X = rng.normal(size=(20, 3)).astype(np.float32)
    assert exchanged.ulps(net.forward(X), outputs(path, X)) <= 16  # folded weights are rounded anew


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (("Conv", ["x", "w"], ["y"], {}), "node 'here', Conv: fastbp has no such node"),
        (("LeakyRelu", ["a"], ["y"], {"alpha": 0.3}), "alpha must be 0.01"),
        (("Gelu", ["a"], ["y"], {"approximate": "tanh"}), "approximate must be"),
        (("Gemm", ["a", "w", "b"], ["y"], {"alpha": 2.0}), "alpha and beta 1"),
        (("Gemm", ["a", "x"], ["y"], {}), "'x' must be a constant"),
        (("Gemm", ["a", "w"], ["y"], {}), "by a matrix of 3 rows"),
        (("Div", ["a", "zero"], ["y"], {}), "divisor must not be 0"),
        (("Tanh", ["later"], ["y"], {}), "later"),
        (("Softmax", ["a"], ["y"], {"axis": 0}), "axis must be the last"),
    ],
)
def test_other_nodes_are_refused_by_name(node, message, tmp_path):
    kind, inputs, results, attributes = node
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w"], ["a"]),
        onnx.helper.make_node(kind, inputs, results, "here", **attributes),
    ]
    onnx.save(model_of(nodes, {"w": np.ones((3, 2)), "b": np.ones(2), "zero": [0.0]}), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message):
        from_onnx(tmp_path / "net.onnx")


def test_sizes_that_are_not_there(tmp_path):
    path = tmp_path / "net.onnx"
    model = model_of([onnx.helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((3, 2))})
    for dims, n_in in (([2**31, 2**31], 3), ([2**62, 4], 3), ([-1, -6], 3), ([3, 2], 10**9), ([10**9, 1], 10**9)):
        altered = onnx.ModelProto()
        altered.CopyFrom(model)
        altered.graph.initializer[0].dims[:] = dims
        altered.graph.input[0].type.tensor_type.shape.dim[1].dim_value = n_in
        path.write_bytes(altered.SerializeToString())
        with pytest.raises(ValueError, match=r"net\.onnx"):
            from_onnx(path)


def test_damaged_models(tmp_path):
    path = tmp_path / "net.onnx"
    fastbp.Network((3, 4, 2), skip="all", dtype="float32", seed=0).to_onnx(path)
    content = path.read_bytes()
    for altered in damaged(content, exchanged.N_DAMAGED):
        assert_refused_or_read(path, altered, from_onnx)


@pytest.mark.skipif(not COMPILED, reason="files are the same")
def test_what_is_refused_on_the_way_out(tmp_path):
    own = fastbp.Activation("own", lambda a: a, lambda a: 1.0)
    with pytest.raises(ValueError, match="ONNX has no form of activation 'own'"):
        fastbp.Network((1, 2, 1), activation=own).to_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
