"""Forked children: of a process that has launched threads, that compiles, or whose threads are at work."""

import os

import pytest
from subprocesses import run_python

pytestmark = [
    pytest.mark.compiled_only,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]

LAYERS = pytest.mark.parametrize("layer", ["default", "workqueue"])

# A child that hangs, or that an OpenMP library ends, must not count as one that went well.
START = """
import copy, multiprocessing, os, signal, sys, threading
import numpy as np
from many_threads import PROBLEMS, train_and_predict
import fastbp

def in_child(function, *args):
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        try:
            os._exit(0 if function(*args) else 1)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(2)
    return child

def wait(*children):
    for child in children:
        status = os.waitpid(child, 0)[1]
        assert status == 0, os.waitstatus_to_exitcode(status)

def same(seed, expected):
    return np.array_equal(train_and_predict(seed), expected)
"""

AFTER_A_PARALLEL_FIT = """
expected = [train_and_predict(seed) for seed in range(2)]
wait(*[in_child(same, seed, expected[seed]) for seed in range(2)])

def grandchild():
    wait(in_child(same, 0, expected[0]))
    return same(0, expected[0])

wait(in_child(grandchild))
with multiprocessing.get_context("fork").Pool(2) as pool:
    for result, reference in zip(pool.map(train_and_predict, range(2)), expected, strict=True):
        assert np.array_equal(result, reference)
assert same(0, expected[0])
print("same")
"""

# The parent has launched nothing in parallel, but has started Numba's threads.
SERVER = """
PROBLEMS[0].net.save(sys.argv[1])
net, X, T = fastbp.Network.load(sys.argv[1]), *PROBLEMS[0][1:3]
one, some = net.forward(X[:1]), net.forward(X[:100])

def serve(seed):
    predicted = np.array_equal(net.forward(X[:1]), one) and np.array_equal(net.forward(X[:100]), some)
    with open(f"{sys.argv[1]}.{seed}", "wb") as file:
        np.save(file, train_and_predict(seed))
    return predicted

wait(*[in_child(serve, seed) for seed in range(3)])
for seed in range(3):
    assert same(seed, np.load(f"{sys.argv[1]}.{seed}"))
print("same")
"""


@LAYERS
@pytest.mark.parametrize("script", [AFTER_A_PARALLEL_FIT, SERVER], ids=["after a parallel fit", "server"])
def test_children_predict_and_train_with_the_same_bits(script, layer, tmp_path):
    environment = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    assert run_python(START + script, str(tmp_path / "model"), **environment) == "same\n"


WHILE_A_THREAD_TRAINS = """
expected = train_and_predict(0)
net, X, T, _ = PROBLEMS[1]
net = copy.deepcopy(net)
trained, over = threading.Event(), threading.Event()

def train():
    net.fit(X, T, epochs=10**6, batch_size=None, callback=lambda net, history: trained.set() or over.is_set())

def both():  # the child does not have the thread: the network is its own
    return same(0, expected) and net.fit(X, T, epochs=2).n_epochs == 2 and bool(np.isfinite(net.forward(X)).all())

thread = threading.Thread(target=train, daemon=True)  # a failure must not wait for it
thread.start()
trained.wait(100)
for _ in range(5):
    wait(in_child(both))
over.set()
thread.join()
print("same")
"""

# The compiler's lock is held by a thread that the child does not have: it could never compile again.
WHILE_A_THREAD_COMPILES = """
from numba.core import event

compiling = threading.Event()

class Listener(event.Listener):
    def on_start(self, e):
        compiling.set()

    def on_end(self, e):
        pass

def twice():
    return fastbp.Activation("twice", lambda a: 2 * a, lambda a: 2.0).h(np.ones(3)).sum() == 6

assert twice()
event.register("numba:compile", Listener())
thread = threading.Thread(target=twice)
thread.start()
compiling.wait(100)
wait(in_child(twice))
thread.join()
print("same")
"""


@pytest.mark.parametrize("script", [WHILE_A_THREAD_TRAINS, WHILE_A_THREAD_COMPILES], ids=["trains", "compiles"])
def test_children_of_a_process_with_a_thread_that(script):
    assert run_python(START + script, NUMBA_NUM_THREADS="2") == "same\n"
