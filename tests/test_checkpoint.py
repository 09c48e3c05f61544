"""Checkpoints: a training that was stopped, anywhere and in any way, comes to the bits of one that was not."""

import itertools
import os

import numpy as np
import pytest
from cases import Case, draw
from refusals import refused
from subprocesses import run_python

import fastbp
from fastbp.training import checkpoint_files

CASE = Case((2, 6, 1), "tanh", n_samples=45, weighted=True, seed=8)
EPOCHS = 12

RUNS = {
    "adam": {},
    "on-line": {"batch_size": 1},
    "on-line, momentum": {"batch_size": 1, "solver": "sgd", "momentum": 0.9},
    "batch": {"batch_size": None},
    "in order": {"shuffle": False},
    "sgd": {"solver": "sgd", "momentum": 0.9, "l2": 1e-3, "reduction": "sum"},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "nesterov": True, "schedule": "inverse_scaling"},
    "rmsprop": {"solver": "rmsprop", "schedule": "cosine"},
    "rprop": {"solver": "rprop"},
    "irprop+": {"solver": "rprop", "variant": "irprop+", "initial_step": (0.05, 0.2)},
    "quickprop": {"solver": "quickprop"},
    "rules": {"validation": 0.3, "stop": {"GL": 1e3, "P": 0.0}, "strip": 2},
    "function": {"learning_rate": lambda epoch: 0.01 / (epoch + 1)},
    "fraction": {"validation": 0.3, "patience": 5, "tol": 1e-4},
    "own set": {"validation": (np.full((4, 2), 0.3), np.ones((4, 1))), "patience": 2, "learning_rate": 0.2},
    "tol": {"tol": 0.1},
    "float32": {"dtype": "float32", "patience": 3},
    "factors": {"rate_factors": {"layers": [2.0, 0.5], "bias": 0.1}, "validation": 0.2},
    "coslog4": {"schedule": "coslog4", "warm_up": 2},
    "dropout": {"dropout": 0.4, "l1": 1e-3, "validation": 0.2},
}


def interrupt_after(n_epochs):
    def callback(net, history):
        if history.n_epochs == n_epochs:
            raise KeyboardInterrupt

    return callback


def run(options, **more):
    """Train a network that is drawn anew; return it with its history."""
    options = {"epochs": EPOCHS, "seed": 3, "batch_size": 8} | options
    net, X, T, weight = draw(CASE, options.pop("dtype", "float64"))
    if options.get("solver") in ("rprop", "quickprop"):
        del options["batch_size"]
    return net, net.fit(X, T, sample_weight=weight, **options, **more)


def assert_same_run(one, other):
    (net, history), (other_net, other_history) = one, other
    assert net.params.tobytes() == other_net.params.tobytes()
    for name in ("loss", "validation_loss", "best_epoch", "stopped_by"):
        assert getattr(history, name) == getattr(other_history, name), name


@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_has_the_bits_of_one_that_was_not_interrupted(name, tmp_path):
    options, path = RUNS[name], tmp_path / "run.ckpt"
    whole = run(options)
    assert whole[1].n_epochs >= 4
    for n_epochs in (1, 4, 7):  # the interrupted epoch counts from the last whole one
        callback = interrupt_after(n_epochs)
        part = run(options, checkpoint=path, checkpoint_every=100, resume=True, callback=callback)
        assert part[1].stopped_by == ("interrupt" if n_epochs <= whole[1].n_epochs else whole[1].stopped_by)
    seen = []
    rest = run(options, checkpoint=path, resume=True, callback=lambda net, history: seen.append(history.n_epochs))
    assert_same_run(rest, whole)
    assert seen == list(range(7, whole[1].n_epochs + 1)) or whole[1].n_epochs < 7
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["adam", "fraction", "own set", "tol"])
def test_a_finished_run_returns_at_once(name, tmp_path):
    options, path = RUNS[name], tmp_path / "run.ckpt"
    whole = run(options, checkpoint=path)
    before = path.read_bytes()
    again = run(options, checkpoint=path, resume=True, callback=lambda net, history: pytest.fail("it is over"))
    assert_same_run(again, whole)
    assert again[1].time == pytest.approx(whole[1].time, abs=0.5)
    assert path.read_bytes() == before


def test_the_seed_that_was_drawn_stays(tmp_path):
    """Without a seed, the order and the split are those of the first call all the same."""
    options = {"seed": None, "validation": 0.4}
    path, copy = tmp_path / "run.ckpt", tmp_path / "copy.ckpt"
    run(options, checkpoint=path, callback=interrupt_after(4))
    copy.write_bytes(path.read_bytes())
    one, other = (run(options, checkpoint=file, resume=True) for file in (path, copy))
    assert_same_run(one, other)


def test_more_epochs_may_follow(tmp_path):
    path = tmp_path / "run.ckpt"
    run({"epochs": 5}, checkpoint=path)
    assert_same_run(run({"epochs": 9}, checkpoint=path, resume=True), run({"epochs": 9}))
    with pytest.raises(ValueError, match="epochs must be at least 9"):
        run({"epochs": 8}, checkpoint=path, resume=True)


def test_threads_may_differ(tmp_path):
    path = tmp_path / "run.ckpt"
    run({}, checkpoint=path, callback=interrupt_after(5), n_threads=1)
    assert_same_run(run({}, checkpoint=path, resume=True, n_threads=2), run({}))


def test_windows_of_rates(tmp_path, monkeypatch):
    """Arrays are made for a window of epochs at a time: it may begin anywhere."""
    path, options = tmp_path / "run.ckpt", RUNS["rmsprop"]
    whole = run(options)
    monkeypatch.setattr("fastbp.training.options.WINDOW", 3)
    run(options, checkpoint=path, callback=interrupt_after(6))
    assert_same_run(run(options, checkpoint=path, resume=True), whole)


def test_a_network_of_edges(tmp_path):
    edges, path = [(0, 2), (1, 3), (2, 4), (3, 4), (0, 4)], tmp_path / "run.ckpt"
    _, X, T, _ = draw(CASE)
    nets = [fastbp.Network.from_edges(2, 1, edges, seed=seed) for seed in (0, 0, 1)]
    nets[0].fit(X, T, seed=0, epochs=6)
    nets[1].fit(X, T, seed=0, epochs=6, checkpoint=path, callback=interrupt_after(4))
    nets[2].fit(X, T, seed=0, epochs=6, checkpoint=path, resume=True)
    assert nets[0].params.tobytes() == nets[2].params.tobytes()
    other = fastbp.Network.from_edges(2, 1, [(1, 2), *edges[1:]], seed=0)
    with pytest.raises(ValueError, match="another training"):
        other.fit(X, T, seed=0, epochs=6, checkpoint=path, resume=True)


def test_without_a_file_it_begins_at_the_beginning(tmp_path):
    assert_same_run(run({}, checkpoint=tmp_path / "new.ckpt", resume=True), run({}))
    assert (tmp_path / "new.ckpt").exists()


def test_without_resume_it_begins_at_the_beginning(tmp_path):
    run({}, checkpoint=tmp_path / "old.ckpt")
    assert_same_run(run({"seed": 4}, checkpoint=tmp_path / "old.ckpt"), run({"seed": 4}))


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (None, [])])
def test_how_often_it_is_written(every, expected, tmp_path):
    path, stamps = tmp_path / "run.ckpt", []

    def look(net, history):  # before the checkpoint of this epoch
        stamps.append(path.stat().st_ino if path.exists() else None)

    run({"epochs": 6}, callback=lambda net, history: False)  # compiled now, not in the seconds that count
    run({"epochs": 6}, checkpoint=path, checkpoint_every=every, callback=look)
    changes = [n for n, (old, new) in enumerate(itertools.pairwise(stamps), start=1) if old != new]
    assert changes == expected
    assert path.exists()  # at the end, in any case


def test_by_the_clock(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    monkeypatch.setattr(checkpoint_files, "SECONDS", 0.0)
    monkeypatch.setattr(checkpoint_files, "WORTH", 0)
    seen = []
    run({"epochs": 3}, checkpoint=path, callback=lambda net, history: seen.append(path.exists()))
    assert seen == [False, True, True]


def test_an_error_in_a_callback_leaves_the_last_checkpoint(tmp_path):
    path, params = tmp_path / "run.ckpt", []

    def fail(net, history):
        params.append(net.params.copy())
        if history.n_epochs == 5:
            raise LookupError("mine")

    net, X, T, weight = draw(CASE)
    with pytest.raises(LookupError, match="mine"):
        net.fit(X, T, sample_weight=weight, seed=3, batch_size=8, checkpoint=path, checkpoint_every=2, callback=fail)
    assert np.array_equal(net.params, params[-1])
    seen = []
    rest = run({}, checkpoint=path, resume=True, callback=lambda net, history: seen.append(history.n_epochs))
    assert seen[0] == 5  # epochs 1 to 4 are in the checkpoint
    assert_same_run(rest, run({}))


def test_a_run_that_diverged_is_over(tmp_path):
    options, path = {"solver": "sgd", "learning_rate": 1e200, "validation": 0.2, "patience": 3}, tmp_path / "run.ckpt"
    nets = []
    for resume in (False, True):
        with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="finite"):
            nets.append(run(options, checkpoint=path, resume=resume))
    assert nets[0][1].stopped_by == nets[1][1].stopped_by == "not finite"
    assert nets[0][0].params.tobytes() == nets[1][0].params.tobytes()
    assert np.isfinite(nets[1][0].params).all()


# ---------------------------------------------------------------- what is refused

OTHERS = {
    "solver": {"solver": "rmsprop"},
    "learning_rate": {"learning_rate": 0.5},
    "beta_1": {"beta_1": 0.8},
    "seed": {"seed": 9},
    "batch_size": {"batch_size": 9},
    "l2": {"l2": 0.25},
    "l1": {"l1": 0.25},
    "dropout": {"dropout": 0.25},
    "patience": {"patience": 3},
    "shuffle": {"shuffle": False},
    "validation": {"validation": 0.1},
    "reduction": {"reduction": "sum"},
    "schedule": {"schedule": "cosine"},
    "rate_factors": {"rate_factors": {"bias": 0.5}},
    "dtype": {"dtype": "float32"},
}


@pytest.fixture
def path(tmp_path):
    run({"epochs": 3}, checkpoint=tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize("name", OTHERS)
def test_another_training_is_refused(name, path):
    with pytest.raises(ValueError, match=rf"run\.ckpt.*another training.*\b{name} was"):
        run(OTHERS[name], checkpoint=path, resume=True)


@pytest.mark.parametrize("name", ["X", "T", "sample_weight"])
def test_other_data_are_refused_and_no_weight_changes(name, path):
    net, X, T, weight = draw(CASE)
    data, before = {"X": X, "T": T, "sample_weight": weight}, net.params.copy()
    data[name] = data[name].copy()
    data[name].reshape(-1)[-1] += 1e-12
    with pytest.raises(ValueError, match=rf"\b{name} is not the same"):
        net.fit(**data, seed=3, batch_size=8, checkpoint=path, resume=True)
    assert np.array_equal(net.params, before)
    with pytest.raises(ValueError, match="sample_weight is not the same"):
        net.fit(X, T, seed=3, batch_size=8, checkpoint=path, resume=True)


def test_other_networks_are_refused(path):
    for other in (fastbp.Network((2, 7, 1)), fastbp.Network((2, 6, 1), activation="relu")):
        _, X, T, weight = draw(CASE)
        with pytest.raises(ValueError, match=r"sizes was|functions was"):
            other.fit(X, T, sample_weight=weight, seed=3, batch_size=8, checkpoint=path, resume=True)


def test_wrong_arguments(tmp_path):
    net, X, T, _ = draw(CASE)
    before = net.params.copy()
    for options, argument in [
        ({"checkpoint": 3}, "checkpoint"),
        ({"checkpoint": tmp_path}, "checkpoint"),
        ({"checkpoint": tmp_path / "nowhere" / "a.ckpt"}, "checkpoint"),
        ({"checkpoint": ""}, "checkpoint"),
        ({"checkpoint": tmp_path / "a", "checkpoint_every": 0}, "checkpoint_every"),
        ({"checkpoint": tmp_path / "a", "checkpoint_every": 1.5}, "checkpoint_every"),
        ({"checkpoint": tmp_path / "a", "resume": "yes"}, "resume"),
        ({"checkpoint_every": 5}, "checkpoint_every"),
        ({"resume": True}, "resume"),
    ]:
        refused(lambda options=options: net.fit(X, T, **options), argument)
    assert np.array_equal(net.params, before)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_no_checkpoint_and_a_checkpoint_no_model(path):
    with pytest.raises(ValueError, match="not a fastbp model"):
        fastbp.Network.load(path)
    draw(CASE).net.save(path)
    with pytest.raises(ValueError, match="not a fastbp checkpoint"):
        run({}, checkpoint=path, resume=True)


FULL_DISK = """
import resource, signal, sys, warnings
import numpy as np
import fastbp

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
X = np.linspace(-1, 1, 64).reshape(-1, 1)
net = fastbp.Network((1, 40, 40, 1), seed=0)
options = {"seed": 0, "checkpoint": sys.argv[1], "resume": True, "checkpoint_every": 1}
net.fit(X, X**2, epochs=2, **options)
before = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # every file ends after 4 KiB, as on a full disk
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    history = net.fit(X, X**2, epochs=4, **options)
assert all("could not be written" in str(w.message) for w in caught), caught
print(len(caught) >= 2, history.n_epochs, open(sys.argv[1], "rb").read() == before)
"""


@pytest.mark.compiled_only
def test_a_full_disk_stops_no_training(tmp_path):
    pytest.importorskip("resource")
    assert run_python(FULL_DISK, str(tmp_path / "run.ckpt")) == "True 4 True\n"
    assert [item.name for item in tmp_path.iterdir()] == ["run.ckpt"]


# ---------------------------------------------------------------- kill -9

KILLED = """
import os, random, signal, sys, time, traceback
import numpy as np
import fastbp

folder, epochs = sys.argv[1], 3000
rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (300, 2))


def train(path, every, pipe, epochs=epochs):
    def report(net, history):
        os.write(pipe, b"%8d" % history.n_epochs)

    net = fastbp.Network((2, 10, 1), seed=1)
    net.fit(
        X, X[:, :1] * X[:, 1:], epochs=epochs, seed=5, validation=0.2, patience=10**6, checkpoint=path,
        checkpoint_every=every, resume=True, callback=report,
    )
    net.save(path + ".net")


def train_and_kill(path, every, n_epochs, delay):
    # A fork, not a new process: it starts at once. Returns the first and the last epoch that were seen.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            train(path, every, writing)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    seen = [os.read(reading, 8) for _ in range(n_epochs)]
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it was over before it was killed"
    with os.fdopen(reading, "rb") as rest:
        seen = [int(number) for number in [*seen, *iter(lambda: rest.read(8), b"")]]
    return (seen[0], seen[-1]) if seen else None


train(folder + "/warm", 1, os.open(os.devnull, os.O_WRONLY), epochs=1)  # so that no fork has to load the kernels
moments, reached, last_every, n_seen = random.Random(0), 0, 1, 0
for _ in range(50):
    every = moments.choice([1, 1, 2, 5])
    seen = train_and_kill(folder + "/killed", every, moments.randrange(20), moments.uniform(0.0, 0.01))
    if seen is not None:
        assert seen[0] > reached - last_every, "more was lost than the epochs since the last checkpoint"
        reached, last_every, n_seen = seen[1], every, n_seen + 1
train(folder + "/killed", 1000, os.open(os.devnull, os.O_WRONLY))
train(folder + "/alone", 1000, os.open(os.devnull, os.O_WRONLY))
print(n_seen >= 30, reached < epochs)
"""


@pytest.mark.compiled_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_at_any_moment(tmp_path):
    """Killed 50 times, at seeded random moments, and resumed: the bits of a run left alone."""
    assert run_python(KILLED, str(tmp_path)) == "True True\n"
    nets = [fastbp.Network.load(tmp_path / name) for name in ("killed.net", "alone.net")]
    assert nets[0].params.tobytes() == nets[1].params.tobytes()
    # Those that were killed in writing left nothing behind.
    assert {item.name for item in tmp_path.iterdir()} == {
        f"{name}{end}" for name in ("killed", "alone", "warm") for end in ("", ".net")
    }
