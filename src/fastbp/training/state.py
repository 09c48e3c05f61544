"""What changes in a training, and what a checkpoint needs to know of it."""

from typing import NamedTuple, Protocol

import numpy as np

from fastbp.checks import Array
from fastbp.kernels.formulas import steps
from fastbp.model.computing import ComputingNetwork
from fastbp.solvers import Choice
from fastbp.training.history import History
from fastbp.training.options import Options

ROW = np.dtype(np.uint32)  # numbers of rows, as checkpoints keep them
Layout = dict[str, tuple[np.dtype, tuple[int, ...]]]


class State(NamedTuple):
    """A training between two epochs."""

    seed: int
    n_epochs: int
    stopped_by: str
    best_epoch: int | None
    arrays: dict[str, Array]  # but for the losses, which the history keeps: see `_layout`


class Resumable(Protocol):
    """A training that a checkpoint can be made of, and that can go on from one."""

    @property
    def net(self) -> ComputingNetwork:
        """The network."""

    @property
    def seed(self) -> int:
        """Of all that is drawn."""

    options: Options
    history: History
    n_samples: int
    best: tuple[float, Array]  # the lowest loss so far, and the parameters that had it

    def kept_layout(self) -> Layout:
        """The dtype and shape of each array of `kept`, known before there are any."""

    def kept(self) -> dict[str, Array]:
        """What a checkpoint keeps beside the parameters: arrays that are copied, and written into by `restore`."""


def moments_of(options: Options, solver: steps.Solver) -> Array:
    """What a solver remembers of each parameter; factors of learning rates, which follow from the options, are not."""
    assert isinstance(options.solver, Choice)
    return solver.state[: options.solver.kind.n_moments]
