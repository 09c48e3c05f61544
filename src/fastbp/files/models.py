"""Model files: what the network is, as a line of JSON, then its parameters. See `container.py` for the format."""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from fastbp import checks
from fastbp.activations import OUTPUTS, Activation, by_name
from fastbp.checks import Array
from fastbp.files import container
from fastbp.files.container import StrPath
from fastbp.kernels.codes import SOFTMAX
from fastbp.losses import Loss
from fastbp.model.computing import ComputingNetwork
from fastbp.model.parts import Parts
from fastbp.structure.topology import Topology, check_skip
from fastbp.structure.wiring import check_edges

MODEL = container.Kind(b"fastbp model\n", "fastbp model", 1)
Net = TypeVar("Net", bound=ComputingNetwork)
MAX_LAYERS = 4096  # a network takes a time to build that grows with their square


def save(net: ComputingNetwork, path: StrPath, extra: dict[str, Any] | None = None) -> None:
    """Write a network, and what else a program wants to keep with it, see `fastbp.io.save_network`."""
    _check_keys(extra)
    check_finite(net.params)
    target = checks.file_path(path)
    header, arrays = described(net)
    try:
        container.write(target, MODEL, header | {"extra": {} if extra is None else extra}, arrays)
    except (TypeError, ValueError, RecursionError) as error:
        raise type(error)(f"extra must be something that JSON can hold: {error}") from None


def check_finite(params: Array, name: str = "params") -> None:
    """Refuse parameters that no file holds."""
    if not checks.are_finite(params):
        place = int(np.argmin(np.isfinite(params)))
        raise ValueError(f"{name} must be finite to be saved; {name}[{place}] is {params[place]}")


def described(net: ComputingNetwork) -> tuple[dict[str, Any], list[Array]]:
    """What a file says of a network, and its numbers."""
    shape, arrays = _graph_of(net) if net.is_given_by_edges else _layers_of(net)
    header = shape | {
        "loss": net.loss_name,
        "loss_options": net.loss_function.options,
        "dtype": net.dtype.name,
        "n_params": net.n_params,
    }
    return header, arrays


def _check_keys(extra: object, place: str = "extra") -> None:
    """Refuse keys that JSON would make strings of: another key may have that name."""
    if isinstance(extra, dict):
        for key, value in extra.items():
            if not isinstance(key, str):
                raise TypeError(f"keys of {place} must be strings; got {key!r}")
            _check_keys(value, f"{place}[{key!r}]")
    elif isinstance(extra, list | tuple):
        for k, value in enumerate(extra):
            _check_keys(value, f"{place}[{k}]")


def _layers_of(net: ComputingNetwork) -> tuple[dict[str, Any], list[Array]]:
    """What a file says of a network of layers, and its numbers."""
    if len(net.sizes) > MAX_LAYERS:
        raise ValueError(f"files hold networks of up to {MAX_LAYERS} layers; got {len(net.sizes)}")
    header = {"sizes": net.sizes, "functions": net.layer_functions, "bias": net.bias, "skip": net.skip}
    return header, [net.params]


def _graph_of(net: ComputingNetwork) -> tuple[dict[str, Any], list[Array]]:
    """What a file says of a network that was given by its edges, and its numbers: by unit and edge, as its user does.

    Where a weight stands in the parameters is found anew, and may change from version to version.
    """
    names = sorted(set(net.unit_functions))
    code_of = {name: code for code, name in enumerate(names)}
    has_bias = np.zeros(net.n_units, np.uint8)
    has_bias[net.biased_units] = 1
    header = {"n_inputs": net.n_inputs, "n_outputs": net.n_outputs, "n_units": net.n_units,
              "n_edges": len(net.edges), "functions": names}  # fmt: skip
    codes = np.array([code_of[name] for name in net.unit_functions], np.int64)
    biases = np.where(has_bias, net.unit_biases, 0).astype(net.dtype)
    return header, [net.edges, codes, has_bias, net.edge_weights, biases]


def load(path: StrPath, activations: Iterable[Activation], kind: type[Net]) -> tuple[Net, dict[str, Any]]:
    """Read what `save` wrote: (network of a class, extra), see `fastbp.io.load_network`."""
    known = by_name(activations)
    with container.reading(checks.file_path(path), MODEL) as contents:
        extra = contents.header["extra"]
        if not isinstance(extra, dict):
            raise TypeError(f"extra must be a dict; got {type(extra).__name__}")
        return read(contents, known, kind), extra


def read(contents: container.Contents, known: dict[str, Activation], kind: type[Net]) -> Net:
    """The network that a header describes, as `described` has made it, with the numbers that follow."""
    return (_graph_in if "n_edges" in contents.header else _layers_in)(contents, known, kind)


def _graph_in(contents: container.Contents, activations: dict[str, Activation], kind: type[Net]) -> Net:
    header = contents.header
    dtype = np.dtype(checks.name_of(header["dtype"], ("float32", "float64"), "dtype"))
    n_inputs, n_outputs = (checks.integer(header[key], key, minimum=1) for key in ("n_inputs", "n_outputs"))
    n_units = checks.integer(header["n_units"], "n_units", minimum=n_inputs + n_outputs)
    n_edges = checks.integer(header["n_edges"], "n_edges", minimum=0)
    n_others = n_units - n_inputs
    expected = n_edges * (16 + dtype.itemsize) + n_others * 8 + n_units * (1 + dtype.itemsize)
    if expected != contents.n_bytes:  # compared before anything of that size is allocated
        raise ValueError(f"{expected} bytes of edges and units were expected, {contents.n_bytes} are there")
    functions = [_function(name, activations) for name in container.list_of(header, "functions", n_others)]
    edges, _ = check_edges(contents.read(np.dtype(np.int64), (n_edges, 2)), n_inputs, n_outputs, n_units)
    codes = contents.read(np.dtype(np.int64), (n_others,))
    if codes.min(initial=0) < 0 or codes.max(initial=-1) >= len(functions):
        raise ValueError(f"functions must be numbers below {len(functions)}")
    has_bias = contents.read(np.dtype(np.uint8), (n_units,)) != 0
    if has_bias[:n_inputs].any():
        raise ValueError("inputs have no bias")
    if any(functions[code].code == SOFTMAX for code in codes[: n_others - n_outputs]):
        raise ValueError("softmax is for the outputs")
    of_units = [functions[code] for code in codes]
    biased = has_bias[n_inputs:].tolist()
    net = Parts(n_inputs, n_outputs, edges, of_units, biased, _loss(header), dtype).build(kind)
    if header["n_params"] != net.n_params:
        raise ValueError(f"{net.n_params} parameters were expected, the header says {header['n_params']}")
    net.edge_weights, net.unit_biases = contents.read(dtype, (n_edges,)), contents.read(dtype, (n_units,))
    return net


def _layers_in(contents: container.Contents, activations: dict[str, Activation], kind: type[Net]) -> Net:
    header = contents.header
    dtype = np.dtype(checks.name_of(header["dtype"], ("float32", "float64"), "dtype"))
    sizes = [checks.integer(size, "sizes", minimum=1) for size in container.list_of(header, "sizes", MAX_LAYERS)]
    names = container.list_of(header, "functions", MAX_LAYERS)
    if len(sizes) < 2 or len(names) != len(sizes) - 1:
        raise ValueError("layers and functions do not fit together")
    # Each connection of layers has a weight: more of them than numbers are refused before they take room.
    pairs = container.list_of(header, "skip", contents.n_bytes // dtype.itemsize)
    topology = Topology.layered(sizes, check_skip(pairs, len(sizes)), checks.flag(header["bias"], "bias"))
    # Compared before anything of that size is allocated.
    if topology.n_params * dtype.itemsize != contents.n_bytes or header["n_params"] != topology.n_params:
        raise ValueError(
            f"{topology.n_params} parameters were expected, {contents.n_bytes // dtype.itemsize} are there"
        )
    functions = [_function(name, activations) for name in names]
    if any(function.code == SOFTMAX for function in functions[:-1]):
        raise ValueError("softmax is for the output layer")
    numbers = contents.read(dtype, (topology.n_params,))
    params = checks.vector(numbers, "params", topology.n_params, dtype)
    return kind.assemble(topology, functions, _loss(header), dtype, params)


def _loss(header: dict[str, Any]) -> Loss:
    options = header.get("loss_options", {})  # older files have none
    if not isinstance(options, dict):
        raise TypeError(f"loss_options must be a dict; got {type(options).__name__}")
    return Loss(header["loss"], **options)


def _function(name: str, activations: dict[str, Activation]) -> Activation:
    if name in OUTPUTS:
        return OUTPUTS[name]
    if name in activations:
        return activations[name]
    raise ValueError(f"activation {name!r} is not one of fastbp's; pass it in: Network.load(path, activations=[...])")
