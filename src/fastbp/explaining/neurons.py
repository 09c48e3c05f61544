"""What is special in the notation of neurons: the error signal that arrives, and the rules written out."""

from fastbp.explaining.equations import Equations
from fastbp.explaining.explained import Explained
from fastbp.explaining.formulas import error_formula
from fastbp.explaining.paths import count_paths, find_paths, symbols
from fastbp.explaining.sections import Line, Section, without_repeats
from fastbp.explaining.terms import Unit

MOST_PATHS = 12  # of a weight whose rule is written out

NO_SLOPE = "softmax has no single g', since each output depends on every r: dE/dr_B stands for delta_B g'(r_B)"

SLIPS = (
    "Slips of the text, put right here: the sum of the biases' rules runs over the hidden neurons, 1 to N_1, not "
    "N_0; the update of w_4,5 starts from w_4,5, not from w_3,5; that of w_1,4 has g'(r_5) w_4,5 g'(r_4), not "
    "g'(r_4) twice; that of w_x1,1 has g'(r_1), not g'(r_4), as its last slope; some r lack their sample (i); and "
    "half the sum of squares is called root mean square."
)


def backward_sections(equations: Equations, units: list[int]) -> list[Section]:
    """The error signal, from the outputs back: what arrives at each neuron."""
    n = equations.names
    lines = [signal(equations, j) for j in units]
    return [Section("ERROR SIGNAL", (n.delta_formula, n.recursion_formula), without_repeats(lines))]


def signal(equations: Equations, j: int) -> Line:
    """What arrives at neuron j."""
    of, n, d, unit = equations.of, equations.names, equations.digits, equations.of.units[j]
    if unit.output is not None and of.numbers.is_canonical | of.numbers.is_softmax:
        line = equations.backward(j)
        no_slope = f". {NO_SLOPE}" if of.numbers.is_softmax else ""
        return Line(n.unit(j), line.parts, f"{line.note}{no_slope}")
    name, terms, numbers = n.delta(j), [], []
    if unit.output is not None:
        terms.append(error_formula(of.numbers.net.loss_function, unit.output)[1].format(y=n.y(j), t=n.t(j)))
        numbers.append(d(unit.output.slope, signed=True))
    shown, others = equations.largest(unit.fed), equations.others(unit.fed)
    for fed in shown:
        symbol, number = _leaving(equations, fed.k)
        terms.append(f"{symbol} {n.w(j, fed.k)}")
        numbers.append(f"{number} * {d.short(fed.w_kj, signed=True)}")
    if not terms:
        return Line(n.unit(j), (f"{name} = 0",), "it feeds no neuron")
    own = [] if unit.output is None else [unit.output.slope]
    several = [d(value, signed=True) for value in (*own, *(f.product for f in shown))] if len(terms) > 1 else []
    several[:1] = [f"= {value}" for value in several[:1]]
    several += others
    terms += ["..."] * len(others)
    whence = "arrives from " + ", ".join(
        [*["its error"] * len(own), *(n.unit(f.k) for f in shown), *["others"] * len(others)]
    )
    parts = (
        f"{name} = {terms[0]}", *(f"+ {term}" for term in terms[1:]),
        f"= {numbers[0]}", *(f"+ {number}" for number in numbers[1:]), *several, f"= {d(arriving(unit), signed=True)}",
    )  # fmt: skip
    if len(terms) == 1 and unit.output is not None:
        parts = (f"{name} = {terms[0]}", f"= {numbers[0]}")
    return Line(n.unit(j), parts, whence)


def arriving(unit: Unit) -> float:
    """The text's delta_j."""
    return (0.0 if unit.output is None else unit.output.slope) + sum(fed.product for fed in unit.fed)


def signal_of(of: Explained, unit: Unit) -> float:
    """The number at a neuron on its way back: what arrives; of a softmax's output dE/dr, which all outputs make."""
    if unit.output is not None and of.numbers.is_softmax:
        assert unit.delta is not None
        return unit.delta
    return arriving(unit)


def _leaving(equations: Equations, k: int) -> tuple[str, str]:
    """dE/dr_k as symbols and as numbers; one number where the loss has made the product itself."""
    of, n, d, unit = equations.of, equations.names, equations.digits, equations.of.units[k]
    assert unit.slope is not None and unit.delta is not None
    symbol = n.signal(k)
    if unit.output is not None and of.numbers.is_canonical | of.numbers.is_softmax:
        return symbol, d(unit.delta, signed=True)
    return symbol, f"{d(arriving(unit), signed=True)} * {d(unit.slope)}"


def rule_sections(equations: Equations, units: list[int]) -> list[Section]:
    """The update rules by the error signal, and the derivatives with every factor from the error on."""
    of, n, d = equations.of, equations.names, equations.digits
    rules, written = [], []
    for j in units:
        _, leaving = _leaving(equations, j)
        parameters = [of.gradient[term.i, j] for term in of.units[j].terms]
        for p in [*parameters, *([of.bias_gradient[j]] if j in of.bias_gradient else [])]:
            if p.new_w is not None:
                name = n.b(j) if p.i is None else n.w(p.i, j)
                sent, z = ("", "") if p.i is None else (f" {n.z(p.i)}", f" * {d(p.z)}")
                symbols_, rate = f"<- {name} - h {n.signal(j)}{sent}", d.short(of.learning_rate or 0.0)
                numbers = f"= {d(p.w, signed=True)} - {rate} * {leaving}{z}"
                rules.append(Line(name, (symbols_, numbers, f"= {d(p.new_w, signed=True)}")))
        if count_paths(of, j) <= MOST_PATHS:
            written += [_written_out(equations, p.i, j) for p in parameters if p.i is not None]
    found = [Section("UPDATE", ("error introduced * gradient * input",), tuple(rules))] if rules else []
    if written:
        found.append(Section("WRITTEN OUT", ("every factor from the error on, a term for each way",), tuple(written)))
    return found


def _written_out(equations: Equations, i: int, j: int) -> Line:
    of, n, d = equations.of, equations.names, equations.digits
    paths = find_paths(of, i, j)
    terms = [symbols(of, n, path).replace(" . ", " ") for path in paths] or ["0"]
    products = [d(path.product, signed=True) for path in paths] if len(paths) > 1 else []
    products[:1] = [f"= {product}" for product in products[:1]]
    value = d(of.gradient[i, j].value, signed=True)
    return Line(f"dE/d{n.w(i, j)}", (f"= {terms[0]}", *(f"+ {term}" for term in terms[1:]), *products, f"= {value}"))


def joined(equations: Equations) -> tuple[Line, ...]:
    """Bishop's delta of each hidden neuron, from what arrives."""
    of, n, d = equations.of, equations.names, equations.digits
    found = []
    for j in range(of.numbers.net.n_inputs, of.numbers.first_output):
        unit = of.units[j]
        assert unit.slope is not None and unit.delta is not None
        product = f"{d(arriving(unit), signed=True)} * {d(unit.slope)}"
        found.append(Line(n.unit(j), (f"{n.delta(j)} {n.slope(j)}", f"= {product}", f"= {d(unit.delta, signed=True)}")))
    return tuple(found)
