"""From ONNX (needs ``fastbp[onnx]``): graphs of Gemm, MatMul, Add, scalings by constants, and activation functions.

Each tensor of the graph is kept as what it is of the layers so far: for each of them a matrix, or factors of its units,
and a shift. So chains of Gemm add up, scalings are folded in, and connections may skip layers.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp import checks, memory
from fastbp.checks import Array
from fastbp.exchange.building import LOSSES, cancelled, check_digits, read_bytes
from fastbp.exchange.onnx_composed import PART, composed_functions
from fastbp.exchange.onnx_sizes import check_sizes
from fastbp.exchange.probing import same_outputs
from fastbp.exporting.onnx_export import MOST_BYTES, import_onnx
from fastbp.files.container import FileError, StrPath
from fastbp.kernels.formulas.activations import SELU_ALPHA, SELU_SCALE
from fastbp.network import Network

if TYPE_CHECKING:
    import onnx

MAX_LAYERS, MAX_NODES = 512, 10_000
OLDEST_OPSET = 7  # before it, Add and others were broadcast by attributes, and Dropout dropped
FLOAT, DOUBLE = 1, 11  # types of numbers in ONNX
# Numbers that may be made of a file, for each of its bytes, and for any file: what few bytes may take in memory
PER_BYTE, FOR_ANY = 4, 1 << 16
FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Sigmoid": ("logistic", {}), "Tanh": ("tanh", {}), "Relu": ("relu", {}), "Sin": ("sin", {}), "Exp": ("exp", {}),
    "Softplus": ("softplus", {}), "Softsign": ("softsign", {}), "Elu": ("elu", {"alpha": np.float32(1.0)}),
    "LeakyRelu": ("leaky_relu", {"alpha": np.float32(0.01)}), "Gelu": ("gelu", {"approximate": b"none"}),
    "Selu": ("selu", {"alpha": np.float32(SELU_ALPHA), "gamma": np.float32(SELU_SCALE)}), "Mish": ("mish", {}),
    "Softmax": ("softmax", {"axis": (-1, 1)}),
}  # fmt: skip
# Attributes that the other nodes may have, and their values.
OPTIONS: dict[str, dict[str, Any]] = {
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": (0, 1)}, "Flatten": {"axis": 1},
    "Dropout": {"ratio": None, "seed": None}, "Identity": {}, "MatMul": {}, "Add": {}, "Sub": {}, "Mul": {}, "Div": {},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Tensor:
    """sum over layers l of z_l @ matrices[l] + shift (n,): (n_l, n), or (n,), factors of a layer of as many units."""

    matrices: dict[int, Array]
    shift: Array

    @property
    def size(self) -> int:
        """Numbers of a sample."""
        return len(self.shift)

    @property
    def n_numbers(self) -> int:
        """What it takes."""
        return self.size + sum(m.size for m in self.matrices.values())

    @property
    def has_products(self) -> bool:
        """Whether it has weights already."""
        return any(m.ndim == 2 for m in self.matrices.values())

    def times(self, matrix: Array) -> "_Tensor":
        """Multiplied by a matrix; only before it has weights."""
        is_layer = (
            len(self.matrices) == 1 and not self.shift.any() and all((m == 1).all() for m in self.matrices.values())
        )
        return _Tensor(
            {l: matrix if is_layer else m[:, np.newaxis] * matrix for l, m in self.matrices.items()},
            np.zeros(matrix.shape[1]) if is_layer else self.shift @ matrix,
        )

    def scaled(self, factor: Array) -> "_Tensor":
        """Each of its numbers multiplied by one."""
        return _Tensor({l: m * factor for l, m in self.matrices.items()}, self.shift * factor)

    def plus(self, other: "_Tensor") -> "_Tensor":
        """The sum of both."""
        if self.size != other.size:
            raise ValueError(f"what is added must have one size; got {self.size} and {other.size}")
        both = dict(self.matrices)
        for l, m in other.matrices.items():
            both[l] = _sum(both[l], m) if l in both else m
        return _Tensor(both, self.shift + other.shift)


def _sum(m: Array, other: Array) -> Array:
    """The sum of two matrices; factors are those of a diagonal."""
    if m.ndim == other.ndim:
        return m + other
    matrix, factors = (m, other) if m.ndim == 2 else (other, m)
    total = matrix.copy()
    np.einsum("ii->i", total)[:] += factors
    return total


def from_onnx(path: StrPath, *, dtype: Any = None) -> Network:
    """The network of an ONNX model.

    Parameters
    ----------
    path : str or path
        A model with one input (n, n_inputs) and one output (n, n_outputs), of opset 7 or later.
    dtype : "float32" or "float64", optional
        By default that of the input.

    Returns
    -------
    Network
        Of layers; it has skip-layer connections where the graph has. Where a layer has no connection from the one
        before, there are weights 0. Weights that follow weights make a layer of the identity function.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        For a file that is damaged, keeps its weights elsewhere, or has a node of another kind: the message names it.
        For a model whose outputs for some random samples, by the library onnx, are not those of the network.

    Notes
    -----
    Weights of a single Gemm, or MatMul with Add, are taken as they are; what is folded in is rounded anew. A slope of
    LeakyRelu that is 0.01 in single precision, which is how files have it, is taken for 0.01.
    """
    onnx = import_onnx()
    checked = checks.file_path(path)
    wanted = None if dtype is None else checks.float_dtype(dtype)
    content = read_bytes(checked, MOST_BYTES)
    try:
        check_sizes(content)
        model = onnx.load_model_from_string(content)
        with np.errstate(over="ignore", invalid="ignore"):
            importer = _Importer(model, len(content))
            net = importer.network(wanted)
            same_outputs(net.astype(importer.dtype), partial(_run, model), "it", importer.of_inputs)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise FileError(f"{checked}: {str(error)[:500]}") from None
    except Exception as error:
        if type(error).__module__.startswith("google.protobuf"):
            raise FileError(f"{checked}: not an ONNX model, or not whole") from None
        raise
    return net


def _run(model: "onnx.ModelProto", x: Array) -> Array:
    """What the library itself makes of a batch."""
    from onnx.reference import ReferenceEvaluator

    known = {tensor.name for tensor in model.graph.initializer}
    (name,) = (value.name for value in model.graph.input if value.name not in known)
    outputs: Any = ReferenceEvaluator(model).run(None, {name: x})
    y: Array = outputs[0]
    return y


class _Importer:
    """Walks over the nodes of a graph, in their order, which must be that of the computation."""

    def __init__(self, model: "onnx.ModelProto", n_bytes: int) -> None:
        graph = self.graph = model.graph
        _check_versions(model)
        if len(graph.node) > MAX_NODES:
            raise ValueError(f"at most {MAX_NODES:,} nodes are read; it has {len(graph.node):,}")
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise ValueError(f"it must have one input and one output; it has {len(inputs)} and {len(graph.output)}")
        self.dtype = _dtype_of(inputs[0])
        shape = inputs[0].type.tensor_type.shape.dim
        n_inputs = shape[-1].dim_value if len(shape) == 2 else 0
        if n_inputs < 1:
            raise ValueError(f"input {inputs[0].name!r} must have the shape (n, number of inputs)")
        if n_inputs > n_bytes:  # each must go into a weight
            raise ValueError(f"its {n_inputs:,} inputs must fit its {n_bytes:,} bytes")
        self._most = self._left = PER_BYTE * n_bytes + FOR_ANY
        self.sizes, self.layers = [n_inputs], [("", _Tensor({}, np.zeros(0)))]
        self.tensors = {inputs[0].name: _Tensor({0: np.ones(n_inputs)}, np.zeros(n_inputs))}
        self.of_inputs: tuple[Array, Array] | None = None
        self._folded: list[tuple[float, str]] = []
        composed = composed_functions(model)
        for node in graph.node:
            self._take(node, composed)

    def _spend(self, n_numbers: int) -> None:
        """Count numbers that are about to be made."""
        self._left -= n_numbers
        if self._left < 0:
            raise ValueError(f"a file of its size may be made into {self._most:,} numbers; this would be more")

    # ------------------------------------------------------------------ nodes

    def _take(self, node: "onnx.NodeProto", composed: dict[str, tuple[str, str]]) -> None:
        name = node.name or (node.output[0] if node.output else "")
        try:
            if len(node.output) != 1 or node.output[0] in self.tensors or node.output[0] in self.constants:
                raise ValueError("it must have one output, of a name of its own")
            if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].HasField("t"):
                self.constants[node.output[0]] = node.attribute[0].t
                return
            function, a = composed.get(node.output[0], ("", ""))
            if function == PART:
                return
            self.tensors[node.output[0]] = self._layer(function, self.tensors[a]) if function else self._result(node)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError(f"node {name[:100]!r}, {node.op_type[:50]}: {error}") from None

    def _result(self, node: "onnx.NodeProto") -> _Tensor:
        kind, inputs = node.op_type, list(node.input)
        if node.domain not in ("", "ai.onnx") or kind not in FUNCTIONS | OPTIONS:
            raise ValueError("fastbp has no such node")
        attributes = _attributes(node, FUNCTIONS[kind][1] if kind in FUNCTIONS else OPTIONS[kind])
        if kind == "Dropout":
            self._check_dropout(inputs)
        if kind in ("Identity", "Flatten", "Dropout"):
            return self.tensors[inputs[0]]
        if kind == "Gemm":
            return self._gemm(inputs, attributes)
        if kind == "MatMul":
            return self._times(inputs[0], self._matrix(inputs[1]))
        if kind in ("Add", "Sub", "Mul", "Div"):
            return self._arithmetic(kind, inputs)
        return self._layer(FUNCTIONS[kind][0], self.tensors[inputs[0]])

    def _check_dropout(self, inputs: list[str]) -> None:
        """Raise a ValueError for dropout that drops."""
        if len(inputs) > 2 and inputs[2]:
            training = self.constants.get(inputs[2])
            if training is None or import_onnx().numpy_helper.to_array(training).any():
                raise ValueError("training_mode must be false")

    def _constant(self, name: str) -> Array:
        """A constant in float64, checked before it is read."""
        if name not in self.constants:
            raise ValueError(f"{name[:100]!r} must be a constant")
        tensor = self.constants[name]
        if tensor.data_location == 1:
            raise ValueError(f"{name[:100]!r} is kept in another file, which is not read")
        if tensor.data_type not in (FLOAT, DOUBLE):
            raise ValueError(f"{name[:100]!r} must hold float32 or float64")
        n = 1
        for size in tensor.dims:
            n *= size
        n_bytes = 4 if tensor.data_type == FLOAT else 8
        held = max(len(tensor.raw_data) // n_bytes, len(tensor.float_data), len(tensor.double_data))
        if n < 1 or n != held:
            raise ValueError(f"{name[:100]!r} must hold {n:,} numbers; it has {held:,}")
        return checks.finite(import_onnx().numpy_helper.to_array(tensor), name[:100], np.dtype(np.float64))

    def _matrix(self, name: str) -> Array:
        array = self._constant(name)
        if array.ndim != 2:
            raise ValueError(f"{name[:100]!r} must have 2 dimensions; got {array.ndim}")
        return array

    def _row(self, name: str, size: int) -> Array:
        """A constant that is one number for all units of a sample, or a number for each of them."""
        array = self._constant(name)
        if array.ndim > 2 or (array.ndim == 2 and len(array) != 1) or array.size not in (1, size):
            raise ValueError(f"{name[:100]!r} must be a row of 1 or {size} numbers; its shape is {array.shape}")
        self._spend(size)
        return np.broadcast_to(array.reshape(-1), (size,)).copy()

    def _times(self, name: str, matrix: Array) -> _Tensor:
        tensor = self.tensors[name]
        if matrix.shape[0] != tensor.size:
            raise ValueError(f"it multiplies {tensor.size} numbers by a matrix of {matrix.shape[0]} rows")
        if tensor.has_products:
            tensor = self.tensors[name] = self._layer("identity", tensor)
        self._spend(len(tensor.matrices) * matrix.size + matrix.shape[1])
        self._folded.append((cancelled(matrix.T, tensor.shift), f"what is added before the weights at {name[:100]!r}"))
        if list(tensor.matrices) == [0] and self.of_inputs is None:
            self.of_inputs = tensor.matrices[0], tensor.shift
        return tensor.times(matrix)

    def _gemm(self, inputs: list[str], attributes: dict[str, Any]) -> _Tensor:
        matrix = self._matrix(inputs[1])
        product = self._times(inputs[0], matrix.T if attributes.get("transB", 0) else matrix)
        if len(inputs) < 3 or not inputs[2]:
            return product
        return self._sum(product, self._value(inputs[2], product.size))

    def _sum(self, tensor: _Tensor, other: _Tensor) -> _Tensor:
        self._spend(tensor.n_numbers + other.n_numbers)
        return tensor.plus(other)

    def _scaled(self, tensor: _Tensor, factor: Array) -> _Tensor:
        self._spend(tensor.n_numbers)
        return tensor.scaled(factor)

    def _value(self, name: str, size: int) -> _Tensor:
        """A tensor, or a constant as one."""
        return _Tensor({}, self._row(name, size)) if name in self.constants else self.tensors[name]

    def _arithmetic(self, kind: str, inputs: list[str]) -> _Tensor:
        left, right = inputs
        first = next((self.tensors[name] for name in inputs if name in self.tensors), None)
        if first is None:
            raise ValueError("it must have an input that is no constant")
        if kind in ("Add", "Sub"):
            self._spend(first.size)
            other = self._value(right, first.size)
            other = self._scaled(other, np.full(first.size, -1.0)) if kind == "Sub" else other
            return self._sum(self._value(left, first.size), other)
        if kind == "Mul" and left in self.constants:
            left, right = right, left
        if left in self.constants:
            raise ValueError("a constant must not be divided")
        factor = self._row(right, first.size)
        if kind == "Div" and (factor == 0).any():
            raise ValueError("a divisor must not be 0")
        return self._scaled(self.tensors[left], 1.0 / factor if kind == "Div" else factor)

    def _layer(self, function: str, tensor: _Tensor) -> _Tensor:
        """Close a layer; what it gives is itself."""
        if len(self.layers) > MAX_LAYERS:
            raise ValueError(f"at most {MAX_LAYERS} layers are read")
        if not tensor.matrices:
            raise ValueError("it must depend on the inputs")
        self._spend(2 * tensor.size)
        self.layers.append((function, tensor))
        self.sizes.append(tensor.size)
        return _Tensor({len(self.layers) - 1: np.ones(tensor.size)}, np.zeros(tensor.size))

    # ------------------------------------------------------------------ the network

    def network(self, dtype: Any) -> Network:
        """The layers that the output depends on, and all others; the output last."""
        y = self.tensors.get(self.graph.output[0].name)
        last = len(self.layers) - 1
        if y is None or not y.matrices:
            raise ValueError(f"output {self.graph.output[0].name!r} must be computed from the input")
        is_last = list(y.matrices) == [last] and y.matrices[last].ndim == 1 and not y.shift.any()
        if last == 0 or not is_last or not (y.matrices[last] == 1).all():
            self._layer("identity", y)
        functions = [function for function, _tensor in self.layers[1:]]
        if "softmax" in functions[:-1]:
            raise ValueError("softmax is for the outputs")
        skip = [(i, k) for k, (_f, t) in enumerate(self.layers) for i in t.matrices if k > i + 1]
        pairs = {*skip, *((k, k + 1) for k in range(len(self.layers) - 1))}
        n_params = sum(self.sizes[i] * self.sizes[k] for i, k in pairs) + sum(self.sizes[1:])
        self._spend(n_params)
        wanted = np.dtype(self.dtype if dtype is None else dtype)
        check_digits(self._folded, wanted)
        memory.check(wanted.itemsize * n_params, "path", f"{n_params:,} parameters")
        output = functions[-1]
        net = Network(
            self.sizes, activation=functions[:-1], output=output, skip=skip, init="zeros",
            loss=LOSSES.get(output, "squared_error"), dtype=wanted,
        )  # fmt: skip
        views = {(k, k + 1): w for k, w in enumerate(net.weights)} | net.skip_weights
        for k, (_function, tensor) in enumerate(self.layers[1:], 1):
            net.biases[k - 1][:] = checks.finite(tensor.shift, f"biases of layer {k}", net.dtype)
            for i, m in tensor.matrices.items():
                weights = checks.finite(m.T, f"weights of layer {k}", net.dtype)
                if m.ndim == 1:
                    np.einsum("ii->i", views[i, k])[:] = weights
                else:
                    views[i, k][:] = weights
        return net


def _check_versions(model: "onnx.ModelProto") -> None:
    """Raise a ValueError for operators that meant something else, or that the file defines itself."""
    opset = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), 1)
    if opset < OLDEST_OPSET:
        raise ValueError(f"its operators must be of opset {OLDEST_OPSET} or later; got {opset}")
    if model.functions:
        raise ValueError(f"it must define no functions; it has {model.functions[0].name[:100]!r}")


def _dtype_of(value: "onnx.ValueInfoProto") -> np.dtype:
    kind = value.type.tensor_type.elem_type
    if kind not in (FLOAT, DOUBLE):
        raise ValueError(f"input {value.name[:100]!r} must be of float32 or float64; it is of type number {kind}")
    return np.dtype(np.float64 if kind == DOUBLE else np.float32)


def _attributes(node: "onnx.NodeProto", allowed: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a node, each of them known, and of a value that fastbp has (None: of any)."""
    found = {a.name: import_onnx().helper.get_attribute_value(a) for a in node.attribute}
    for name, value in found.items():
        if name not in allowed:
            raise ValueError(f"its attribute {name[:100]!r} is not known")
        values = allowed[name]
        if values is not None and value not in (values if isinstance(values, tuple) else (values,)):
            shown = values.decode() if isinstance(values, bytes) else values
            raise ValueError(f"{name} must be {shown!s}; got {value!r}")
    return found
