"""The table of minimisers: their options, checked.

=========  =====================================================================================
name       options and their defaults
=========  =====================================================================================
lm         mu=0.01, damping="nielsen", mu_increase=10.0, mu_decrease=0.1, mu_max=1e10,
           acceleration=0.75, min_gradient=1e-7
scg        min_gradient=1e-7
cg         min_gradient=1e-7
lbfgs      memory=10, min_gradient=1e-7
newton_cg  min_gradient=1e-7
=========  =====================================================================================
"""

from dataclasses import dataclass
from typing import Any

from fastbp import checks
from fastbp.checks import Array
from fastbp.solvers import LearningRate, Option, unknown_option

_SMALLEST = Option(1e-7)
MINIMISERS: dict[str, dict[str, Option]] = {
    "lm": {
        "mu": Option(1e-2, low_open=True),
        "mu_increase": Option(10.0, low=1.0, low_open=True),
        "mu_decrease": Option(0.1, high=1.0, low_open=True),
        "mu_max": Option(1e10, low_open=True),
        "acceleration": Option(0.75),
        "min_gradient": _SMALLEST,
    },
    "scg": {"min_gradient": _SMALLEST},
    "cg": {"min_gradient": _SMALLEST},
    "lbfgs": {"min_gradient": _SMALLEST},
    "newton_cg": {"min_gradient": _SMALLEST},
}
DAMPINGS = ("nielsen", "fixed")
# What is no number in any range
_OTHERS = {"lm": ("damping",), "lbfgs": ("memory",)}
MEMORY = 10  # pairs of L-BFGS


@dataclass(frozen=True)
class MinimiserChoice:
    """A minimiser as a user has chosen it, checked. What `solvers.Choice` is for those that step along a gradient."""

    name: str
    values: dict[str, float]
    damping: str
    memory: int
    given: frozenset[str]  # options that the user named

    batch_only = True
    minimises = True

    def rates(self, _epochs: range, _n_epochs: int) -> Array:
        """There are no learning rates."""
        raise NotImplementedError

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files."""
        others = {"damping": self.damping, "memory": self.memory}
        return {"solver": self.name, **self.values, **{name: others[name] for name in _OTHERS.get(self.name, ())}}


def make_minimiser(name: str, options: dict[str, Any], learning_rate: LearningRate) -> MinimiserChoice:
    """Check the options of a minimiser."""
    if learning_rate is not None:
        raise ValueError(f"learning_rate must be left out for solver {name!r}, which finds the length of its steps")
    rules, others = MINIMISERS[name], _OTHERS.get(name, ())
    for option in options:
        if option not in rules and option not in others:
            unknown_option(option, [*rules, *others], name)
    values = {
        option: checks.number(
            options.get(option, rule.default), option, low=rule.low, high=rule.high, low_open=rule.low_open
        )
        for option, rule in rules.items()
    }
    damping = checks.name_of(options.get("damping", "nielsen"), DAMPINGS, "damping")
    memory = checks.integer(options.get("memory", MEMORY), "memory", minimum=1)
    return MinimiserChoice(name, values, damping, memory, frozenset(options))
