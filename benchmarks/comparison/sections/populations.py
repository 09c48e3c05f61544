"""Many networks of the same layers: a population, `fit` one after the other, and JAX's vmap within a scan.

Each network has weights, an order of samples and a learning rate of its own.
"""

from time import process_time
from typing import NamedTuple

import numpy as np

import fastbp

from ..measure import Row, say
from ..peers.base import BETA_1, BETA_2, EPSILON
from ..tables import Outcome, Table, digits
from ..timing import TOLERANCE, agree, in_turns

N_SAMPLES = 500
N_EPOCHS = 16  # of a call of fit, which has costs of its own
MOST_CALLS = 4  # in one turn


class Work(NamedTuple):
    """What is trained."""

    sizes: tuple
    n_networks: int
    batch_size: int

    @property
    def solver(self):
        return "sgd" if self.batch_size == 1 else "adam"

    @property
    def solver_options(self):
        return {"solver": self.solver} | ({} if self.solver == "sgd" else {"epsilon": EPSILON})

    @property
    def title(self):
        return f"{'-'.join(map(str, self.sizes))}, {self.n_networks:,} networks, batch {self.batch_size}"


WORKS = [
    Work(sizes, n_networks, batch_size)
    for batch_size in (1, 32)
    for sizes, n_networks in (((2, 8, 1), 64), ((2, 8, 1), 1024), ((8, 16, 1), 64), ((32, 64, 1), 64))
] + [Work((64, 128, 1), 16, 1), Work((16, 64, 64, 1), 16, 32)]


class Given(NamedTuple):
    """Data, first weights, and what is each network's own."""

    X: np.ndarray
    T: np.ndarray
    networks: list
    rates: np.ndarray
    orders: np.ndarray  # (n_networks, n_samples)


def given_of(work, dtype):
    rng = np.random.default_rng(0)
    X, T = (rng.normal(size=(N_SAMPLES, n)).astype(dtype) for n in (work.sizes[0], work.sizes[-1]))
    networks = [fastbp.Network(work.sizes, seed=k, dtype=dtype) for k in range(work.n_networks)]
    orders = np.array([rng.permutation(N_SAMPLES) for _ in networks])
    return Given(X, T, networks, np.geomspace(1e-4, 1e-2, work.n_networks), orders)


class Together:
    """`fastbp.Population`."""

    def __init__(self, work, given, n_threads):
        self.given, self.pop = given, fastbp.Population(given.networks)
        self.options = work.solver_options | {"batch_size": work.batch_size, "learning_rate": given.rates}
        self.options |= {"seeds": 0, "n_threads": n_threads}

    def epoch_as_given(self):
        pop = fastbp.Population(self.given.networks)
        pop.fit(self.given.X, self.given.T, samples=list(self.given.orders), shuffle=False, epochs=1, **self.options)
        return np.concatenate([net.params for net in pop])

    def train(self, n_epochs):
        self.pop.fit(self.given.X, self.given.T, epochs=n_epochs, **self.options)


class OneByOne:
    """`fastbp.Network.fit`, one after the other."""

    def __init__(self, work, given, n_threads):
        self.given, self.networks = given, [net.astype(net.dtype) for net in given.networks]
        self.options = work.solver_options | {"batch_size": work.batch_size, "seed": 0, "n_threads": n_threads}

    def epoch_as_given(self):
        own = [net.astype(net.dtype) for net in self.given.networks]
        for net, rate, order in zip(own, self.given.rates, self.given.orders, strict=True):
            X, T = self.given.X[order], self.given.T[order]
            net.fit(X, T, shuffle=False, epochs=1, learning_rate=rate, **self.options)
        return np.concatenate([net.params for net in own])

    def train(self, n_epochs):
        for net, rate in zip(self.networks, self.given.rates, strict=True):
            net.fit(self.given.X, self.given.T, epochs=n_epochs, learning_rate=rate, **self.options)


class Vmap:
    """JAX: a scan over the steps of an epoch, each step vmapped over the networks."""

    def __init__(self, work, given, _n_threads):
        import jax

        jax.config.update("jax_enable_x64", given.X.dtype == np.float64)
        self.jax, self.work, self.given = jax, work, given
        self.X, self.T, self.rates = (jax.numpy.asarray(a, given.X.dtype) for a in (given.X, given.T, given.rates))
        nets = given.networks
        stacked = [np.stack([net.weights[k] for net in nets]) for k in range(len(nets[0].weights))]
        biases = [np.stack([net.biases[k] for net in nets]) for k in range(len(nets[0].biases))]
        self.first = jax.tree.map(jax.numpy.asarray, (stacked, biases))
        self.epoch = jax.jit(self._epoch)
        self.state = self._state()
        self.rng = np.random.default_rng(1)

    def _state(self):
        zeros = self.jax.tree.map(self.jax.numpy.zeros_like, self.first)
        return self.first, zeros, zeros, self.jax.numpy.zeros((), self.X.dtype)

    def _loss(self, params, x, t):
        weights, biases = params
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = self.jax.numpy.tanh(x @ w.T + b)
        return 0.5 * ((x @ weights[-1].T + biases[-1] - t) ** 2).sum() / len(x)

    def _step(self, state, rows):
        tree_map, (params, m, v, t) = self.jax.tree.map, state
        grad = self.jax.vmap(self.jax.grad(self._loss))(params, self.X[rows], self.T[rows])

        def times_rate(a):
            return a * self.rates.reshape(-1, *[1] * (a.ndim - 1))

        if self.work.solver == "sgd":
            return (tree_map(lambda p, g: p - times_rate(g), params, grad), m, v, t), None
        t = t + 1
        m = tree_map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, grad)
        v = tree_map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, grad)
        start = (1 - BETA_2**t) ** 0.5 / (1 - BETA_1**t)
        params = tree_map(lambda p, m, v: p - times_rate(start * m / (v**0.5 + EPSILON)), params, m, v)
        return (params, m, v, t), None

    def _epoch(self, state, orders):
        """Orders (n_networks, n_samples); the last batch, which is smaller, is a step of its own."""
        size = self.work.batch_size
        n_whole = N_SAMPLES // size * size
        steps = orders[:, :n_whole].reshape(len(orders), -1, size).swapaxes(0, 1)
        state, _ = self.jax.lax.scan(self._step, state, steps)
        return state if n_whole == N_SAMPLES else self._step(state, orders[:, n_whole:])[0]

    def epoch_as_given(self):
        (weights, biases), *_ = self.epoch(self._state(), self.given.orders)
        flat = [np.asarray(a).reshape(len(self.given.networks), -1) for a in (*weights, *biases)]
        return np.concatenate(flat, axis=1).ravel()

    def train(self, n_epochs):
        for _ in range(n_epochs):
            orders = self.rng.permuted(self.given.orders, axis=1)
            self.state = self.epoch(self.state, orders)
        self.jax.block_until_ready(self.state)


PEERS = {"population": Together, "one by one": OneByOne, "jax": Vmap}


def timer(peer):
    def seconds(n_calls):
        began = process_time()
        for _ in range(n_calls):
            peer.train(N_EPOCHS)
        return process_time() - began

    return seconds


def run(setup, done):
    """Epochs of many networks."""
    names = [name for name in PEERS if name != "jax" or "jax" in setup.peers]
    rows = [_measured(setup, names, work, dtype) for work in WORKS for dtype in setup.dtypes]
    return Outcome("populations", rows, [_table(rows, names)])


def _measured(setup, names, work, dtype):
    say(f"populations: {work.title}, {dtype}")
    given = given_of(work, dtype)
    peers = {name: PEERS[name](work, given, setup.n_threads) for name in names}
    start = np.concatenate([net.params for net in given.networks])
    ways = {name: peer.epoch_as_given() - start for name, peer in peers.items()}
    deviations = agree(ways, f"populations: {work.title}, {dtype}", TOLERANCE[dtype])
    seconds = in_turns({name: timer(peer) for name, peer in peers.items()}, setup.repeats, MOST_CALLS)
    seconds = {name: of_call / N_EPOCHS for name, of_call in seconds.items()}
    return Row(work.title, dtype, seconds, {dtype: deviations}, details={"networks": work.n_networks})


def _table(rows, names):
    columns = ["", "dtype", *(f"{name}, µs" for name in names), *(f"{name} / population" for name in names[1:])]
    cells = []
    for row in rows:
        each = {name: 1e6 * np.median(row.seconds[name]) / row.details["networks"] for name in names}
        ratios = {name: np.median(row.seconds[name] / row.seconds["population"]) for name in names[1:]}
        cells.append([row.title, row.dtype, *(digits(each[name]) for name in names), *map(digits, ratios.values())])
    return Table(f"An epoch of {N_SAMPLES} samples for each network, CPU time, of {N_EPOCHS} in a call", columns, cells)
