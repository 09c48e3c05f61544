"""Genomes of neat-python as networks, against neat-python's own networks."""

import math
import sys

import numpy as np
import pytest
from cases import COMPILED, numeric_gradient
from refusals import refused

import fastbp
from fastbp.neat import ACTIVATIONS, from_genome, write_back

neat = pytest.importorskip("neat")
import evolved  # noqa: E402 - needs neat

N_GENOMES = 120 if COMPILED else 12
RTOL = 1e-12
# Where a function bends or is cut off: h' is the derivative from the left there.
KINKS = {
    "sigmoid": (-12.0, 12.0), "tanh": (-24.0, 24.0), "sin": (-12.0, 12.0), "gauss": (-3.4, 3.4), "relu": (0.0,),
    "elu": (0.0,), "lelu": (0.0,), "selu": (0.0,), "softplus": (-12.0, 12.0), "clamped": (-1.0, 1.0), "log": (1e-7,),
    "exp": (-60.0, 60.0), "abs": (0.0,), "hat": (-1.0, 0.0, 1.0),
}  # fmt: skip


def outputs(genome, config, X):
    network = neat.nn.FeedForwardNetwork.create(genome, config)
    return np.array([network.activate(x) for x in X])


def inputs(config, seed, n_samples=12):
    return np.random.default_rng(seed).normal(size=(n_samples, config.genome_config.num_inputs))


def assert_close(y, reference):
    np.testing.assert_allclose(y, reference, rtol=RTOL, atol=RTOL)


# ---------------------------------------------------------------- activation functions


def test_all_functions_of_neat_python_are_there():
    assert set(ACTIVATIONS) == set(neat.activations.ActivationFunctionSet().functions) == set(evolved.EVERY_ACTIVATION)


def points(name):
    """Numbers on both sides of every kink, near zero and far away."""
    rng = np.random.default_rng(0)
    far = [-70.0, -13.0, 13.0, 70.0] if name != "cube" else []
    near_kinks = [kink + step for kink in KINKS.get(name, ()) for step in (-0.01, 0.0, 0.01)]
    return np.array([*rng.uniform(-4, 4, 40), *far, *near_kinks, 0.0, 1e-12, -1e-12])


@pytest.mark.parametrize("name", evolved.EVERY_ACTIVATION)
def test_values_of_the_functions(name):
    own = neat.activations.ActivationFunctionSet().get(name)
    a = points(name)
    np.testing.assert_allclose(ACTIVATIONS[name].h(a), [own(float(x)) for x in a], rtol=4e-15, atol=4e-16)


@pytest.mark.parametrize("name", evolved.EVERY_ACTIVATION)
def test_derivatives_of_the_functions(name):
    """Against differences of neat-python's own functions; at a kink, against those to the left of it."""
    own = neat.activations.ActivationFunctionSet().get(name)
    slope = ACTIVATIONS[name].dh
    kinks = np.array(KINKS.get(name, ()))
    for a in points(name):
        distance = np.abs(a - kinks).min(initial=np.inf)
        if 0 < distance < 1e-3 or (name == "inv" and abs(a) < 1e-3):
            continue  # too near for differences
        if distance == 0:
            step = 1e-12 if name == "log" else 1e-6 * max(1.0, abs(a))
            numeric, rtol = (own(a) - own(a - step)) / step, 1e-4
        else:
            step = min(1e-3, distance / 30)
            ends = [own(a + k * step) for k in (-2, -1, 1, 2)]
            numeric, rtol = np.dot([1, -8, 8, -1], ends) / (12 * step), 1e-6
        size = max(1.0, abs(own(a)), abs(numeric))
        assert slope(np.array([a]))[0] == pytest.approx(numeric, rel=rtol, abs=1e-9 * size), a


def test_the_inverse_at_zero():
    np.testing.assert_array_equal(ACTIVATIONS["inv"].h(np.array([0.0, -0.0, 4.0])), [0, 0, 0.25])
    np.testing.assert_array_equal(ACTIVATIONS["inv"].dh(np.array([0.0, -0.0, 4.0])), [0, 0, -1 / 16])


def test_functions_are_compiled_once(tmp_path):
    config = evolved.config(tmp_path)
    first, second = (from_genome(evolved.genome(config, seed), config) for seed in (1, 1))
    assert first.unit_activations == second.unit_activations
    assert all(function in ACTIVATIONS.values() for function in first.unit_activations)


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize("first", range(0, N_GENOMES, 40))
def test_outputs_of_random_genomes(tmp_path, first):
    config = evolved.config(tmp_path)
    sizes = []
    for seed in range(first, min(first + 40, N_GENOMES)):
        genome = evolved.genome(config, seed)
        net = from_genome(genome, config)
        X = inputs(config, seed)
        assert_close(net.forward(X), outputs(genome, config, X))
        assert_close(net.forward(X[0:1]), outputs(genome, config, X[:1]))
        sizes.append(net.n_units)
    assert max(sizes) > 20


@pytest.mark.parametrize("name", evolved.EVERY_ACTIVATION)
def test_outputs_with_each_function(tmp_path, name):
    config = evolved.config(tmp_path, [name])
    for seed in range(3):
        genome = evolved.genome(config, seed, n_mutations=4 if name in {"square", "cube", "exp"} else 20)
        X = inputs(config, seed)
        y = outputs(genome, config, X)
        assert np.abs(y).max() < 1e15, "the genome is too wild to compare"
        np.testing.assert_allclose(from_genome(genome, config).forward(X), y, rtol=1e-10, atol=RTOL)


def test_float32(tmp_path):
    config = evolved.config(tmp_path, ["tanh", "sigmoid"])
    genome = evolved.genome(config, 3)
    net = from_genome(genome, config, dtype="float32", loss="huber")
    X = inputs(config, 0)
    assert (net.dtype, net.loss_name) == (np.float32, "huber")
    np.testing.assert_allclose(net.forward(X), outputs(genome, config, X), rtol=1e-3, atol=1e-4)


def chain(tmp_path, **options):
    """Return (genome, config) of -1 -> 2 -> 0, -2 -> 1, and a node 3 that only feeds the outputs."""
    config = evolved.config(tmp_path, ["tanh"], n_inputs=2, n_outputs=2, **options)
    genome = evolved.genome(config, 0, n_mutations=0)
    genome.connections.clear()
    for key in (2, 3):
        genome.nodes[key] = genome.create_node(config.genome_config, key)
    for key in ((-1, 2), (2, 0), (-2, 1), (3, 0), (3, 1)):
        connect(genome, config, *key)
    return genome, config


def connect(genome, config, i, j):
    genome.connections[i, j] = genome.create_connection(config.genome_config, i, j, len(genome.connections) + 1)


def test_nodes_without_inputs_and_disabled_connections(tmp_path):
    genome, config = chain(tmp_path)
    X = inputs(config, 0)
    net = from_genome(genome, config)
    assert (net.n_inputs, net.n_outputs, net.n_units, len(net.edges)) == (2, 2, 6, 5)
    assert_close(net.forward(X), outputs(genome, config, X))
    genome.connections[2, 0].enabled = False  # node 2 is needed no more
    net = from_genome(genome, config)
    assert (net.n_units, len(net.edges)) == (5, 3)
    assert_close(net.forward(X), outputs(genome, config, X))
    for gene in genome.connections.values():
        gene.enabled = False
    net = from_genome(genome, config)
    assert (net.n_units, len(net.edges)) == (4, 0)
    assert_close(net.forward(X), outputs(genome, config, X))


def test_outputs_that_feed_nodes(tmp_path):
    genome, config = chain(tmp_path)
    connect(genome, config, 1, 2)
    X = inputs(config, 0)
    assert_close(from_genome(genome, config).forward(X), outputs(genome, config, X))


def test_response_zero(tmp_path):
    genome, config = chain(tmp_path)
    genome.nodes[2].response = 0.0
    X = inputs(config, 0)
    net = from_genome(genome, config)
    assert_close(net.forward(X), outputs(genome, config, X))
    before = genome.connections[-1, 2].weight
    net.fit(X, np.zeros((len(X), 2)), epochs=3, seed=0)
    write_back(net, genome, config)
    assert (genome.connections[-1, 2].weight, genome.connections[-1, 2].enabled) == (before, True)
    assert_close(outputs(genome, config, X), net.forward(X))


def test_the_genome_config_alone_will_do(tmp_path):
    genome, config = chain(tmp_path)
    X = inputs(config, 0)
    np.testing.assert_array_equal(
        from_genome(genome, config.genome_config).forward(X), from_genome(genome, config).forward(X)
    )


def test_functions_of_the_user(tmp_path):
    genome, config = chain(tmp_path)
    config.genome_config.add_activation("wave", lambda z: math.sin(z) + z)
    genome.nodes[2].activation = "wave"
    refused(lambda: from_genome(genome, config), "genome", "node 2", "'wave'", kind=ValueError)
    wave = fastbp.Activation("wave", lambda a: math.sin(a) + a, lambda a: math.cos(a) + 1)
    X = inputs(config, 0)
    net = from_genome(genome, config, activations={"wave": wave})
    assert_close(net.forward(X), outputs(genome, config, X))
    # Another function under one of neat-python's names is not taken for neat-python's.
    config.genome_config.add_activation("tanh", lambda z: z)
    refused(lambda: from_genome(genome, config, activations={"wave": wave}), "genome", "'tanh'", kind=ValueError)


# ---------------------------------------------------------------- training


@pytest.mark.parametrize("seed", range(6))
def test_gradient_of_genomes(tmp_path, seed):
    """dE/dweight of a gene is the response times dE/dw of its edge: against differences of neat-python's outputs."""
    config = evolved.config(tmp_path, ["sigmoid", "tanh", "softplus", "gauss"])
    genome = evolved.genome(config, seed)
    net = from_genome(genome, config)
    X = inputs(config, seed)
    T = np.random.default_rng(seed).normal(size=(len(X), 2))
    grad = net.gradient(X, T)[1]

    def error(params):
        net.params = params
        write_back(net, genome, config)
        return 0.5 * ((outputs(genome, config, X) - T) ** 2).sum()

    numeric = numeric_gradient(error, net.params.copy(), 1e-4)
    assert np.abs(grad).max() > 0
    np.testing.assert_allclose(grad, numeric, rtol=1e-6, atol=1e-7 * np.abs(grad).max())


@pytest.mark.parametrize("seed", range(5))
def test_trained_weights_go_back(tmp_path, seed):
    config = evolved.config(tmp_path)
    genome = evolved.genome(config, seed)
    X = inputs(config, seed, 40)
    T = np.tanh(X[:, :2] + X[:, 2:])
    net = from_genome(genome, config)
    write_back(net, genome, config)
    assert_close(outputs(genome, config, X), net.forward(X))
    responses = {key: node.response for key, node in genome.nodes.items()}
    enabled = {key: gene.enabled for key, gene in genome.connections.items()}
    history = net.fit(X, T, epochs=30, learning_rate=0.003, seed=0)
    assert history.loss[-1] < history.loss[0]
    write_back(net, genome, config)
    assert_close(outputs(genome, config, X), net.forward(X))
    assert {key: node.response for key, node in genome.nodes.items()} == responses
    assert {key: gene.enabled for key, gene in genome.connections.items()} == enabled
    assert {type(gene.weight) for gene in genome.connections.values()} == {float}
    assert_close(from_genome(genome, config).params, net.params)


def test_a_pruned_network_goes_back(tmp_path):
    config = evolved.config(tmp_path)
    genome = evolved.genome(config, 2)
    net = from_genome(genome, config)
    pruned = net.prune(np.median(np.abs(net.edge_weights)))
    X = inputs(config, 2)
    write_back(pruned, genome, config)
    n_enabled = sum(gene.enabled for gene in genome.connections.values())
    assert n_enabled < len(genome.connections)
    assert_close(outputs(genome, config, X), pruned.forward(X))
    assert_close(from_genome(genome, config).forward(X), pruned.forward(X))


def test_trained_genomes_evolve_on(tmp_path):
    """What is written back can be mutated and copied by neat-python."""
    config = evolved.config(tmp_path)
    genome = evolved.genome(config, 4)
    net = from_genome(genome, config)
    net.params = net.params * 1.5
    write_back(net, genome, config)
    for _ in range(20):
        genome.mutate(config.genome_config)
    X = inputs(config, 4)
    assert_close(from_genome(genome, config).forward(X), outputs(genome, config, X))


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("name", ["product", "max", "min", "maxabs", "median", "mean"])
def test_other_aggregations(tmp_path, name):
    genome, config = chain(tmp_path)
    genome.nodes[2].aggregation = name
    refused(lambda: from_genome(genome, config), "genome", "node 2", f"'{name}'", kind=ValueError)
    genome.connections[2, 0].enabled = False  # nor does neat-python compute it then
    from_genome(genome, config)


def test_cycles(tmp_path):
    genome, config = chain(tmp_path, feed_forward=False)
    connect(genome, config, 0, 2)
    refused(lambda: from_genome(genome, config), "genome", "cycle", kind=ValueError)
    with pytest.raises(ValueError, match=r"0 -> 2 -> 0|2 -> 0 -> 2"):
        from_genome(genome, config)
    genome.connections[0, 2].enabled = False
    from_genome(genome, config)
    connect(genome, config, 2, 2)
    refused(lambda: from_genome(genome, config), "2 -> 2", kind=ValueError)


def test_genomes_that_lack_a_node(tmp_path):
    genome, config = chain(tmp_path)
    del genome.nodes[2]
    refused(lambda: from_genome(genome, config), "genome", "node 2", kind=ValueError)


def test_wrong_options(tmp_path):
    genome, config = chain(tmp_path)
    refused(lambda: from_genome(genome, {}), "config", kind=TypeError)
    refused(lambda: from_genome(genome, config, loss="square"), "loss")
    refused(lambda: from_genome(genome, config, dtype="int8"), "dtype")


def test_without_neat_python(tmp_path, monkeypatch):
    genome, config = chain(tmp_path)
    monkeypatch.setitem(sys.modules, "neat.graphs", None)
    with pytest.raises(ImportError, match=r"fastbp\[neat\]"):
        from_genome(genome, config)


def test_networks_of_other_genomes(tmp_path):
    genome, config = chain(tmp_path)
    before = {key: gene.weight for key, gene in genome.connections.items()}
    other = evolved.genome(config, 7)
    refused(lambda: write_back(from_genome(other, config), genome, config), "net", kind=ValueError)
    net = from_genome(genome, config)
    genome.connections[-2, 1].enabled = False
    refused(lambda: write_back(net, genome, config), "net", kind=ValueError)
    genome.connections[-2, 1].enabled = True
    net.edge_weights = np.full(len(net.edges), 1e300)
    genome.nodes[2].response = 1e-300
    refused(lambda: write_back(net, genome, config), "net", "(-1, 2)", kind=ValueError)
    assert {key: gene.weight for key, gene in genome.connections.items()} == before
