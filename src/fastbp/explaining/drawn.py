"""What a drawing shows: a network as a whole, or of a larger one the units that matter most; what they are called."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array

if TYPE_CHECKING:
    from fastbp.explaining.numbers import Numbers
    from fastbp.model.computing import ComputingNetwork

MOST_UNITS, MOST_EDGES = 200, 3000  # of a drawing in which anything can be told apart
MOST_OF_A_LAYER = 24  # units of a column: of more, each is too small to be read once the drawing fits a screen
OF_A_LAYER = 12, 8, 5, 3, 2, 1  # units of each layer of a larger network: as many as there is room for
MOST_TERMS = 12  # of a sum of a larger network, the largest ones; and senders and receivers of a unit that is picked


@dataclass(frozen=True)
class Strengths:
    """By what the units and connections of a larger network are chosen, all of them 0 or more.

    Attributes
    ----------
    units : array (n_units,)
        |delta|; of a network without a sample the root of the sum of the squares of a unit's weights.
    forward, back : array (n_edges,)
        |w_ji z_i| and |w_ji delta_j|; |w_ji| without a sample.
    """

    units: Array
    forward: Array
    back: Array

    @classmethod
    def of_weights(cls, net: "ComputingNetwork") -> "Strengths":
        """Of a network without a sample."""
        weights = np.abs(net.edge_weights.astype(float))
        squares = [np.bincount(ends, weights**2, minlength=net.n_units) for ends in net.edges.T]
        return cls(np.sqrt(squares[0] + squares[1]), weights, weights)

    @classmethod
    def of_sample(cls, numbers: "Numbers") -> "Strengths":
        """Of a network with a sample; an input counts by x_i dE_n/dx_i."""
        senders, receivers = numbers.edges.T
        back = numbers.weights * numbers.delta[receivers]
        units, n_inputs = np.abs(numbers.delta), numbers.net.n_inputs
        arrives = np.bincount(senders, back, minlength=numbers.net.n_units)
        units[:n_inputs] = np.abs(numbers.z * arrives)[:n_inputs]
        return cls(units, np.abs(numbers.weights * numbers.z[senders]), np.abs(back))


@dataclass(frozen=True)
class Part:
    """What is drawn of a network.

    Attributes
    ----------
    layers : tuple of (int, array)
        Each layer that is drawn: its number, and those of its units.
    edges : array
        Numbers of the connections.
    captions : tuple of str
        Above each layer: how many of its units are drawn; "" where that is all.
    """

    layers: tuple[tuple[int, Array], ...]
    edges: Array
    captions: tuple[str, ...]

    @property
    def units(self) -> Array:
        """Numbers of the units, ascending."""
        return np.sort(np.concatenate([units for _, units in self.layers]))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not any(self.captions)


def is_large(net: "ComputingNetwork") -> bool:
    """Whether there are too many units, in all or in a layer, or connections for a drawing of all."""
    is_wide = max(map(len, net.layer_units)) > MOST_OF_A_LAYER
    return is_wide or net.n_units > MOST_UNITS or len(net.wiring.edges) > MOST_EDGES


def whole(net: "ComputingNetwork") -> Part:
    """All units and connections.

    Raises
    ------
    ValueError
        If the network is too large to be drawn.
    """
    if is_large(net):
        raise ValueError(_too_large(net))
    return Part(tuple(enumerate(net.layer_units)), np.arange(len(net.edges)), ("",) * len(net.layer_units))


def part_of(net: "ComputingNetwork", strengths: Strengths, unit: int | None = None) -> Part:
    """All of a network; of a larger one the strongest units of each layer, or a unit with those it deals with.

    Raises
    ------
    ValueError
        If a network has more layers than units can be drawn.
    """
    if not is_large(net):
        return whole(net)
    edges = net.edges
    if unit is not None:
        used = _of_unit(edges, strengths, unit)
        return _part(net, np.unique([unit, *edges[used].ravel()]), used)
    for most in OF_A_LAYER:
        chosen = np.concatenate([_strongest(units, strengths.units[units], most) for units in net.layer_units])
        used = np.flatnonzero(np.isin(edges, chosen).all(axis=1))
        if len(chosen) <= MOST_UNITS and len(used) <= MOST_EDGES:
            return _part(net, chosen, used)
    raise ValueError(_too_large(net))


def _of_unit(edges: Array, strengths: Strengths, unit: int) -> Array:
    """The connections of a unit by which most arrives and most comes back."""
    into, out_of = (np.flatnonzero(edges[:, end] == unit) for end in (1, 0))
    arriving = _strongest(into, strengths.forward[into], MOST_TERMS)
    return np.sort(np.append(arriving, _strongest(out_of, strengths.back[out_of], MOST_TERMS)))


def _strongest(numbers: Array, strengths: Array, most: int) -> Array:
    return np.sort(numbers[np.argsort(-strengths, kind="stable")[:most]])


def _part(net: "ComputingNetwork", chosen: Array, edges: Array) -> Part:
    layers, captions = [], []
    for layer, units in enumerate(net.layer_units):
        drawn = units[np.isin(units, chosen)]
        if len(drawn):
            layers.append((layer, drawn))
            captions.append(f"{len(drawn)} of {len(units):,}" if len(drawn) < len(units) else "")
    return Part(tuple(layers), edges, tuple(captions))


def _too_large(net: "ComputingNetwork") -> str:
    return (
        f"net must have at most {MOST_UNITS} units, {MOST_OF_A_LAYER} in a layer, and {MOST_EDGES:,} connections to be "
        f"drawn as a whole; it has {net.n_units:,} units in {len(net.layer_units):,} layers of at most "
        f"{max(map(len, net.layer_units)):,}, and {len(net.wiring.edges):,} connections. unit=j draws one unit "
        "with those that it deals with; plots.importance(net) sums all weights up"
    )


def names_of_units(net: "ComputingNetwork", names: Iterable[str] | None) -> tuple[str, ...]:
    """Check what a user calls the inputs, or the inputs and the outputs, and return a name for each unit, "" for none.

    Raises
    ------
    TypeError, ValueError
        For what is no sequence of texts, one for each.
    """
    if names is None:
        return ("",) * net.n_units
    is_scalar = isinstance(names, np.ndarray) and names.ndim == 0
    if is_scalar or isinstance(names, str | bytes | Mapping | Set) or not isinstance(names, Iterable):
        raise TypeError(f"names must be a sequence of texts; got {type(names).__name__}")
    given = list(names)
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"names must be texts; got {wrong[0]!r}")
    sizes = net.n_inputs, net.n_inputs + net.n_outputs
    if len(given) not in sizes:
        wanted = f"one for each of the {sizes[0]} inputs, or {sizes[1]} for inputs and outputs"
        raise ValueError(f"names must have {wanted}; got {len(given)}")
    inputs, outputs = given[: sizes[0]], given[sizes[0] :] or [""] * net.n_outputs
    return (*inputs, *[""] * (net.n_units - sizes[1]), *outputs)


def shortened(name: str, most: int) -> str:
    """A name, or its two ends where it would leave no place for the drawing."""
    half = (most - 3) // 2
    return name if len(name) <= most else f"{name[:half]}...{name[-half:]}"
