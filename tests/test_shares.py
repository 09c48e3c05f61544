"""A batch too small to be cut is shared by threads, phase by phase: with the bits of one thread."""

import numpy as np
import pytest
from cases import COMPILED
from subprocesses import start_python

import fastbp
from fastbp.kernels.training import shares

SHARED = """
from test_shares import NETWORKS, result
import numba

for name, make in NETWORKS.items():
    for dtype in ("float32", "float64"):
        for n_samples in (129, 200, 700):
            runs = [result(make(dtype), n_samples, n_threads) for n_threads in (1, 2, 3, 8)]
            assert all(run == runs[0] for run in runs), (name, dtype, n_samples)
            print(name, dtype, n_samples)
print(numba.threading_layer())
"""


def pruned(dtype, threshold):
    """A network of links; pruned of nothing, with blocks between the large layers, and links to the outputs."""
    return fastbp.Network((120, 200, 180, 3), activation="tanh", dtype=dtype, seed=2).prune(threshold)


NETWORKS = {
    "relu": lambda dtype: fastbp.Network((150, 170, 90, 2), activation="relu", dtype=dtype, seed=0),
    "gelu, softmax, skips": lambda dtype: fastbp.Network(
        (60, 150, 140, 5), activation="gelu", output="softmax", loss="cross_entropy", skip="all",
        dtype=dtype, seed=1,
    ),
    "more than 512 terms, packed": lambda dtype: fastbp.Network((1100, 220, 600, 2), dtype=dtype, seed=3),
    "links": lambda dtype: pruned(dtype, 0.03),
    "blocks and links": lambda dtype: pruned(dtype, 0.0),
    "biases": lambda dtype: fastbp.Network((1, 20001, 1), dtype=dtype, seed=4),
}  # fmt: skip


def data_for(net, n_samples):
    draw = np.random.default_rng(5)
    X, T = draw.normal(size=(n_samples, net.sizes[0])), draw.uniform(size=(n_samples, net.sizes[-1]))
    return X.astype(net.dtype), (T / T.sum(axis=1, keepdims=True)).astype(net.dtype)


def result(net, n_samples, n_threads):
    """Error, gradient, and what training makes of the network, with dropout as well: as bytes."""
    X, T = data_for(net, n_samples)
    assert net.engine.most_threads(n_samples) > net.engine.n_chunks(n_samples) == 1
    E, gradient = net.gradient(X, T, n_threads=n_threads)
    history = net.fit(X, T, epochs=2, batch_size=n_samples - 1, dropout=0.2, l2=1e-3, seed=0, n_threads=n_threads)
    return E, gradient.tobytes(), net.params.tobytes(), tuple(history.loss)


@pytest.mark.compiled_only
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_the_same_bits_on_one_to_eight_threads(layer):
    process = start_python(SHARED, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="8")
    if "No threading layer could be loaded" in process.stderr:
        pytest.skip(f"no {layer} here")
    assert process.returncode == 0, process.stderr[-3000:]
    *lines, used = process.stdout.splitlines()
    assert used == layer
    assert len(lines) == len(NETWORKS) * 2 * 3


@pytest.fixture
def share_all(monkeypatch):
    """Return a function after which, uncompiled, shares begin at the first product."""

    def begin():
        monkeypatch.setattr(shares, "LOG_SHARE_PRODUCTS", 0)
        monkeypatch.setattr("fastbp.engine.engine.LOG_SHARE_PRODUCTS", 0)
        monkeypatch.setattr("fastbp.engine.engine.MOST_AT_ONCE", 0)
        monkeypatch.setattr("fastbp.engine.choices.MOST_AT_ONCE", 0)

    return begin


@pytest.mark.skipif(COMPILED, reason="machine code keeps the constants that it was compiled with")
@pytest.mark.parametrize("sizes", [(4, 6, 5, 2), (1, 21, 1)])  # the latter has nearly as many biases as weights
@pytest.mark.parametrize("n_samples", [33, 70])
def test_small_networks_shared_all_the_same(n_samples, sizes, share_all):
    """Uncompiled, where larger ones would take too long."""
    share_all()
    runs = [
        result(fastbp.Network(sizes, activation="tanh", dtype="float64", seed=0), n_samples, n_threads)
        for n_threads in (1, 2, 4)
    ]
    assert runs[0] == runs[1] == runs[2]


def test_a_step_that_is_not_finite_is_not_taken(share_all):
    if COMPILED:
        net = NETWORKS["relu"]("float32")
    else:
        share_all()
        net = fastbp.Network((4, 6, 5, 2), dtype="float32", seed=0)
    X, T = data_for(net, 200)
    T[150] = np.finfo("float32").max
    before = net.params.copy()
    with pytest.warns(RuntimeWarning, match="no longer finite"):
        net.fit(X, T, batch_size=200, epochs=3, n_threads=2)
    assert np.array_equal(net.params, before)


def test_how_many_threads_find_something_to_do():
    net = NETWORKS["relu"]("float32")
    assert net.engine.most_threads(1) == 1
    assert fastbp.Network((2000, 1200, 2), dtype="float32").engine.most_threads(1) == 1  # no register each
    assert net.engine.most_threads(200) == 200 * net.n_params >> 20
    assert net.engine.most_threads(1 << 20) == 16
    assert fastbp.Network((2, 3, 1)).engine.most_threads(200) == 1
    # Its gradient goes along with the delta recursion, on one thread: as many as it has chunks.
    small = fastbp.Network((60, 150, 40, 3), dtype="float32").engine
    for n_samples in (100, 255, 1000):
        assert small.most_threads(n_samples) == small.n_chunks(n_samples)
    assert small.n_chunks(15) == small.most_threads(15) == 1
