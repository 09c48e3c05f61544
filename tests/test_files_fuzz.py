"""Damaged and crafted files: refused with the file's name, in bounded memory, and no code is run."""

import copy
import hashlib
import json
import random
import tracemalloc

import numpy as np
import pytest
from cases import COMPILED, Case, draw
from subprocesses import run_python

import fastbp

CASE = Case((2, 4, 3, 1), ["relu", "gelu"], skip="all", n_samples=12, seed=5)
OPTIONS = {"epochs": 4, "seed": 1, "batch_size": 5, "validation": 0.25, "patience": 3}
MEGABYTE = 1 << 20


def load_model(path):
    net = fastbp.Network.load(path)
    assert net.params.size == net.n_params
    assert np.isfinite(net.params).all()


def resume(path):
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    try:
        history = net.fit(X, T, checkpoint=path, resume=True, **OPTIONS)
    except ValueError:
        assert np.array_equal(net.params, before)
        raise
    assert history.n_epochs <= OPTIONS["epochs"]
    assert np.isfinite(net.params).all()


# Of each of four kinds of damage: 2,000 models, of layers and of edges, and 600 checkpoints in all.
N_CASES = {load_model: 250 if COMPILED else 50, resume: 150 if COMPILED else 15}


@pytest.fixture(params=["model", "model of edges", "checkpoint"])
def file(request, tmp_path):
    """(path, its content, what reads it)."""
    path = tmp_path / request.param
    net, X, T, _ = draw(CASE)
    if request.param == "checkpoint":
        net.fit(X, T, checkpoint=path, **OPTIONS | {"epochs": 2})
        return path, path.read_bytes(), resume
    if request.param == "model of edges":
        net = fastbp.Network.from_edges(2, 1, [(0, 2), (1, 2), (2, 3), (0, 4), (3, 4)], activation={2: "sin"}, seed=0)
    net.save(path)
    return path, path.read_bytes(), load_model


def refused(path, content, read):
    """Return whether a file is refused, in bounded memory, with its name."""
    path.write_bytes(content)
    tracemalloc.reset_peak()
    try:
        read(path)
        return False
    except ValueError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 2000
        return True
    finally:
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE + 60 * len(content)


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_flipped_bits_and_cuts(file, traced):
    path, content, read = file
    draws = random.Random(0)
    for _ in range(N_CASES[read]):
        place = draws.randrange(8 * len(content))
        altered = bytearray(content)
        altered[place // 8] ^= 1 << place % 8
        assert refused(path, bytes(altered), read)
        assert refused(path, content[: draws.randrange(len(content))], read)


def sign(content):
    """Give what comes after the checksum a right one."""
    start = content.index(b"\n") + 1
    rest = content[start + 65 :]
    return content[:start] + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def with_header(content, header):
    start = content.index(b"\n") + 1 + 65
    return sign(content[:start] + json.dumps(header).encode() + content[content.index(b"\n", start) :])


def header_of(content):
    return json.loads(content.split(b"\n")[2])


ODD = [
    *(0, 1, -1, 2, 3, 2**31, 2**32, 2**62, 2**63, 2**64, 10**30, 0.5, 1e308, float("nan"), float("inf"), True, None),
    *(
        "",
        "relu",
        "softmax",
        "float64",
        "float16",
        "adam",
        "__import__('os').abort()",
        "\ud800",
        [],
        {},
        [[]],
        [0],
        [-1],
    ),
    *([2, 4], [[0, 2]], [2**32, 2**32], [1] * 300, {"a": 1}, ["relu"] * 300, [[0, 1]] * 300, [None]),
]


def places(value, path=()):
    """Return the path of every value inside a header."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def changed(header, draws):
    """Put odd values somewhere, or leave something out."""
    header = json.loads(json.dumps(header))
    for _ in range(draws.choice([1, 1, 1, 2, 3])):
        *path, last = draws.choice(places(header))
        parent = header
        for key in path:
            parent = parent[key]
        if draws.random() < 0.1:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(draws.choice(ODD))
    return header


def test_crafted_headers(file, traced):
    """The checksum is right: a header may be another one that makes sense, or must be refused."""
    path, content, read = file
    draws, n_refused, header = random.Random(1), 0, header_of(content)
    for _ in range(N_CASES[read]):
        n_refused += refused(path, with_header(content, changed(header, draws)), read)
    assert n_refused > 0.9 * N_CASES[read]


@pytest.mark.filterwarnings("ignore:The loss is no longer finite")
def test_crafted_bytes(file, traced):
    """The checksum is right, of bytes that are anything: weights of 1e300, too."""
    path, content, read = file
    start, draws, n_refused = content.index(b"\n") + 66, random.Random(2), 0
    for _ in range(N_CASES[read]):
        altered = bytearray(content)
        for _ in range(draws.choice([1, 2, 8, 64])):
            altered[draws.randrange(start, len(content))] = draws.randrange(256)
        n_refused += refused(path, sign(bytes(altered)), read)
    assert n_refused > 0.2 * N_CASES[read]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"version": 1, "extra": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"version": ' + b"9" * 100_000 + b"}",
        b'{"version": 2}',
        b'{"version": true}',
        b'{"version": 0}',
        b'{"version": 1.0}',
        b"\xff\xfe",
        b"",
        b" " * (17 * MEGABYTE) + b'{"version": 1}',
    ],
    ids=["deep list", "deep dict", "long number", "newer", "bool", "zero", "float", "no text", "empty", "too long"],
)
def test_lines_that_are_no_header(line, file, traced):
    path, content, read = file
    start = content.index(b"\n") + 66
    assert refused(path, sign(content[:start] + line + b"\n" + content[content.index(b"\n", start) + 1 :]), read)


def test_sizes_whose_products_wrap_around(tmp_path, traced):
    """Of 64 bits, the products of these sizes and their sums leave a small number."""
    net = draw(Case((3, 5), bias=False)).net
    net.save(tmp_path / "a.net")
    content = (tmp_path / "a.net").read_bytes()
    for sizes in ([2**31, 2**31, 2**31, 2**31, 2**31], [2**32, 2**32, 15, 1], [2**63, 2, 15, 1], [2**62, 4, 1, 15, 1]):
        functions = ["identity"] * (len(sizes) - 1)
        header = header_of(content) | {"sizes": sizes, "functions": functions}
        assert refused(tmp_path / "a.net", with_header(content, header), load_model)


def test_more_layers_than_a_file_may_have(tmp_path, monkeypatch):
    net = draw(CASE).net
    net.save(tmp_path / "a.net")
    monkeypatch.setattr("fastbp.files.models.MAX_LAYERS", 3)
    with pytest.raises(ValueError, match="3 layers"):
        net.save(tmp_path / "b.net")
    with pytest.raises(ValueError, match="at most 3 items"):
        fastbp.Network.load(tmp_path / "a.net")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.net"]


def test_an_order_that_is_none_is_refused(tmp_path):
    """Rows are read by it: a number that is too large would read past the user's array."""
    path = tmp_path / "run.ckpt"
    net, X, T, _ = draw(CASE)
    net.fit(X, T, checkpoint=path, seed=1, batch_size=5, epochs=2)
    content = path.read_bytes()
    ends = len(content) - 8 * 4  # of the order: the best loss, the time and the losses of two epochs follow
    start = ends - 4 * len(X)
    assert sorted(np.frombuffer(content[start:ends], "<u4")) == list(range(len(X)))
    for row in (0, 12, 2**32 - 1):
        order = np.full(len(X), row, "<u4")
        path.write_bytes(sign(content[:start] + order.tobytes() + content[ends:]))
        with pytest.raises(ValueError, match="permutation"):
            net.fit(X, T, checkpoint=path, resume=True, seed=1, batch_size=5, epochs=4)


@pytest.mark.parametrize(("place", "value", "name"), [(-1, -1.0, "moments"), (0, 1.5, "decay"), (1, -0.5, "decay")])
def test_a_state_that_no_solver_leaves_is_refused(tmp_path, place, value, name):
    """A mean of squares below 0 has no root; a power of 0.9 lies between 0 and 1."""
    path = tmp_path / "run.ckpt"
    net, X, T, _ = draw(CASE)
    options = {"checkpoint": path, "solver": "adam", "seed": 1, "batch_size": 5}
    net.fit(X, T, epochs=2, **options)
    content = bytearray(path.read_bytes())
    behind = 8 * (1 + 1 + 1 + 2) + 4 * len(X)  # random, best_loss, time, two losses; the order of the samples
    decay = np.frombuffer(content, "<f8", 2, len(content) - behind - 16)
    np.testing.assert_allclose(decay, np.array([0.9, 0.999]) ** 6)  # after two epochs of three steps
    start = len(content) - behind - 16 + 8 * place  # the squares stand before the decay
    content[start : start + 8] = np.array([value], "<f8").tobytes()
    path.write_bytes(sign(bytes(content)))
    with pytest.raises(ValueError, match=name):
        net.fit(X, T, epochs=4, resume=True, **options)


AUDIT = """
import sys
import fastbp

path, damaged = sys.argv[1:]
fastbp.Network.load(path)  # all that loading imports
forbidden = ("exec", "compile", "import", "pickle.", "marshal.", "os.system", "os.exec", "os.fork", "subprocess.")


def watch(event, args):
    if watching and event.startswith(forbidden):
        print(event, args, flush=True)


watching = False
sys.addaudithook(watch)
watching = True
fastbp.Network.load(path)
try:
    fastbp.Network.load(damaged)
except ValueError as error:
    watching = False
    print("refused" if "__import__" in str(error) else error)
"""


@pytest.mark.compiled_only
def test_loading_runs_no_code(tmp_path):
    """Python's own audit events: nothing is compiled, run, unpickled or started, whatever a file names."""
    path, damaged = tmp_path / "a.net", tmp_path / "damaged.net"
    draw(CASE).net.save(path)
    content = path.read_bytes()
    header = header_of(content) | {"functions": ["__import__('os').abort()", "gelu", "identity"]}
    damaged.write_bytes(with_header(content, header))
    assert run_python(AUDIT, str(path), str(damaged)) == "refused\n"
