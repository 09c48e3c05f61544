"""Gradients and training on a cluster of Dask's: the same sum over partitions, each added up where it is loaded.

- `training.py`: `fit`, `gradient`: what a user calls;
- `blocks.py`: dask's own arrays and data frames as partitions;
- `cluster.py`: partitions that are summed by tasks: what the client does;
- `tasks.py`: what workers do.

Ensembles, folds and searches need nothing of this: ``joblib.parallel_config("dask")`` works with the estimators.
"""

from fastbp.dask.blocks import arrays
from fastbp.dask.training import fit, gradient

__all__ = ["arrays", "fit", "gradient"]
