"""Files: what comes back, what is refused, and what a failing write leaves behind; pickles and copies."""

import contextlib
import copy
import hashlib
import json
import pickle

import irregular
import numpy as np
import pytest
from cases import COMPILED, Case, draw
from subprocesses import run_python

import fastbp
import fastbp.io
from fastbp.exporting import safetensors
from fastbp.files import container, models, outputs

NETWORKS = [
    Case((3, 5, 2)),
    Case((2, 4, 3, 2), ["relu", "gelu"], "softmax", "cross_entropy", skip="all"),
    Case((1, 1), bias=False, output="exp", loss="poisson"),
    Case((4, 17, 1), "leaky_relu", "logistic", "binary_cross_entropy", skip=((0, 2),)),
    Case((2, 3), loss=fastbp.Loss("quantile", quantile=0.9)),
    Case((2, 3), loss=fastbp.Loss("huber", threshold=0.3)),
]


def assert_same_network(one, other):
    assert one.sizes == other.sizes
    assert one.skip == other.skip
    assert one.layer_functions == other.layer_functions
    assert one.loss_function == other.loss_function
    assert one.dtype == other.dtype
    assert one.params.dtype == other.params.dtype
    assert one.params.tobytes() == other.params.tobytes()
    assert repr(one) == repr(other)


@pytest.fixture
def saved(tmp_path):
    net = draw(NETWORKS[1]).net
    net.save(tmp_path / "small.net")
    return tmp_path / "small.net"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_round_trip(case, dtype, tmp_path):
    net, X, T, _ = draw(case, dtype)
    net.save(tmp_path / "a.net")
    loaded = fastbp.Network.load(tmp_path / "a.net")
    assert_same_network(net, loaded)
    assert np.array_equal(net.forward(X), loaded.forward(X))
    (E, grad), (E_loaded, grad_loaded) = net.gradient(X, T), loaded.gradient(X, T)
    assert E_loaded == E
    assert np.array_equal(grad, grad_loaded)
    loaded.fit(X, T, epochs=1)  # the parameters of a loaded network are writable
    assert not np.array_equal(net.params, loaded.params)


def test_special_bits_survive(tmp_path):
    net = draw(Case((2, 3))).net
    net.params = np.array([-0.0, 5e-324, -1.7976931348623157e308, 1 / 3, 2**-1022, 1, 2, 3, 4])
    net.save(tmp_path / "bits.net")
    assert fastbp.Network.load(tmp_path / "bits.net").params.tobytes() == net.params.tobytes()


@pytest.mark.parametrize("as_path", [str, lambda p: p], ids=["str", "Path"])
def test_paths(as_path, tmp_path):
    net = draw(NETWORKS[0]).net
    net.save(as_path(tmp_path / "name with blanks and ä.net"))
    assert_same_network(net, fastbp.Network.load(as_path(tmp_path / "name with blanks and ä.net")))
    assert len(list(tmp_path.iterdir())) == 1


def test_saving_over_an_older_file(saved):
    net = draw(NETWORKS[0]).net
    net.save(saved)
    assert_same_network(net, fastbp.Network.load(saved))
    assert list(saved.parent.iterdir()) == [saved]


def test_extra_travels_with_the_network(tmp_path):
    extra = {"columns": ["a", "b"], "scale": [0.1, -2.5e-300], "nested": {"ä": None, "n": 3, "on": True}}
    net = draw(NETWORKS[0]).net
    fastbp.io.save_network(net, tmp_path / "extra.net", extra=extra)
    loaded, loaded_extra = fastbp.io.load_network(tmp_path / "extra.net")
    assert_same_network(net, loaded)
    assert loaded_extra == extra
    assert_same_network(net, fastbp.Network.load(tmp_path / "extra.net"))


# ---------------------------------------------------------------- files that are refused


def assert_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError) as refusal:
        fastbp.Network.load(path)
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value)) > len(str(path)) + 10  # a reason as well


def test_truncated_files(saved):
    content = saved.read_bytes()
    for length in [*range(0, min(64, len(content))), *range(64, len(content), 7), len(content) - 1]:
        assert_refused(saved, content[:length])


def test_a_byte_too_many(saved):
    assert_refused(saved, saved.read_bytes() + b"\0")


def test_every_altered_byte_is_noticed(saved):
    content = saved.read_bytes()
    assert len(content) < 5000
    for place in range(0, len(content), 1 if COMPILED else 7):
        altered = bytearray(content)
        altered[place] ^= 1 << place % 8
        assert_refused(saved, bytes(altered))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 1000,
        b"hello\n",
        b"PK\x03\x04" + b"\0" * 500,
        pickle.dumps({"params": [1.0]}),
        b"\x93NUMPY\x01\x00",
    ],
    ids=["empty", "zeros", "text", "zip", "pickle", "npy"],
)
def test_files_of_other_kinds(content, tmp_path):
    assert_refused(tmp_path / "other.net", content)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastbp.Network.load(tmp_path / "missing.net")


def test_loading_unpickles_nothing(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a file of weights must not be unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert fastbp.Network.load(saved).n_params == draw(NETWORKS[1]).net.n_params


# ---------------------------------------------------------------- the format, written out by hand

HEADER = {
    "version": 1,
    "sizes": [2, 3, 1],
    "functions": ["relu", "logistic"],
    "loss": "binary_cross_entropy",
    "bias": True,
    "skip": [[0, 2]],
    "dtype": "float32",
    "n_params": 15,
    "extra": {"note": "ä"},
}


def file_of(header, params=range(15)):
    content = json.dumps(header).encode() + b"\n" + np.array(params, "<f4").tobytes()
    return b"fastbp model\n" + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def test_files_of_format_1_are_read(tmp_path):
    """Files that were once written must stay readable: this test is never to be adapted."""
    (tmp_path / "old.net").write_bytes(file_of(HEADER))
    net, extra = fastbp.io.load_network(tmp_path / "old.net")
    assert net.sizes == (2, 3, 1)
    assert net.layer_functions == ("relu", "logistic")
    assert net.dtype == np.float32
    assert np.array_equal(net.weights[0], [[0, 1], [2, 3], [4, 5]])
    assert np.array_equal(net.weights[1], [[6, 7, 8]])
    assert np.array_equal(net.skip_weights[0, 2], [[9, 10]])
    assert np.array_equal(np.concatenate(net.biases), [11, 12, 13, 14])
    assert extra == {"note": "ä"}


def without(key):
    return {name: value for name, value in HEADER.items() if name != key}


SENSELESS = {
    "newer version": HEADER | {"version": 2},
    "version as text": HEADER | {"version": "1"},
    "one layer": HEADER | {"sizes": [15]},
    "negative size": HEADER | {"sizes": [2, -3, 1]},
    "huge sizes": HEADER | {"sizes": [10**30, 10**30, 1]},
    "sizes that wrap around": HEADER | {"sizes": [2**32, 2**32, 1]},
    "sizes as text": HEADER | {"sizes": "231"},
    "other sizes": HEADER | {"sizes": [2, 4, 1]},
    "functions missing": HEADER | {"functions": ["relu"]},
    "function unknown": HEADER | {"functions": ["relu", "logit"]},
    "functions nested": HEADER | {"functions": [["relu"], "logistic"]},
    "softmax inside": HEADER | {"functions": ["softmax", "logistic"]},
    "loss unknown": HEADER | {"loss": "mse"},
    "option of another loss": HEADER | {"loss_options": {"quantile": 0.5}},
    "option unknown": HEADER | {"loss_options": {"slope": 0.5}},
    "options no dictionary": HEADER | {"loss_options": [0.5]},
    "option as text": HEADER | {"loss": "huber", "loss_options": {"threshold": "1"}},
    "bias a number": HEADER | {"bias": 1},
    "skip to the next layer": HEADER | {"skip": [[0, 1]]},
    "skip backwards": HEADER | {"skip": [[2, 0]]},
    "skip twice": HEADER | {"skip": [[0, 2], [0, 2]]},
    "dtype unknown": HEADER | {"dtype": "float16"},
    "no dictionary": [1, 2, 3],
    "no extra": without("extra"),
    "no sizes": without("sizes"),
}


@pytest.mark.parametrize("kind", SENSELESS)
def test_headers_that_make_no_sense(kind, tmp_path):
    assert_refused(tmp_path / "odd.net", file_of(SENSELESS[kind]))


def test_skipping_twice_with_parameters_for_both(tmp_path):
    assert_refused(tmp_path / "odd.net", file_of(SENSELESS["skip twice"] | {"n_params": 17}, range(17)))


def test_parameters_that_are_not_finite(tmp_path):
    assert_refused(tmp_path / "odd.net", file_of(HEADER, np.full(15, np.nan)))


def test_a_newer_version_is_called_newer(tmp_path):
    (tmp_path / "new.net").write_bytes(file_of(HEADER | {"version": 2}))
    with pytest.raises(ValueError, match="newer"):
        fastbp.Network.load(tmp_path / "new.net")


def test_a_header_too_deep_to_read(tmp_path):
    content = b"[" * 100_000 + b"\n"
    digest = hashlib.sha256(content).hexdigest().encode()
    assert_refused(tmp_path / "deep.net", b"fastbp model\n" + digest + b"\n" + content)


# ---------------------------------------------------------------- writes that fail


def test_extra_that_is_no_json_leaves_the_old_file(saved):
    before = saved.read_bytes()
    with pytest.raises((TypeError, ValueError), match="extra"):
        fastbp.io.save_network(draw(NETWORKS[0]).net, saved, extra={"function": print})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


FULL_DISK = """
import resource, signal, sys
import irregular
import fastbp
from fastbp import io

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
net = fastbp.Network([100, 100, 10], seed=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # every file ends after 4 KiB, as on a full disk
try:
    net.save(sys.argv[1])
except OSError:
    print("OSError")
"""


def test_a_full_disk_leaves_the_old_file(saved):
    pytest.importorskip("resource")
    before = saved.read_bytes()
    assert run_python(FULL_DISK, str(saved)) == "OSError\n"
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        draw(NETWORKS[0]).net.save(tmp_path / "nowhere" / "a.net")


# ---------------------------------------------------------------- pickles and copies


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_pickles_and_deep_copies(case):
    net, X, T, _ = draw(case)
    for twin in [
        pickle.loads(pickle.dumps(net)),
        pickle.loads(pickle.dumps(net, protocol=2)),
        copy.deepcopy(net),
    ]:
        assert_same_network(net, twin)
        assert not np.shares_memory(net.params, twin.params)
        before = net.params.copy()
        twin.weights[0][:] += 1.0  # the views of a copy look at the copy's own parameters
        assert not np.array_equal(twin.params, net.params)
        twin.fit(X, T, epochs=1)
        assert np.array_equal(net.params, before)


def test_history_can_be_pickled():
    net, X, T, _ = draw(NETWORKS[0])
    history = net.fit(X, T, epochs=2)
    assert pickle.loads(pickle.dumps(history)).loss == history.loss


# ---------------------------------------------------------------- networks of edges


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_of_edges(tmp_path, dtype):
    net, X, _T = irregular.build(irregular.draw(4, n_units=40), 4, dtype)
    path = tmp_path / "edges.fastbp"
    net.save(path)
    loaded = fastbp.Network.load(path)
    assert loaded.dtype == net.dtype
    assert np.array_equal(loaded.forward(X), net.forward(X))
    assert np.array_equal(loaded.edges, net.edges)
    assert np.array_equal(loaded.edge_weights, net.edge_weights)
    assert np.array_equal(loaded.unit_biases, net.unit_biases, equal_nan=True)
    assert loaded.unit_functions == net.unit_functions
    assert repr(loaded) == repr(net)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_edges": 10**15}, "bytes of edges and units were expected"),
        ({"n_units": 10**15}, "bytes of edges and units were expected"),
        ({"n_edges": -1}, "n_edges must be at least 0"),
        ({"n_inputs": 0}, "n_inputs must be at least 1"),
        ({"functions": ["tanh"]}, "functions must be numbers below 1"),
        ({"functions": ["tanh", "softmax"]}, "softmax"),
        ({"functions": ["tanh", "unheard of"]}, "activation 'unheard of' is not one of fastbp's"),
        ({"n_params": 3}, "parameters were expected"),
    ],
)
def test_networks_of_edges_that_make_no_sense(tmp_path, change, message):
    edges = [(0, 2), (1, 2), (2, 3), (1, 3), (2, 4), (3, 4)]
    net = fastbp.Network.from_edges(2, 1, edges, activation={2: "sin"}, output="sin")
    header, arrays = models._graph_of(net)
    header |= {"loss": "squared_error", "dtype": "float64", "n_params": net.n_params, "extra": {}} | change
    path = tmp_path / "edges.fastbp"
    container.write(path, models.MODEL, header, arrays)
    with pytest.raises(ValueError, match=message):
        fastbp.Network.load(path)


def test_edges_with_a_cycle_are_refused(tmp_path):
    net = fastbp.Network.from_edges(1, 1, [(0, 1), (1, 2), (2, 3)])
    header, arrays = models._graph_of(net)
    header |= {"loss": "squared_error", "dtype": "float64", "n_params": net.n_params, "extra": {}}
    arrays[0] = np.array([[1, 2], [2, 1], [2, 3]])
    path = tmp_path / "edges.fastbp"
    container.write(path, models.MODEL, header, arrays)
    with pytest.raises(ValueError, match="no cycle"):
        fastbp.Network.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_has_lost_its_numbers_is_not_saved(value, tmp_path):
    """Its file could not be read; the one that was there stays."""
    layered, of_edges = fastbp.Network((2, 3, 1), seed=0), fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2)], seed=0)
    for net in (layered, of_edges):
        net.save(tmp_path / "a.fastbp")
        net.params[1] = value
        with pytest.raises(ValueError, match=rf"params must be finite to be saved; params\[1\] is {value}"):
            net.save(tmp_path / "a.fastbp")
        assert np.isfinite(fastbp.Network.load(tmp_path / "a.fastbp").params).all()


@pytest.mark.parametrize("suffix", [".net", ".safetensors"])
def test_saved_while_another_thread_trains(tmp_path, monkeypatch, suffix):
    """What is written is what the checksum was made of, whatever happens to the weights meanwhile."""
    net, opened = fastbp.Network((2, 3, 1), seed=0), outputs.replacing
    before = net.params.copy()

    @contextlib.contextmanager
    def trained_meanwhile(path):
        net.params[:] = 7.0
        with opened(path) as file:
            yield file

    for module in (container, safetensors):
        monkeypatch.setattr(module, "replacing", trained_meanwhile)
    net.save(tmp_path / f"a{suffix}")
    assert np.array_equal(fastbp.Network.load(tmp_path / f"a{suffix}").params, before)


@pytest.mark.parametrize("extra", [{1: 1, "1": 2}, {"a": [{"b": {None: 0}}]}, {"a": {True: 1}}])
def test_keys_that_json_would_rename_are_refused(extra, tmp_path):
    with pytest.raises(TypeError, match=r"keys of extra.* must be strings"):
        fastbp.io.save_network(fastbp.Network((2, 1)), tmp_path / "a.net", extra)
    assert not list(tmp_path.iterdir())
