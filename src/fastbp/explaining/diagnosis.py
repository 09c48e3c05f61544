"""`Diagnosis`: all that can be seen to go wrong with a network and its samples, and its layers in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from fastbp.checks import Array
from fastbp.explaining import traps
from fastbp.explaining.digits import Digits
from fastbp.explaining.sections import Section, Table
from fastbp.explaining.text import render
from fastbp.explaining.traps import Finding

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

MOST_SAMPLES = 4096  # whose deltas are kept at a time


@dataclass(frozen=True)
class LayerState:
    """A layer over many samples.

    Attributes
    ----------
    layer : int
    function : str
    n_units : int
    dead_units : int
        Units with h' = 0 for every sample.
    saturated : float
        Share of units and samples with h' below a twentieth of its highest.
    delta : float
        Root of the mean of delta_j**2 over units and samples.
    """

    layer: int
    function: str
    n_units: int
    dead_units: int
    saturated: float
    delta: float


@dataclass(frozen=True)
class Diagnosis(Sequence[Finding]):
    """What `Network.diagnose` returns: findings, and the state of every layer; print it.

    Attributes
    ----------
    findings : tuple of Finding
        Each with `name`, `cause` and `remedy`.
    layers : tuple of LayerState
    loss : float
        Mean of E_n.
    n_samples : int
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerState, ...]
    loss: float
    n_samples: int

    @overload
    def __getitem__(self, k: int) -> Finding: ...
    @overload
    def __getitem__(self, k: slice) -> Sequence[Finding]: ...
    def __getitem__(self, k: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[k]

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        d, head = Digits(4), ("layer", "function", "units", "dead units", "saturated", "delta, root of mean square")
        rows = tuple(
            (str(s.layer), s.function, str(s.n_units), str(s.dead_units), f"{s.saturated:.0%}", d(s.delta))
            for s in self.layers
        )
        notes = tuple(f"- {finding}." for finding in self.findings) or ("Nothing that is known to go wrong was seen.",)
        layers = Section(f"{self.n_samples:,} samples, mean loss {d(self.loss)}", table=Table(head, rows))
        return render([layers, Section("FINDINGS", notes=notes)], 100)

    def __repr__(self) -> str:
        return str(self)


def diagnose(net: "ComputingNetwork", X: Array, T: Array) -> Diagnosis:
    """Look at the data, then at every layer's z and delta."""
    samples = net.check_samples(X, T)
    findings = [*traps.of_data(net, samples.x, samples.t), *traps.of_layers(net, samples.x)]
    part = slice(None, None, -(-len(samples.x) // MOST_SAMPLES))
    x, t = np.ascontiguousarray(samples.x[part]), np.ascontiguousarray(samples.t[part])
    z, delta = net.activations(x), net.deltas(x, t)
    states = []
    for layer, (function, z_l, delta_l) in enumerate(zip(net.layer_functions, z[1:], delta, strict=True), 1):
        dead, saturated = traps.flat(function, z_l)
        states.append(
            LayerState(
                layer=layer,
                function=function,
                n_units=z_l.shape[1],
                dead_units=int(dead.all(axis=0).sum()),
                saturated=float(saturated.mean()),
                delta=float(np.sqrt(np.mean(delta_l.astype(float) ** 2))),
            )
        )
    loss = net.loss(samples.x, samples.t) / len(samples.x)
    return Diagnosis(tuple(findings), tuple(states), loss, len(samples.x))
