"""Networks made of other networks: without some of their connections."""

import irregular
import numpy as np
import pytest
from cases import COMPILED
from refusals import refused

import fastbp

RTOL = 1e-12


def layered(seed=0, **options):
    options = {"activation": ["tanh", "relu"], "skip": [(0, 2)], "output": "logistic"} | options
    net = fastbp.Network((5, 9, 7, 3), seed=seed, init=0.8, **options)
    for bias in net.biases:
        bias[:] = np.random.default_rng(seed).uniform(-0.5, 0.5, len(bias))
    return net


def by_edges(seed=3):
    return irregular.build(irregular.draw(seed, n_units=30, density=0.4), seed)[0]


def batch(net, n_samples=37):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n_samples, net.n_inputs)), rng.uniform(0.1, 0.9, (n_samples, net.n_outputs))


def with_zeros(net, kept):
    copy = net.astype(net.dtype)
    copy.edge_weights = np.where(kept, net.edge_weights, 0)
    return copy


def assert_same(sparse, dense, kept):
    """Outputs and gradients are those of the network whose weights are zero instead of missing."""
    X, T = batch(dense)
    np.testing.assert_allclose(sparse.forward(X), dense.forward(X), rtol=RTOL, atol=RTOL)
    (E, grad), (E_dense, grad_dense) = sparse.gradient(X, T), dense.gradient(X, T)
    assert pytest.approx(E_dense, rel=RTOL) == E
    weights, biases = irregular.by_user(sparse, grad)
    weights_dense, biases_dense = irregular.by_user(dense, grad_dense)
    atol = RTOL * np.abs(grad_dense).max()
    assert atol > 0 or not sparse.n_params
    np.testing.assert_allclose(weights, weights_dense[kept], rtol=RTOL, atol=atol)
    np.testing.assert_allclose(biases, biases_dense, rtol=RTOL, atol=atol)


NETWORKS = {
    "layers": layered,
    "no skip": lambda: layered(skip=()),
    "no bias": lambda: layered(bias=False),
    "softmax": lambda: layered(output="softmax", loss="cross_entropy"),
    "edges": by_edges,
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_mask_is_as_good_as_zeros(name, share):
    net = NETWORKS[name]()
    kept = np.random.default_rng(5).random(len(net.edges)) < share
    sparse = net.with_mask(kept)
    assert_same(sparse, with_zeros(net, kept), kept)
    np.testing.assert_array_equal(sparse.edges, net.edges[kept])
    np.testing.assert_array_equal(sparse.edge_weights, net.edge_weights[kept])
    np.testing.assert_array_equal(sparse.unit_biases, net.unit_biases)
    assert sparse.unit_functions == net.unit_functions
    assert (sparse.loss_name, sparse.dtype, sparse.n_units) == (net.loss_name, net.dtype, net.n_units)


def test_everything_is_kept_of_float32_and_custom_functions():
    bent = fastbp.Activation("bent", lambda a: a * a, lambda a: 2 * a)
    net = fastbp.Network((3, 6, 2), activation=bent, loss="huber", dtype="float32", seed=2)
    sparse = net.prune(0.3)
    assert 0 < len(sparse.edges) < len(net.edges)
    assert (sparse.dtype, sparse.loss_name) == (np.float32, "huber")
    assert sparse.unit_activations[0] is bent
    X, _ = batch(net)
    kept = np.abs(net.edge_weights) > 0.3
    np.testing.assert_allclose(sparse.forward(X), with_zeros(net, kept).forward(X), rtol=1e-5, atol=1e-6)


def test_prune_removes_what_is_not_above_the_threshold():
    net = layered()
    net.weights[0][:2] = 0.0
    net.weights[1][0] = 0.25
    net.weights[1][1] = -0.25
    n_zero = 2 * 5
    assert len(net.prune(0).edges) == len(net.edges) - n_zero
    assert set(np.abs(net.prune(0.25).edge_weights) > 0.25) == {True}
    assert len(net.prune(0.25).edges) == (np.abs(net.edge_weights) > 0.25).sum()
    assert len(net.prune(np.nextafter(0.25, 0)).edges) >= len(net.prune(0.25).edges) + 18
    assert len(net.prune(1e9).edges) == 0


def test_the_network_itself_does_not_change():
    net = layered()
    params = net.params.copy()
    sparse = net.prune(0.4)
    sparse.params = sparse.params + 1
    np.testing.assert_array_equal(net.params, params)


def test_masks_of_layers():
    net = layered()
    rng = np.random.default_rng(6)
    masks = [rng.random(view.shape) < 0.5 for view in net.weights]
    sparse = net.with_mask(masks)
    dense = layered()
    for view, mask in zip(dense.weights, masks, strict=True):
        view[:] = view * mask
    X, _ = batch(net)
    np.testing.assert_allclose(sparse.forward(X), dense.forward(X), rtol=RTOL, atol=RTOL)
    n_skipping = net.skip_weights[0, 2].size
    assert len(sparse.edges) == sum(mask.sum() for mask in masks) + n_skipping
    again = net.with_mask(tuple(masks))
    np.testing.assert_array_equal(again.edges, sparse.edges)


def test_training_leaves_removed_connections_away():
    """Steps of gradient descent are those of the dense network if its zeros are put back after each."""
    net = layered(activation="tanh")
    X, T = batch(net)
    kept = np.abs(net.edge_weights) > 0.4
    sparse, dense = net.prune(0.4), with_zeros(net, kept)
    how = {"solver": "sgd", "learning_rate": 0.05, "batch_size": None, "reduction": "sum"}
    history = sparse.fit(X, T, epochs=10, **how)
    assert history.loss[-1] < 0.9 * history.loss[0]
    for _ in range(10):
        dense.fit(X, T, epochs=1, **how)
        assert np.any(dense.edge_weights[~kept] != 0)
        dense = with_zeros(dense, kept)
    np.testing.assert_array_equal(sparse.edges, net.edges[kept])
    np.testing.assert_allclose(sparse.edge_weights, dense.edge_weights[kept], rtol=1e-10)
    np.testing.assert_allclose(sparse.unit_biases, dense.unit_biases, rtol=1e-10)


@pytest.mark.parametrize("solver", ["adam", "rmsprop", "rprop"])
def test_other_solvers_train_what_is_left(solver):
    net = layered(activation="tanh")
    X, T = batch(net)
    sparse = net.prune(0.4)
    history = sparse.fit(X, T, epochs=20, solver=solver, learning_rate=0.01, l2=0.01, seed=0)
    assert history.loss[-1] < history.loss[0]
    np.testing.assert_array_equal(sparse.edges, net.edges[np.abs(net.edge_weights) > 0.4])


def test_pruned_twice():
    net = by_edges()
    X, _ = batch(net)
    np.testing.assert_array_equal(net.prune(0.1).prune(0.2).forward(X), net.prune(0.2).forward(X))


@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
def test_a_pruned_network_trains_to_the_same_error():
    x = np.linspace(-2, 2, 100).reshape(-1, 1)
    options = {"epochs": 300, "learning_rate": 0.02, "patience": 300, "seed": 0}  # the best weights: the last jitter
    net = fastbp.Network((1, 30, 1), seed=1)
    net.fit(x, np.sin(2 * x), **options)
    before = net.loss(x, np.sin(2 * x))
    sparse = net.prune(np.quantile(np.abs(net.edge_weights), 0.4))
    assert sparse.loss(x, np.sin(2 * x)) > 100 * before  # 770 to 2,300 times with 12 seeds, and then 0.6 to 1.9 times
    sparse.fit(x, np.sin(2 * x), **options)
    assert sparse.loss(x, np.sin(2 * x)) < 4 * before


def test_wrong_masks():
    net, given = layered(), by_edges()
    n_edges = len(net.edges)
    refused(lambda: net.with_mask(np.ones(n_edges)), "mask", "float64", kind=TypeError)
    refused(lambda: net.with_mask(np.ones(n_edges, int)), "mask", "int64", kind=TypeError)
    refused(lambda: net.with_mask(None), "mask", kind=TypeError)
    refused(lambda: net.with_mask("all"), "mask", kind=TypeError)
    refused(lambda: net.with_mask(np.ones(n_edges - 1, bool)), "mask", str(n_edges), str(n_edges - 1))
    refused(lambda: net.with_mask(np.ones((n_edges, 1), bool)), "mask", "shape")
    refused(lambda: net.with_mask(True), "mask", "shape")
    masks = [np.ones(view.shape, bool) for view in net.weights]
    refused(lambda: net.with_mask(masks[:2]), "mask", "weights")
    refused(lambda: net.with_mask([mask.T for mask in masks]), "mask", "weights")
    refused(lambda: net.with_mask([masks[0], masks[1] * 1.0, masks[2]]), "mask[1]", "float64", kind=TypeError)
    refused(lambda: given.with_mask([np.ones((3, 3), bool)]), "mask", "edges")
    refused(lambda: given.with_mask(np.ones(3, bool)), "mask", str(len(given.edges)))


def test_wrong_thresholds():
    for value in (-1e-300, -1, np.nan, np.inf):
        refused(lambda value=value: layered().prune(value), "threshold", kind=ValueError)
    for value in ("small", None, True):
        refused(lambda value=value: layered().prune(value), "threshold", kind=TypeError)
