"""What a solver goes on from, which a user may have replaced meanwhile: looked at first."""

import numpy as np

from fastbp import checks
from fastbp.engine.gate import Gate
from fastbp.estimators.optimizer import Optimizer
from fastbp.kernels.formulas import steps
from fastbp.solvers import Choice


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
