"""Model files: what the network is, as a line of JSON, then its parameters. See `files.py` for the format."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastbp import checks, files
from fastbp.activations import OUTPUTS, Activation, by_name
from fastbp.files import StrPath
from fastbp.kernels.activation import SOFTMAX
from fastbp.losses import LOSSES
from fastbp.network import Network
from fastbp.topology import Topology, check_skip

MODEL = files.Kind(b"fastbp model\n", "fastbp model", 1)
MAX_LAYERS = 4096  # a network takes a time to build that grows with their square


def save_network(net: Network, path: StrPath, extra: dict[str, Any] | None = None) -> None:
    """Write a network, and what else a program wants to keep with it, to `path`.

    Parameters
    ----------
    net : Network
        Of up to 4096 layers.
    path : str or path
        An old file stays as it was until the new one is whole on the disk.
    extra : dict, optional
        Anything that JSON can hold, up to 16 MiB of it.
    """
    header = {
        "sizes": net.sizes,
        "functions": net.layer_functions,
        "loss": net.loss_name,
        "bias": net.bias,
        "skip": net.skip,
        "dtype": net.dtype.name,
        "n_params": net.n_params,
        "extra": {} if extra is None else extra,
    }
    if len(net.sizes) > MAX_LAYERS:
        raise ValueError(f"files hold networks of up to {MAX_LAYERS} layers; got {len(net.sizes)}")
    if not isinstance(header["extra"], dict):
        raise TypeError(f"extra must be a dict; got {type(extra).__name__}")
    try:
        files.write(path, MODEL, header, [net.params])
    except (TypeError, ValueError, RecursionError) as error:
        raise type(error)(f"extra must be something that JSON can hold: {error}") from None


def load_network(path: StrPath, activations: Iterable[Activation] = ()) -> tuple[Network, dict[str, Any]]:
    """Read what `save_network` wrote: (network, extra).

    Raises
    ------
    ValueError
        If the file is not a fastbp model, is not whole, was altered, comes from a newer version, or names
        an activation function that is not among `activations`.
    """
    known = by_name(activations)
    with files.reading(path, MODEL) as contents:
        extra = contents.header["extra"]
        if not isinstance(extra, dict):
            raise TypeError(f"extra must be a dict; got {type(extra).__name__}")
        return _network_of(contents, known), extra


def _network_of(contents: files.Contents, activations: dict[str, Activation]) -> Network:
    header = contents.header
    dtype = np.dtype(checks.name_of(header["dtype"], ("float32", "float64"), "dtype"))
    sizes = [checks.integer(size, "sizes", minimum=1) for size in files.list_of(header, "sizes", MAX_LAYERS)]
    names = files.list_of(header, "functions", MAX_LAYERS)
    if len(sizes) < 2 or len(names) != len(sizes) - 1:
        raise ValueError("layers and functions do not fit together")
    # Each connection of layers has a weight: more of them than numbers are refused before they take room.
    pairs = files.list_of(header, "skip", contents.n_bytes // dtype.itemsize)
    topology = Topology.layered(sizes, check_skip(pairs, len(sizes)), checks.flag(header["bias"], "bias"))
    # Compared before anything of that size is allocated.
    if topology.n_params * dtype.itemsize != contents.n_bytes or header["n_params"] != topology.n_params:
        raise ValueError(
            f"{topology.n_params} parameters were expected, {contents.n_bytes // dtype.itemsize} are there"
        )
    functions = [_function(name, activations) for name in names]
    if any(function.code == SOFTMAX for function in functions[:-1]):
        raise ValueError("softmax is for the output layer")
    loss = checks.name_of(header["loss"], LOSSES, "loss")
    return Network.assemble(topology, functions, loss, dtype, contents.read(dtype, (topology.n_params,)))


def _function(name: str, activations: dict[str, Activation]) -> Activation:
    if name in OUTPUTS:
        return OUTPUTS[name]
    if name in activations:
        return activations[name]
    raise ValueError(f"activation {name!r} is not one of fastbp's; pass it in: Network.load(path, activations=[...])")
