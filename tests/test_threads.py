"""Threads of the caller's, forked children, and the number of threads."""

import concurrent.futures
import os

import numba
import numpy as np
import pytest
from cases import Case, draw
from subprocesses import run_python
from test_reproducible import n_chunks

from fastbp import threads

pytestmark = pytest.mark.compiled_only
CASE = Case((20, 64, 32, 3), "tanh", n_samples=2500)


def fit_and_hash(seed):
    net, X, T, _ = draw(CASE._replace(seed=seed))
    net.fit(X, T, batch_size=None, epochs=5, seed=seed)
    return net.params.copy()


def test_the_work_is_shared_among_threads():
    assert n_chunks(CASE) > 3


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("max", "100000", np.inf), ("-1", "100000", np.inf), ("200000", "100000", 2), ("50000", "100000", 1)],
)
def test_quota_of_a_control_group(quota, period, cores):
    assert threads.quota_of(quota, period) == cores


def test_no_more_threads_than_the_process_or_its_container_may_run(monkeypatch):
    monkeypatch.setattr(threads, "_quota", lambda: 3)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(6)), raising=False)
    assert threads.available() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {5}, raising=False)
    assert threads.available() == 1
    with threads.limit(None, n_chunks=16) as n_slots:
        assert n_slots == 1


def test_networks_of_several_threads_train_at_once():
    expected = [fit_and_hash(seed) for seed in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for params, reference in zip(pool.map(fit_and_hash, range(4)), expected, strict=True):
            assert np.array_equal(params, reference)


def test_one_network_serves_several_threads():
    net, X, T, _ = draw(CASE)
    y, (E, grad) = net.forward(X), net.gradient(X, T)

    def work(_):
        return net.forward(X), net.gradient(X, T)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for y_again, (E_again, grad_again) in pool.map(work, range(40)):
            assert np.array_equal(y_again, y)
            assert E_again == E
            assert np.array_equal(grad_again, grad)


TWO_THREADS = """
from concurrent.futures import ThreadPoolExecutor
from test_threads import fit_and_hash
import numba
import numpy as np

expected = [fit_and_hash(seed) for seed in range(2)]
with ThreadPoolExecutor(2) as pool:
    for _ in range(10):
        assert all(map(np.array_equal, pool.map(fit_and_hash, range(2)), expected))
print(numba.threading_layer())
"""


def test_two_threads_under_workqueue_do_not_abort():
    """workqueue aborts the process when two threads launch parallel kernels at once."""
    assert run_python(TWO_THREADS, NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2").split() == ["workqueue"]


FORKED_CHILD = """
import os
from test_threads import fit_and_hash
import numpy as np

expected = fit_and_hash(0)  # a parallel launch in the parent
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(fit_and_hash(0), expected) else 1)
_, status = os.waitpid(child, 0)
assert np.array_equal(fit_and_hash(0), expected)
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_a_forked_child_trains(layer):
    assert run_python(FORKED_CHILD, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2").split() == ["0"]


def test_the_number_of_threads_is_put_back():
    net, X, T, _ = draw(CASE)
    before = numba.get_num_threads()
    net.gradient(X, T, n_threads=1)
    net.fit(X, T, epochs=1, n_threads=1)
    assert numba.get_num_threads() == before

    def fail(net, history):
        raise LookupError

    with pytest.raises(LookupError):
        net.fit(X, T, epochs=2, n_threads=1, callback=fail)
    assert numba.get_num_threads() == before


SPAWNED = """
import multiprocessing
import numpy as np
from test_threads import fit_and_hash

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(fit_and_hash, [0, 0])
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], fit_and_hash(0))
    print("same")
"""


def test_processes_of_a_pool(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(SPAWNED)
    assert run_python("import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')", str(script)) == "same\n"
