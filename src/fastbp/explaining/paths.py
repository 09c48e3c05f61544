"""`Paths`: every way on which a weight reaches the error, as a product of slopes and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

from fastbp.explaining.digits import Digits
from fastbp.explaining.explained import Explained
from fastbp.explaining.names import NOTATIONS, Names
from fastbp.explaining.sections import Table
from fastbp.explaining.text import table

MOST_PATHS = 10_000  # their number grows with the product of the layers' sizes


@dataclass(frozen=True)
class Path:
    """One way.

    Attributes
    ----------
    units : tuple of int
        From the unit that sends to an output.
    end : float
        The part of the output's delta that comes from its own error.
    factors : tuple of float
        From the output back: weight, slope, weight, slope ..., and last what the first unit sends.
    product : float
        `end` times all factors.
    """

    units: tuple[int, ...]
    end: float
    factors: tuple[float, ...]
    product: float


@dataclass(frozen=True)
class Paths(Sequence[Path]):
    """All ways of a weight: a sequence of `Path`.

    Attributes
    ----------
    total : float
        Sum of their products.
    value : float
        The derivative by the weight, as the kernels have it.
    """

    of: Explained
    found: tuple[Path, ...]
    value: float

    @overload
    def __getitem__(self, k: int) -> Path: ...
    @overload
    def __getitem__(self, k: slice) -> Sequence[Path]: ...
    def __getitem__(self, k: int | slice) -> Path | Sequence[Path]:
        return self.found[k]

    def __len__(self) -> int:
        return len(self.found)

    @property
    def total(self) -> float:
        """Sum of the products."""
        return float(sum(path.product for path in self.found))

    def __str__(self) -> str:
        names, digits = NOTATIONS[self.of.notation](self.of.numbers), Digits()
        total, signs = self.total, {path.product > 0 for path in self.found}
        one_sign = len(signs) == 1 and total != 0  # shares of products of both signs would mislead
        rows = []
        for path in self.found:
            chain = " -> ".join(names.unit(unit) for unit in path.units)
            share = f"{path.product / total:.0%}" if one_sign else ""
            rows.append((chain, symbols(self.of, names, path), "=", digits(path.product, signed=True), share))
        rows.append(("", "sum", "=", digits(total, signed=True), ""))
        rows.append(("", "the kernels", "=", digits(self.value, signed=True), ""))
        return "\n".join(line.rstrip() for line in table(Table(rows[0], tuple(rows[1:]))))

    def __repr__(self) -> str:
        return str(self)


def symbols(of: Explained, names: Names, path: Path) -> str:
    """The factors of a path by their names, from the output back."""
    units = path.units[::-1]
    parts = [end_symbols(of, names, units[0])]
    for k, j in pairwise(units[:-1]):
        parts.append(f"{names.w(j, k)} {names.slope(j)}")
    return " . ".join([*parts, names.z(path.units[0])])


def end_symbols(of: Explained, names: Names, k: int) -> str:
    """The part of an output's delta that comes from its own error, as symbols."""
    numbers = of.numbers
    if numbers.is_softmax or numbers.is_canonical:
        return f"({names.y(k)}-{names.t(k)})" if numbers.is_canonical else names.signal(k)
    plain = numbers.net.loss_name == "squared_error"
    own = f"({names.y(k)}-{names.t(k)})" if plain else f"d{names.error}/d{names.y(k)}"
    return f"{own} {names.slope(k)}"


def find_paths(of: Explained, i: int, j: int, most: int = MOST_PATHS) -> Paths:
    """Walk along every connection from j on; refuse more than `most` paths before any is walked."""
    n_paths = count_paths(of, j)
    if n_paths > most:
        raise ValueError(f"most must be at least {n_paths:,}, the number of paths from {i} by {j}; got {most:,}")
    z_i, found = of.units[i].z, []
    stack: list[tuple[tuple[int, ...], tuple[float, ...]]] = [((i, j), ())]
    while stack:
        units, factors = stack.pop()
        unit = of.units[units[-1]]
        if unit.output is not None:
            end, path_factors = own_delta(of, unit.j), (*factors, z_i)
            product = end
            for factor in path_factors:
                product *= factor
            found.append(Path(units, end, path_factors, product))
        assert unit.slope is not None
        for fed in reversed(unit.fed):
            stack.append(((*units, fed.k), (fed.w_kj, unit.slope, *factors)))
    return Paths(of, tuple(found), of.gradient[i, j].value)


def own_delta(of: Explained, k: int) -> float:
    """The part of an output's delta that comes from its own error."""
    unit = of.units[k]
    assert unit.output is not None and unit.slope is not None and unit.delta is not None
    return unit.slope * unit.output.slope if unit.fed else unit.delta


def count_paths(of: Explained, j: int) -> int:
    """Number of ways from unit j to an output; without recursion, since networks may be deep."""
    counts: dict[int, int] = {}
    stack = [j]
    while stack:
        unit = of.units[stack[-1]]
        waiting = [fed.k for fed in unit.fed if fed.k not in counts]
        if waiting:
            stack += waiting
        else:
            counts[stack.pop()] = (unit.output is not None) + sum(counts[fed.k] for fed in unit.fed)
    return counts[j]
