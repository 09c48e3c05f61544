"""From dense layers that another library trained to a network: checked, scaling of inputs and outputs folded in."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp import checks, memory
from fastbp.checks import Array
from fastbp.files.container import FileError
from fastbp.files.models import MAX_LAYERS
from fastbp.network import Network

N_PROBES = 12  # samples for which a network is compared with what it was made of
PROBE_SIZES = 0.1, 1.0, 10.0
ROUNDING = 64.0  # eps of the largest output: what other orders of adding up, and weights rounded anew, may come to
SHAKEN, MARGIN = 16.0, 8.0  # eps by which weights are shaken to see how rounding grows; how much more is let pass
# Functions that others compute to fewer digits than ours, as the importers' notes say: relative to the largest output.
LOOSE = {"softplus": 1e-6, "leaky_relu": 1e-6}
WIDEST_IDENTITY = 4096  # numbers that a layer may only pass on: it takes a square matrix

LOSSES = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"}  # what goes with an output function


@dataclass(eq=False)
class Dense:
    """A layer: a = weights z + bias, (n_out, n_in) and (n_out,), and the name of its function."""

    weights: Array
    bias: Array
    function: str = "identity"

    def then(self, scale: Array, shift: Array) -> None:
        """Put scale * a + shift in the place of a: only before the function is known."""
        self.weights, self.bias = self.weights * scale[:, None], self.bias * scale + shift

    def after(self, scale: Array, shift: Array) -> None:
        """Put scale * z + shift in the place of the layer's inputs z."""
        self.bias = self.bias + self.weights @ shift
        self.weights = self.weights * scale


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
            new.after(*affine(scale, shift, new.weights.shape[1], where))
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


def same_outputs(net: Network, run: Callable[[Array], Any], model: str) -> Network:
    """The network, once its outputs are those of the model that it was made of: `run` gives these for a batch.

    What an importer does not know, an option that came with a newer version, say, shows here and is refused. Outputs
    may differ by what rounding comes to, which weights show that are a little off.
    """
    x, expected = _probes(net, run, model)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found, shaken = (np.asarray(n.forward(x), np.float64) for n in (net, _shaken(net)))
        largest = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        loose = max((LOOSE.get(name, 0.0) for name in net.layer_functions), default=0.0)
        eps = float(np.finfo(net.dtype).eps)
        allowed = (ROUNDING * eps + loose) * largest + MARGIN * np.abs(found - shaken) + np.finfo(net.dtype).tiny
        off = np.abs(found - expected)
        differs = (off > allowed) & ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    if differs.any():
        n, k = (int(i) for i in np.argwhere(differs)[0])
        raise ValueError(
            f"{model} must be what fastbp can be, and is not: for a sample of random numbers its output {k} is "
            f"{expected[n, k]:.9g}, where the same layers in fastbp give {found[n, k]:.9g}"
        )
    return net


def _probes(net: Network, run: Callable[[Array], Any], model: str) -> tuple[Array, Array]:
    """Samples of random numbers, and what the model makes of them."""
    draw = np.random.default_rng(0).normal(size=(N_PROBES, net.n_inputs))
    x = (draw * np.resize(PROBE_SIZES, (N_PROBES, 1))).astype(net.dtype)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = np.asarray(run(x), np.float64)
    except Exception as error:  # whatever another library raises
        raise ValueError(f"{model} must take samples of {net.n_inputs} numbers; {str(error)[:300]}") from error
    if expected.size != len(x) * net.n_outputs:
        raise ValueError(f"{model} must give {net.n_outputs} numbers for a sample; it gives shape {expected.shape}")
    return x, expected.reshape(len(x), net.n_outputs)


def _shaken(net: Network) -> Network:
    """The network with weights that are some units in the last place off."""
    other = net.twin()
    eps = float(np.finfo(net.dtype).eps)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], net.n_params)
    other.params = (net.params * (1.0 + SHAKEN * eps * signs)).astype(net.dtype)
    return other
