"""The `Network` under an estimator: how it is made, and the views of its parameters in scikit-learn's shapes."""

import math
from functools import lru_cache
from numbers import Integral, Real
from operator import is_, mul
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState

from fastbp import checks, memory
from fastbp.activations import OUTPUTS, Activation, resolve, resolve_hidden
from fastbp.checks import Array
from fastbp.engine.choices import SLOPES
from fastbp.kernels.tables import NONE
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.structure.topology import Skips, Topology, check_skip

MOST_WEIGHTS = 1 << 17  # of a network that others are made from
# fastbp's name of a loss, by scikit-learn's and by the output function
NETWORK_LOSS = {("log_loss", "softmax"): "cross_entropy", ("log_loss", "logistic"): "binary_cross_entropy"}


class Views(NamedTuple):
    """Views of flat parameters, or of a flat gradient."""

    coefs: list[Array]  # (n_in, n_out) from each layer into the next
    skips: list[Array]  # the same of the connections that skip layers
    intercepts: list[Array]

    @classmethod
    def of(cls, topology: Topology, flat: Array) -> "Views":
        """The views of an array in the order of `Network.params`."""
        offsets, shapes = topology.weight_offsets, topology.block_shapes
        blocks = [flat[a : a + n * m].reshape(n, m).T for a, (n, m) in zip(offsets, shapes, strict=False)]
        steps = [target - source for source, target in topology.pairs]
        starts = [start for start in topology.bias_offsets[:-1] if start != NONE]
        return cls(
            [block for block, step in zip(blocks, steps, strict=True) if step == 1],
            [block for block, step in zip(blocks, steps, strict=True) if step > 1],
            [flat[start : start + size] for start, size in zip(starts, topology.sizes[1:], strict=True)],
        )

    def pack(self) -> Array:
        """All numbers in scikit-learn's order: coefficients, then intercepts."""
        return np.concatenate([part.ravel() for parts in self for part in parts])

    def hold(self, coefs: Any, intercepts: Any) -> bool:
        """Whether these are lists that hold the views themselves."""
        return (
            type(coefs) is type(intercepts) is list
            and len(coefs) == len(self.coefs)
            and all(map(is_, coefs, self.coefs))
            and len(intercepts) == len(self.intercepts)
            and all(map(is_, intercepts, self.intercepts))
        )


def hidden_sizes(value: Any) -> list[int]:
    """`hidden_layer_sizes` as a list."""
    is_one = not hasattr(value, "__iter__") or (isinstance(value, np.ndarray) and value.ndim == 0)
    sizes = [value] if is_one else list(value)
    if any(isinstance(size, Real) and size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    for size in sizes:
        if not isinstance(size, Integral) or isinstance(size, bool):
            raise TypeError(f"hidden_layer_sizes must hold integers; got {size!r} ({type(size).__name__})")
    return [checks.integer(size, "hidden_layer_sizes", minimum=1) for size in sizes]


def check_memory(sizes: list[int], dtype: np.dtype) -> None:
    """Raise a MemoryError for layers whose weights the machine cannot hold."""
    n_weights = sum(map(mul, sizes, sizes[1:]))
    memory.check(n_weights * dtype.itemsize, "hidden_layer_sizes", f"{n_weights:,} weights")


class Recipe(NamedTuple):
    """What a network is made by, beside its sizes."""

    activation: Any  # the parameter itself
    hidden: str | tuple[Activation, ...]
    out_activation: str
    output_activation: str | Activation | None  # the parameter; None where there is none
    loss: str
    quantile: float | None
    skip: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, estimator: Any, n_layers: int) -> "Recipe":
        """That of an estimator's parameters."""
        known = vars(estimator)
        return cls(
            known["activation"],
            hidden_of(known["activation"], n_layers),
            known["out_activation_"],
            known.get("output_activation"),
            estimator.loss,
            known.get("quantile"),
            tuple(_skips(known["skip"], n_layers)),
        )

    def with_activation(self, activation: Any, n_layers: int) -> "Recipe":
        """The same with another parameter `activation`."""
        return self._replace(activation=activation, hidden=hidden_of(activation, n_layers))

    def makes_the_same(self, other: "Recipe") -> bool:
        """Whether networks of the two have the same functions and connections."""
        return self[1:] == other[1:]


def hidden_of(activation: Any, n_layers: int) -> str | tuple[Activation, ...]:
    """Functions of the hidden layers."""
    return activation if type(activation) is str else tuple(resolve_hidden(activation, n_layers - 2))


def make_network(recipe: Recipe, sizes: list[int], dtype: np.dtype) -> Network:
    """A network, all weights zero."""
    given, hidden, skips = recipe.output_activation, recipe.hidden, recipe.skip
    output = given if isinstance(given, Activation) else recipe.out_activation
    check_memory(sizes, dtype)
    is_small = sum(map(mul, sizes, sizes[1:])) <= MOST_WEIGHTS
    template = _template if is_small else _template.__wrapped__  # what a large one takes is free when it is done with
    return template(tuple(sizes), skips, hidden, output, recipe.loss, recipe.quantile, dtype).twin()


@lru_cache(maxsize=16)
def _template(
    sizes: tuple[int, ...],
    skips: tuple[tuple[int, int], ...],
    hidden: str | tuple[Activation, ...],
    output: str | Activation,
    loss: str,
    quantile: float | None,
    dtype: np.dtype,
) -> Network:
    """A network to make others from, ready to be trained; its work spaces are theirs."""
    functions = [*resolve_hidden(hidden, len(sizes) - 2), resolve(output, "output_activation", OUTPUTS)]
    if any(function.name == "threshold" for function in functions):
        raise ValueError("activation must have a derivative; 'threshold' has none")
    name = NETWORK_LOSS.get((loss, functions[-1].name), loss)
    topology = Topology.layered(sizes, skips, bias=True)
    params = np.zeros(topology.n_params, dtype)
    net = Network.assemble(
        topology, functions, Loss(name, quantile=quantile if name == "quantile" else None), dtype, params
    )
    net.engine.link(SLOPES)
    return net


def _skips(skip: Skips, n_layers: int) -> list[tuple[int, int]]:
    return check_skip(skip, n_layers) if len(skip) else []  # type: ignore[arg-type]


def draw_weights(estimator: Any, net: Network, views: Views, random: RandomState) -> None:
    """scikit-learn's initial weights, in its order: layer by layer, coefficients, then intercepts; last those of skips.

    They are uniform within the bound of Glorot and Bengio (2010), with 2 in the place of 6 for the logistic function.
    The output layer counts as having the function of the last hidden one.
    """
    factors = [2.0 if name == "logistic" else 6.0 for name in net.layer_functions[:-1]]
    factors.append(factors[-1] if factors else 2.0 if estimator.activation == "logistic" else 6.0)
    for factor, coef, intercept in zip(factors, views.coefs, views.intercepts, strict=True):
        bound = math.sqrt(factor / sum(coef.shape))
        coef[...] = random.uniform(-bound, bound, coef.shape)
        intercept[...] = random.uniform(-bound, bound, intercept.shape)
    for block in views.skips:
        bound = math.sqrt(6.0 / sum(block.shape))
        block[...] = random.uniform(-bound, bound, block.shape)


def name_of(activation: str | Activation) -> str:
    """Name of an activation function."""
    return activation.name if isinstance(activation, Activation) else activation
