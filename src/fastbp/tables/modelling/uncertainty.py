"""What a model file keeps of a network's evidence, and bounds of predictions from it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import polars as pl
from msgspec import Meta
from numpy.typing import NDArray

from fastbp.network import Network
from fastbp.tables.cells.errors import TableError
from fastbp.tables.preparing.targets import NumberTarget, Target
from fastbp.training.history import History

if TYPE_CHECKING:
    from fastbp.training.minimising.evidence import Evidence

MOST_PARAMS = 1_600  # half of a matrix of more does not fit into a file's header


class Uncertainty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An `Evidence` but for its network; of the covariance, which is symmetric, the upper triangle row by row."""

    groups: tuple[str, ...]
    alpha: tuple[Annotated[float, Meta(gt=0)], ...]
    beta: Annotated[float, Meta(gt=0)]
    gamma: float
    log_evidence: float
    relevance: tuple[tuple[float, ...], ...]
    kind: str
    triangle: str  # float64, little-endian, in base 64


def check_size(net: Network) -> None:
    """Refuse a network with more parameters than a file can hold the covariance of."""
    if net.n_params > MOST_PARAMS:
        raise TableError(
            f"--evidence is for up to {MOST_PARAMS:,} parameters, whose covariance a model file can hold; this network "
            f"has {net.n_params:,}: fewer units, --hidden"
        )


def plain_of(evidence: Evidence) -> dict[str, Any]:
    """What a file keeps."""
    triangle = evidence.covariance[np.triu_indices(len(evidence.covariance))]
    kept = Uncertainty(
        groups=tuple(evidence.groups),
        alpha=tuple(evidence.alpha.tolist()),
        beta=float(evidence.beta),
        gamma=float(evidence.gamma),
        log_evidence=float(evidence.log_evidence),
        relevance=tuple(map(tuple, evidence.relevance.tolist())),
        kind=evidence.kind,
        triangle=base64.b64encode(triangle.astype("<f8").tobytes()).decode(),
    )
    plain: dict[str, Any] = msgspec.to_builtins(kept)
    return plain


def evidence_of(plain: Any, net: Network) -> Evidence:
    """The evidence of a network that was read; ValueError for what makes no sense."""
    from fastbp.training.minimising.evidence import Evidence  # with kernels that few models need
    from fastbp.training.minimising.evidence_options import KINDS

    try:
        kept = msgspec.convert(plain, Uncertainty, strict=True)
        numbers = np.frombuffer(base64.b64decode(kept.triangle, validate=True), "<f8").astype(np.float64)
    except ValueError as error:
        raise ValueError(f"evidence: {error}") from None
    n, relevance = net.n_params, np.array(kept.relevance, np.float64)
    if numbers.size != n * (n + 1) // 2 or not np.isfinite(numbers).all() or kept.kind not in KINDS.values():
        raise ValueError(f"evidence: the covariance of {n} parameters was expected; got {numbers.size} numbers")
    if len(kept.groups) != len(kept.alpha) or relevance.shape != (net.n_outputs, net.n_inputs):
        raise ValueError("evidence: groups, alpha and relevance must be those of the network")
    covariance = np.zeros((n, n))
    covariance[np.triu_indices(n)] = numbers
    return Evidence(
        network=net.astype("float64"),
        groups=list(kept.groups),
        alpha=np.array(kept.alpha),
        beta=kept.beta,
        gamma=kept.gamma,
        log_evidence=kept.log_evidence,
        relevance=relevance,
        history=History(),
        covariance=covariance + np.triu(covariance, 1).T,
        kind=kept.kind,
    )


def bounds(evidence: Evidence | None, target: Target, X: NDArray[Any], level: float) -> pl.DataFrame:
    """Columns "lower" and "upper" for each target, in its own units.

    Raises
    ------
    TableError
        For classes, whose probabilities say it already, and for a model without evidence.
    """
    if not isinstance(target, NumberTarget):
        raise TableError("--intervals is for numbers; of classes the probabilities say how sure the network is")
    if evidence is None:
        raise TableError("--intervals needs a model that was trained with --evidence")
    found = [target.numbers(y) for y in evidence.interval(X, level)]
    names = [""] if len(target.names) == 1 else [f"_{name}" for name in target.names]
    columns = {f"{side}{name}": values[:, k] for k, name in enumerate(names) for side, values in _sides(found)}
    return pl.DataFrame(columns)


def _sides(found: list[NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    return list(zip(("lower", "upper"), found, strict=True))
