"""One self-contained page on which an explanation can be stepped through."""

import json
import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from fastbp.explaining import neurons, notations
from fastbp.explaining.digits import Digits
from fastbp.explaining.drawn import MOST_TERMS, Part, Strengths, part_of
from fastbp.explaining.equations import Equations
from fastbp.explaining.explained import Explained
from fastbp.explaining.layout import RADIUS, VALUE_BELOW, lay_out
from fastbp.explaining.markup import html_expression, html_line
from fastbp.explaining.names import NOTATIONS, NeuronNames
from fastbp.explaining.sections import Line, without_repeats
from fastbp.explaining.terms import Parameter, Unit
from fastbp.explaining.why import why
from fastbp.files.outputs import replacing

MOST_FED = 40  # units that a unit feeds, for which (5.56) is derived on the page: a line for each


def write_page(of: Explained, path: str, note: str = "") -> None:
    """Write the page."""
    text = page(of, note)
    with replacing(path) as file:
        file.write(text.encode())


def page(of: Explained, note: str = "") -> str:
    """The page as text: template, style and script from `assets`, and the numbers as JSON."""
    assets = files("fastbp.explaining") / "assets"
    template, style, script = ((assets / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js"))
    data = json.dumps(page_data(of), allow_nan=False).replace("</", "<\\/")  # nothing within may end the element
    title = notations.header(_equations(of)).title
    parts = {"title": escape(title), "note": escape(note), "style": style, "script": script, "data": data}
    return re.sub(r"/\*(\w+)\*/", lambda mark: parts[mark[1]], template)


def _equations(of: Explained, most: int | None = None) -> Equations:
    return Equations(of, NOTATIONS[of.notation](of.numbers), Digits(), most)


def page_data(of: Explained) -> dict[str, Any]:
    """What the script draws and shows."""
    numbers = of.numbers
    part = part_of(numbers.net, Strengths.of_sample(numbers), of.unit)
    equations, layout = _equations(of, None if part.is_whole else MOST_TERMS), lay_out(numbers.net, part, of.names)
    place_of = {int(j): place for place, j in enumerate(part.units)}
    units = [_unit(equations, of.units[j], layout.units[j]) for j in place_of]
    edges = [
        _edge(equations, of.gradient[i, j], label, control) | {"i": place_of[i], "j": place_of[j]}
        for (i, j), label, control in zip(layout.ends.tolist(), layout.labels, layout.controls.tolist(), strict=True)
    ]
    return {
        "head": [html_expression(formula) for formula in [*notations.header(equations).formulas, *_left_out(of, part)]],
        "width": layout.width,
        "height": layout.height,
        "radius": RADIUS,
        "below": VALUE_BELOW,
        "units": units,
        "edges": edges,
        "words": [word._asdict() for word in layout.words],
        "steps": _steps(equations, part),
        "selected": None if of.unit is None else place_of[of.unit],
    }


def _left_out(of: Explained, part: Part) -> list[str]:
    """What is drawn of a larger network."""
    if part.is_whole:
        return []
    if of.unit is not None:
        return [f"drawn: unit {of.unit}, those that send most to it, and those by which most comes back"]
    return ["drawn: the units of each layer with the largest error signal"]


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def label(value: float | None) -> str:
    """A number beside a line or below a unit, in at most 8 characters or so."""
    if value is None:
        return ""
    text = f"{value:.3f}"
    return text if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.2g}"


def _unit(equations: Equations, unit: Unit, place: Any) -> dict[str, Any]:
    n, is_input = equations.names, unit.delta is None
    signal = unit.delta if not isinstance(n, NeuronNames) or is_input else neurons.signal_of(equations.of, unit)
    pair = [] if is_input else [("forward", equations.forward(unit.j)), ("error signal", _backward(equations, unit.j))]
    lines = [Line(title, line.parts, line.note) for title, line in pair]
    if is_input:
        lines = [line for section in notations.input_sections(equations, unit.j) for line in section.lines]
    parameters = [] if is_input else [p for p in notations.parameters_of(equations.of, unit.j) if p.i is None]
    lines += [line for p in parameters for line in _of_parameter(equations, p)]
    return {
        "number": unit.j,
        "name": n.unit(unit.j).replace("_", ""),
        "called": equations.of.names[unit.j],
        "layer": unit.layer,
        "x": float(place[0]),
        "y": float(place[1]),
        "z": _finite(unit.z),
        "signal": _finite(signal),
        "zText": label(unit.z),
        "signalText": label(signal),
        "function": unit.function or "input",
        "lines": [_html(line) for line in lines],
        "why": "" if is_input or len(unit.fed) > MOST_FED else str(why(equations.of, unit.j)),
    }


def _backward(equations: Equations, j: int) -> Line:
    return neurons.signal(equations, j) if isinstance(equations.names, NeuronNames) else equations.backward(j)


def _of_parameter(equations: Equations, p: Parameter) -> list[Line]:
    return [equations.derivative(p)] + ([equations.step(p)] if p.new_w is not None else [])


def _edge(
    equations: Equations, p: Parameter, place: tuple[float, float] | None, control: list[float]
) -> dict[str, Any]:
    d = equations.digits
    check = Line("check", (f"central difference {d(p.difference, signed=True)}",))
    back = p.w * p.delta
    return {
        "label": place,
        "control": control,
        "w": _finite(p.w),
        "back": _finite(back),
        "value": _finite(p.value),
        "new": _finite(p.new_w),
        "texts": {"w": label(p.w), "back": label(back), "value": label(p.value), "new": label(p.new_w)},
        "lines": [_html(line) for line in [*_of_parameter(equations, p), check]],
    }


def _html(line: Line) -> list[str]:
    return [html_expression(line.label), html_line(line)]


def _steps(equations: Equations, part: Part) -> list[dict[str, Any]]:
    """What the slider steps through, with the equations of each step."""
    of, n = equations.of, equations.names
    layers = [(layer, units.tolist()) for layer, units in part.layers]
    computed = [(layer, units) for layer, units in layers if layer > 0]
    sums = [n.sum_formula, n.output_formula]
    steps = [_step("start", 0, "The sample", sums, [] if part.is_whole else _layers(equations))]
    for layer, units in computed:
        steps.append(_step("forward", layer, f"Forward: layer {layer}", sums, [equations.forward(j) for j in units]))
    steps.append(_step("error", layers[-1][0], "Error", [], equations.errors()))
    for layer, units in computed[::-1]:
        lines, formulas = (
            without_repeats(_backward(equations, j) for j in units),
            [n.delta_formula, n.recursion_formula],
        )
        steps.append(_step("backward", layer, f"Error signal: layer {layer}", formulas, lines))
    parameters = _parameters(of, part)
    derivatives = [equations.derivative(p) for p in parameters]
    steps.append(_step("gradient", 0, "Gradient", list(n.gradient_formulas), derivatives))
    if of.learning_rate is not None:
        rule = f"w <- w - {n.rate} d{n.error}/dw"
        steps.append(_step("update", 0, "Update", [rule], [equations.step(p) for p in parameters]))
    return steps


def _layers(equations: Equations) -> list[Line]:
    """A line for each layer of a network that is not drawn as a whole."""
    table = notations.summary(equations).table
    assert table is not None
    names = table.head[2:]
    described = (", ".join(f"{name} {cell}" for name, cell in zip(names, row[2:], strict=True)) for row in table.rows)
    return [Line(f"layer {row[0]}, {row[1]}", (text,)) for row, text in zip(table.rows, described, strict=True)]


def _parameters(of: Explained, part: Part) -> list[Parameter]:
    """The weights that are drawn, and the biases, from the last layer back."""
    into: dict[int, list[Parameter]] = {}
    for i, j in of.numbers.edges[part.edges].tolist():
        into.setdefault(j, []).append(of.gradient[i, j])
    found = []
    for _, units in part.layers[::-1]:
        for j in units.tolist():
            found += [*into.get(j, []), *([of.bias_gradient[j]] if j in of.bias_gradient else [])]
    return found


def _step(kind: str, layer: int, title: str, formulas: list[str], lines: Iterable[Line]) -> dict[str, Any]:
    shown = [html_expression(formula) for formula in formulas]
    return {"kind": kind, "layer": layer, "title": title, "formulas": shown, "lines": [_html(line) for line in lines]}
