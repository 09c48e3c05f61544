"""What a training is asked for, checked: the arguments of `Network.fit` but for the data."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.data.partitions import Partitions
from fastbp.engine import threads
from fastbp.engine.gate import Gate
from fastbp.minimiser_options import MinimiserChoice
from fastbp.model.computing import ComputingNetwork
from fastbp.solvers import Choice, LearningRate, check_rate
from fastbp.structure import initial
from fastbp.training.history import History
from fastbp.training.stopping import NO_RULES, Rules


class _Default(int):
    """An integer that knows it was not passed in."""


DEFAULT_BATCH_SIZE = _Default(32)
WINDOW = 1 << 14  # epochs for which arrays are made at a time

Callback = Callable[[Any, History], Any]  # of (network, history)
Callbacks = Callback | Iterable[Callback] | None
Validation = float | tuple[Array, Array] | tuple[Array, Array, Array] | Partitions | None


@dataclass(frozen=True)
class CheckpointSettings:
    """Where checkpoints go, after how many epochs (None: by the clock), and whether to begin with one."""

    path: Path
    every: int | None
    resume: bool


@dataclass
class Options:
    """The arguments of `Network.fit` but for the data; checked here."""

    solver: Choice | MinimiserChoice
    epochs: int
    batch_size: int | None
    reduction: str
    shuffle: bool
    seed: initial.Seed
    validation: Validation
    patience: int | None
    tol: float | None
    dropout: Array  # rate of each layer
    l1: float
    l2: float
    callback: Callbacks
    progress: bool
    n_threads: int | None
    checkpoint: CheckpointSettings | None = None
    goal: float | None = None
    callbacks: list[Callable[..., Any]] = field(init=False)
    validate_every: int = 1
    callback_every: int = 1
    rules: Rules = NO_RULES
    warm: bool = False
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self.epochs = checks.integer(self.epochs, "epochs", minimum=0)
        if self.solver.batch_only and isinstance(self.batch_size, _Default):
            self.batch_size = None
        if self.batch_size is not None:
            self.batch_size = checks.integer(self.batch_size, "batch_size", minimum=1)
            if self.solver.batch_only:
                raise ValueError(
                    f"batch_size must be None for solver {self.solver.name!r}, which needs all samples at once"
                )
        checks.name_of(self.reduction, ("mean", "sum"), "reduction")
        self.shuffle = checks.flag(self.shuffle, "shuffle")
        self.seed = initial.as_integer(self.seed)
        if self.patience is not None:
            self.patience = checks.integer(self.patience, "patience", minimum=1)
        if self.tol is not None:
            self.tol = checks.number(self.tol, "tol")
        self.l1 = checks.number(self.l1, "l1")
        self.l2 = checks.number(self.l2, "l2")
        self.label_smoothing = checks.number(self.label_smoothing, "label_smoothing", high=1.0)
        self.progress = checks.flag(self.progress, "progress")
        self.n_threads = threads.check(self.n_threads)
        if self.goal is not None:
            self.goal = checks.number(self.goal, "goal", low=-np.inf, low_open=True)
        self.validate_every = checks.integer(self.validate_every, "validate_every", minimum=1)
        self.callback_every = checks.integer(self.callback_every, "callback_every", minimum=1)
        self._check_rules()
        self.callbacks = check_callbacks(self.callback, "a function of (net, history), or a list of them")
        if isinstance(self.solver, Choice):
            self.rates(0)

    def _check_rules(self) -> None:
        """Refuse rules that would never have anything to look at."""
        if self.validation is None and (missing := self.rules.need_validation):
            raise ValueError(f"stop[{missing[0]!r}] needs a set for validation; got validation=None")
        if "PQ" in self.rules.thresholds and self.rules.strip % self.validate_every:
            raise ValueError(
                f"strip must be a multiple of validate_every where stop has 'PQ', which looks at both losses; got "
                f"{self.rules.strip} and {self.validate_every}"
            )

    def gate_of(self, net: ComputingNetwork) -> Gate:
        """The way into the kernels for a network that learns."""
        gate = net.engine.gate
        return gate.with_loss_option(self.label_smoothing) if self.label_smoothing else gate

    @property
    def keeps_best(self) -> bool:
        """Whether the training goes back to the weights with the lowest loss that it is stopped by."""
        stopped_by_validation = self.goal is not None and self.validation is not None
        return self.patience is not None or bool(self.rules.thresholds) or stopped_by_validation

    def windows(self, n_done: int) -> range:
        """The first epoch of each window that is left after so many epochs."""
        return range(n_done, self.epochs, self._window)

    @property
    def _window(self) -> int:
        return WINDOW if self.every == 1 else self.every

    @property
    def every(self) -> int:
        """Epochs after which Python looks at the training, if it does at all."""
        losses_alone = self.validation is None and (self.patience is not None or self.tol is not None)
        if self.progress or self.checkpoint is not None or self.goal is not None or losses_alone:
            return 1
        wanted = [self.rules.every, self.callback_every if self.callbacks else 0]
        return math.gcd(*wanted, self.validate_every if self.validation is not None else 0) or 1

    def with_rate(self, learning_rate: LearningRate) -> "Options":
        """The same with another learning rate, which is checked."""
        assert isinstance(self.solver, Choice)
        rate = check_rate(learning_rate, self.solver.name, self.solver.schedule)
        other = _replaced(self, solver=_replaced(self.solver, learning_rate=rate))
        if callable(learning_rate):
            other.rates(0)
        return other

    def rates(self, first: int) -> Array:
        """Learning rates of the epochs from `first` on, for a window of them."""
        assert isinstance(self.solver, Choice)
        return self.solver.rates(range(first, min(first + self._window, self.epochs)), self.epochs)


Checked = TypeVar("Checked", Options, Choice)


def _replaced(checked: Checked, **changes: Any) -> Checked:
    """`dataclasses.replace` of what was checked before, in a fifth of the time."""
    other = object.__new__(type(checked))
    other.__dict__.update(checked.__dict__, **changes)
    return other


def check_callbacks(callback: Any, expected: str) -> list[Callable[..., Any]]:
    """A user's callbacks as a list."""
    if callback is None:
        return []
    callbacks = [callback] if callable(callback) else checks.items(callback, "callback", expected)
    for item in callbacks:
        if not callable(item):
            raise TypeError(f"callback must be {expected}; got {item!r}")
    return callbacks
