"""One self-contained page on which an explanation can be stepped through."""

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from fastbp.explaining import neurons, notations
from fastbp.explaining.digits import Digits
from fastbp.explaining.equations import Equations
from fastbp.explaining.explained import Explained
from fastbp.explaining.layout import RADIUS, VALUE_BELOW, lay_out
from fastbp.explaining.markup import html_expression, html_line
from fastbp.explaining.names import NOTATIONS, NeuronNames
from fastbp.explaining.sections import Line
from fastbp.explaining.terms import Parameter, Unit
from fastbp.explaining.why import why


def write_page(of: Explained, path: str) -> None:
    """Write the page."""
    text = page(of)
    Path(path).write_text(text, encoding="utf-8")


def page(of: Explained) -> str:
    """The page as text: template, style and script from `assets`, and the numbers as JSON."""
    assets = files("fastbp.explaining") / "assets"
    template, style, script = ((assets / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js"))
    data = json.dumps(page_data(of), allow_nan=False).replace("</", "<\\/")  # nothing within may end the element
    title = notations.header(_equations(of)).title
    for mark, text in (("title", escape(title)), ("style", style), ("script", script), ("data", data)):
        template = template.replace(f"/*{mark}*/", text)
    return template


def _equations(of: Explained) -> Equations:
    return Equations(of, NOTATIONS[of.notation](of.numbers), Digits())


def page_data(of: Explained) -> dict[str, Any]:
    """What the script draws and shows."""
    equations, layout = _equations(of), lay_out(of.numbers.net)
    head = notations.header(equations)
    units = [_unit(equations, unit, layout.units[unit.j]) for unit in of.units]
    parameters = of.gradient.values()
    places = zip(parameters, layout.labels, layout.controls.tolist(), strict=True)
    edges = [_edge(equations, p, label, control) for p, label, control in places]
    return {
        "head": [html_expression(formula) for formula in head.formulas],
        "width": layout.width,
        "height": layout.height,
        "radius": RADIUS,
        "below": VALUE_BELOW,
        "units": units,
        "edges": edges,
        "steps": _steps(equations),
        "pair": html_expression(equations.pair()),
    }


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
    signal = unit.delta if not isinstance(n, NeuronNames) or is_input else neurons.arriving(unit)
    pair = [] if is_input else [("forward", equations.forward(unit.j)), ("error signal", _backward(equations, unit.j))]
    lines = [Line(title, line.parts, line.note) for title, line in pair]
    if is_input:
        lines = [line for section in notations.input_sections(equations, unit.j) for line in section.lines]
    parameters = [] if is_input else [p for p in notations.parameters_of(equations.of, unit.j) if p.i is None]
    lines += [line for p in parameters for line in _of_parameter(equations, p)]
    return {
        "name": n.unit(unit.j).replace("_", ""),
        "layer": unit.layer,
        "x": float(place[0]),
        "y": float(place[1]),
        "z": _finite(unit.z),
        "signal": _finite(signal),
        "zText": label(unit.z),
        "signalText": label(signal),
        "function": unit.function or "input",
        "lines": [_html(line) for line in lines],
        "why": "" if is_input else str(why(equations.of, unit.j)),
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
        "i": p.i,
        "j": p.j,
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


def _steps(equations: Equations) -> list[dict[str, Any]]:
    """What the slider steps through, with the equations of each step."""
    of, n = equations.of, equations.names
    layers = [[int(j) for j in units] for units in of.numbers.net.layer_units]
    steps: list[dict[str, Any]] = [_step("start", 0, "The sample", [n.sum_formula, n.output_formula], [])]
    for layer, units in enumerate(layers[1:], 1):
        lines = [equations.forward(j) for j in units]
        steps.append(_step("forward", layer, f"Forward: layer {layer}", [n.sum_formula, n.output_formula], lines))
    steps.append(_step("error", len(layers) - 1, "Error", [], equations.errors()))
    for layer in range(len(layers) - 1, 0, -1):
        lines = [_backward(equations, j) for j in layers[layer]]
        formulas = [n.delta_formula, n.recursion_formula]
        steps.append(_step("backward", layer, f"Error signal: layer {layer}", formulas, lines))
    parameters = [p for units in layers[:0:-1] for j in units for p in notations.parameters_of(of, j)]
    derivatives = [equations.derivative(p) for p in parameters]
    steps.append(_step("gradient", 0, "Gradient", list(n.gradient_formulas), derivatives))
    if of.learning_rate is not None:
        rule = f"w <- w - {n.rate} d{n.error}/dw"
        steps.append(_step("update", 0, "Update", [rule], [equations.step(p) for p in parameters]))
    return steps


def _step(kind: str, layer: int, title: str, formulas: list[str], lines: list[Line]) -> dict[str, Any]:
    shown = [html_expression(formula) for formula in formulas]
    return {"kind": kind, "layer": layer, "title": title, "formulas": shown, "lines": [_html(line) for line in lines]}
