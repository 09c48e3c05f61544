"""Rounding: how far gradients are from the exact ones, in units of the sums of the sizes of their terms.

docs/accuracy.md states the bounds. The reference for float32 is float64, which is itself compared with 50 digits.
"""

import mpmath
import numpy as np
import oracle
import pytest
from cases import COMPILED, Case, bias_views, blocks, describe, draw, flatten, weight_views

from fastbp.activations import ACTIVATIONS

PAIRS = [
    ("squared_error", "identity"),
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "logistic"),
    ("poisson", "exp"),
]
DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "threshold"]
UNITS = {"gradient": 16, "error": 8}  # of eps, as docs/accuracy.md says


def draw_case(k):
    """Return a case drawn from the number k: up to four hidden layers, up to 256 units, up to 1000 samples."""
    rng = np.random.default_rng([11, k])
    hidden = [int(n) for n in rng.choice([1, 4, 16, 30, 100, 256] if COMPILED else [1, 4], rng.integers(0, 5))]
    loss, output = PAIRS[k % len(PAIRS)]
    return Case(
        (int(rng.choice([1, 3, 8, 17, 64])), *hidden, int(rng.choice([1, 2, 10]))),
        [str(name) for name in rng.choice(DIFFERENTIABLE, len(hidden))],
        output,
        loss,
        n_samples=int(rng.choice([1, 7, 33, 200, 1000] if COMPILED else [1, 7])),
        weighted=bool(k % 2),
        seed=k,
    )


def sizes_of_outputs(net, X):
    """Return |z| of each layer plus what the sizes of the terms of a add to it, and |h'(a)| of the hidden ones.

    A small difference of large terms has their rounding, however small it is.
    """
    z, slopes = net.activations(X), []
    sizes = [np.abs(z[0])]
    for layer, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True), start=1):
        a = z[layer - 1] @ weights.T + bias
        name = net.layer_functions[layer - 1]
        slopes.append(np.abs(z[layer] if name == "softmax" else ACTIVATIONS[name].dh(a)))
        sizes.append(np.abs(z[layer]) + slopes[-1] * (sizes[-1] @ np.abs(weights).T + np.abs(bias)))
    return sizes, slopes


def sizes_of_terms(net, X, T, weight):
    """Return the sums of the sizes of what each derivative is a sum of, in the order of params.

    They follow the delta recursion with sizes instead of numbers; delta of an output is y - t.
    """
    sizes, slopes = sizes_of_outputs(net, X)
    t_sum = T.sum(axis=1, keepdims=True) if net.loss_name == "cross_entropy" else 1.0
    size = (sizes[-1] * t_sum + np.abs(T)) * (1.0 if weight is None else weight[:, None])
    result = np.zeros(net.n_params)
    parts = blocks(net, result)
    for layer in range(len(net.sizes) - 1, 0, -1):
        parts[layer - 1, layer][:] = size.T @ sizes[layer - 1]
        parts[layer][:] = size.sum(axis=0)
        if layer > 1:
            size = slopes[layer - 2] * (size @ np.abs(net.weights[layer - 1]))
    return result


def units_off(net, gradient, exact, sizes, eps):
    """Return the largest difference in a block, in eps times the largest sum of sizes of the block."""
    parts = (blocks(net, np.asarray(values, np.float64)) for values in (gradient, exact, sizes))
    given, right, scale = parts
    names = [*weight_views(net), *range(1, 1 + len(bias_views(net)))]
    tiny = np.finfo(np.float32).tiny / eps  # below it sums are subnormal numbers of float32
    return max(np.abs(given[name] - right[name]).max() / max(scale[name].max(), tiny) for name in names) / eps


def in_float32(problem):
    """Return the data as float32 holds them, in float64."""
    X, T = (array.astype(np.float32).astype(np.float64) for array in (problem.X, problem.T))
    weight = problem.sample_weight
    return X, T, None if weight is None else weight.astype(np.float32).astype(np.float64)


def float32_off(case):
    """Return how far gradient and error of float32 are from those of float64, in units of eps."""
    problem = draw(case, "float32")
    data, wide, eps = in_float32(problem), problem.net.astype("float64"), np.finfo(np.float32).eps
    E, gradient = problem.net.gradient(*data)
    exact_E, exact = wide.gradient(*data)
    sizes = sizes_of_terms(wide, *data)
    return units_off(wide, gradient, exact, sizes, eps), abs(E - exact_E) / size_of_error(wide, *data) / eps


def size_of_error(net, X, T, weight):
    """Return the sum of the sizes of the terms of E."""
    y = net.forward(X)
    size = (np.abs(y) + np.abs(T)) ** 2 / 2
    if net.loss_name == "poisson":
        size = y + np.abs(T * np.log(y))
    elif net.loss_name != "squared_error":
        return net.loss(X, T, weight) + (T.sum() if weight is None else weight @ T.sum(axis=1))
    return float(size.sum() if weight is None else weight @ size.sum(axis=1))


def test_gradients_of_float32():
    off = np.array([float32_off(draw_case(k)) for k in range(40 if COMPILED else 8)])
    assert np.all(off.max(axis=0) > 0)
    assert off[:, 0].max() <= UNITS["gradient"]
    assert off[:, 1].max() <= UNITS["error"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_against_50_digits(name, dtype):
    """The exact gradient is that of the oracle's scalar automatic differentiation on mpmath's numbers."""
    for n, (loss, output) in enumerate(PAIRS):
        if name == output == "exp":
            continue  # exp of exp of exp is infinite in float32
        case = Case((2, 3, 2, 2), name, output, loss, n_samples=3, weighted=True, seed=n)
        problem = draw(case, dtype)
        net, (X, T, weight) = problem.net, in_float32(problem)
        with mpmath.workdps(50):
            exact_net, *rows = describe(net), X.tolist(), T.tolist(), weight.tolist()
            number = mpmath.mpf
            layers = exact_net._replace(
                weights={pair: [[number(w) for w in row] for row in rows] for pair, rows in exact_net.weights.items()},
                biases=[[number(b) for b in layer] for layer in exact_net.biases],
            )
            X_exact, T_exact = ([[number(v) for v in row] for row in table] for table in rows[:2])
            E, d_weights, d_biases = oracle.gradient(layers, X_exact, T_exact, [number(v) for v in rows[2]])
            as_floats = {pair: [[float(v) for v in row] for row in d] for pair, d in d_weights.items()}
            exact = flatten(net, as_floats, [[float(v) for v in d] for d in d_biases])
            E = float(E)
        given_E, gradient = net.gradient(X, T, weight)
        wide, eps = net.astype("float64"), np.finfo(dtype).eps
        assert units_off(wide, gradient, exact, sizes_of_terms(wide, X, T, weight), eps) <= UNITS["gradient"]
        assert abs(given_E - E) <= UNITS["error"] * eps * size_of_error(wide, X, T, weight)
