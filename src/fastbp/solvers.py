"""The table of solvers: what takes a step from a gradient g. The steps are in `kernels/formulas/steps.py`.

========  =============  ==========================================================================
name      learning_rate  options and their defaults
========  =============  ==========================================================================
sgd       0.01           momentum=0.0, nesterov=False
adam      0.001          beta_1=0.9, beta_2=0.999, epsilon=1e-8
rmsprop   0.001          rho=0.9, epsilon=1e-8
rprop     0.1            eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0; batch learning only
========  =============  ==========================================================================

rprop's learning rate is the size of its first step. The others also take

schedule : "constant", "inverse_scaling" or "cosine"
    eta; eta / (epoch + 1)**power, with power=0.5; eta (1 + cos(pi epoch / epochs)) / 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastbp import checks, other_names
from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros
from fastbp.kernels.formulas import steps

if TYPE_CHECKING:
    from fastbp.training.minimising.choices import MinimiserChoice

LearningRate = float | Callable[[int], float] | None


@dataclass(frozen=True)
class Option:
    """A number that a solver takes, and where it may lie: [low, high), or (low, high)."""

    default: float
    low: float = 0.0
    high: float = math.inf
    low_open: bool = False


@dataclass(frozen=True)
class Kind:
    """A row of the table."""

    code: int
    learning_rate: float
    options: dict[str, Option]  # in the order of Solver.options
    n_moments: int
    never_negative: tuple[int, ...] = ()  # which of the moments: means of squares, step sizes


_EPSILON = Option(1e-8, low_open=True)
SOLVERS = {
    "sgd": Kind(steps.SGD, 0.01, {"momentum": Option(0.0, high=1.0)}, 1),
    "adam": Kind(
        steps.ADAM,
        0.001,
        {"beta_1": Option(0.9, high=1.0), "beta_2": Option(0.999, high=1.0), "epsilon": _EPSILON},
        2,
        (1,),
    ),
    # The place of beta_2 stays empty, so that epsilon stands where adam has it.
    "rmsprop": Kind(
        steps.RMSPROP, 0.001, {"rho": Option(0.9, high=1.0), "": Option(0.0), "epsilon": _EPSILON}, 1, (0,)
    ),
    "rprop": Kind(
        steps.RPROP,
        0.1,
        {
            "eta_minus": Option(0.5, high=1.0, low_open=True),
            "eta_plus": Option(1.2, low=1.0, low_open=True),
            "step_min": Option(1e-6),
            "step_max": Option(50.0, low_open=True),
        },
        2,
        (1,),
    ),
}
SCHEDULES: dict[str, Callable[[float, int, int, float], float]] = {
    "constant": lambda rate, _epoch, _n_epochs, _power: rate,
    "inverse_scaling": lambda rate, epoch, _n_epochs, power: rate / (epoch + 1) ** power,
    "cosine": lambda rate, epoch, n_epochs, _power: rate * (1 + math.cos(math.pi * epoch / n_epochs)) / 2,
}


@dataclass(frozen=True)
class Choice:
    """A solver as a user has chosen it, checked."""

    name: str
    kind: Kind
    code: int
    values: tuple[float, ...]
    learning_rate: LearningRate
    schedule: str
    power: float

    @property
    def never_negative(self) -> tuple[int, ...]:
        """Which of the moments are never negative."""
        return self.kind.never_negative

    @property
    def batch_only(self) -> bool:
        """Whether the solver needs the gradient of all samples."""
        return self.code == steps.RPROP

    def rates(self, epochs: range, n_epochs: int) -> Array:
        """Learning rate of each of `epochs`, out of n_epochs."""
        if callable(self.learning_rate):
            given = self.learning_rate
            return np.array([checks.number(given(epoch), f"learning_rate({epoch})") for epoch in epochs], np.float64)
        schedule = SCHEDULES[self.schedule]
        return np.array([schedule(self.first_rate, epoch, n_epochs, self.power) for epoch in epochs], np.float64)

    @property
    def first_rate(self) -> float:
        """The learning rate, where it is a number."""
        return float(self.kind.learning_rate if self.learning_rate is None else self.learning_rate)  # type: ignore[arg-type]

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files; of a learning rate that is a function no more than that."""
        rate = self.learning_rate
        return {
            "solver": self.name,
            "nesterov": self.code == steps.NESTEROV,
            **{option: value for option, value in zip(self.kind.options, self.values, strict=True) if option},
            "learning_rate": "a function" if callable(rate) else self.first_rate,
            "schedule": self.schedule,
            "power": self.power,
        }

    def start(
        self, n_filled: int, dtype: np.dtype, *, l1: float, l2: float, n_weights: int, mean: bool
    ) -> steps.Solver:
        """The solver before its first step."""
        state = aligned_zeros((self.kind.n_moments, n_filled), dtype)
        if self.code == steps.RPROP:
            with np.errstate(over="ignore"):  # infinite in float32: the run stops with a warning of its own
                state[1] = self.first_rate
        options = np.zeros(4)
        options[: len(self.values)] = self.values
        address = steps.address_of_step(self.code, dtype)
        return steps.Solver(self.code, address, options, state, np.ones(2), l1, l2, n_weights, mean)


def make_solver(name: object, options: dict[str, Any], learning_rate: LearningRate) -> "Choice | MinimiserChoice":
    """Check a solver's name, options and learning rate."""
    from fastbp.training.minimising.choices import MINIMISERS, make_minimiser

    checked = checks.name_of(name, (*SOLVERS, *MINIMISERS), "solver")
    return (
        make_minimiser(checked, options, learning_rate)
        if checked in MINIMISERS
        else make(checked, options, learning_rate)
    )


def make(name: str, options: dict[str, Any], learning_rate: LearningRate) -> Choice:
    """Check the options and the learning rate of a solver that steps along a gradient."""
    kind = SOLVERS[name]
    options = dict(options)
    code = kind.code
    if name == "sgd" and checks.flag(options.pop("nesterov", False), "nesterov"):
        code = steps.NESTEROV
    schedule, power = "constant", 0.5
    if name != "rprop":
        schedule = checks.name_of(options.pop("schedule", "constant"), SCHEDULES, "schedule")
        power = checks.number(options.pop("power", 0.5), "power")
    for option in options:
        if not option or option not in kind.options:
            unknown_option(option, _options_of(name), name)
    values = tuple(
        checks.number(options.get(option, rule.default), option, low=rule.low, high=rule.high, low_open=rule.low_open)
        for option, rule in kind.options.items()
    )
    if name == "rprop" and values[2] > values[3]:
        raise ValueError(f"step_min must not be above step_max; got {values[2]:g} and {values[3]:g}")
    return Choice(name, kind, code, values, _check_rate(learning_rate, name, schedule), schedule, power)


def _options_of(solver: str) -> list[str]:
    """Names of all options of a solver."""
    own = [option for option in SOLVERS[solver].options if option]
    return own + ["nesterov"] * (solver == "sgd") + ["schedule", "power"] * (solver != "rprop")


def unknown_option(option: str, known: list[str], solver: str) -> NoReturn:
    """Raise the TypeError that a function raises for an unknown keyword, with the one that is meant."""
    from fastbp.network import Network  # its keywords are known when this is called, not when it is imported

    arguments = other_names.keywords_of(Network.fit)
    others = [other for other in SOLVERS if option in _options_of(other)]
    if others:
        hint = f", which is an option of solver {' and '.join(map(repr, others))}"
    else:
        hint = other_names.hint(option, [*known, *arguments], Network.__init__, "Network(..., {}=...)")
    raise TypeError(
        f"fit got an unexpected argument {option!r} (options of solver {solver!r}: {', '.join(known)}){hint}"
    )


def _check_rate(learning_rate: LearningRate, name: object, schedule: str) -> LearningRate:
    if learning_rate is None:
        return None
    if not callable(learning_rate):
        return checks.number(learning_rate, "learning_rate", low_open=True)
    if name == "rprop":
        raise ValueError("learning_rate must be a number for solver 'rprop': the size of its first step")
    if schedule != "constant":
        raise ValueError(f"schedule must be left out where learning_rate is a function of the epoch; got {schedule!r}")
    return learning_rate
