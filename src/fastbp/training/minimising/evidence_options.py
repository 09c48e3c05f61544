"""What the evidence procedure is asked for, checked: its arguments, groups of parameters, and what outputs mean."""

from dataclasses import dataclass, field

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.groups import layers_of
from fastbp.model.curved import CurvedNetwork
from fastbp.structure import initial
from fastbp.training.options import Callback, Callbacks, CheckpointSettings, check_callbacks

GROUPS = ("inputs", "layers", "one")
KINDS = {
    ("squared_error", "identity"): "values",
    ("binary_cross_entropy", "logistic"): "classes",
    ("cross_entropy", "softmax"): "classes",
}


@dataclass
class EvidenceOptions:
    """The arguments of `Network.fit_evidence` but for the data; checked here."""

    groups: str
    restarts: int
    epochs: int
    update_every: int
    seed: initial.Seed
    callback: Callbacks
    n_threads: int | None
    checkpoint: CheckpointSettings | None = None
    callbacks: list[Callback] = field(init=False)

    def __post_init__(self) -> None:
        checks.name_of(self.groups, GROUPS, "groups")
        for name in ("restarts", "epochs", "update_every"):
            setattr(self, name, checks.integer(getattr(self, name), name, minimum=1))
        self.n_threads, self.seed = threads.check(self.n_threads), initial.as_integer(self.seed)
        self.callbacks = check_callbacks(self.callback, "a function of (net, history), or a list of them")


def kind_of(net: CurvedNetwork) -> str:
    """What the outputs are, "values" or "classes"; refuses those that are no probability of the targets."""
    functions = set(net.unit_functions[-net.n_outputs :])
    kind = KINDS.get((net.loss_name, functions.pop() if len(functions) == 1 else ""))
    if kind is None or (kind == "classes" and not net.topology.ends_in_outputs):
        pairs = ", ".join(f"{loss} with {output}" for loss, output in KINDS)
        raise ValueError(
            f"fit_evidence needs a loss and outputs that are a probability: {pairs}; got {net.loss_name} "
            f"with {', '.join(sorted(set(net.unit_functions[-net.n_outputs :])))}"
        )
    return kind


def groups_of(net: CurvedNetwork, groups: str) -> tuple[list[str], Array]:
    """(names of the groups, number of the group of each parameter)."""
    topology = net.topology
    names: dict[str, int] = {}
    group_of = np.zeros(net.n_params, np.int64)
    layer_of = layers_of(topology)
    order = np.argsort(
        np.concatenate([np.arange(f, f + s) for f, s in zip(topology.first_units, topology.sizes, strict=True)])
    )
    layer_of = layer_of[order]
    for place, (source, target) in enumerate(topology.connections()):
        name = "all"
        if groups == "inputs" and source < net.n_inputs:
            name = f"input {source}"
        elif groups != "one":
            name = f"weights of layer {layer_of[target]}"
        group_of[place] = names.setdefault(name, len(names))
    for layer, start in enumerate(topology.bias_offsets[:-1]):
        if start >= 0:
            name = "all" if groups == "one" else f"biases of layer {layer}"
            group_of[start : start + topology.sizes[layer]] = names.setdefault(name, len(names))
    return list(names), group_of
