"""What an explanation is made of: the terms of one sample's forward pass, delta recursion and gradient."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import NamedTuple


class Term(NamedTuple):
    """What unit i adds to a_j (5.48): w_ji z_i."""

    i: int
    w_ji: float
    z_i: float
    product: float


class Fed(NamedTuple):
    """What comes back to unit j from unit k, which it feeds (5.56): w_kj delta_k."""

    k: int
    w_kj: float
    delta_k: float
    product: float


class Output(NamedTuple):
    """An output y with its target t: its share of E_n, and dE_n/dy."""

    y: float
    t: float
    error: float
    slope: float


@dataclass(frozen=True)
class Unit:
    """A unit, with all that goes into its a and its delta.

    Attributes
    ----------
    j : int
        Its number.
    layer : int
        The layer it is computed with, 0 for the inputs.
    function : str
        Name of h; "" for an input.
    terms : tuple of Term
        What arrives, sender by sender; `bias` is added to their products.
    bias : float or None
        None without one.
    a, z, slope : float
        a_j, z_j and h'(a_j). Of an input, a and slope are None. Of a softmax, slope is dy_j/da_j = y_j (1 - y_j).
    fed : tuple of Fed
        What comes back, unit by unit that it feeds.
    output : Output or None
        Of an output.
    arrives : float
        dE_n/dz_j by way of the units that it feeds, the sum of the products in `fed`; of an input, dE_n/dx_j.
    delta : float or None
        dE_n/da_j (5.51); None for an input.
    """

    j: int
    layer: int
    function: str
    terms: tuple[Term, ...]
    bias: float | None
    a: float | None
    z: float
    slope: float | None
    fed: tuple[Fed, ...]
    output: Output | None
    arrives: float
    delta: float | None


@dataclass(frozen=True)
class Parameter:
    """A weight w_ji, or the bias of unit j, with its derivative.

    Attributes
    ----------
    i : int or None
        The unit that sends; None for a bias.
    j : int
        The unit that receives.
    w : float
        The parameter.
    delta, z : float
        delta_j and z_i, 1 for a bias: `value` is their product (5.53).
    value : float
        dE_n/dw_ji.
    new_w : float or None
        w - learning_rate * value; None without a learning rate.
    difference : float
        The central difference of the error, in float64: computed when it is asked for.
    """

    i: int | None
    j: int
    w: float
    delta: float
    z: float
    value: float
    new_w: float | None
    _compare: Callable[[], float] = field(repr=False, compare=False)

    @cached_property
    def difference(self) -> float:
        """dE_n/dw_ji from two errors."""
        return self._compare()

    def to_dict(self) -> dict[str, int | float | None]:
        """Return all numbers by name.

        Returns
        -------
        dict
            That JSON can hold.
        """
        names = [item.name for item in fields(self)[:-1]]
        return {name: getattr(self, name) for name in [*names, "difference"]}


@dataclass(frozen=True)
class LayerSummary:
    """A layer in six numbers.

    Attributes
    ----------
    layer : int
    function : str
    n_units : int
    z_low, z_high : float
        The lowest and the highest z.
    delta_norm : float
        Root of the sum of delta_j**2.
    dead : float
        Share of the units with h'(a_j) = 0.
    saturated : float
        Share of the others, of a bounded function, whose h'(a_j) is below a twentieth of the highest there is.
    """

    layer: int
    function: str
    n_units: int
    z_low: float
    z_high: float
    delta_norm: float
    dead: float
    saturated: float
