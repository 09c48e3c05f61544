"""Epochs, validation, stopping, history, callbacks: what stands around the compiled steps of `fit`."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp import checks, initial, threads
from fastbp.checks import Array
from fastbp.kernels import batch, epochs
from fastbp.kernels.online import OnlineMemory
from fastbp.single_sample import online_memory
from fastbp.solvers import Choice

if TYPE_CHECKING:
    from fastbp.network import Network


class _Default(int):
    """An integer that knows it was not passed in."""


DEFAULT_BATCH_SIZE = _Default(32)
TOL_EPOCHS = 10  # without patience, epochs that may fail to be lower by tol
RETURN_SECONDS = 0.1  # a compiled call takes about this long at most, so that Ctrl-C is heard
PART_PRODUCTS = 1 << 29  # of weights and samples in a part of a batch: some 0.05 s
WINDOW = 1 << 14  # epochs for which arrays are made at a time

Callback = Callable[["Network", "History"], Any]
Callbacks = Callback | Iterable[Callback] | None
Validation = float | tuple[Array, Array] | tuple[Array, Array, Array] | None


@dataclass
class History:
    """What happened in a training.

    Attributes
    ----------
    loss : list of float
        Mean of weight_n E_n over the samples of each epoch, each sample as it was before its step.
    validation_loss : list of float, or None
        The same of the validation set, after each epoch.
    stopped_by : str
        "epochs", "patience", "tol", "callback", "not finite" or "interrupt".
    best_epoch : int or None
        Number (from 0) of the epoch with the lowest loss, of validation if there is one.
    time : float
        Seconds.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] | None = None
    stopped_by: str = "epochs"
    best_epoch: int | None = None
    time: float = 0.0

    @property
    def n_epochs(self) -> int:
        """Number of whole epochs."""
        return len(self.loss)

    @property
    def monitored(self) -> list[float]:
        """The losses that decide when to stop: of validation, or else of training."""
        return self.loss if self.validation_loss is None else self.validation_loss


@dataclass
class Options:
    """The arguments of `Network.fit` but for the data; checked here."""

    solver: Choice
    epochs: int
    batch_size: int | None
    reduction: str
    shuffle: bool
    seed: int | None
    validation: Validation
    patience: int | None
    tol: float | None
    l2: float
    callback: Callbacks
    progress: bool
    n_threads: int | None

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
        if self.seed is not None:
            self.seed = checks.integer(self.seed, "seed", minimum=0, maximum=np.inf)
        if self.patience is not None:
            self.patience = checks.integer(self.patience, "patience", minimum=1)
        if self.tol is not None:
            self.tol = checks.number(self.tol, "tol")
        self.l2 = checks.number(self.l2, "l2")
        self.progress = checks.flag(self.progress, "progress")
        self.n_threads = threads.check(self.n_threads)
        self.rates(0)
        self.callbacks = _check_callbacks(self.callback)

    def rates(self, first: int) -> Array:
        """Learning rates of the epochs from `first` on, for a window of them."""
        return self.solver.rates(range(first, min(first + WINDOW, self.epochs)), self.epochs)


class Training:
    """One call of `fit`: the compiled run, and what Python does after each epoch."""

    def __init__(self, net: "Network", samples: batch.Samples, options: Options) -> None:
        self.net, self.options = net, options
        draw = initial.generator(options.seed)
        self.samples, self.validation = split(net, apart_from(net, samples), options.validation, draw)
        self.history = History(validation_loss=None if self.validation is None else [])
        self.best = (np.inf, net.params.copy())
        self.warned = False  # of a validation loss that is not finite
        self._prepare(draw)

    def _prepare(self, draw: np.random.Generator) -> None:
        """Arrays of the compiled run."""
        net, options = self.net, self.options
        n_samples, packed = len(self.samples.x), net.packed
        size = min(options.batch_size or n_samples, n_samples)
        one_by_one = size == 1 and net.topology.is_layered
        self.memory: batch.Memory | OnlineMemory | None = online_memory(packed) if one_by_one else None
        self.solver = options.solver.start(
            packed.params.size,
            net.dtype,
            l2=options.l2,
            n_weights=net.topology.n_weights,
            mean=options.reduction == "mean",
        )
        order = np.arange(n_samples)
        self.samples = self.samples._replace(order=order)
        self.run_state = epochs.Run(
            order=order,
            random=draw.integers(0, 2**64, 1, np.uint64),
            rates=np.empty(0),
            losses=np.empty(0),
            safe=packed.params.copy(),
            partial=np.zeros_like(packed.params),
            position=np.zeros(3, np.int64),
            batch_size=size,
            part_size=max(1, PART_PRODUCTS // max(1, net.topology.n_weights)),
            shuffle=options.shuffle and size < n_samples,  # the sum over all samples has no order
            whole_epochs=self.watched,
        )
        self.n_chunks = net.engine.n_chunks(min(size, self.run_state.part_size))
        self.n_parts = 1  # of batches, for the next compiled call
        self.train = epochs.train_online if one_by_one else epochs.train

    @property
    def watched(self) -> bool:
        """Whether Python has something to do after each epoch."""
        o = self.options
        return bool(o.callbacks or o.progress or o.patience or o.tol is not None or self.validation is not None)

    def run(self) -> History:
        """Train until something stops it."""
        from fastbp.progress import bar

        start = time.perf_counter()
        try:
            with bar(self.options.progress, self.options.epochs) as show:
                self._epochs(show)
        except KeyboardInterrupt:
            self.history.stopped_by = "interrupt"
            self._keep_finite()
        finally:
            self.history.time = time.perf_counter() - start
            if self.options.patience is not None and self.history.best_epoch is not None:
                self.net.params = self.best[1]
        return self.history

    def _epochs(self, show: Callable[[History], None]) -> None:
        """All epochs, a window of them at a time."""
        for first in range(0, self.options.epochs, WINDOW):
            rates = self.options.rates(first)
            self.run_state = self.run_state._replace(rates=rates, losses=np.zeros(len(rates)))
            self.run_state.position[:] = 0
            while self.run_state.position[0] < len(rates):
                finite = self._call()
                self._record(first)
                if not finite or (self.history.n_epochs == self.options.epochs and not self._finite()):
                    self._stop_not_finite()
                    return
                if self.watched and not self.run_state.position[1:].any():
                    show(self.history)
                    if self._after_epoch():
                        return

    def _call(self) -> bool:
        """One compiled call: to the end of the epoch if Python is to look at it, and not for long anyway."""
        epoch = int(self.run_state.position[0])
        begin = time.perf_counter()
        with threads.limit(self.options.n_threads, self.n_chunks) as n_slots:
            memory = self._memory(n_slots)
            finite = self.train(self.net.packed, self.samples, memory, self.solver, self.run_state, self.n_parts)
        seconds = time.perf_counter() - begin
        if seconds > RETURN_SECONDS or self.run_state.position[0] == epoch or not self.watched:
            self.n_parts = max(1, int(self.n_parts * min(4.0, RETURN_SECONDS / max(seconds, 1e-9))))
        return bool(finite)

    def _memory(self, n_slots: int) -> batch.Memory | OnlineMemory:
        """Work space for the steps; made anew if another number of threads is free than the last time."""
        if isinstance(self.memory, OnlineMemory):
            return self.memory
        if self.memory is None or self.memory.plan[batch.SLOTS] != n_slots:
            run = self.run_state
            self.memory = self.net.engine.memory(min(run.batch_size, run.part_size), n_slots)
        return self.memory

    def _record(self, first: int) -> None:
        """Losses of the epochs that have ended since the last time; `first` is the first of the window."""
        done = int(self.run_state.position[0])
        losses = self.run_state.losses[self.history.n_epochs - first : done] / len(self.samples.x)
        self.history.loss.extend(losses.tolist())
        if not self.watched and self.history.loss:
            self.history.best_epoch = int(np.argmin(self.history.loss))

    def _after_epoch(self) -> bool:
        """Validation, best weights, callbacks; returns whether to stop."""
        history, options = self.history, self.options
        if self.validation is not None and history.validation_loss is not None:
            history.validation_loss.append(self._validate(self.validation))
        loss = history.monitored[-1]
        if loss < self.best[0] - (options.tol or 0.0):
            self.best = (loss, self._weights_of_epoch().copy())
            history.best_epoch = history.n_epochs - 1
        stops = [bool(callback(self.net, history)) for callback in options.callbacks]
        waited = history.n_epochs - 1 - (-1 if history.best_epoch is None else history.best_epoch)
        if any(stops):
            history.stopped_by = "callback"
        elif options.patience is not None and waited >= options.patience:
            history.stopped_by = "patience"
        elif options.patience is None and options.tol is not None and waited >= TOL_EPOCHS:
            history.stopped_by = "tol"
        else:
            return False
        return True

    def _weights_of_epoch(self) -> Array:
        """The weights that had the epoch's loss: a training loss is that before a step, one of validation after all."""
        if self.validation is None and self.run_state.batch_size == len(self.samples.x):
            return self.run_state.safe[: self.net.n_params]
        return self.net.params

    def _validate(self, samples: batch.Samples) -> float:
        error, _ = self.net.engine.run(samples, batch.ERROR, n_threads=self.options.n_threads)
        if not np.isfinite(error) and not self.warned:
            self.warned = True
            warnings.warn(
                f"The validation loss is {error} after epoch {self.history.n_epochs}, and counts as no improvement: "
                f"{self.net.dtype.name} cannot hold it. Inputs and targets of about 1 may help, or float64.",
                RuntimeWarning,
                stacklevel=6,
            )
        return error / len(samples.x)

    def _finite(self) -> bool:
        return bool(np.isfinite(self.net.params).all())

    def _keep_finite(self) -> None:
        if not self._finite():
            self.net.packed.params[:] = self.run_state.safe

    def _stop_not_finite(self) -> None:
        self.net.packed.params[:] = self.run_state.safe
        self.history.stopped_by = "not finite"
        warnings.warn(
            f"The loss is no longer finite after epoch {self.history.n_epochs}: training stopped, the weights are "
            f"those from the start of the epoch. A smaller learning_rate may help, or inputs and targets of about 1.",
            RuntimeWarning,
            stacklevel=5,
        )


def split(
    net: "Network", samples: batch.Samples, validation: Validation, draw: np.random.Generator
) -> tuple[batch.Samples, batch.Samples | None]:
    """(samples to train on, samples to validate on or None)."""
    if validation is None:
        return samples, None
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise ValueError(
                f"validation must be a fraction, (X, T) or (X, T, sample_weight); got {len(validation)} items"
            )
        return samples, apart_from(net, net.check_samples(*validation, prefix="validation "))
    fraction = checks.number(validation, "validation", high=1.0, low_open=True)
    n_samples = len(samples.x)
    n_held_out = max(1, round(fraction * n_samples))
    if n_held_out >= n_samples:
        raise ValueError(f"validation must leave a sample for training; {fraction:g} of {n_samples} leaves none")
    rows = draw.permutation(n_samples)
    return _take(samples, np.sort(rows[n_held_out:])), _take(samples, np.sort(rows[:n_held_out]))


def apart_from(net: "Network", samples: batch.Samples) -> batch.Samples:
    """The samples; copies of arrays that share memory with the parameters, which training changes."""
    x, t, weight = (
        array.copy() if np.may_share_memory(array, net.params) else array
        for array in (samples.x, samples.t, samples.weight)
    )
    return samples._replace(x=x, t=t, weight=weight)


def _take(samples: batch.Samples, rows: Array) -> batch.Samples:
    weight = samples.weight[rows] if samples.weight.size else samples.weight
    return samples._replace(x=samples.x[rows], t=samples.t[rows], weight=weight)


def _check_callbacks(callback: Callbacks) -> list[Callback]:
    if callback is None:
        return []
    expected = "a function of (net, history), or a list of them"
    callbacks = [callback] if callable(callback) else checks.items(callback, "callback", expected)
    for item in callbacks:
        if not callable(item):
            raise TypeError(f"callback must be {expected}; got {item!r}")
    return callbacks
