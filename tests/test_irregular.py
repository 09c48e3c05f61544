"""Networks of any connections: what they compute, against the reference of irregular.py; their mistakes."""

import pickle

import irregular
import numpy as np
import pytest
from cases import COMPILED, numeric_gradient

import fastbp
from fastbp import Network
from fastbp.kernels import derivation as sample

N_NETWORKS = 200 if COMPILED else 12


def assert_close(values, reference, rtol, scale):
    assert np.abs(values - reference).max(initial=0) <= rtol * max(scale, 1e-3)


@pytest.mark.parametrize("first", range(0, N_NETWORKS, 20))
def test_gradient_of_random_networks(first):
    for seed in range(first, min(first + 20, N_NETWORKS)):
        drawn = irregular.draw(seed, n_units=2 + seed if seed < 20 else None if COMPILED else 30)
        net, X, T = irregular.build(drawn, seed)
        weight = np.random.default_rng(seed).uniform(0, 2, len(X)) if seed % 3 == 0 else None
        y, error, d_weights, d_biases = irregular.reference(net, X, T, weight)
        E, grad = net.gradient(X, T, weight)
        edges, biases = irregular.by_user(net, grad)
        scale = max(np.abs(d_weights).max(initial=0), np.abs(d_biases[drawn.biased]).max(initial=0))
        assert_close(net.forward(X), y, 1e-11, np.abs(y).max())
        assert abs(E - error) <= 1e-11 * max(error, 1.0)
        assert_close(edges, d_weights, 1e-11, scale)
        assert_close(biases[drawn.biased], d_biases[drawn.biased], 1e-11, scale)


@pytest.mark.parametrize("seed", range(4))
def test_gradient_against_differences(seed):
    drawn = irregular.draw(seed, n_units=14, density=0.4)
    net, X, T = irregular.build(drawn, seed)
    grad = net.gradient(X, T)[1]

    def error(params):
        net.params = params
        return net.loss(X, T)

    numeric = numeric_gradient(error, net.params.copy(), 1e-3)
    kinks = {"relu", "leaky_relu", "elu", "selu", "ramp"} & set(net.unit_functions)
    assert np.abs(grad - numeric).max() <= (1e-2 if kinks else 1e-7) * np.abs(grad).max()


# ---------------------------------------------------------------- dense parts


def layered_edges(sizes):
    """Return the edges of a network of layers, and the first unit of each."""
    first = np.concatenate([[0], np.cumsum(sizes)])
    pairs = [
        (i, j)
        for l in range(len(sizes) - 1)
        for j in range(first[l + 1], first[l + 2])
        for i in range(first[l], first[l + 1])
    ]
    return np.array(pairs), first


def in_another_order(edges, n_inputs, first_output, seed):
    """Return the edges in random order, the hidden units with random numbers."""
    rng = np.random.default_rng(seed)
    names = np.arange(edges.max() + 1)
    names[n_inputs:first_output] = rng.permutation(names[n_inputs:first_output])
    return rng.permutation(names[edges])


def test_layers_given_by_edges_are_found_and_run_as_blocks():
    sizes = (5, 8, 6, 4)
    edges, first = layered_edges(sizes)
    net = Network.from_edges(5, 4, in_another_order(edges, 5, first[-2], 1))
    assert net.sizes == sizes
    assert net.topology.pairs == ((0, 1), (1, 2), (2, 3))
    assert len(net.topology.links) == 0
    dense = Network(sizes)
    params = np.random.default_rng(0).normal(size=dense.n_params)
    net.params = dense.params = params
    X = np.random.default_rng(1).normal(size=(40, 5))
    assert np.array_equal(net.forward(X), dense.forward(X))
    assert np.array_equal(net.gradient(X, X[:, :4])[1], dense.gradient(X, X[:, :4])[1])


def test_dense_blocks_are_found_beside_single_edges():
    edges, first = layered_edges((6, 10, 10, 4))
    shortcuts = [(0, first[2] + 3), (4, first[3] + 1), (first[1], first[3])]
    net = Network.from_edges(6, 4, in_another_order(np.concatenate([edges, shortcuts]), 6, first[-2], 2))
    assert net.topology.pairs == ((0, 1), (1, 2), (2, 3))
    assert len(net.topology.links) == 3


def test_parts_that_are_dense_among_themselves_are_found():
    """Two networks of layers side by side, with no edge from one to the other but at the ends."""
    edges, _first = layered_edges((8, 5, 6))
    twin = edges.copy()
    twin[twin >= 8] += 11
    outputs = np.array([(u, 30 + k) for k in range(4) for u in [*range(13, 19), *range(24, 30)]])
    net = Network.from_edges(8, 4, in_another_order(np.concatenate([edges, twin, outputs]), 8, 30, 3))
    assert len(net.topology.links) == 0
    assert sorted(net.sizes) == [4, 5, 5, 6, 6, 8]


def test_every_edge_has_its_own_weight():
    drawn = irregular.draw(5, n_units=60)
    net, _X, _T = irregular.build(drawn, 5)
    assert sorted(net.wiring.places.tolist()) == list(range(len(drawn.edges)))
    weights = np.arange(1.0, len(drawn.edges) + 1)
    net.edge_weights = weights
    assert np.array_equal(net.edge_weights, weights)
    assert np.array_equal(net.edges, drawn.edges)
    assert np.array_equal(np.sort(net.params[: len(weights)]), weights)


def test_edges_of_a_network_of_layers():
    net = Network((3, 4, 2), skip="all", seed=0)
    X = np.random.default_rng(0).normal(size=(5, 3))
    same = Network.from_edges(3, 2, net.edges)
    same.edge_weights, same.unit_biases = net.edge_weights, net.unit_biases
    np.testing.assert_allclose(same.forward(X), net.forward(X), rtol=1e-13)


# ---------------------------------------------------------------- units at the margin


def test_unit_that_nothing_feeds_has_its_bias():
    net = Network.from_edges(1, 1, [(0, 2), (1, 2)])
    net.edge_weights, net.unit_biases = [2.0, 3.0], [np.nan, 0.5, 0.25]
    X = np.array([[1.0], [-1.0]])
    np.testing.assert_allclose(net.forward(X), 2 * X + 3 * np.tanh(0.5) + 0.25, rtol=1e-15)
    grad = irregular.by_user(net, net.gradient(X, np.zeros(2))[1])[1]
    y = net.forward(X).sum()
    np.testing.assert_allclose(grad[1:], [y * 3 * (1 - np.tanh(0.5) ** 2), y], rtol=1e-14)


def test_output_that_nothing_feeds():
    net = Network.from_edges(2, 2, [(0, 2)], n_units=4, bias=[3])
    net.edge_weights, net.unit_biases = [2.0], [0, 0, 0, 0.5]
    np.testing.assert_array_equal(net.forward([[1.0, 7.0]]), [[2.0, 0.5]])


def test_unit_that_reaches_no_output_is_computed_but_not_trained():
    net = Network.from_edges(1, 1, [(0, 1), (0, 2), (1, 2), (2, 3), (0, 4), (1, 4)], seed=0)
    dead = [2, 3]
    X = np.linspace(-1, 1, 9).reshape(-1, 1)
    columns = np.concatenate(net.layer_units).tolist()
    z = np.concatenate(net.activations(X), axis=1)
    deltas = np.concatenate(net.deltas(X, X), axis=1)
    weights = dict(zip(map(tuple, net.edges.tolist()), net.edge_weights, strict=True))
    expected = np.tanh(weights[0, 2] * X[:, 0] + weights[1, 2] * z[:, columns.index(1)])
    np.testing.assert_allclose(z[:, columns.index(2)], expected, rtol=1e-12)
    assert all((deltas[:, columns.index(unit) - 1] == 0).all() for unit in dead)
    assert (deltas[:, columns.index(1) - 1] != 0).any()
    before = net.edge_weights
    net.fit(X, X**2, epochs=3, seed=0)
    moved = before != net.edge_weights
    assert moved.tolist() == [True, False, False, False, True, True]


def test_network_without_edges():
    net = Network.from_edges(2, 3, np.empty((0, 2), int))
    net.unit_biases = [0, 0, 1.0, 2.0, 3.0]
    np.testing.assert_array_equal(net.forward(np.ones((2, 2))), [[1, 2, 3]] * 2)
    net.fit(np.ones((4, 2)), np.full((4, 3), 7.0), epochs=500, learning_rate=0.1)
    np.testing.assert_allclose(net.forward(np.zeros((1, 2))), [[7, 7, 7]], rtol=1e-3)


# ---------------------------------------------------------------- all that a network does

OUTPUT_FEEDS = [(0, 3), (1, 3), (0, 2), (1, 2), (3, 2), (2, 4), (4, 5), (0, 5), (2, 5), (3, 6), (5, 6), (1, 6)]


@pytest.mark.parametrize("loss", ["squared_error", "sse", "binary_cross_entropy", "poisson", "absolute_error", "huber"])
@pytest.mark.parametrize("edges", [OUTPUT_FEEDS, [e for e in OUTPUT_FEEDS if 5 not in e[:1]]], ids=["feeds", "ends"])
def test_losses_where_outputs_feed_others_and_where_not(loss, edges):
    net = Network.from_edges(2, 2, edges, output="logistic", loss=loss, seed=1)
    assert net.topology.ends_in_outputs == ((5, 6) not in edges)
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(40, 2)), rng.uniform(0.2, 0.8, (40, 2))
    assert fastbp.check_gradient(net, X, T).worst < 1e-6


def test_outputs_of_different_functions():
    net = Network.from_edges(2, 3, OUTPUT_FEEDS, activation={4: "logistic", 5: "sin", 3: "relu"}, seed=1)
    assert net.unit_functions == ("tanh", "relu", "logistic", "sin", "identity")
    X = np.random.default_rng(0).normal(size=(33, 2))
    z = dict(zip(np.concatenate(net.layer_units).tolist(), np.concatenate(net.activations(X), axis=1).T, strict=True))
    np.testing.assert_array_equal(net.forward(X), np.stack([z[4], z[5], z[6]], axis=1))
    assert fastbp.check_gradient(net, X, X[:, [0, 1, 0]]).worst < 1e-6


def test_softmax_and_cross_entropy():
    edges = [(i, j) for i in range(3) for j in (4, 5, 6) if (i, j) != (1, 5)] + [(0, 3), (2, 3), (3, 5), (3, 6)]
    net = Network.from_edges(3, 3, edges, output="softmax", loss="cross_entropy", seed=0)
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(50, 3)), np.eye(3)[rng.integers(3, size=50)]
    np.testing.assert_allclose(net.forward(X).sum(axis=1), 1, rtol=1e-14)
    assert fastbp.check_gradient(net, X, T).worst < 1e-6


@pytest.mark.filterwarnings("ignore:targets outside the range")  # what the gradient is does not hang on them
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "rprop"])
def test_training_follows_the_gradient_for_every_solver(solver):
    """The same steps as those of a dense network with the same weights, the missing ones held at zero."""
    drawn = irregular.draw(11, n_units=20)
    net, X, T = irregular.build(drawn, 11)
    history = net.fit(X, T, solver=solver, epochs=30, batch_size=None if solver == "rprop" else 16, seed=0)
    assert history.loss[-1] < history.loss[0]


@pytest.mark.parametrize("batch_size", [1, 8, None])
def test_gradient_descent_by_hand(batch_size):
    drawn = irregular.draw(3, n_units=12)
    net, X, T = irregular.build(drawn, 3)
    X, T = X[:16], T[:16]
    by_hand = pickle.loads(pickle.dumps(net))
    net.fit(X, T, solver="sgd", learning_rate=0.05, batch_size=batch_size, epochs=2, shuffle=False)
    size = batch_size or len(X)
    for _epoch in range(2):
        for start in range(0, len(X), size):
            x, t = X[start : start + size], T[start : start + size]
            by_hand.params -= 0.05 * by_hand.gradient(x, t)[1] / len(x)
    np.testing.assert_allclose(net.params, by_hand.params, rtol=1e-12, atol=1e-14)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("fastbp.engine.engine.MIN_CHUNK_PRODUCTS", 1)
    drawn = irregular.draw(21, n_units=40)._replace(n_samples=700)
    net, X, T = irregular.build(drawn, 21)
    net = pickle.loads(pickle.dumps(net))
    assert net.engine.n_chunks(len(X)) > 1
    one, two = (net.gradient(X, T, n_threads=n) for n in (1, 2))
    assert one[0] == two[0]
    assert np.array_equal(one[1], two[1])


@pytest.mark.parametrize("seed", range(3))
def test_single_precision(seed):
    drawn = irregular.draw(seed + 50, n_units=50)
    double, X, T = irregular.build(drawn, seed)
    single = double.astype("float32")
    assert np.array_equal(single.edges, double.edges)
    E, grad = single.gradient(X, T)
    reference = double.gradient(X, T)
    assert abs(E - reference[0]) <= 1e-4 * reference[0]
    assert np.abs(grad - reference[1]).max() <= 1e-3 * np.abs(reference[1]).max()


@pytest.mark.parametrize("seed", range(3))
def test_loops_of_the_derivation(seed):
    drawn = irregular.draw(seed + 70, n_units=25)
    net, X, T = irregular.build(drawn, seed)
    a, z, delta = np.zeros((3, net.n_units))
    E, grad = 0.0, np.zeros(net.packed.params.size)
    for x, t in zip(X, T, strict=True):
        sample.forward(net.packed, x, a, z)
        E += sample.output_delta(net.packed, t, a, z, delta)
        sample.backward(net.packed, a, z, delta)
        sample.add_gradient(net.packed, z, delta, 1.0, grad)
    reference = net.gradient(X, T)
    assert abs(E - reference[0]) <= 1e-12 * E
    np.testing.assert_allclose(grad[: net.n_params], reference[1], rtol=1e-10, atol=1e-12 * np.abs(grad).max())


def test_pickle_and_copy_keep_everything():
    net, X, _T = irregular.build(irregular.draw(8, n_units=30), 8)
    copy = pickle.loads(pickle.dumps(net))
    assert np.array_equal(copy.forward(X), net.forward(X))
    assert np.array_equal(copy.edges, net.edges)
    assert np.array_equal(copy.edge_weights, net.edge_weights)
    assert repr(copy) == repr(net)


def test_initial_weights_take_the_edges_of_their_units():
    edges = [(i, 30) for i in range(25)] + [(0, 31), (30, 31)]
    bound = np.sqrt(6 / (25 + 1))
    weights = Network.from_edges(25, 1, edges, n_units=32, seed=0).edge_weights
    assert 0.8 * bound < np.abs(weights[1:25]).max() <= bound
    again = Network.from_edges(25, 1, edges, n_units=32, seed=0).edge_weights
    assert np.array_equal(weights, again)


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 2), (1, 2), (0, 2)], r"edges must be there once; edges\[2\] is \(0, 2\)"),
        ([(0, 2), (2, 2)], r"edges must connect different units; edges\[1\] is \(2, 2\)"),
        ([(0, 2), (2, 1)], r"edges must not go into an input, units 0 to 1; edges\[1\] is \(2, 1\)"),
        ([(0, 2), (-1, 2)], r"edges must name units from 0 to 2; edges\[1\] is \(-1, 2\)"),
        (
            [(0, 3), (3, 4), (4, 5), (5, 3), (5, 6)],
            "edges must have no cycle; got . -> . -> . -> .$",
        ),
        ([(0, 3, 1)], r"edges must have shape \(n_edges, 2\), rows \(from, to\); got shape \(1, 3\)"),
    ],
)
def test_edges_that_make_no_network(edges, message):
    with pytest.raises(ValueError, match=message):
        Network.from_edges(2, 1, edges)


@pytest.mark.parametrize("edges", [[(0.0, 2.0)], [("0", "2")], 5, None, [(True, False)]])
def test_edges_of_the_wrong_kind(edges):
    with pytest.raises(TypeError, match="edges must"):
        Network.from_edges(2, 1, edges)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_units": 2}, ValueError, "n_units must be at least 3; got 2"),
        ({"bias": [5]}, ValueError, "bias must name units from 2 to 3; got 5"),
        ({"bias": 1.5}, TypeError, "bias must be True, False, or the units"),
        ({"activation": {7: "tanh"}}, ValueError, "activation must name units from 2 to 3; got 7"),
        ({"activation": {2: "tnah"}}, ValueError, r"activation\[2\] must be one of .*did you mean 'tanh'"),
        ({"activation": "softmax"}, ValueError, "softmax"),
        ({"output": "tnah"}, ValueError, "output must be one of"),
    ],
)
def test_other_mistakes(arguments, error, message):
    with pytest.raises(error, match=message):
        Network.from_edges(2, 1, [(0, 2), (2, 3), (1, 3)], **arguments)


def test_softmax_needs_outputs_that_feed_nothing():
    with pytest.raises(ValueError, match="output 'softmax' needs outputs that are alike and feed no other unit"):
        Network.from_edges(2, 2, [(0, 2), (1, 3), (2, 3)], output="softmax", loss="cross_entropy")


@pytest.mark.parametrize("attribute", ["weights", "biases", "skip", "skip_weights"])
def test_attributes_of_layers(attribute):
    net = Network.from_edges(2, 1, [(0, 2), (1, 2)])
    with pytest.raises(AttributeError, match=f"{attribute} is for networks of layers"):
        getattr(net, attribute)


def test_wrong_weights_change_nothing():
    net = Network.from_edges(2, 1, [(0, 2), (1, 2)], seed=0)
    before = net.params.copy()
    for wrong in ([1.0], [1.0, np.nan], ["a", "b"]):
        with pytest.raises((ValueError, TypeError), match="edge_weights"):
            net.edge_weights = wrong
    for wrong in ([1.0], [0, 0, np.inf]):
        with pytest.raises(ValueError, match="unit_biases"):
            net.unit_biases = wrong
    assert np.array_equal(net.params, before)


def test_masked_edges_are_refused():
    with pytest.raises(TypeError, match="edges must be all there"):
        fastbp.Network.from_edges(1, 1, np.ma.array([[0, 1], [0, 2]], mask=[[0, 0], [1, 1]]))


def test_an_edge_above_64_bits_is_shown_as_it_is():
    with pytest.raises((ValueError, MemoryError), match=str(2**63)):
        fastbp.Network.from_edges(1, 1, np.array([[0, 2**63]], np.uint64), n_units=3)
