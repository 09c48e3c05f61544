"""Settings of a network and its training that are tried on a table: what they are, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastbp.network import Network
from fastbp.population.tasks import Learnt

SCHEDULE = "cosine"  # of learning rates, where nobody asks for another
STEP_COST = 1000  # parameters whose products take as long as all else of a step
ACTIVATIONS = ("relu", "tanh", "silu", "gelu")
WIDTHS, DEPTHS, BATCHES = (16, 32, 64, 128), (1, 2, 2, 3), (16, 32, 64, 128)
L2, RATES = (1e-7, 3e-2), (7e-4, 2e-2)  # drawn evenly in their logarithms
ALWAYS = ("hidden", "activation", "learning_rate", "l2", "batch_size")  # of all settings that are drawn
# What seldom helps: a small budget does not come to it, and of more settings these parts have it
FIRST_PLAIN = 24  # settings that are drawn without
SELDOM = 0.25
DROPOUTS, SMOOTHINGS, SCHEDULES = (0.1, 0.2, 0.3), (0.03, 0.1), ("constant", "linear", "coslog4")


class Settings(NamedTuple):
    """What is tried.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    activation : str
    learning_rate, l2 : float
    batch_size : int
    dropout, label_smoothing : float
    schedule : str
        Of learning rates.
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    learning_rate: float = 0.003
    l2: float = 1e-4
    batch_size: int = 32
    dropout: float = 0.0
    label_smoothing: float = 0.0
    schedule: str = SCHEDULE

    def __str__(self) -> str:
        layers = "-".join(map(str, self.hidden)) or "no hidden layer,"
        text = f"{layers} {self.activation}, learning rate {self.learning_rate:.2g}"
        text += "" if self.schedule == SCHEDULE else f" {self.schedule}"
        text += f", l2 {self.l2:.1g}, batch {self.batch_size}"
        text += f", dropout {self.dropout:g}" if self.dropout else ""
        return text + (f", label smoothing {self.label_smoothing:g}" if self.label_smoothing else "")


def drawn(seed: int, number: int, n_rows: int, *, smooths: bool) -> Settings:
    """Settings at random.

    Parameters
    ----------
    seed : int
    number : int
        Of the settings, from 0: on it and on the seed depends what is drawn, and on nothing that was drawn before.
    n_rows : int
        Of the table.
    smooths : bool
        Whether there are labels that can be smoothed.
    """
    rng = np.random.default_rng([seed, number])
    width, depth = int(rng.choice(WIDTHS)), int(rng.choice(DEPTHS))
    rate, l2 = (float(np.exp(rng.uniform(*np.log(bounds)))) for bounds in (RATES, L2))
    batches = [size for size in BATCHES if size * 8 <= n_rows] or [BATCHES[0]]
    plain = Settings((width,) * depth, str(rng.choice(ACTIVATIONS)), rate, l2, int(rng.choice(batches)))
    if number < FIRST_PLAIN:
        return plain
    is_there = rng.uniform(size=3) < SELDOM
    dropout, smoothing, schedule = (rng.choice(values) for values in (DROPOUTS, SMOOTHINGS, SCHEDULES))
    return plain._replace(
        dropout=float(dropout) if is_there[0] else 0.0,
        label_smoothing=float(smoothing) if is_there[1] and smooths else 0.0,
        schedule=str(schedule) if is_there[2] else SCHEDULE,
    )


def network_of(learnt: Learnt, settings: Settings, n_inputs: int, seed: int) -> Network:
    """The network that settings describe, with first weights for its functions."""
    return Network(
        (n_inputs, *settings.hidden, learnt.n_outputs), activation=settings.activation,
        output=learnt.output, loss=learnt.loss, dtype="float32", seed=seed,
        init="he_uniform" if settings.activation == "relu" else "glorot_uniform",
    )  # fmt: skip


def training_options(of_each: Sequence[Settings]) -> dict[str, Any]:
    """The arguments of `Population.fit` that settings have, one for each network."""
    names = "learning_rate", "l2", "batch_size", "dropout", "label_smoothing", "schedule"
    return {name: [getattr(settings, name) for settings in of_each] for name in names}


def cost_of(settings: Settings, n_inputs: int, n_outputs: int) -> float:
    """How long an epoch takes, in products of a row."""
    sizes = n_inputs, *settings.hidden, n_outputs
    n_params = sum((a + 1) * b for a, b in pairwise(sizes))
    return float(n_params + STEP_COST * 32 / settings.batch_size)
