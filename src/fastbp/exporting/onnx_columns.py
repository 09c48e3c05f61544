"""Raw columns of a table as the inputs of an ONNX graph: what encodes them, and what decodes the outputs.

Numbers and dates are doubles, NaN where they are missing; text is strings, "" where it is missing. A column of true and
false is of booleans; of doubles, 0, 1 or NaN, where the training had so many gaps that they have an input of their own.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastbp.exporting.columns import LARGEST_LOG, Column, Table
from fastbp.exporting.dates import DAY, DAYS_OF_400_YEARS, FEATURES, FROM_JANUARY, TO_MARCH
from fastbp.exporting.onnx_functions import Graph
from fastbp.scaling import AT_END, END

OWN = "fastbp/"  # how names of nodes and constants begin


def with_names(table: Table) -> Table:
    """The table with names of columns that inputs of a graph may have: not empty, none of them that of an output."""
    taken = {"prediction", "probability", *(f"prediction_{target}" for target in table.targets)}
    columns = []
    for number, column in enumerate(table.columns, 1):
        name = column.name or f"column_{number}"
        while name in taken or name.startswith(OWN):
            name = f"column_{name}"
        taken.add(name)
        columns.append(replace(column, name=name))
    return replace(table, columns=tuple(columns))


def column_inputs(table: Table) -> list[Any]:
    """An input (n, 1) for each column, called as it is."""
    import onnx

    kinds = {"boolean": onnx.TensorProto.BOOL, "text": onnx.TensorProto.STRING}
    return [
        onnx.helper.make_tensor_value_info(
            c.name, onnx.TensorProto.DOUBLE if c.indicator and c.kind == "boolean" else
            kinds.get(c.kind, onnx.TensorProto.DOUBLE), ["n", 1],
        )
        for c in table.columns
    ]  # fmt: skip


def encode(graph: Graph, table: Table, element: int) -> str:
    """Fill in, standardise, encode, and put together what the columns hold."""
    parts = [part for column in table.columns for part in _encode_column(graph, column)]
    # In double precision up to here, as `fastbp predict` has it.
    return graph.node("Concat", [graph.node("Cast", [part], to=element) for part in parts], axis=1)


def _encode_column(graph: Graph, column: Column) -> list[str]:
    """The inputs that a column becomes, (n, some) each."""
    if column.kind == "text":
        return _encode_text(graph, column)
    if column.kind == "boolean" and not column.indicator:
        return [column.name]
    gap = graph.node("IsNaN", [column.name])
    parts = _encode_numbers(graph, column, gap)
    return [*parts, gap] if column.indicator else parts


def _encode_numbers(graph: Graph, column: Column, gap: str) -> list[str]:
    def number(x: float) -> str:
        return graph.constant(x, np.float64)

    values = graph.node("Where", [gap, number(column.fill), column.name])
    if column.kind == "boolean":
        return [values]
    if column.kind == "date":
        made = date_numbers(_Doubles(graph), values, column.first)
        columns = [made[feature] for feature in column.features]
    elif column.scales[0] == 0:  # one value in the training: 0 for whatever value
        return [graph.node("Sub", [values, values])]
    else:
        columns = [values]
    centred = [graph.node("Sub", [x, number(mean)]) for x, mean in zip(columns, column.means, strict=True)]
    scaled = [graph.node("Div", [x, number(scale)]) for x, scale in zip(centred, column.scales, strict=True)]
    return [_clipped(_Doubles(graph), x) for x in scaled] if column.is_clipped else scaled


def _clipped(g: "_Doubles", x: str) -> str:
    """x / sqrt(1 + (x / 3)**2)."""
    bounded = g("Max", g("Min", x, AT_END), -AT_END)
    third = g("Div", bounded, END)
    return g("Div", bounded, g.graph.node("Sqrt", [g("Add", g("Mul", third, third), 1.0)]))


def _encode_text(graph: Graph, column: Column) -> list[str]:
    """Of each category 0 or 1; then whether it is another one, and whether there is none: the empty text."""
    encoder: dict[str, Any] = {"cats_strings": [*column.categories, ""], "zeros": 1}
    hot = graph.node("OneHotEncoder", [column.name], domain="ai.onnx.ml", **encoder)
    hot = graph.node("Flatten", [hot], axis=1)
    places = np.arange(len(column.categories))
    parts = [graph.node("Gather", [hot, graph.constant(places, np.int64)], axis=1)] if len(places) else []
    one = graph.constant(1.0, np.float32)
    if column.other:
        axes = graph.constant([1], np.int64)
        parts.append(graph.node("Sub", [one, graph.node("ReduceSum", [hot, axes], keepdims=1)]))
    if column.indicator:
        parts.append(graph.node("Gather", [hot, graph.constant([len(places)], np.int64)], axis=1))
    return parts


class _Doubles:
    """Arithmetic of tensors of doubles, by nodes of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, operator: str, *inputs: str | float) -> str:
        names = [x if isinstance(x, str) else self.graph.constant(x, np.float64) for x in inputs]
        return self.graph.node(operator, names)

    def whole_quotient(self, x: str, divisor: float) -> str:
        """x / divisor, rounded down."""
        return self("Floor", self("Div", x, divisor))

    def is_multiple(self, x: str, divisor: float) -> str:
        """Whether a whole number is a multiple of another."""
        return self("Equal", self("Mul", self.whole_quotient(x, divisor), divisor), x)


def date_numbers(g: _Doubles, seconds: str, first: float) -> dict[str, str]:
    """`FEATURES` of times in seconds, by the steps of `dates.date_numbers`."""
    days = g.whole_quotient(seconds, DAY)
    year, day_of_year = _calendar(g, days)
    after = g("Add", days, 3.0)
    turns = [
        g("Div", day_of_year, 365.25),
        g("Div", g("Sub", after, g("Mul", g.whole_quotient(after, 7.0), 7.0)), 7.0),
        g("Sub", g("Div", seconds, DAY), days),
    ]
    angles = [g("Mul", turn, 2 * math.pi) for turn in turns]
    circles = [g(f, angle) for angle in angles for f in ("Sin", "Cos")]
    return dict(zip(FEATURES, [g("Div", g("Sub", seconds, first), DAY), year, *circles], strict=True))


def _calendar(g: _Doubles, days: str) -> tuple[str, str]:
    """(the year, the day of the year from 0 on) of days since 1970."""
    z = g("Add", days, float(TO_MARCH))
    era = g.whole_quotient(z, DAYS_OF_400_YEARS)
    of_era = g("Sub", z, g("Mul", era, float(DAYS_OF_400_YEARS)))
    leaps = g("Sub", g.whole_quotient(of_era, 1460.0), g.whole_quotient(of_era, 36524.0))
    leaps = g("Add", leaps, g.whole_quotient(of_era, 146096.0))
    years = g.whole_quotient(g("Sub", of_era, leaps), 365.0)
    before = g("Add", g("Mul", years, 365.0), g("Sub", g.whole_quotient(years, 4.0), g.whole_quotient(years, 100.0)))
    from_march = g("Sub", of_era, before)
    is_next = g("GreaterOrEqual", from_march, float(FROM_JANUARY))
    year = g("Add", g("Add", years, g("Mul", era, 400.0)), g("Where", is_next, 1.0, 0.0))
    no_century = g("Or", g("Not", g.is_multiple(year, 100.0)), g.is_multiple(year, 400.0))
    leap = g("Where", g("And", g.is_multiple(year, 4.0), no_century), 60.0, 59.0)
    return year, g("Where", is_next, g("Sub", from_march, float(FROM_JANUARY)), g("Add", from_march, leap))


def decode(graph: Graph, table: Table, element: int) -> list[Any]:
    """Outputs: probabilities and the class with the highest one; or predictions in the targets' units."""
    import onnx

    if not table.is_classification:
        return _decode_numbers(graph, table)
    graph.node("Identity", ["fastbp/y"], "probability")
    best = graph.node("ArgMax", ["fastbp/y"], axis=1, keepdims=0)
    names = graph.constant(np.array(table.classes, object), object, "fastbp/classes")
    graph.node("Gather", [names, best], "prediction", axis=0)
    return [
        onnx.helper.make_tensor_value_info("prediction", onnx.TensorProto.STRING, ["n"]),
        onnx.helper.make_tensor_value_info("probability", element, ["n", len(table.classes)]),
    ]


def _decode_numbers(graph: Graph, table: Table) -> list[Any]:
    """(n, 1): "prediction", or "prediction_<target>" of several."""
    import onnx

    values = graph.node("Cast", ["fastbp/y"], to=onnx.TensorProto.DOUBLE)
    values = graph.node("Mul", [values, graph.constant([table.scales], np.float64)])
    values = graph.node("Add", [values, graph.constant([table.means], np.float64)])
    if table.log:
        values = graph.node("Exp", [graph.node("Min", [values, graph.constant(LARGEST_LOG, np.float64)])])
    several, outputs = len(table.targets) > 1, []
    for k, target in enumerate(table.targets):
        name = f"prediction_{target}" if several else "prediction"
        graph.node("Gather", [values, graph.constant([k], np.int64)], name, axis=1)
        outputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["n", 1]))
    return outputs
