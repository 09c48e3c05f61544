"""A generation of genomes as one population: their outputs, and their training, in one call each."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastbp import checks
from fastbp.activations import Activation
from fastbp.losses import Loss
from fastbp.neat.genome import NO_ACTIVATIONS, from_genome
from fastbp.population import Population


def population(
    genomes: Iterable[Any],
    config: Any,
    *,
    activations: Mapping[str, Activation] = NO_ACTIVATIONS,
    loss: str | Loss = "squared_error",
    dtype: Any = "float64",
) -> Population:
    """The networks that the genomes of a generation describe, to be asked and trained together.

    Parameters
    ----------
    genomes : iterable of neat.DefaultGenome
        Or of pairs (key, genome), as neat-python hands them to what evaluates a generation.
    config : neat.Config
        Or its genome_config.
    activations, loss, dtype
        As `from_genome` takes them.

    Returns
    -------
    Population
        Of what `from_genome` makes of each genome, in their order.

    Raises
    ------
    ValueError
        As `from_genome` raises it, with the place of the genome; and if there is none.

    Examples
    --------
    All genomes are refined by some epochs, evaluated, and have the learnt weights for their children to inherit::

        def evaluate(genomes, config):
            pop = fastbp.neat.population(genomes, config)
            pop.fit(X, T, epochs=20, learning_rate=0.01, seeds=0)
            for (_key, genome), net, loss in zip(genomes, pop, pop.losses(X, T)):
                genome.fitness = -loss
                write_back(net, genome, config)
    """
    networks = []
    for place, given in enumerate(checks.items(genomes, "genomes", "genomes, or pairs (key, genome)")):
        genome = given[1] if isinstance(given, tuple) and len(given) == 2 else given
        if not (hasattr(genome, "nodes") and hasattr(genome, "connections")):
            raise TypeError(f"genomes[{place}] must be a genome of neat-python; got {checks.described(genome)}")
        try:
            networks.append(from_genome(genome, config, activations=activations, loss=loss, dtype=dtype))
        except ValueError as error:
            raise ValueError(f"genomes[{place}]: {error}") from error
    if not networks:
        raise ValueError("genomes must have one genome at least; got none")
    return Population(networks)
