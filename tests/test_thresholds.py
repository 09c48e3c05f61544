"""Random networks that cross the code's thresholds, against NumPy by hand: 60 of them, 1,000 at the nightly size.

Run under each shape of registers, `registers.py`: what is wrong on one of them is right on the others.
"""

import contextlib
import os

import by_hand
import numpy as np
import pytest
from cases import COMPILED
from thresholds import CROSSED, THEMES, Drawn, draw_network

import fastbp
from fastbp.engine import choices, engine
from fastbp.kernels import tuning
from fastbp.kernels.many_samples import epilogue, gather, gradients, links, parts, prefetch, stripes, weighted_sums
from fastbp.kernels.training import chunks
from fastbp.structure import topology

NIGHTLY = os.environ.get("FASTBP_TESTS") == "nightly"
N_NETWORKS = 1000 if NIGHTLY else 60
# Nightly other networks each time; what fails says its seed
SEED = int.from_bytes(os.urandom(4)) if NIGHTLY else 7
MOST_PRODUCTS = 1 << 28 if NIGHTLY else 1 << 26


def numbers_of(theme):
    """Return the numbers of the networks of a theme."""
    place = THEMES.index(theme)
    return range(place, N_NETWORKS, len(THEMES))


MOST_DRAWS = 20  # of networks for a number, until one has samples that keep away from its kinks


def network_of(rng, drawn, dtype):
    """Return a network of these sizes; all else is drawn."""
    functions = rng.choice(["relu", "relu", "tanh", "softplus"], len(drawn.sizes) - 2).tolist()
    is_softmax = drawn.sizes[-1] > 1 and rng.random() < 0.3
    net = fastbp.Network(
        drawn.sizes,
        activation=functions,
        output="softmax" if is_softmax else "identity",
        loss="cross_entropy" if is_softmax else "squared_error",
        skip="all" if len(drawn.sizes) > 2 and rng.random() < 0.2 else (),
        bias=bool(rng.random() < 0.9),
        dtype=dtype,
        seed=int(rng.integers(1 << 30)),
    )
    for bias in net.biases:
        bias[:] = rng.uniform(-0.5, 0.5, bias.shape)
    return net


def network_with_samples(rng, drawn, dtype):
    """Return a network, and inputs that keep away from its kinks: with one input and no bias some have none.

    And not all of one unit's dead side: a gradient of zeros would show nothing.
    """
    for _attempt in range(MOST_DRAWS):
        net = network_of(rng, drawn, dtype)
        with contextlib.suppress(by_hand.NoSamplesError):
            X = by_hand.away_from_kinks(net, rng.standard_normal((drawn.n_samples, drawn.sizes[0])), rng)
            if by_hand.gradient(net, X, rng.uniform(size=(drawn.n_samples, drawn.sizes[-1])))[1].any():
                return net, X
    raise by_hand.NoSamplesError(f"none of {MOST_DRAWS} networks has samples that keep away from its kinks")


def check(seed, theme, number, most_products, **bounds):
    """Draw a network of one dtype or the other, and compare its gradient; what fails says what was drawn."""
    rng = np.random.default_rng([seed, number])
    dtype, drawn, net = ("float64", "float32")[number // len(THEMES) % 2], None, None
    try:
        drawn = draw_network(rng, dtype, theme, most_products, **bounds)
        net, X = network_with_samples(rng, drawn, dtype)
        T = rng.uniform(size=(drawn.n_samples, drawn.sizes[-1])).astype(dtype)
        weight = rng.uniform(0.2, 3.0, drawn.n_samples).astype(dtype) if rng.random() < 0.3 else None
        by_hand.compare(net, X, T, weight)
    except Exception as error:
        raise AssertionError(f"{theme}, seed {seed}, number {number}: {drawn}, {net!r}, {dtype}: {error}") from error


@pytest.mark.shapes
@pytest.mark.compiled_only
@pytest.mark.parametrize("theme", THEMES)
def test_random_networks(theme):
    for number in numbers_of(theme):
        check(SEED, theme, number, MOST_PRODUCTS)


@pytest.mark.shapes
@pytest.mark.skipif(COMPILED, reason="machine code keeps the constants that it was compiled with")
@pytest.mark.parametrize("theme", THEMES)
def test_random_networks_of_small_thresholds(theme, small_thresholds):
    for number in list(numbers_of(theme))[: 20 if NIGHTLY else 2]:
        check(SEED, theme, number, 60_000, most_units=60, most_samples=90)


def test_one_small_weight_makes_no_sample_close_to_a_kink():
    """Without bias and with one input no sum has terms that cancel, however small its weight is."""
    net = fastbp.Network((1, 30, 1), activation="relu", bias=False, seed=0)
    net.weights[0][3] = 1e-9
    X = np.random.default_rng(0).standard_normal((40, 1))
    assert np.array_equal(by_hand.away_from_kinks(net, X, np.random.default_rng(0)), X)


@pytest.mark.parametrize("sizes", [(2, 1, 1), (2, 40, 1)])  # of one unit as of many
def test_samples_close_to_a_kink_are_drawn_again(sizes):
    net = fastbp.Network(sizes, activation="relu", bias=False, seed=0)
    net.weights[0][0] = 1.0
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 2))
    X[2] = 1.0, -1.0 + 1e-6
    kept = by_hand.away_from_kinks(net, X, rng)
    assert [k for k in range(5) if not np.array_equal(kept[k], X[k])] == [2]
    assert not by_hand.near_kinks(by_hand.parts_of(net), kept).any()


def all_close():
    """Return a network of which each sample is close to a kink: two terms cancel, whatever the input is."""
    net = fastbp.Network((1, 4, 1, 1), activation="relu", bias=False, seed=0)
    net.weights[0][:, 0] = 1.0, 1.0, -1.0, -1.0
    net.weights[1][0] = 1.0, -1.0 + 1e-6, 1.0, -1.0 + 1e-6
    return net


def test_a_network_without_samples_is_drawn_again(monkeypatch):
    good, made = fastbp.Network((1, 4, 1, 1), activation="relu", bias=False, seed=0), []

    def network(rng, drawn, dtype):
        made.append(all_close() if len(made) < 2 else good)
        return made[-1]

    monkeypatch.setitem(globals(), "network_of", network)
    net, X = network_with_samples(np.random.default_rng(0), Drawn((1, 4, 1, 1), 6), "float64")
    assert net is good
    assert len(made) == 3
    assert X.shape == (6, 1)


def test_what_cannot_be_drawn_says_its_number(monkeypatch):
    monkeypatch.setitem(globals(), "network_of", lambda rng, drawn, dtype: all_close())
    monkeypatch.setitem(globals(), "draw_network", lambda *args: Drawn((1, 4, 1, 1), 6))
    with pytest.raises(AssertionError, match=r"biases, seed 5, number 9: .*keep away from"):
        check(5, "biases", 9, 60_000)


def test_the_same_networks_in_each_run():
    drawn = [draw_network(np.random.default_rng(3), "float32", theme, 1 << 26) for theme in THEMES]
    assert drawn == [draw_network(np.random.default_rng(3), "float32", theme, 1 << 26) for theme in THEMES]
    assert all(1 <= n <= 2600 for network in drawn for n in network.sizes)
    assert {len(network.sizes) for network in drawn} <= {2, 3, 4, 5}


# Constants of these modules that decide on no order of sums, nor on where a number is found
NO_THRESHOLDS = {
    "prefetch": set(),
    "chunks": set(),
    "gather": set(),
    "gradients": {"ALL"},
    "choices": {"VALUES", "DELTAS", "SLOPES"},
    # STEP_NUMBERS: of steps, see `test_caches.py`; TWO_COLUMNS, FEW_COLUMNS: `registers` and `anything` draw such
    # widths; MAX_REGISTERS, MIN_DENSE: see `test_irregular.py`; FEW_ROWS to MAX_SAMPLES and STRIPE_NUMBERS: see
    # `test_single.py`; of second derivatives: see `test_curvature.py`; of populations: `test_population_lanes.py`
    "tuning": {"CACHE_LINE", "REGISTERS_OF_LINE", "PREFETCH_DISTANCE", "PREFETCH_TERMS", "STEP_NUMBERS", "TWO_COLUMNS",
               "FEW_COLUMNS", "MAX_REGISTERS", "MIN_DENSE", "FEW_ROWS", "FEW_PRODUCTS", "SINGLE_PRODUCTS",
               "FEW_LINKED", "SINGLE_LINKED",
               "MAX_SAMPLES", "PACKED_TOGETHER", "LOG_SHARE_PRODUCTS", "KEPT_BYTES", "KEPT_MEMORIES", "KEPT_PARAMS",
               "MAX_CHUNKS", "TILE_BYTES", "LINKS_BYTES", "PART_PRODUCTS", "UNIT_PRODUCTS", "SAMPLE_PRODUCTS",
               "MIN_PART", "MIN_GRADIENT_PART", "MIN_CHUNK_SAMPLES", "STRIPE_NUMBERS", "CURVATURE_TILE",
               "LANE_BYTES", "LANE_BYTES_OF_BATCHES", "MOST_BATCH_REGISTERS", "STATE_BYTES",
               "MOST_AHEAD", "AHEAD_BYTES", "FEW_TO_LANES",
               "CURVATURE_ROWS", "CURVATURE_COLUMNS", "CURVATURE_BYTES", "DECOMPOSED_ROWS", "FEW_PAIRS",
               "SECONDS_OF_FEW",
               "CURVATURE_CACHE", "CURVATURE_MATRIX"},
    "links": set(),
    "parts": set(),
    "stripes": set(),
    "epilogue": {"NO_FLOOR"},
    "weighted_sums": {"PANELS", "PACKED"},
    "topology": {"KEPT", "MOST_KEPT_UNITS"},
    "engine": {"ALIGNMENT"},
}  # fmt: skip


def own_constants(module):
    """Return the numbers that a module itself defines, in capitals."""
    import ast
    from pathlib import Path

    names = set()
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.Assign):
            names |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {n for n in names if n.isupper() and isinstance(getattr(module, n), int | float)}


@pytest.mark.parametrize(
    "module",
    [
        prefetch,
        chunks,
        epilogue,
        gather,
        gradients,
        links,
        parts,
        stripes,
        weighted_sums,
        topology,
        tuning,
        engine,
        choices,
    ],
)
def test_each_threshold_is_crossed_by_a_theme(module):
    """A new constant is either a threshold, for which networks are drawn, or said to be none."""
    name = module.__name__.rpartition(".")[2]
    drawn = {key.partition(".")[2] for key in CROSSED if key.startswith(name + ".")}
    assert own_constants(module) == drawn | NO_THRESHOLDS[name]
    assert set(CROSSED.values()) <= set(THEMES)
