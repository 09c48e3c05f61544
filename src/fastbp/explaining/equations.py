"""Each equation of the derivation with a unit's, or a weight's, numbers in it: the lines that all views show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fastbp.explaining.digits import Digits
from fastbp.explaining.explained import Explained
from fastbp.explaining.formulas import error_formula
from fastbp.explaining.names import Names, NeuronNames
from fastbp.explaining.sections import Line
from fastbp.explaining.terms import Fed, Parameter, Term, Unit

Product = TypeVar("Product", Term, Fed)

MOST_OUTPUTS = 12  # whose shares of the error are shown, the largest ones


@dataclass(frozen=True)
class Equations:
    """Of an explanation, in a notation, to so many digits; of sums of more terms than `most`, the largest ones."""

    of: Explained
    names: Names
    digits: Digits
    most: int | None = None

    def largest(self, terms: Sequence[Product]) -> Sequence[Product]:
        """The terms of a sum that are shown, in their order."""
        if self.most is None or len(terms) <= self.most:
            return terms
        order = np.argsort([-abs(term.product) for term in terms], kind="stable")[: self.most]
        return [terms[place] for place in sorted(order)]

    def others(self, terms: Sequence[Product]) -> list[str]:
        """What the terms that are not shown add up to, if there are any."""
        shown = self.largest(terms)
        if len(shown) == len(terms):
            return []
        rest = sum(term.product for term in terms) - sum(term.product for term in shown)
        return [f"{self.digits(rest, signed=True)} of {len(terms) - len(shown):,} others"]

    # ------------------------------------------------------------------ forward

    def forward(self, j: int) -> Line:
        """a_j with its terms, z_j and h'(a_j): (5.48), (5.49)."""
        unit, n, d = self.of.units[j], self.names, self.digits
        assert unit.a is not None and unit.slope is not None
        terms = [f"{d(t.w_ji, signed=True)}*{d(t.z_i)}" for t in self.largest(unit.terms)] + self.others(unit.terms)
        if unit.bias is not None or not terms:
            terms.append(d.short(unit.bias or 0.0, signed=True))
        terms[0] = f"{n.input_letter} = {terms[0]}"
        results = (f" {self.z_letter} = {d(unit.z)}", f" {n.slope_letter} = {d(unit.slope)}")
        return Line(f"unit {n.unit(j)}", (*terms, f"= {d(unit.a, signed=True)}", *results))

    @property
    def z_letter(self) -> str:
        """What comes out of a unit, where the label names the unit."""
        return {"bishop": "z", "layers": "a", "neurons": "g(r)"}[self.names.title]

    # ------------------------------------------------------------------ error

    def errors(self) -> list[Line]:
        """E_n, output by output, and the sum."""
        numbers, n, d = self.of.numbers, self.names, self.digits
        lines, outputs = [], numbers.outputs
        shown = sorted(np.argsort([-output.error for output in outputs], kind="stable")[:MOST_OUTPUTS])
        for k, output in ((numbers.first_output + place, outputs[place]) for place in shown):
            symbols, _ = error_formula(numbers.net.loss_function, output)
            printed = symbols.format(y=d(output.y), t=d.short(output.t))
            symbols = symbols.format(y=n.y(k), t=n.t(k))
            name = n.error if len(outputs) == 1 else f"output {n.unit(k)}"
            total = self.of.error if len(outputs) == 1 else output.error
            parts = (f"= {symbols}", f"= {printed}", f"= {d(total)}")
            lines.append(Line(name, parts))
        if len(outputs) > 1:
            terms = [f"+ {d(outputs[place].error)}" for place in shown]
            terms[0] = terms[0].replace("+", "=", 1)
            if len(shown) < len(outputs):
                terms.append(f"+ {d(self.of.error - sum(outputs[place].error for place in shown))} of the others")
            lines.append(Line(n.error, (*terms, f"= {d(self.of.error)}")))
        return lines

    # ------------------------------------------------------------------ backward

    def backward(self, j: int) -> Line:
        """delta_j with its terms: (5.54), the chain rule, or (5.56)."""
        unit, label = self.of.units[j], f"unit {self.names.unit(j)}"
        if unit.output is None:
            return Line(label, self._recursion(unit))
        if self.of.numbers.is_canonical:
            return Line(label, self._canonical(unit), self.pair())
        if self.of.numbers.is_softmax:
            return Line(label, self._softmax(unit), self.pair())
        return Line(label, self._chain_rule(unit), self.pair())

    def delta_name(self, j: int) -> str:
        """What the left side is called: short where the label names the unit."""
        if isinstance(self.names, NeuronNames):
            return self.names.signal(j)
        return "dE/dz" if self.names.title == "layers" else "delta"

    def _recursion(self, unit: Unit) -> tuple[str, ...]:
        n, d = self.names, self.digits
        assert unit.slope is not None and unit.delta is not None
        name = self.delta_name(unit.j)
        if not unit.fed:
            nothing = "it feeds no unit: the sum has no terms"
            return (f"{name} = {n.slope(unit.j)} [] = {d(unit.slope)} * 0 = {d(unit.delta)}", f"({nothing})")
        symbols, terms = _bracket(self._weighted(unit), " + "), _bracket(self._products(unit), " ")
        return (
            f"{name} = {n.slope(unit.j)} {symbols[0]}", *symbols[1:],
            f"= {d(unit.slope)} {terms[0]}", *terms[1:],
            f"= {d(unit.slope)} * {d(unit.arrives, signed=True)}", f"= {d(unit.delta, signed=True)}",
        )  # fmt: skip

    def _weighted(self, unit: Unit) -> list[str]:
        """w_kj delta_k of each k that a unit feeds, as symbols."""
        n, rest = self.names, ["..."] * bool(self.others(unit.fed))
        return [f"{n.w(unit.j, f.k)} {n.short_delta(f.k)}" for f in self.largest(unit.fed)] + rest

    def _products(self, unit: Unit) -> list[str]:
        """The same as numbers."""
        d, fed = self.digits, self.largest(unit.fed)
        return [f"{d(f.w_kj, signed=True)}*{d(f.delta_k, signed=True)}" for f in fed] + self.others(unit.fed)

    def _canonical(self, unit: Unit) -> tuple[str, ...]:
        n, d, t_sum = self.names, self.digits, self._sum_of_targets()
        assert unit.output is not None and unit.delta is not None
        y, t = n.y(unit.j), n.t(unit.j)
        factor, number = ("", "") if t_sum == 1.0 else (f" sum_k {n.any_t('k')}", f" * {d.short(t_sum)}")
        numbers = f"= {d(unit.output.y)}{number} - {d.short(unit.output.t)}"
        return (f"{self.delta_name(unit.j)} = {y}{factor} - {t}", numbers, f"= {d(unit.delta, signed=True)}")

    def _sum_of_targets(self) -> float:
        """What multiplies y in the delta of a softmax; 1 for probabilities, up to rounding."""
        numbers = self.of.numbers
        total = sum(output.t for output in numbers.outputs) if numbers.is_softmax else 1.0
        return 1.0 if abs(total - 1.0) < 1e-6 else total

    def _softmax(self, unit: Unit) -> tuple[str, ...]:
        n, d, outputs = self.names, self.digits, self.of.numbers.outputs
        assert unit.output is not None and unit.delta is not None
        mean = sum(output.y * output.slope for output in outputs)
        slope = f"d{n.error}/d{n.y(unit.j)}"
        return (
            f"{self.delta_name(unit.j)} = {n.y(unit.j)} ({slope} - sum_m {n.any_y('m')} d{n.error}/d{n.any_y('m')})",
            f"= {d(unit.output.y)} ({d(unit.output.slope, signed=True)} - {d(mean, signed=True)})",
            f"= {d(unit.delta, signed=True)}",
        )

    def _chain_rule(self, unit: Unit) -> tuple[str, ...]:
        n, d = self.names, self.digits
        assert unit.output is not None and unit.slope is not None and unit.delta is not None
        slope = error_formula(self.of.numbers.net.loss_function, unit.output)[1].format(y=n.y(unit.j), t=n.t(unit.j))
        name, own = self.delta_name(unit.j), d(unit.output.slope, signed=True)
        if not unit.fed:
            numbers = f"= {d(unit.slope)} * {own}"
            return (f"{name} = {n.slope(unit.j)} ({slope})", numbers, f"= {d(unit.delta, signed=True)}")
        symbols = _bracket([f"({slope})", *self._weighted(unit)], " + ")
        terms = _bracket([own, *self._products(unit)], " ")
        total = unit.output.slope + unit.arrives
        return (
            f"{name} = {n.slope(unit.j)} {symbols[0]}", *symbols[1:], f"= {d(unit.slope)} {terms[0]}", *terms[1:],
            f"= {d(unit.slope)} * {d(total, signed=True)}", f"= {d(unit.delta, signed=True)}",
        )  # fmt: skip

    def pair(self) -> str:
        """Which pair of output function and loss it is, and whether h' cancels."""
        numbers, h, a = self.of.numbers, self.names.slope_letter, self.names.input_letter
        output, loss = numbers.net.unit_functions[-1], numbers.net.loss_name
        if numbers.is_canonical:
            return f"(5.54): {output} with {loss} is a canonical pair, so {h} cancels"
        if numbers.is_softmax:
            return f"not (5.54): softmax with {loss} is no canonical pair; each output depends on every {a}"
        if output == "identity" and loss == "squared_error":
            return f"(5.54): identity with squared_error is a canonical pair: {h} = 1"
        if output == "identity":
            return f"{h} = 1 of identity; what is left is the derivative of {loss}"
        return f"not (5.54): {output} with {loss} is no canonical pair, so {h} stays"

    # ------------------------------------------------------------------ gradient and step

    def gradient(self, p: Parameter) -> tuple[str, ...]:
        """The cells of a parameter's row: (5.53), the step, and the check."""
        d, n = self.digits, self.names
        sender = "bias" if p.i is None else n.unit(p.i)
        product = ("", "") if p.i is None else ("*", d(p.z, signed=True))
        value = d(p.value, signed=True)
        cells = (f"{sender} -> {n.unit(p.j)}", d(p.w, signed=True), d(p.delta, signed=True), *product, "=", value)
        step = () if p.new_w is None else (d(p.new_w, signed=True),)
        return (*cells, *step, d(p.difference, signed=True))

    def derivative(self, p: Parameter) -> Line:
        """dE_n/dw_ji = delta_j z_i with its numbers, on a line."""
        n, d, value = self.names, self.digits, self.digits(p.value, signed=True)
        left = f"d{n.error}/d{n.b(p.j) if p.i is None else n.w(p.i, p.j)}"
        signal, number = n.signal(p.j), d(p.delta, signed=True)
        if p.i is None:
            return Line(left, (f"= {signal}", f"= {value}"))
        return Line(left, (f"= {signal} {n.z(p.i)}", f"= {number} * {d(p.z, signed=True)}", f"= {value}"))

    def step(self, p: Parameter) -> Line:
        """The new weight, on a line."""
        n, d = self.names, self.digits
        assert p.new_w is not None and self.of.learning_rate is not None
        name, rate = n.b(p.j) if p.i is None else n.w(p.i, p.j), d.short(self.of.learning_rate)
        numbers = f"{d(p.w, signed=True)} - {rate} * {d(p.value, signed=True)}"
        return Line(name, (f"<- {name} - {n.rate} d{n.error}/d{name}", f"= {numbers}", f"= {d(p.new_w, signed=True)}"))


def _bracket(terms: list[str], separator: str) -> list[str]:
    """Terms in brackets, cut where a line may be broken."""
    plus = separator.strip()
    found = [terms[0], *(f"{plus} {term}".strip() for term in terms[1:])]
    found[0] = "[" + found[0]
    found[-1] += "]"
    return found
