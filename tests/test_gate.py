"""The gate before the kernels: what skips it does not type-check, and without it wrong arrays reach them.

Each wrong call is made twice: as it is, and with the gate taken out of its way. No kernel runs in either: in their
place stands what tells that it was reached.
"""

import subprocess
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest
import ways_in
from cases import COMPILED

import fastbp
from fastbp.engine import gate
from fastbp.kernels.training import chunks, epochs, scikit_learn_epochs, scores
from fastbp.solvers import SOLVERS

sklearn = pytest.importorskip("sklearn")

from fastbp.estimators import base, weights  # noqa: E402

# Every way into compiled code from outside the kernels, and what stands before it
THROUGH_THE_GATE = {
    "training.chunks.run_job", "training.epochs.train", "training.epochs.train_online",
    "training.scikit_learn_epochs.train_epochs", "training.scikit_learn_epochs.loss_and_gradient",
    "training.scikit_learn_epochs.finish_gradient", "training.scores.score_outputs",
}  # fmt: skip
OTHER_WAYS = {
    "one_sample.few.forward_call": "engine/few_samples.py",  # `FewSamples` checks dtype and size, the kernel widths
    "one_sample.few_links.forward_links_call": "engine/few_samples.py",  # as `forward_call`
    "one_sample.stream.learning_call": "training/stream.py",  # `Stream` checks dtype, the kernel widths and numbers
    "one_sample.few.forward_few": "versions.py",  # asks what machine code is there, and calls nothing
    "training.chunks.work_on_chunk": "engine/first_use.py",  # whether its code has been checked; nothing is called
    "training.orders.draw_orders": "estimators/orders.py",  # arrays and random numbers of the training's own
    "formulas.activation_calls.apply_h": "activations.py",  # `checks.numeric`, and an output of the same size
    "formulas.activation_calls.apply_dh": "activations.py explaining/numbers.py",  # arrays that kernels just filled
    "formulas.losses.is_canonical": "explaining/numbers.py",  # numbers by value, here and in the next ones
    "formulas.losses.unit_error": "explaining/numbers.py explaining/traps.py",
    "formulas.losses.unit_error_slope": "explaining/numbers.py",
    "formulas.losses.unit_canonical_error": "explaining/numbers.py",
    "derivation.log_sum_exp": "explaining/numbers.py",  # the outputs' activations of one sample
    "formulas.activation_calls.h_of": "activations.py",  # compiled for addresses in the table of layers
    "formulas.activation_calls.dh_of": "activations.py",
    "formulas.activation_calls.h_of_scalar": "activations.py",
    "formulas.activation_calls.dh_of_scalar": "activations.py",
    "compiling.decorators.unkept": "activations.py",
    "one_sample.called.forward_sample": "engine/work_spaces.py",  # addresses in a plan: `plan.py` compares sizes
    "one_sample.called.gradient_sample": "engine/work_spaces.py",
    "one_sample.called.input_gradient_sample": "engine/work_spaces.py",
    "one_sample.called_by_loops.forward_loops": "engine/work_spaces.py",
    "one_sample.called_by_loops.gradient_loops": "engine/work_spaces.py",
    "one_sample.called_by_loops.input_gradient_loops": "engine/work_spaces.py",
    "one_sample.curved.jacobian_sample": "engine/work_spaces.py",
    "one_sample.curved.jacobian_loops": "engine/work_spaces.py",
    "one_sample.curved.hessian_product_loops": "engine/work_spaces.py",
    # `Curvature` takes `CheckedSamples`; what it passes beside them it has made, or `checks.vector` has looked at.
    "curvature.products.run_task": "engine/curvature.py",
    "curvature.hessians.hessian": "engine/curvature.py",
    "curvature.conjugate.conjugate_gradients": "training/minimising/minimisers.py",
    "curvature.conjugate.scaled_conjugate_gradients": "training/minimising/minimisers.py",
    "curvature.conjugate.truncated_newton": "training/minimising/minimisers.py",
    "curvature.damped.levenberg_marquardt": "training/minimising/minimisers.py",
    "curvature.limited_memory.l_bfgs": "training/minimising/minimisers.py",
    # `PopulationTraining` takes `CheckedSamples` and rows that `rows_of` has looked at; all else it has made itself.
    "population.members.train_networks": "population/training.py",
    "one_sample.from_njit.register_run": "jit/__init__.py",  # types checked when compiled, sizes in each call
    "one_sample.from_c.c_function": "jit/c_functions.py",  # C: addresses alone
}
X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.random.default_rng(1).normal(size=40)
PAIRS = np.column_stack([Y, Y])
CLASSES = (Y > 0).astype(int)
LABELS = np.column_stack([CLASSES, 1 - CLASSES])


def test_all_ways_in_are_known():
    """Who adds a way into compiled code leads it through `fastbp.engine.gate`, or says here what stands before it."""
    expected = {way: {"engine/gate.py"} for way in THROUGH_THE_GATE} | {
        way: set(files.split()) for way, files in OTHER_WAYS.items()
    }
    assert ways_in.taken() == expected


@pytest.mark.skipif(not COMPILED, reason="the same text")
def test_a_call_that_skips_the_gate_does_not_type_check(tmp_path):
    pytest.importorskip("mypy")
    good = "    engine.run(net.check_samples(X, X), ERROR)\n"
    calls = (
        "    engine.run(Samples(X, X, X, X), ERROR)\n",
        "    engine.gate.train_epochs(Samples(X, X, X, X), memory, solver, course, 1)\n",
        "    CheckedSamples(engine.gate.port, Samples(X, X, X, X))\n",
        "    net.check_samples(X, X)._replace(x=X)\n",
    )
    (tmp_path / "skips.py").write_text(
        "from typing import Any\n\nimport fastbp\nfrom fastbp.engine.engine import Engine\n"
        "from fastbp.engine.gate import CheckedSamples, CheckedSolver\n"
        "from fastbp.kernels.training.chunks import ERROR, Samples\n\n\n"
        "def f(net: fastbp.Network, engine: Engine, X: Any, memory: Any, solver: CheckedSolver, course: Any) -> None:\n"
        + good
        + "".join(calls)
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(tmp_path / "skips.py")]
    found = subprocess.run(
        command, cwd=ways_in.PACKAGE.parents[1], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    errors = [line for line in found if ": error:" in line]
    assert len(errors) == len(calls), found
    assert all(f"skips.py:{11 + k}:" in line for k, line in enumerate(errors)), found


def test_checked_things_are_made_by_the_gate_alone():
    port = gate.Port(1, 1, np.dtype(np.float64))
    with pytest.raises(TypeError, match=r"gate\.samples"):
        gate.CheckedSamples(port, chunks.Samples(X, X, X, X), object())
    with pytest.raises(TypeError, match=r"Gate\.solver"):
        gate.CheckedSolver(None, None)


def test_moments_are_those_of_the_solvers():
    assert {kind.code: kind.n_moments for kind in SOLVERS.values()}.items() <= gate.N_MOMENTS.items()


# ---------------------------------------------------------------------------- the gate taken out


class ReachedError(Exception):
    """A kernel would have been called."""


def reached(*_args):
    raise ReachedError


ENTRIES = [
    (chunks, "run_job"), (epochs, "train"), (epochs, "train_online"), (scikit_learn_epochs, "train_epochs"),
    (scikit_learn_epochs, "loss_and_gradient"), (scores, "score_outputs"),
]  # fmt: skip


def unchecked(port, X, T=None, sample_weight=None, **_options):
    """What `gate.samples` and `gate.inputs` do, without a look at the arrays."""

    def convert(a, n):
        return np.ascontiguousarray(a, port.dtype) if a is not None else np.empty(n, port.dtype)

    arrays = chunks.Samples(convert(X, 0), convert(T, (0, port.n_outputs)), convert(sample_weight, 0), gate.NO_ORDER)
    return gate.CheckedSamples(port, arrays, gate._PASSED)


NO_GATE = types.SimpleNamespace(
    samples=unchecked, inputs=unchecked, check_weighted=lambda *_: None, CheckedSamples=gate.CheckedSamples
)
IN_NETWORK = [(fastbp.model.computing, "gate", NO_GATE), (fastbp.model.computing, "check_targets", lambda *_: None)]
IN_ESTIMATORS = [(base, "gate", NO_GATE)]
ORDER = [(gate.CheckedSamples, "ordered", lambda self, order: self)]
SOLVER = [(gate.Gate, "solver", lambda self, solver: gate.CheckedSolver(solver, gate._PASSED))]
PORTS = [(gate.Gate, "_arrays", lambda self, samples: samples.arrays)]
TARGETS = [(gate.Gate, "_targeted", lambda self, samples: samples.arrays)]
VECTOR = [(gate.Gate, "_vector", lambda self, values, name, size: values)]


class Way(NamedTuple):
    """A wrong call, and the gate in its way."""

    name: str
    call: object  # (what `start` returned)
    words: str  # of the message
    out: list  # what takes the gate out: (object, attribute, value)
    start: object = lambda: fastbp.Network((3, 5, 1), seed=0)


def regressor(**options):
    given = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0} | options
    return lambda: fitted(fastbp.MLPRegressor(**given), Y)


def classifier(y, **options):
    given = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0} | options
    return lambda: fitted(fastbp.MLPClassifier(**given), y)


@pytest.mark.filterwarnings("ignore")
def fitted(estimator, y):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


def with_attribute(name, value, call):
    """Return a call before which an attribute is set."""

    def set_and_call(estimator):
        setattr(estimator, name, value)
        return call(estimator)

    return set_and_call


def with_state(change, call):
    """Return a call before which the solver's memory is replaced."""

    def replace_and_call(estimator):
        solver = estimator._optimizer.solver
        estimator._optimizer.solver = solver._replace(**change(solver))
        return call(estimator)

    return replace_and_call


class Shuffler(np.random.RandomState):
    """Random numbers of a user's own, whose `shuffle` makes up rows."""

    def shuffle(self, x):
        x[:] = 10**9


def other_samples(net):
    return fastbp.Network((2, 5, 1), seed=0).check_samples(X[:, :2], Y)


WAYS = [
    Way("Network.forward, X", lambda n: n.forward(np.ones((40, 4))), "X must have shape", IN_NETWORK),
    Way("Network.activations, X", lambda n: n.activations(np.ones((40, 2))), "X must have shape", IN_NETWORK),
    Way("Network.loss, T", lambda n: n.loss(X, PAIRS), "T must have shape", IN_NETWORK),
    Way("Network.loss, fewer T", lambda n: n.loss(X, Y[:9]), "T must have as many", IN_NETWORK + TARGETS),
    Way("Network.gradient, sample_weight", lambda n: n.gradient(X, Y, np.ones(3)), "sample_weight", IN_NETWORK),
    Way("Network.deltas, T", lambda n: n.deltas(X, PAIRS), "T must have shape", IN_NETWORK),
    Way("Network.input_gradient, X", lambda n: n.input_gradient(X[:, :2]), "X must have shape", IN_NETWORK),
    Way("Network.fit, X", lambda n: n.fit(X[:, :2], Y), "X must have shape", IN_NETWORK),
    Way("Network.fit, T", lambda n: n.fit(X, PAIRS), "T must have shape", IN_NETWORK),
    Way("Network.fit, T, one by one", lambda n: n.fit(X, PAIRS, batch_size=1), "T must have shape", IN_NETWORK),
    Way("Network.fit, sample_weight", lambda n: n.fit(X, Y, sample_weight=np.ones(3)), "sample_weight", IN_NETWORK),
    Way("Network.fit, validation", lambda n: n.fit(X, Y, validation=(X, PAIRS)), "validation T", IN_NETWORK),
    Way("Engine.run, another network's", lambda n: n.engine.run(other_samples(n), chunks.ERROR), "checked for", PORTS),
    Way(
        "Engine.run, no targets",
        lambda n: n.engine.run(n._check_inputs(X), chunks.GRADIENT),
        "without targets",
        TARGETS,
    ),
    Way("partial_fit, y", lambda e: e.partial_fit(X, PAIRS), "y must have shape", IN_ESTIMATORS, regressor()),
    Way(
        "fit, warm start, y", lambda e: e.fit(X, PAIRS), "y must have shape", IN_ESTIMATORS, regressor(warm_start=True)
    ),
    Way(
        "fit, warm start, lbfgs, y", lambda e: e.fit(X, PAIRS), "y must have shape", IN_ESTIMATORS,
        regressor(warm_start=True, solver="lbfgs"),
    ),
    Way(
        "fit, two labels, then one", lambda e: e.fit(X, CLASSES), "y must have shape", IN_ESTIMATORS,
        classifier(LABELS, warm_start=True),
    ),
    Way("fit, eval_set", lambda e: e.fit(X, Y, eval_set=(X, PAIRS)), "eval_set y must", IN_ESTIMATORS, regressor()),
    Way(
        "fit, eval_set, early stopping", lambda e: e.fit(X, Y, eval_set=(X, PAIRS)), "eval_set y must", IN_ESTIMATORS,
        regressor(early_stopping=True),
    ),
    Way(
        "predict, X", with_attribute("n_features_in_", 2, lambda e: e.predict(X[:, :2])), "X must have shape",
        IN_ESTIMATORS, regressor(),
    ),
    Way(
        "gradient_, X", with_attribute("n_features_in_", 2, lambda e: e._outputs(X[:, :2].tolist())),
        "X must have shape", IN_ESTIMATORS, regressor(),
    ),
    Way(
        "partial_fit, state of another network",
        with_state(lambda s: {"state": s.state[:, :8].copy()}, lambda e: e.partial_fit(X, Y)),
        "state must have shape", SOLVER, regressor(),
    ),
    Way(
        "partial_fit, decay", with_state(lambda s: {"decay": np.ones(1)}, lambda e: e.partial_fit(X, Y)), "2 decays",
        SOLVER, regressor(),
    ),
    Way(
        "fit, made-up rows", lambda e: e.set_params(random_state=Shuffler(0)).fit(X, Y), "order of the samples", ORDER,
        regressor(max_iter=1),
    ),
    Way(
        "minimiser's parameters",
        lambda e: fastbp.estimators.lbfgs.Objective(e, e.network_, e._samples(X, Y, None))(np.zeros(3)),
        "params must have shape", VECTOR, regressor(solver="lbfgs"),
    ),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def checked_code():
    """New machine code is checked before its first use, by networks that go into the kernels."""
    fastbp.Network((3, 1), seed=0).gradient(X, Y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_wrong_arrays_do_not_reach_a_kernel(way, monkeypatch):
    user = way.start()
    for module, entry in ENTRIES:
        monkeypatch.setattr(module, entry, reached)
    with pytest.raises(ValueError, match=way.words):
        way.call(user)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_without_its_gate_they_do(way, monkeypatch):
    """The test before this one fails if the gate is taken out of any one way in."""
    user = way.start()
    for module, entry in ENTRIES:
        monkeypatch.setattr(module, entry, reached)
    for place, attribute, value in way.out:
        monkeypatch.setattr(place, attribute, value)
    with pytest.raises(ReachedError):
        way.call(user)


def test_weights_of_other_sizes_make_another_network(monkeypatch):
    """`coefs_` that do not go together are refused; without that, the network's own views have other shapes."""
    estimator = regressor()()
    estimator.coefs_[1] = np.zeros((7, 1))
    with pytest.raises(ValueError, match=r"coefs_\[1\] must have shape \(4, 1\).*\(7, 1\)"):
        estimator.predict(X)
    monkeypatch.setattr(weights, "_sizes_of", lambda *_: [3, 4, 1])
    with pytest.raises(ValueError, match="broadcast"):
        estimator.predict(X)


def test_a_solvers_memory_that_is_not_a_number_is_refused():
    """It would make all weights NaN."""
    estimator = regressor()()
    before = [array.copy() for array in estimator.coefs_]
    solver = estimator._optimizer.solver
    solver.state[-1, 2] = np.nan
    with pytest.raises(ValueError, match=r"_optimizer\.solver\.state must hold numbers.* NaN at \(\d, 2\)"):
        estimator.partial_fit(X, Y)
    assert all(np.array_equal(*pair) for pair in zip(before, estimator.coefs_, strict=True))


def test_a_solvers_memory_may_be_written_to():
    """What is read-only, of another dtype or not aligned is copied; what is right is taken as it is."""
    net = fastbp.Network((3, 5, 1), seed=0)
    estimator = regressor()()
    way, solver = estimator.network_.engine.gate, estimator._optimizer.solver
    assert way.solver(solver).solver.state is solver.state
    frozen = solver.state.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + frozen.tobytes(), offset=1).reshape(frozen.shape)
    for state in (frozen, frozen.astype(np.float32), np.asfortranarray(frozen), unaligned):
        made = way.solver(solver._replace(state=state)).solver.state
        assert made.flags.carray
        assert made.dtype == np.float64
        assert np.allclose(made, frozen, atol=1e-6)
    with pytest.raises(ValueError, match="another network"):
        net.engine.gate.solver(solver._replace(state=solver.state[:, :3]))
