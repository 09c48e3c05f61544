"""`to_onnx`: a network as a graph of ONNX (needs ``fastbp[onnx]``): opset 20, IR version 9.

Each block of connections is a Gemm; those that arrive at a layer are a chain, each adding to what the one before gave.
Single connections are gathered: the units that they come from, then a dense Gemm with zeros where there is none.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.exporting.columns import table_of
from fastbp.exporting.layers import Layer, check_exportable, layers_of
from fastbp.exporting.onnx_columns import column_inputs, decode, encode, with_names
from fastbp.exporting.onnx_functions import FUNCTIONS, METADATA, Graph, activate
from fastbp.files.container import StrPath
from fastbp.files.outputs import check_writable, replacing

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

OPSET, ML_OPSET, IR_VERSION = 20, 4, 9
MOST_BYTES = (1 << 31) - (1 << 20)  # of a file of protocol buffers


def import_onnx() -> Any:
    """The library, or an error that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError('ONNX needs the library onnx: pip install "fastbp[onnx]"') from error
    return onnx


def to_onnx(net: "ComputingNetwork", path: StrPath, *, extra: Mapping[str, Any] | None = None) -> None:
    """Write a network as an ONNX model, see `Network.to_onnx`.

    `extra`: what a model file of ``fastbp train`` keeps beside the network; with it the graph takes the raw columns.
    """
    onnx = import_onnx()
    check_writable(path)
    check_exportable(net, "ONNX", FUNCTIONS)
    table = table_of(dict(extra or {}), net.n_inputs, net.n_outputs)
    table = None if table is None else with_names(table)
    graph = Graph(net.dtype)
    element = onnx.helper.np_dtype_to_tensor_dtype(net.dtype)
    if table is None:
        inputs, x, name = [onnx.helper.make_tensor_value_info("x", element, ["n", net.n_inputs])], "x", "y"
    else:
        inputs, x, name = column_inputs(table), encode(graph, table, element), "fastbp/y"
    y = _outputs(graph, net, layers_of(net), x)
    graph.node("Identity", [y], name)
    outputs = [onnx.helper.make_tensor_value_info("y", element, ["n", net.n_outputs])]
    if table is not None:
        outputs = decode(graph, table, element)
    constants = [onnx.numpy_helper.from_array(array, key) for key, array in graph.constants.items()]
    _check_size(graph)
    described = onnx.helper.make_graph(graph.nodes, "fastbp", inputs, outputs, constants)
    opsets = [onnx.helper.make_opsetid("", OPSET)] + (
        [onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)] if table else []
    )
    model = onnx.helper.make_model(described, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fastbp")
    if graph.composed:
        onnx.helper.set_model_props(model, {METADATA: json.dumps(graph.composed)})
    onnx.checker.check_model(model)
    with replacing(path) as file:
        file.write(model.SerializeToString())


def _check_size(graph: Graph) -> None:
    n_bytes = sum(array.nbytes for array in graph.constants.values())
    if n_bytes > MOST_BYTES:
        raise ValueError(f"an ONNX file holds up to {MOST_BYTES:,} bytes; this network would take {n_bytes:,}")


def _outputs(graph: Graph, net: "ComputingNetwork", layers: list[Layer], x: str) -> str:
    """Add the layers; return the name of y."""
    z = {0: x}
    for layer in layers:
        z[layer.number] = activate(graph, layer.function, _sums(graph, net, layer, z))
    parts = [z[layer] for layer in sorted(net.topology.outputs, key=lambda number: net.topology.first_units[number])]
    return parts[0] if len(parts) == 1 else graph.node("Concat", parts, axis=1)


def _sums(graph: Graph, net: "ComputingNetwork", layer: Layer, z: dict[int, str]) -> str:
    """a of a layer: a chain of Gemm, begun with the biases."""
    a = "" if layer.biases is None else graph.constant(layer.biases, name=f"fastbp/b_{layer.number}")
    pieces = [(z[block.source], block.weights, f"fastbp/w_{block.source}_{layer.number}") for block in layer.blocks]
    if layer.links is not None:
        pieces.append(_gathered(graph, net, layer, z))
    if not pieces:  # units that nothing feeds: a is their bias, for each sample
        pieces = [(z[0], np.zeros((layer.n_units, net.n_inputs), net.dtype), f"fastbp/w_0_{layer.number}")]
    for source, weights, name in pieces:
        inputs = [source, graph.constant(weights, name=name), *([a] if a else [])]
        a = graph.node("Gemm", inputs, transB=1)
    return a


def _gathered(graph: Graph, net: "ComputingNetwork", layer: Layer, z: dict[int, str]) -> tuple[str, Any, str]:
    """(the units that links come from, their weights as a dense matrix, what to call it)."""
    links = layer.links
    assert links is not None
    first, sizes = net.topology.first_units, net.topology.sizes
    units = np.unique(links.sources)
    sources = [l for l in range(layer.number) if ((units >= first[l]) & (units < first[l] + sizes[l])).any()]
    order = np.concatenate(
        [np.arange(first[l], first[l] + sizes[l]) for l in sources]
    )  # columns of what is put together
    together = z[sources[0]] if len(sources) == 1 else graph.node("Concat", [z[l] for l in sources], axis=1)
    place = np.empty(net.n_units, np.int64)
    place[order] = np.arange(len(order))
    weights = np.zeros((layer.n_units, len(units)), net.dtype)
    targets = np.repeat(np.arange(layer.n_units), np.diff(links.starts))
    weights[targets, np.searchsorted(units, links.sources)] = links.weights
    columns = graph.node("Gather", [together, graph.constant(place[units], np.int64)], axis=1)
    return columns, weights, f"fastbp/v_{layer.number}"
