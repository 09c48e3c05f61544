"""Threads of the caller's, and the number of threads."""

import concurrent.futures
import os
import sys
import threading
import time
from types import SimpleNamespace as Namespace

import numba
import numpy as np
import pytest
from cases import Case, draw
from subprocesses import run_python, start_python
from test_reproducible import n_chunks

from fastbp.engine import threads
from fastbp.kernels.training.chunks import GRADIENT, run_job

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
    with threads.limit(None, most=16) as n_slots:
        assert n_slots == 1


def test_networks_of_several_threads_train_at_once():
    expected = [fit_and_hash(seed) for seed in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for params, reference in zip(pool.map(fit_and_hash, range(4)), expected, strict=True):
            assert np.array_equal(params, reference)


@pytest.mark.parametrize(("layer", "n_threads"), [("omp", "4"), ("workqueue", "2")])
def test_eight_python_threads_and_a_thousand_calls(layer, n_threads):
    """workqueue aborts the process when two threads launch parallel kernels at once."""
    environment = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": n_threads}
    process = start_python("import many_threads; many_threads.main()", **environment)
    if "No threading layer could be loaded" in process.stderr:
        pytest.skip(f"no {layer} here")
    assert process.returncode == 0, process.stderr[-3000:]
    *pools, used = process.stdout.splitlines()
    assert used == f"{layer} {n_threads}"
    assert {"threads 1000", "executor 60", "joblib 60"} <= set(pools)


def test_the_number_of_threads_is_put_back(monkeypatch):
    before, seen = numba.get_num_threads(), []
    monkeypatch.setattr(threads, "config", Namespace(NUMBA_NUM_THREADS=64))
    monkeypatch.setattr(numba, "set_num_threads", seen.append)
    with pytest.raises(LookupError), threads.limit(5, most=16) as n_slots:
        assert (n_slots, seen) == (5, [5])
        raise LookupError
    assert seen == [5, before]
    with threads.limit(5, most=16) as n_slots:
        assert n_slots == 5, "the failed one keeps the threads for itself"


def test_only_one_caller_launches_threads(monkeypatch):
    monkeypatch.setattr(threads, "config", Namespace(NUMBA_NUM_THREADS=64))
    monkeypatch.setattr(numba, "set_num_threads", lambda n: None)
    with threads.limit(4, most=16) as first, threads.limit(4, most=16) as second:
        assert (first, second) == (4, 1)


# ---------------------------------------------------------------- the interpreter's lock


def test_kernels_let_other_threads_run():
    """No thread is made to give up the interpreter's lock here: another counts only while a kernel has let it go."""
    net, X, T, _ = draw(Case((30, 60, 60, 2), "tanh", n_samples=20_000))
    samples, memory = net.check_samples(X, T).arrays, net.engine.memory(20_000)
    net.gradient(X, T)
    counted, over = [0], threading.Event()

    def count():
        while not over.is_set():
            counted[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    try:
        sys.setswitchinterval(1000.0)
        thread.start()
        before = counted[0]
        run_job(net.packed, samples, memory, GRADIENT, 0, samples.x)
        during = counted[0] - before
    finally:
        over.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert during > 0


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
