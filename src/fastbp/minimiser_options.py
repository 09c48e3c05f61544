"""The table of minimisers, and what a user has chosen of it. `solvers.py` says what their options are."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from fastbp import checks
from fastbp.checks import Array


@dataclass(frozen=True)
class Option:
    """A number that a solver takes, and where it may lie: [low, high), or (low, high)."""

    default: float
    low: float = 0.0
    high: float = math.inf
    low_open: bool = False


_SMALLEST = Option(1e-7)
# Dampings of lm, and mu_decrease where none is given
DAMPINGS = {"nielsen": 0.2, "fixed": 0.1}
MINIMISERS: dict[str, dict[str, Option]] = {
    "lm": {
        "mu": Option(1e-2, low_open=True),
        "mu_increase": Option(10.0, low=1.0, low_open=True),
        "mu_decrease": Option(DAMPINGS["nielsen"], high=1.0, low_open=True),
        "mu_max": Option(1e10, low_open=True),
        "acceleration": Option(0.75),
        "min_gradient": _SMALLEST,
    },
    "scg": {"min_gradient": _SMALLEST},
    "cg": {"min_gradient": _SMALLEST},
    "lbfgs": {"min_gradient": _SMALLEST},
    "newton_cg": {"min_gradient": _SMALLEST},
}
# Options that are no number in any range
OTHERS = {"lm": ("damping",), "lbfgs": ("memory",)}
MEMORY = 10  # pairs of L-BFGS


@dataclass(frozen=True)
class MinimiserChoice:
    """A minimiser as a user has chosen it, checked. What `solvers.Choice` is for those that step along a gradient."""

    name: str
    values: dict[str, float]
    damping: str
    memory: int
    given: frozenset[str]  # options that the user named

    batch_only: ClassVar[bool] = True
    keeps_error: ClassVar[bool] = False
    never_negative: ClassVar[tuple[int, ...]] = ()

    def rates(self, _epochs: range, _n_epochs: int) -> Array:
        """There are no learning rates."""
        raise NotImplementedError

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files."""
        others = {"damping": self.damping, "memory": self.memory}
        return {"solver": self.name, **self.values, **{name: others[name] for name in OTHERS.get(self.name, ())}}


@cache
def without_options(name: str) -> MinimiserChoice:
    """A minimiser with its defaults."""
    return with_options(name, {})


def with_options(name: str, options: dict[str, Any]) -> MinimiserChoice:
    """A minimiser with options of names that it knows."""
    damping = checks.name_of(options.get("damping", "nielsen"), DAMPINGS, "damping")
    given = dict(options)
    if given.get("mu_decrease") is None:
        given["mu_decrease"] = DAMPINGS[damping]
    values = {
        option: checks.number(
            given.get(option, rule.default), option, low=rule.low, high=rule.high, low_open=rule.low_open
        )
        for option, rule in MINIMISERS[name].items()
    }
    memory = checks.integer(options.get("memory", MEMORY), "memory", minimum=1)
    return MinimiserChoice(name, values, damping, memory, frozenset(options))
