"""What every peer can do, and the constants of Adam that all of them use."""

from importlib.util import find_spec
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
    def as_given(cls, n_samples, n_epochs=1):
        """The data's own order in each epoch."""
        return cls(np.tile(np.arange(n_samples, dtype=np.int32), (n_epochs, 1)), shuffled=False)

    @classmethod
    def shuffles(cls, n_samples, n_epochs, seed=0):
        rng = np.random.default_rng(seed)
        return cls(rng.permuted(cls.as_given(n_samples, n_epochs).rows, axis=1), shuffled=True)


class Peer:
    """One library's way to train and run a workload's network; the library is imported when a peer is made.

    Identity output, squared error 1/2 sum (y - t)^2, mean over the batch, no regularisation.
    """

    label: str  # heading of its column
    package: str | None = None  # what to import
    slow_to_compile = False  # seconds for each network and dtype

    def __init__(self, workload, X, T):
        raise NotImplementedError

    @classmethod
    def problem(cls):
        """Why it cannot take part on this machine, or None."""
        return None if find_spec(cls.package) else "not installed"

    @classmethod
    def takes(cls, workload):
        """Whether it can do this work at all."""
        return True

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

    def outputs(self):
        """Outputs of all samples, computed when it returns; inputs and outputs are the library's own arrays."""
        raise NotImplementedError

    def gradient(self):
        """Mean gradient of all samples, computed when it returns, in the library's own arrays."""
        raise NotImplementedError

    def gradient_parameters(self):
        """What `gradient` computes, as `Parameters`."""
        raise NotImplementedError
