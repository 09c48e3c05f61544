"""A generation of genomes as one population, against neat-python and against each network alone."""

import numpy as np
import pytest
from refusals import refused

import fastbp
from fastbp.neat import from_genome, population, write_back

neat = pytest.importorskip("neat")
import evolved  # noqa: E402 - needs neat

FUNCTIONS = ("tanh", "sigmoid", "gauss")  # smooth ones: rounding does not choose a side of a kink
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 2))


@pytest.fixture
def generation(tmp_path):
    """Return pairs (key, genome), of many shapes, and their config."""
    config = evolved.config(tmp_path, activations=FUNCTIONS)
    return [(10 + k, evolved.genome(config, k, n_mutations=20 * k)) for k in range(6)], config


def test_outputs_and_gradients_of_all(generation):
    genomes, config = generation
    pop = population(genomes, config)
    assert isinstance(pop, fastbp.Population)
    assert len({net.n_params for net in pop}) > 3
    theirs = [neat.nn.FeedForwardNetwork.create(genome, config) for _key, genome in genomes]
    np.testing.assert_allclose(
        pop.forward(X), [[network.activate(x) for x in X] for network in theirs], rtol=1e-12, atol=1e-12
    )
    for (_key, genome), gradient in zip(genomes, pop.gradient(X, T), strict=True):
        assert np.array_equal(gradient, from_genome(genome, config).gradient(X, T)[1])
        assert gradient.any()


def test_refined_together_as_alone_and_back(generation):
    genomes, config = generation
    options = {"epochs": 5, "batch_size": 8, "learning_rate": 0.01}
    pop = population((genome for _key, genome in genomes), config)  # genomes alone will do, and any iterable
    before = pop.losses(X, T)
    histories = pop.fit(X, T, seeds=3, **options)
    assert (pop.losses(X, T) < before).all()
    for k, (_key, genome) in enumerate(genomes):
        alone = from_genome(genome, config)
        history = alone.fit(X, T, seed=3 + k, **options)
        np.testing.assert_allclose(pop[k].params, alone.params, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(histories[k].loss, history.loss, rtol=1e-9)
        write_back(pop[k], genome, config)
        network = neat.nn.FeedForwardNetwork.create(genome, config)
        np.testing.assert_allclose([network.activate(x) for x in X], pop[k].forward(X), rtol=1e-10, atol=1e-10)


def test_it_evaluates_generations_of_neat_python(tmp_path):
    """What was learnt is inherited: the best fitness rises, and each genome computes what its fitness is of."""
    config, best = evolved.config(tmp_path, activations=FUNCTIONS), []

    def evaluate(genomes, config):
        pop = population(genomes, config, dtype="float32")
        pop.fit(X, T, epochs=10, learning_rate=0.01, seeds=0)
        for (_key, genome), net, loss in zip(genomes, pop, pop.losses(X, T), strict=True):
            genome.fitness = -loss
            write_back(net, genome, config)
        best.append(max(genome.fitness for _key, genome in genomes))

    winner = neat.Population(config, seed=1).run(evaluate, 4)
    assert best[-1] > best[0]
    network = neat.nn.FeedForwardNetwork.create(winner, config)
    error = 0.5 * np.sum((np.array([network.activate(x) for x in X]) - T) ** 2)
    assert error == pytest.approx(-winner.fitness, rel=1e-4)


def test_what_is_refused(generation, tmp_path):
    genomes, config = generation
    other = evolved.genome(config, 1)
    other.nodes[0].aggregation = "product"
    refused(lambda: population([*genomes, (7, other)], config), "genomes[6]", "'product'", kind=ValueError)
    refused(lambda: population([], config), "genomes", kind=ValueError)
    refused(lambda: population([genomes[0], 3], config), "genomes[1]", kind=TypeError)
    for wrong in (3, "genomes", dict(genomes)):
        refused(lambda wrong=wrong: population(wrong, config), "genomes", kind=TypeError)
    refused(lambda: population(genomes, {}), "config", kind=TypeError)
    refused(lambda: population(genomes, config, loss="square"), "loss")
    refused(lambda: population(genomes, config, dtype="int8"), "dtype")
