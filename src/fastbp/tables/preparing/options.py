"""How to train on a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastbp.population.search import Budget
from fastbp.population.settings import Settings
from fastbp.presets import Preset
from fastbp.tables.cells.choices import MAX_LEVELS
from fastbp.tables.preparing.scaling import Scaling
from fastbp.training.options import DEFAULT_BATCH_SIZE

USUAL_RATE = 0.001


@dataclass(frozen=True)
class Options:
    """How to train; None leaves a choice to `Network.fit` or to the data, `patience` 0 is no early stopping."""

    hidden: tuple[int, ...]
    activation: str
    solver: str
    epochs: int
    batch_size: int | None
    learning_rate: float | None
    l2: float
    seed: int
    patience: int
    threads: int | None
    test_fraction: float
    checkpoint: Path | None = None
    resume: bool = False
    max_levels: int = MAX_LEVELS
    scaling: Scaling = "standard"
    loss: str | None = None
    class_weight: Literal["balanced"] | None = None
    log_target: bool | None = None
    evidence: bool = False
    schedule: str = "constant"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    ensemble: int | None = 1  # networks whose mean answers; None: as many as about a second allows
    tune: Budget | None = None
    given: tuple[str, ...] = ()  # settings that the user has chosen: they are not tuned
    preset: Preset | None = None  # whose first weights and rates are taken; its other settings stand in their places

    @property
    def alike(self) -> dict[str, Any]:
        """Further arguments of `Network.fit` and of `Population.fit`, the same for all networks of an ensemble."""
        found: dict[str, Any] = {"label_smoothing": self.label_smoothing, "dropout": self.dropout}
        return found | (
            {} if self.schedule == "constant" else {"schedule": self.schedule}
        )  # which not all solvers take

    @property
    def settings(self) -> Settings:
        """Those that a search begins with."""
        rate = USUAL_RATE if self.learning_rate is None else self.learning_rate
        batch = DEFAULT_BATCH_SIZE if self.batch_size is None else self.batch_size
        return Settings(
            self.hidden, self.activation, rate, self.l2, batch, self.dropout, self.label_smoothing, self.schedule
        )
