"""Batches and the order of the samples, whatever parts a job is done in."""

import math

import numpy as np
import pytest
from cases import COMPILED, Case, draw
from solver_formulas import CASE, set_part_size

from fastbp.engine import engine
from fastbp.kernels.compiling.decorators import entry
from fastbp.kernels.registers.lanes import view
from fastbp.kernels.training.epochs import shuffle


def test_a_batch_larger_than_the_data_is_all_of_it():
    one, other = draw(CASE), draw(CASE)
    one.net.fit(one.X, one.T, batch_size=1000, epochs=3, seed=0)
    other.net.fit(one.X, one.T, batch_size=23, epochs=3, seed=0)
    assert np.array_equal(one.net.params, other.net.params)


def test_default_batch_is_32():
    case = CASE._replace(n_samples=70)
    default, explicit = draw(case), draw(case)
    default.net.fit(default.X, default.T, epochs=2, seed=5)
    explicit.net.fit(default.X, default.T, epochs=2, seed=5, batch_size=32, solver="adam")
    assert np.array_equal(default.net.params, explicit.net.params)


@pytest.mark.parametrize("batch_size", [1, 4, 23])
def test_shuffling_takes_every_sample_once(batch_size):
    """With steps too small to matter, the loss of the epoch is the mean over all samples, in any order."""
    net, X, T, weight = draw(CASE)
    mean = net.loss(X, T, sample_weight=weight) / len(X)
    history = net.fit(
        X, T, sample_weight=weight, solver="sgd", learning_rate=1e-30, batch_size=batch_size, epochs=4, seed=3
    )
    assert np.allclose(history.loss, mean, rtol=1e-12)


@entry
def orders_of(order, state, codes):
    """One random order after the other, its digits as those of a number."""
    for row in range(codes.size):
        for i in range(order.size):
            order[i] = i
        shuffle(view(order), order.size, view(state))
        for i in range(order.size):
            codes[row] = codes[row] * order.size + order[i]


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5])
def test_all_orders_are_equally_likely(n_samples):
    """The chi-squared statistic of as many orders as there may be stays within 5 of its standard deviations."""
    n_orders = math.factorial(n_samples)
    codes = np.zeros((4000 if COMPILED else 20) * n_orders, np.int64)
    orders_of(np.zeros(n_samples, np.int64), np.array([7], np.uint64), codes)
    counts = np.unique(codes, return_counts=True)[1]
    expected = len(codes) / n_orders
    assert len(counts) == n_orders
    assert np.sum((counts - expected) ** 2) / expected <= n_orders - 1 + 5 * math.sqrt(2 * (n_orders - 1))


def test_shuffling_changes_the_order_in_each_epoch():
    """On-line learning depends on the order: it shows that orders differ among seeds and epochs."""
    ordered, X, T, _ = draw(CASE)
    shuffled, other_seed = draw(CASE).net, draw(CASE).net
    options = {"solver": "sgd", "learning_rate": 0.1, "batch_size": 1, "epochs": 1}
    ordered.fit(X, T, shuffle=False, **options)
    shuffled.fit(X, T, seed=1, **options)
    other_seed.fit(X, T, seed=2, **options)
    assert not np.allclose(ordered.params, shuffled.params, rtol=1e-6)
    assert not np.allclose(other_seed.params, shuffled.params, rtol=1e-6)
    two_epochs, twice_one = draw(CASE).net, draw(CASE).net
    two_epochs.fit(X, T, seed=1, **(options | {"epochs": 2}))
    for _ in range(2):
        twice_one.fit(X, T, seed=1, **options)
    assert not np.allclose(two_epochs.params, twice_one.params, rtol=1e-6)


def test_a_batch_in_parts_is_the_same_batch(monkeypatch):
    """Python gets control back in the midst of a large batch: the step follows the sum over all its parts."""
    case = Case((3, 5, 2), n_samples=50, weighted=True)
    nets = []
    for part_size in (50, 6):  # all samples at once; 6 samples at a time
        set_part_size(monkeypatch, part_size)
        net, X, T, weight = draw(case)
        history = net.fit(X, T, solver="adam", epochs=3, batch_size=20, shuffle=False, sample_weight=weight)
        nets.append((net.params.copy(), history.loss))
    assert np.allclose(nets[0][0], nets[1][0], rtol=1e-12, atol=0)
    assert np.allclose(nets[0][1], nets[1][1], rtol=1e-13, atol=0)


def test_more_epochs_than_a_window(monkeypatch):
    monkeypatch.setattr("fastbp.training.options.WINDOW", 7)
    case = Case((3, 5, 2), n_samples=12)
    net, X, T, _ = draw(case)
    rates = []
    history = net.fit(X, T, epochs=20, seed=0, learning_rate=lambda epoch: rates.append(epoch) or 0.01)
    monkeypatch.undo()
    other, X, T, _ = draw(case)
    assert history.loss == other.fit(X, T, epochs=20, seed=0, learning_rate=0.01).loss
    assert np.array_equal(net.params, other.params)
    assert sorted(set(rates)) == list(range(20))


@pytest.mark.parametrize("n_samples", [12, 13, 29])
def test_jobs_in_parts_come_to_the_same(n_samples, monkeypatch):
    """Many samples are done a part at a time: each output is the same, and sums are to rounding."""
    case = Case((3, 5, 2), n_samples=n_samples, weighted=True)
    whole = draw(case)
    set_part_size(monkeypatch, 6)
    monkeypatch.setattr(engine, "MIN_PART", 1)
    monkeypatch.setattr(engine, "MIN_GRADIENT_PART", 1)
    parts = draw(case)
    assert parts.net.engine.part_size == 6
    (E, grad), (E_parts, grad_parts) = (problem.net.gradient(*problem.data) for problem in (whole, parts))
    assert math.isclose(E, E_parts, rel_tol=1e-13)
    assert np.allclose(grad, grad_parts, rtol=1e-12, atol=1e-14)
    assert math.isclose(E, parts.net.loss(*parts.data), rel_tol=1e-13)
    for z, z_parts in zip(whole.net.activations(whole.X), parts.net.activations(parts.X), strict=True):
        assert np.array_equal(z, z_parts)
    for delta, delta_parts in zip(whole.net.deltas(*whole.data[:2]), parts.net.deltas(*parts.data[:2]), strict=True):
        assert np.allclose(delta, delta_parts, rtol=1e-13, atol=1e-15)
