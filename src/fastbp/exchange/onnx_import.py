"""From ONNX (needs ``fastbp[onnx]``): graphs of Gemm, MatMul, Add, scalings by constants, and activation functions.

Each tensor of the graph is kept as what it is of the layers so far: a matrix for each of them, and a shift. So chains
of Gemm add up, scalings are folded in, and connections may skip layers.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp import checks, memory
from fastbp.checks import Array
from fastbp.exchange.building import LOSSES
from fastbp.exporting.onnx_export import MOST_BYTES, import_onnx
from fastbp.files.container import FileError, StrPath
from fastbp.network import Network

if TYPE_CHECKING:
    import onnx

MAX_LAYERS, MAX_NODES = 512, 10_000
MAX_WIDTH = 4096  # of a layer that is added to another, or scaled: it takes a square matrix
FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Sigmoid": ("logistic", {}), "Tanh": ("tanh", {}), "Relu": ("relu", {}), "Sin": ("sin", {}), "Exp": ("exp", {}),
    "Softplus": ("softplus", {}), "Softsign": ("softsign", {}), "Elu": ("elu", {"alpha": 1.0}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}), "Gelu": ("gelu", {"approximate": b"none"}),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Tensor:
    """sum over layers l of z_l @ matrices[l] + shift: matrices (n_l, n), shift (n,)."""

    matrices: dict[int, Array]
    shift: Array

    @property
    def size(self) -> int:
        return len(self.shift)

    def times(self, matrix: Array) -> "_Tensor":
        return _Tensor({l: m @ matrix for l, m in self.matrices.items()}, self.shift @ matrix)

    def scaled(self, factor: Array) -> "_Tensor":
        return _Tensor({l: m * factor for l, m in self.matrices.items()}, self.shift * factor)

    def plus(self, other: "_Tensor") -> "_Tensor":
        if self.size != other.size:
            raise ValueError(f"what is added must have one size; got {self.size} and {other.size}")
        both = dict(self.matrices)
        for l, m in other.matrices.items():
            both[l] = both[l] + m if l in both else m
        return _Tensor(both, self.shift + other.shift)


def from_onnx(path: StrPath, *, dtype: Any = None) -> Network:
    """The network of an ONNX model.

    Parameters
    ----------
    path : str or path
        A model with one input (n, n_inputs) and one output (n, n_outputs).
    dtype : "float32" or "float64", optional
        By default that of the input.

    Returns
    -------
    Network
        Of layers; it has skip-layer connections where the graph has. Where a layer has no connection from the one
        before, there are weights 0.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        For a file that is damaged, keeps its weights elsewhere, or has a node of another kind: the message names it.

    Notes
    -----
    Weights of a single Gemm, or MatMul with Add, are taken as they are; what is folded in is rounded anew.
    """
    onnx = import_onnx()
    checked = checks.file_path(path)
    n_bytes = os.path.getsize(checked)
    if n_bytes > MOST_BYTES:
        raise FileError(f"{checked}: at most {MOST_BYTES:,} bytes are read")
    try:
        model = onnx.load_model(checked, load_external_data=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return _Importer(model.graph, n_bytes).network(dtype)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise FileError(f"{checked}: {str(error)[:500]}") from None
    except Exception as error:
        if type(error).__module__.startswith("google.protobuf"):
            raise FileError(f"{checked}: not an ONNX model, or not whole") from None
        raise


class _Importer:
    """Walks over the nodes of a graph, in their order, which must be that of the computation."""

    def __init__(self, graph: "onnx.GraphProto", n_bytes: int) -> None:
        if len(graph.node) > MAX_NODES:
            raise ValueError(f"at most {MAX_NODES:,} nodes are read; it has {len(graph.node):,}")
        self.graph = graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise ValueError(f"it must have one input and one output; it has {len(inputs)} and {len(graph.output)}")
        self.dtype = np.float64 if inputs[0].type.tensor_type.elem_type == 11 else np.float32
        shape = inputs[0].type.tensor_type.shape.dim
        n_inputs = shape[-1].dim_value if len(shape) == 2 else 0
        if n_inputs < 1:
            raise ValueError(f"input {inputs[0].name!r} must have the shape (n, number of inputs)")
        if n_inputs > n_bytes:  # each must go into a weight
            raise ValueError(f"its {n_inputs:,} inputs must fit its {n_bytes:,} bytes")
        self.sizes, self.layers = [n_inputs], [("", _Tensor({}, np.zeros(0)))]
        self.tensors: dict[str, _Tensor | None] = {inputs[0].name: None}  # None: the inputs as they are
        for node in graph.node:
            self._take(node)

    # ------------------------------------------------------------------ nodes

    def _take(self, node: "onnx.NodeProto") -> None:
        name = node.name or (node.output[0] if node.output else "")
        try:
            if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].HasField("t"):
                self.constants[node.output[0]] = node.attribute[0].t
                return
            self.tensors[node.output[0]] = self._result(node)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError(f"node {name[:100]!r}, {node.op_type[:50]}: {error}") from None

    def _result(self, node: "onnx.NodeProto") -> _Tensor | None:
        attributes = {a.name: import_onnx().helper.get_attribute_value(a) for a in node.attribute}
        kind, inputs = node.op_type, list(node.input)
        if node.domain not in ("", "ai.onnx") or len(node.output) != 1:
            raise ValueError("fastbp has no such node")
        if kind == "Identity" or (kind == "Flatten" and attributes.get("axis", 1) == 1) or kind == "Dropout":
            return self.tensors[inputs[0]]
        if kind == "Gemm":
            return self._gemm(inputs, attributes)
        if kind == "MatMul":
            return self._times(inputs[0], self._constant(inputs[1], 2))
        if kind in ("Add", "Sub", "Mul", "Div"):
            return self._arithmetic(kind, inputs)
        if kind == "Softmax":
            if attributes.get("axis", -1) not in (1, -1):
                raise ValueError("its axis must be the last one")
            return self._activate("softmax", inputs[0])
        if kind not in FUNCTIONS:
            raise ValueError("fastbp has no such node")
        function, options = FUNCTIONS[kind]
        for option, expected in options.items():
            if (
                np.float32(attributes.get(option, expected)) != np.float32(expected)
                if kind != "Gelu"
                else (attributes.get(option, b"none") != expected)
            ):
                raise ValueError(f"{option} must be {expected}; got {attributes[option]}")
        return self._activate(function, inputs[0])

    def _constant(self, name: str, n_dimensions: int) -> Array:
        """A constant in float64, checked before it is read."""
        if name not in self.constants:
            raise ValueError(f"{name[:100]!r} must be a constant")
        tensor = self.constants[name]
        if tensor.data_location == 1:
            raise ValueError(f"{name[:100]!r} is kept in another file, which is not read")
        if tensor.data_type not in (1, 11):
            raise ValueError(f"{name[:100]!r} must hold float32 or float64")
        n = 1
        for size in tensor.dims:
            n *= size
        held = max(
            len(tensor.raw_data) // (4 if tensor.data_type == 1 else 8), len(tensor.float_data), len(tensor.double_data)
        )
        if n < 1 or n != held or len(tensor.dims) > 4:
            raise ValueError(f"{name[:100]!r} must hold {n:,} numbers; it has {held:,}")
        array = checks.finite(import_onnx().numpy_helper.to_array(tensor), name[:100], np.dtype(np.float64))
        if n_dimensions == 1:
            return array.reshape(-1)
        if array.ndim != n_dimensions:
            raise ValueError(f"{name[:100]!r} must have {n_dimensions} dimensions; got {array.ndim}")
        return array

    def _times(self, name: str, matrix: Array) -> _Tensor:
        tensor = self.tensors[name]
        n = self.sizes[0] if tensor is None else tensor.size
        if matrix.shape[0] != n:
            raise ValueError(f"it multiplies {n} numbers by a matrix of {matrix.shape[0]} rows")
        return _Tensor({0: matrix}, np.zeros(matrix.shape[1])) if tensor is None else self._product(tensor, matrix)

    def _product(self, tensor: _Tensor, matrix: Array) -> _Tensor:
        """tensor @ matrix; what a function has just given is that layer itself, with no matrix yet."""
        if len(tensor.matrices) == 1 and not tensor.shift.any():
            ((layer, m),) = tensor.matrices.items()
            if m.ndim == 1 and (m == 1).all():
                return _Tensor({layer: matrix}, np.zeros(matrix.shape[1]))
        return _full(tensor).times(matrix)

    def _gemm(self, inputs: list[str], attributes: dict[str, Any]) -> _Tensor:
        if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
            raise ValueError("transA must be 0, and alpha and beta 1")
        matrix = self._constant(inputs[1], 2)
        product = self._times(inputs[0], matrix.T if attributes.get("transB", 0) else matrix)
        if len(inputs) < 3 or not inputs[2]:
            return product
        return product.plus(self._value(inputs[2], product.size))

    def _value(self, name: str, size: int) -> _Tensor:
        """A tensor, or a constant as one."""
        if name in self.constants:
            shift = self._constant(name, 1)
            if shift.size not in (1, size):
                raise ValueError(f"{name[:100]!r} must have 1 or {size} numbers; got {shift.size}")
            return _Tensor({}, np.broadcast_to(shift, (size,)).copy())
        tensor = self.tensors[name]
        return _full(_Tensor({0: np.ones(self.sizes[0])}, np.zeros(self.sizes[0])) if tensor is None else tensor)

    def _arithmetic(self, kind: str, inputs: list[str]) -> _Tensor:
        first = next((self.tensors[name] for name in inputs if name in self.tensors), None)
        size = self.sizes[0] if first is None else first.size
        left, right = inputs
        if kind in ("Add", "Sub"):
            minus = np.full(size, -1.0)
            other = self._value(right, size)
            return self._value(left, size).plus(other.scaled(minus) if kind == "Sub" else other)
        if kind == "Mul" and left in self.constants:
            left, right = right, left
        if left in self.constants:
            raise ValueError("a constant must not be divided")
        factor = np.broadcast_to(self._constant(right, 1), (size,))
        if kind == "Div" and (factor == 0).any():
            raise ValueError("a divisor must not be 0")
        return self._value(left, size).scaled(1.0 / factor if kind == "Div" else factor)

    def _activate(self, function: str, name: str) -> _Tensor:
        tensor = self.tensors[name]
        if tensor is None:
            raise ValueError("a function of the inputs must come after weights")
        return self._layer(function, _full(tensor))

    def _layer(self, function: str, tensor: _Tensor) -> _Tensor:
        """Close a layer; what it gives is itself."""
        if len(self.layers) > MAX_LAYERS:
            raise ValueError(f"at most {MAX_LAYERS} layers are read")
        if not tensor.matrices:
            raise ValueError("it must depend on the inputs")
        self.layers.append((function, tensor))
        self.sizes.append(tensor.size)
        return _Tensor({len(self.layers) - 1: np.ones(tensor.size)}, np.zeros(tensor.size))

    # ------------------------------------------------------------------ the network

    def network(self, dtype: Any) -> Network:
        """The layers that the output depends on, and all others; the output last."""
        y = self.tensors.get(self.graph.output[0].name)
        last = len(self.layers) - 1
        if y is None:
            raise ValueError(f"output {self.graph.output[0].name!r} must be computed from the input")
        is_last = list(y.matrices) == [last] and y.matrices[last].ndim == 1 and not y.shift.any()
        if not is_last or not (y.matrices[last] == 1).all():
            self._layer("identity", _full(y))
        functions = [function for function, _tensor in self.layers[1:]]
        if "softmax" in functions[:-1]:
            raise ValueError("softmax is for the outputs")
        skip = [(i, k) for k, (_f, t) in enumerate(self.layers) for i in t.matrices if k > i + 1]
        n_params = sum(self.sizes[i] * n + n for i, n in enumerate(self.sizes[1:]))
        memory.check(8 * n_params, "path", f"{n_params:,} parameters")
        output = functions[-1]
        net = Network(
            self.sizes, activation=functions[:-1], output=output, skip=skip, init="zeros",
            loss=LOSSES.get(output, "squared_error"), dtype=self.dtype if dtype is None else dtype,
        )  # fmt: skip
        views = {(k, k + 1): w for k, w in enumerate(net.weights)} | net.skip_weights
        for k, (_function, tensor) in enumerate(self.layers[1:], 1):
            net.biases[k - 1][:] = checks.finite(tensor.shift, f"biases of layer {k}", net.dtype)
            for i, matrix in tensor.matrices.items():
                views[i, k][:] = checks.finite(matrix.T, f"weights of layer {k}", net.dtype)
        return net


def _full(tensor: _Tensor) -> _Tensor:
    """With the matrix of what is a layer itself, a vector of ones until then, written out."""
    if any(m.ndim == 1 and m.size > MAX_WIDTH for m in tensor.matrices.values()):
        raise ValueError(f"layers of more than {MAX_WIDTH:,} units must go into weights at once")
    matrices = {l: np.diag(m) if m.ndim == 1 else m for l, m in tensor.matrices.items()}
    return _Tensor(matrices, tensor.shift)
