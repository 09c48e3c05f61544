"""Gradients and training on a cluster of Dask's: the same sum over partitions, each added up where it is loaded.

- `training.py`: `fit`, `gradient`, and dask's own arrays as partitions: what a user calls;
- `cluster.py`: partitions that are summed by tasks: what the client does;
- `tasks.py`: what workers do.

Ensembles, folds and searches need nothing of this: ``joblib.parallel_config("dask")`` works with the estimators.
"""

from fastbp.dask.training import arrays, fit, gradient

__all__ = ["arrays", "fit", "gradient"]
