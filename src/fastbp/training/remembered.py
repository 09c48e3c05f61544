"""What a solver remembers from one `fit` to the next, where both ask for it (`warm=True`)."""

from typing import Any

from fastbp import schedules
from fastbp.checks import Array
from fastbp.training.state import Resumable

OF_A_RUN = (
    "random",
    "order",
    "position",
    "done",
)  # what each training begins anew, or what follows from the parameters
OF_RATES = ("learning_rate", *schedules.OPTIONS, "initial_step")  # which may be others


def remember(training: Resumable) -> None:
    """Keep what the solver knows, beside the network."""
    kept = {name: values.copy() for name, values in training.kept().items() if name not in OF_A_RUN}
    vars(training.net)["_solver_memory"] = (_identity(training), kept)


def recall(training: Resumable) -> bool:
    """Go on from there, unless it was another solver, or had other options; returns whether it does."""
    memory: tuple[dict[str, Any], dict[str, Array]] | None = vars(training.net).get("_solver_memory")
    if memory is None or memory[0] != _identity(training):
        return False
    known = memory[1]
    for name, values in training.kept().items():
        if name in known:
            values[:] = known[name]
    return True


def _identity(training: Resumable) -> dict[str, Any]:
    """The solver and its options."""
    description = training.options.solver.description()
    return {name: value for name, value in description.items() if name not in OF_RATES}
