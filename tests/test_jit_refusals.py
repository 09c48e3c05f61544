"""What the functions for a user's compiled code refuse, before anything changes."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastbp
from fastbp import jit


def arguments_of(net, function=""):
    n_in, n_out, n_params = net.sizes[0], net.sizes[-1], net.n_params
    ones = np.ones(n_out * n_params + 1)
    return {
        "x": ones[:n_in], "y": ones[:n_out].copy(), "t": ones[:n_out],
        "v": ones[: n_params if function == "hessian_product" else n_out], "grad": ones[:n_params].copy(),
        "dx": ones[:n_in].copy(), "jac": ones[: n_out * n_params].copy(), "product": ones[:n_params].copy(),
        "work": net.workspace(),
    }  # fmt: skip


NAMES = {
    "forward": ("x", "y"), "gradient": ("x", "t", "grad"), "input_gradient": ("x", "v", "dx"),
    "jacobian": ("x", "jac"), "hessian_product": ("x", "t", "v", "product"),
}  # fmt: skip
SIZES = [(function, name) for function, names in NAMES.items() for name in (*names, "work")]


@pytest.mark.parametrize(("function", "name"), SIZES)
@pytest.mark.parametrize("change", [1, -1])
def test_another_size_is_refused(function, name, change):
    net = fastbp.Network((2, 4, 3), seed=0)
    arguments = arguments_of(net, function)
    used = {key: arguments[key].copy() if key != "work" else arguments[key] for key in (*NAMES[function], "work")}
    if name == "work":
        used[name] = used[name][: 5 + change]
    else:
        used[name] = np.ones(used[name].size + change)
    before = {key: value.copy() for key, value in used.items()}
    with pytest.raises(ValueError, match=rf"\b{name} must"):
        getattr(jit, function)(net.packed, **used)
    assert all(np.array_equal(used[key], before[key]) for key in used)


@pytest.mark.parametrize("function", NAMES)
def test_a_work_space_of_another_network_is_refused(function):
    net, other = (fastbp.Network((2, 4, 3), seed=0) for _ in range(2))
    arguments = arguments_of(other, function)
    with pytest.raises(ValueError, match="work must be the work space of the network in packed"):
        getattr(jit, function)(net.packed, **{key: arguments[key] for key in (*NAMES[function], "work")})


def test_too_few_parameters_are_refused():
    net = fastbp.Network((2, 4, 3), seed=0)
    packed = jit.with_params(net.packed, net.params[:-1].copy())
    with pytest.raises(ValueError, match="params must be as many as the network has"):
        jit.forward(packed, np.ones(2), np.ones(3), net.workspace())


@pytest.mark.compiled_only
def test_parameters_of_another_size_are_refused_in_compiled_code():
    """As many as the network has, or these filled up to whole cache lines, as its own are."""
    net = fastbp.Network((2, 4, 3), seed=0)

    @numba.njit
    def outputs(packed, params, x, y, work):
        jit.forward(jit.with_params(packed, params), x, y, work)
        return y

    own, work, x = net.packed.params, net.workspace(), np.ones(2)
    expected = net.forward(x[None])[0]
    for params in (net.params.copy(), own.copy()):
        assert np.allclose(outputs(net.packed, params, x, np.ones(3), work), expected, rtol=1e-14)
    for params in (own[: net.n_params - 1], np.zeros(own.size + 1), np.zeros(2 * own.size), own[:0]):
        with pytest.raises(ValueError, match="params must be as many as the network has"):
            outputs(net.packed, params, x, np.ones(3), work)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_of_another_network_are_refused(dtype):
    net, other = (fastbp.Network((2, n, 3), seed=0, dtype=dtype) for n in (4, 40))
    for params in (other.params, other.packed.params, np.ones(net.packed.params.size + 1, dtype), net.params[:0]):
        with pytest.raises(ValueError, match=f"with_params: params must be as many .* got {params.size}"):
            jit.with_params(net.packed, params)
    results = []
    for params in (net.params, net.packed.params):
        results.append(np.ones(3, dtype))
        jit.forward(jit.with_params(net.packed, params), np.ones(2, dtype), results[-1], net.workspace())
    assert np.array_equal(*results)


WRONG = {
    "dtype": lambda array: array.astype(np.float32 if array.dtype == np.float64 else np.int32),
    "three dimensions": lambda array: array.reshape(1, 1, -1),
    "strided": lambda array: np.repeat(array, 2)[::2],
    "a list": lambda array: array.tolist(),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize(("function", "name"), SIZES)
def test_arrays_of_another_kind_are_refused_from_python(function, name, kind):
    net = fastbp.Network((2, 4, 3), seed=0)
    arguments = arguments_of(net, function)
    used = {key: arguments[key] for key in (*NAMES[function], "work")}
    used[name] = WRONG[kind](used[name])
    with pytest.raises(TypeError, match=f"{function}: {name} must be"):
        getattr(jit, function)(net.packed, **used)


@pytest.mark.compiled_only
@pytest.mark.parametrize(("name", "kind"), [("y", "dtype"), ("x", "three dimensions"), ("work", "strided")])
def test_arrays_of_another_kind_are_refused_when_a_function_is_compiled(name, kind):
    net = fastbp.Network((2, 4, 3), seed=0)
    used = {key: arguments_of(net)[key] for key in ("x", "y", "work")}
    used[name] = WRONG[kind](used[name])

    @numba.njit
    def call(packed, x, y, work):
        jit.forward(packed, x, y, work)

    with pytest.raises(TypingError, match=f"forward: {name} must be"):
        call(net.packed, used["x"], used["y"], used["work"])


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"forward: packed must be net\.packed; got Network"):
        jit.forward(fastbp.Network((2, 1)), np.ones(2), np.ones(1), np.ones(100, np.int64))


def test_threshold_has_outputs_and_no_gradient():
    net = fastbp.Network((2, 4, 3), activation="threshold", seed=0)
    arguments = arguments_of(net)
    jit.forward(net.packed, arguments["x"], arguments["y"], arguments["work"])
    assert np.allclose(arguments["y"], net.forward(np.ones((1, 2))))
    for function in set(NAMES) - {"forward"}:
        arguments = arguments_of(net, function)
        with pytest.raises(ValueError, match=f"{function} needs activation functions with"):
            getattr(jit, function)(net.packed, **{key: arguments[key] for key in (*NAMES[function], "work")})


def test_second_derivatives_of_own_functions_must_be_known():
    own = fastbp.Activation("own", lambda a: a * a, lambda a: 2.0 * a)
    net = fastbp.Network((2, 4, 3), activation=own, seed=0)
    arguments = arguments_of(net, "hessian_product")
    jit.jacobian(net.packed, arguments["x"], arguments["jac"], arguments["work"])
    with pytest.raises(ValueError, match="second derivatives"):
        jit.hessian_product(net.packed, **{key: arguments[key] for key in (*NAMES["hessian_product"], "work")})


@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_numbers_of_work_spaces_that_make_no_sense(n):
    with pytest.raises((ValueError, TypeError), match="n must be"):
        fastbp.Network((2, 1)).workspace(n)


def test_one_parameter_more_is_refused_when_it_is_used():
    net = fastbp.Network((3, 4, 2), seed=0)
    packed = jit.with_params(net.packed, np.ones(net.n_params + 1))
    with pytest.raises(ValueError, match="params must be as many as the network has"):
        jit.forward(packed, np.ones(3), np.ones(2), net.workspace())


@pytest.mark.parametrize("function", NAMES)
def test_a_work_space_that_is_none(function):
    net = fastbp.Network((2, 4, 3), seed=0)
    arguments = arguments_of(net)
    with pytest.raises(TypeError, match=f"{function}: work must be a 1-D array of int64; got NoneType"):
        getattr(jit, function)(net.packed, **{key: arguments[key] for key in NAMES[function]}, work=None)
