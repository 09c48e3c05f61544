"""A network as a state machine: whatever its user does, it computes what the loops of the derivation compute."""

import copy
import pickle
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scipy.special import ndtr

import fastbp


def half_square(a):
    return 0.5 * a * a


def itself(a):
    return a


H = {
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "identity": lambda a: a,
    "logistic": lambda a: 1 / (1 + np.exp(-np.clip(a, -700, 700))),
    "gelu": lambda a: a * ndtr(a),
    "own": half_square,
}
OWN = fastbp.Activation("own", half_square, itself)
FUNCTIONS = ["tanh", "relu", "identity", "logistic", "gelu", OWN]
LOSSES = ["squared_error", "absolute_error", "huber", "sse", fastbp.Loss("quantile", quantile=0.9)]
EDGES = [(0, 2), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4), (2, 5), (3, 5), (0, 5)]
METHODS = ["forward", "loss", "gradient", "deltas", "fit", "input_gradient"]
ASSIGNED = ["params", "edge_weights", "unit_biases"]
REFUSED = (ValueError, TypeError, AttributeError)
# Arrays in the place of (n, m) ones, and whether they are right
BAD = {
    "width": lambda X: np.hstack([X, X[:, :1]]),
    "1-D": lambda X: X.ravel()[:-1] if X.shape[1] > 1 else X[None],
    "3-D": lambda X: X[None],
    "NaN": lambda X: np.full_like(X, np.nan),
    "None": lambda X: np.full(X.shape, None),
    "dates": lambda X: X.astype("M8[s]"),
    "text": lambda X: X.astype(str),
    "complex": lambda X: X + 1j,
    "empty": lambda X: X[:0],
    "scalar": lambda X: 3.0,
}


def mapped(X):
    """Return a read-only memory map of an array; its file is gone."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", X)
        return np.load(Path(folder) / "x.npy", mmap_mode="r")


GOOD = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "Fortran": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "objects": lambda X: X.astype(object),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "unaligned": lambda X: np.frombuffer(b"\0" + X.tobytes(), X.dtype, offset=1).reshape(X.shape),
    "swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "mapped": mapped,
}


def outcome(call):
    """Return (result, None), or (None, the exception)."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except Exception as error:
            return None, error


def values_of(net, X):
    """Return the outputs, unit by unit along `edges`, with nothing of the package's but the weights."""
    biases, weights, functions = net.unit_biases, net.edge_weights.astype(float), net.unit_activations
    z = np.zeros((len(X), net.n_units))
    z[:, : net.n_inputs] = X
    arriving = {}
    for (i, j), w in zip(net.edges.tolist(), weights, strict=True):
        arriving.setdefault(j, []).append((i, w))
    for unit in order_of(net.n_inputs, net.n_units, arriving):
        a = np.zeros(len(X)) if np.isnan(biases[unit]) else np.full(len(X), float(biases[unit]))
        for i, w in arriving.get(unit, []):
            a += w * z[:, i]
        z[:, unit] = H[functions[unit - net.n_inputs].name](a)
    return z[:, net.n_units - net.n_outputs :]


def order_of(n_inputs, n_units, arriving):
    """Return the units after the inputs, each after all that feed it."""
    done, order = set(range(n_inputs)), []
    while len(order) < n_units - n_inputs:
        for unit in range(n_inputs, n_units):
            if unit not in done and all(i in done for i, _ in arriving.get(unit, [])):
                done.add(unit)
                order.append(unit)
    return order


class NetworkMachine(RuleBasedStateMachine):
    """One network, and what its parameters are to be."""

    @initialize(
        sizes=st.lists(st.sampled_from([1, 2, 3, 5, 9, 17]), min_size=2, max_size=4),
        of_edges=st.booleans(),
        skip=st.booleans(),
        loss=st.sampled_from(LOSSES),
        dtype=st.sampled_from(["float64", "float64", "float32"]),
        data=st.data(),
    )
    def make(self, sizes, of_edges, skip, loss, dtype, data):
        activation = st.sampled_from(FUNCTIONS)
        if of_edges:
            units = {unit: data.draw(activation) for unit in (2, 3)}
            net = fastbp.Network.from_edges(2, 2, EDGES, activation=units, loss=loss, dtype=dtype, seed=0)
        else:
            hidden = [data.draw(activation) for _ in sizes[1:-1]]
            net = fastbp.Network(sizes, activation=hidden, loss=loss, dtype=dtype, seed=0, skip="all" if skip else ())
        self.net, self.params = net, net.params.copy()

    def data(self, seed, n_samples):
        draw = np.random.default_rng(seed)
        X, T = draw.normal(size=(n_samples, self.net.n_inputs)), draw.normal(size=(n_samples, self.net.n_outputs))
        return X.astype(self.net.dtype), T.astype(self.net.dtype)

    # ------------------------------------------------------------------ what a user does

    @rule(
        seed=st.integers(0, 3),
        n_samples=st.sampled_from([1, 2, 7, 33]),
        batch_size=st.sampled_from([1, 2, 5, None]),
        solver=st.sampled_from(["adam", "sgd", "rmsprop"]),
        validation=st.sampled_from([None, 0.3, "set"]),
        dropout=st.sampled_from([0.0, 0.0, 0.5]),
        form=st.sampled_from(sorted(GOOD)),
        weighted=st.booleans(),
    )
    def fit(self, seed, n_samples, batch_size, solver, validation, dropout, form, weighted):
        """The form of the arrays changes no bit, nor do copies of the network."""
        net, (X, T) = self.net, self.data(seed, n_samples)
        if form == "float32":
            X, T = X.astype(np.float32).astype(net.dtype), T.astype(np.float32).astype(net.dtype)
        twin = copy.deepcopy(net)
        options = {"epochs": 2, "batch_size": batch_size, "solver": solver, "seed": seed, "learning_rate": 0.01}
        options |= {"validation": (X, T) if validation == "set" else validation}
        options |= {"dropout": dropout if len(net.sizes) > 2 else 0.0}
        options |= {"sample_weight": np.arange(n_samples) % 3 + 0.5 if weighted else None}
        _, error = outcome(lambda: net.fit(GOOD[form](X), GOOD[form](T), **options))
        _, again = outcome(lambda: twin.fit(X, T, **options))
        assert repr(error) == repr(again)
        if error is not None:
            assert "leave a sample" in str(error), repr(error)
        assert np.array_equal(net.params, twin.params)
        self.params = net.params.copy()

    @rule(
        seed=st.integers(0, 3),
        method=st.sampled_from(METHODS),
        which=st.sampled_from("XT"),
        bad=st.sampled_from(sorted(BAD)),
    )
    def pass_wrong(self, seed, method, which, bad):
        """What does not fit is refused by its name, and changes nothing."""
        X, T = self.data(seed, 4)
        given = {"X": X, "T": T}
        if method in ("forward", "input_gradient"):
            which, given = "X", {"X": X}
        given[which] = BAD[bad](given[which])
        _, error = outcome(lambda: getattr(self.net, method)(**given))
        assert isinstance(error, REFUSED), (method, which, bad, error)
        assert which in str(error), repr(error)

    @rule(weights=st.sampled_from(["zero", "negative", "NaN", "short", "2-D"]))
    def pass_wrong_weights(self, weights):
        X, T = self.data(0, 4)
        wrong = {"zero": np.zeros(4), "negative": -np.ones(4), "NaN": np.full(4, np.nan), "short": np.ones(3)}
        _, error = outcome(lambda: self.net.fit(X, T, sample_weight=wrong.get(weights, np.ones((4, 1)))))
        assert isinstance(error, REFUSED), (weights, error)
        assert "sample_weight" in str(error)

    @rule(seed=st.integers(0, 9), form=st.sampled_from(["params", "in place", "views", "edge_weights", "unit_biases"]))
    def assign(self, seed, form):
        """Parameters are what they were set to."""
        net, draw = self.net, np.random.default_rng(seed)
        values = (draw.integers(-8, 9, net.n_params) / 8).astype(net.dtype)
        if form == "params":
            net.params = values.tolist() if seed % 2 else values.astype(np.float64)[::-1].copy()[::-1]
        elif form == "in place":
            net.params[:] = values
        elif form == "edge_weights":
            net.edge_weights = values[: len(net.edges)]
            assert np.array_equal(net.edge_weights, values[: len(net.edges)])
            values = net.params.copy()
        elif form == "unit_biases":
            before = net.unit_biases
            net.unit_biases = np.where(np.isnan(before), np.nan, 0.25)
            assert np.array_equal(net.unit_biases, np.where(np.isnan(before), np.nan, 0.25), equal_nan=True)
            values = net.params.copy()
        elif not net.is_given_by_edges:
            for weight in net.weights:
                weight[...] = 0.125
            assert all((weight == 0.125).all() for weight in net.weights)
            values = net.params.copy()
        else:
            values = net.params.copy()
        assert np.array_equal(net.params, values)
        self.params = values.copy()

    @rule(
        name=st.sampled_from(ASSIGNED),
        how=st.sampled_from(["size", "NaN", "text", "None", "2-D"]),
    )
    def assign_wrongly(self, name, how):
        right = getattr(self.net, name)
        wrong = {"size": np.zeros(len(right) + 1), "NaN": np.full(len(right), np.nan), "2-D": np.zeros((1, len(right)))}
        wrong |= {"text": right.astype(str), "None": None}
        _, error = outcome(lambda: setattr(self.net, name, wrong[how]))
        if not (how == "NaN" and name != "params" and np.isnan(right).all()):
            assert isinstance(error, REFUSED), (name, how, error)

    @rule(how=st.sampled_from(["deepcopy", "copy", "pickle", "file", "astype", "mask"]))
    def copy(self, how):
        """A copy has the same parameters, and none of the same memory."""
        net = self.net
        copies = {
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "pickle": lambda n: pickle.loads(pickle.dumps(n)),
            "file": saved_and_loaded,
            "astype": lambda n: n.astype(n.dtype),
            "mask": lambda n: n.with_mask(np.ones(len(n.edges), bool)),
        }
        other = copies[how](net)
        assert type(other) is type(net)
        assert not np.shares_memory(other.params, net.params)
        assert np.array_equal(other.edge_weights, net.edge_weights)
        net.params[:] = 0.5
        self.net, self.params = other, other.params.copy()

    @precondition(lambda self: len(self.net.edges) > 2)
    @rule(threshold=st.sampled_from([0.0, 0.1, 0.3]))
    def prune(self, threshold):
        """What is left are the larger weights."""
        kept = self.net.edge_weights[np.abs(self.net.edge_weights) > threshold]
        other, error = outcome(lambda: self.net.prune(threshold))
        if error is not None:
            assert isinstance(error, ValueError), repr(error)
            return
        assert np.array_equal(np.sort(other.edge_weights), np.sort(kept))
        self.net, self.params = other, other.params.copy()

    @rule(dtype=st.sampled_from(["float32", "float64"]))
    def change_dtype(self, dtype):
        self.net = self.net.astype(dtype)
        self.params = self.net.params.copy()

    @rule(n_threads=st.sampled_from([2, 3]), trains=st.booleans())
    def use_from_threads(self, n_threads, trains):
        """Threads get what one alone gets; of several that train, one does or each says why not."""
        net, (X, T) = self.net, self.data(1, 40)
        expected, found = net.forward(X), []

        def work():
            found.append(outcome(lambda: net.fit(X, T, epochs=1) if trains else net.forward(X)))

        running = [threading.Thread(target=work) for _ in range(n_threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        for result, error in found:
            if trains:
                assert error is None or isinstance(error, RuntimeError), repr(error)
            else:
                assert error is None
                assert np.array_equal(result, expected, equal_nan=True)
        self.params = net.params.copy()

    @rule(place=st.integers(0, 99))
    def fit_what_is_not_finite(self, place):
        """Parameters that are not finite are named before a training, and not after."""
        net, (X, T) = self.net, self.data(0, 3)
        if net.n_params:
            net.params[place % net.n_params] = np.nan
            _, error = outcome(lambda: net.fit(X, T))
            assert isinstance(error, ValueError)
            assert "params" in str(error)
            net.params[:] = self.params

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def parameters_are_what_they_were_set_to(self):
        if hasattr(self, "net"):
            assert np.array_equal(self.net.params, self.params, equal_nan=True)

    @invariant()
    def outputs_are_those_of_the_weights(self):
        if not hasattr(self, "net") or not np.isfinite(self.net.params).all():
            return
        net, (X, _) = self.net, self.data(5, 19)
        result, _ = outcome(lambda: net.forward(X))
        few = [outcome(lambda k=k: net.forward(X[k : k + 1]))[0] for k in range(3)]
        with np.errstate(all="ignore"):
            expected = values_of(net, X)
        rtol = 1e-2 if net.dtype == np.float32 else 1e-8
        if np.isfinite(expected).all() and np.abs(expected).max() < 1e6:
            assert np.allclose(result, expected, rtol=rtol, atol=rtol), np.abs(result - expected).max()
            assert np.allclose(np.concatenate(few), expected[:3], rtol=rtol, atol=rtol)


def saved_and_loaded(net):
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net")
        return fastbp.Network.load(Path(folder) / "net", activations=[OWN])
