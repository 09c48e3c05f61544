"""Trainings of several Python threads at once, in a process whose threading layer the environment chooses.

    python -c "import many_threads; many_threads.main()"

prints what it did; any wrong bit is an AssertionError, and an abort is an abort.
"""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numba
import numpy as np
from cases import Case, draw

N_THREADS, N_CALLS = 8, 1000
# In several chunks: threads of Numba's would share them.
CASE = Case((20, 64, 32, 3), "tanh", n_samples=700)
PROBLEMS = [draw(CASE._replace(seed=seed)) for seed in range(4)]


def train_and_predict(seed, n_threads=None):
    """Train a network in parallel kernels, and predict; return all that came of it."""
    net, X, T, _ = PROBLEMS[seed]
    net = copy.deepcopy(net)
    net.fit(X, T, batch_size=None, epochs=1, seed=seed, n_threads=n_threads)
    return np.concatenate([net.params, net.forward(X).ravel(), net.forward(X[:1]).ravel()])


def in_threads(function, seeds):
    """Call the function for all seeds, in plain threads that start together; yield the results."""
    start, results = threading.Barrier(N_THREADS), {}

    def work(k):
        start.wait()
        for i in range(k, len(seeds), N_THREADS):
            results[i] = function(seeds[i])

    threads = [threading.Thread(target=work, args=[k]) for k in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[i] for i in range(len(seeds))]


def in_executor(function, seeds):
    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(function, seeds))


def in_joblib(function, seeds):
    import joblib

    return joblib.Parallel(N_THREADS, backend="threading")(joblib.delayed(function)(seed) for seed in seeds)


def in_dask(function, seeds):
    import dask

    return dask.compute(*map(dask.delayed(function), seeds), scheduler="threads", num_workers=N_THREADS)


def main():
    serial = [train_and_predict(seed, n_threads=1) for seed in range(len(PROBLEMS))]
    pools = {"threads": (in_threads, N_CALLS), "executor": (in_executor, 60)}
    pools |= {name: (run, 60) for name, run in (("joblib", in_joblib), ("dask", in_dask)) if find_spec(name)}
    for name, (run, n_calls) in pools.items():
        seeds = [k % len(PROBLEMS) for k in range(n_calls)]
        results = run(train_and_predict, seeds)
        assert all(np.array_equal(result, serial[seed]) for result, seed in zip(results, seeds, strict=True)), name
        print(name, len(results))
    print(numba.threading_layer(), numba.get_num_threads())
