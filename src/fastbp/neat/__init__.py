"""Evolved networks: genomes of neat-python, run and trained by fastbp (needs ``fastbp[neat]``).

Evolution itself is neat-python's, and must not be here.

>>> from fastbp.neat import from_genome, population, write_back
"""

from fastbp.neat.activations import ACTIVATIONS
from fastbp.neat.generation import population
from fastbp.neat.genome import from_genome, write_back

__all__ = ["ACTIVATIONS", "from_genome", "population", "write_back"]
