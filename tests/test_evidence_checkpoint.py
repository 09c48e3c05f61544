"""Checkpoints of `fit_evidence`: a search that was stopped, anywhere, comes to the bits of one that was not."""

import json

import numpy as np
import pytest
from refusals import refused
from stopped import interrupt_after
from subprocesses import run_python

import fastbp
from fastbp.files import container
from fastbp.training import checkpoint_files

pytestmark = pytest.mark.compiled_only

OPTIONS = {"seed": 3, "epochs": 8, "restarts": 3}


def wave(n_samples=40):
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, size=(n_samples, 2))
    return X, np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=n_samples)


X, T = wave()


def search(dtype="float64", seed_of_weights=0, **options):
    """Search from new weights; return the network with its evidence."""
    net = fastbp.Network((2, 3, 1), seed=seed_of_weights, dtype=dtype)
    return net, net.fit_evidence(X, T, **(OPTIONS | options))


def assert_same(one, other):
    (net, evidence), (other_net, other_evidence) = one, other
    assert net.params.tobytes() == other_net.params.tobytes()
    assert evidence.network.params.tobytes() == other_evidence.network.params.tobytes()
    for name in ("alpha", "covariance", "relevance"):
        assert getattr(evidence, name).tobytes() == getattr(other_evidence, name).tobytes(), name
    for name in ("beta", "gamma", "log_evidence", "groups", "kind"):
        assert getattr(evidence, name) == getattr(other_evidence, name), name
    for name in ("loss", "mu", "stopped_by"):
        assert getattr(evidence.history, name) == getattr(other_evidence.history, name), name


def count(**options):
    """The estimates of a whole search."""
    seen = []
    return search(callback=lambda _net, history: seen.append(history.n_epochs), **options), len(seen)


RUNS = {
    "inputs": {},
    "one decay": {"groups": "one", "update_every": 5},
    "float32": {"dtype": "float32"},
    "settled": {"epochs": 400, "update_every": 20, "restarts": 2},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_search_has_the_bits_of_one_that_was_not_interrupted(name, tmp_path):
    options = RUNS[name]
    whole, n_estimates = count(**options)
    assert n_estimates > 3
    for k in range(1, n_estimates, 1 if name == "inputs" else 5):
        path = tmp_path / f"{k}.ckpt"
        part = search(checkpoint=path, callback=interrupt_after(k), **options)
        assert part[1].history.stopped_by == "interrupt"
        rest, n_left = count(checkpoint=path, resume=True, seed_of_weights=9, **options)  # whatever weights are at hand
        assert n_left == n_estimates - k
        assert_same(rest, whole)


def test_interrupted_again_and_again(tmp_path):
    path, (whole, n_estimates) = tmp_path / "run.ckpt", count()
    for k in range(n_estimates - 1):
        found = search(checkpoint=path, resume=True, callback=interrupt_after(1), n_threads=1 + k % 2)
        assert found[1].history.stopped_by == "interrupt"
    assert_same(search(checkpoint=path, resume=True), whole)
    assert list(tmp_path.iterdir()) == [path]


def test_a_search_that_is_over_returns_at_once(tmp_path):
    path = tmp_path / "run.ckpt"
    whole = search(checkpoint=path)
    before = path.read_bytes()
    again = search(checkpoint=path, resume=True, callback=lambda _net, _history: pytest.fail("it is over"))
    assert_same(again, whole)
    assert path.read_bytes() == before
    assert again[1].history.time == whole[1].history.time


def test_more_beginnings_may_follow(tmp_path):
    path = tmp_path / "run.ckpt"
    search(checkpoint=path, restarts=2)
    assert_same(search(checkpoint=path, resume=True, restarts=4), search(restarts=4))
    with pytest.raises(ValueError, match="restarts must be at least 4, which have begun; got 3"):
        search(checkpoint=path, resume=True, restarts=3)


def test_a_callback_has_ended_it_for_good(tmp_path):
    path, seen = tmp_path / "run.ckpt", []

    def stop_in_the_second(_net, _history):
        seen.append(1)
        return len(seen) == 11

    ended = search(checkpoint=path, callback=stop_in_the_second)
    assert ended[1].history.stopped_by == "callback"
    assert_same(search(checkpoint=path, resume=True), ended)


def test_the_seed_that_was_drawn_stays(tmp_path):
    path, copy = tmp_path / "run.ckpt", tmp_path / "copy.ckpt"
    search(seed=None, checkpoint=path, callback=interrupt_after(4))
    copy.write_bytes(path.read_bytes())
    one, other = (search(seed=None, checkpoint=file, resume=True) for file in (path, copy))
    assert_same(one, other)


def test_without_a_file_and_without_resume_it_begins_at_the_beginning(tmp_path):
    path = tmp_path / "new.ckpt"
    assert_same(search(checkpoint=path, resume=True), search())
    assert_same(search(checkpoint=path, seed=4), search(seed=4))


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (None, [])])
def test_how_often_it_is_written(every, expected, tmp_path):
    path, stamps = tmp_path / "run.ckpt", []

    def look(_net, _history):  # before the checkpoint of this estimate
        stamps.append(path.stat().st_ino if path.exists() else None)

    search(checkpoint=path, checkpoint_every=every, callback=look, restarts=1, epochs=5)
    assert [n for n in range(1, 5) if stamps[n] != stamps[n - 1]] == expected
    assert path.exists()  # at the end, in any case


def test_an_error_in_a_callback_leaves_the_last_checkpoint_and_the_network(tmp_path):
    path, seen = tmp_path / "run.ckpt", []

    def fail(_net, history):
        seen.append(history.n_epochs)
        if len(seen) == 5:
            raise LookupError("mine")

    net = fastbp.Network((2, 3, 1), seed=0)
    before = net.params.copy()
    with pytest.raises(LookupError, match="mine"):
        net.fit_evidence(X, T, **OPTIONS, checkpoint=path, checkpoint_every=2, callback=fail)
    assert np.array_equal(net.params, before)
    assert_same(search(checkpoint=path, resume=True), search())


# ---------------------------------------------------------------- Ctrl-C


def test_ctrl_c_keeps_the_best_of_what_was_found():
    (_net, first), n_first = count(restarts=1)
    net, found = search(callback=interrupt_after(n_first + 1))  # one estimate of the second beginning
    assert found.history.stopped_by == "interrupt"
    assert found.log_evidence == first.log_evidence
    assert np.array_equal(net.params, first.network.params)


def test_ctrl_c_goes_back_to_the_last_estimate():
    states = []

    def interrupted_in_the_third(net, history):
        states.append((net.params.copy(), list(history.loss)))
        if len(states) == 3:
            raise KeyboardInterrupt

    net, found = search(callback=interrupted_in_the_third)
    assert np.array_equal(net.params, states[1][0])
    assert found.history.loss == states[1][1]


def test_ctrl_c_before_the_first_estimate_is_raised(tmp_path):
    net = fastbp.Network((2, 3, 1), seed=0)
    before = net.params.copy()
    with pytest.raises(KeyboardInterrupt):
        net.fit_evidence(X, T, **OPTIONS, callback=interrupt_after(0), checkpoint=tmp_path / "run.ckpt")
    assert np.array_equal(net.params, before)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def path(tmp_path):
    search(checkpoint=tmp_path / "run.ckpt", restarts=2)
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize(
    ("name", "other"),
    [("groups", "layers"), ("epochs", 9), ("update_every", 2), ("seed", 4), ("dtype", "float32")],
)
def test_another_search_is_refused(name, other, path):
    with pytest.raises(ValueError, match=rf"run\.ckpt.*another training.*\b{name} was"):
        search(checkpoint=path, resume=True, **{name: other})


def test_other_data_and_networks_are_refused_and_no_weight_changes(path):
    net = fastbp.Network((2, 3, 1), seed=5)
    before = net.params.copy()
    for name, x, t in (("X", X + 1e-12, T), ("T", X, T + 1e-12)):
        with pytest.raises(ValueError, match=rf"\b{name} is not the same"):
            net.fit_evidence(x, t, **OPTIONS, checkpoint=path, resume=True)
    assert np.array_equal(net.params, before)
    with pytest.raises(ValueError, match="sizes was"):
        fastbp.Network((2, 4, 1)).fit_evidence(X, T, **OPTIONS, checkpoint=path, resume=True)


def test_fit_and_fit_evidence_refuse_each_others(path):
    net = fastbp.Network((2, 3, 1), seed=0)
    with pytest.raises(ValueError, match="solver was 'evidence' and is 'lm'"):
        net.fit(X, T, solver="lm", seed=3, epochs=8, checkpoint=path, resume=True)
    net.fit(X, T, solver="lm", seed=3, epochs=8, checkpoint=path)
    with pytest.raises(ValueError, match="solver was 'lm' and is 'evidence'"):
        search(checkpoint=path, resume=True)


@pytest.mark.parametrize("where", [20, 200, -1])
def test_a_damaged_file_is_refused(where, path):
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its checksum does not match"):
        search(checkpoint=path, resume=True)
    path.write_bytes(content[:-8])
    with pytest.raises(ValueError, match="its checksum does not match"):
        search(checkpoint=path, resume=True)


def altered(path, change, numbers=lambda arrays: arrays):
    """Write a file anew with another header or other numbers, and a checksum that is right."""
    with container.reading(path, checkpoint_files.CHECKPOINT) as contents:
        header = json.loads(json.dumps(contents.header))
        array = contents.read(np.dtype(np.float64), (contents.n_bytes // 8,))
    change(header)
    container.write(path, checkpoint_files.CHECKPOINT, header, [numbers(array)])


def with_first(value):
    return lambda array: np.concatenate([[value], array[1:]])


@pytest.mark.parametrize(
    ("message", "change", "numbers"),
    [
        ("seed is not there", lambda h: h.pop("seed"), None),
        ("seed must be", lambda h: h.update(seed=-1), None),
        ("beginnings must be a list", lambda h: h.update(beginnings={}), None),
        ("beginnings must be one, or two", lambda h: h.update(beginnings=[]), None),
        ("beginnings must be one, or two", lambda h: h["beginnings"].reverse(), None),
        ("a beginning must be a dict", lambda h: h.update(beginnings=[3]), None),
        ("number must be", lambda h: h["beginnings"][0].update(number=-1), None),
        ("n_done must be", lambda h: h["beginnings"][1].update(n_done=9), None),
        ("n_epochs must be", lambda h: h["beginnings"][1].update(n_epochs=10), None),
        ("bytes of numbers were expected", lambda h: h["beginnings"][1].update(n_epochs=2), None),
        ("stopped_by must be", lambda h: h["beginnings"][1].update(stopped_by="goal"), None),
        ("params must be finite", lambda h: None, with_first(np.nan)),
        ("alpha must be above 0", lambda h: None, lambda array: -abs(array)),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(message, change, numbers, path):
    with container.reading(path, checkpoint_files.CHECKPOINT) as contents:
        n_beginnings = len(contents.header["beginnings"])
    assert n_beginnings == 2
    altered(path, change, *([] if numbers is None else [numbers]))
    with pytest.raises(ValueError, match=rf"run\.ckpt.*{message}|{message}.*run\.ckpt|run\.ckpt.*'seed' is not there"):
        search(checkpoint=path, resume=True)


def test_wrong_arguments(tmp_path):
    net = fastbp.Network((2, 3, 1), seed=0)
    before = net.params.copy()
    for options, argument in [
        ({"checkpoint": 3}, "checkpoint"),
        ({"checkpoint": tmp_path / "nowhere" / "a.ckpt"}, "checkpoint"),
        ({"checkpoint": tmp_path / "a", "checkpoint_every": 0}, "checkpoint_every"),
        ({"checkpoint": tmp_path / "a", "resume": "yes"}, "resume"),
        ({"checkpoint_every": 5}, "checkpoint_every"),
        ({"resume": True}, "resume"),
    ]:
        refused(lambda options=options: net.fit_evidence(X, T, **options), argument)
    (tmp_path / "mine.txt").write_text("my thesis")
    with pytest.raises(ValueError, match="is not a fastbp checkpoint file"):
        net.fit_evidence(X, T, checkpoint=tmp_path / "mine.txt")
    assert np.array_equal(net.params, before)
    assert (tmp_path / "mine.txt").read_text() == "my thesis"


KILLED = """
import os, signal, sys
import numpy as np
import fastbp

rng = np.random.default_rng(1)
X = rng.uniform(-1, 1, size=(40, 2))
T = np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=40)
left = int(sys.argv[2])


def callback(net, history):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


net = fastbp.Network((2, 3, 1), seed=0)
net.fit_evidence(
    X, T, seed=3, epochs=8, restarts=3, checkpoint=sys.argv[1], checkpoint_every=1, resume=True, callback=callback
)
net.save(sys.argv[1] + ".net")
"""


def test_killed_in_another_process(tmp_path):
    path = tmp_path / "run.ckpt"
    for n_estimates in (3, 9):
        with pytest.raises(AssertionError):
            run_python(KILLED, str(path), str(n_estimates))
    assert_same(search(checkpoint=path, resume=True), search())
