"""Ten thousand trainings in one process: the memory stays where it is."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from subprocesses import run_python

import fastbp

STATM = Path("/proc/self/statm")
pytestmark = [
    pytest.mark.compiled_only,
    pytest.mark.skipif(not STATM.exists(), reason="no /proc to read the memory in use from"),
]

# Pages that the allocator keeps for itself come and go; what is lost in each fit adds up.
BYTES_A_FIT = 300
N_FITS, N_NETWORKS, WARM_UP = 10_000, 1500, 400
WARM_UP_OF_NETWORKS = 2500  # the allocator has what it keeps after some 2,000
OPTIONS = [
    {"batch_size": 8},
    {"batch_size": 1, "solver": "sgd"},
    {"solver": "rprop"},
    {"batch_size": None, "solver": "sgd", "momentum": 0.9, "validation": 0.25, "patience": 1},
]


def bytes_in_use():
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def growth(function, n_calls, warm_up=WARM_UP):
    """Bytes a call, once the first calls have filled what is kept."""
    for k in range(warm_up):
        function(k)
    before = bytes_in_use()
    for k in range(n_calls):
        function(k)
    return (bytes_in_use() - before) / n_calls


def growths():
    """Bytes lost in each fit of one network, in each network made and dropped, and in each error."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    net = fastbp.Network((3, 5, 2), seed=0)
    bent = fastbp.Activation("bent", lambda a: a / (1 + abs(a)), lambda a: 1 / (1 + abs(a)) ** 2)

    def fit(k):
        net.fit(X, T, epochs=1, seed=k, **OPTIONS[k % len(OPTIONS)])

    def make_and_drop(k):
        functions = ("tanh", bent, "relu")
        other = fastbp.Network((3, 5 + k % 7, 2), activation=functions[k % 3], dtype=("float32", "float64")[k % 2])
        other.fit(X, T, epochs=1, batch_size=4)
        other.forward(X[:1])
        other.gradient(X, T)

    def stop_with_an_error(k):
        def fail(net, history):
            raise LookupError(f"{k}")

        with pytest.raises(LookupError):
            net.fit(X, T, epochs=1, callback=fail)

    return [
        growth(fit, N_FITS),
        growth(make_and_drop, N_NETWORKS, WARM_UP_OF_NETWORKS),
        growth(stop_with_an_error, 500),
    ]


def test_memory_stays_flat():
    lost = [float(text) for text in run_python("import test_endurance; print(*test_endurance.growths())").split()]
    assert len(lost) == 3
    assert max(lost) < BYTES_A_FIT, f"bytes lost in each fit, each network, each error: {lost}"
