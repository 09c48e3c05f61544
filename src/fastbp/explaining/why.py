"""From (5.55) to (5.56) for one unit, with its numbers: what becomes of the sums, and why h' comes out."""

from fastbp.explaining.digits import Digits
from fastbp.explaining.equations import Equations
from fastbp.explaining.explained import Explained
from fastbp.explaining.names import NOTATIONS, Names
from fastbp.explaining.sections import Line, Section
from fastbp.explaining.terms import Unit
from fastbp.explaining.text import Text, render

MOST_SENDERS = 6  # of a unit that is fed: of more, those of no importance here are left out


def why(of: Explained, j: int) -> Text:
    """The derivation for unit j, in Bishop's notation; of an explanation in another one, first what is which."""
    if of.notation == "bishop":
        return Text(_derivation(of, j))
    return Text(f"In Bishop's names: {NOTATIONS[of.notation](of.numbers).unit(j)} is unit {j}.\n\n{_derivation(of, j)}")


def _derivation(of: Explained, j: int) -> str:
    unit, names, digits = of.units[j], Names(of.numbers), Digits()
    if unit.output is not None and not unit.fed:
        return render([_of_output(Equations(of, names, digits), j)], 100)
    feeds = " and ".join(map(str, [f.k for f in unit.fed])) or "no unit"
    head = f"From (5.55) to (5.56) for unit {j}, which feeds {'unit' if len(unit.fed) == 1 else 'units'} {feeds}"
    if not unit.fed:
        note = f"A sum of no terms: the error does not depend on unit {j}, delta_{j} = 0."
        return render([Section(head, notes=(note,))], 100)
    chain = Section(head, lines=tuple(_chain_rule(unit)))
    inner = Section("What a unit that is fed depends on", lines=tuple(_inner(of, unit, names, digits)))
    result = Section("Together", lines=tuple(_together(unit, names, digits)))
    return render([chain, inner, result], 100)


def _chain_rule(unit: Unit) -> list[Line]:
    j = unit.j
    own = ["dE_n/dz of its own error"] if unit.output is not None else []
    first = [f"dE_n/da_{f.k} * da_{f.k}/da_{j}" for f in unit.fed]
    second = [f"delta_{f.k} * da_{f.k}/da_{j}" for f in unit.fed]
    if own:
        own = [f"dE_n/dz_{j} * dz_{j}/da_{j}"]
    lines = [
        Line("(5.55)", _sum(f"delta_{j} = ", [*own, *first]), f"chain rule over the units that {j} feeds"),
        Line("(5.51)", _sum("= ", [*own, *second]), "that is what delta means"),
    ]
    if own:
        lines.append(Line("", (f"unit {j} is an output too: the first term is its own error",)))
    return lines


def _inner(of: Explained, unit: Unit, names: Names, digits: Digits) -> list[Line]:
    j, slope = unit.j, unit.slope
    assert slope is not None
    lines = []
    for place, fed in enumerate(unit.fed):
        label, name = f"da_{fed.k}/da_{j}", names.w(j, fed.k)
        value = f"= {digits(fed.w_kj, signed=True)} * {digits(slope)} = {digits(fed.w_kj * slope, signed=True)}"
        if place > 0:
            lines.append(Line(label, (f"= {name} h'(a_{j})", value)))
            continue
        senders, biased = _senders(of, fed.k, j), of.units[fed.k].bias is not None
        bias, zero = ([f"b_{fed.k}"], ["0"]) if biased else ([], [])
        outer = [_times(of, names, i, fed.k, "z_{i}") for i in senders]
        inside = [_times(of, names, i, fed.k, "h(a_{i})") for i in senders]
        zeros = [f"{name} h'(a_{j})" if i == j else ("..." if i is None else "0") for i in senders]
        rest = [f"a_{i}" if i >= of.numbers.net.n_inputs else f"x_{i}" for i in senders if i not in (None, j)]
        rest += [f"b_{fed.k}"] * biased
        depend = "do not depend" if len(rest) > 1 else "does not depend"
        reason = f"{' and '.join(rest)} {depend} on a_{j}: only i = j stays" if rest else "nothing else arrives"
        lines += [
            Line(label, _sum(f"a_{fed.k} = ", outer + bias), f"(5.48): all that arrives at {fed.k}"),
            Line("", _sum("= ", inside + bias), "(5.49): h is inside, once for each sender i"),
            Line("", _sum(f"d/da_{j} = ", zeros + zero), reason),
            Line("", (value,)),
        ]
    return lines


def _senders(of: Explained, k: int, j: int) -> list[int | None]:
    """The units that send to k; None stands for those left out."""
    senders: list[int | None] = [term.i for term in of.units[k].terms]
    if len(senders) <= MOST_SENDERS:
        return senders
    others = [i for i in senders if i != j]
    return [j, *others[: MOST_SENDERS - 2], None]


def _times(of: Explained, names: Names, i: int | None, k: int, what: str) -> str:
    """A term of a_k; an input is a number, not the h of one."""
    if i is None:
        return "..."
    is_input = i < of.numbers.net.n_inputs
    return f"{names.w(i, k)} {f'x_{i}' if is_input else what.format(i=i)}"


def _together(unit: Unit, names: Names, digits: Digits) -> list[Line]:
    j, slope, delta = unit.j, unit.slope, unit.delta
    assert slope is not None and delta is not None
    pairs = [f"{digits(f.delta_k, signed=True)} * {digits(f.w_kj * slope, signed=True)}" for f in unit.fed]
    products = [digits(f.product * slope, signed=True) for f in unit.fed]
    weighted = [f"{digits(f.w_kj, signed=True)} * {digits(f.delta_k, signed=True)}" for f in unit.fed]
    inside = [f"{names.w(j, f.k)} delta_{f.k}" for f in unit.fed]
    if unit.output is not None:
        own = unit.output.slope
        pairs.insert(0, f"{digits(own, signed=True)} * {digits(slope)}")
        products.insert(0, digits(own * slope, signed=True))
        weighted.insert(0, digits(own, signed=True))
        inside.insert(0, f"dE_n/dz_{j}")
    products = [f"= {products[0]}", *products[1:]] if len(products) > 1 else []
    result = f"= {digits(delta, signed=True)}"
    return [
        Line("", (*_sum(f"delta_{j} = ", pairs), *products, result)),
        Line("(5.56)", _sum(f"= h'(a_{j}) (", inside, ")"), f"h'(a_{j}) is in every term: out of the sum"),
        Line("", (*_sum(f"= {digits(slope)} (", weighted, ")"), result), f"the kernels' delta_{j}"),
    ]


def _sum(first: str, terms: list[str], last: str = "") -> tuple[str, ...]:
    found = [terms[0], *(f"+ {term}" for term in terms[1:])]
    found[0] = first + found[0]
    found[-1] += last
    return tuple(found)


def _of_output(equations: Equations, j: int) -> Section:
    """An output has no sum: (5.51) by way of its y alone."""
    unit, n, d = equations.of.units[j], equations.names, equations.digits
    assert unit.output is not None and unit.slope is not None
    y = n.y(j)
    lines = [Line("(5.51)", (f"delta_{j} = dE_n/da_{j} = dE_n/d{y} * d{y}/da_{j}",), f"{j} is an output: no (5.56)")]
    if not equations.of.numbers.is_softmax:
        own = f"dE_n/d{y} = {d(unit.output.slope, signed=True)}"
        lines.append(Line("", (f"{own},", f"d{y}/da_{j} = {n.slope(j)} = {d(unit.slope)}")))
    line = equations.backward(j)
    return Section(f"delta of output {j}", lines=(*lines, Line("", line.parts, line.note)))
