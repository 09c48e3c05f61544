"""The numbers by which the kernels know activation functions, losses and solvers, each of them stated here alone.

Users and files know the names. What a name computes stands under the same name in `formulas/activations.py`,
`formulas/losses.py` and `formulas/steps.py`, with its derivative as `<name>_slope`
and the second one as `<name>_bend`: without, what needs it is refused. New names go to the end.
"""

from collections.abc import Iterable
from typing import NamedTuple

# Activation functions of a unit, and whether a is needed for the derivative: where z is enough, a is not kept beside it
ACTIVATIONS = {
    "identity": False,
    "logistic": False,
    "tanh": False,
    "relu": False,
    "leaky_relu": False,
    "elu": True,
    "softplus": True,
    "softsign": True,
    "gelu": True,
    "silu": True,
    "sin": True,
    "gaussian": True,
    "threshold": False,
    "exp": False,
    "selu": True,
    "mish": True,
    "ramp": False,
}

# Losses of an output
LOSSES = (
    "squared_error",
    "sse",
    "cross_entropy",
    "binary_cross_entropy",
    "poisson",
    "absolute_error",
    "huber",
    "quantile",
)


class Form(NamedTuple):
    """What the kernels are given of a solver."""

    n_moments: int  # numbers that it remembers of each parameter
    options: tuple[str, ...]  # in this order


_RPROP = Form(2, ("eta_minus", "eta_plus", "step_min", "step_max"))
SOLVERS = {
    "sgd": Form(1, ("momentum",)),
    "nesterov": Form(1, ("momentum",)),
    "adam": Form(2, ("beta_1", "beta_2", "epsilon")),
    "rmsprop": Form(1, ("rho", "epsilon")),
    "rprop": _RPROP,
    "rprop_minus": _RPROP,
    "rprop_plus": _RPROP,
    "irprop_plus": _RPROP,
    "quickprop": Form(2, ("max_growth",)),
}
N_OPTIONS: int = max(len(form.options) for form in SOLVERS.values())  # that there is room for


def numbered(names: Iterable[str]) -> dict[str, int]:
    """name -> number."""
    return {name: number for number, name in enumerate(names)}


OF_ACTIVATION, OF_LOSS, OF_SOLVER = numbered(ACTIVATIONS), numbered(LOSSES), numbered(SOLVERS)

# Those that have a treatment of their own
IDENTITY, LOGISTIC, TANH = (OF_ACTIVATION[name] for name in ("identity", "logistic", "tanh"))
RELU, THRESHOLD, EXP = (OF_ACTIVATION[name] for name in ("relu", "threshold", "exp"))
SOFTMAX: int = len(ACTIVATIONS)  # of a whole layer, see outputs.py and derivation.py
CUSTOM: int = SOFTMAX + 1  # a user's own

CROSS_ENTROPY, BINARY_CROSS_ENTROPY = OF_LOSS["cross_entropy"], OF_LOSS["binary_cross_entropy"]
SQUARED_ERROR, POISSON = OF_LOSS["squared_error"], OF_LOSS["poisson"]
LINEAR: int = len(LOSSES)  # no user's loss: delta of the outputs is then v h', where v stands for the targets

SGD, NESTEROV, ADAM, IRPROP_PLUS = (OF_SOLVER[name] for name in ("sgd", "nesterov", "adam", "irprop_plus"))

# Functions whose derivative is worked out from a
NEEDS_A = frozenset({*(OF_ACTIVATION[name] for name, from_a in ACTIVATIONS.items() if from_a), CUSTOM})

# Functions that the kernels call by name: nothing is compiled for them
IN_KERNELS = (IDENTITY, RELU)
