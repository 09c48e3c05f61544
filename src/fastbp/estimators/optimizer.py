"""What takes an estimator's steps, and with which learning rate."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.engine.gate import CheckedSolver
from fastbp.kernels import codes
from fastbp.kernels.formulas import steps
from fastbp.network import Network
from fastbp.schedules import Schedule
from fastbp.solvers import SOLVERS, Choice

SCHEDULES = ("linear", "cosine", "coslog4", "step")  # over the epochs of a fit; scikit-learn has others
SMALLEST_RATE, RATE_DIVISOR = 1e-6, 5.0  # of the schedule "adaptive"


@dataclass
class Optimizer:
    """What takes the steps, from one call of `partial_fit` to the next."""

    choice: Choice
    learning_rate: float
    solver: steps.Solver

    @classmethod
    def start(cls, estimator: Any, net: Network) -> "Optimizer":
        """The optimizer before its first step."""
        kind = SOLVERS[estimator.solver]
        values = tuple(float(getattr(estimator, name, option.default)) for name, option in kind.options.items())
        code, rate = kind.code, float(estimator.learning_rate_init)
        if estimator.solver == "sgd" and estimator.nesterovs_momentum:
            code = codes.NESTEROV
        choice = Choice(estimator.solver, kind, code, values, rate, Schedule())
        solver = choice.start(net.packed.params.size, net.dtype, net.topology, l1=0.0, l2=0.0, mean=True)
        return cls(choice, rate, solver)

    def linked(self, estimator: Any, net: Network) -> CheckedSolver:
        """The solver with the penalties of today, and with the address its code has in this process."""
        address = steps.address_of_step(self.choice.code, net.dtype)
        l1, l2, n_weights = float(estimator.l1), float(estimator.alpha), net.topology.n_weights
        today = self.solver._replace(kind=self.choice.code, address=address, l1=l1, l2=l2, n_weights=n_weights)
        checked = net.engine.gate.solver(today)
        self.solver = checked.solver
        return checked

    def rates(self, estimator: Any, n_epochs: int, n_samples: int) -> Array:
        """Learning rates of the next epochs."""
        if estimator.learning_rate in SCHEDULES:
            schedule, first = Schedule(estimator.learning_rate), estimator.n_iter_
            factors = [schedule.factor(epoch, estimator.max_iter) for epoch in range(first, first + n_epochs)]
            return self.choice.first_rate * np.array(factors)
        rates = np.full(n_epochs, self.learning_rate)
        if n_epochs > 1 and estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rates[1:] = [self._scaled(estimator, estimator.t_ + k * n_samples) for k in range(1, n_epochs)]
        return rates

    def end_epoch(self, estimator: Any) -> None:
        """Follow the schedule."""
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            self.learning_rate = self._scaled(estimator, estimator.t_)

    def _scaled(self, estimator: Any, t: int) -> float:
        return float(self.choice.first_rate / (t + 1) ** estimator.power_t)

    def stops(self, estimator: Any, message: str) -> bool:
        """Whether to stop where nothing got better, or to go on with a smaller learning rate."""
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            tell(estimator, message + " Stopping.")
            return True
        if self.learning_rate <= SMALLEST_RATE:
            tell(estimator, message + " Learning rate too small. Stopping.")
            return True
        self.learning_rate /= RATE_DIVISOR
        tell(estimator, f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


def tell(estimator: Any, text: str) -> None:
    """Say something if the user wants to hear it."""
    if estimator.verbose:
        print(text)


def check_schedule(estimator: Any, *, incremental: bool) -> None:
    """Refuse a schedule where there is no learning rate, or no last epoch."""
    name = estimator.learning_rate
    if name not in SCHEDULES:
        return
    if incremental:
        raise ValueError(f"learning_rate={name!r} goes over max_iter epochs of fit: partial_fit does not know the last")
    if estimator.solver not in ("sgd", "adam", "rmsprop"):
        raise ValueError(f"learning_rate={name!r} is for solvers 'sgd', 'adam' and 'rmsprop'; got {estimator.solver!r}")
