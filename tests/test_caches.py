"""Sums cut for the caches, packed columns, lines asked for: run as plain Python, as if caches held next to nothing.

Compiled, machine code keeps the constants that it was compiled with, and `test_gradient.py` has networks large enough.
"""

import math
from functools import cache

import numpy as np
import oracle
import pytest
from cases import COMPILED, Case, assert_gradients_equal, describe, draw, flatten

from fastbp.engine import choices, schedule
from fastbp.kernels.many_samples import parts, weighted_sums
from fastbp.structure import topology

pytestmark = pytest.mark.skipif(COMPILED, reason="machine code keeps the constants that it was compiled with")

CASES = [
    Case((9, 14, 13, 2), "relu", n_samples=37, weighted=True),
    Case((3, 7, 26, 11, 1), "relu", skip="all", n_samples=62),
    Case((12, 31, 5), "tanh", "softmax", "cross_entropy", bias=False, n_samples=60),
]


@cache
def exact_gradient(number):
    """By automatic differentiation, number by number: it takes seconds."""
    net, X, T, weight = draw(CASES[number])
    return oracle.gradient(describe(net), X.tolist(), T.tolist(), None if weight is None else weight.tolist())


@pytest.fixture
def small_caches(monkeypatch):
    """Return a function that sets how many terms and bytes a block of sums has, and what is packed."""

    def set_sizes(block_terms, block_bytes, far_bytes, min_packed):
        for module in (parts, weighted_sums):
            monkeypatch.setattr(module, "BLOCK_TERMS", block_terms)
        for module in (weighted_sums, choices):
            monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(weighted_sums, "PREFETCH_BYTES", far_bytes)
        monkeypatch.setattr("fastbp.structure.topology.BLOCK_TERMS", block_terms)
        monkeypatch.setattr("fastbp.structure.topology.MIN_PACKED", min_packed)
        topology._layered.cache_clear()  # tables that were made for other sizes

    return set_sizes


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("min_packed", [0, 1 << 30], ids=["packed", "as it stands"])
@pytest.mark.parametrize(
    ("block_terms", "block_bytes", "far_bytes"),
    [(512, 1 << 20, 0), (5, 1 << 20, 1 << 19), (5, 1 << 10, 0), (512, 1 << 12, 1 << 11)],
    ids=["far", "parts of terms", "parts of terms and samples", "parts of samples"],
)
def test_gradient(small_caches, block_terms, block_bytes, far_bytes, min_packed, case):
    small_caches(block_terms, block_bytes, far_bytes, min_packed)
    net, X, T, weight = draw(case)
    E, grad = net.gradient(X, T, sample_weight=weight)
    exact_E, d_weights, d_biases = exact_gradient(CASES.index(case))
    assert math.isclose(E, exact_E, rel_tol=1e-12)
    assert_gradients_equal(net, grad, flatten(net, d_weights, d_biases), rtol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_does_not_depend_on_the_caches(small_caches, monkeypatch, dtype):
    """Rows nearby; from further away, asked for with what the step reads; cut, with gradients in wide stripes."""
    for module in ("engine", "choices"):
        monkeypatch.setattr(f"fastbp.engine.{module}.MOST_AT_ONCE", 0)
    monkeypatch.setattr(schedule, "STEP_NUMBERS", 100)
    trained = []
    for block_terms, block_bytes, far_bytes in ((512, 1 << 20, 1 << 20), (512, 1 << 20, 0), (20, 1 << 13, 0)):
        small_caches(block_terms, block_bytes, far_bytes, 1 << 30)
        net, X, T, _ = draw(Case((200, 31, 3), "relu", n_samples=20), dtype)
        net.fit(X, T, epochs=2, batch_size=10, solver="sgd", seed=0)
        trained.append(net.params.copy())
    assert np.array_equal(trained[0], trained[1])
    assert np.allclose(trained[0], trained[2], rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)
    assert not np.allclose(trained[0], draw(Case((200, 31, 3), "relu", n_samples=20), dtype).net.params, atol=1e-3)
