"""Initial weights."""

import secrets
from collections.abc import Callable

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.structure.topology import Topology

Fan = int | Array  # connections into a unit, or out of it: for all weights, or for each
# (generator, n_in, n_out, shape) -> weights of that shape
Draw = Callable[[np.random.Generator, Fan, Fan, tuple[int, ...]], Array]


def _uniform(draw: np.random.Generator, bound: Fan, shape: tuple[int, ...]) -> Array:
    return draw.uniform(-bound, bound, shape)


# Glorot and Bengio (2010); He, Zhang, Ren and Sun (2015); LeCun, Bottou, Orr and Mueller (1998)
SCHEMES: dict[str, Draw] = {
    "glorot_uniform": lambda draw, n_in, n_out, shape: _uniform(draw, np.sqrt(6 / (n_in + n_out)), shape),
    "glorot_normal": lambda draw, n_in, n_out, shape: draw.normal(0, np.sqrt(2 / (n_in + n_out)), shape),
    "he_uniform": lambda draw, n_in, _n_out, shape: _uniform(draw, np.sqrt(6 / n_in), shape),
    "he_normal": lambda draw, n_in, _n_out, shape: draw.normal(0, np.sqrt(2 / n_in), shape),
    "lecun_uniform": lambda draw, n_in, _n_out, shape: _uniform(draw, np.sqrt(3 / n_in), shape),
    "lecun_normal": lambda draw, n_in, _n_out, shape: draw.normal(0, np.sqrt(1 / n_in), shape),
    "zeros": lambda _draw, _n_in, _n_out, shape: np.zeros(shape),
}


def n_bytes(topology: Topology, dtype: np.dtype) -> int:
    """Bytes of the parameters, and of the largest block as it is drawn."""
    largest = max(n_out * n_in for n_out, n_in in topology.block_shapes)
    return topology.n_params * dtype.itemsize + largest * np.dtype(np.float64).itemsize


def resolve(init: object, dtype: np.dtype) -> Draw:
    """What draws the weights of a block, from a scheme's name or a bound."""
    if isinstance(init, str):
        return SCHEMES[checks.name_of(init, SCHEMES, "init")]
    # Half of the largest number: the generator needs the width of the interval.
    bound = checks.number(init, "init", high=float(np.finfo(dtype).max) / 2)
    return lambda draw, _n_in, _n_out, shape: draw.uniform(-bound, bound, shape)


def of_blocks(draw_weights: Draw, draw: np.random.Generator, topology: Topology, params: Array) -> None:
    """Draw the weights of all blocks, one after the other, into the parameters."""
    for (n_out, n_in), start in zip(topology.block_shapes, topology.weight_offsets, strict=False):
        params[start : start + n_out * n_in] = draw_weights(draw, n_in, n_out, (n_out * n_in,))


def of_edges(draw_weights: Draw, draw: np.random.Generator, edges: Array, n_units: int) -> Array:
    """Weights of edges (from, to): n_in counts those into a target, n_out those out of a source."""
    n_from, n_into = (np.bincount(edges[:, end], minlength=n_units) for end in (0, 1))
    return draw_weights(draw, n_into[edges[:, 1]], n_from[edges[:, 0]], (len(edges),))


Seed = int | np.random.Generator | None
SEED_BITS = 128  # of one that the system draws, as NumPy's


def generator(seed: object) -> np.random.Generator:
    """NumPy's generator for a seed, None drawing one; a generator is the one to draw from."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(None if seed is None else checks.integer(seed, "seed", minimum=0, maximum=np.inf))


def as_integer(seed: object) -> int | None:
    """The seed of a user, checked, as a number that a file can keep: a generator draws one."""
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63 - 1))
    return None if seed is None else checks.integer(seed, "seed", minimum=0, maximum=np.inf)


def some_seed(seed: Seed) -> int:
    """`seed` as an integer, or for None one that the system draws."""
    number = as_integer(seed)
    return secrets.randbits(SEED_BITS) if number is None else number
