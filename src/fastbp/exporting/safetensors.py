"""safetensors: a JSON header and raw tensors. Networks go both ways, tensors named as PyTorch's `Sequential` has them.

A file: 8 bytes, the header's length; the header, {name: {"dtype", "shape", "data_offsets"}}; the tensors. No checksum,
so nothing is believed before it fits the file's size. What PyTorch's names cannot say, functions and which layers are
connected, is JSON in the metadata under "fastbp".
"""

import json
import os
import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from fastbp import checks
from fastbp.activations import OUTPUTS, Activation, by_name
from fastbp.checks import Array
from fastbp.files import container
from fastbp.files.container import FileError, StrPath
from fastbp.files.models import MAX_LAYERS
from fastbp.files.outputs import replacing
from fastbp.losses import Loss
from fastbp.model.computing import ComputingNetwork
from fastbp.model.parts import Parts
from fastbp.structure.topology import Topology, check_skip
from fastbp.structure.wiring import check_edges

SUFFIX = ".safetensors"
MAX_HEADER_BYTES = 1 << 24
MAX_TENSORS = 1 << 16
DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "U8": np.uint8,
}
BFLOAT16 = np.dtype(np.uint16)  # the upper halves of float32; no tensor is read as 16-bit integers
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
VERSION = 1
Net = TypeVar("Net", bound=ComputingNetwork)


# ---------------------------------------------------------------------------- files of tensors


def write_tensors(path: StrPath, tensors: dict[str, Array], metadata: dict[str, str]) -> None:
    """Write a file, whole or not at all."""
    header: dict[str, Any] = {"__metadata__": metadata}
    pieces, end = [], 0
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize):  # aligned, as is the custom
        stored = np.array(array, array.dtype.newbyteorder("<"), order="C")  # a copy: another thread may be training
        offsets = [end, end + stored.nbytes]
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        pieces.append(stored.reshape(-1).view(np.uint8).data)
        end += stored.nbytes
    line = json.dumps(header, allow_nan=False).encode()
    line += b" " * (-len(line) % 8)
    with replacing(path) as file:
        file.writelines([len(line).to_bytes(8, "little"), line, *pieces])


def read_tensors(path: StrPath) -> tuple[dict[str, Array], dict[str, str]]:
    """(tensors by name, metadata) of a file.

    Raises
    ------
    ValueError
        For a file that is damaged, or has tensors of another dtype than BF16, F16, F32, F64, I64 and U8. BF16 becomes
        float32.
    """
    checked = checks.file_path(path)
    with open(checked, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise FileError(f"{checked}: not a safetensors file, or not whole: its header would have {length:,} bytes")
        try:
            header = json.loads(file.read(length), object_pairs_hook=_distinct)
            places = _places(header, size - 8 - length)
            metadata = _metadata(header)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = str(error)[: container.MAX_REASON]
            raise FileError(f"{checked}: the header makes no sense: {reason}") from None
        tensors = {}
        for name, dtype, shape in places:  # in the order of their offsets, without gaps
            n_bytes = dtype.itemsize * _product(shape)
            stored = np.frombuffer(file.read(n_bytes), dtype.newbyteorder("<"))
            array = (stored.astype(np.uint32) << 16).view(np.float32) if dtype == BFLOAT16 else stored.astype(dtype)
            tensors[name] = array.reshape(shape)
    return tensors, metadata


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _product(shape: Iterable[int]) -> int:
    n = 1  # of Python's integers: NumPy's would wrap around
    for size in shape:
        n *= size
    return n


def _places(header: object, n_bytes: int) -> list[tuple[str, np.dtype, tuple[int, ...]]]:
    """(name, dtype, shape) of each tensor by ascending offset, which together must fill the file."""
    if not isinstance(header, dict):
        raise TypeError("it must be a JSON object")
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(tensors) > MAX_TENSORS:
        raise ValueError(f"at most {MAX_TENSORS:,} tensors are read; got {len(tensors):,}")
    found = []
    for name, entry in tensors.items():
        kind = checks.name_of(entry["dtype"], [*DTYPES, "BF16"], f"dtype of {name[:100]!r}")
        dtype = BFLOAT16 if kind == "BF16" else np.dtype(DTYPES[kind])
        shape = tuple(checks.integer(n, f"shape of {name[:100]!r}", minimum=0) for n in _list(entry["shape"], 8))
        start, stop = (checks.integer(n, "data_offsets", minimum=0) for n in _list(entry["data_offsets"], 2))
        if stop - start != _product(shape) * dtype.itemsize:
            raise ValueError(f"shape {shape} of {name[:100]!r} does not fit its {stop - start} bytes")
        if _product(max(n, 1) for n in shape) * dtype.itemsize > sys.maxsize:  # though it is empty
            raise ValueError(f"shape {shape} of {name[:100]!r} is larger than any array")
        found.append((start, stop, name, dtype, shape))
    found.sort(key=lambda item: item[:2])
    ends = [0, *(stop for _start, stop, *_ in found)]
    if [start for start, *_ in found] != ends[:-1] or ends[-1] != n_bytes:
        raise ValueError(f"the tensors must fill the file's {n_bytes:,} bytes, one after the other")
    return [(name, dtype, shape) for _start, _stop, name, dtype, shape in found]


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError(f"shapes and offsets must be lists of up to {most} numbers")
    return value


def _metadata(header: dict[str, Any]) -> dict[str, str]:
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError("__metadata__ must have strings alone")
    return metadata


# ---------------------------------------------------------------------------- networks


def save_network(net: ComputingNetwork, path: StrPath) -> None:
    """Write a network; layers as Sequential(Linear, function, Linear) has them: "0.weight", "0.bias", "2.weight"."""
    shape, tensors = _tensors_of_edges(net) if net.is_given_by_edges else _tensors_of_layers(net)
    described = shape | {"version": VERSION, "loss": net.loss_name, "loss_options": net.loss_function.options}
    write_tensors(path, tensors, {"format": "pt", "fastbp": json.dumps(described)})


def _tensors_of_layers(net: ComputingNetwork) -> tuple[dict[str, Any], dict[str, Array]]:
    if len(net.sizes) > MAX_LAYERS:
        raise ValueError(f"files hold networks of up to {MAX_LAYERS} layers; got {len(net.sizes)}")
    tensors = {f"{2 * k}.weight": weights for k, weights in enumerate(net.weights)}
    tensors |= {f"{2 * k}.bias": biases for k, biases in enumerate(net.biases)}
    tensors |= {f"skip.{i}.{k}.weight": weights for (i, k), weights in net.skip_weights.items()}
    return {"sizes": net.sizes, "functions": net.layer_functions, "bias": net.bias, "skip": net.skip}, tensors


def _tensors_of_edges(net: ComputingNetwork) -> tuple[dict[str, Any], dict[str, Array]]:
    names = sorted(set(net.unit_functions))
    codes = {name: code for code, name in enumerate(names)}
    has_bias = np.zeros(net.n_units, np.uint8)
    has_bias[net.biased_units] = 1
    tensors = {
        "edges": net.edges,
        "edge_weights": net.edge_weights,
        "unit_biases": np.where(has_bias, net.unit_biases, 0).astype(net.dtype),
        "unit_has_bias": has_bias,
        "unit_functions": np.array([codes[name] for name in net.unit_functions], np.int64),
    }
    return {"n_inputs": net.n_inputs, "n_outputs": net.n_outputs, "functions": names}, tensors


def load_network(path: StrPath, activations: Iterable[Activation], cls: type[Net]) -> Net:
    """Read what `save_network` wrote, as a `cls`.

    Raises
    ------
    ValueError
        If the file is damaged, or has no description of a network, as PyTorch's own have none:
        `fastbp.exchange.from_pytorch` takes those.
    """
    known = OUTPUTS | by_name(activations)
    tensors, metadata = read_tensors(path)
    checked = checks.file_path(path)
    if "fastbp" not in metadata:
        raise FileError(
            f"{checked}: fastbp did not write it, so it does not say which functions the layers have; read it with "
            "fastbp.exchange.from_pytorch(path, activation=..., output=...)"
        )
    try:
        header = json.loads(metadata["fastbp"])
        if not isinstance(header, dict) or header.get("version") != VERSION:
            raise ValueError(f"version must be {VERSION}")
        return (_from_layers if "sizes" in header else _from_edges)(header, tensors, known, cls)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        reason = str(error)[: container.MAX_REASON]
        raise FileError(f"{checked}: the description of the network makes no sense: {reason}") from None


def _functions(names: list[Any], known: dict[str, Activation]) -> list[Activation]:
    return [known[checks.name_of(name, known, "functions")] for name in names]


def _loss(header: dict[str, Any]) -> Loss:
    return Loss(header["loss"], **header.get("loss_options", {}))


def _dtype(array: Array) -> np.dtype:
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"weights must be F32 or F64; got {array.dtype}")
    return array.dtype


def _from_layers(
    header: dict[str, Any], tensors: dict[str, Array], known: dict[str, Activation], cls: type[Net]
) -> Net:
    sizes = [checks.integer(n, "sizes", minimum=1) for n in container.list_of(header, "sizes", MAX_LAYERS)]
    functions = _functions(container.list_of(header, "functions", MAX_LAYERS), known)
    skip = [tuple(pair) for pair in container.list_of(header, "skip", len(tensors))]
    bias = checks.flag(header["bias"], "bias")
    if len(sizes) < 2 or len(functions) != len(sizes) - 1:
        raise ValueError("sizes and functions do not fit together")
    if any(function.name == "softmax" for function in functions[:-1]):
        raise ValueError("softmax is for the output layer")
    shapes: dict[str, tuple[int, ...]] = {}  # compared before anything of that size is made
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        shapes |= {f"{2 * k}.weight": (n_out, n_in)} | ({f"{2 * k}.bias": (n_out,)} if bias else {})
    for i, k in skip:
        ends = [checks.integer(end, "skip", minimum=0, maximum=len(sizes) - 1) for end in (i, k)]
        shapes[f"skip.{i}.{k}.weight"] = (sizes[ends[1]], sizes[ends[0]])
    if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
        raise ValueError("the tensors are not those of its layers")
    dtype = _dtype(tensors["0.weight"])
    topology = Topology.layered(sizes, check_skip(skip, len(sizes)), bias)
    net = cls.assemble(topology, functions, _loss(header), dtype, np.zeros(topology.n_params, dtype))
    for k, weights in enumerate(net.weights):
        weights[:] = _finite(tensors[f"{2 * k}.weight"], dtype)
    for k, biases in enumerate(net.biases):
        biases[:] = _finite(tensors[f"{2 * k}.bias"], dtype)
    for (i, k), weights in net.skip_weights.items():
        weights[:] = _finite(tensors[f"skip.{i}.{k}.weight"], dtype)
    return net


def _finite(array: Array, dtype: np.dtype) -> Array:
    if array.dtype != dtype:
        raise ValueError(f"all weights must be of one dtype; got {dtype} and {array.dtype}")
    return checks.finite(array, "weights", dtype)


def _from_edges(header: dict[str, Any], tensors: dict[str, Array], known: dict[str, Activation], cls: type[Net]) -> Net:
    n_inputs, n_outputs = (checks.integer(header[key], key, minimum=1) for key in ("n_inputs", "n_outputs"))
    dtype = _dtype(tensors["edge_weights"])
    n_units, n_edges = len(tensors["unit_biases"]), len(tensors["edge_weights"])
    checks.integer(n_units, "units", minimum=n_inputs + n_outputs)
    shapes = {
        "edges": (n_edges, 2), "edge_weights": (n_edges,), "unit_biases": (n_units,), "unit_has_bias": (n_units,),
        "unit_functions": (n_units - n_inputs,),
    }  # fmt: skip
    if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
        raise ValueError("the tensors are not those of its units and edges")
    functions, codes = _functions(container.list_of(header, "functions", n_units), known), tensors["unit_functions"]
    if codes.min(initial=0) < 0 or codes.max(initial=-1) >= len(functions):
        raise ValueError(f"unit_functions must be numbers below {len(functions)}")
    edges, _ = check_edges(tensors["edges"], n_inputs, n_outputs, n_units)
    of_units = [functions[code] for code in codes.tolist()]
    is_softmax = [function.name == "softmax" for function in of_units]
    if any(is_softmax) and is_softmax != [False] * (len(of_units) - n_outputs) + [True] * n_outputs:
        raise ValueError("softmax is for all outputs together")
    has_bias = tensors["unit_has_bias"] != 0
    if has_bias[:n_inputs].any():
        raise ValueError("inputs have no bias")
    biased = has_bias[n_inputs:].tolist()
    net = Parts(n_inputs, n_outputs, edges, of_units, biased, _loss(header), dtype).build(cls)
    net.edge_weights, net.unit_biases = tensors["edge_weights"], tensors["unit_biases"]
    return net
