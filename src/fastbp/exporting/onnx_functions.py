"""Activation functions as nodes of ONNX.

In float32 each is the operator of its name. onnxruntime has no LeakyRelu, Elu, Selu, Softplus, Softsign, Gelu, Mish or
Erf for doubles: in float64 they are composed of operators that it has, so that nothing is lost: e**a - 1 of a
hyperbolic tangent, the normal distribution function of the kernels' polynomial.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.kernels.formulas.activations import SELU_ALPHA, SELU_LOWEST, SELU_SCALE
from fastbp.kernels.formulas.coefficients import ERFCX_64

if TYPE_CHECKING:
    import onnx

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "logistic": ("Sigmoid", {}), "tanh": ("Tanh", {}), "relu": ("Relu", {}), "sin": ("Sin", {}), "exp": ("Exp", {}),
    "softmax": ("Softmax", {"axis": -1}),
}  # fmt: skip
SINGLE_ONLY: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}), "elu": ("Elu", {"alpha": 1.0}), "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}), "gelu": ("Gelu", {"approximate": "none"}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}), "mish": ("Mish", {}),
}  # fmt: skip
FUNCTIONS = frozenset({*OPERATORS, *SINGLE_ONLY, "identity", "silu", "gaussian", "threshold", "ramp"})
METADATA = "fastbp.functions"  # where a file says which functions are several nodes


class Graph:
    """Nodes and constants of a graph, as they come."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Any] = {}
        self.composed: list[tuple[str, str, str]] = []  # (function, of which tensor, its output)
        self._numbers = itertools.count()

    def node(self, operator: str, inputs: Sequence[str], output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        import onnx

        name = output or f"fastbp/{operator}_{next(self._numbers)}"
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def constant(self, values: Any, dtype: Any = None, name: str = "") -> str:
        """Add a constant, of the graph's dtype by default; return its name. Equal single numbers are one."""
        array = np.asarray(values, dtype or self.dtype)
        name = name or (
            f"fastbp/{array.dtype}_{array.item()!r}" if array.ndim == 0 else f"fastbp/c_{next(self._numbers)}"
        )
        self.constants[name] = array
        return name

    def __call__(self, operator: str, *inputs: str | float) -> str:
        """A node of tensors and numbers."""
        return self.node(operator, [x if isinstance(x, str) else self.constant(x) for x in inputs])


def activate(graph: Graph, function: str, a: str) -> str:
    """Add h(a); return its name."""
    if function == "identity":
        return a
    table = OPERATORS if graph.dtype == np.float64 else OPERATORS | SINGLE_ONLY
    if function in table:
        operator, attributes = table[function]
        return graph.node(operator, [a], **attributes)
    output = COMPOSED[function](graph, a)
    graph.composed.append((function, a, output))
    return output


def _silu(g: Graph, a: str) -> str:
    """a / (1 + e**-a): onnxruntime's Sigmoid of doubles has no digits left where it is small."""
    return g("Div", a, g("Add", 1.0, g("Exp", g("Neg", a))))


def _gaussian(g: Graph, a: str) -> str:
    return g("Exp", g("Neg", g("Mul", a, a)))


def _threshold(g: Graph, a: str) -> str:
    import onnx

    return g.node("Cast", [g("Greater", a, 0.0)], to=onnx.helper.np_dtype_to_tensor_dtype(g.dtype))


def _ramp(g: Graph, a: str) -> str:
    return g("Min", g("Max", a, 0.0), 1.0)


def _leaky_relu(g: Graph, a: str) -> str:
    return g("Max", a, g("Mul", a, 0.01))


def _elu(g: Graph, a: str) -> str:
    """max(a, 0) + e**m - 1 with m = min(a, 0): 2 t / (1 - t), t = tanh(m / 2), loses no digits near 0."""
    t = g("Tanh", g("Mul", g("Min", a, 0.0), 0.5))
    return g("Add", g("Relu", a), g("Div", g("Mul", t, 2.0), g("Sub", 1.0, t)))


def _softplus(g: Graph, a: str) -> str:
    return g("Add", g("Relu", a), g("Log", g("Add", 1.0, g("Exp", g("Neg", g("Abs", a))))))


def _softsign(g: Graph, a: str) -> str:
    return g("Div", a, g("Add", 1.0, g("Abs", a)))


def _gelu(g: Graph, a: str) -> str:
    """a times the normal distribution function, by the kernels' polynomial for exp(x**2) erfc(x)."""
    bounded = g("Min", g("Abs", a), 60.0)
    t = g("Div", 2.0, g("Add", 2.0, g("Mul", bounded, 0.7071067811865476)))
    u = g("Sub", g("Add", t, t), 1.0)
    total = g("Mul", u, ERFCX_64[-1])
    for coefficient in ERFCX_64[-2:0:-1]:
        total = g("Mul", u, g("Add", total, coefficient))
    total = g("Add", total, ERFCX_64[0])
    density = g("Exp", g("Mul", g("Mul", bounded, bounded), -0.5))
    tail = g("Mul", g("Mul", g("Mul", t, 0.5), total), density)
    return g("Mul", a, g("Where", g("Less", a, 0.0), tail, g("Sub", 1.0, tail)))


def _selu(g: Graph, a: str) -> str:
    return g("Where", g("Greater", a, 0.0), g("Mul", a, SELU_SCALE), g("Mul", _elu(g, a), SELU_LOWEST))


def _mish(g: Graph, a: str) -> str:
    """a n / (n + 2), n = u (u + 2), u = e**a: the quotient is tanh(ln(1 + u)), and 1 where u is cut off."""
    u = g("Exp", g("Min", a, 20.0))
    n = g("Mul", u, g("Add", u, 2.0))
    return g("Mul", a, g("Div", n, g("Add", n, 2.0)))


COMPOSED = {
    "silu": _silu, "gaussian": _gaussian, "threshold": _threshold, "leaky_relu": _leaky_relu, "elu": _elu,
    "softplus": _softplus, "softsign": _softsign, "gelu": _gelu, "selu": _selu, "mish": _mish,
    "ramp": _ramp,
}  # fmt: skip
