"""What every peer can do, and the constants of Adam that all of them use."""

from typing import NamedTuple

import numpy as np

BETA_1, BETA_2 = 0.9, 0.999
# PyTorch adds epsilon after the correction of v, the others before it. This one is too small to matter
# either way, so that all have to arrive at the same parameters. It changes no time.
EPSILON = 1e-16


class Orders(NamedTuple):
    """In which order the samples come, one row of indices for each epoch."""

    rows: np.ndarray  # (n_epochs, n_samples), int32
    shuffled: bool

    @classmethod
    def as_given(cls, n_samples):
        """One epoch in the data's own order."""
        return cls(np.arange(n_samples, dtype=np.int32)[None], shuffled=False)

    @classmethod
    def shuffles(cls, n_samples, n_epochs, seed=0):
        rng = np.random.default_rng(seed)
        rows = np.tile(np.arange(n_samples, dtype=np.int32), (n_epochs, 1))
        return cls(rng.permuted(rows, axis=1), shuffled=True)


class Peer:
    """One library's way to train a workload's network; the library is imported when a peer is made.

    Identity output, squared error 1/2 sum (y - t)^2, mean over the batch, no regularisation.
    """

    label: str  # heading of its column
    package: str | None = None  # what to import for its version

    def __init__(self, workload, X, T):
        raise NotImplementedError

    def load(self, parameters):
        """Start from these `Parameters`."""
        raise NotImplementedError

    def train(self, orders):
        """One epoch for each row of `orders`, from a fresh state of the solver.

        Libraries that shuffle by themselves only look at the number of rows and at `shuffled`.
        """
        raise NotImplementedError

    def parameters(self):
        """The `Parameters` as they are now."""
        raise NotImplementedError

    def one_sample(self, x):
        """Outputs of one sample x (1, n_inputs), NumPy arrays both."""
        raise NotImplementedError
