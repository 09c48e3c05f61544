"""The table of public arguments, and of what each must refuse."""

import datetime
import decimal
import fractions
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.io import save_network

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
SIZES = (3, 4, 2)
N_SAMPLES = 6
RNG = np.random.default_rng(7)
# Eighths between -2 and 2: the same numbers in every floating-point format, float16 among them.
X = RNG.integers(-16, 17, (N_SAMPLES, 3)) / 8
T = RNG.integers(-16, 17, (N_SAMPLES, 2)) / 8
WEIGHT = RNG.integers(0, 17, N_SAMPLES) / 8
ARRAYS = {"X": X, "T": T, "sample_weight": WEIGHT, "params": RNG.integers(-16, 17, 26) / 8, "a": X}
ARRAYS |= {"v": T, "edge_weights": RNG.integers(-16, 17, 20) / 8, "x": X, "t": T}
EDGES = [(0, 3), (1, 3), (2, 4), (3, 4)]


def network(dtype="float64"):
    return fastbp.Network(SIZES, dtype=dtype, seed=0)


class Use(NamedTuple):
    """An argument of a public call."""

    call: str
    argument: str
    kind: str  # of what it takes: a key of WRONG, or of VALID
    use: Callable  # (network, value)

    def __str__(self):
        return f"{self.call}-{self.argument}"


def set_params(net, value):
    net.params = value


def set_edge_weights(net, value):
    net.edge_weights = value


def from_edges(value=EDGES, n_inputs=3, n_outputs=1, **options):
    return fastbp.Network.from_edges(n_inputs, n_outputs, value, **options)


def fit(net, **options):
    return net.fit(X, T, **({"epochs": 0} | options))


def train(net, X=X, T=T, sample_weight=None):
    """Train, and return the weights."""
    net.fit(X, T, sample_weight=sample_weight, epochs=2, batch_size=3, seed=1)
    return net.params.copy()


def update(net, x=X, t=T, **options):
    """Take steps, and return the weights."""
    net.update(x, t, **options)
    return net.params.copy()


def options_of_fit(kind, *names, **others):
    return [Use("fit", name, kind, lambda net, v, name=name: fit(net, **others, **{name: v})) for name in names]


def options_of_evidence(kind, *names, **others):
    given = {"epochs": 1, "restarts": 1} | others
    return [
        Use("fit_evidence", name, kind, lambda net, v, name=name: net.fit_evidence(X, T, **(given | {name: v})))
        for name in names
    ]


def population(net):
    return fastbp.Population([net, net])


def fit_population(net, X=X, T=T, **options):
    """Train two networks, and return their weights."""
    pop = population(net)
    pop.fit(X, T, **({"epochs": 1, "seeds": 0, "batch_size": 3} | options))
    return pop.params.copy()


def options_of_population(kind, *names, **others):
    return [
        Use("Population.fit", name, kind, lambda net, v, name=name: fit_population(net, **others, **{name: v}))
        for name in names
    ]


TALL, MANY = RNG.normal(size=(20, 3)), RNG.normal(size=20)  # a table from which settings can be chosen


def tune(net, X=TALL, y=MANY, **options):
    return fastbp.tune(X, y, **({"fits": 5, "seed": 0} | options))


USES = [
    Use("Population", "networks", "networks", lambda net, v: fastbp.Population(v)),
    Use("Population.of", "sizes", "sizes of many", lambda net, v: fastbp.Population.of(v, 2)),
    Use("Population.of", "n", "count", lambda net, v: fastbp.Population.of(SIZES, v)),
    Use("Population.of", "seeds", "seed", lambda net, v: fastbp.Population.of(SIZES, 2, seeds=v)),
    Use("Population.forward", "X", "X", lambda net, v: population(net).forward(v)),
    Use("Population.forward", "mean", "flag", lambda net, v: population(net).forward(X, mean=v)),
    Use("Population.mean", "X", "X", lambda net, v: population(net).mean(v)),
    Use("Population.std", "X", "X", lambda net, v: population(net).std(v)),
    Use("Population.losses", "X", "X", lambda net, v: population(net).losses(v, T)),
    Use("Population.losses", "T", "T", lambda net, v: population(net).losses(X, v)),
    Use("Population.losses", "sample_weight", "sample_weight", lambda net, v: population(net).losses(X, T, v)),
    Use("Population.gradient", "X", "X", lambda net, v: np.stack(population(net).gradient(v, T))),
    Use("Population.gradient", "T", "T", lambda net, v: np.stack(population(net).gradient(X, v))),
    Use(
        "Population.gradient",
        "sample_weight",
        "sample_weight",
        lambda net, v: np.stack(population(net).gradient(X, T, v)),
    ),
    Use("Population.best", "X", "X", lambda net, v: population(net).best(v, T).params),
    Use("Population.best", "T", "T", lambda net, v: population(net).best(X, v).params),
    Use("Population.best", "sample_weight", "sample_weight", lambda net, v: population(net).best(X, T, v).params),
    Use("Population.save", "path", "path", lambda net, v: population(net).save(v)),
    Use("Population.load", "path", "path", lambda net, v: fastbp.Population.load(v)),
    Use(
        "Population.load", "activations", "activations", lambda net, v: fastbp.Population.load("nowhere", activations=v)
    ),
    Use("Population.fit", "X", "X", lambda net, v: fit_population(net, X=v)),
    Use("Population.fit", "T", "T", lambda net, v: fit_population(net, T=v)),
    Use("Population.fit", "sample_weight", "sample_weight", lambda net, v: fit_population(net, sample_weight=v)),
    *options_of_population("name", "solver", "reduction"),
    *options_of_population("length", "epochs"),
    *options_of_population("count or None", "batch_size", "patience", "n_threads"),
    *options_of_population("seed", "seeds"),
    *options_of_population("flag", "shuffle"),
    *options_of_population("rate or None", "learning_rate"),
    *options_of_population("size or None", "tol"),
    *options_of_population("loss or None", "goal"),
    *options_of_population("size", "l1", "l2"),
    *options_of_population("fraction", "label_smoothing"),
    *options_of_population("dropout of many", "dropout"),
    *options_of_population("callback", "callback"),
    *options_of_population("count", "callback_every"),
    *options_of_population("validation of many", "validation"),
    *options_of_population("rows of many", "samples"),
    Use("tune", "X", "table", lambda net, v: tune(net, X=v)),
    Use("tune", "y", "table", lambda net, v: tune(net, y=v)),
    Use("tune", "seconds", "rate", lambda net, v: tune(net, seconds=v)),
    Use("tune", "fits", "count or None", lambda net, v: tune(net, fits=v)),
    Use("tune", "seed", "seed", lambda net, v: tune(net, seed=v)),
    Use("tune", "n_threads", "count or None", lambda net, v: tune(net, n_threads=v)),
    Use("tune", "verbose", "flag", lambda net, v: tune(net, verbose=v)),
    Use("Network", "sizes", "sizes", lambda net, v: fastbp.Network(v)),
    Use("Network", "activation", "activation", lambda net, v: fastbp.Network(SIZES, activation=v)),
    Use("Network", "output", "name", lambda net, v: fastbp.Network(SIZES, output=v)),
    Use("Network", "loss", "name", lambda net, v: fastbp.Network(SIZES, loss=v)),
    Use("Network", "bias", "flag", lambda net, v: fastbp.Network(SIZES, bias=v)),
    Use("Network", "skip", "skip", lambda net, v: fastbp.Network(SIZES, skip=v)),
    Use("Network", "init", "size", lambda net, v: fastbp.Network(SIZES, init=v)),
    Use("Network", "dtype", "dtype", lambda net, v: fastbp.Network(SIZES, dtype=v)),
    Use("Network", "seed", "seed", lambda net, v: fastbp.Network(SIZES, seed=v)),
    Use("Network", "params", "params", set_params),
    Use("Network", "edge_weights", "edge_weights", set_edge_weights),
    Use("from_edges", "n_inputs", "length", lambda net, v: from_edges(n_inputs=v)),
    Use("from_edges", "n_outputs", "length", lambda net, v: from_edges(n_outputs=v)),
    Use("from_edges", "edges", "edges", lambda net, v: from_edges(v)),
    Use("from_edges", "activation", "name or dict", lambda net, v: from_edges(activation=v)),
    Use("from_edges", "output", "name", lambda net, v: from_edges(output=v)),
    Use("from_edges", "loss", "name", lambda net, v: from_edges(loss=v)),
    Use("from_edges", "bias", "units", lambda net, v: from_edges(bias=v)),
    Use("from_edges", "init", "size", lambda net, v: from_edges(init=v)),
    Use("from_edges", "dtype", "dtype", lambda net, v: from_edges(dtype=v)),
    Use("from_edges", "seed", "seed", lambda net, v: from_edges(seed=v)),
    Use("from_edges", "n_units", "units in all", lambda net, v: from_edges(n_units=v)),
    Use("with_mask", "mask", "mask", lambda net, v: net.with_mask(v)),
    Use("prune", "threshold", "limit", lambda net, v: net.prune(v)),
    Use("workspace", "n", "count or None", lambda net, v: net.workspace(v)),
    Use("cfunc", "form", "name", lambda net, v: net.cfunc(v)),
    Use("input_gradient", "X", "X", lambda net, v: net.input_gradient(v)),
    Use("input_gradient", "v", "v", lambda net, v: net.input_gradient(X, v)),
    Use("input_gradient", "n_threads", "count or None", lambda net, v: net.input_gradient(X, n_threads=v)),
    Use("Loss", "name", "name", lambda net, v: fastbp.Loss(v)),
    Use("Loss", "threshold", "own rate", lambda net, v: fastbp.Loss("huber", threshold=v)),
    Use("Loss", "quantile", "own fraction", lambda net, v: fastbp.Loss("quantile", quantile=v)),
    Use("explain", "learning_rate", "size or None", lambda net, v: net.explain(X[0], T[0], v)),
    Use("explain", "notation", "name", lambda net, v: net.explain(X[0], T[0], notation=v)),
    Use("explain", "unit", "unit", lambda net, v: net.explain(X[0], T[0], unit=v)),
    Use("explain", "names", "names", lambda net, v: net.explain(X[0], T[0], names=v)),
    Use("diagnose", "X", "X", lambda net, v: net.diagnose(v, T).loss),
    Use("diagnose", "T", "T", lambda net, v: net.diagnose(X, v).loss),
    Use("astype", "dtype", "dtype", lambda net, v: net.astype(v)),
    Use("forward", "X", "X", lambda net, v: net.forward(v)),
    Use("activations", "X", "X", lambda net, v: net.activations(v)[-1]),
    Use("deltas", "X", "X", lambda net, v: net.deltas(v, T)[0]),
    Use("deltas", "T", "T", lambda net, v: net.deltas(X, v)[0]),
    Use("loss", "X", "X", lambda net, v: net.loss(v, T)),
    Use("loss", "T", "T", lambda net, v: net.loss(X, v)),
    Use("loss", "sample_weight", "sample_weight", lambda net, v: net.loss(X, T, v)),
    Use("gradient", "X", "X", lambda net, v: net.gradient(v, T)[1]),
    Use("gradient", "T", "T", lambda net, v: net.gradient(X, v)[1]),
    Use("gradient", "sample_weight", "sample_weight", lambda net, v: net.gradient(X, T, v)[1]),
    Use("gradient", "n_threads", "count or None", lambda net, v: net.gradient(X, T, n_threads=v)[1]),
    Use("fit", "X", "X", lambda net, v: train(net, X=v)),
    Use("fit", "T", "T", lambda net, v: train(net, T=v)),
    Use("fit", "sample_weight", "sample_weight", lambda net, v: train(net, sample_weight=v)),
    *options_of_fit("name", "solver", "reduction", "schedule"),
    *options_of_fit("length", "epochs", "warm_up"),
    *options_of_fit("count or None", "batch_size", "patience", "n_threads"),
    *options_of_fit("seed", "seed"),
    *options_of_fit("flag", "shuffle", "progress"),
    *options_of_fit("flag", "nesterov", solver="sgd"),
    *options_of_fit("rate or None", "learning_rate"),
    *options_of_fit("size or None", "tol"),
    *options_of_fit("loss or None", "goal"),
    *options_of_fit("count", "restarts", "validate_every", "callback_every"),
    *options_of_fit("size", "l1", "l2"),
    *options_of_fit("dropout", "dropout"),
    *options_of_fit("new file", "checkpoint"),
    *options_of_fit("count or None", "checkpoint_every", checkpoint="no folder/file"),
    *options_of_fit("flag", "resume"),
    *options_of_fit("size", "power", schedule="inverse_scaling"),
    *options_of_fit("fraction above 0", "decay", schedule="step"),
    *options_of_fit("count or None", "decay_epochs", schedule="step"),
    *options_of_fit("rate", "epsilon"),
    *options_of_fit("fraction", "beta_1", "beta_2"),
    *options_of_fit("fraction", "label_smoothing"),
    *options_of_fit("fraction", "momentum", solver="sgd"),
    *options_of_fit("fraction", "rho", solver="rmsprop"),
    *options_of_fit("fraction above 0", "eta_minus", solver="rprop"),
    *options_of_fit("factor", "eta_plus", solver="rprop"),
    *options_of_fit("size", "step_min", solver="rprop", step_max=1e308),
    *options_of_fit("rate", "step_max", solver="rprop", step_min=0.0),
    *options_of_fit("validation", "validation"),
    *options_of_fit("callback", "callback"),
    *options_of_fit("name", "variant", solver="rprop"),
    *options_of_fit("first steps", "initial_step", solver="rprop"),
    *options_of_fit("growth", "max_growth", solver="quickprop"),
    *options_of_fit("rules", "stop", validation=0.5),
    *options_of_fit("count", "strip"),
    *options_of_fit("flag", "warm"),
    *options_of_evidence("name", "groups"),
    *options_of_evidence("count", "restarts", "epochs", "update_every"),
    *options_of_evidence("seed", "seed"),
    *options_of_evidence("callback", "callback"),
    *options_of_evidence("count or None", "n_threads"),
    *options_of_evidence("new file", "checkpoint"),
    *options_of_evidence("count or None", "checkpoint_every", checkpoint="no folder/file"),
    *options_of_evidence("flag", "resume"),
    Use("update", "x", "x", lambda net, v: update(net, x=v)),
    Use("update", "t", "t", lambda net, v: update(net, t=v)),
    Use("update", "solver", "name", lambda net, v: update(net, solver=v)),
    Use("update", "learning_rate", "stream rate", lambda net, v: update(net, learning_rate=v)),
    Use("update", "l1", "size", lambda net, v: update(net, l1=v)),
    Use("update", "l2", "size", lambda net, v: update(net, l2=v)),
    Use("update", "beta_1", "fraction", lambda net, v: update(net, beta_1=v)),
    Use("check_gradient", "net", "network", lambda net, v: fastbp.check_gradient(v, X, T)),
    Use("check_gradient", "X", "X", lambda net, v: fastbp.check_gradient(net, v, T).analytic),
    Use("check_gradient", "T", "T", lambda net, v: fastbp.check_gradient(net, X, v).analytic),
    Use(
        "check_gradient",
        "sample_weight",
        "sample_weight",
        lambda net, v: fastbp.check_gradient(net, X, T, v).analytic,
    ),
    Use("describe_schedule", "net", "network", lambda net, v: fastbp.describe_schedule(v, 5)),
    Use("describe_schedule", "n_samples", "count", fastbp.describe_schedule),
    Use("warm_up", "dtypes", "dtypes", lambda net, v: fastbp.warm_up(v)),
    Use("self_check", "dtypes", "dtypes", lambda net, v: fastbp.self_check(v)),
    Use("save", "path", "path", lambda net, v: net.save(v)),
    Use("load", "path", "path", lambda net, v: fastbp.Network.load(v)),
    Use("load", "activations", "activations", lambda net, v: fastbp.Network.load("nowhere", v)),
    Use("save_network", "net", "network", lambda net, v: save_network(v, "nowhere")),
    Use("save_network", "extra", "extra", lambda net, v: save_network(net, "nowhere", v)),
    Use("Activation", "name", "new name", lambda net, v: fastbp.Activation(v, abs, abs)),
    Use("Activation", "h", "function", lambda net, v: fastbp.Activation("own", v, abs)),
    Use("Activation", "dh", "function", lambda net, v: fastbp.Activation("own", abs, v)),
    Use("Activation", "d2h", "function or None", lambda net, v: fastbp.Activation("own", abs, abs, v)),
    Use("Activation.h", "a", "a", lambda net, v: ACTIVATIONS["tanh"].h(v)),
    Use("Activation.dh", "a", "a", lambda net, v: ACTIVATIONS["tanh"].dh(v)),
]

# ---------------------------------------------------------------- what is wrong

NO_ARRAYS = [None, "abc", b"abc", {}, {1, 2}, object(), len, (x for x in X), np.array(object()), float]
NO_NUMBERS = ["0.5", b"1", [0.5], {}, {0.5}, 1j, np.complex128(1), np.array([0.5]), np.array("1"), np.array(1j),
              np.timedelta64(1, "s"), np.datetime64("2026-01-01"), datetime.timedelta(1), True, np.True_, object(),
              len, np.ma.masked, NAN, INF, -INF, HUGE, -HUGE, decimal.Decimal("NaN"), -1, -5e-324]  # fmt: skip
NO_INTEGERS = ["3", b"3", [3], {}, 1.0, 2.5, NAN, INF, np.float64(3), np.array([3]), np.array(3.0), 1j, True, np.True_,
               decimal.Decimal(3), fractions.Fraction(3), object(), len, -1, -HUGE, -(10**5000)]  # fmt: skip
NO_NAMES = [None, 3, 0.5, True, "", "nonsense", "\0", b"tanh", ["a", 3], {}, {"tanh"}, len, np.zeros(3), HUGE]
NO_FLAGS = [None, 0, 1, 0.0, NAN, "yes", "", b"1", [], [True], {}, np.array([True]), np.int64(1), object(), len]

# By kind; those of arrays are in DEFECTS.
WRONG = {
    "sizes": [
        None, 3, 2.5, "3-2", b"32", {3: 1, 2: 1}, {3, 2}, len, np.array(3), [], [3], [3, 0], [3, -1], [3, 2.0],
        [3, NAN],
        [3, None], [3, "2"], [3, True], [[3, 2]], np.zeros((2, 2), int), np.array([3.0, 2.0]), [3, 1j], [3, HUGE],
        [3, 10**5000],
    ],
    "name": NO_NAMES,
    "activation": [*NO_NAMES, ["tanh", "tanh"], [], np.array("tanh")],
    "flag": NO_FLAGS,
    "skip": [None, 3, "some", b"all", len, 0.5, [3], [(0,)], [(0, 1)], [(0, 2), (0, 2)], [(0, 2.0)], [(True, 2)],
             [(0, HUGE)], [(-1, 1)], ["02"], np.array(3), {}.items],
    "dtype": [None, 3, "", "f2", "float16", "longdouble", "complex64", "O", object, int, bool, "f4,f4", ">f4", {}, (),
              "float32 ", len, HUGE, NAN],
    "dtypes": [None, 3, "float32", ["float16"], ["float32", None], {}.items, np.array(3)],
    "seed": NO_INTEGERS,
    "length": [*NO_INTEGERS, None, HUGE, 10**5000],
    "count or None": [*NO_INTEGERS, 0, HUGE],
    "count": [*NO_INTEGERS, None, 0, HUGE],
    "size": [value for value in NO_NUMBERS if not isinstance(value, str)] + [None],  # init takes names as well
    "size or None": NO_NUMBERS,
    "rate": [*NO_NUMBERS, 0, 0.0, None, decimal.Decimal("1e-400"), np.longdouble("1e-400")],
    "stream rate": [*NO_NUMBERS, 0, 0.0, decimal.Decimal("1e-400")],
    "rate or None": [*(v for v in NO_NUMBERS if v is not len), 0, 0.0, decimal.Decimal("1e-400")],
    "fraction": [*NO_NUMBERS, None, 1, 1.5],
    "fraction above 0": [*NO_NUMBERS, None, 0, 1, 1.5],
    "factor": [*NO_NUMBERS, None, 0, 1, 0.5],
    "edges": [None, 3, "ab", b"ab", len, [3], [(0,)], [(0, 3, 4)], [(0, 3.0)], [(0, "3")], [(0, True)], [(0, None)],
              [(-1, 3)], [(0, 2)], [(3, 3)], [(0, 3), (0, 3)], [(3, 4), (4, 3), (4, 5)], np.zeros((2, 2)), [(0, HUGE)],
              [[[0, 3]]], {}, {(0, 3)}, np.array(3)],
    "name or dict": [*NO_NAMES[:-6], {0: "tanh"}, {9: "tanh"}, {3: "nonsense"}, {3: None}, {"3": "tanh"}, {3.0: "tanh"},
                     {True: "tanh"}, {3: "softmax"}],
    "units": [None, 1, 0.5, NAN, "34", b"34", len, [0], [5], [3.0], ["3"], [None], [True], [-1], [HUGE], np.array(3)],
    "unit": [9, 10**5000, *(v for v in NO_INTEGERS if v is not None), "", "f", "x0", "x4", "f7", "f1.0", "g1"],
    "names": [3, 2.5, True, "abc", b"abc", len, {}, {"a", "b", "c"}, [], ["a"], ["a"] * 4, [1, 2, 3], ["a", "b", None],
              ["a", "b", b"c"], np.zeros(3), np.array("abc")],
    "units in all": [*NO_INTEGERS, 0, 2, HUGE],
    "mask": [None, 3, "yes", len, [1] * 20, np.ones(20), np.ones(19, bool), np.ones((20, 1), bool), [True], [None] * 20,
             [np.ones((4, 3), bool)], [np.ones((3, 4), bool), np.ones((2, 4), bool)],
             [np.ones((4, 3)), np.ones((2, 4))]],
    "limit": [*NO_NUMBERS, None],
    "loss or None": [v for v in NO_NUMBERS if v is not None and not (isinstance(v, int | float) and v < 0)],
    "dropout": [*(v for v in NO_NUMBERS if v is not HUGE and np.ndim(v) == 0 and v != {}), None, 1, 1.5, [0.5, 0.5], [],
                [[0.5]], ["a"], [1.0], [-0.1], [NAN]],
    "dropout of many": [*(v for v in NO_NUMBERS if v is not HUGE and np.ndim(v) == 0 and v != {}), None, 1, 1.5, [0.5],
                        [], [[0.5]], ["a", 0.5], [1.0, 0.5], [0.5, -0.1], [NAN, 0.0], [[0.5, 0.5], 0.1]],
    "own rate": [*NO_NUMBERS, 0, 0.0],
    "own fraction": [*NO_NUMBERS, 0, 1, 1.5],
    "new file": [3, 2.5, True, b"file", [], {}, X, "", "a\0b", len],
    "validation": [*NO_NUMBERS[4:], 0, 1, 0.99, "0.2", {}, (X,), (X, T, WEIGHT, X), (X[:, :2], T), (X, T[:3]),
                   (X[:0], T[:0]), [X * NAN, T], (X, None), (None, T), (X, T, -WEIGHT - 1), X],
    "first steps": [0.1, "0.1", b"x", {}, {0.1}, len, True, [], [0.1], (0.1,), (0.2, 0.1), (0.0, 0.1), (0.1, INF),
                    ("a", "b"), (0.1, None), np.zeros(26), -np.ones(26), np.ones((26, 1)), np.ones(25), [NAN] * 26,
                    np.full(26, INF)],
    "growth": [*NO_NUMBERS, None, 0, 0.0],
    "rules": [3, "GL", b"GL", ["GL"], {"GL"}, len, {"gl": 5}, {"GL": None}, {"GL": -1}, {"GL": NAN}, {"GL": "5"},
              {5: "GL"}, {None: 1}, {"P": INF}],
    "callback": [3, 0.5, "print", b"x", [print, 3], {"a": print}, np.array(3), True],
    "network": [None, 3, "net", [], fastbp.Network, X],
    "networks": [None, 3, "net", [], {}, [None], [network(), 3], [network(), network("float32")], fastbp.Network, X,
                 [network(), fastbp.Network((2, 2))]],
    "sizes of many": [None, "3-2", b"32", {3: 1, 2: 1}, {3, 2}, len, [], [3], [3, 0], [3, -1], [3, 2.0], [3, NAN],
                      [3, None], [3, "2"], [3, True], [[3, 2]], np.zeros((2, 2), int), [3, HUGE]],
    "rows of many": [3, 2.5, True, "ab", b"ab", {}, len, [], [[0]], [[0]] * 3, [[0], [6]], [[0], [-1]], [[0], [0.5]],
                     [[0], []], [[0], ["a"]], [[0], [None]], [[0], [[1]]], [[0], 1], [[0], [True]], X],
    "validation of many": [0, 1, 0.99, -0.5, NAN, "0.2", b"1", {}, len, True, object(), (X,), (X, T, WEIGHT, X),
                           (X[:, :2], T), (X, T[:3]), (X[:0], T[:0]), (X, None), (None, T), (X, T, -WEIGHT - 1), X,
                           [[0]], [[0], [6]], [[0], [0.5]], [[0], [-1]]],
    "table": [None, 3, "abc", {}, object(), len, TALL[:19], MANY[:19], [], np.full((20, 3), NAN), np.full(20, INF),
              np.zeros((20, 2, 2)), ["a"] * 20, np.full((20, 3), 1j)],
    "path": [None, 3, 2.5, True, b"file", [], {}, X, "", "a\0b", len],
    "activations": [None, 3, "tanh", [3], {"a": 3}, [None], np.array(3)],
    "extra": [3, "text", [1], (1, 2), {1, 2}, {"a": {1}}, {"a": NAN}, {"a": X}],
    "new name": [None, 3, "", b"own", ["own"], "tanh", "softmax"],
    "function or None": [3, "abs", [abs], {}, X],
    "function": [None, 3, "abs", [abs], {}, X],
}  # fmt: skip


def has_defect(change, *, of=None):
    """A defect: (array, random place in it) -> the value with the defect; `of`: arguments that it is one for."""
    return change, of


def with_item(item, dtype=None):
    def change(array, place):
        array = array.astype(dtype or type(item) if dtype is not float else array.dtype)
        array[place] = item
        return array

    return change


NUMBERS = (
    "X",
    "T",
    "sample_weight",
    "params",
    "v",
    "edge_weights",
    "x",
    "t",
)  # all but what an activation is asked for

DEFECTS = {
    "nan": has_defect(with_item(NAN, float), of=NUMBERS),
    "inf": has_defect(with_item(INF, float), of=NUMBERS),
    "minus inf": has_defect(with_item(-INF, float), of=NUMBERS),
    "None": has_defect(with_item(None, object)),
    "text": has_defect(with_item("1", object)),
    "bytes": has_defect(with_item(b"1", object)),
    "complex object": has_defect(with_item(1j, object)),
    "huge integer": has_defect(with_item(HUGE, object)),
    "date": has_defect(with_item(datetime.date(2026, 1, 1), object)),
    "an array within": has_defect(with_item([1, 2], object)),
    "more than float64": has_defect(
        with_item(np.longdouble("1e4000"), np.longdouble), of=NUMBERS
    ),
    "strings": has_defect(lambda a, _: a.astype(str)),
    "byte strings": has_defect(lambda a, _: a.astype("S8")),
    "complex": has_defect(lambda a, _: a.astype(complex)),
    "dates": has_defect(lambda a, _: a.astype("M8[s]")),
    "spans": has_defect(lambda a, _: a.astype("m8[s]")),
    "records": has_defect(lambda a, _: np.zeros(a.shape, [("a", float), ("b", float)])),
    "one more": has_defect(
        lambda a, _: np.concatenate([a, a[..., :1]], axis=-1), of=NUMBERS
    ),
    "one less": has_defect(lambda a, _: a[..., :-1], of=NUMBERS),
    "one sample less": has_defect(lambda a, _: a[:-1], of=NUMBERS[1:]),
    "empty": has_defect(lambda a, _: a[:0], of=NUMBERS),
    "another dimension": has_defect(lambda a, _: a[None], of=NUMBERS),
    "a last dimension": has_defect(lambda a, _: a[..., None], of=NUMBERS),
    "a number": has_defect(lambda a, place: a[place], of=NUMBERS),
    "0-d": has_defect(lambda a, place: np.array(a[place]), of=NUMBERS),
    "negative": has_defect(with_item(-0.125, float), of=("sample_weight",)),
}  # fmt: skip


def masked_at(array, place):
    masked = np.ma.array(array, mask=False)
    masked[place] = np.ma.masked
    return masked


def with_missing(array, place):
    import pandas

    table = pandas.DataFrame(array).convert_dtypes() if array.ndim == 2 else pandas.Series(array).convert_dtypes()
    (table.iloc if array.ndim == 1 else table.iat)[place if array.ndim == 2 else place[0]] = pandas.NA
    return table


def ragged(array, place):
    rows = array.tolist()
    if array.ndim == 1:
        rows[place[0]] = [1.0, 2.0]
    else:
        rows[place[0]] = rows[place[0]][:-1]
    return rows


# Defects of what is no plain array: no form goes with them.
DEFECTS_OF_KIND = {
    "masked": masked_at,
    "a masked row": lambda a, place: [*a[:1], np.ma.array(a[0], mask=True), *a[2:]],
    "missing": with_missing,
    "ragged": ragged,
    "a table with text": lambda a, place: with_text(a),
    **{f"no array: {value!r:.20}": lambda a, place, value=value: value for value in NO_ARRAYS},
}


def with_text(array):
    import polars

    columns = {"a": array.ravel().tolist(), "b": ["1"] * array.size}
    return polars.DataFrame(columns)
