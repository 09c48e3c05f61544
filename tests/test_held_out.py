"""Large arrays of which a fraction is held out: steps and losses are those of copies, and nothing is copied."""

import tracemalloc

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.training import held_out

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 3))
T = np.sin(X.sum(axis=1, keepdims=True))


def trained(dtype="float64", shuffle=False, **options):
    net = fastbp.Network((3, 5, 1), seed=0, dtype=dtype)
    history = net.fit(X, T, **({"epochs": 4, "seed": 1, "validation": 0.21, "shuffle": shuffle} | options))
    return net.params.copy(), history


@pytest.fixture
def large(monkeypatch):
    """All arrays count as large."""

    def make():
        monkeypatch.setattr(held_out, "LARGE_COPY", 1)

    return make


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 32}, {"batch_size": 237}, {"batch_size": None}, {"batch_size": 1}, {"batch_size": 79},
        {"batch_size": 100}, {"solver": "rprop", "batch_size": None}, {"patience": 2, "epochs": 9},
        {"validate_every": 3}, {"dtype": "float32"}, {"n_threads": 2}, {"sample_weight": RNG.uniform(0.5, 2, 300)},
    ],
    ids=str,
)  # fmt: skip
def test_the_bits_are_those_of_copies(options, large):
    expected, other = trained(**options)
    large()
    found, history = trained(**options)
    assert np.array_equal(found, expected) and history.loss == other.loss
    np.testing.assert_array_equal(history.validation_loss, other.validation_loss)


@pytest.mark.parametrize("batch_size", [1, 50, None])
def test_a_linear_network_sees_each_row_once_an_epoch(batch_size, large):
    large()
    net, rows = fastbp.Network((1, 1), bias=False, init="zeros", seed=0), np.arange(1.0, 101.0).reshape(-1, 1)
    # E_n = t_n**2 / 2 while the weight hardly moves: the epoch's loss is the mean over the rows that are trained on
    history = net.fit(rows * 0, rows, epochs=3, seed=0, validation=0.3, batch_size=batch_size, learning_rate=1e-9)
    total = 70 * history.loss[0] + 30 * history.validation_loss[0]
    assert np.allclose(history.loss, history.loss[0]) and np.isclose(total, (rows**2).sum() / 2)


def test_large_batches_in_parts(large, monkeypatch):
    monkeypatch.setattr("fastbp.engine.engine.PART_PRODUCTS", 3000)
    expected, other = trained(batch_size=130)
    large()
    found, history = trained(batch_size=130)
    assert np.array_equal(found, expected) and history.loss == other.loss


@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_checkpoint_goes_on(batch_size, large, tmp_path):
    large()
    expected, _ = trained(batch_size=batch_size, shuffle=True)
    assert not np.array_equal(expected, trained(batch_size=batch_size)[0])
    assert np.array_equal(expected, trained(batch_size=batch_size, shuffle=True, callback=lambda *_: None)[0])
    path = tmp_path / "a.checkpoint"
    trained(batch_size=batch_size, shuffle=True, epochs=2, checkpoint=path)
    found, history = trained(batch_size=batch_size, shuffle=True, checkpoint=path, resume=True)
    assert np.array_equal(found, expected) and history.n_epochs == 4


@pytest.mark.skipif(not COMPILED, reason="takes long uncompiled")
def test_nothing_large_is_copied():
    X = np.random.default_rng(0).uniform(-1, 1, (200_000, 20))  # 32 MB
    T = X[:, :1] * X[:, 1:2]
    net = fastbp.Network((20, 4, 1), seed=0)
    net.fit(X[:2000], T[:2000], epochs=1, validation=0.1, batch_size=512)
    tracemalloc.start()
    net.fit(X, T, epochs=1, validation=0.1, batch_size=512, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 4
