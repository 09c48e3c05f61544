"""The activation functions of neat-python, each with its derivative.

Where a function has a kink, or an argument is cut off, h' is the derivative from the left; where `inv` jumps, it
is 0, as h is there. So what is cut off at a lower bound has derivative 0 at that bound, and what is cut off at an
upper bound has that of the inside.
"""

import math

from fastbp.activations import ACTIVATIONS as BUILT_IN
from fastbp.activations import Activation

LEAK = 0.005
LOWEST_OF_LOG = 1e-7


def _sigmoid(a: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, 5.0 * a))))


def _d_sigmoid(a: float) -> float:
    if not -60.0 < 5.0 * a <= 60.0:
        return 0.0
    e = math.exp(-5.0 * abs(a))
    return 5.0 * e / ((1.0 + e) * (1.0 + e))


def _tanh(a: float) -> float:
    return math.tanh(max(-60.0, min(60.0, 2.5 * a)))


def _d_tanh(a: float) -> float:
    if not -60.0 < 2.5 * a <= 60.0:
        return 0.0
    z = 1.0 / math.cosh(2.5 * a)
    return 2.5 * z * z


def _sin(a: float) -> float:
    return math.sin(max(-60.0, min(60.0, 5.0 * a)))


def _d_sin(a: float) -> float:
    return 5.0 * math.cos(5.0 * a) if -60.0 < 5.0 * a <= 60.0 else 0.0


def _gauss(a: float) -> float:
    inside = max(-3.4, min(3.4, a))
    return math.exp(-5.0 * inside * inside)


def _d_gauss(a: float) -> float:
    return -10.0 * a * math.exp(-5.0 * a * a) if -3.4 < a <= 3.4 else 0.0


def _lelu(a: float) -> float:
    return a if a > 0.0 else LEAK * a


def _d_lelu(a: float) -> float:
    return 1.0 if a > 0.0 else LEAK


def _softplus(a: float) -> float:
    return 0.2 * math.log(1.0 + math.exp(max(-60.0, min(60.0, 5.0 * a))))


def _d_softplus(a: float) -> float:
    return 1.0 / (1.0 + math.exp(-5.0 * a)) if -60.0 < 5.0 * a <= 60.0 else 0.0


def _clamped(a: float) -> float:
    return max(-1.0, min(1.0, a))


def _d_clamped(a: float) -> float:
    return 1.0 if -1.0 < a <= 1.0 else 0.0


def _inv(a: float) -> float:
    return 0.0 if a == 0.0 else 1.0 / a


def _d_inv(a: float) -> float:
    return 0.0 if a == 0.0 else -1.0 / a / a  # a * a may be 0


def _log(a: float) -> float:
    return math.log(max(LOWEST_OF_LOG, a))


def _d_log(a: float) -> float:
    return 1.0 / a if a > LOWEST_OF_LOG else 0.0


def _exp(a: float) -> float:
    return math.exp(max(-60.0, min(60.0, a)))


def _d_exp(a: float) -> float:
    return math.exp(a) if -60.0 < a <= 60.0 else 0.0


def _abs(a: float) -> float:
    return abs(a)


def _d_abs(a: float) -> float:
    return 1.0 if a > 0.0 else -1.0


def _hat(a: float) -> float:
    return max(0.0, 1.0 - abs(a))


def _d_hat(a: float) -> float:
    if -1.0 < a <= 0.0:
        return 1.0
    return -1.0 if 0.0 < a <= 1.0 else 0.0


def _square(a: float) -> float:
    return a * a


def _d_square(a: float) -> float:
    return 2.0 * a


def _cube(a: float) -> float:
    return a * a * a


def _d_cube(a: float) -> float:
    return 3.0 * a * a


# neat-python's name -> its function here. Compiled once in a process, for all networks that have them.
ACTIVATIONS: dict[str, Activation] = {
    "identity": BUILT_IN["identity"],
    "relu": BUILT_IN["relu"],
    "elu": BUILT_IN["elu"],
    "selu": BUILT_IN["selu"],
} | {
    name: Activation(f"neat {name}", h, dh)
    for name, (h, dh) in {
        "sigmoid": (_sigmoid, _d_sigmoid),
        "tanh": (_tanh, _d_tanh),
        "sin": (_sin, _d_sin),
        "gauss": (_gauss, _d_gauss),
        "lelu": (_lelu, _d_lelu),
        "softplus": (_softplus, _d_softplus),
        "clamped": (_clamped, _d_clamped),
        "inv": (_inv, _d_inv),
        "log": (_log, _d_log),
        "exp": (_exp, _d_exp),
        "abs": (_abs, _d_abs),
        "hat": (_hat, _d_hat),
        "square": (_square, _d_square),
        "cube": (_cube, _d_cube),
    }.items()
}
