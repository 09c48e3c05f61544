"""ONNX: what onnxruntime makes of what `to_onnx` writes; what `from_onnx` makes of the graphs of others."""

import json

import exchanged
import numpy as np
import pytest
from cases import COMPILED
from hostile import MEGABYTE, assert_refused_or_read, bounded_memory, damaged

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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_there_and_back(seed, dtype, tmp_path):
    """Layers with skips, of all functions; those that are several nodes in the file, too."""
    rng = np.random.default_rng(seed)
    net = exchanged.draw_layered(rng, dtype)
    functions = [str(name) for name in rng.choice(sorted(FUNCTIONS - {"softmax"}), len(net.sizes) - 2)]
    output = str(rng.choice(["identity", "logistic", "softplus"]))
    other = fastbp.Network(net.sizes, activation=functions, output=output, skip=net.skip, dtype=dtype, seed=1)
    other.to_onnx(tmp_path / "net.onnx")
    back = from_onnx(tmp_path / "net.onnx")
    assert back.sizes == other.sizes
    assert back.layer_functions == other.layer_functions
    assert np.array_equal(back.params, other.params)
    assert back.skip == other.skip
    double = from_onnx(tmp_path / "net.onnx", dtype="float64")
    assert double.dtype == "float64"


def test_what_a_file_says_of_its_functions_is_checked(tmp_path):
    path = tmp_path / "net.onnx"
    net = fastbp.Network((3, 4, 2), activation="silu", output="gaussian", dtype="float32", seed=0)
    net.to_onnx(path)
    model = onnx.load(path)
    (entry,) = model.metadata_props
    (silu, gaussian) = described = json.loads(entry.value)
    assert [name for name, _a, _output in described] == ["silu", "gaussian"]
    for changed, message in [
        ([["gaussian", *silu[1:]], gaussian], "for a sample of random numbers its output"),
        ([["silu", *gaussian[1:]], silu], "must be what fastbp can be"),
        ([silu], "must be a constant"),
        ([silu, ["gaussian", "x", gaussian[2]]], "x"),
        ([silu, ["gaussian", gaussian[2], gaussian[2]]], "a tensor that it has not"),
        ([silu, ["gaussian", gaussian[1], "z"]], "a tensor that it has not"),
        ([["pickle", *silu[1:]], gaussian], "fastbp.functions must be one of"),
        ([3], "int"),
        ("[" * 100_000, "recursion"),
    ]:
        entry.value = changed if isinstance(changed, str) else json.dumps(changed)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=message):
            from_onnx(path)


def test_scalings_that_weights_cannot_hold_are_refused(tmp_path):
    node = onnx.helper.make_node
    nodes = [node("Sub", ["x", "mean"], ["c"]), node("Div", ["c", "scale"], ["z"]), node("MatMul", ["z", "w"], ["y"])]
    path = tmp_path / "net.onnx"
    constants = {"scale": [3.0], "w": np.random.default_rng(0).normal(size=(3, 2))}
    X = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32) * 3
    for mean in (0.0, 100.0, 1e6):
        path.write_bytes(model_of(nodes, constants | {"mean": [mean]}).SerializeToString())
        if mean > 1e3:
            with pytest.raises(ValueError, match=r"before the weights at 'z' must not shift.*dtype=.float64"):
                from_onnx(path)
        x = X + np.float32(mean)
        found = from_onnx(path, dtype="float64").forward(x)
        assert np.abs(found - (x.astype(float) - mean) / 3 @ constants["w"].astype(np.float32)).max() < 1e-6


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
        (("Add", ["a", "column"], ["y"], {}), r"'column' must be a row of 1 or 2 numbers; its shape is \(3, 1\)"),
        (("Mul", ["column", "a"], ["y"], {}), "must be a row of 1 or 2"),
        (("Gemm", ["a", "square", "column"], ["y"], {}), "must be a row of 1 or 2"),
        (("Dropout", ["a", "", "yes"], ["y"], {}), "training_mode must be false"),
        (("Dropout", ["a", "", "x"], ["y"], {}), "training_mode must be false"),
        (("Relu", ["a"], ["y"], {"alpha": 0.5}), "attribute 'alpha' is not known"),
        (("Tanh", ["a"], ["w"], {}), "one output, of a name of its own"),
        (("Tanh", ["a"], ["a"], {}), "one output, of a name of its own"),
        (("Gelu", ["a"], ["y"], {"approximate": "tanh"}), "approximate must be"),
        (("Gemm", ["a", "w", "b"], ["y"], {"alpha": 2.0}), "alpha must be 1.0"),
        (("Gemm", ["a", "x"], ["y"], {}), "'x' must be a constant"),
        (("Gemm", ["a", "w"], ["y"], {}), "by a matrix of 3 rows"),
        (("Div", ["a", "zero"], ["y"], {}), "divisor must not be 0"),
        (("Tanh", ["later"], ["y"], {}), "later"),
        (("Softmax", ["a"], ["y"], {"axis": 0}), "axis must be"),
    ],
)
def test_other_nodes_are_refused_by_name(node, message, tmp_path):
    kind, inputs, results, attributes = node
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w"], ["a"]),
        onnx.helper.make_node(kind, inputs, results, "here", **attributes),
    ]
    constants = {"w": np.ones((3, 2)), "b": np.ones(2), "zero": [0.0], "column": np.ones((3, 1)), "yes": [1.0]}
    constants["square"] = np.ones((2, 2))
    onnx.save(model_of(nodes, constants), tmp_path / "net.onnx")
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
    from_onnx(path)  # what is loaded and compiled once is none of a file's memory
    for altered in damaged(content, exchanged.N_DAMAGED):
        assert_refused_or_read(path, altered, from_onnx)


@pytest.mark.skipif(not COMPILED, reason="files are the same")
def test_what_is_refused_on_the_way_out(tmp_path):
    own = fastbp.Activation("own", lambda a: a, lambda a: 1.0)
    with pytest.raises(ValueError, match="ONNX has no form of activation 'own'"):
        fastbp.Network((1, 2, 1), activation=own).to_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_models_that_are_none_of_ours(tmp_path):
    path = tmp_path / "net.onnx"
    gemm = onnx.helper.make_node("Gemm", ["x", "w"], ["y"])
    for change, message in [
        (lambda model: setattr(model.opset_import[0], "version", 6), "of opset 7 or later; got 6"),
        (lambda model: model.functions.add(name="Gemm"), "must define no functions; it has 'Gemm'"),
        (lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 10), "of type number 10"),
        (lambda model: model.graph.node.extend([gemm] * 10_000), "at most 10,000 nodes"),
    ]:
        model = model_of([gemm], {"w": np.ones((3, 2))})
        change(model)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=message):
            from_onnx(path)


def test_what_the_library_computes_otherwise_is_refused(tmp_path, monkeypatch):
    """A node whose meaning is another one than was thought: here, a function that is taken for the wrong one."""
    from fastbp.exchange import onnx_import

    monkeypatch.setitem(onnx_import.FUNCTIONS, "Tanh", ("logistic", {}))
    nodes = [onnx.helper.make_node("Gemm", ["x", "w"], ["a"]), onnx.helper.make_node("Tanh", ["a"], ["y"])]
    onnx.save(model_of(nodes, {"w": np.ones((3, 2))}), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="for a sample of random numbers its output 0 is"):
        from_onnx(tmp_path / "net.onnx")


def test_weights_that_follow_weights_are_a_layer(tmp_path):
    """(n, 1) times (1, n) would be n**2 numbers: two layers have 2 n."""
    rng, n, path = np.random.default_rng(0), 3000, tmp_path / "net.onnx"
    nodes = [onnx.helper.make_node("MatMul", ["x", "v"], ["a"]), onnx.helper.make_node("MatMul", ["a", "w"], ["y"])]
    onnx.save(model_of(nodes, {"v": rng.normal(size=(n, 1)), "w": rng.normal(size=(1, n))}, n, n), path)
    with bounded_memory(16 * MEGABYTE):
        net = from_onnx(path)
    assert net.sizes == (n, 1, n)
    X = rng.normal(size=(3, n)).astype(np.float32)
    assert exchanged.ulps(net.forward(X), outputs(path, X)) <= 16


def huge_models():
    """Yield (name, bytes): small files that would be large in memory."""
    node = onnx.helper.make_node
    scaled = [node("Mul", [f"z{k}", "two"], [f"z{k + 1}"]) for k in range(5000)]
    named = {"two": [2.0], "w": np.ones((100, 100))}
    yield "copies", model_of([node("MatMul", ["x", "w"], ["z0"]), *scaled], named, 100, 100)
    wide = [node("Identity", ["x"], ["z0"]), *scaled]
    yield "width", model_of(wide, {"two": [2.0], "bytes": np.zeros(100_000)}, 400_000, 400_000)
    sums = [node("Add", [f"z{k}", f"z{k}"], [f"z{k + 1}"]) for k in range(5000)]
    yield "sums", model_of([node("MatMul", ["x", "w"], ["z0"]), *sums], named, 100, 100)
    residual = [node("Identity", ["x"], ["z0"])]
    for k in range(500):
        residual += [node("MatMul", [f"z{k}", "w"], [f"a{k}"]), node("Tanh", [f"a{k}"], [f"h{k}"])]
        residual += [node("Add", [f"z{k}", f"h{k}"], [f"z{k + 1}"])]
    yield "residual", model_of(residual, named, 100, 100)
    yield "unit", model_of([node("Add", ["x", "two"], ["y"])], {"two": [2.0]}, 20_000, 20_000)


def test_small_models_that_would_be_large_are_refused(tmp_path):
    for name, model in huge_models():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        assert assert_refused_or_read(path, path.read_bytes(), from_onnx), name
    path = tmp_path / "empty.onnx"  # nodes of 2 bytes each, and other messages, which take a hundred in memory
    for field in (b"\x0a\x00", b"\x2a\x00", b"\x6a\x00"):
        graph = field * 1_500_000
        content = b"\x08\x09\x3a" + varint(len(graph)) + graph
        assert assert_refused_or_read(path, content, from_onnx)
        node = b"\x0a" + varint(len(graph)) + b"\x0a\x00" * 1_500_000
        assert assert_refused_or_read(path, b"\x08\x09\x3a" + varint(len(node)) + node, from_onnx)


def varint(n):
    return bytes([n & 127 | 128, *varint(n >> 7)]) if n > 127 else bytes([n])
