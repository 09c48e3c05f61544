"""Jacobians, Hessians and products with them, against the plain loops of complex_step.py: equal to 1e-10."""

import cases
import numpy as np
import pytest
from cases import Case
from complex_step import ComplexNetwork

import fastbp
from fastbp import memory
from fastbp.kernels.curvature import blocks

ACTIVATIONS = sorted(set(fastbp.activations.ACTIVATIONS) - {"threshold"})
LAYERED = [
    Case((3, 4, 2), weighted=True),
    Case((2, 3, 3, 1), activation="gelu", output="tanh"),
    Case((3, 4, 3), output="softmax", loss="cross_entropy", weighted=True),
    Case((3, 3, 3, 2), activation="softplus", skip="all", bias=False),
    Case((3, 4, 2), output="logistic", loss="binary_cross_entropy", activation="silu"),
    Case((2, 4, 2), output="exp", loss="poisson", weighted=True),
    Case((3, 4, 3), output="softmax", loss="binary_cross_entropy", weighted=True),
    Case((3, 4, 3), output="softmax"),
    Case((3, 4, 2), output="logistic", loss="cross_entropy"),
    Case((3, 4, 2), loss="huber", skip=((0, 2),)),
    Case((3, 2), output="sin", loss="sse"),
    Case((3, 4, 2), loss="absolute_error", activation="sin"),
    Case((3, 4, 2), loss="quantile", activation="exp"),
]
# Networks whose blocks of the matrix have few pairs of units, few pairs of inputs, and few of neither
BLOCKS = [
    (Case((2, 14, 1), n_samples=70, weighted=True), {blocks.INPUTS, blocks.UNITS, blocks.NEITHER}),
    (Case((2, 14, 2), n_samples=70, weighted=True), {blocks.INPUTS, blocks.UNITS, blocks.NEITHER}),
    (Case((2, 14, 2), output="tanh", n_samples=9), {blocks.UNITS, blocks.NEITHER}),  # more rows than one; three pairs
    (Case((9, 2, 1), n_samples=9), {blocks.UNITS, blocks.NEITHER}),
]
# Pairs of layers in whose block all outputs share what can be shared
SHARED = [
    (Case((3, 4, 3), weighted=True), {(1, 1), (1, 2), (2, 2)}),
    (Case((2, 14, 2), loss="sse", bias=False, n_samples=70), {(1, 1), (1, 2), (2, 2)}),
    (Case((2, 4, 3, 2), weighted=True), {(2, 2), (2, 3), (3, 3)}),
    (Case((3, 4, 2), skip=((0, 2),)), {(1, 1), (1, 2), (2, 2)}),
    (Case((2, 3, 4, 3), skip="all"), {(2, 2), (2, 3), (3, 3)}),
    (Case((3, 2)), {(1, 1)}),
    (Case((3, 4, 1)), set()),
    (Case((3, 4, 2), output="tanh"), set()),
    (Case((3, 4, 2), loss="huber"), set()),
]


def check(net, X, T, weight=None):
    """Everything of one network."""
    oracle = ComplexNetwork(net)
    weights = np.ones(len(X)) if weight is None else weight
    H = oracle.hessian(X, T, weights)
    error, gradient, exact = net.hessian(X, T, weight)
    assert_near(exact, H)
    assert np.array_equal(exact, exact.T)
    expected_error, expected_gradient = net.gradient(X, T, weight)
    assert error == pytest.approx(expected_error, rel=1e-12)
    assert_near(gradient, expected_gradient)
    J = oracle.jacobian(X)
    assert_near(net.jacobian(X), J)
    v = np.random.default_rng(0).normal(size=(3, net.n_params))
    assert_near(net.jacobian_product(X, v[0]), J @ v[0])
    assert_near(net.hessian_product(X, T, v, weight), v @ H)
    assert_near(net.hessian_product(X, T, v[0], weight), v[0] @ H)
    rows = net.sample_gradients(X, T, weight)
    loops = [w * oracle.gradient(x, t).real for x, t, w in zip(X, T, weights, strict=True)]
    assert_near(rows, np.array(loops))
    gauss_newton = net.hessian(X, T, weight, kind="gauss_newton")[2]
    assert_near(gauss_newton, gauss_newton_of(net, X, T, J, weights))
    assert_near(net.hessian_product(X, T, v, weight, kind="gauss_newton"), v @ gauss_newton)
    return H, gauss_newton


def gauss_newton_of(net, X, T, J, weight):
    """J^T E'' J; of canonical pairs the same with what it comes to when it is split at a."""
    y = net.forward(X)
    names = (net.loss_name, net.layer_functions[-1])
    if names == ("cross_entropy", "softmax"):
        # J is diag(y) - y y^T times the derivatives of a: of these, weighted with that matrix times the sum of t
        matrices = [np.linalg.pinv(np.diag(y_n) - np.outer(y_n, y_n)) * t.sum() for y_n, t in zip(y, T, strict=True)]
        return sum(w * j.T @ m @ j for w, j, m in zip(weight, J, matrices, strict=True))
    second = {
        ("binary_cross_entropy", "logistic"): lambda: 1 / (y * (1 - y)),
        ("poisson", "exp"): lambda: 1 / y,
    }.get(names, lambda: bends_of(net.loss_name, y, T))()
    return np.einsum("n,nk,nkp,nkq->pq", weight, second, J, J)


def bends_of(loss, y, t):
    """d2E/dy2."""
    return {
        "squared_error": lambda: np.ones_like(y),
        "sse": lambda: np.full_like(y, 2.0),
        "cross_entropy": lambda: t / y**2,
        "poisson": lambda: t / y**2,
        "binary_cross_entropy": lambda: t / y**2 + (1 - t) / (1 - y) ** 2,
        "huber": lambda: 1.0 * (abs(y - t) <= 1),
        "absolute_error": lambda: np.zeros_like(y),
        "quantile": lambda: np.zeros_like(y),
    }[loss]()


def assert_near(found, expected, tol=1e-10):
    assert np.isfinite(found).all()
    assert np.max(abs(found - expected)) <= tol * max(1.0, np.max(abs(expected)))


@pytest.mark.parametrize("case", LAYERED, ids=str)
def test_layers(case):
    problem = cases.draw(case)
    H, gauss_newton = check(problem.net, *problem.data)
    assert np.linalg.eigvalsh(gauss_newton).min() >= -1e-10 * max(1.0, abs(gauss_newton).max())
    if case.loss not in ("absolute_error", "quantile"):
        assert abs(H).max() > 0.01  # or else zeros would pass


@pytest.mark.kernels
@pytest.mark.parametrize(("case", "kinds"), BLOCKS, ids=str)
def test_blocks_of_all_kinds(case, kinds):
    problem = cases.draw(case)
    tasks = problem.net.own_curvature().groups.tasks.table
    assert set(tasks[:, blocks.FEW].tolist()) == kinds
    check(problem.net, *problem.data)


@pytest.mark.kernels
@pytest.mark.parametrize(("case", "shared"), SHARED, ids=str)
def test_blocks_that_outputs_share(case, shared):
    """All outputs have one M in blocks of units that feed them alone; then one stands for all."""
    problem = cases.draw(case)
    found = problem.net.own_curvature().groups
    assert {(g + 1, h + 1) for g, h, *_rest, is_shared in found.tasks.table.tolist() if is_shared} == shared
    check(problem.net, *problem.data)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    problem = cases.draw(Case((2, 3, 1), activation=activation, output=activation, weighted=True, n_samples=9))
    check(problem.net, *problem.data)


EDGES = [(0, 2), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4), (2, 5), (3, 5), (0, 5)]


@pytest.mark.parametrize("further", [(), ((4, 5),)], ids=["outputs at the end", "an output feeds another"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_edges(further, loss):
    rng = np.random.default_rng(3)
    functions = {2: "gelu", 3: "sin"}
    net = fastbp.Network.from_edges(
        2, 2, EDGES + list(further), activation=functions, output="softplus", loss=loss, bias=[2, 4, 5], seed=1
    )
    X = rng.normal(size=(9, 2))
    check(net, X, rng.uniform(0.5, 2.0, size=(9, 2)), rng.uniform(size=9))


def test_units_without_ways_in_or_out():
    net = fastbp.Network.from_edges(2, 1, [(0, 2), (2, 5), (3, 5), (1, 4)], seed=1, n_units=6)
    X = np.random.default_rng(0).normal(size=(5, 2))
    check(net, X, X[:, :1])


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 200])
def test_numbers_of_samples(n_samples):
    problem = cases.draw(Case((2, 3, 2), n_samples=n_samples, weighted=True))
    v = np.random.default_rng(0).normal(size=problem.net.n_params)
    J = problem.net.jacobian(problem.X)
    expected = np.einsum("n,nkp,nkq->pq", problem.sample_weight, J, J)
    assert_near(problem.net.hessian(*problem.data, kind="gauss_newton")[2], expected)
    assert_near(
        problem.net.hessian_product(problem.X, problem.T, v, problem.sample_weight, kind="gauss_newton"), expected @ v
    )
    exact = problem.net.hessian(*problem.data)[2]
    assert_near(problem.net.hessian_product(problem.X, problem.T, v, problem.sample_weight), exact @ v)


@pytest.mark.compiled_only
@pytest.mark.parametrize("sizes", [(1, 60, 1), (40, 3, 1), (9, 60, 5), (3, 12, 11, 10, 2)])
def test_blocks_of_the_matrix(sizes):
    """More rows, and more columns, than a block of it has."""
    problem = cases.draw(Case(sizes, n_samples=150, skip="all" if len(sizes) > 3 else ()))
    net, (X, T, _) = problem.net, problem.data
    J = net.jacobian(X).reshape(-1, net.n_params)
    assert_near(net.hessian(X, T, kind="gauss_newton")[2], J.T @ J)
    exact = net.hessian(X, T)[2]
    assert_near(net.hessian_product(X, T, np.eye(net.n_params)[::7]), exact[::7])


@pytest.mark.compiled_only
def test_kept_tiles_in_several_rounds(monkeypatch):
    from fastbp.engine import curvature

    case = Case((3, 6, 2), n_samples=300, weighted=True)
    once = cases.draw(case).net.hessian(*cases.draw(case).data)
    monkeypatch.setattr(curvature, "CURVATURE_BYTES", 1)
    problem = cases.draw(case)
    assert len(problem.net.own_curvature().assembly_room(300, 1, exact=True).kept) == 1
    for found, expected in zip(problem.net.hessian(*problem.data), once, strict=True):
        assert_near(np.asarray(found), expected)


@pytest.mark.compiled_only
def test_the_same_bits_for_any_number_of_threads():
    problem = cases.draw(Case((5, 12, 8, 3), n_samples=700, weighted=True))
    net, (X, T, weight) = problem.net, problem.data
    v = np.random.default_rng(0).normal(size=(2, net.n_params))
    jobs = [
        lambda n: net.hessian(X, T, weight, n_threads=n)[2],
        lambda n: net.hessian(X, T, weight, kind="gauss_newton", n_threads=n)[1],
        lambda n: net.hessian_product(X, T, v, weight, n_threads=n),
        lambda n: net.jacobian(X, n_threads=n),
        lambda n: net.jacobian_product(X, v[0], n_threads=n),
        lambda n: net.sample_gradients(X, T, weight, n_threads=n),
    ]
    for job in jobs:
        assert np.array_equal(job(1), job(2))


def test_float32_is_float64_rounded():
    case = Case((3, 4, 2), weighted=True)
    single, double = cases.draw(case, "float32"), cases.draw(case)
    double.net.params = single.net.params
    data = [array.astype(np.float32) for array in double.data]
    for kind in ("exact", "gauss_newton"):
        assert np.array_equal(
            single.net.hessian(*data, kind=kind)[2], double.net.hessian(*data, kind=kind)[2].astype(np.float32)
        )
    assert single.net.jacobian(data[0]).dtype == np.float32
    single.net.params = single.net.params * np.float32(1.5)  # seen by the next call
    double.net.params = single.net.params
    assert np.array_equal(single.net.jacobian(data[0]), double.net.jacobian(data[0]).astype(np.float32))


def test_samples_without_weight_count_nothing():
    problem = cases.draw(Case((2, 3, 1), n_samples=6))
    X, T = problem.X.copy(), problem.T
    weight = np.array([1.0, 0, 2, 1, 0, 1])
    kept = weight > 0
    for kind in ("exact", "gauss_newton"):
        assert_near(
            problem.net.hessian(X, T, weight, kind=kind)[2],
            problem.net.hessian(X[kept], T[kept], weight[kept], kind=kind)[2],
        )


def test_input_jacobian_is_input_gradient():
    problem = cases.draw(Case((3, 4, 2)))
    assert np.array_equal(problem.net.input_jacobian(problem.X), problem.net.input_gradient(problem.X))


def test_own_activations():
    square = fastbp.Activation("square", lambda a: a * a + a, lambda a: 2 * a + 1, lambda a: 2.0)
    without = fastbp.Activation("squared", lambda a: a * a + a, lambda a: 2 * a + 1)
    X = np.random.default_rng(0).normal(size=(6, 2))
    nets = [fastbp.Network((2, 3, 1), activation=own, seed=0) for own in (square, without)]
    with pytest.raises(ValueError, match=r"activation 'squared' of layer 1 has none"):
        nets[1].hessian(X, X[:, 0])
    with pytest.raises(ValueError, match="second derivatives"):
        nets[1].hessian_product(X, X[:, 0], np.ones(13))
    first = nets[0].hessian(X, X[:, 0], kind="gauss_newton")[2]
    assert np.array_equal(first, nets[1].hessian(X, X[:, 0], kind="gauss_newton")[2])
    exact, h = nets[0].hessian(X, X[:, 0])[2], 1e-6
    for p in range(13):
        sides = []
        for sign in (1, -1):
            moved = fastbp.Network((2, 3, 1), activation=square, seed=0)
            moved.params[p] += sign * h
            sides.append(moved.gradient(X, X[:, 0])[1])
        assert_near(exact[p], (sides[0] - sides[1]) / (2 * h), 1e-7)


def test_refusals(monkeypatch):
    net = fastbp.Network((2, 3, 1), seed=0)
    X, T = np.zeros((4, 2)), np.zeros((4, 1))
    with pytest.raises(ValueError, match="kind must be one of exact, gauss_newton"):
        net.hessian(X, T, kind="fisher")
    with pytest.raises(ValueError, match=r"v must have shape \(13,\)"):
        net.hessian_product(X, T, np.ones(12))
    with pytest.raises(ValueError, match=r"v must have shape \(n_samples, 13\)"):
        net.hessian_product(X, T, np.ones((2, 12)))
    with pytest.raises(ValueError, match=r"v must have shape \(13,\)"):
        net.jacobian_product(X, np.ones((1, 13)))
    with pytest.raises(ValueError, match="'threshold'"):
        fastbp.Network((2, 3, 1), activation="threshold").jacobian(X)
    monkeypatch.setattr(memory, "total", lambda: 1000)
    with pytest.raises(MemoryError, match="the Hessian must fit into memory: 13 x 13 numbers take 1,352 bytes"):
        net.hessian(X, T)
    monkeypatch.setattr(memory, "total", lambda: 100)
    with pytest.raises(MemoryError, match="the result must fit into memory: 4 x 1 x 13 numbers take 416 bytes"):
        net.jacobian(X)
