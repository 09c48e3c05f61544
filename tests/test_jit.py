"""Networks inside a user's compiled code."""

import gc
import threading

import irregular
import numba
import numpy as np
import pytest
from cases import COMPILED, Case, assert_gradients_equal, draw
from oracle import central_difference
from shapes import COVERING, SKIPS
from subprocesses import run_python

import fastbp
from fastbp import jit
from fastbp.activations import ACTIVATIONS
from fastbp.engine.work_spaces import UserCalls
from fastbp.kernels.one_sample import plan
from fastbp.losses import LOSSES

RTOL = {"float64": 1e-11, "float32": 1e-4}
DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "threshold"]

CASES = [case._replace(n_samples=3, weighted=False) for case in [*COVERING, *SKIPS][:: 1 if COMPILED else 4]]
FUNCTIONS = [
    Case((3, 5, 2), name, "identity" if name == "relu" else name, "huber" if name == "softsign" else "squared_error")
    for name in DIFFERENTIABLE
] + [
    Case((4, 9, 3), "tanh", output, loss, n_samples=3)
    for loss in LOSSES
    for output in ("softmax", "logistic", "exp")
    if not (loss == "binary_cross_entropy" and output == "exp")
]


@numba.njit
def forward_all(packed, X, Y, work):
    for n in range(len(X)):
        jit.forward(packed, X[n], Y[n], work)


@numba.njit
def gradient_all(packed, X, T, grad, work):
    E = 0.0
    for n in range(len(X)):
        E += jit.gradient(packed, X[n], T[n], grad, work)
    return E


@numba.njit
def input_gradient_all(packed, X, V, D, work):
    for n in range(len(X)):
        jit.input_gradient(packed, X[n], V[n], D[n], work)


def arrays_of(problem):
    return problem.X.astype(problem.net.dtype), problem.T.astype(problem.net.dtype)


def loops_of(net):
    """A work space with which the network runs by the loops of the derivation."""
    return UserCalls(net.packed, net._functions, net.topology, by_loops=True).work_spaces(1)[0]


def check(case, dtype, make_work):
    """Outputs and gradient are those of the network's own methods."""
    problem = draw(case, dtype)
    net, (X, T) = problem.net, arrays_of(problem)
    work, Y = make_work(net), np.full_like(T, np.nan)
    forward_all(net.packed, X, Y, work)
    assert np.allclose(Y, net.forward(X), rtol=RTOL[dtype], atol=RTOL[dtype])
    E, expected = net.gradient(X, T)
    around = np.full(net.n_params + 32, 7.0, net.dtype)  # grad ends inside it: nothing behind may change
    grad = around[: net.n_params]
    grad[:] = 1.0
    got = gradient_all(net.packed, X, T, grad, work)
    assert np.isclose(got, E, rtol=10 * RTOL[dtype])
    assert np.all(around[net.n_params :] == 7.0)
    assert_gradients_equal(net, grad - 1, expected, rtol=100 * RTOL[dtype])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES + FUNCTIONS, ids=str)
def test_outputs_and_gradients(case, dtype):
    check(case, dtype, lambda net: net.workspace())


@pytest.mark.parametrize("case", (CASES + FUNCTIONS)[::3], ids=str)
def test_outputs_and_gradients_by_the_loops_of_the_derivation(case):
    check(case, "float64", loops_of)


@pytest.mark.parametrize("seed", range(30 if COMPILED else 6))
def test_networks_of_any_connections(seed):
    drawn = irregular.draw(seed, n_units=2 + seed)
    net, X, T = irregular.build(drawn, seed)
    X, T = X[:3].copy(), T[:3].copy()
    y, error, d_weights, d_biases = irregular.reference(net, X, T)
    work, Y, grad = net.workspace(), np.full_like(T, np.nan), np.zeros(net.n_params)
    forward_all(net.packed, X, Y, work)
    assert np.allclose(Y, y, rtol=1e-11, atol=1e-12)
    assert np.isclose(gradient_all(net.packed, X, T, grad, work), error, rtol=1e-11)
    weights, biases = irregular.by_user(net, grad)
    assert np.allclose(weights, d_weights, rtol=1e-10, atol=1e-11)
    assert np.allclose(biases[drawn.biased], d_biases[drawn.biased], rtol=1e-10, atol=1e-11)
    V, D = np.random.default_rng(seed).normal(size=T.shape), np.full_like(X, np.nan)
    input_gradient_all(net.packed, X, V, D, work)
    for i, direction in enumerate(np.eye(X.shape[1])):
        numeric = central_difference(lambda step, d=direction: (net.forward(X + step * d) * V).sum(axis=1), 1e-3)
        kinks = {"relu", "leaky_relu", "elu", "selu", "ramp"} & set(net.unit_functions)
        assert kinks or np.allclose(D[:, i], numeric, rtol=1e-7, atol=1e-7)


# ---------------------------------------------------------------------------- derivatives by the inputs


@pytest.mark.parametrize("make_work", [fastbp.Network.workspace, loops_of], ids=["workspace", "loops"])
@pytest.mark.parametrize("case", [case for case in (CASES + FUNCTIONS) if case.activation != "relu"][::2], ids=str)
def test_input_gradient_equals_central_differences(case, make_work):
    problem = draw(case)
    net, X = problem.net, problem.X
    V = np.random.default_rng(5).normal(size=problem.T.shape)
    D = np.full_like(X, np.nan)
    input_gradient_all(net.packed, X, V, D, make_work(net))
    assert np.any(D != 0)
    n = 1
    for i in range(X.shape[1]):

        def value(step, i=i, n=n):
            x = X[n].copy()
            x[i] += step
            return net.forward(x.reshape(1, -1))[0] @ V[n]

        assert np.isclose(D[n, i], central_difference(value, 1e-3), rtol=1e-7, atol=1e-7)


def test_input_gradient_in_float32():
    problem = draw(Case((7, 21, 18, 5), "gelu", "softmax", "cross_entropy"))
    single = draw(Case((7, 21, 18, 5), "gelu", "softmax", "cross_entropy"), "float32")
    V = np.random.default_rng(5).normal(size=problem.T.shape)
    D, D32 = np.zeros_like(problem.X), np.zeros(problem.X.shape, np.float32)
    input_gradient_all(problem.net.packed, problem.X, V, D, problem.net.workspace())
    arrays = problem.X.astype(np.float32), V.astype(np.float32), D32
    input_gradient_all(single.net.packed, *arrays, single.net.workspace())
    assert np.abs(D).max() > 0.01
    assert np.allclose(D32, D, atol=1e-5)


# ---------------------------------------------------------------------------- a user's own function, other parameters


def bump(a):
    return 1.0 / (1.0 + a * a)


def bump_slope(a):
    return -2.0 * a / (1.0 + a * a) ** 2


def test_a_users_own_activation_function():
    own = fastbp.Activation("bump", bump, bump_slope)
    net = fastbp.Network((3, 5, 2), activation=own, output=own, seed=1)
    X = np.random.default_rng(0).normal(size=(4, 3))
    T, Y, grad = np.ones((4, 2)), np.zeros((4, 2)), np.zeros(net.n_params)
    work = net.workspace()
    work[plan.WORDS :] = -1  # every byte set: NaN. What is not a unit's must not count: bump(0) is not 0
    forward_all(net.packed, X, Y, work)
    assert np.allclose(Y, net.forward(X), rtol=1e-12)
    E, expected = net.gradient(X, T)
    assert np.isclose(gradient_all(net.packed, X, T, grad, work), E)
    assert_gradients_equal(net, grad, expected, rtol=1e-11)


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_what_a_work_space_held_before_does_not_count(case):
    problem = draw(case)
    net, (X, T) = problem.net, arrays_of(problem)
    clean, spoiled = net.workspace(2)
    spoiled[plan.WORDS :] = -1  # NaN everywhere
    results = []
    for work in (clean, spoiled):
        Y, D, grad = np.zeros_like(T), np.zeros_like(X), np.zeros(net.n_params)
        forward_all(net.packed, X, Y, work)
        input_gradient_all(net.packed, X, T, D, work)
        E = gradient_all(net.packed, X, T, grad, work)
        results.append((Y, D, grad, E))
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


def test_parameters_are_shared():
    net = fastbp.Network((2, 3, 1), seed=0)
    packed, work, x, y = net.packed, net.workspace(), np.ones(2), np.zeros(1)
    jit.forward(packed, x, y, work)
    before = y.copy()
    net.params = 2 * net.params
    jit.forward(packed, x, y, work)
    assert y != before
    assert np.isclose(y, net.forward(x.reshape(1, 2))[0])


def test_arguments_by_name():
    net = fastbp.Network((2, 3, 1), seed=0)

    @numba.njit
    def call(packed, x, y, work):
        jit.forward(packed, work=work, y=y, x=x)
        return jit.gradient(packed=packed, grad=np.zeros(13), x=x, t=y + 1, work=work)

    y = np.zeros(1)
    assert np.isclose(call(net.packed, np.ones(2), y, net.workspace()), 0.5)
    assert np.allclose(y, net.forward(np.ones((1, 2))))


@numba.njit
def outputs_of_candidates(packed, candidates, x, Y, work):
    for c in range(len(candidates)):
        jit.forward(jit.with_params(packed, candidates[c]), x, Y[c], work)


def test_other_parameters():
    net = fastbp.Network((3, 5, 2), seed=0)
    other = fastbp.Network((3, 5, 2), seed=1)
    own, x, Y = net.params.copy(), np.ones(3), np.zeros((2, 2))
    outputs_of_candidates(net.packed, np.array([net.params, other.params]), x, Y, net.workspace())
    assert np.allclose(Y[0], net.forward(x.reshape(1, 3)))
    assert np.allclose(Y[1], other.forward(x.reshape(1, 3)))
    assert np.array_equal(net.params, own)
    y = np.zeros(2)
    jit.forward(jit.with_params(net.packed, other.params), x, y, net.workspace())
    assert np.array_equal(y, Y[1])


# ---------------------------------------------------------------------------- threads, memory


@numba.njit(parallel=True)
def gradients_of_chunks(packed, X, T, grads, errors, works):
    for c in numba.prange(len(grads)):
        size = len(X) // len(grads)
        for n in range(c * size, (c + 1) * size):
            errors[c] += jit.gradient(packed, X[n], T[n], grads[c], works[c])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parallel_loops(dtype):
    problem = draw(Case((5, 17, 11, 3), "gelu", n_samples=4000 if COMPILED else 8), dtype)
    net, (X, T) = problem.net, arrays_of(problem)
    grads, errors = np.zeros((4, net.n_params), dtype), np.zeros(4)
    gradients_of_chunks(net.packed, X, T, grads, errors, net.workspace(4))
    E, expected = net.gradient(X, T)
    assert np.isclose(errors.sum(), E, rtol=100 * RTOL[dtype])
    assert_gradients_equal(net, grads.sum(axis=0), expected, rtol=1000 * RTOL[dtype])


@numba.njit(nogil=True)
def rehearse(packed, x, t, grad, y, dx, work, n):
    for _ in range(n):
        jit.forward(packed, x, y, work)
        jit.gradient(packed, x, t, grad, work)
        jit.input_gradient(packed, x, t, dx, work)


@pytest.mark.compiled_only
@pytest.mark.parametrize("make_work", [fastbp.Network.workspace, loops_of], ids=["workspace", "loops"])
def test_nothing_is_allocated_nor_counted(make_work):
    from numba.core.runtime import _nrt_python, rtsys

    net = fastbp.Network((3, 40, 2), seed=0)
    arguments = net.packed, np.ones(3), np.ones(2), np.zeros(net.n_params), np.zeros(2), np.zeros(3), make_work(net)
    rehearse(*arguments, 1)
    was_on = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    try:
        counts = []
        for n in (1, 1000):
            before = rtsys.get_allocation_stats()
            rehearse(*arguments, n)
            after = rtsys.get_allocation_stats()
            counts.append((after.alloc - before.alloc, after.mi_alloc - before.mi_alloc))
    finally:
        if not was_on:
            _nrt_python.memsys_disable_stats()
    assert counts[0] == counts[1]


@pytest.mark.compiled_only
def test_calls_count_no_references():
    """In a loop they would cost more than a small layer, and threads would wait for one another."""

    @numba.njit
    def once(packed, x, t, y, grad, dx, work, n):
        for _ in range(n):
            jit.forward(packed, x, y, work)

    @numba.njit
    def often(packed, x, t, y, grad, dx, work, n):
        for _ in range(n):
            jit.forward(packed, x, y, work)
            jit.gradient(packed, x, t, grad, work)
            jit.input_gradient(packed, x, t, dx, work)
            jit.forward(packed, x, y, work)

    net = fastbp.Network((3, 4, 2), seed=0)
    arrays = np.ones(3), np.ones(2), np.zeros(2), np.zeros(net.n_params), np.zeros(3), net.workspace()
    counts = []
    for function in (once, often):
        function(net.packed, *arrays, 1)
        (code,) = function.inspect_llvm().values()
        assert "NRT_decref" in code
        counts.append(code.count("call void @NRT_incref"))
    # What the calling function itself counts, once for each array that it is given and uses
    assert counts[1] <= counts[0] + 3
    assert counts[0] <= len(arrays) + len(net.packed)


@pytest.mark.compiled_only
def test_other_python_threads_go_on():
    net = fastbp.Network((3, 40, 2), seed=0)
    arguments = net.packed, np.ones(3), np.ones(2), np.zeros(net.n_params), np.zeros(2), np.zeros(3), net.workspace()
    rehearse(*arguments, 1)
    thread = threading.Thread(target=rehearse, args=(*arguments, 300_000))
    thread.start()
    steps = 0
    while thread.is_alive():
        steps += 1
    thread.join()
    assert steps > 1000


def test_a_work_space_keeps_what_it_leads_to():
    own = fastbp.Activation("bump", bump, bump_slope)
    net = fastbp.Network((3, 5, 2), activation=own, seed=1)
    x, y, expected = np.ones(3), np.zeros(2), net.forward(np.ones((1, 3)))[0]
    packed, work = net.packed, net.workspace(2)[1]
    del net, own
    gc.collect()
    jit.forward(packed, x, y, work)
    assert np.allclose(y, expected)


def test_work_spaces_are_apart():
    spaces = fastbp.Network((2, 3, 1)).workspace(3)
    assert spaces.ndim == 2
    assert len(spaces) == 3
    assert spaces.ctypes.data % 64 == 0
    assert spaces.strides[0] % 64 == 0


# ---------------------------------------------------------------------------- kept on disk

KEPT = """
import sys
import numba, numpy as np, fastbp
from fastbp.jit import forward, gradient

@numba.njit(cache=True)
def total(packed, x, work):
    y, grad = np.zeros(2), np.zeros(packed.params.size)
    forward(packed, x, y, work)
    gradient(packed, x, y + 1, grad[:32], work)
    return y.sum() + grad.sum()

net = fastbp.Network((3, 5, 2), seed=int(sys.argv[1]))
net.params *= float(sys.argv[2])
x, work = np.arange(3.0), net.workspace()
got = total(net.packed, x, work)
y = net.forward(x.reshape(1, 3))
expected = y.sum() + net.gradient(x.reshape(1, 3), y + 1)[1].sum()
assert abs(got - expected) < 1e-12, (got, expected)
hits = sum(total.stats.cache_hits.values())
print(hits, got)
"""


@pytest.mark.compiled_only
def test_a_function_kept_on_disk_serves_other_processes(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    code = "import runpy, sys; path = sys.argv.pop(1); runpy.run_path(path, run_name='kept')"
    first, second = (
        run_python(code, str(tmp_path / "kept.py"), *arguments).split() for arguments in (("0", "1"), ("1", "3"))
    )
    assert (first[0], second[0]) == ("0", "1")
    assert first[1] != second[1]


def test_a_function_compiled_with_another_version_is_refused():
    net = fastbp.Network((2, 3, 1), seed=0)
    work, y = net.workspace(), np.full(1, 5.0)
    work[plan.STAMPED] += 1
    with pytest.raises(ValueError, match="from the version of fastbp that this function was compiled with"):
        jit.forward(net.packed, np.ones(2), y, work)
    assert y == 5.0
