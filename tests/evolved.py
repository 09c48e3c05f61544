"""Random genomes of neat-python's own making, for the tests."""

import random

import neat
from neat.innovation import InnovationTracker

NEAT_CONFIG = """
[NEAT]
fitness_criterion     = max
fitness_threshold     = 1e9
pop_size              = 10
reset_on_extinction   = False
no_fitness_termination = True

[DefaultGenome]
num_inputs              = {n_inputs}
num_outputs             = {n_outputs}
num_hidden              = 0
feed_forward            = {feed_forward}
initial_connection      = partial_direct 0.7
activation_default      = random
activation_mutate_rate  = 0.1
activation_options      = {activations}
aggregation_default     = sum
aggregation_mutate_rate = 0.0
aggregation_options     = sum
bias_init_mean          = 0.0
bias_init_stdev         = 0.7
bias_init_type          = gaussian
bias_max_value          = 2.0
bias_min_value          = -2.0
bias_mutate_power       = 0.3
bias_mutate_rate        = 0.3
bias_replace_rate       = 0.1
response_init_mean      = 1.0
response_init_stdev     = 0.3
response_init_type      = gaussian
response_max_value      = 2.0
response_min_value      = -2.0
response_mutate_power   = 0.2
response_mutate_rate    = 0.3
response_replace_rate   = 0.1
weight_init_mean        = 0.0
weight_init_stdev       = 0.7
weight_init_type        = gaussian
weight_max_value        = 2.0
weight_min_value        = -2.0
weight_mutate_power     = 0.3
weight_mutate_rate      = 0.3
weight_replace_rate     = 0.1
time_constant_init_mean = 1.0
time_constant_init_stdev = 0.0
time_constant_init_type = gaussian
time_constant_max_value = 10.0
time_constant_min_value = 0.01
time_constant_mutate_power = 0.0
time_constant_mutate_rate = 0.0
time_constant_replace_rate = 0.0
enabled_default         = True
enabled_mutate_rate     = 0.05
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
compatibility_disjoint_coefficient = 1.0
compatibility_weight_coefficient   = 0.5
conn_add_prob           = 0.6
conn_delete_prob        = 0.25
node_add_prob           = 0.4
node_delete_prob        = 0.12
single_structural_mutation = False
structural_mutation_surer  = default

[DefaultSpeciesSet]
compatibility_threshold = 3.0

[DefaultStagnation]
species_fitness_func = max
max_stagnation       = 20
species_elitism      = 1

[DefaultReproduction]
elitism            = 1
survival_threshold = 0.2
min_species_size   = 2
"""
EVERY_ACTIVATION = (
    "sigmoid", "tanh", "sin", "gauss", "relu", "elu", "lelu", "selu", "softplus", "identity", "clamped", "inv",
    "log", "exp", "abs", "hat", "square", "cube",
)  # fmt: skip
# Those that do not grow faster than their argument: deep networks of the others overflow.
TAME = tuple(name for name in EVERY_ACTIVATION if name not in {"inv", "exp", "square", "cube", "log"})


def config(folder, activations=TAME, n_inputs=4, n_outputs=2, feed_forward=True):
    """Return a neat.Config, read by neat-python from a file in `folder`."""
    path = folder / "neat.cfg"
    path.write_text(
        NEAT_CONFIG.format(
            n_inputs=n_inputs, n_outputs=n_outputs, activations=" ".join(activations), feed_forward=feed_forward
        ),
        encoding="utf-8",
    )
    return neat.Config(
        neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, str(path)
    )


def genome(config, seed, n_mutations=None):
    """Return a genome that neat-python has made and mutated 50 to 200 times."""
    random.seed(seed)
    settings = config.genome_config
    settings.innovation_tracker, settings.node_indexer = InnovationTracker(), None
    made = neat.DefaultGenome(0)
    made.configure_new(settings)
    for _ in range(random.randint(50, 200) if n_mutations is None else n_mutations):
        made.mutate(settings)
    return made
