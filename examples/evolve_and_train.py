"""Evolve a small network with neat-python, then train what was evolved.

    pip install "fastbp[neat]"
    python examples/evolve_and_train.py

A few generations find a network for a function of two numbers; each genome is evaluated on all samples at once.
The best one's weights are then trained by their gradient, and go back into the genome: neat-python's own network
has the trained outputs too.
"""

import random
import tempfile
from pathlib import Path

import neat
import numpy as np

from fastbp.neat import from_genome, write_back

CONFIG = """
[NEAT]
fitness_criterion = max
fitness_threshold = 0
pop_size = 60
reset_on_extinction = False
no_fitness_termination = True

[DefaultGenome]
num_inputs = 2
num_outputs = 1
num_hidden = 3
feed_forward = True
initial_connection = full_direct
activation_default = random
activation_mutate_rate = 0.1
activation_options = tanh sin gauss identity
aggregation_default = sum
aggregation_mutate_rate = 0.0
aggregation_options = sum
bias_init_mean = 0.0
bias_init_stdev = 0.5
bias_init_type = gaussian
bias_max_value = 5.0
bias_min_value = -5.0
bias_mutate_power = 0.2
bias_mutate_rate = 0.6
bias_replace_rate = 0.1
response_init_mean = 1.0
response_init_stdev = 0.0
response_init_type = gaussian
response_max_value = 5.0
response_min_value = -5.0
response_mutate_power = 0.1
response_mutate_rate = 0.1
response_replace_rate = 0.0
weight_init_mean = 0.0
weight_init_stdev = 0.5
weight_init_type = gaussian
weight_max_value = 5.0
weight_min_value = -5.0
weight_mutate_power = 0.3
weight_mutate_rate = 0.8
weight_replace_rate = 0.1
time_constant_init_mean = 1.0
time_constant_init_stdev = 0.0
time_constant_init_type = gaussian
time_constant_max_value = 10.0
time_constant_min_value = 0.01
time_constant_mutate_power = 0.0
time_constant_mutate_rate = 0.0
time_constant_replace_rate = 0.0
enabled_default = True
enabled_mutate_rate = 0.02
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
compatibility_disjoint_coefficient = 1.0
compatibility_weight_coefficient = 0.5
conn_add_prob = 0.5
conn_delete_prob = 0.02
node_add_prob = 0.5
node_delete_prob = 0.02
single_structural_mutation = False
structural_mutation_surer = default

[DefaultSpeciesSet]
compatibility_threshold = 4.0

[DefaultStagnation]
species_fitness_func = max
max_stagnation = 15
species_elitism = 2

[DefaultReproduction]
elitism = 2
survival_threshold = 0.2
min_species_size = 2
"""


def read_config():
    """The configuration, which neat-python reads from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "neat.cfg"
        path.write_text(CONFIG, encoding="utf-8")
        return neat.Config(
            neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, str(path)
        )


def samples(n_samples=300, seed=0):
    """Points of a square, and a wave along one of its sides that rises along the other."""
    X = np.random.default_rng(seed).uniform(-1, 1, (n_samples, 2))
    return X, (np.sin(2 * X[:, :1]) + X[:, 1:]) / 2


def evolve(config, X, T, n_generations=15, seed=2):
    """The best genome; fitness is the mean squared error below zero."""

    def evaluate(genomes, config):
        for _key, genome in genomes:
            genome.fitness = -float(np.mean((from_genome(genome, config).forward(X) - T) ** 2))

    random.seed(seed)
    return neat.Population(config).run(evaluate, n_generations)


def main():
    """Evolve, train, write back; returns the three mean squared errors, the last one neat-python's own."""
    config = read_config()
    X, T = samples()
    best = evolve(config, X, T)
    net = from_genome(best, config)
    evolved = np.mean((net.forward(X) - T) ** 2)
    print(f"evolved: {net.n_units} units, {len(net.edges)} connections, mean squared error {evolved:.2e}")

    net.fit(X, T, epochs=400, learning_rate=0.005, seed=0)
    trained = np.mean((net.forward(X) - T) ** 2)
    print(f"trained: mean squared error {trained:.2e}")

    write_back(net, best, config)
    own = neat.nn.FeedForwardNetwork.create(best, config)
    back = np.mean((np.array([own.activate(x) for x in X]) - T) ** 2)
    print(f"neat-python's network of the trained genome: {back:.2e}")
    return evolved, trained, back


if __name__ == "__main__":
    main()
