"""What a training goes on from, beside the weights: attributes that a user may have set meanwhile, looked at first."""

from numbers import Real
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.engine.gate import Gate
from fastbp.estimators.training import Optimizer
from fastbp.kernels.formulas import steps
from fastbp.solvers import Choice

MOST_SEEN = 1 << 62  # samples, so that their number can be added to in 64 bits
_COUNTS = {"t_": MOST_SEEN, "n_iter_": MOST_SEEN, "_no_improvement_count": MOST_SEEN}
_ABSENT_AFTER_LBFGS = ("_no_improvement_count", "loss_curve_")
_BEST = ("best_loss_", "best_validation_score_")
_CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


def check_course(estimator: Any) -> None:
    """Refuse counts, losses and curves that a training cannot go on with; counts become Python's integers.

    Raises
    ------
    ValueError, TypeError
        For counts that are no integers from 0 on, bests that are no numbers, curves that are no lists.
    """
    known = vars(estimator)
    for name, most in _COUNTS.items():
        if name in known or name not in _ABSENT_AFTER_LBFGS:
            known[name] = checks.integer(known.get(name), name, minimum=0, maximum=most)
    for name in _BEST:
        value = known.get(name)
        if value is not None and (not isinstance(value, Real) or isinstance(value, bool)):
            raise TypeError(f"{name} must be a number, or None before there is one; got {checks.described(value)}")
    for name in _CURVES:
        value = known.get(name)
        is_needed = name == "loss_curve_" and name in known
        is_needed |= name == "validation_scores_" and known.get("best_validation_score_") is not None
        if not isinstance(value, list) and (is_needed or value is not None):
            raise TypeError(f"{name} must be a list, which the next epochs are added to; got {checks.described(value)}")


def check_optimizer(optimizer: object, gate: Gate) -> None:
    """Refuse what cannot take the next step of a network, if it is not an optimizer that a training has left."""
    if not isinstance(optimizer, Optimizer) or not isinstance(optimizer.choice, Choice):
        raise TypeError(
            f"_optimizer must be what a training has left there; got {checks.described(optimizer)}: delete it, "
            "del estimator._optimizer, and the solver begins anew"
        )
    if not isinstance(optimizer.solver, steps.Solver):
        raise TypeError(f"_optimizer.solver must be a Solver; got {checks.described(optimizer.solver)}")
    checks.number(optimizer.learning_rate, "_optimizer.learning_rate")
    gate.solver(optimizer.solver._replace(kind=optimizer.choice.code, n_weights=0))
    state = optimizer.solver.state
    if (
        not checks.are_finite(state) and np.isnan(state).any()
    ):  # infinity comes from large gradients, and Adam takes no step
        place = tuple(int(k) for k in np.argwhere(np.isnan(state))[0])
        raise ValueError(
            f"_optimizer.solver.state must hold numbers to go on from; got NaN at {place}: delete it, "
            "del estimator._optimizer, and the solver begins anew"
        )
