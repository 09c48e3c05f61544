"""The minimisers: memory of each, and its compiled run. The arithmetic is in `kernels/curvature/`."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fastbp import memory
from fastbp.checks import Array
from fastbp.engine.curvature import FLOAT64
from fastbp.kernels.curvature import conjugate, damped, descent, limited_memory
from fastbp.kernels.curvature.hessians import Assembler
from fastbp.kernels.curvature.jobs import Room
from fastbp.kernels.curvature.loading import Given
from fastbp.kernels.curvature.objective import Wanted
from fastbp.kernels.curvature.plan import Plan
from fastbp.minimiser_options import MinimiserChoice
from fastbp.model.curved import CurvedNetwork
from fastbp.structure.topology import Topology
from fastbp.training.state import Layout

ENDED_BY = {
    descent.GOAL: "goal",
    descent.MIN_GRADIENT: "min_gradient",
    descent.MU_MAX: "mu_max",
    descent.NOT_FINITE: "not finite",
    descent.NO_STEP: "no step",
}
SQUARED = ("squared_error", "sse")
FLAT = ("absolute_error", "quantile")  # losses without second derivatives


class Summed(Protocol):
    """What adds up over the samples: a `Curvature`, or what stands for one whose samples are elsewhere."""

    topology: Topology
    has_rows: bool  # whether rows of the Jacobian can be had

    @property
    def params(self) -> Array:
        """The parameters that everything is worked out at, (n_params,): a view."""

    @property
    def n_params(self) -> int:
        """Number of parameters."""

    def plan(self, *, exact: bool = False) -> Plan:
        """The network as the kernels see it; `exact`: with second derivatives of the activation functions."""

    def wanted(
        self, n_slots: int, scale: float, decay: Array, *, products: bool = False, exact: bool = False,
        bends: bool = False, rows: bool = False,
    ) -> Wanted:  # fmt: skip
        """What a minimiser asks for."""

    def sums_room(self, n_samples: int, n_slots: int) -> Room:
        """Memory for gradients, and for products with one vector."""

    def rows_room(self, n_samples: int, n_slots: int) -> Room:
        """The same, and for rows of a Jacobian."""

    def assembly_room(self, n_samples: int, n_slots: int) -> Room:
        """Memory for an assembly."""

    def give_back(self, room: Room) -> None:
        """Take back the memory of jobs that are over."""

    def assembler(self, n_slots: int, exact: bool) -> Assembler:
        """What an assembly calls."""


class Objective:
    """What is made small: the samples in float64, and how errors become F.

    Parameters
    ----------
    curvature : Summed
    given : Given
    scale : float
        F = scale sum_n weight_n E_n + sum_p decay_p w_p**2 / 2.
    decay : array (n_params,), or empty
    goal : float
        sum_n weight_n E_n at which to stop.
    """

    curvature: Summed
    given: Given
    scale: float
    decay: Array
    goal: float

    def __init__(self, curvature: Summed, given: Given, scale: float, decay: Array, goal: float) -> None:
        self.curvature, self.given, self.scale, self.decay, self.goal = curvature, given, scale, decay, goal


class Minimiser(Protocol):
    """A minimiser between two compiled calls; `error` is sum_n weight_n E_n at the parameters, once it is known."""

    @property
    def error(self) -> float:
        """See above."""

    def run(self, n_epochs: int, n_slots: int) -> tuple[str | None, Array]:
        """Up to so many epochs: (why there are no more, or None; sum_n weight_n E_n after each)."""

    def kept(self) -> dict[str, Array]:
        """The arrays that a checkpoint keeps beside the parameters."""

    def forget(self) -> None:
        """The parameters have been changed: what is known of them no longer holds."""

    def give_back(self) -> None:
        """There are no more calls for now: the memory of the jobs is for others."""


def minimiser_of(choice: MinimiserChoice, objective: Objective, net: CurvedNetwork) -> Minimiser:
    """The minimiser that was chosen, for the loss and the functions of a network."""
    if choice.name == "lm":
        return LevenbergMarquardt(choice, objective, net.loss_name, can_accelerate(net))
    return AlongDirections(choice, objective)


def can_accelerate(net: CurvedNetwork) -> bool:
    """Whether second derivatives of the outputs along a direction are known."""
    return not net.functions_without_bend() and (not net.has_softmax or net.loss_name == "cross_entropy")


class _Room:
    """The memory of a minimiser's jobs, on as many threads as there are at the time; made by `make`."""

    def __init__(self, objective: Objective, make: Callable[[int, int], Room]) -> None:
        self._objective, self._make = objective, make
        self._room: Room | None = None

    def of(self, n_slots: int) -> Room:
        """For calls on so many threads."""
        if self._room is None or len(self._room.tiles) != n_slots:
            self.give_back()
            self._room = self._make(len(self._objective.given.x), n_slots)
        return self._room

    def give_back(self) -> None:
        """Leave the memory to others."""
        if self._room is not None:
            self._objective.curvature.give_back(self._room)
        self._room = None


class LevenbergMarquardt:
    """Levenberg and Marquardt's minimiser; `mus` are those of the epochs of the last call."""

    is_small: bool
    mus: Array

    def __init__(self, choice: MinimiserChoice, objective: Objective, loss: str, can_accelerate: bool) -> None:
        curvature, given = objective.curvature, objective.given
        n_params, n_residuals = curvature.n_params, len(given.x) * curvature.topology.n_outputs
        self._objective = objective
        stores_rows = loss in SQUARED and not objective.decay.size and curvature.has_rows
        self.is_small = stores_rows and n_residuals < n_params
        n = n_residuals if self.is_small else n_params
        stride = (-(-n // 8) | 1) * 8
        n_rows, n_columns = (n * (n_params + 2), n_params) if self.is_small else (0, 0)
        n_numbers = n * n + (n + n_columns) * stride + n_rows
        memory.check(8 * n_numbers, "the memory of solver 'lm'", f"matrices of {n:,} x {n:,}, and what goes with them,")
        values = choice.values
        options = np.zeros(damped.N_OPTIONS)
        options[damped.FIRST_MU], options[damped.IS_NIELSEN] = values["mu"], choice.damping == "nielsen"
        options[damped.INCREASE], options[damped.DECREASE] = values["mu_increase"], values["mu_decrease"]
        options[damped.LARGEST_MU], options[damped.SMALLEST_GRADIENT] = values["mu_max"], values["min_gradient"]
        accelerates = can_accelerate and not self.is_small
        options[damped.ACCELERATION] = values["acceleration"] if accelerates else 0.0
        options[damped.GOAL_ERROR] = objective.goal
        self._damping = damped.Damping(
            matrix=np.zeros((n, n)),
            upper=np.zeros((n, stride)),
            rows=np.zeros(n_rows),
            columns=np.zeros((n_columns, stride)),
            vectors=np.zeros((4, n_params)),
            state=np.zeros(damped.N_STATE),
            options=options,
        )
        self._exact = bool(options[damped.ACCELERATION])  # second derivatives of the functions, of the path alone
        self._room = _Room(objective, curvature.rows_room if self.is_small else curvature.assembly_room)
        self.mus = np.empty(0)

    def run(self, n_epochs: int, n_slots: int) -> tuple[str | None, Array]:
        """See `Minimiser`."""
        objective = self._objective
        curvature, given = objective.curvature, objective.given
        wanted = curvature.wanted(n_slots, objective.scale, objective.decay, bends=self._exact, rows=self.is_small)
        assembler = curvature.assembler(n_slots, False)
        losses, self.mus = np.zeros(n_epochs), np.zeros(n_epochs)
        ended, n_done = damped.levenberg_marquardt(
            curvature.plan(exact=self._exact), given, self._room.of(n_slots), wanted, assembler, self._damping,
            losses, self.mus,
        )  # fmt: skip
        self.mus = self.mus[:n_done]
        return ENDED_BY.get(ended), losses[:n_done]

    def kept(self) -> dict[str, Array]:
        """See `Minimiser`."""
        return {"damping": self._damping.state[: damped.N_KEPT]}

    @property
    def error(self) -> float:
        """See `Minimiser`."""
        return float(self._damping.state[damped.ERROR])

    def forget(self) -> None:
        """See `Minimiser`."""
        self._damping.state[damped.IS_KNOWN] = 0.0

    def give_back(self) -> None:
        """See `Minimiser`."""
        self._room.give_back()


# name -> (compiled run, vectors of its own: n of them, whether it asks for products with the exact Hessian, or others)
_ALONG: dict[str, tuple[Callable[..., Any], Callable[[int], int], str]] = {
    "scg": (conjugate.scaled_conjugate_gradients, lambda _memory: 1, "exact"),
    "cg": (conjugate.conjugate_gradients, lambda _memory: 0, ""),
    "newton_cg": (conjugate.truncated_newton, lambda _memory: 3, "gauss_newton"),
    "lbfgs": (limited_memory.l_bfgs, lambda memory: 2 * memory, ""),
}


def n_vectors(choice: MinimiserChoice, n_params: int) -> int:
    """Vectors in the memory of a minimiser along directions: four that all have, and its own."""
    rest = -(-2 * choice.memory // n_params) if choice.name == "lbfgs" else 0  # two numbers for each pair
    return 4 + _ALONG[choice.name][1](choice.memory) + rest


def kept_layout(choice: MinimiserChoice, n_params: int) -> Layout:
    """dtype and shape of what `Minimiser.kept` returns."""
    if choice.name == "lm":
        return {"damping": (FLOAT64, (damped.N_KEPT,))}
    return {"vectors": (FLOAT64, (n_vectors(choice, n_params), n_params)), "descent": (FLOAT64, (descent.N_STATE,))}


class AlongDirections:
    """A minimiser along directions, by its name."""

    def __init__(self, choice: MinimiserChoice, objective: Objective) -> None:
        self._objective, self._room = objective, _Room(objective, objective.curvature.sums_room)
        self._minimise, _n_own, self._products = _ALONG[choice.name]
        n_params = objective.curvature.n_params
        shape = n_vectors(choice, n_params), n_params
        memory.check(8 * math.prod(shape), f"the memory of solver {choice.name!r}", f"{shape[0]} vectors")
        options = np.zeros(descent.N_OPTIONS)
        options[descent.SMALLEST_GRADIENT], options[descent.GOAL_ERROR] = choice.values["min_gradient"], objective.goal
        options[descent.MEMORY] = choice.memory
        state = np.zeros(descent.N_STATE)
        state[descent.N_STEPS] = -1.0 if choice.name in ("cg", "scg") else 0.0
        self._descent = descent.Descent(np.zeros(shape), state, options)

    def run(self, n_epochs: int, n_slots: int) -> tuple[str | None, Array]:
        """See `Minimiser`."""
        objective = self._objective
        curvature, given, exact = objective.curvature, objective.given, self._products == "exact"
        wanted = curvature.wanted(n_slots, objective.scale, objective.decay, products=bool(self._products), exact=exact)
        losses = np.zeros(n_epochs)
        ended, n_done = self._minimise(
            curvature.plan(exact=exact), given, self._room.of(n_slots), wanted, self._descent, losses
        )
        return ENDED_BY.get(ended), losses[:n_done]

    def kept(self) -> dict[str, Array]:
        """See `Minimiser`."""
        return {"vectors": self._descent.vectors, "descent": self._descent.state}

    @property
    def error(self) -> float:
        """See `Minimiser`."""
        return float(self._descent.state[descent.ERROR])

    def forget(self) -> None:
        """See `Minimiser`."""
        self._descent.state[descent.IS_KNOWN] = 0.0

    def give_back(self) -> None:
        """See `Minimiser`."""
        self._room.give_back()
