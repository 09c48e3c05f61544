"""A network in each lane: steps of naive loops in the same order, all functions and losses, any number of lanes."""

import copy

import numpy as np
import pytest
from cases import COMPILED

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.kernels.registers.machine import lanes_of
from fastbp.losses import LOSSES
from fastbp.population import lanes
from fastbp.population.kinds import sort
from fastbp.population.wishes import options_of

N = 24 if COMPILED else 6
RNG = np.random.default_rng(3)
X, T = RNG.normal(size=(N, 3)), RNG.uniform(0.1, 0.9, size=(N, 2))
WEIGHT = RNG.uniform(0.5, 2.0, N)
ROUNDING = 4e-16


def naive_gradient(params, x, t, sizes):
    """Backpropagation of one sample of a network with tanh and outputs that are sums, index by index."""
    n_in, n_hidden, n_out = sizes
    w1, w2 = params[: n_hidden * n_in].reshape(n_hidden, n_in), None
    w2 = params[n_hidden * n_in : n_hidden * (n_in + n_out)].reshape(n_out, n_hidden)
    b1, b2 = np.split(params[n_hidden * (n_in + n_out) :], [n_hidden])
    z, y = np.zeros(n_hidden), np.zeros(n_out)
    for j in range(n_hidden):
        a = b1[j]
        for i in range(n_in):
            a += w1[j, i] * x[i]
        z[j] = np.tanh(a)
    for k in range(n_out):
        y[k] = b2[k]
        for j in range(n_hidden):
            y[k] += w2[k, j] * z[j]
    delta_k, delta_j = y - t, np.zeros(n_hidden)
    for j in range(n_hidden):
        for k in range(n_out):
            delta_j[j] += w2[k, j] * delta_k[k]
        delta_j[j] *= 1 - z[j] * z[j]
    return np.concatenate([np.outer(delta_j, x).ravel(), np.outer(delta_k, z).ravel(), delta_j, delta_k])


def naive_training(params, order, sizes, batch_size, rate):
    """Gradient descent along the mean of each batch."""
    params = params.copy()
    for start in range(0, len(order), batch_size):
        batch, total = order[start : start + batch_size], 0.0
        for n in batch:
            total = total + naive_gradient(params, X[n], T[n], sizes)
        params -= rate * (total / len(batch))
    return params


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("n_networks", [1, 3, 11, 70])
def test_steps_of_naive_loops(n_networks, batch_size):
    """Each network has an order and a learning rate of its own."""
    sizes = 3, 5, 2
    pop = fastbp.Population.of(sizes, n_networks, seeds=0)
    starts = [net.params.copy() for net in pop]
    orders = [np.random.default_rng(k).integers(0, N, N) for k in range(n_networks)]
    rates = np.linspace(0.01, 0.1, n_networks)
    options = {"solver": "sgd", "epochs": 1, "batch_size": batch_size, "shuffle": False}
    pop.fit(X, T, samples=orders, learning_rate=rates, seeds=0, **options)
    for k, (start, order) in enumerate(zip(starts, orders, strict=True)):
        expected = naive_training(start, order, sizes, batch_size, rates[k])
        n_steps = -(-N // batch_size)
        assert np.abs(pop[k].params - expected).max() <= ROUNDING * n_steps * np.abs(expected).max()


def asked_of(n, **options):
    """Return the options of n networks."""
    given = {"solver": "adam", "learning_rate": None, "l1": 0.0, "l2": 0.0, "patience": None, "tol": None, "goal": None}
    common = {"epochs": 1, "reduction": "mean", "shuffle": True, "validation": None, "n_threads": None}
    given |= {"batch_size": 8, "label_smoothing": 0.0} | options
    return options_of(n, fastbp.Population.fit, {}, **given, **common)


def all_in_lanes(nets, **options):
    """Whether networks are trained a network in each lane."""
    asked = asked_of(len(nets), **options)[0]
    return [lanes.is_for_lanes(kind, asked, asked.batch_size or N) for kind in sort(nets)]


def compare(nets, dtype, targets=T, **options):
    """Train networks in the lanes and one by one, and compare."""
    alone = [copy.deepcopy(net) for net in nets]
    pop = fastbp.Population(nets)
    histories = pop.fit(X, targets, seeds=0, epochs=2, **options)
    for k, net in enumerate(alone):
        history = net.fit(X, targets, seed=k, epochs=2, **options)
        bound = (2e-12 if dtype == "float64" else 2e-4) * np.abs(net.params).max()
        assert np.abs(pop[k].params - net.params).max() <= bound
        assert np.allclose(histories[k].loss, history.loss, rtol=1e-10 if dtype == "float64" else 1e-4)
        assert not np.array_equal(net.params, nets[k].params)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"threshold"}))
def test_every_function(activation, dtype):
    nets = [fastbp.Network((3, 4, 2), activation=activation, seed=k, dtype=dtype) for k in range(3)]
    assert all_in_lanes(nets) == [activation != "sin"]
    compare(nets, dtype, batch_size=5, learning_rate=0.01)


# The logarithms that losses take of outputs, or of 1 - y
OUTPUTS = ("identity", "logistic", "softmax", "exp", "softplus")
OF_LOSS = {"cross_entropy": OUTPUTS[1:], "poisson": OUTPUTS[1:], "binary_cross_entropy": OUTPUTS[1:3]}


@pytest.mark.parametrize(("loss", "output"), [(loss, y) for loss in sorted(LOSSES) for y in OF_LOSS.get(loss, OUTPUTS)])
def test_every_loss(loss, output):
    nets = [fastbp.Network((3, 4, 2), loss=loss, output=output, seed=k) for k in range(3)]
    assert all(all_in_lanes(nets))
    compare(nets, "float64", batch_size=5, learning_rate=0.01, sample_weight=WEIGHT)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_online(dtype, n_outputs):
    """Registers of networks of which all lanes are filled, and of which one is; units that fill no tile."""
    n = 2 * int(lanes_of(np.dtype(dtype))) + 1
    sizes, y = (3, 7, 2, n_outputs), "softmax" if n_outputs == 2 else "logistic"
    nets = [fastbp.Network(sizes, output=y, loss="squared_error", seed=k, dtype=dtype) for k in range(n)]
    assert all(all_in_lanes(nets, batch_size=1))
    targets = T if n_outputs == 2 else T[:, :1]
    compare(nets, dtype, targets, batch_size=1, solver="sgd", learning_rate=0.1, sample_weight=WEIGHT)


@pytest.mark.parametrize("sizes", [(2, 3, 1), (6, 16, 2)])
def test_groups_have_registers_that_are_compiled(sizes):
    """All networks, in their order; of as many registers as a cache holds the parameters of."""
    step = int(lanes_of(np.dtype("float64")))
    for n in (1, step, step + 1, 3 * step, 7 * step - 1, 9 * step):
        nets = [fastbp.Network(sizes, seed=k) for k in range(n)]
        lot = lanes.Lot(0, list(range(n)), 1, asked_of(n)[0])
        groups = lanes.groups_of(sort(nets), [lot], asked_of(n), 1)
        registers = [group.n_registers for group in groups]
        assert [k for group in groups for k in group.members] == list(range(n))
        assert set(registers) <= set(lanes.LANE_REGISTERS)
        assert max(registers) <= max(1, lanes.STATE_BYTES // (nets[0].n_params * step * 8))
        assert sum(registers) == -(-n // step)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_skips_and_no_biases(batch_size):
    nets = [fastbp.Network((3, 4, 3, 2), skip="all", bias=False, seed=k, activation="relu") for k in range(3)]
    assert all(all_in_lanes(nets, batch_size=batch_size))
    compare(nets, "float64", batch_size=batch_size, solver="sgd", learning_rate=0.01)


def test_which_way_networks_go():
    step = int(lanes_of(np.dtype("float64")))
    small, large = fastbp.Network((2, 4, 1)), fastbp.Network((64, 128, 1))
    assert all_in_lanes([small, large]) == [True, False]
    assert all_in_lanes([small], batch_size=1) == [True]
    assert all_in_lanes([small], batch_size=lanes.MOST_BATCH_REGISTERS * step + 1) == [False]
    assert all_in_lanes([small], solver="rprop", batch_size=None) == [False]
    assert all_in_lanes([fastbp.Network.from_edges(3, 1, [(0, 3), (1, 4), (3, 5), (4, 5), (2, 5)])]) == [False]


@pytest.mark.parametrize(("solver", "batch_size"), [("sgd", 1), ("adam", 5)])
def test_wide_inputs_are_transposed(solver, batch_size):
    x = RNG.normal(size=(N, 9))
    nets = [fastbp.Network((9, 2, 1), seed=k) for k in range(3)]
    alone, pop = [copy.deepcopy(net) for net in nets], fastbp.Population(nets)
    pop.fit(x, T[:, 0], epochs=2, seeds=0, solver=solver, batch_size=batch_size)
    for k, net in enumerate(alone):
        net.fit(x, T[:, 0], epochs=2, seed=k, solver=solver, batch_size=batch_size)
        assert np.allclose(pop[k].params, net.params, rtol=0, atol=1e-13)
