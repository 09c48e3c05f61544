"""What comes between the epochs of `fit`: callbacks, Ctrl-C, numbers that leave the finite."""

import _thread
import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cases import Case, draw, sine
from subprocesses import hearing_ctrl_c, start_process

import fastbp
from fastbp.solvers import Choice

CASE = Case((2, 8, 1), "tanh", n_samples=40, seed=6)


def test_callbacks_see_each_epoch():
    net, X, T, _ = draw(CASE)
    seen = []

    def record(network, history):
        assert network is net
        seen.append((history.n_epochs, len(history.loss), history.loss[-1]))

    history = net.fit(X, T, epochs=4, callback=record)
    assert seen == [(n, n, loss) for n, loss in enumerate(history.loss, start=1)]


def test_a_list_of_callbacks_any_of_which_may_stop():
    net, X, T, _ = draw(CASE)
    calls = []
    history = net.fit(
        X,
        T,
        epochs=50,
        callback=[
            lambda net, history: calls.append("first"),
            lambda net, history: history.n_epochs == 3,
            lambda net, history: calls.append("last"),
        ],
    )
    assert history.stopped_by == "callback"
    assert history.n_epochs == 3
    assert calls.count("first") == 3


def test_a_callback_may_write_the_weights():
    net, X, T, _ = draw(CASE)

    def zero(net, history):
        net.params[:] = 0.0

    history = net.fit(X, T, epochs=2, batch_size=None, callback=zero)
    assert not np.any(net.params)
    assert math.isclose(history.loss[1], np.sum(T**2) / 2 / len(X), rel_tol=1e-12)


def test_an_error_in_a_callback_leaves_the_network_usable():
    net, X, T, _ = draw(CASE)

    def fail(net, history):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        net.fit(X, T, epochs=3, callback=fail)
    assert np.all(np.isfinite(net.params))
    before = net.loss(X, T)
    net.fit(X, T, epochs=20)
    assert net.loss(X, T) < before


@pytest.mark.parametrize("patience", [None, 100])
def test_interrupt_in_a_callback_keeps_the_weights(patience):
    net, X, T, _ = draw(CASE)
    saved = []

    def interrupt(net, history):
        saved.append(net.params.copy())
        if history.n_epochs == 3:
            raise KeyboardInterrupt

    history = net.fit(X, T, epochs=10, learning_rate=0.01, batch_size=None, patience=patience, callback=interrupt)
    assert history.stopped_by == "interrupt"
    assert history.n_epochs == 3
    if patience is None:
        assert np.array_equal(net.params, saved[2])
    else:
        assert any(np.array_equal(net.params, params) for params in saved)


def test_an_interrupt_leaves_finite_weights():
    net, X, T, _ = draw(CASE)
    saved = []

    def spoil_and_interrupt(net, history):
        saved.append(net.params.copy())
        if history.n_epochs == 2:
            net.params[:] = np.nan
            raise KeyboardInterrupt

    assert net.fit(X, T, epochs=5, callback=spoil_and_interrupt).stopped_by == "interrupt"
    assert np.array_equal(net.params, saved[0])


@contextlib.contextmanager
def ctrl_c_once_it_trains(net):
    """Interrupt the main thread as soon as the weights have moved."""
    before, over = net.params.copy(), threading.Event()

    def wait_and_interrupt():
        while not over.wait(0.01):
            if not np.array_equal(net.params, before):
                _thread.interrupt_main()
                return

    thread = threading.Thread(target=wait_and_interrupt)
    thread.start()
    with hearing_ctrl_c():
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.mark.compiled_only
@pytest.mark.parametrize(("n_samples", "epochs"), [(50, 500_000), (300_000, 500)], ids=["short epochs", "long epochs"])
def test_ctrl_c_ends_the_run(n_samples, epochs):
    X, T = sine(n_samples)
    net = fastbp.Network([1, 30, 30, 1], seed=0)
    with ctrl_c_once_it_trains(net):
        history = net.fit(X, T, epochs=epochs)
    assert history.stopped_by == "interrupt"
    assert history.n_epochs == len(history.loss) < epochs
    assert np.all(np.isfinite(net.params))


# Python must get control back often enough, whatever takes long: (samples, sizes, samples for validation, options).
LONG = {
    "rprop": (300_000, (1, 30, 30, 1), 0, {"solver": "rprop"}),
    "rmsprop, batch": (300_000, (1, 30, 30, 1), 0, {"solver": "rmsprop", "batch_size": None}),
    "on-line": (300_000, (1, 30, 1), 0, {"solver": "sgd", "batch_size": 1}),
    "wide": (200, (8, 2048, 2048, 1), 0, {"batch_size": None}),
    "wide, on-line": (200, (8, 2048, 2048, 1), 0, {"batch_size": 1}),
    "many samples, tiny network": (3_000_000, (1, 2, 1), 0, {"batch_size": None}),
    "large validation set": (100, (1, 30, 30, 1), 3_000_000, {}),
}
INTERRUPTED = """
import json, sys, time
import numpy as np
import fastbp

n_samples, sizes, n_validation, options = json.loads(sys.argv[1])
X, V = (np.linspace(-1, 1, n * sizes[0]).reshape(n, sizes[0]) for n in (n_samples, n_validation))
if n_validation:
    options["validation"] = (V, V[:, :1])
fastbp.Network(sizes, seed=0).fit(X[:5], X[:5, :1], **options | {"epochs": 1, "validation": None})  # compiles
net = fastbp.Network(sizes, seed=0)
print("go", flush=True)
history = net.fit(X, X[:, :1], epochs=10**7, learning_rate=1e-6, **options)
print(history.stopped_by, bool(np.isfinite(net.params).all()), time.time(), flush=True)
"""


def wait_for_work(pid, seconds):
    """Wait until a process has had so many seconds of a processor, where the system tells; else, so long."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        time.sleep(seconds)
        return

    def used():
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    begin = used()
    while used() - begin < seconds:
        time.sleep(0.05)


@pytest.mark.compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_is_heard_soon(name):
    """The promise is half a second; a machine that is busy with other things takes longer."""
    with hearing_ctrl_c(), start_process(INTERRUPTED, json.dumps(LONG[name])) as process:
        assert process.stdout.readline() == "go\n"
        wait_for_work(process.pid, 0.5)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        stopped_by, finite, returned = process.stdout.readline().split()
        assert (stopped_by, finite) == ("interrupt", "True")
        assert float(returned) - sent < 10.0


# ---------------------------------------------------------------- numbers that leave the finite


@pytest.mark.parametrize("batch_size", [None, 8, 1])
def test_a_loss_that_is_not_finite_stops_with_a_warning(batch_size):
    net, X, T, _ = draw(CASE._replace(activation="identity"))
    saved = [net.params.copy()]
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="finite"):
        history = net.fit(
            X,
            T,
            solver="sgd",
            learning_rate=1e3,
            batch_size=batch_size,
            epochs=500,
            callback=lambda net, history: saved.append(net.params.copy()),
        )
    assert history.stopped_by == "not finite"
    assert history.n_epochs < 500
    assert np.all(np.isfinite(net.params))
    assert any(np.array_equal(net.params, params) for params in saved)


@pytest.mark.parametrize(
    "stop", [{"patience": 1}, {"tol": 0.0}, {"callback": lambda net, history: history.n_epochs > 1}]
)
def test_no_stop_leaves_weights_that_are_not_finite(stop):
    """The loss of the epoch is finite, its last step overflows: that comes before anything else that stops."""
    net, X, T, _ = draw(CASE._replace(activation="identity"))
    options = {"solver": "sgd", "batch_size": None, "learning_rate": lambda epoch: 1e-300 if epoch == 0 else 1e200}
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="learning_rate"):
        history = net.fit(1e200 * X, 1e100 * T, validation=(X, T), epochs=9, **options, **stop)
    assert history.stopped_by == "not finite"
    assert np.isfinite(net.params).all()
    assert len(history.validation_loss) == len(history.loss) == history.n_epochs


@pytest.mark.filterwarnings("ignore:The validation loss is")
def test_a_loss_that_is_not_finite_with_patience_restores_the_best_weights():
    net, X, T, _ = draw(CASE._replace(activation="identity"))
    rates = [0.01] * 5 + [1e3] * 495
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="finite"):
        history = net.fit(
            X, T, validation=(X, T), solver="sgd", learning_rate=lambda e: rates[e], patience=10**6, epochs=500
        )
    assert history.stopped_by == "not finite"
    assert math.isclose(net.loss(X, T) / len(X), np.nanmin(history.validation_loss), rel_tol=1e-12)


def test_weights_that_are_not_finite_are_caught_after_the_last_step():
    """The loss of the only epoch is finite: the step after it is what overflows."""
    net, X, T, _ = draw(CASE._replace(activation="identity"))
    before = net.params.copy()
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="finite"):
        history = net.fit(1e200 * X, 1e100 * T, solver="sgd", learning_rate=1e200, batch_size=None, epochs=1)
    assert history.stopped_by == "not finite"
    assert np.array_equal(net.params, before)


# 0.6 times the smallest subnormal number rounds to that number: without a flush it would stay for ever.
DECAYING = [
    {"solver": "adam", "beta_1": 0.6, "beta_2": 0.6},
    {"solver": "rmsprop", "rho": 0.6},
    {"solver": "sgd", "momentum": 0.6},
    {"solver": "sgd", "momentum": 0.6, "nesterov": True},
    {"solver": "sgd", "l2": 20.0},
]


@pytest.mark.compiled_only  # plain NumPy computes these steps in float64, whose range is wider
@pytest.mark.parametrize("options", DECAYING, ids=str)
def test_dead_units_leave_no_subnormal_numbers(options, monkeypatch):
    """Units that die have gradients of zero: what a solver remembers of them must end in zero."""
    start, solvers = Choice.start, []
    monkeypatch.setattr(Choice, "start", lambda *args, **kwargs: solvers.append(start(*args, **kwargs)) or solvers[-1])
    X, T = sine(16)
    net = fastbp.Network([1, 8, 1], activation="relu", dtype="float32", seed=0)

    def kill_half_of_the_units(net, history):
        net.biases[0][:4] = -100.0

    net.fit(X, T, batch_size=None, epochs=300, learning_rate=0.02, callback=kill_half_of_the_units, **options)
    for numbers in (net.params, solvers[0].state):
        sizes = np.abs(numbers[numbers != 0])
        assert sizes.size > 0
        assert sizes.min() >= np.finfo(np.float32).tiny


def test_progress_writes_nothing_to_stdout_and_changes_no_number(capsys):
    pytest.importorskip("rich")
    quiet, loud = draw(CASE), draw(CASE)
    quiet.net.fit(quiet.X, quiet.T, epochs=5, seed=1)
    loud.net.fit(quiet.X, quiet.T, epochs=5, seed=1, progress=True)
    assert np.array_equal(quiet.net.params, loud.net.params)
    assert capsys.readouterr().out == ""
