"""An estimator as a state machine: whatever its user does, what must hold holds, and scikit-learn's does the same."""

import copy
import itertools
import pickle
import tempfile
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas
import sklearn.neural_network as peers
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scipy import sparse
from scipy.special import ndtr, softmax
from sklearn.base import clone

import fastbp


def half_square(a):
    return 0.5 * a * a


def itself(a):
    return a


# Parameters that scikit-learn has as well, and values that make sense
COMMON = {
    "activation": ["relu", "tanh", "logistic", "identity"],
    "solver": ["adam", "sgd", "lbfgs"],
    "alpha": [0.0, 1e-4, 0.1],
    "batch_size": ["auto", 1, 5, 7],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "learning_rate_init": [0.001, 0.01],
    "power_t": [0.5, 0.0],
    "max_iter": [1, 2, 3],
    "shuffle": [True, False],
    "random_state": [0, 1],
    "tol": [1e-4, 0.0],
    "warm_start": [True, False],
    "momentum": [0.9, 0.0],
    "nesterovs_momentum": [True, False],
    "early_stopping": [False, True],
    "validation_fraction": [0.1, 0.3],
    "beta_1": [0.9, 0.0],
    "beta_2": [0.999, 0.5],
    "epsilon": [1e-8, 1e-3],
    "n_iter_no_change": [10, 1, np.inf],
    "max_fun": [15000, 3],
    "hidden_layer_sizes": [(3,), (), (4, 2), 5, [2, 3]],
}
# Those that it has not, or not with such values; the first is its own
SQUARE = fastbp.Activation("square", half_square, itself)
OWN = {
    "activation": ["relu", "gelu", SQUARE, "softplus"],
    "solver": ["adam", "rmsprop", "rprop"],
    "dropout": [0.0, 0.3],
    "l1": [0.0, 0.01],
    "skip": [(), "all"],
    "n_jobs": [None, 1, -1],
}
OWN_OF_REGRESSORS = OWN | {
    "loss": ["squared_error", "huber", "poisson", "absolute_error", "quantile"],
    "output_activation": [None, "softplus", "tanh"],
    "quantile": [0.5, 0.9],
}
OWN_OF_CLASSIFIERS = OWN | {"class_weight": [None, {0: 2.0, 1: 1.0}]}
WRONG = {
    "hidden_layer_sizes": [(10.7,), (True,), (0,), (-1,), ("3",), 3.0, None, "3", (None,), ((3,),), np.array([2.0])],
    "activation": ["threshold", "softmax", None, 3],
    "batch_size": [0, 2.5, "all"],
    "max_iter": [0, 1.5],
    "alpha": [-1.0, "a"],
    "solver": ["newton", None],
    "callback": [[3], 3, "print"],
    "dropout": [1.0, [0.1] * 7, "a"],
    "skip": ["some", [(0, 1)], [(2, 0)], [(0, 99)]],
}
FORMS = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "Fortran": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "longdouble": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": lambda X: np.frombuffer(X.tobytes()).reshape(X.shape),
    "unaligned": lambda X: np.frombuffer(b"\0" + X.tobytes(), offset=1).reshape(X.shape),
    "swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "sparse": sparse.csr_matrix,
    "frame": lambda X: pandas.DataFrame(X, columns=[f"column {k}" for k in range(X.shape[1])]),
}
FLOAT32 = ("float32",)
TASKS = {
    "MLPRegressor": {"numbers": 1, "positive": 1, "pairs": 2},
    "MLPClassifier": {"two": 1, "three": 3, "labels": 2, "one label": 1},
}
DTYPES = ["float64", "float32", "int64", "float16", "object"]
WRONG_X = ["width", "None", "dates", "NaN", "1-D", "complex", "text", "empty"]
REFUSED = (ValueError, TypeError)
H = {  # h, by name: said once more
    "identity": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "tanh": np.tanh,
    "logistic": lambda a: 1 / (1 + np.exp(-np.clip(a, -700, 700))),
    "exp": np.exp,
    "softplus": lambda a: np.logaddexp(0, a),
    "softmax": lambda a: softmax(a, axis=1),
    "square": half_square,
    "gelu": lambda a: a * ndtr(a),
}  # fmt: skip


COUNTS = {
    "t_": [None, "x", {}, 1j, np.ones(3), [], 2**70, -1000, np.nan, 2.5, True],
    "best_loss_": ["x", np.ones(2), 1j],
    "loss_curve_": [None, np.ones(2), 3.0],
    "_optimizer": [None, 3.0],
}


def incremental_goes(est):
    """Return whether `partial_fit` would go on as the parameters are."""
    return est.solver not in ("lbfgs", "rprop") and not est.early_stopping and np.isfinite(est.network_.params).all()


def table(seed, n_samples, n_features, task):
    """Return (X, y) of a task."""
    draw = np.random.default_rng([seed, n_samples, n_features])
    X = draw.normal(size=(n_samples, n_features))
    if task in ("two", "three"):
        n_classes = 2 if task == "two" else 3
        return X, np.arange(n_samples) % n_classes
    if task in ("labels", "one label"):
        n_labels = 2 if task == "labels" else 1
        return X, (np.arange(2 * n_samples).reshape(n_samples, 2)[:, :n_labels] * 7 // 3) % 2
    y = draw.normal(size=(n_samples, 2))
    return X, {"numbers": y[:, 0], "positive": np.abs(y[:, 0]), "pairs": y}[task]


def fits(n_outputs, n_of_network, task):
    """Whether targets go with a network: classes with any but one of two labels, which alone has two outputs."""
    return n_of_network != 2 if task in ("two", "three", "one label") else n_outputs == n_of_network


def outcome(call):
    """Return (result, None), or (None, the exception)."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except Exception as error:
            return None, error


def is_refusal(error):
    """Return whether an error is one that users are told of: not what leaked from inside."""
    return isinstance(error, REFUSED) or (isinstance(error, AttributeError) and "partial_fit" in str(error))


def weights_of(est):
    """All weights, as bytes."""
    return [np.asarray(a).tobytes() for a in (*est.coefs_, *est.intercepts_)]


def learnt(est):
    """All that a training changes, as bytes; of nothing else."""
    if not hasattr(est, "coefs_"):
        return None
    known = vars(est)
    state = known["_optimizer"].solver.state.tobytes() if "_optimizer" in known else None
    return weights_of(est), known.get("n_features_in_"), known.get("n_outputs_"), known.get("t_"), state


@st.composite
def tables(draw):
    """Draw what makes a table: seed, sizes, task, the form of X, weights."""
    return {
        "seed": draw(st.integers(0, 3)),
        "n_samples": draw(st.sampled_from([12, 20, 5, 31, 1])),
        "n_features": draw(st.sampled_from([3, 3, 3, 1, 4])),
        "task": draw(st.integers(0, 9)),
        "form": draw(st.sampled_from(["array", "array", *FORMS])),
        "weights": draw(st.sampled_from([None, None, "ones", "some", "mostly zero", "all zero"])),
    }


class EstimatorMachine(RuleBasedStateMachine):
    """One estimator, its twin of scikit-learn while the two can be compared, and what was last true of it."""

    @initialize(kind=st.sampled_from(sorted(TASKS)), warm_start=st.booleans())
    def make(self, kind, warm_start):
        """Begin with an estimator that is not fitted."""
        self.kind = kind
        options = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "warm_start": warm_start}
        self.est, self.peer = getattr(fastbp, kind)(**options), getattr(peers, kind)(**options)
        self.own, self.peer_is_fit = OWN_OF_REGRESSORS if kind == "MLPRegressor" else OWN_OF_CLASSIFIERS, False
        self.task, self.form = None, None

    # ------------------------------------------------------------------ what the model says

    @property
    def is_fitted(self):
        return hasattr(getattr(self, "est", None), "coefs_")

    @property
    def comparable(self):
        """Whether the parameters are such as scikit-learn's estimator has."""
        est = self.est
        own = all(getattr(est, name) == self.own[name][0] for name in self.own if name not in COMMON)
        return own and est.activation in COMMON["activation"] and est.solver in COMMON["solver"]

    def data_of(self, given):
        task = sorted(TASKS[self.kind])[given["task"] % len(TASKS[self.kind])]
        X, y = table(given["seed"], given["n_samples"], given["n_features"], task)
        weight = {"ones": np.ones(len(X)), "some": np.arange(len(X)) % 3 + 0.5, "all zero": np.zeros(len(X))}
        weight |= {None: None, "mostly zero": (np.arange(len(X)) % 7 == 0) * 1.0}
        return task, FORMS[given["form"]](X), y, weight[given["weights"]]

    def train(self, given, method, **options):
        """Call a method of both, and compare what comes of it."""
        task, X, y, weight = self.data_of(given)
        est, before = self.est, learnt(self.est)
        goes_on = self.is_fitted and (method == "partial_fit" or est.warm_start)
        n_before, width = (est.network_.n_outputs, est.n_features_in_) if goes_on else (None, None)
        if method == "partial_fit" and self.kind == "MLPClassifier":
            options["classes"] = {"three": [0, 1, 2]}.get(task, [0, 1])
        peer = self.peer if self.comparable and (self.peer_is_fit or not goes_on) else None
        _, error = outcome(lambda: getattr(est, method)(X, y, weight, **options))
        self.check_refusal(error, before, goes_on)
        n_outputs, n_features = TASKS[self.kind][task], given["n_features"]
        is_another = goes_on and not (n_features == width and fits(n_outputs, n_before, task))
        if given["weights"] == "all zero" or is_another:
            assert is_refusal(error), (method, given, error)
        if peer is None or options.get("eval_set") is not None or given["form"] in FLOAT32:
            self.peer_is_fit = False
        else:
            _, theirs = outcome(lambda: getattr(peer, method)(X, y, weight, **options))
            self.compare(error, theirs, method)
        if error is None:
            self.task = task
            assert est.n_features_in_ == n_features
            assert fits(n_outputs, est.network_.n_outputs, task)
        return error

    def check_refusal(self, error, before, goes_on):
        """An error is of a documented kind; unless the training itself failed, nothing was changed by it."""
        if error is None:
            return
        assert is_refusal(error), repr(error)
        late = ("non-finite parameter weights", "validation set is too small", "test_size", "train_size", "rprop")
        late += ("n_splits", "class in y", "populated class", "dropout", "resulting train set", "early_stopping")
        if goes_on and not any(text in str(error) for text in late):
            assert learnt(self.est) == before, repr(error)

    def compare(self, error, theirs, method):
        """The same result as scikit-learn's, or an error of the same kind."""
        self.peer_is_fit = error is None and theirs is None
        if not self.is_fitted:
            self.peer = clone(self.peer)  # a first fit that fails leaves classes behind in it, and none in ours
        if isinstance(theirs, ValueError) and "non-finite" not in str(theirs):
            assert error is not None, (method, theirs)
        if not self.peer_is_fit:
            return
        est, peer = self.est, self.peer
        for ours, other in zip(est.coefs_ + est.intercepts_, peer.coefs_ + peer.intercepts_, strict=True):
            assert ours.shape == other.shape
            assert np.allclose(ours, other, rtol=1e-4, atol=1e-5), (method, np.abs(ours - other).max())
            other[...] = ours  # roundings do not add up from step to step
        assert np.isclose(est.loss_, peer.loss_, rtol=1e-4, atol=1e-6), (est.loss_, peer.loss_)

    # ------------------------------------------------------------------ what a user does

    @rule(given=tables())
    def fit(self, given):
        self.train(given, "fit")

    @rule(given=tables())
    def partial_fit(self, given):
        self.train(given, "partial_fit")

    @rule(given=tables(), other=tables())
    def fit_with_eval_set(self, given, other):
        task, X, y, _ = self.data_of(other | {"weights": None})
        error = self.train(given, "fit", eval_set=(X, y))
        if error is None:
            assert other["n_features"] == self.est.n_features_in_
            assert fits(TASKS[self.kind][task], self.est.network_.n_outputs, task)
            assert self.est.validation_loss_curve_

    @rule(data=st.data(), name=st.sampled_from(sorted(COMMON)))
    def set_common(self, data, name):
        value = data.draw(st.sampled_from(COMMON[name]))
        self.est.set_params(**{name: value})
        self.peer.set_params(**{name: value})

    @rule(data=st.data(), name=st.sampled_from(sorted(OWN_OF_REGRESSORS | OWN_OF_CLASSIFIERS)))
    def set_own(self, data, name):
        if name in self.own:
            value = data.draw(st.sampled_from(self.own[name]))
            self.est.set_params(**{name: value})
            if self.peer_is_fit and not self.comparable:
                self.peer_is_fit = False
            if name in ("activation", "solver") and value in COMMON[name]:
                self.peer.set_params(**{name: value})

    @rule(data=st.data(), name=st.sampled_from(sorted(WRONG)), given=tables(), incremental=st.booleans())
    def set_wrong(self, data, name, given, incremental):
        """What makes no sense is refused when it is used, and then forgotten."""
        before, right = learnt(self.est), self.est.get_params()[name]
        self.est.set_params(**{name: data.draw(st.sampled_from(WRONG[name]))})
        _, X, y, _ = self.data_of(given)
        goes_on = self.is_fitted and (self.est.warm_start or incremental)
        options = {"classes": [0, 1, 2]} if incremental and self.kind == "MLPClassifier" else {}
        _, error = outcome(lambda: getattr(self.est, "partial_fit" if incremental else "fit")(X, y, **options))
        assert is_refusal(error), (name, getattr(self.est, name), error)
        self.est.set_params(**{name: right})
        if goes_on and self.is_fitted and name != "dropout":
            assert learnt(self.est) == before
        if not goes_on:
            self.peer_is_fit = False

    @precondition(lambda self: self.is_fitted)
    @rule(
        seed=st.integers(0, 5),
        dtype=st.sampled_from(DTYPES),
        order=st.sampled_from("CF"),
    )
    def replace_arrays(self, seed, dtype, order):
        """Other numbers of the same shapes, in any form."""
        draw = np.random.default_rng(seed)
        for part in (self.est.coefs_, self.est.intercepts_):
            for k, old in enumerate(part):
                part[k] = (draw.integers(-4, 5, old.shape) / 4).astype(dtype, order=order)
        if self.peer_is_fit:
            for name in ("coefs_", "intercepts_"):
                setattr(self.peer, name, [np.array(a, np.float64) for a in getattr(self.est, name)])

    @precondition(lambda self: self.is_fitted)
    @rule(sizes=st.lists(st.integers(1, 6), max_size=3), seed=st.integers(0, 5))
    def replace_by_other_sizes(self, sizes, seed):
        """Layers of other sizes make a network of such layers, unless connections skip some."""
        est, draw = self.est, np.random.default_rng(seed)
        before = (list(est.coefs_), list(est.intercepts_))
        all_sizes = [est.n_features_in_, *sizes, est.n_outputs_]
        est.coefs_ = [draw.normal(size=pair) for pair in itertools.pairwise(all_sizes)]
        est.intercepts_ = [draw.normal(size=n) for n in all_sizes[1:]]
        _, error = outcome(lambda: est.predict(np.zeros((3, est.n_features_in_))))
        self.peer_is_fit = False
        if error is not None:
            assert isinstance(error, ValueError), repr(error)
            assert "coefs_" in str(error) or "activation" in str(error), repr(error)
            est.coefs_, est.intercepts_ = before
        else:
            assert list(est.network_.sizes) == all_sizes
            if len(sizes) != len(np.atleast_1d(est.hidden_layer_sizes)):
                est.set_params(hidden_layer_sizes=tuple(sizes))
                self.peer.set_params(hidden_layer_sizes=tuple(sizes))

    @precondition(lambda self: self.is_fitted)
    @rule(what=st.sampled_from(["inputs", "outputs", "between", "intercept", "1-D", "fewer", "complex", "None", "NaN"]))
    def replace_wrongly(self, what):
        """Arrays that do not fit are refused by their names, and can be set back."""
        est = self.est
        coefs, intercepts = est.coefs_, est.intercepts_
        est.coefs_, est.intercepts_, before = list(coefs), list(intercepts), coefs[0].copy()
        n_in, n_out = coefs[0].shape
        if what == "inputs":
            est.coefs_[0] = np.zeros((n_in + 1, n_out))
        elif what == "outputs":
            est.coefs_[-1], est.intercepts_[-1] = np.zeros((coefs[-1].shape[0], 9)), np.zeros(9)
        elif what == "between":
            est.coefs_[-1] = np.zeros((coefs[-1].shape[0] + 1, coefs[-1].shape[1]))
        elif what == "intercept":
            est.intercepts_[0] = np.zeros(n_out + 3)
        elif what == "1-D":
            est.coefs_[0] = np.zeros(n_in)
        elif what == "fewer":
            est.intercepts_.pop()
        else:
            est.coefs_[0] = {"complex": coefs[0] + 1j, "None": None, "NaN": np.full_like(coefs[0], np.nan)}[what]
        X, y = table(0, 9, est.n_features_in_, self.task)
        calls = {"partial_fit": (X, y)} | ({} if what == "NaN" else {"predict": (X[:1],), "gradient_": (X,)})
        for method, args in calls.items():
            _, error = outcome(lambda method=method, args=args: getattr(est, method)(*args))
            assert is_refusal(error), (what, error)
        est.coefs_, est.intercepts_ = coefs, intercepts
        coefs[0][...] = before  # NaN was taken over before it was refused

    @precondition(lambda self: self.is_fitted)
    @rule(seed=st.integers(0, 5), in_place=st.booleans())
    def write_params(self, seed, in_place):
        outcome(lambda: self.est.predict(np.zeros((1, self.est.n_features_in_))))  # takes over what was set before
        net = self.est.network_
        values = np.random.default_rng(seed).integers(-4, 5, net.n_params) / 4
        if in_place:
            net.params[:] = values
        else:
            net.params = values
        if self.peer_is_fit:
            for name in ("coefs_", "intercepts_"):
                setattr(self.peer, name, [np.array(a, np.float64) for a in getattr(self.est, name)])

    @precondition(lambda self: self.is_fitted)
    @rule(n_hidden=st.integers(1, 4), activation=st.sampled_from(["tanh", "relu"]))
    def exchange_network(self, n_hidden, activation):
        """The network itself cannot be set: its numbers can."""
        est = self.est
        net = fastbp.Network((est.n_features_in_, n_hidden, est.network_.n_outputs), activation=activation)
        _, error = outcome(lambda: setattr(est, "network_", net))
        assert isinstance(error, AttributeError)
        assert est.network_ is not net

    @precondition(lambda self: self.is_fitted)
    @rule(name=st.sampled_from(sorted(COUNTS)), data=st.data())
    def set_count(self, name, data):
        """What is counted from call to call: a training goes on from it, or refuses it by its name."""
        est, known, before = self.est, vars(self.est), learnt(self.est)
        if name not in known or not incremental_goes(est):
            return
        right, known[name] = known[name], data.draw(st.sampled_from(COUNTS[name]))
        X, y = table(0, 9, est.n_features_in_, self.task)
        _, error = outcome(lambda: est.partial_fit(X, y))
        assert is_refusal(error), (name, known[name], error)
        known[name] = right
        assert learnt(est) == before

    @precondition(lambda self: self.is_fitted and hasattr(self.est, "_optimizer"))
    @rule(
        how=st.sampled_from(
            ["read-only", "float32", "Fortran", "other size", "1-D", "decay", "unaligned", "kind", "NaN"]
        )
    )
    def replace_optimiser(self, how):
        """The solver's memory: a copy is trained on, or what does not fit is refused."""
        est, right = self.est, self.est._optimizer.solver
        state = right.state.copy()
        wrong = {
            "other size": lambda: right._replace(state=np.zeros((len(state), 3), state.dtype)),
            "1-D": lambda: right._replace(state=state.ravel()),
            "decay": lambda: right._replace(decay=np.ones(1)),
            "NaN": lambda: right._replace(state=np.full_like(state, np.nan)),
            "kind": lambda: right._replace(state=[None, "x", state * 1j][state.size % 3]),
        }
        if how in wrong:
            est._optimizer.solver, before = wrong[how](), weights_of(est)
            X, y = table(0, 9, est.n_features_in_, self.task)
            options = {"classes": [0, 1]} if self.kind == "MLPClassifier" and not hasattr(est, "classes_") else {}
            _, error = outcome(lambda: est.partial_fit(X, y, **options))
            assert is_refusal(error), (how, error)
            assert weights_of(est) == before
            est._optimizer.solver = right
            return
        if how == "unaligned":
            state = np.frombuffer(b"\0" + state.tobytes(), state.dtype, offset=1).reshape(state.shape)
        elif how == "Fortran":
            state = np.asfortranarray(state)
        elif how == "float32":
            state, self.peer_is_fit = state.astype(np.float32), False
        else:
            state.flags.writeable = False
        est._optimizer.solver = right._replace(state=state)

    @rule(how=st.sampled_from(["pickle", "deepcopy", "copy", "mmap", "clone"]))
    def copy(self, how):
        """A copy predicts the same; a clone is not fitted."""
        est, X = self.est, np.random.default_rng(0).normal(size=(20, getattr(self.est, "n_features_in_", 3)))
        if self.is_fitted and not np.isfinite(est.network_.params).all():
            return  # a training that failed
        before = outcome(lambda: est.predict(X))[0]
        if how == "clone":
            self.est, self.peer, self.peer_is_fit = clone(est), clone(self.peer), False
            assert not self.is_fitted
            return
        if how == "mmap":
            with tempfile.TemporaryDirectory() as folder:
                joblib.dump(est, Path(folder) / "model")
                self.est = joblib.load(Path(folder) / "model", mmap_mode="r")
        else:
            copies = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda e: pickle.loads(pickle.dumps(e))}
            self.est = copies[how](est)
        if before is not None:
            assert np.array_equal(outcome(lambda: self.est.predict(X))[0], before)

    @precondition(lambda self: self.is_fitted)
    @rule(
        what=st.sampled_from(WRONG_X),
        n_samples=st.sampled_from([1, 2, 40]),
    )
    def predict_wrongly(self, what, n_samples):
        width = self.est.n_features_in_
        X = np.zeros((n_samples, width))
        wrong = {
            "width": (np.zeros((n_samples, width + 1)), ValueError),
            "None": (np.where(np.arange(width) == 0, None, X.astype(object)), (TypeError, ValueError)),
            "dates": (X.astype("M8[s]"), TypeError),
            "NaN": (X * np.nan, ValueError),
            "1-D": (X[0], ValueError),
            "complex": (X * 1j, ValueError),
            "text": (X.astype(str), ValueError),
            "empty": (X[:0], ValueError),
        }
        value, kind = wrong[what]
        for method in ("predict", "gradient_"):
            _, error = outcome(lambda method=method: getattr(self.est, method)(value))
            assert isinstance(error, kind), (what, method, error)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def outputs_are_those_of_the_weights(self):
        """Outputs are what a few lines of NumPy make of `coefs_` and `intercepts_`, one by one and all together."""
        if not self.is_fitted or self.task is None:
            return
        est, draw = self.est, np.random.default_rng(1)
        X = draw.normal(size=(20, est.n_features_in_)).astype(est.network_.dtype)
        z, names = X.astype(np.float64), hidden_names(est)
        result, error = outcome(lambda: est._outputs(X))
        assert error is None, repr(error)
        assert [c.shape[1] for c in est.coefs_] == list(est.network_.sizes[1:])
        assert np.shares_memory(est.coefs_[0], est.network_.params)
        few, _ = outcome(lambda: np.concatenate([est._outputs(X[k : k + 1]) for k in range(3)]))
        rtol = 1e-2 if est.network_.dtype == np.float32 else 1e-6
        with np.errstate(all="ignore"):
            assert np.allclose(few, result[:3], rtol=rtol, atol=rtol, equal_nan=True)
        if est._recipe.skip or not np.isfinite(result).all():
            return
        with np.errstate(all="ignore"):
            for name, coef, intercept in zip(names, est.coefs_, est.intercepts_, strict=True):
                z = H[name](z @ coef.astype(np.float64) + intercept)
        if np.isfinite(z).all():
            assert np.allclose(result, z, rtol=rtol, atol=rtol), (names, np.abs(result - z).max())


def hidden_names(est):
    """Return the function of each layer, as the parameters say."""
    name = est.activation if isinstance(est.activation, str) else est.activation.name
    return [name] * (len(est.coefs_) - 1) + [est.out_activation_]
