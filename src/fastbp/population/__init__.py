"""Many networks at once: restarts, folds, ensembles, searches over settings, generations of evolved networks.

In reading order: `population.py` is what a user holds; `wishes.py` what each network's training is asked for;
`kinds.py` sorts the networks; `training.py` runs the epochs, by the tables that `crew.py` makes for the kernels.
"""

from fastbp.population.population import Population

__all__ = ["Population"]
