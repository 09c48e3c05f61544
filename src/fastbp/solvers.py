"""The table of solvers: what takes a step from a gradient g. The steps are in `kernels/formulas/steps.py`.

=========  =============  ==========================================================================
name       learning_rate  options and their defaults
=========  =============  ==========================================================================
sgd        0.01           momentum=0.0, nesterov=False
adam       0.001          beta_1=0.9, beta_2=0.999, epsilon=1e-8
rmsprop    0.001          rho=0.9, epsilon=1e-8
rprop      0.1            variant="irprop-", initial_step=None, eta_minus=0.5, eta_plus=1.2,
                          step_min=1e-6, step_max=50.0; batch learning only
quickprop  0.1            max_growth=1.75; batch learning only
=========  =============  ==========================================================================

Minimisers take all samples at once, in float64, and find the length of their steps themselves, without learning_rate.

=========  ====================================================================================
lm         mu=0.01, damping="nielsen", mu_increase=10.0, mu_decrease=None, mu_max=1e10,
           acceleration=0.75, min_gradient=1e-7
scg        min_gradient=1e-7
cg         min_gradient=1e-7
lbfgs      memory=10, min_gradient=1e-7
newton_cg  min_gradient=1e-7
=========  ====================================================================================

- lm: Levenberg and Marquardt's, with the Gauss-Newton matrix, see `Network.hessian`. mu is in units of the largest
  element of the first matrix's diagonal, mu_max of that of the matrix at hand. damping "nielsen" leads mu by how well
  the last step was predicted, down to mu_decrease of it at once; "fixed" multiplies it by mu_decrease or mu_increase,
  as MATLAB's trainlm does. mu_decrease=None is 0.2 for "nielsen" and 0.1 for "fixed". acceleration: up to which part of
  a step its second-order correction is trusted; 0: none. Memory grows with the square of the parameters; or of the
  residuals, of squared errors that are fewer and without l2.
- scg: Moller's scaled conjugate gradients. cg: Polak and Ribiere's, with a search along each line. lbfgs: with `memory`
  steps. newton_cg: Gauss-Newton steps by conjugate gradients.

min_gradient ends a training where the gradient is shorter.

rprop's learning rate is the size of its first step; or `initial_step` is: an array (n_params,) in the order of
`Network.params`, or a pair (low, high) between which each weight's is drawn, from the seed. variant says what follows
where a gradient changes its sign (Igel and Huesken 2000): the smaller step back, "rprop-"; no step, "irprop-"; the last
step undone, "rprop+" (Riedmiller and Braun 1993), or undone only if the error has grown, "irprop+". "rprop-" is what
older benchmarks were run with. quickprop is Fahlman's (1988). The other solvers also take

schedule : "constant", "linear", "cosine", "coslog4", "inverse_scaling" or "step"
    How the rate goes on from epoch to epoch, with `warm_up` epochs before: see `fastbp.schedules`.

and, sgd, adam and rmsprop,

rate_factors : {"layers": [1, 0.5], "bias": 0.1}, or an array (n_params,)
    What the learning rate is multiplied by for the weights and biases that arrive at each layer after the inputs, and
    besides for all biases; one of the two keys will do. Or a factor for each parameter, in the order of
    `Network.params`; 0 keeps it as it is. On-line learning then takes the slower way of batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fastbp import checks, other_names, schedules
from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros
from fastbp.kernels import codes
from fastbp.kernels.formulas import scaled_steps, steps
from fastbp.minimiser_options import (
    MINIMISERS,
    OTHERS,
    MinimiserChoice,
    Option,
    with_options,
    without_options,
)
from fastbp.rate_factors import RateFactors, take_factors
from fastbp.schedules import Schedule, take_schedule
from fastbp.structure.topology import Topology

LearningRate = float | Callable[[int], float] | None
InitialStep = Array | tuple[float, float] | None
Callers = tuple[Callable[..., Any], Callable[..., Any]] | None


@dataclass(frozen=True)
class Kind:
    """A row of the table."""

    code: int
    learning_rate: float
    options: dict[str, Option]  # in the order of Solver.options
    n_moments: int
    never_negative: tuple[int, ...] = ()  # which of the moments: means of squares, step sizes


def _kind(name: str, learning_rate: float, never_negative: tuple[int, ...] = (), **options: Option) -> Kind:
    """A row of the table, with its options in the order in which the kernels want them."""
    in_order = {option: options[option] for option in codes.SOLVERS[name].options}
    return Kind(codes.OF_SOLVER[name], learning_rate, in_order, codes.SOLVERS[name].n_moments, never_negative)


_EPSILON = Option(1e-8, low_open=True)
SOLVERS = {
    "sgd": _kind("sgd", 0.01, momentum=Option(0.0, high=1.0)),
    "adam": _kind("adam", 0.001, (1,), beta_1=Option(0.9, high=1.0), beta_2=Option(0.999, high=1.0), epsilon=_EPSILON),
    "rmsprop": _kind("rmsprop", 0.001, (0,), rho=Option(0.9, high=1.0), epsilon=_EPSILON),
    "quickprop": _kind("quickprop", 0.1, max_growth=Option(1.75, low_open=True)),
    "rprop": _kind(
        "rprop",
        0.1,
        (1,),
        eta_minus=Option(0.5, high=1.0, low_open=True),
        eta_plus=Option(1.2, low=1.0, low_open=True),
        step_min=Option(1e-6),
        step_max=Option(50.0, low_open=True),
    ),
}
# What changes of sign lead to -> the name of the step
VARIANTS = {"irprop-": "rprop", "rprop-": "rprop_minus", "rprop+": "rprop_plus", "irprop+": "irprop_plus"}
_NEED_ALL = ("rprop", "quickprop")


@dataclass(frozen=True)
class Choice:
    """A solver as a user has chosen it, checked."""

    name: str
    kind: Kind
    code: int
    values: tuple[float, ...]
    learning_rate: LearningRate
    schedule: Schedule
    initial_step: InitialStep = None
    factors: RateFactors | None = None

    @property
    def never_negative(self) -> tuple[int, ...]:
        """Which of the moments are never negative."""
        return self.kind.never_negative

    @property
    def batch_only(self) -> bool:
        """Whether the solver needs the gradient of all samples."""
        return self.name in _NEED_ALL

    @property
    def keeps_error(self) -> bool:
        """Whether the solver's scalars are errors, or else powers between 0 and 1."""
        return self.code == codes.IRPROP_PLUS

    def check_size(self, topology: Topology) -> None:
        """Refuse options that belong to a network with other parameters."""
        n_params = topology.n_params
        if self.factors is not None:
            self.factors.check_size(topology)
        if isinstance(self.initial_step, np.ndarray) and self.initial_step.shape != (n_params,):
            raise ValueError(
                f"initial_step must have shape ({n_params},), a step for each parameter, or be a pair (low, high); "
                f"got shape {self.initial_step.shape}"
            )

    def rates(self, epochs: range, n_epochs: int) -> Array:
        """Learning rate of each of `epochs`, out of n_epochs."""
        if callable(self.learning_rate):
            given = self.learning_rate
            return np.array([checks.number(given(epoch), f"learning_rate({epoch})") for epoch in epochs], np.float64)
        return self.first_rate * self.schedule.factors(epochs, n_epochs)

    @property
    def first_rate(self) -> float:
        """The learning rate, where it is a number."""
        return float(self.kind.learning_rate if self.learning_rate is None else self.learning_rate)  # type: ignore[arg-type]

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files; of a learning rate that is a function no more than that."""
        rate = self.learning_rate
        others: dict[str, Any] = {}
        if self.name == "rprop" and self.code != self.kind.code:  # older files say nothing of these two
            others["variant"] = next(name for name, step in VARIANTS.items() if codes.OF_SOLVER[step] == self.code)
        if self.initial_step is not None:
            others["initial_step"] = np.asarray(self.initial_step).tolist()
        if self.factors is not None:
            others["rate_factors"] = self.factors.description()
        return {
            "solver": self.name,
            "nesterov": self.code == codes.NESTEROV,
            **dict(zip(self.kind.options, self.values, strict=True)),
            "learning_rate": "a function" if callable(rate) else self.first_rate,
            **self.schedule.description(),
            **others,
        }

    @property
    def by_batches(self) -> bool:
        """Whether batches of one sample are batches: on-line learning compares no errors, and knows no factors."""
        return self.keeps_error or self.factors is not None

    @property
    def n_state_rows(self) -> int:
        """Numbers that are kept for each parameter."""
        return self.kind.n_moments + (0 if self.factors is None else scaled_steps.FACTOR_ROWS)

    def start(
        self, n_filled: int, dtype: np.dtype, topology: Topology, *, l1: float, l2: float, mean: bool,
        draw: np.random.Generator | None = None,
    ) -> steps.Solver:  # fmt: skip
        """The solver before its first step; `draw` is for a range of first steps."""
        state = aligned_zeros((self.n_state_rows, n_filled), dtype)
        if self.factors is not None:
            state[self.kind.n_moments, : topology.n_params] = self.factors.of_parameters(topology)
        if self.name == "rprop":
            with np.errstate(over="ignore"):  # infinite in float32: the run stops with a warning of its own
                state[1] = self.first_rate
            if isinstance(self.initial_step, np.ndarray):
                state[1, : self.initial_step.size] = self.initial_step
            elif self.initial_step is not None:
                assert draw is not None
                state[1] = draw.uniform(*self.initial_step, n_filled)
        options = np.zeros(codes.N_OPTIONS)
        options[: len(self.values)] = self.values
        address, scaled = self.step_address(dtype), self.factors is not None
        return steps.Solver(self.code, address, options, state, np.ones(2), l1, l2, topology.n_weights, mean, scaled)

    def step_address(self, dtype: np.dtype) -> int:
        """Address of the function that takes the steps."""
        address_of = steps.address_of_step if self.factors is None else scaled_steps.address_of_scaled_step
        return int(address_of(self.code, dtype))


def make_solver(
    name: object, options: dict[str, Any], learning_rate: LearningRate, callers: Callers = None
) -> Choice | MinimiserChoice:
    """Check a solver's name, options and learning rate.

    `callers`, the function that took the options from a user and its class's constructor, are for the error that names
    the argument which was meant.
    """
    checked = checks.name_of(name, (*SOLVERS, *MINIMISERS), "solver")
    if checked in MINIMISERS:
        return make_minimiser(checked, options, learning_rate, callers)
    return make_choice(checked, options, learning_rate, callers)


def make_choice(
    name: str, options: dict[str, Any], learning_rate: LearningRate = None, callers: Callers = None
) -> Choice:
    """Check the options and the learning rate of a solver that steps along a gradient."""
    kind = SOLVERS[name]
    options = dict(options)
    code = kind.code
    if name == "sgd" and checks.flag(options.pop("nesterov", False), "nesterov"):
        code = codes.NESTEROV
    first_steps = None
    if name == "rprop":
        variant = checks.name_of(options.pop("variant", "irprop-"), VARIANTS, "variant")
        code = codes.OF_SOLVER[VARIANTS[variant]]
        first_steps = _check_steps(options.pop("initial_step", None), learning_rate)
    schedule = Schedule() if name == "rprop" else take_schedule(options)
    factors = take_factors(options) if code in scaled_steps.SCALABLE else None
    for option in options:
        if option not in kind.options:
            refuse_unknown(option, options_of_solver(name), name, callers)
    values = tuple(
        checks.number(options.get(option, rule.default), option, low=rule.low, high=rule.high, low_open=rule.low_open)
        for option, rule in kind.options.items()
    )
    if name == "rprop" and values[2] > values[3]:
        raise ValueError(f"step_min must not be above step_max; got {values[2]:g} and {values[3]:g}")
    rate = check_rate(learning_rate, name, schedule)
    return Choice(name, kind, code, values, rate, schedule, first_steps, factors)


def make_minimiser(
    name: str, options: dict[str, Any], learning_rate: LearningRate, callers: Callers = None
) -> MinimiserChoice:
    """Check the options of a minimiser."""
    if learning_rate is not None:
        raise ValueError(f"learning_rate must be left out for solver {name!r}, which finds the length of its steps")
    if not options:
        return without_options(name)
    rules, others = MINIMISERS[name], OTHERS.get(name, ())
    for option in options:
        if option not in rules and option not in others:
            refuse_unknown(option, [*rules, *others], name, callers)
    return with_options(name, options)


def options_of_solver(solver: str) -> list[str]:
    """Names of all options of a solver."""
    if solver in MINIMISERS:
        return [*MINIMISERS[solver], *OTHERS.get(solver, ())]
    by_rate, of_schedule = [*schedules.OPTIONS, "rate_factors"], list(schedules.OPTIONS)
    further = {"sgd": ["nesterov", *by_rate], "rprop": ["variant", "initial_step"], "quickprop": of_schedule}
    return [*SOLVERS[solver].options, *further.get(solver, by_rate)]


def refuse_unknown(option: str, known: list[str], solver: str, callers: Callers) -> NoReturn:
    """Raise the TypeError that a function raises for an unknown keyword, with the one that is meant."""
    arguments = other_names.keywords_of(callers[0]) if callers else set()
    others = [other for other in (*SOLVERS, *MINIMISERS) if option in options_of_solver(other)]
    if others:
        hint = f", which is an option of solver {' and '.join(map(repr, others))}"
    else:
        hint = other_names.hint(option, [*known, *arguments], callers[1], "Network(..., {}=...)") if callers else ""
    call = callers[0].__name__ if callers else "fit"
    raise TypeError(
        f"{call} got an unexpected argument {option!r} (options of solver {solver!r}: {', '.join(known)}){hint}"
    )


def _check_steps(initial_step: object, learning_rate: LearningRate) -> InitialStep:
    """The sizes of rprop's first steps: an array, or a pair (low, high)."""
    if initial_step is None:
        return None
    if learning_rate is not None:
        raise ValueError(
            "learning_rate must be left out where initial_step is given: both are the size of a first step"
        )
    if isinstance(initial_step, tuple) and len(initial_step) == 2:
        low, high = (checks.number(end, f"initial_step[{k}]", low_open=True) for k, end in enumerate(initial_step))
        if low > high:
            raise ValueError(
                f"initial_step must be a pair (low, high) with low not above high; got ({low:g}, {high:g})"
            )
        return low, high
    given = checks.numeric(initial_step, "initial_step")
    sizes = checks.finite(given, "initial_step", np.dtype(np.float64))
    if given.ndim != 1 or not (sizes > 0).all():
        raise ValueError(
            "initial_step must be an array (n_params,) of numbers above 0, or a pair (low, high); "
            f"got {checks.described(initial_step)}"
        )
    return sizes.copy()


def check_rate(learning_rate: LearningRate, name: object, schedule: Schedule) -> LearningRate:
    """A learning rate that goes with a solver and a schedule."""
    if learning_rate is None:
        return None
    if not callable(learning_rate):
        return checks.number(learning_rate, "learning_rate", low_open=True)
    if name == "rprop":
        raise ValueError("learning_rate must be a number for solver 'rprop': the size of its first step")
    if schedule.name != "constant" or schedule.warm_up:
        raise ValueError(
            "schedule and warm_up must be left out where learning_rate is a function of the epoch; got "
            f"{schedule.name!r}, {schedule.warm_up}"
        )
    return learning_rate
