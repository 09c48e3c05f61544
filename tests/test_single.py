"""The kernels that take one sample at a time, against the naive loops of derivation.py and against tiles."""

import platform
import sys
import threading

import irregular
import numpy as np
import pytest
from cases import COMPILED, Case, assert_gradients_equal, draw
from hypothesis import given
from hypothesis import strategies as st
from shapes import COVERING, SKIPS
from subprocesses import run_python
from test_sample import plain

import fastbp
from fastbp.activations import ACTIVATIONS, OUTPUTS
from fastbp.engine import few_samples
from fastbp.kernels import derivation as sample
from fastbp.losses import LOSSES

DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "threshold"]
# Numbers of inputs and of units next to the edges of registers, of both dtypes and all machines
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70)
RTOL = {"float64": 1e-12, "float32": 2e-4}


def naive_steps(problem, learning_rate, version=plain):
    """Return the mean error and the parameters after a step of gradient descent for each sample in turn."""
    net, X, T, weight = problem
    packed = net.packed._replace(params=net.packed.params.copy())
    a, z, delta = np.zeros((3, sum(net.sizes)), net.dtype)
    E = 0.0
    for n in range(len(X)):
        factor = 1.0 if weight is None else weight[n]
        version(sample.forward)(packed, X[n].astype(net.dtype), a, z)
        E += factor * version(sample.output_delta)(packed, T[n].astype(net.dtype), a, z, delta)
        version(sample.backward)(packed, a, z, delta)
        version(sample.add_gradient)(packed, z, delta, -learning_rate * factor, packed.params)
    return E / len(X), packed.params[: net.n_params]


def check_learning(case, dtype="float64", version=plain):
    """On-line learning takes the steps of the naive loops."""
    problem = draw(case, dtype)
    before, rate = problem.net.params.copy(), 0.01
    E, expected = naive_steps(problem, rate, version)
    history = problem.net.fit(
        problem.X, problem.T, sample_weight=problem.sample_weight,
        solver="sgd", learning_rate=rate, batch_size=1, epochs=1, shuffle=False,
    )  # fmt: skip
    assert np.isclose(history.loss[0], E, rtol=RTOL[dtype])
    change = problem.net.params.astype(float) - before
    assert_gradients_equal(problem.net, change, expected.astype(float) - before, rtol=100 * RTOL[dtype])


def check_outputs(net, X):
    """Single samples, a few, and many give the same outputs, but for rounding."""
    X = X.astype(net.dtype)
    many = np.concatenate([X] * (few_samples.MAX_SAMPLES + 1))
    expected = net.forward(many)[: len(X)]
    rtol = {"float64": 1e-11, "float32": 1e-4}[net.dtype.name]
    assert net.few_outputs(X[:1]) is not None, "the short way was not taken"
    rows = np.concatenate([net.forward(x.reshape(1, -1)) for x in X])
    assert rows.dtype == net.dtype
    assert np.allclose(rows, expected, rtol=rtol, atol=rtol)
    few = net.forward(X[:3])
    assert np.array_equal(few, rows[:3])


# ---------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_units", EDGES if COMPILED else EDGES[::5])
def test_outputs_for_all_widths(n_units, dtype):
    for n_inputs in EDGES[:: 1 if COMPILED else 6]:
        problem = draw(Case((n_inputs, n_units, n_units), "relu", n_samples=2, seed=n_inputs), dtype)
        check_outputs(problem.net, problem.X)


@pytest.mark.parametrize("case", COVERING[:: 1 if COMPILED else 6] + SKIPS, ids=str)
def test_outputs_for_many_networks(case):
    for dtype in ("float64", "float32"):
        problem = draw(case._replace(n_samples=4), dtype)
        check_outputs(problem.net, problem.X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_with_every_activation(activation):
    problem = draw(Case((3, 17, 2), activation, activation, n_samples=5))
    check_outputs(problem.net, problem.X)


def test_outputs_with_a_function_of_the_users_own():
    """Its value at 0 is infinite, and 0 is what stands behind the last unit of a layer."""
    inverse = fastbp.Activation("inverse", lambda a: 1 / a, lambda a: -1 / (a * a))
    net = fastbp.Network((3, 5, 2), activation=inverse, seed=1)
    for biases in net.biases:
        biases[:] = 3.0
    X = np.random.default_rng(0).uniform(0.1, 0.2, (4, 3))
    check_outputs(net, X)
    T = np.zeros((4, 2))
    net.fit(X, T, solver="sgd", learning_rate=1e-3, batch_size=1, epochs=2)
    assert np.isfinite(net.params).all()


@given(
    sizes=st.lists(st.integers(1, 70), min_size=2, max_size=4),
    output=st.sampled_from(["identity", "softmax", "logistic"]),
    bias=st.booleans(),
    skip=st.sampled_from([(), "all"]),
    seed=st.integers(0, 99),
)
def test_outputs_of_any_network(sizes, output, bias, skip, seed):
    loss = "cross_entropy" if output == "softmax" else "squared_error"
    problem = draw(Case(tuple(sizes), "tanh", output, loss, bias=bias, skip=skip, n_samples=3, seed=seed))
    check_outputs(problem.net, problem.X)


@pytest.mark.parametrize("first", range(0, 40 if COMPILED else 8, 4))
def test_outputs_of_any_connections(first):
    """Links, blocks and links, outputs in several layers, units that nothing feeds, softmax, own functions."""
    for seed in range(first, first + 4):
        dtype = ["float64", "float32"][seed % 2]
        net, X, _T = irregular.build(irregular.draw(seed, n_units=2 + 2 * seed), seed, dtype)
        check_outputs(net, X)
    dense = fastbp.Network((17, 33, 18, 5), output="softmax", loss="cross_entropy", seed=first)
    for share in (0.02, 0.3, 0.9):
        pruned = dense.with_mask(np.random.default_rng(first).random(len(dense.edges)) < share)
        check_outputs(pruned, np.random.default_rng(first).normal(size=(4, 17)))


def test_a_pruned_network_of_an_own_function_and_a_sample_that_is_not_finite():
    inverse = fastbp.Activation("inverse", lambda a: 1 / a, lambda a: -1 / (a * a))
    net = fastbp.Network((3, 5, 2), activation=inverse, seed=1)
    net.biases[0][:] = 3.0
    net = net.with_mask(np.arange(len(net.edges)) % 3 > 0)
    check_outputs(net, np.random.default_rng(0).uniform(0.1, 0.2, (4, 3)))
    with pytest.raises(ValueError, match=r"X\[0, 1\] is nan"):
        net.forward([[0.0, np.nan, 1.0]])


@pytest.mark.parametrize("layout", ["list", "float64", "fortran", "rows apart", "swapped", "subclass", "1-D"])
def test_other_arrays_take_the_general_way(layout):
    n_inputs = 1 if layout == "1-D" else 4
    net = fastbp.Network((n_inputs, 5, 2), seed=3, dtype="float32")
    X = np.random.default_rng(1).standard_normal((3, n_inputs)).astype(np.float32)
    given = {
        "list": X.tolist(),
        "float64": X.astype(np.float64),
        "fortran": np.asfortranarray(X),
        "rows apart": np.repeat(X, 2, axis=0)[::2],
        "swapped": X.astype(X.dtype.newbyteorder()),
        "subclass": np.ma.masked_array(X),
        "1-D": X.ravel(),
    }[layout]
    assert net.few_outputs(given) is None
    assert np.allclose(net.forward(given), net.forward(X), rtol=1e-5)


def test_columns_apart():
    net = fastbp.Network((4, 5, 2), seed=3)
    X = np.random.default_rng(1).standard_normal((1, 8))
    assert np.array_equal(net.forward(X[:, ::2]), net.forward(X[:, ::2].copy()))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (0, 17), (1, 18)])
def test_a_sample_that_is_not_finite_is_named(bad, place):
    net = fastbp.Network((19, 5, 2), seed=3)
    X = np.ones((place[0] + 1, 19))
    before = net.forward(X)
    X[place] = bad
    with pytest.raises(ValueError, match=rf"X must be finite in float64; X\[{place[0]}, {place[1]}\] is {bad}"):
        net.forward(X)
    assert np.array_equal(net.forward(np.ones_like(X)), before)


@pytest.mark.parametrize("shape", [(1, 3), (1, 5), (0, 4), (4,), (1, 4, 1), ()])
def test_wrong_shapes_are_refused(shape):
    net = fastbp.Network((4, 5, 2), seed=3)
    with pytest.raises(ValueError, match="X must have"):
        net.forward(np.ones(shape))


@pytest.mark.filterwarnings("ignore:.*not finite everywhere")
def test_outputs_that_are_not_finite():
    """An infinite weight makes its own unit's output infinite, and no other one's."""
    net = fastbp.Network((3, 20), seed=1)
    net.weights[0][6, 1] = np.inf
    net.weights[0][19, 2] = np.nan
    y = net.forward(np.array([[1.0, 2.0, 3.0]]))[0]
    assert y[6] == np.inf
    assert np.isnan(y[19])
    assert np.isfinite(np.delete(y, [6, 19])).all()


def test_outputs_follow_the_parameters():
    net = fastbp.Network((3, 4, 1), seed=1)
    x = np.ones((1, 3))
    first = net.forward(x)
    net.params *= 2
    second = net.forward(x)
    net.params = np.zeros(net.n_params)
    assert first != second
    assert net.forward(x) == 0.0
    assert first != 0.0, "outputs of earlier calls stay as they were"


def test_threads_do_not_disturb_each_other():
    net = fastbp.Network((8, 70, 70, 3), seed=1)
    X = np.random.default_rng(2).standard_normal((8, 8))
    expected = [net.forward(x.reshape(1, -1)) for x in X]
    wrong, start = [], threading.Barrier(len(X))

    def ask(n):
        x = X[n].reshape(1, -1).copy()
        start.wait()
        for _ in range(2000 if COMPILED else 3):
            if not np.array_equal(net.forward(x), expected[n]):
                wrong.append(n)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(X))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


# ---------------------------------------------------------------------------- on-line learning


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_units", EDGES if COMPILED else EDGES[::6])
def test_steps_for_all_widths(n_units, dtype):
    for n_inputs in (1, 2, 7, 8, 9, 16, 17, 33, 70) if COMPILED else (1, 9):
        check_learning(Case((n_inputs, n_units, 3), "tanh", n_samples=3, seed=n_units), dtype)


@pytest.mark.parametrize("case", COVERING[:: 1 if COMPILED else 7] + SKIPS, ids=str)
def test_steps_of_many_networks(case):
    check_learning(case._replace(n_samples=4))


@pytest.mark.parametrize("activation", DIFFERENTIABLE)
def test_steps_with_every_activation(activation):
    check_learning(Case((2, 18, 5, 2), activation, activation, n_samples=5, weighted=True))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", [name for name in OUTPUTS if name != "threshold"])
def test_steps_with_every_loss_and_output(loss, output):
    check_learning(Case((3, 4, 3), "softplus", output, loss, n_samples=5, weighted=True))


@pytest.mark.parametrize("n_outputs", [5, 16, 17, 33])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_steps_with_softmax_over_several_registers(n_outputs, loss):
    check_learning(Case((3, 4, n_outputs), "relu", "softmax", loss, n_samples=4))


@pytest.mark.parametrize("options", [
    {"solver": "sgd", "momentum": 0.5}, {"solver": "sgd", "momentum": 0.5, "nesterov": True},
    {"solver": "adam"}, {"solver": "rmsprop"}, {"solver": "sgd", "l2": 0.1}, {"solver": "sgd", "l1": 0.1},
], ids=str)  # fmt: skip
def test_other_solvers_take_the_steps_of_batches_of_one(options):
    """A batch of the sample and of one without weight: the tiles' way to the same step."""
    case = Case((9, 17, 3), "tanh", n_samples=6, skip="all")
    single, pairs = draw(case), draw(case)
    single.net.fit(
        single.X, single.T, batch_size=1, epochs=2, shuffle=False, reduction="sum", learning_rate=0.01, **options
    )
    X, T = (np.repeat(array, 2, axis=0) for array in (pairs.X, pairs.T))
    weight = np.tile([1.0, 0.0], len(pairs.X))
    pairs.net.fit(
        X,
        T,
        sample_weight=weight,
        batch_size=2,
        epochs=2,
        shuffle=False,
        reduction="sum",
        learning_rate=0.01,
        **options,
    )
    assert np.allclose(single.net.params, pairs.net.params, rtol=1e-9, atol=1e-9)


def test_a_sample_without_weight_changes_nothing():
    net, alone = fastbp.Network((2, 3, 1), seed=1), fastbp.Network((2, 3, 1), seed=1)
    options = {"solver": "sgd", "batch_size": 1, "epochs": 1, "shuffle": False, "learning_rate": 0.1}
    history = net.fit([[1, 2], [3, 4]], [1e200, 0.5], sample_weight=[0.0, 1.0], **options)
    assert history.loss == [alone.fit([[3, 4]], [0.5], **options).loss[0] / 2]
    assert np.array_equal(net.params, alone.params)


def test_callbacks_see_and_set_the_parameters():
    problem = draw(Case((3, 4, 2), n_samples=5))
    seen = []

    def reset(net, history):
        seen.append(net.params.copy())
        net.params[:] = 0.25

    problem.net.fit(problem.X, problem.T, solver="sgd", batch_size=1, epochs=3, shuffle=False, callback=reset)
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[1], seen[2])
    assert np.all(problem.net.params == 0.25)


def test_diverging_steps_stop():
    problem = draw(Case((3, 4, 2), "relu", n_samples=50))
    before = problem.net.params.copy()
    with pytest.warns(RuntimeWarning, match="no longer finite"):
        history = problem.net.fit(problem.X, problem.T, solver="sgd", batch_size=1, epochs=3, learning_rate=1e3)
    assert history.stopped_by == "not finite"
    assert np.array_equal(problem.net.params, before)


# ---------------------------------------------------------------------------- other machines' registers

SMALLER_REGISTERS = """
from cases import draw
from fastbp.kernels.registers.machine import INSTRUCTIONS
from test_sample import as_it_is
from test_single import MACHINE_CASES, check_learning, check_outputs

for case in MACHINE_CASES:
    check_learning(case, version=as_it_is)
    for dtype in ("float64", "float32"):
        problem = draw(case, dtype)
        check_outputs(problem.net, problem.X)
print(INSTRUCTIONS)
"""

MACHINE_CASES = [
    Case((3, 7, 13, 2), ["tanh", "relu"], n_samples=3, weighted=True),
    Case((17, 6, 5), "gelu", "softmax", "cross_entropy", n_samples=3),
    Case((2, 12, 3, 1), "elu", "logistic", "binary_cross_entropy", skip="all", n_samples=3, bias=False),
]


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("instructions", "environment"),
    [
        ("AVX2", {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}),
        ("128-bit", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
    ],
)
def test_smaller_registers(instructions, environment):
    if instructions == "AVX2" and platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("an x86 machine's registers")
    printed = run_python(SMALLER_REGISTERS, FASTBP_REGISTERS="", **environment)
    assert printed.split() == [instructions]


def test_whatever_holds_the_numbers_the_bits_are_the_same():
    net, X = fastbp.Network((3, 7, 2), seed=1), np.random.default_rng(0).standard_normal((4, 3))
    y = net.forward(X)
    for same in (X.tolist(), np.asfortranarray(X), X.astype(">f8"), np.ma.array(X)):
        assert np.array_equal(net.forward(same), y)
