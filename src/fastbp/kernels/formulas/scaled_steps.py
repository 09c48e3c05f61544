"""Weight updates with a learning rate for each parameter: a solver's own step, times factors."""

from functools import cache, partial
from typing import Any

from fastbp.kernels.codes import OF_SOLVER, SOLVERS
from fastbp.kernels.compiling.addresses import for_warm_up, made_once
from fastbp.kernels.compiling.decorators import entry, kernel
from fastbp.kernels.formulas.steps import STEP, STEPS, Rule, add_penalties
from fastbp.kernels.registers.lanes import fma, lanes, load, shift, splat, store

FACTOR_ROWS = 2  # that factors take of a solver's memory
N_MOMENTS = {code: SOLVERS[name].n_moments for name, code in OF_SOLVER.items()}
SCALABLE = tuple(OF_SOLVER[name] for name in ("sgd", "nesterov", "adam", "rmsprop"))  # any length of a step is good


@kernel
def without_penalties(rule):
    """The rule for a gradient that has its penalties already."""
    return Rule(
        rule.kind, rule.options, rule.first, rule.second, rule.decay,
        0.0, 0.0, rule.n_weights, rule.n_params, rule.address,
    )  # fmt: skip


def by_factors(kind: Any) -> Any:
    """An entry: the step of a solver, by its code, in which each parameter goes a factor times as far.

    Behind the moments the solver's memory holds the factors, and room for how far the parameters go.
    """
    own_step, n_moments = STEPS[kind], N_MOMENTS[kind]

    def step(w, g, rule, span):
        factors = shift(rule.first, n_moments * rule.n_params)
        way = shift(factors, rule.n_params)
        add_penalties(w, g, rule, span)
        for p in range(span.start, span.stop, lanes(w)):
            store(way, p, splat(w, 0.0))
        own_step(way, g, without_penalties(rule), span)
        for p in range(span.start, span.stop, lanes(w)):
            store(w, p, fma(load(factors, p), load(way, p), load(w, p)))

    return entry(step, key=f"by factors {kind}")


_SCALED: dict[Any, Any] = {}


@for_warm_up(*((kind,) for kind in SCALABLE))
@cache
def address_of_scaled_step(kind, dtype):
    """Address of the function that takes a solver's step times factors."""
    return STEP.address(made_once(_SCALED, kind, partial(by_factors, kind)), dtype)
