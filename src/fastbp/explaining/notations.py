"""The sections of an explanation in each of its notations."""

from fastbp.explaining import neurons
from fastbp.explaining.digits import Digits
from fastbp.explaining.drawn import shortened
from fastbp.explaining.equations import Equations
from fastbp.explaining.explained import Explained
from fastbp.explaining.formulas import formula_of
from fastbp.explaining.names import NOTATIONS, LayerNames, NeuronNames
from fastbp.explaining.sections import Line, Section, Table, without_repeats
from fastbp.explaining.terms import Parameter

MOST_LETTERS = 20  # of a function's name in a table
TOLERANCE = 1e-5  # between a derivative and its central difference, of the largest derivative: beyond, a word is said

JOIN = {
    "bishop": "delta_j is dE_n/da_j, after h' of its own unit. In (5.56) the sum runs over k, the units that j feeds: "
    "w_kj is row k, column j, and h' is taken at a_j.",
    "layers": "Bishop's a is z here, and his z is a. W_l acts on layer l: his w_ji of layer l+1. dE/dz_l is the row of "
    "his delta_j. The text has no function on the outputs, no biases, and E = (y - z_n)^2 without the 1/2, so that "
    "dE/dz_n = -2 (y - z_n): here as the network has them.",
    "neurons": "Bishop's delta_j is g'(r_j) times what arrives; his w_ji is w_i,j here.",
}


def sections(of: Explained, digits: int, unit: int | None = None) -> list[Section]:
    """All sections; of one unit if it is given; a summary by layer of a large network."""
    equations = Equations(of, NOTATIONS[of.notation](of.numbers), Digits(digits))
    shown = of.numbers.net.layer_units if unit is None else [[unit]]
    if unit is None and of.is_summarised:
        return [header(equations), Section("ERROR", lines=tuple(equations.errors())), summary(equations)]
    backward = [int(j) for units in shown[::-1] for j in units[::-1] if j >= of.numbers.net.n_inputs]
    forward = [int(j) for units in shown for j in units if j >= of.numbers.net.n_inputs]
    found = [header(equations), forward_section(equations, forward)]
    found.append(Section("ERROR", lines=tuple(equations.errors())))
    if isinstance(equations.names, NeuronNames):
        found += neurons.backward_sections(equations, backward)
    else:
        found.append(backward_section(equations, backward))
    if unit is not None and unit < of.numbers.net.n_inputs:
        return [found[0], *input_sections(equations, unit)]
    order = [int(j) for units in shown[::-1] for j in units if j >= of.numbers.net.n_inputs]
    found.append(gradient_section(equations, order))
    if isinstance(equations.names, NeuronNames):
        found += neurons.rule_sections(equations, order)
    return [*found, join_section(equations, unit)]


def header(equations: Equations) -> Section:
    """The network and the sample."""
    of, names, digits = equations.of, equations.names, equations.digits
    net = of.numbers.net
    shape = "-".join(map(str, net.sizes))
    if net.is_given_by_edges:
        shape = f"{net.n_units} units, {len(of.gradient)} connections"
    functions = ", ".join(dict.fromkeys(net.unit_functions))
    title = f"One sample through {shape}, {functions}, {net.loss_function}."
    units = [_run([names.unit(int(j)) for j in layer]) for layer in net.layer_units]
    kinds = [f"inputs {units[0]}"]
    outputs = set(range(of.numbers.first_output, net.n_units))
    layers = [(text, bool(outputs & {int(j) for j in u})) for text, u in zip(units, net.layer_units, strict=True)][1:]
    hidden = " | ".join(text for text, is_output in layers if not is_output)
    ends = " | ".join(text for text, is_output in layers if is_output)
    kinds += [f"hidden {hidden}"] if hidden else []
    kinds.append(f"{'output' if len(outputs) == 1 else 'outputs'} {ends}")
    x, t = digits.row(of.numbers.x[0]), digits.row(of.numbers.t[0])
    return Section(title, (f"x = {x}", f"t = {t}", f"units: {', '.join(kinds)}"))


def _run(names: list[str]) -> str:
    """Names of a layer; of many, the first and the last."""
    return " ".join(names) if len(names) <= 8 else f"{names[0]} ... {names[-1]}"


def forward_section(equations: Equations, units: list[int]) -> Section:
    """(5.48), (5.49), and the formula of h' of every function there is."""
    n, of = equations.names, equations.of
    slopes = []
    for function in dict.fromkeys(of.units[j].function for j in units):
        _, slope = formula_of(function, *n.generic)
        several = "" if len(set(of.numbers.net.unit_functions)) == 1 else f"{function}: "
        slopes.append(f"{several}{n.slope_letter}({n.generic[0]}) = {slope}")
    formulas = (n.sum_formula, n.output_formula, *slopes)
    return Section("FORWARD", formulas, tuple(equations.forward(j) for j in units))


def backward_section(equations: Equations, units: list[int]) -> Section:
    """(5.54) or the chain rule at the outputs, (5.56) at all others."""
    lines = without_repeats([equations.backward(j) for j in units])
    return Section("BACKWARD", (equations.names.delta_formula, equations.names.recursion_formula), lines)


def gradient_section(equations: Equations, units: list[int]) -> Section:
    """(5.53) of all that arrives at the units, the step, and the central differences."""
    n, of, digits = equations.names, equations.of, equations.digits
    formulas: tuple[str, ...] = n.gradient_formulas
    head: tuple[str, ...] = n.gradient_head
    if of.learning_rate is not None:
        formulas = (*formulas, f"STEP w <- w - {digits.short(of.learning_rate)} d{n.error}/dw")
        head = (*head, f"new {n.gradient_head[1]}")
    formulas = (*formulas, "CHECK central differences")
    parameters = [parameter for j in units for parameter in parameters_of(of, j)]
    table = Table((*head, "check"), tuple(equations.gradient(p) for p in parameters))
    return Section("GRADIENT", formulas, table=table, notes=_doubts(equations, parameters))


def parameters_of(of: Explained, j: int) -> list[Parameter]:
    """The weights of all that arrives at unit j, and its bias."""
    found = [of.gradient[term.i, j] for term in of.units[j].terms]
    return [*found, of.bias_gradient[j]] if j in of.bias_gradient else found


def _doubts(equations: Equations, parameters: list[Parameter]) -> tuple[str, ...]:
    """A word on derivatives that their central differences disagree with."""
    numbers = equations.of.numbers
    if numbers.rounding_of_delta >= 1:
        return ()  # no digit is left to compare
    largest = max((abs(p.difference) for p in parameters), default=0.0)
    tolerance = (TOLERANCE if numbers.net.dtype.itemsize == 8 else 1e-3) + numbers.rounding_of_delta
    wrong = [p for p in parameters if not abs(p.value - p.difference) <= tolerance * largest + numbers.rounding_of(p.w)]
    if not wrong:
        return ()
    unit = equations.names.unit
    names = ", ".join(f"{'bias' if p.i is None else unit(p.i)} -> {unit(p.j)}" for p in wrong[:5])
    return (
        f"The check differs at {len(wrong)} of {len(parameters)} ({names}): a kink, of relu say, within a step of the "
        "difference, or a user's own h' that is not the derivative of its h.",
    )


def input_sections(equations: Equations, unit: int) -> list[Section]:
    """What comes back to an input."""
    n, d, found = equations.names, equations.digits, equations.of.units[unit]
    products = [f"{d(f.w_kj, signed=True)}*{d(f.delta_k, signed=True)}" for f in equations.largest(found.fed)]
    terms = (*products, *equations.others(found.fed)) or ("0",)
    parts = (f"d{n.error}/d{n.z(unit)} = {terms[0]}", *terms[1:], f"= {d(found.arrives, signed=True)}")
    lines = (Line(f"unit {n.unit(unit)}", parts),)
    net = equations.of.numbers.net
    notes = (
        f"Unit {unit} is an input, which has neither weights nor delta: units are numbered from the inputs on, and "
        f"{net.n_inputs} to {net.n_units - 1} are computed.",
    )
    return [Section("INPUT", (f"{n.z(unit)} = {d.short(found.z)}",), lines, notes=notes)]


def summary(equations: Equations) -> Section:
    """A row for each layer."""
    n, d, z = equations.names, equations.digits, equations.z_letter
    delta = "delta" if n.title == "bishop" else f"d{n.error}/d{n.input_letter}"
    head = ("layer", "function", "units", f"lowest {z}", f"highest {z}", f"norm of {delta}", "dead", "saturated")
    rows = tuple(
        (str(s.layer), shortened(s.function, MOST_LETTERS), str(s.n_units), d(s.z_low, signed=True),
         d(s.z_high, signed=True), d(s.delta_norm), f"{s.dead:.0%}", f"{s.saturated:.0%}")
        for s in equations.of.layers
    )  # fmt: skip
    notes = (
        f"{equations.of.numbers.net.n_params:,} parameters: shown by layer. unit=j (--unit j) picks a unit; units[j], "
        f"gradient[i, j] and why(j) have all numbers. dead: {n.slope_letter} = 0; saturated: {n.slope_letter} below a "
        "twentieth of its highest.",
    )
    return Section("LAYERS", table=Table(head, rows), notes=notes)


def join_section(equations: Equations, unit: int | None) -> Section:
    """The line that joins the notation with the others, and the slips of the text that it comes from."""
    names = equations.names
    if unit is not None:
        return Section("NOTATION", notes=(JOIN[names.title],))
    if isinstance(names, NeuronNames):
        return Section("NOTATION", (JOIN["neurons"],), neurons.joined(equations), notes=(neurons.SLIPS,))
    if isinstance(names, LayerNames):
        return Section("NOTATION", notes=(JOIN["layers"],))
    return Section("NOTATION", notes=(JOIN["bishop"],))
