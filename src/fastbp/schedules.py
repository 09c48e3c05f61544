"""Learning rates from epoch to epoch: eta, the learning rate at its highest, times a factor.

With `epoch` = 0, 1, ... of `epochs`, and t = epoch / epochs:

=================  =====================================================================================
name               factor, and its options
=================  =====================================================================================
constant           1
linear             1 - t
cosine             (1 + cos(pi t)) / 2
coslog4            (1 - cos(2 pi log2(1 + 15 t))) / 2, with t in the middle of the epoch: four waves, each
                   twice as long as the one before (Holzmueller, Grinsztajn and Steinwart 2024)
inverse_scaling    1 / (epoch + 1)**power; power=0.5
step               decay**(epoch // decay_epochs); decay=0.1, decay_epochs=None: a third of the epochs
=================  =====================================================================================

``warm_up=n`` goes with any of them: in the first n epochs the rate rises evenly to eta, (epoch + 1) / (n + 1) of it;
the schedule begins after them, and counts those that are left.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array


@dataclass(frozen=True)
class Schedule:
    """A schedule as a user has chosen it, checked.

    Parameters
    ----------
    name : str
        See the table.
    power, decay, decay_epochs
        Options of single schedules.
    warm_up : int
        Epochs in which the rate rises.
    """

    name: str = "constant"
    power: float = 0.5
    decay: float = 0.1
    decay_epochs: int | None = None
    warm_up: int = 0

    def factor(self, epoch: int, n_epochs: int) -> float:
        """What the learning rate of an epoch, one of n_epochs, is multiplied by."""
        if epoch < self.warm_up:
            return (epoch + 1) / (self.warm_up + 1)
        return FACTORS[self.name](self, epoch - self.warm_up, n_epochs - self.warm_up)

    @lru_cache(maxsize=16)  # noqa: B019  a schedule is a few numbers
    def factors(self, epochs: range, n_epochs: int) -> Array:
        """`factor` of each of some epochs: an array that nobody writes into."""
        found = np.array([self.factor(epoch, n_epochs) for epoch in epochs], np.float64)
        found.flags.writeable = False
        return found

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files: older ones say nothing of what came later."""
        later: dict[str, Any] = {"warm_up": self.warm_up} if self.warm_up else {}
        if self.name == "step":
            later |= {"decay": self.decay, "decay_epochs": self.decay_epochs}
        return {"schedule": self.name, "power": self.power, **later}


def _coslog4(_schedule: Schedule, epoch: int, n_epochs: int) -> float:
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * (epoch + 0.5) / n_epochs))) / 2


def _step(schedule: Schedule, epoch: int, n_epochs: int) -> float:
    return float(schedule.decay ** (epoch // (schedule.decay_epochs or math.ceil(n_epochs / 3))))


# name -> factor of (schedule, epoch, epochs)
FACTORS: dict[str, Callable[[Schedule, int, int], float]] = {
    "constant": lambda _schedule, _epoch, _n_epochs: 1.0,
    "linear": lambda _schedule, epoch, n_epochs: 1 - epoch / n_epochs,
    "cosine": lambda _schedule, epoch, n_epochs: (1 + math.cos(math.pi * epoch / n_epochs)) / 2,
    "coslog4": _coslog4,
    "inverse_scaling": lambda schedule, epoch, _n_epochs: float((epoch + 1) ** -schedule.power),
    "step": _step,
}
OPTIONS = ("schedule", "power", "decay", "decay_epochs", "warm_up")


def take_schedule(options: dict[str, Any]) -> Schedule:
    """The schedule that a solver's options ask for, checked; they are taken out of the dict."""
    decay_epochs = options.pop("decay_epochs", None)
    return Schedule(
        checks.name_of(options.pop("schedule", "constant"), FACTORS, "schedule"),
        checks.number(options.pop("power", 0.5), "power"),
        checks.number(options.pop("decay", 0.1), "decay", high=1.0, low_open=True),
        None if decay_epochs is None else checks.integer(decay_epochs, "decay_epochs", minimum=1),
        checks.integer(options.pop("warm_up", 0), "warm_up", minimum=0),
    )
