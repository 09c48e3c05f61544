"""Model files from Python: a network, and what else a program keeps with it. `Network.save` and `load` need no more."""

from collections.abc import Iterable
from typing import Any, TypeVar, overload

from fastbp.activations import Activation
from fastbp.files import models
from fastbp.files.container import StrPath
from fastbp.network import Network

Net = TypeVar("Net", bound=Network)


def save_network(net: Network, path: StrPath, extra: dict[str, Any] | None = None) -> None:
    """Write a network, and what else a program wants to keep with it, to `path`.

    Parameters
    ----------
    net : Network
        Of up to 4096 layers, if it is made of layers.
    path : str or path
        An old file stays as it was until the new one is whole on the disk.
    extra : dict, optional
        Anything that JSON can hold, up to 16 MiB of it.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a fastbp.Network; got {net!r}")
    if extra is not None and not isinstance(extra, dict):
        raise TypeError(f"extra must be a dict that JSON can hold; got {extra!r}")
    models.save(net, path, extra)


@overload
def load_network(path: StrPath, activations: Iterable[Activation] = ...) -> tuple[Network, dict[str, Any]]: ...


@overload
def load_network(path: StrPath, activations: Iterable[Activation], kind: type[Net]) -> tuple[Net, dict[str, Any]]: ...


def load_network(
    path: StrPath, activations: Iterable[Activation] = (), kind: type[Any] = Network
) -> tuple[Any, dict[str, Any]]:
    """Read what `save_network` wrote: (network of a class, extra).

    Raises
    ------
    ValueError
        If the file is not a fastbp model, is not whole, was altered, comes from a newer version, or names
        an activation function that is not among `activations`.
    """
    return models.load(path, activations, kind)
