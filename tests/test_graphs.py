"""Networks from graphs of networkx, and graphs from networks."""

import sys

import irregular
import numpy as np
import pytest
from refusals import refused

import fastbp
from fastbp.model.networkx_graphs import unit_order

nx = pytest.importorskip("networkx")


def assert_same(net, other):
    assert (net.n_inputs, net.n_outputs, net.n_units) == (other.n_inputs, other.n_outputs, other.n_units)
    assert (net.loss_name, net.dtype, net.unit_functions) == (other.loss_name, other.dtype, other.unit_functions)
    np.testing.assert_array_equal(net.unit_biases, other.unit_biases)  # NaN: no bias
    first, second = (np.lexsort(n.edges.T) for n in (net, other))
    np.testing.assert_array_equal(net.edges[first], other.edges[second])
    np.testing.assert_array_equal(net.edge_weights[first], other.edge_weights[second])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(12))
def test_round_trip(seed, dtype):
    net, X, _ = irregular.build(irregular.draw(seed, n_units=25), seed, dtype)
    again = fastbp.Network.from_networkx(net.to_networkx())
    assert_same(again, net)
    np.testing.assert_array_equal(again.forward(X), net.forward(X))
    np.testing.assert_array_equal(again.forward(X[:1]), net.forward(X[:1]))


@pytest.mark.parametrize(
    "options", [{"skip": "all"}, {"output": "softmax", "loss": "cross_entropy"}, {"bias": False, "dtype": "float32"}]
)
def test_round_trip_of_layers(options):
    net = fastbp.Network((3, 6, 5, 2), activation=["relu", "gelu"], seed=1, **options)
    again = fastbp.Network.from_networkx(net.to_networkx())
    assert_same(again, net)
    X = np.random.default_rng(0).normal(size=(20, 3))
    rtol = 1e-5 if net.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(again.forward(X), net.forward(X), rtol=rtol, atol=rtol)


def test_what_a_graph_says():
    """Labels of any kind; attributes where there are some, arguments where not."""
    G = nx.DiGraph()
    G.add_edge("x", ("h", 1), weight=2.0)
    G.add_edge(7, ("h", 1), weight=-0.5)
    G.add_edge(("h", 1), "y", weight=3)
    G.add_edge("x", "y", weight=np.float32(0.25))
    G.nodes["h", 1].update(activation="relu", bias=0.5)
    G.nodes["y"]["bias"] = None
    net = fastbp.Network.from_networkx(G, output="sin")
    assert unit_order(G) == ["x", 7, ("h", 1), "y"]
    assert net.unit_functions == ("relu", "sin")
    np.testing.assert_array_equal(net.unit_biases, [np.nan, np.nan, 0.5, np.nan])
    X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.3, 0.1]])
    hidden = np.maximum(2 * X[:, 0] - 0.5 * X[:, 1] + 0.5, 0)
    np.testing.assert_allclose(net.forward(X)[:, 0], np.sin(3 * hidden + 0.25 * X[:, 0]), rtol=1e-13)


def test_inputs_and_outputs_as_they_are_given():
    G = nx.DiGraph([("a", "h"), ("b", "h"), ("h", "u"), ("h", "v"), ("u", "w")])
    assert unit_order(G) == ["a", "b", "h", "u", "v", "w"]
    assert unit_order(G, outputs=["w", "u"]) == ["a", "b", "h", "v", "w", "u"]
    net = fastbp.Network.from_networkx(G, inputs=["b"], outputs=["w", "u"], seed=0)
    assert (net.n_inputs, net.n_outputs) == (1, 2)
    assert unit_order(G, ["b"], ["w", "u"]) == ["b", "a", "h", "v", "w", "u"]  # a: a unit that nothing feeds
    G.graph.update(inputs=["b", "a"], outputs=["v"], loss="huber", dtype="float32")
    assert unit_order(G) == ["b", "a", "h", "u", "w", "v"]
    net = fastbp.Network.from_networkx(G)
    assert (net.loss_name, net.dtype.name) == ("huber", "float32")
    net = fastbp.Network.from_networkx(G, loss="sse", dtype="float64")
    assert (net.loss_name, net.dtype.name) == ("sse", "float64")


def test_what_is_missing_is_drawn():
    G = nx.DiGraph([(0, 2), (1, 2), (0, 3), (2, 3)])
    net = fastbp.Network.from_networkx(G, seed=4)
    same = fastbp.Network.from_edges(2, 1, net.edges, seed=4)
    np.testing.assert_array_equal(net.edge_weights, same.edge_weights)
    assert net.unit_functions == ("tanh", "identity")
    np.testing.assert_array_equal(net.unit_biases, same.unit_biases)
    G.edges[0, 3]["weight"] = 9.0
    partly = fastbp.Network.from_networkx(G, seed=4, bias=False)
    np.testing.assert_array_equal(
        partly.edge_weights == net.edge_weights, [edge != [0, 3] for edge in net.edges.tolist()]
    )
    assert not partly.bias


def test_own_functions():
    bent = fastbp.Activation("bent", lambda a: a * a, lambda a: 2 * a)
    G = nx.DiGraph([(0, 1), (1, 2)])
    G.nodes[1]["activation"] = bent
    net = fastbp.Network.from_networkx(G, seed=0)
    written = net.to_networkx()
    assert written.nodes[1]["activation"] == "bent"
    again = fastbp.Network.from_networkx(written, activations=[bent])
    np.testing.assert_array_equal(again.forward([[1.5]]), net.forward([[1.5]]))
    refused(lambda: fastbp.Network.from_networkx(written), "activation of node 1", "bent")


def test_a_written_graph_is_plain():
    net = fastbp.Network((2, 3, 1), seed=0)
    G = net.to_networkx()
    assert G.nodes[0] == {}
    assert G.nodes[2] == {"activation": "tanh", "bias": 0.0}
    assert type(G.nodes[2]["bias"]) is float
    assert {type(weight) for _i, _j, weight in G.edges(data="weight")} == {float}
    loss = {"loss": "squared_error", "loss_options": {}}
    assert G.graph == {"inputs": [0, 1], "outputs": [5], "dtype": "float64"} | loss
    quantile = fastbp.Loss("quantile", quantile=0.9)
    again = fastbp.Network.from_networkx(fastbp.Network((2, 3, 1), loss=quantile).to_networkx())
    assert again.loss_function == quantile


CHAIN = [("x", "h"), ("h", "y")]


def build(G, *args, **options):
    return lambda: fastbp.Network.from_networkx(G, *args, **options)


def with_node(name, **attributes):
    G = nx.DiGraph(CHAIN)
    G.add_node(name, **attributes)
    return G


def test_graphs_that_are_no_networks():
    refused(build(nx.Graph(CHAIN)), "G", "DiGraph", "Graph", kind=TypeError)
    refused(build(nx.MultiDiGraph(CHAIN)), "G", "MultiDiGraph", kind=TypeError)
    refused(build(nx.MultiGraph(CHAIN)), "G", "MultiGraph", kind=TypeError)
    refused(build(CHAIN), "G", "list", kind=TypeError)
    refused(build(nx.DiGraph()), "inputs", kind=ValueError)
    cycle = nx.DiGraph([*CHAIN, ("h", "g"), ("g", "h")])
    refused(build(cycle), "G", "cycle", "'h' -> 'g' -> 'h'", kind=ValueError)
    refused(build(nx.DiGraph([*CHAIN, ("h", "h")])), "G", "'h' -> 'h'", kind=ValueError)


def test_nodes_that_cannot_be_what_they_should():
    G = nx.DiGraph(CHAIN)
    refused(build(G, ["x", "z"]), "inputs", "'z'", kind=ValueError)
    refused(build(G, ["x", "x"]), "inputs", "'x'", kind=ValueError)
    refused(build(G, ["h"]), "inputs", "'h'", kind=ValueError)
    refused(build(G, None, ["y", "x"]), "inputs", "outputs", "'x'", kind=ValueError)
    refused(build(G, None, []), "outputs", kind=ValueError)
    refused(build(G, "x"), "inputs", kind=TypeError)
    refused(build(G, 3), "inputs", kind=TypeError)
    refused(build(with_node("alone")), "inputs", "outputs", "'alone'", kind=ValueError)


def test_wrong_attributes():
    refused(build(with_node("h", activation="tahn")), "activation of node 'h'", "tanh", kind=ValueError)
    refused(build(with_node("h", activation="softmax")), "activation of node 'h'", kind=ValueError)
    refused(build(with_node("h", activation=3)), "activation of node 'h'", kind=TypeError)
    refused(build(with_node("h", bias="much")), "bias of node 'h'", kind=TypeError)
    refused(build(with_node("h", bias=np.nan)), "bias of node 'h'", kind=ValueError)
    G = nx.DiGraph([*CHAIN, ("h", "z")])
    G.nodes["y"]["activation"] = "softmax"
    refused(build(G), "softmax", kind=ValueError)
    G = nx.DiGraph(CHAIN)
    for value, kind in (("heavy", TypeError), (np.inf, ValueError), (np.nan, ValueError), (None, TypeError)):
        G.edges["h", "y"]["weight"] = value
        refused(build(G), "weight of edge 'h' -> 'y'", kind=kind)


def test_without_networkx(monkeypatch):
    G, net = nx.DiGraph(CHAIN), fastbp.Network((2, 3, 1))
    monkeypatch.setitem(sys.modules, "networkx", None)
    for call in (build(G), net.to_networkx):
        with pytest.raises(ImportError, match=r"fastbp\[graphs\]"):
            call()


def test_wrong_options():
    G = nx.DiGraph(CHAIN)
    refused(build(G, activation="tahn"), "activation", "tanh")
    refused(build(G, output="tahn"), "output", "tanh")
    refused(build(G, loss="square"), "loss")
    refused(build(G, dtype="int8"), "dtype")
    refused(build(G, bias=1), "bias")
    refused(build(G, init="xavier"), "init")
    refused(build(G, seed=-1), "seed")
    refused(build(G, activations=["tanh"]), "activations")


@pytest.mark.parametrize("attributes", [{"bias": 0.5}, {"activation": "tanh"}, {"bias": "none"}])
def test_what_an_input_cannot_have_is_refused(attributes):
    G = nx.DiGraph([("x", "y")])
    G.nodes["x"].update(attributes)
    refused(lambda: fastbp.Network.from_networkx(G), "node 'x' is an input", kind=ValueError)
    G.nodes["x"].update(bias=None, activation="identity")
    assert fastbp.Network.from_networkx(G).n_inputs == 1
