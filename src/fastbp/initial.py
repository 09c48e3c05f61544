"""Initial weights."""

from collections.abc import Callable

import numpy as np

from fastbp import checks
from fastbp.checks import Array

# (generator, n_in, n_out) -> (n_out, n_in)
Draw = Callable[[np.random.Generator, int, int], Array]


def _uniform(bound: float, draw: np.random.Generator, n_in: int, n_out: int) -> Array:
    return draw.uniform(-bound, bound, (n_out, n_in))


# Glorot and Bengio (2010); He, Zhang, Ren and Sun (2015)
SCHEMES: dict[str, Draw] = {
    "glorot_uniform": lambda draw, n_in, n_out: _uniform(np.sqrt(6 / (n_in + n_out)), draw, n_in, n_out),
    "glorot_normal": lambda draw, n_in, n_out: draw.normal(0, np.sqrt(2 / (n_in + n_out)), (n_out, n_in)),
    "he_uniform": lambda draw, n_in, n_out: _uniform(np.sqrt(6 / n_in), draw, n_in, n_out),
    "he_normal": lambda draw, n_in, n_out: draw.normal(0, np.sqrt(2 / n_in), (n_out, n_in)),
    "zeros": lambda _draw, n_in, n_out: np.zeros((n_out, n_in)),
}


def resolve(init: object) -> Draw:
    """What draws the weights of a block, from a scheme's name or a bound."""
    if isinstance(init, str):
        return SCHEMES[checks.name_of(init, SCHEMES, "init")]
    bound = checks.number(init, "init")
    return lambda draw, n_in, n_out: _uniform(bound, draw, n_in, n_out)


def generator(seed: object) -> np.random.Generator:
    """NumPy's generator for a seed, None drawing one."""
    return np.random.default_rng(None if seed is None else checks.integer(seed, "seed", minimum=0))
