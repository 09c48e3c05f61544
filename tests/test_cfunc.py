"""Networks as C functions."""

import ctypes
import gc
import threading

import numpy as np
import pytest
from cases import COMPILED, Case, draw
from subprocesses import run_python

import fastbp
from fastbp import jit

if not COMPILED:

    def test_uncompiled_there_is_no_c_function():
        with pytest.raises(RuntimeError, match="cfunc needs compiled code"):
            fastbp.Network((2, 1)).cfunc()

    pytest.skip("needs compiled kernels", allow_module_level=True)

NUMBERS = {"float64": ctypes.c_double, "float32": ctypes.c_float}


def pointer(array):
    return array.ctypes.data_as(ctypes.POINTER(NUMBERS[array.dtype.name]))


def outputs(function, x, n_outputs):
    y = np.full(n_outputs, np.nan, x.dtype)
    function(pointer(x), pointer(y))
    return y


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "case",
    [Case((3, 5, 2), "gelu"), Case((70, 33, 9), "tanh", "softmax", "cross_entropy"), Case((2, 3, 1), skip="all")],
    ids=str,
)
def test_outputs(case, dtype):
    problem = draw(case, dtype)
    net, x = problem.net, problem.X[0].astype(dtype)
    function = net.cfunc()
    tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
    for _ in range(2):
        got = outputs(function.ctypes, x, net.sizes[-1])
        assert np.allclose(got, net.forward(x.reshape(1, -1))[0], rtol=tolerance, atol=tolerance)
        net.params = 2 * net.params  # the function reads them where they are


def test_the_address_is_that_of_the_function():
    net = fastbp.Network((3, 4, 2), seed=0)
    function = net.cfunc()
    again = ctypes.CFUNCTYPE(None, *[ctypes.POINTER(ctypes.c_double)] * 2)(function.address)
    x = np.ones(3)
    assert np.array_equal(outputs(again, x, 2), outputs(function.ctypes, x, 2))
    assert function.signature == "void (const double *x, double *y)"
    assert net.astype("float32").cfunc().signature == "void (const float *x, float *y)"
    assert "double *y" in repr(function)


def test_derivatives_by_the_inputs():
    problem = draw(Case((3, 17, 4), "tanh", "softmax", "cross_entropy"))
    net, x, v = problem.net, problem.X[0].copy(), np.array([1.0, -2.0, 0.5, 3.0])
    dx, expected = np.full(3, np.nan), np.full(3, np.nan)
    net.cfunc("input_gradient").ctypes(pointer(x), pointer(v), pointer(dx))
    jit.input_gradient(net.packed, x, v, expected, net.workspace())
    assert np.any(expected != 0)
    assert np.array_equal(dx, expected)


@pytest.mark.parametrize("n_inputs", [2, 3])
def test_right_hand_sides(n_inputs):
    net = fastbp.Network((n_inputs, 8, 2), seed=0)
    t, u, du = 0.25, np.array([0.5, -1.0]), np.full(2, np.nan)
    net.cfunc("ode").ctypes(t, pointer(u), pointer(du), None)
    x = u if n_inputs == 2 else np.array([t, *u])
    assert np.allclose(du, net.forward(x.reshape(1, -1))[0], rtol=1e-12)
    assert u.tolist() == [0.5, -1.0]


def test_one_output():
    net = fastbp.Network((2, 8, 1), seed=0)
    function, x = net.cfunc("scalar"), np.array([0.5, -1.0])
    assert np.isclose(function.ctypes(2, pointer(x)), net.forward(x.reshape(1, 2)).item(), rtol=1e-12)
    assert np.isnan(function.ctypes(3, pointer(np.ones(3))))


def test_scipy_integrates_it():
    integrate, scipy = pytest.importorskip("scipy.integrate"), pytest.importorskip("scipy")
    net = fastbp.Network((2, 8, 1), seed=0)
    compiled = scipy.LowLevelCallable(net.cfunc("scalar").ctypes)  # keeps the function alive
    gc.collect()
    got, _ = integrate.nquad(compiled, [(0, 1), (-1, 1)])
    points, weights = np.polynomial.legendre.leggauss(20)
    X = np.stack(np.meshgrid((points + 1) / 2, points, indexing="ij"), axis=-1).reshape(-1, 2)
    expected = (net.forward(X).reshape(20, 20) * np.outer(weights / 2, weights)).sum()
    assert np.isclose(got, expected, rtol=1e-8)

    one = fastbp.Network((1, 8, 1), seed=0)
    got, _ = integrate.quad(scipy.LowLevelCallable(one.cfunc("scalar").ctypes), 0, 1)
    expected = (one.forward(((points + 1) / 2).reshape(-1, 1)).ravel() * weights / 2).sum()
    assert np.isclose(got, expected, rtol=1e-8)


def test_threads_call_one_function():
    net = fastbp.Network((3, 60, 40, 2), seed=0)
    function = net.cfunc().ctypes
    X = np.random.default_rng(0).normal(size=(4, 3))
    expected, wrong = [outputs(function, x, 2) for x in X], []

    def repeat(x, y):
        wrong.extend(k for k in range(2000) if not np.array_equal(outputs(function, x, 2), y))

    threads = [threading.Thread(target=repeat, args=pair) for pair in zip(X, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_function_keeps_the_network_alive():
    net = fastbp.Network((3, 5, 2), seed=1)
    expected, function = net.forward(np.ones((1, 3)))[0], net.cfunc().ctypes
    del net
    gc.collect()
    junk = [np.full(64, 1e9) for _ in range(100)]
    assert np.allclose(outputs(function, np.ones(3), 2), expected), len(junk)


def test_at_the_end_of_a_process_nothing_is_left_to_fail():
    code = "import fastbp; f = fastbp.Network((2, 3, 1), seed=0).cfunc('scalar'); print(f.signature)"
    assert run_python(code) == "double (int n, double *x)\n"


REFUSED = [
    ((2, 3, 1), {}, "outputz", "form must be one of .* did you mean 'outputs'|form must be"),
    ((2, 3, 2), {}, "scalar", "form 'scalar' needs a network with one output; it has 2"),
    ((4, 3, 2), {}, "ode", "form 'ode' needs as many inputs as outputs, or one more for t; got 4 and 2"),
    ((2, 3, 1), {"activation": "threshold"}, "input_gradient", "form 'input_gradient' needs activation functions"),
    ((2, 20_000, 1), {"init": "zeros"}, "outputs", "cfunc is for networks whose units take at most"),
]


@pytest.mark.parametrize(("sizes", "options", "form", "message"), REFUSED)
def test_what_is_refused(sizes, options, form, message):
    with pytest.raises(ValueError, match=message):
        fastbp.Network(sizes, **options).cfunc(form)
