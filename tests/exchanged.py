"""Networks of every kind for the tests of formats, drawn from a seed, and what "the same outputs" means."""

import os

import exact
import irregular
import numpy as np
from cases import COMPILED

import fastbp
from fastbp.activations import ACTIVATIONS

NIGHTLY = os.environ.get("FASTBP_TESTS") == "nightly"
N_NETWORKS = 200 if NIGHTLY else 10 if COMPILED else 4
HIDDEN = sorted(set(ACTIVATIONS) - {"threshold"})  # that one jumps: rounding is seen in full
OUTPUTS = [*HIDDEN, "softmax"]
N_DAMAGED = 2000 if NIGHTLY else 60 if COMPILED else 20
N_SAMPLES = 20


def draw_layered(rng, dtype, *, skip=True):
    """Return a network of up to four layers, with skips at times, and any functions."""
    sizes = [int(n) for n in rng.integers(1, 34, size=rng.integers(2, 6))]
    pairs = [(i, k) for i in range(len(sizes)) for k in range(i + 2, len(sizes)) if rng.random() < 0.4]
    net = fastbp.Network(
        sizes,
        activation=[str(name) for name in rng.choice(HIDDEN, size=len(sizes) - 2)],
        output=str(rng.choice(OUTPUTS)) if sizes[-1] > 1 else str(rng.choice(HIDDEN)),
        skip=pairs if skip else (),
        bias=bool(rng.random() < 0.8),
        dtype=dtype,
        seed=int(rng.integers(1000)),
    )
    for bias in net.biases:
        bias[:] = rng.uniform(-0.5, 0.5, len(bias))
    return net


def draw(seed):
    """Return (net, X): layered, with skips, pruned or irregular, in turn in either dtype."""
    rng = np.random.default_rng([77, seed])
    dtype = ["float32", "float64"][seed % 2]
    if seed % 4 in (0, 1):
        net = draw_layered(rng, dtype)
    elif seed % 4 == 2 and seed % 8 == 2:
        net = draw_layered(rng, dtype)
        net = net.with_mask(rng.random(len(net.edges)) < rng.uniform(0.1, 0.9))
    else:
        net, _X, _T = irregular.build(irregular.draw(seed, n_units=int(rng.integers(2, 60))), seed, dtype)
    return net, rng.uniform(-1, 1, size=(N_SAMPLES, net.n_inputs)).astype(dtype)


def ulps(found, expected, dtype=None):
    """Return the largest difference, in units in the last place of the largest expected number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.isfinite(expected).all()
    largest = np.abs(expected).max().astype(dtype or expected.dtype)
    unit = float(np.spacing(max(largest, np.finfo(largest.dtype).tiny)))
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max()) / unit


def assert_same(found, net, X, most=4.0):
    """Compare outputs with `net.forward`: 4 ulp of the largest one; or 3 times what rounding costs `forward` itself.

    Where a sum of thirty numbers goes into a function as steep as exp(-a**2), rounding alone moves outputs by up to 7
    ulp; two orders of adding up cannot agree more closely.
    """
    expected = net.forward(X)
    own = np.abs(expected - exact.outputs(net, X)).max() / np.spacing(np.abs(expected).max())
    assert ulps(found, expected) <= max(most, 3.0 * float(own))
