"""dask-ml's `Incremental` around scikit-learn's `SGDRegressor`: a linear model, a sample a step, block after block.

With a constant rate and no penalty its steps are those of a network without hidden layer in batches of one.
"""

from functools import partial
from time import process_time

import numpy as np

from .own import processor_time
from .work import N_EPOCHS, Clock


class Incremental:
    """On blocks that the workers of a cluster hold; without a client this process does, and its threads work."""

    def __init__(self, work, folder, client=None):
        import dask

        self.work = work
        self.processor = process_time if client is None else partial(processor_time, client)
        self.scheduler = {"scheduler": "threads"} if client is None else {}
        blocks = blocks_of(f"{folder}/X.npy", work.rows), blocks_of(f"{folder}/T.npy", work.rows)[:, 0]
        self.X, self.y = dask.persist(*blocks, **self.scheduler)

    def turn(self):
        import dask
        from dask_ml.wrappers import Incremental as Wrapper
        from sklearn.linear_model import SGDRegressor

        rate = {"learning_rate": "constant", "eta0": self.work.workload.learning_rate}
        model = Wrapper(SGDRegressor(penalty=None, shuffle=False, **rate), shuffle_blocks=False)
        clock = Clock(self.processor)
        with dask.config.set(**self.scheduler):
            for _ in range(N_EPOCHS):
                model.partial_fit(self.X, self.y)
                clock()
        found = model.estimator_
        return clock.turn([*found.coef_.tolist(), *found.intercept_.tolist()])


def blocks_of(path, n_rows):
    """An array of dask's whose blocks are read from the file where they are needed."""
    import dask
    import dask.array

    there = np.load(path, mmap_mode="r")
    read = dask.delayed(rows)
    starts = range(0, len(there), n_rows)
    found = [read(path, start, start + n_rows) for start in starts]
    shapes = [there[start : start + n_rows].shape for start in starts]
    pairs = zip(found, shapes, strict=True)
    return dask.array.concatenate([dask.array.from_delayed(block, shape, there.dtype) for block, shape in pairs])


def rows(path, start, stop):
    """A block of a file."""
    return np.array(np.load(path, mmap_mode="r")[start:stop])
