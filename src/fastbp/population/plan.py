"""What the networks of a population are trained on, checked."""

from dataclasses import dataclass

from fastbp.checks import Array
from fastbp.engine.gate import CheckedSamples
from fastbp.population.dropouts import Dropouts
from fastbp.training.options import Options


@dataclass
class Plan:
    """What is trained on what.

    Attributes
    ----------
    samples, held : CheckedSamples
        What is learned from, and what is held out: they may be the same.
    options : list of Options
        Of each network.
    rows, held_rows : list of array of int64
        Rows of the samples; of those that are held out, none without validation.
    random : array (n,) of uint64
        What the order of each network's samples begins with.
    weights, held_weights : array (n or 1, n_rows), or an empty one
        Weights of the samples, for each network or for all.
    dropout : Dropouts
        What each network leaves out.
    """

    samples: CheckedSamples
    held: CheckedSamples
    options: list[Options]
    rows: list[Array]
    held_rows: list[Array]
    random: Array
    weights: Array
    held_weights: Array
    dropout: Dropouts
