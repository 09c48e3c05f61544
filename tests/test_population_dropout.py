"""Dropout in a population: each network leaves out the units that it would leave out alone."""

import numpy as np
import pytest

import fastbp

X = np.random.default_rng(0).normal(size=(23, 3))
T = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
HELD = (X[:9] + 0.1, T[:9])


def networks(dtype="float64"):
    edges = [(0, 3), (1, 3), (2, 4), (3, 5), (4, 5), (0, 6), (4, 6), (5, 7), (6, 7), (5, 8)]
    return [
        fastbp.Network((3, 6, 2), seed=0, dtype=dtype),
        fastbp.Network((3, 6, 2), seed=1, dtype=dtype),
        fastbp.Network((3, 6, 5, 2), activation=["relu", "tanh"], skip="all", seed=2, dtype=dtype),
        fastbp.Network.from_edges(3, 2, edges, seed=3, dtype=dtype),
        fastbp.Network((3, 2), seed=4, dtype=dtype),
    ]


RATES = [0.0, 0.5, [0.3, 0.0], 0.4, 0.0]


@pytest.mark.parametrize("batch_size", [1, 8], ids=["on-line", "batches"])
def test_as_alone(batch_size, monkeypatch):
    monkeypatch.setattr("fastbp.population.training.WINDOW_NUMBERS", 10)  # windows of two epochs
    options = {"epochs": 5, "batch_size": batch_size, "learning_rate": 0.02, "validation": HELD}
    pop = fastbp.Population(networks())
    histories = pop.fit(X, T, dropout=RATES, seeds=7, **options)
    for k, (net, rate) in enumerate(zip(networks(), RATES, strict=True)):
        alone = net.fit(X, T, dropout=rate, seed=7 + k, **options)
        assert np.allclose(pop[k].params, net.params, rtol=1e-9, atol=1e-12)
        assert np.allclose(histories[k].loss, alone.loss, rtol=1e-9)
        assert np.allclose(histories[k].validation_loss, alone.validation_loss, rtol=1e-9)
        if np.any(rate):
            assert histories[k].loss != pytest.approx(networks()[k].fit(X, T, seed=7 + k, **options).loss, rel=1e-3)


def test_same_bits_for_any_threads_and_neighbours():
    options = {"epochs": 3, "batch_size": 8, "samples": [np.arange(20), np.arange(3, 23)] * 2}
    found = []
    for n_threads in (1, 2):
        pop = fastbp.Population(networks("float32")[1:3] * 2)
        pop.fit(X, T, dropout=0.5, seeds=[5, 6, 5, 6], n_threads=n_threads, **options)
        found.append(pop.params.tobytes())
        assert pop[0].params.tobytes() == pop[2].params.tobytes()
        assert pop[1].params.tobytes() == pop[3].params.tobytes()
    assert found[0] == found[1]


def test_refused():
    pop = fastbp.Population(networks())
    before = pop.params.copy()
    for dropout, message in (
        (0.5, "dropout must be 0 for a network without hidden layers"),
        ([0.1] * 4, "dropout must be one for all, or one for each of 5 networks; got 4"),
        ([0.0, 1.0, 0.0, 0.0, 0.0], "dropout"),
        ([0.0, [0.1, 0.1], 0.0, 0.0, 0.0], "dropout must be one rate or one for each of 1 hidden layers"),
    ):
        with pytest.raises(ValueError, match=message):
            pop.fit(X, T, dropout=dropout)
    assert np.array_equal(pop.params, before)
