r"""Model files: one line of JSON that says what the network is, then its parameters. No code, no pickle.

The file, in this order:

    b"fastbp model\n"   what it is
    64 hex digits, \n   SHA-256 of all that follows
    JSON, \n            {"version": 1, "sizes": ..., "dtype": ..., "n_params": ...}
    parameters          little-endian, in the order of `Network.params`
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.activations import OUTPUTS, Activation, by_name
from fastbp.kernels.activation import SOFTMAX
from fastbp.losses import LOSSES
from fastbp.network import Network
from fastbp.topology import Topology, check_skip

MAGIC = b"fastbp model\n"
VERSION = 1

StrPath = str | os.PathLike[str]


def save_network(net: Network, path: StrPath, extra: dict[str, Any] | None = None) -> None:
    """Write a network, and what else a program wants to keep with it, to `path`.

    Parameters
    ----------
    net : Network
    path : str or path
        An old file stays as it was until the new one is whole on the disk.
    extra : dict, optional
        Anything that JSON can hold.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a fastbp.Network; got {net!r}")
    if extra is not None and not isinstance(extra, dict):
        raise TypeError(f"extra must be a dict that JSON can hold; got {extra!r}")
    target = Path(checks.file_path(path))
    header = {
        "version": VERSION,
        "sizes": net.sizes,
        "functions": net.layer_functions,
        "loss": net.loss_name,
        "bias": net.bias,
        "skip": net.skip,
        "dtype": net.dtype.name,
        "n_params": net.n_params,
        "extra": {} if extra is None else extra,
    }
    params = net.params.astype(net.dtype.newbyteorder("<"))
    try:
        line = json.dumps(header, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise type(error)(f"extra must be something that JSON can hold: {error}") from None
    content = line + b"\n" + params.tobytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    _replace_file(target, MAGIC + digest + b"\n" + content)


def load_network(path: StrPath, activations: Iterable[Activation] = ()) -> tuple[Network, dict[str, Any]]:
    """Read what `save_network` wrote: (network, extra).

    Raises
    ------
    ValueError
        If the file is not a fastbp model, is not whole, was altered, comes from a newer version, or names
        an activation function that is not among `activations`.
    """
    known = by_name(activations)
    data = Path(checks.file_path(path)).read_bytes()
    try:
        return _parse(data, known)
    except _RefusedError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


class _RefusedError(Exception):
    """Why a file is refused."""


def _parse(data: bytes, activations: dict[str, Activation]) -> tuple[Network, dict[str, Any]]:
    start = len(MAGIC) + 65
    if data[: len(MAGIC)] != MAGIC:
        raise _RefusedError("not a fastbp model file")
    digest, content = data[len(MAGIC) : start], data[start:]
    if hashlib.sha256(content).hexdigest().encode() + b"\n" != digest:
        raise _RefusedError("the file is not whole, or was altered: its checksum does not match")
    line, newline, numbers = content.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not newline or not isinstance(header, dict) or not isinstance(header.get("version"), int):
        raise _RefusedError("the header cannot be read")
    if header["version"] > VERSION:
        raise _RefusedError(
            f"written by a newer version of fastbp: format {header['version']}, this one reads up to {VERSION}"
        )
    try:
        return _network_of(header, numbers, activations), header["extra"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _RefusedError(f"the header makes no sense: {error}") from error


def _network_of(header: dict[str, Any], numbers: bytes, activations: dict[str, Activation]) -> Network:
    dtype = np.dtype(checks.name_of(header["dtype"], ("float32", "float64"), "dtype"))
    sizes = [checks.integer(size, "sizes", minimum=1) for size in header["sizes"]]
    if len(sizes) < 2 or len(header["functions"]) != len(sizes) - 1:
        raise ValueError("layers and functions do not fit together")
    skip = check_skip([tuple(pair) for pair in header["skip"]], len(sizes))
    topology = Topology.layered(sizes, skip, checks.flag(header["bias"], "bias"))
    # Compared before anything of that size is allocated.
    if topology.n_params * dtype.itemsize != len(numbers):
        raise ValueError(f"{topology.n_params} parameters were expected, {len(numbers) // dtype.itemsize} are there")
    functions = [_function(name, activations) for name in header["functions"]]
    if any(function.code == SOFTMAX for function in functions[:-1]):
        raise ValueError("softmax is for the output layer")
    loss = checks.name_of(header["loss"], LOSSES, "loss")
    params = np.frombuffer(numbers, dtype.newbyteorder("<"))
    return Network.assemble(topology, functions, loss, dtype, params)


def _function(name: str, activations: dict[str, Activation]) -> Activation:
    if name in OUTPUTS:
        return OUTPUTS[name]
    if name in activations:
        return activations[name]
    raise ValueError(f"activation {name!r} is not one of fastbp's; pass it in: Network.load(path, activations=[...])")


def _replace_file(path: Path, data: bytes) -> None:
    """Write a temporary file beside `path`, then rename it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode_of(path: Path) -> int:
    """Permissions for the new file: those of the old one, or what the process gives new files."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
