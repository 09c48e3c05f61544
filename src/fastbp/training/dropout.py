"""Dropout as a user asks for it, and its work space; what it does is in `kernels/many_samples/dropout.py`."""

from collections.abc import Sequence

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine.engine import aligned_zeros, filled_up
from fastbp.kernels.many_samples.dropout import DropoutMemory, address_of_drop
from fastbp.kernels.tables import NONE

Dropout = float | Sequence[float]


def rates_of(dropout: object, n_layers: int) -> Array:
    """The rate of each of n_layers layers, inputs and outputs among them: (n_layers,), checked."""
    n_hidden = n_layers - 2
    if isinstance(dropout, Sequence | np.ndarray) and not isinstance(dropout, str | bytes) and np.ndim(dropout) > 0:
        if len(dropout) != n_hidden:
            raise ValueError(f"dropout must be one rate or one for each of {n_hidden} hidden layers; got {dropout!r}")
        rates = [checks.number(rate, f"dropout[{k}]", high=1.0) for k, rate in enumerate(dropout)]
    else:
        rates = [checks.number(dropout, "dropout", high=1.0)] * n_hidden
        if dropout and not rates:
            raise ValueError(f"dropout must be 0 for a network without hidden layers; got {dropout!r}")
    return np.array([0.0, *rates, 0.0])


def nothing(rates: Array, dtype: np.dtype) -> DropoutMemory:
    """What a run without dropout needs."""
    key = np.zeros(0, np.uint64)
    return DropoutMemory(NONE, rates, key, key.view(np.int64), np.zeros((0, 0), dtype))


def memory(rates: Array, draw: np.random.Generator, batch_size: int, dtype: np.dtype) -> DropoutMemory:
    """What a run needs, for up to `batch_size` samples at a time; without `slopes`. Draws the key of the run."""
    if not rates.any():
        return nothing(rates, dtype)
    return DropoutMemory(
        address=address_of_drop(dtype),
        rates=rates,
        key=draw.integers(0, 2**64, 1, np.uint64),
        samples=np.zeros(filled_up(batch_size, np.dtype(np.float32)), np.int64),
        slopes=np.zeros((0, 0), dtype),
    )


def with_slots(dropout: DropoutMemory, z: Array) -> DropoutMemory:
    """The same with `slopes` for the slots of a work space, in the shape of its `z`."""
    return dropout if dropout.address == NONE else dropout._replace(slopes=aligned_zeros(z.shape, z.dtype))
