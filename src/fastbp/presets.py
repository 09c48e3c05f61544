"""Presets: settings of a network and its training that were found together, by one name.

"realmlp" is what a plain network and this package's training can have of RealMLP (Holzmüller, Grinsztajn and Steinwart,
"Better by default: strong pre-tuned MLPs and boosted trees on tabular data", 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.network import Network

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Preset:
    """Settings for a task, by the names that `Network`, its `fit` and `TableEncoder` have for them."""

    hidden: tuple[int, ...]
    activation: str
    init: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    beta_2: float
    bias_rate: float
    dropout: float
    label_smoothing: float
    l2: float
    scaling: Literal["standard", "robust"]

    def solver_options(self, net: Network) -> dict[str, Any]:
        """Options of `fit` that follow from the network: rates as those of weights that are divided by sqrt(n_in).

        There a_j = sum_i w_ji z_i / sqrt(n_in), and all steps of Adam have one size, whatever the gradients': that of a
        product w_ji / sqrt(n_in), which is a weight here, is so much smaller.
        """
        return {"beta_2": self.beta_2, "rate_factors": self.rate_factors(net)}

    def rate_factors(self, net: Network) -> Array:
        """1 / sqrt(n_in) for each weight, with n_in the number of weights that arrive at its unit; one for biases."""
        targets = net.topology.connections()[:, 1]
        factors = np.full(net.n_params, self.bias_rate)
        factors[: len(targets)] = 1 / np.sqrt(np.bincount(targets)[targets])
        return factors


_REALMLP = Preset(
    hidden=(256, 256, 256), activation="selu", init="lecun_normal", epochs=256, batch_size=256, learning_rate=0.04,
    schedule="coslog4", beta_2=0.95, bias_rate=0.1, dropout=0.15, label_smoothing=0.1, l2=0.0, scaling="robust",
)  # fmt: skip
PRESETS: dict[str, dict[Task, Preset]] = {
    "realmlp": {
        "classification": _REALMLP,
        "regression": Preset(**(vars(_REALMLP) | {"activation": "mish", "learning_rate": 0.2, "label_smoothing": 0.0})),
    }
}


def preset_of(name: object, task: Task) -> Preset:
    """The settings of a preset for a task; ValueError for a name that is not known."""
    return PRESETS[checks.name_of(name, PRESETS, "preset")][task]
