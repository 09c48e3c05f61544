"""From dense layers that another library trained to a network: checked, scaling of inputs and outputs folded in."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp import checks, memory
from fastbp.checks import Array
from fastbp.files.container import FileError
from fastbp.files.models import MAX_LAYERS
from fastbp.network import Network

# What rounding may cost where a scaling's large shift is folded into biases, of the next layer's largest sum.
MOST_LOST = {"float32": 1e-4, "float64": 1e-8}
WIDEST_IDENTITY = 4096  # numbers that a layer may only pass on: it takes a square matrix

LOSSES = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"}  # what goes with an output function


@dataclass(eq=False)
class Dense:
    """A layer: a = weights z + bias, (n_out, n_in) and (n_out,), and the name of its function."""

    weights: Array
    bias: Array
    function: str = "identity"
    of_inputs: tuple[Array, Array] | None = None  # (scale, shift) of the scalings that `after` has folded in
    cancelled: list[tuple[float, str]] = field(default_factory=list)  # of each of them, see `cancelled`, and its name

    def then(self, scale: Array, shift: Array) -> None:
        """Put scale * a + shift in the place of a: only before the function is known."""
        self.weights, self.bias = self.weights * scale[:, None], self.bias * scale + shift

    def after(self, scale: Array, shift: Array, where: str) -> None:
        """Put scale * z + shift in the place of the layer's inputs z."""
        self.cancelled.append((cancelled(self.weights, shift), where))
        factor, offset = self.of_inputs or (np.ones(len(scale)), np.zeros(len(scale)))
        self.of_inputs = factor * scale, factor * shift + offset
        self.bias = self.bias + self.weights @ shift
        self.weights = self.weights * scale


def cancelled(weights: Array, shift: Array) -> float:
    """The largest sum that a shift folded into the bias takes away again, in units of those of inputs of size 1.

    Scaled inputs are about 1 in size, weights * shift is not if the mean is large against the deviation: so many times
    larger are the numbers that are rounded.
    """
    with np.errstate(all="ignore"):
        size = np.abs(weights)
        largest = np.max(size.sum(axis=1), initial=0.0)
        return float(np.max(size @ np.abs(shift), initial=0.0) / largest) if largest > 0 else 0.0


def check_digits(folded: Sequence[tuple[float, str]], dtype: np.dtype) -> None:
    """Raise a ValueError, by name, for a scaling that loses digits when it is folded into weights of the dtype."""
    for times, where in folded:
        lost = {name: times * float(np.finfo(name).eps) for name in MOST_LOST}
        if lost[dtype.name] > MOST_LOST[dtype.name]:
            remedy = 'Take dtype="float64", or scale' if lost["float64"] <= MOST_LOST["float64"] else "Scale"
            raise ValueError(
                f"{where} must not shift by much more than it scales, to be folded into weights of {dtype.name}: sums "
                f"would be off by {lost[dtype.name]:.1g} of their size, at most {MOST_LOST[dtype.name]:g} is allowed. "
                f"{remedy} the inputs outside of the network"
            )


def read_bytes(path: str, most: int) -> bytes:
    """What a file holds; a FileError if that is more than `most`."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise FileError(f"{path}: at most {most:,} bytes are read; it has {size:,}")
        return file.read(size)


def dense(weights: object, bias: object, where: str) -> Dense:
    """A layer in float64, checked; `where` says in messages where it came from."""
    w = numbers(weights, f"weights of {where}", 2)
    b = np.zeros(len(w)) if bias is None else numbers(bias, f"biases of {where}", 1)
    if b.shape != (len(w),) or w.size == 0:
        raise ValueError(f"{where} must have a bias for each of its units; got weights {w.shape}, biases {b.shape}")
    return Dense(w, b)


def numbers(values: object, what: str, n_dimensions: int) -> Array:
    """Finite numbers as float64, of so many dimensions."""
    array = checks.numeric(values, what)
    if array.ndim != n_dimensions:
        raise ValueError(f"{what} must have {n_dimensions} dimensions; got shape {array.shape}")
    return checks.finite(array, what, np.dtype(np.float64))


def affine(scale: object, shift: object, n: int, where: str) -> tuple[Array, Array]:
    """(scale, shift) for each of n numbers, checked; single ones stand for all."""
    pair = []
    for values, what in ((scale, "scale"), (shift, "shift")):
        array = numbers(np.atleast_1d(np.asarray(values, np.float64).squeeze()), f"{what} of {where}", 1)
        if array.size not in (1, n):
            raise ValueError(f"{what} of {where} must be one number, or one for each of {n}; got {array.size}")
        pair.append(np.broadcast_to(array, (n,)))
    return pair[0], pair[1]


class Chain:
    """Layers as another library's model has them one after the other; scalings are folded into what stands beside."""

    def __init__(self) -> None:
        self.layers: list[Dense] = []
        self._is_open = False  # whether the last layer has no function yet
        self._pending: list[tuple[Any, Any, str]] = []  # what is done to the inputs of the next layer

    def layer(self, new: Dense) -> None:
        """Take a dense layer."""
        for scale, shift, where in reversed(self._pending):
            new.after(*affine(scale, shift, new.weights.shape[1], where), where)
        self._pending, self._is_open = [], True
        self.layers.append(new)

    def function(self, name: str, where: str) -> None:
        """Take a function of what came last; of a function of it, it takes a layer that passes each number on."""
        if name == "identity":
            return
        self._settle(where)
        if not self._is_open:
            self._pass_on()
        self.layers[-1].function, self._is_open = name, False

    def scaling(self, scale: Any, shift: Any, where: str) -> None:
        """Take scale * z + shift."""
        if self._is_open:
            self.layers[-1].then(*affine(scale, shift, len(self.layers[-1].weights), where))
        else:
            self._pending.append((scale, shift, where))

    def network(self, dtype: Any) -> Network:
        """The network, complete."""
        if self._pending:
            self._settle(self._pending[-1][2])
        return network_of(self.layers, dtype, "model")

    @property
    def of_inputs(self) -> tuple[Array, Array] | None:
        """(scale, shift) of what is done to the inputs before the first layer."""
        return self.layers[0].of_inputs if self.layers else None

    def _settle(self, where: str) -> None:
        """Put scalings that no layer follows into a layer of their own."""
        if not self.layers:
            raise ValueError(f"model must begin with a dense layer, perhaps with a scaling before it; got {where}")
        if self._pending:
            self._pass_on()
            n = len(self.layers[-1].weights)
            for scale, shift, of in self._pending:
                self.layers[-1].then(*affine(scale, shift, n, of))
            self._pending = []

    def _pass_on(self) -> None:
        self.layers.append(passing_on(len(self.layers[-1].weights)))
        self._is_open = True


def passing_on(n: int) -> Dense:
    """A layer that gives what it gets."""
    if n > WIDEST_IDENTITY:
        raise ValueError(
            f"a function or scaling that follows no weights must be of up to {WIDEST_IDENTITY:,} numbers; got {n:,}"
        )
    return Dense(np.eye(n), np.zeros(n))


def network_of(layers: Sequence[Dense], dtype: Any, where: str) -> Network:
    """The network of a chain of layers."""
    if not layers or len(layers) > MAX_LAYERS:
        raise ValueError(f"{where} must have 1 to {MAX_LAYERS} layers; got {len(layers)}")
    for k, (before, after) in enumerate(pairwise(layers), 2):
        if after.weights.shape[1] != len(before.weights):
            raise ValueError(
                f"{where}: layer {k} must take what layer {k - 1} gives, {len(before.weights)} numbers; "
                f"its weights have shape {after.weights.shape}"
            )
        if before.function == "softmax":
            raise ValueError(f"{where}: layer {k - 1} has softmax, which is for the output layer")
    sizes = [layers[0].weights.shape[1], *(len(layer.weights) for layer in layers)]
    checked = checks.float_dtype(dtype)
    for layer in layers:
        check_digits(layer.cancelled, checked)
    n_params = sum(layer.weights.size + layer.bias.size for layer in layers)
    memory.check(n_params * checked.itemsize, where, f"{n_params:,} parameters")
    output = layers[-1].function
    net = Network(
        sizes, activation=[layer.function for layer in layers[:-1]], output=output,
        loss=LOSSES.get(output, "squared_error"), init="zeros", dtype=checked,
    )  # fmt: skip
    for layer, weights, bias in zip(layers, net.weights, net.biases, strict=True):
        weights[:] = checks.finite(layer.weights, f"weights of {where}", checked)
        bias[:] = checks.finite(layer.bias, f"biases of {where}", checked)
    return net
