"""Files of populations: what each kind of network is, as a line of JSON, then all numbers. See `container.py`."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastbp import checks
from fastbp.activations import Activation, by_name
from fastbp.files import container, models
from fastbp.files.container import StrPath
from fastbp.network import Network

POPULATION = container.Kind(b"fastbp population\n", "fastbp population", 1)
MAX_NETWORKS = 1 << 20


def save(networks: Sequence[Network], path: StrPath, extra: dict[str, Any] | None = None) -> None:
    """Write networks, and what else a program wants to keep with them: see `Population.save`."""
    target = checks.file_path(path)
    if len(networks) > MAX_NETWORKS:
        raise ValueError(f"files hold populations of up to {MAX_NETWORKS:,} networks; got {len(networks):,}")
    kinds: list[dict[str, Any]] = []
    kind_of, pieces = [], []
    places: dict[str, int] = {}
    for k, net in enumerate(networks):
        models.check_finite(net.params, f"params of network {k}")
        header, arrays = models.described(net)
        header["n_bytes"] = sum(array.nbytes for array in arrays)
        key = repr(header)
        if key not in places:
            places[key] = len(kinds)
            kinds.append(header)
        kind_of.append(places[key])
        pieces += arrays
    more = {} if extra is None else {"extra": extra}
    container.write(target, POPULATION, {"kinds": kinds, "kind_of": kind_of} | more, pieces)


def load(path: StrPath, activations: Iterable[Activation]) -> tuple[list[Network], dict[str, Any]]:
    """Read what `save` wrote: networks, and what else was kept with them."""
    known = by_name(activations)
    with container.reading(checks.file_path(path), POPULATION) as contents:
        return _networks_in(contents, known), _extra_of(contents)


def load_networks(path: StrPath) -> tuple[list[Network], dict[str, Any]]:
    """Read a file of one network or of several, and what else was kept with them."""
    known = by_name(())
    with container.reading(checks.file_path(path), models.MODEL, POPULATION) as contents:
        is_one = contents.kind is models.MODEL
        networks = [models.read(contents, known, Network)] if is_one else _networks_in(contents, known)
        return networks, _extra_of(contents)


def _extra_of(contents: container.Contents) -> dict[str, Any]:
    extra = contents.header.get("extra", {})
    if not isinstance(extra, dict):
        raise TypeError(f"extra must be a dict; got {type(extra).__name__}")
    return extra


def _networks_in(contents: container.Contents, known: dict[str, Activation]) -> list[Network]:
    """The networks that follow a header."""
    kind_of = container.list_of(contents.header, "kind_of", MAX_NETWORKS)
    kinds = container.list_of(contents.header, "kinds", max(1, len(kind_of)))
    sizes = [checks.integer(kind["n_bytes"], "n_bytes", minimum=0) for kind in kinds]
    numbers = [checks.integer(k, "kind_of", minimum=0, maximum=len(kinds) - 1) for k in kind_of]
    if not numbers:
        raise ValueError("kind_of must have one network at least")
    expected = sum(sizes[k] for k in numbers)
    if expected != contents.n_bytes:
        raise ValueError(f"{expected} bytes of networks were expected, {contents.n_bytes} are there")
    first: dict[int, Network] = {}
    return [_read(contents._replace(header=kinds[k], n_bytes=sizes[k]), known, first, k) for k in numbers]


def _read(contents: container.Contents, known: dict[str, Activation], first: dict[int, Network], kind: int) -> Network:
    """One network; of layers, after the first of its kind, a twin of that, which is made sooner."""
    if kind not in first or first[kind].is_given_by_edges:
        net = models.read(contents, known, Network)
        first.setdefault(kind, net)
        return net
    twin = first[kind].twin()
    twin.params = contents.read(twin.dtype, (twin.n_params,))
    return twin
