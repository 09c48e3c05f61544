"""safetensors: the same network comes back; the library and PyTorch read it; damaged and crafted files are refused."""

import json

import exchanged
import numpy as np
import pytest
from hostile import assert_refused_or_read, damaged

import fastbp
from fastbp.exchange import from_pytorch
from fastbp.exporting.safetensors import read_tensors, write_tensors

MODULES = {
    "identity": "Identity", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "ReLU", "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "softsign": "Softsign", "gelu": "GELU", "silu": "SiLU", "selu": "SELU", "mish": "Mish",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_there_and_back(seed, tmp_path):
    net, X = exchanged.draw(seed)
    net.save(tmp_path / "net.safetensors")
    back = fastbp.Network.load(tmp_path / "net.safetensors")
    assert repr(back) == repr(net)
    assert np.array_equal(back.edges, net.edges)
    assert np.array_equal(back.edge_weights, net.edge_weights)
    assert np.array_equal(back.unit_biases, net.unit_biases, equal_nan=True)
    assert np.array_equal(back.forward(X), net.forward(X))


@pytest.mark.parametrize("seed", range(exchanged.N_NETWORKS))
def test_pytorch_reads_it(seed, tmp_path):
    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    rng, dtype = np.random.default_rng(seed), ["float32", "float64"][seed % 2]
    sizes = [int(n) for n in rng.integers(1, 34, rng.integers(2, 5))]
    names = [str(name) for name in rng.choice(sorted(MODULES), len(sizes) - 1)]
    net = fastbp.Network(sizes, activation=names[:-1], output=names[-1], bias=bool(seed % 3), dtype=dtype, seed=seed)
    net.save(tmp_path / "net.safetensors")
    layers = []
    for n_in, n_out, name in zip(sizes[:-1], sizes[1:], names, strict=True):
        layers += [torch.nn.Linear(n_in, n_out, bias=net.bias), getattr(torch.nn, MODULES[name])()]
    model = torch.nn.Sequential(*layers).to(getattr(torch, dtype))
    model.load_state_dict(load_file(tmp_path / "net.safetensors"), strict=True)
    X = rng.uniform(-1, 1, (20, sizes[0])).astype(dtype)
    with torch.no_grad():
        exchanged.assert_same(model(torch.from_numpy(X)).numpy(), net, X)


def test_the_library_reads_and_writes_the_same(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    tensors = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(3, dtype=np.int64), "c": np.ones((), np.float32)}
    tensors["d"] = np.zeros((0, 3), np.float32)
    write_tensors(tmp_path / "ours.safetensors", tensors, {"format": "pt"})
    numpy.save_file(tensors, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    found = numpy.load_file(tmp_path / "ours.safetensors")
    again, metadata = read_tensors(tmp_path / "theirs.safetensors")
    assert metadata == {"format": "pt"}
    for name, tensor in tensors.items():
        for other in (found[name], again[name]):
            assert other.dtype == tensor.dtype
            assert np.array_equal(other, tensor)


def with_header(header, data=b"\0" * 64):
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(line).to_bytes(8, "little") + line + data


def entry(shape=(2, 4), offsets=(0, 64), dtype="F64"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 7, b"\xff" * 8, (10**9).to_bytes(8, "little") + b"{}", with_header(b"{"),
        with_header(b"[" * 100_000),
        with_header([]), with_header({}), with_header(b'{"a": 1, "a": 2}'), with_header({"a": 1}),
        with_header({"a": entry(shape=(2**32, 2**32))}), with_header({"a": entry(shape=(2**62, 4), offsets=(0, 0))}),
        with_header({"a": entry((0, 2**62), (0, 0))}, b""), with_header({"a": entry((2**62, 0, 4), (0, 0), "U8")}, b""),
        with_header({"a": entry(shape=(-2, -4))}), with_header({"a": entry(offsets=(0, 128))}),
        with_header({"a": entry(offsets=(64, 0))}), with_header({"a": entry(dtype="BF99")}),
        with_header({"a": entry(), "b": entry()}), with_header({"a": entry((4,), (32, 64))}),
        with_header({"a": entry((1e9,))}), with_header({"a": entry(), "__metadata__": {"a": 1}}),
        with_header({"a": entry([1] * 9 + [8])}), with_header({"a": entry((True, 8))}),
    ],
)  # fmt: skip
def test_files_that_make_no_sense(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    for read in (fastbp.Network.load, read_tensors):
        with pytest.raises(ValueError, match=r"net\.safetensors: "):
            read(path)


def test_numbers_of_16_bits(tmp_path):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    path = tmp_path / "net.safetensors"
    numbers = torch.cat([torch.randn(3, 40), torch.tensor([[0.0, -0.0, 3e38, 1e-40]] * 3)], dim=1)
    for kind in (torch.bfloat16, torch.float16):
        library.save_file({"0.weight": numbers.to(kind), "0.bias": numbers[:, 0].contiguous().to(kind)}, path)
        tensors = read_tensors(path)[0]
        assert np.array_equal(tensors["0.weight"].astype(np.float32), numbers.to(kind).float().numpy())
        assert tensors["0.bias"].shape == (3,)
    library.save_file({"0.weight": numbers.bfloat16()}, path)
    net = from_pytorch(path)
    assert net.dtype == "float32"
    assert np.array_equal(net.weights[0], numbers.bfloat16().float().numpy())
    assert from_pytorch(path, dtype="float64").dtype == "float64"


@pytest.mark.parametrize("seed", [0, 3])
def test_damaged_files(seed, tmp_path):
    path = tmp_path / "net.safetensors"
    exchanged.draw(seed)[0].save(path)
    content, n_refused = path.read_bytes(), 0
    for altered in damaged(content, exchanged.N_DAMAGED, seed):
        n_refused += assert_refused_or_read(path, altered, fastbp.Network.load)
    assert n_refused > 0.4 * exchanged.N_DAMAGED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version must be 1"),
        ({"sizes": [3, 10**9, 2]}, "not those of its layers"),
        ({"sizes": [2**62, 4, 2]}, "not those of its layers"),
        ({"sizes": [3]}, "do not fit together"),
        ({"functions": ["__import__", "identity"]}, "functions must be one of"),
        ({"functions": ["softmax", "identity"]}, "softmax is for the output"),
        ({"skip": [[0, 2]]}, "not those of its layers"),
        ({"skip": [[0, 99]]}, "skip must be at most 2"),
        ({"loss": "none"}, "name must be one of"),
        ({"bias": 1}, "bias must be True or False"),
    ],
)
def test_descriptions_that_make_no_sense(changes, message, tmp_path):
    path = tmp_path / "net.safetensors"
    fastbp.Network((3, 4, 2), seed=0).save(path)
    tensors, metadata = read_tensors(path)
    header = json.loads(metadata["fastbp"]) | changes
    write_tensors(path, tensors, {"fastbp": json.dumps(header)})
    with pytest.raises(ValueError, match=message):
        fastbp.Network.load(path)


def test_descriptions_of_edges_that_make_no_sense(tmp_path):
    path = tmp_path / "net.safetensors"
    net = fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2), (2, 3)], seed=0)
    net.save(path)
    tensors, metadata = read_tensors(path)
    for name, values, message in [
        ("edges", np.array([[0, 2], [2, 3], [3, 2]]), "no cycle"),
        ("edges", np.array([[0, 2], [1, 10**9], [2, 3]]), "name units from 0 to 3"),
        ("edge_weights", np.array([np.nan, 1, 2]), "finite"),
        ("edge_weights", np.array([1.0, 2.0]), "not those of its units"),
        ("unit_functions", np.array([0, 7]), "numbers below"),
        ("unit_has_bias", np.array([1, 0, 0, 1], np.uint8), "inputs have no bias"),
    ]:
        write_tensors(path, tensors | {name: values}, metadata)
        with pytest.raises(ValueError, match=message):
            fastbp.Network.load(path)


def test_activations_of_the_user_are_named(tmp_path):
    own = fastbp.Activation("twice", lambda a: 2.0 * a, lambda a: 2.0)
    net = fastbp.Network((2, 3, 1), activation=own, seed=0)
    net.save(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="functions must be one of"):
        fastbp.Network.load(tmp_path / "net.safetensors")
    back = fastbp.Network.load(tmp_path / "net.safetensors", [own])
    assert np.array_equal(back.params, net.params)


class Own(fastbp.Network):
    """A subclass of a user's."""


@pytest.mark.parametrize("seed", [0, 3])
def test_a_subclass_gets_its_own(seed, tmp_path):
    net, X = exchanged.draw(seed)
    net.save(tmp_path / "net.safetensors")
    back = Own.load(tmp_path / "net.safetensors")
    assert type(back) is Own
    assert np.array_equal(back.forward(X), net.forward(X))
