"""`Explained`: the numbers of one sample's forward pass, delta recursion and gradient, term by term."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, overload

import numpy as np

from fastbp import checks
from fastbp.explaining import formulas
from fastbp.explaining.numbers import Numbers
from fastbp.explaining.terms import Fed, LayerSummary, Parameter, Term, Unit

MOST_PARAMS = 400  # of a network that is shown term by term; a larger one is summarised by layer
SATURATED = 0.05  # part of the highest slope below which a bounded unit counts as saturated


class Units(Sequence[Unit]):
    """The units by number, each made when it is asked for."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._functions = ("",) * numbers.net.n_inputs + numbers.net.unit_functions
        self._made: dict[int, Unit] = {}

    def __len__(self) -> int:
        return self._numbers.net.n_units

    @overload
    def __getitem__(self, j: int) -> Unit: ...
    @overload
    def __getitem__(self, j: slice) -> Sequence[Unit]: ...
    def __getitem__(self, j: int | slice) -> Unit | Sequence[Unit]:
        if isinstance(j, slice):
            return [self[k] for k in range(*j.indices(len(self)))]
        number = range(len(self))[j]
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def _make(self, j: int) -> Unit:
        n, edges = self._numbers, self._numbers.edges
        terms = [(int(edges[e, 0]), float(n.weights[e]), float(n.z[edges[e, 0]])) for e in n.into[j]]
        fed = [(int(edges[e, 1]), float(n.weights[e]), float(n.delta[edges[e, 1]])) for e in n.out_of[j]]
        is_input, has_bias = j < n.net.n_inputs, bool(np.isfinite(n.biases[j]))
        fed_terms = tuple(Fed(k, w, delta, w * delta) for k, w, delta in fed)
        return Unit(
            j=j,
            layer=int(n.layer_of[j]),
            function=self._functions[j],
            terms=tuple(Term(i, w, z, w * z) for i, w, z in terms),
            bias=float(n.biases[j]) if has_bias else None,
            a=None if is_input else float(n.a[j]),
            z=float(n.z[j]),
            slope=None if is_input else float(n.slope[j]),
            fed=fed_terms,
            output=None if j < n.first_output else n.outputs[j - n.first_output],
            arrives=float(sum(f.product for f in fed_terms)),
            delta=None if is_input else float(n.delta[j]),
        )


class Gradient(Mapping[tuple[int, int], Parameter]):
    """The weights by (from unit i, to unit j), each made when it is asked for."""

    def __init__(self, numbers: Numbers, learning_rate: float | None) -> None:
        self._numbers, self._learning_rate = numbers, learning_rate
        self._edge_of = {(i, j): e for e, (i, j) in enumerate(numbers.edges.tolist())}
        self._made: dict[tuple[int, int], Parameter] = {}

    def __len__(self) -> int:
        return len(self._edge_of)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._edge_of)

    def __getitem__(self, ends: tuple[int, int]) -> Parameter:
        if ends not in self._made:
            (i, j), n, edge = ends, self._numbers, self._edge_of[ends]
            w, value = float(n.weights[edge]), float(n.weight_slopes[edge])
            step, compare = new_value(n, w, value, self._learning_rate), partial(n.difference, edge=edge)
            self._made[ends] = Parameter(i, j, w, float(n.delta[j]), float(n.z[i]), value, step, compare)
        return self._made[ends]


class BiasGradient(Mapping[int, Parameter]):
    """The biases by unit."""

    def __init__(self, numbers: Numbers, learning_rate: float | None) -> None:
        self._numbers, self._learning_rate = numbers, learning_rate
        self._units = numbers.net.biased_units.tolist()
        self._made: dict[int, Parameter] = {}

    def __len__(self) -> int:
        return len(self._units)

    def __iter__(self) -> Iterator[int]:
        return iter(self._units)

    def __getitem__(self, j: int) -> Parameter:
        if j not in self._made:
            if j not in self._units:
                raise KeyError(j)
            n = self._numbers
            w, value = float(n.biases[j]), float(n.bias_slopes[j])
            step, compare = new_value(n, w, value, self._learning_rate), partial(n.difference, bias=j)
            self._made[j] = Parameter(None, j, w, float(n.delta[j]), 1.0, value, step, compare)
        return self._made[j]


def new_value(numbers: Numbers, w: float, value: float, learning_rate: float | None) -> float | None:
    """A parameter after a step of on-line learning, rounded as in the network's dtype."""
    if learning_rate is None:
        return None
    of = numbers.net.dtype.type
    return float(of(w) - of(learning_rate) * of(value))


@dataclass(frozen=True, eq=False)
class Explained:
    """All numbers of one sample, data first: `Explanation` has the views."""

    numbers: Numbers
    learning_rate: float | None
    notation: str
    unit: int | None = None
    names: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """E_n."""
        return self.numbers.error

    @cached_property
    def units(self) -> Units:
        """Every unit with the terms of its a and of its delta."""
        return Units(self.numbers)

    @cached_property
    def gradient(self) -> Gradient:
        """Every weight with its derivative."""
        return Gradient(self.numbers, self.learning_rate)

    @cached_property
    def bias_gradient(self) -> BiasGradient:
        """Every bias with its derivative."""
        return BiasGradient(self.numbers, self.learning_rate)

    @cached_property
    def layers(self) -> tuple[LayerSummary, ...]:
        """Every layer after the inputs in a few numbers."""
        n = self.numbers
        groups = zip(n.net.layer_units[1:], n.net.layer_functions, strict=True)
        return tuple(_summary(n, layer, units, function) for layer, (units, function) in enumerate(groups, 1))

    @property
    def is_summarised(self) -> bool:
        """Whether `str` shows layers instead of terms."""
        return self.unit is None and self.numbers.net.n_params > MOST_PARAMS

    def number_of(self, unit: int | str, argument: str, *, computed: bool = False) -> int:
        """Return the number of a unit that a user names.

        Parameters
        ----------
        unit : int or str
            A number, or "x1", "f1" ...
        argument : str
            What an error calls it.
        computed : bool
            Whether inputs are refused.

        Returns
        -------
        int
            From 0, inputs first.
        """
        lowest, n_units = self.numbers.net.n_inputs if computed else 0, self.numbers.net.n_units
        if isinstance(unit, str):
            name, n_inputs = unit.replace("_", ""), self.numbers.net.n_inputs
            offset = {"x": -1, "f": n_inputs - 1}.get(name[:1])
            if offset is None or not name[1:].isdecimal() or (int(name[1:]) + offset < n_inputs) != (name[0] == "x"):
                raise ValueError(f"{argument} must be the number of a unit, or x1, f1 ...; got {unit!r}")
            unit = int(name[1:]) + offset
        number = checks.integer(unit, argument, minimum=0)
        if not lowest <= number < n_units:
            kind = "a unit that is no input" if computed else "a unit"
            first = f": units are numbered from the inputs on, 0 to {lowest - 1}" if lowest else ""
            raise ValueError(f"{argument} must be {kind}, {lowest} to {n_units - 1}; got {number}{first}")
        return number

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as dicts and lists that JSON can hold.

        Returns
        -------
        dict
            With "error", "x", "t", "y", "loss", "units", "gradient", "bias_gradient" and more.
        """
        n = self.numbers
        return {
            "error": self.error,
            "x": n.x[0].tolist(),
            "t": n.t[0].tolist(),
            "y": [output.y for output in n.outputs],
            "loss": str(n.net.loss_function),
            "learning_rate": self.learning_rate,
            "canonical": n.is_canonical,
            "layers": [units.tolist() for units in n.net.layer_units],
            "units": [_unit_dict(unit) for unit in self.units],
            "gradient": [parameter.to_dict() for parameter in self.gradient.values()],
            "bias_gradient": [parameter.to_dict() for parameter in self.bias_gradient.values()],
        }


def _unit_dict(unit: Unit) -> dict[str, Any]:
    terms, fed = [term._asdict() for term in unit.terms], [term._asdict() for term in unit.fed]
    output = None if unit.output is None else unit.output._asdict()
    return vars(unit) | {"terms": terms, "fed": fed, "output": output}


def _summary(numbers: Numbers, layer: int, units: Any, function: str) -> LayerSummary:
    z, slope, delta = numbers.z[units], numbers.slope[units], numbers.delta[units]
    dead = slope == 0
    saturated = ~dead & (np.abs(slope) < SATURATED * formulas.HIGHEST_SLOPE.get(function, 0.0))
    return LayerSummary(
        layer=layer,
        function=function,
        n_units=len(units),
        z_low=float(z.min()),
        z_high=float(z.max()),
        delta_norm=float(np.sqrt((delta**2).sum())),
        dead=float(dead.mean()),
        saturated=float(saturated.mean()),
    )
