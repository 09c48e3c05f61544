"""Learning rates by layer and for biases: what multiplies each parameter's steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.structure.topology import Topology

_FORM = '{"layers": [a factor for each layer after the inputs], "bias": a factor}, or an array (n_params,)'


@dataclass(frozen=True, eq=False)
class RateFactors:
    """Factors as a user has chosen them, checked.

    Parameters
    ----------
    layers : tuple of float, optional
        Of the weights and biases that arrive at each layer after the inputs; None: 1.
    bias : float
        Of biases, besides.
    each : array (n_params,), optional
        In the place of both, one for each parameter.
    """

    layers: tuple[float, ...] | None = None
    bias: float = 1.0
    each: Array | None = None

    def check_size(self, topology: Topology) -> None:
        """Refuse factors that are for a network with other layers, or another number of parameters."""
        n_layers = topology.n_layers - 1
        if self.layers is not None and len(self.layers) != n_layers:
            raise ValueError(
                f'rate_factors["layers"] must have a factor for each of {n_layers} layers after the inputs; '
                f"got {len(self.layers)}"
            )
        if self.each is not None and self.each.shape != (topology.n_params,):
            raise ValueError(
                f"rate_factors must have shape ({topology.n_params},), a factor for each parameter; "
                f"got shape {self.each.shape}"
            )

    def of_parameters(self, topology: Topology) -> Array:
        """A factor for each parameter of a network, in their order: (n_params,)."""
        if self.each is not None:
            return self.each
        by_layer = np.array([1.0, *(self.layers or [1.0] * (topology.n_layers - 1))])
        factors = np.ones(topology.n_params)
        targets = topology.connections()[:, 1]
        of_unit = np.empty(topology.n_units)
        for factor, first, size in zip(by_layer, topology.first_units, topology.sizes, strict=True):
            of_unit[first : first + size] = factor
        factors[: topology.n_weights] = of_unit[targets]
        for factor, size, start in zip(by_layer, topology.sizes, topology.bias_offsets[:-1], strict=True):
            if start >= 0:
                factors[start : start + size] = factor * self.bias
        return factors

    def description(self) -> dict[str, Any]:
        """Everything that was chosen, for files."""
        if self.each is not None:
            return {"each": self.each.tolist()}
        return {
            "layers": None if self.layers is None else list(self.layers),
            "bias": self.bias,
        }


def take_factors(options: dict[str, Any]) -> RateFactors | None:
    """The factors that a solver's options ask for, checked; they are taken out of the dict."""
    given = options.pop("rate_factors", None)
    if given is None:
        return None
    if not isinstance(given, dict):
        numbers = checks.numeric(given, "rate_factors")
        factors = checks.finite(numbers, "rate_factors", np.dtype(np.float64))
        if numbers.ndim != 1 or (factors < 0).any():
            raise ValueError(f"rate_factors must be {_FORM}, not negative; got {checks.described(given)}")
        return RateFactors(each=factors.copy())
    if unknown := sorted(set(given) - {"layers", "bias"}, key=str):
        raise ValueError(f"rate_factors must be {_FORM}; got the key {unknown[0]!r}")
    layers = given.get("layers")
    if layers is not None:
        items = checks.items(layers, 'rate_factors["layers"]', "a sequence of numbers")
        layers = tuple(checks.number(item, f'rate_factors["layers"][{k}]') for k, item in enumerate(items))
    return RateFactors(layers, checks.number(given.get("bias", 1.0), 'rate_factors["bias"]'))
