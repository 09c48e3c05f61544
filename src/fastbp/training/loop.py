"""Epochs, validation, stopping, history, callbacks: what stands around the compiled steps of `fit`."""

import time
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.first_use import check_new_code
from fastbp.engine.gate import CheckedSamples, CheckedSolver, check_params, check_weighted
from fastbp.kernels.formulas import steps
from fastbp.kernels.many_samples.tile import PLAN, Memory
from fastbp.kernels.one_sample.online import OnlineMemory
from fastbp.kernels.tables import NONE
from fastbp.kernels.training import chunks, epochs
from fastbp.model.computing import ComputingNetwork
from fastbp.model.partitioned import Source, Summable
from fastbp.solvers import Choice
from fastbp.structure import initial
from fastbp.training import dropout
from fastbp.training.checkpoints import Checkpoint, restore
from fastbp.training.history import History
from fastbp.training.options import Options
from fastbp.training.remembered import recall, remember
from fastbp.training.state import ROW, Layout, moments_of
from fastbp.training.validation import n_held_out, own_validation, split

TOL_EPOCHS = 10  # without patience, epochs that may fail to be lower by tol
PART_SECONDS = 0.05  # that the samples of a part take, see `Engine.part_size`
RETURN_SECONDS = 0.05  # a compiled call takes about this long at most, so that Ctrl-C is heard
SLOWEST = 64  # before a call has been timed: machines, and functions of a user's, that take so many times as long


class Training:
    """One call of `fit`: the compiled run, and what Python does after each epoch."""

    net: ComputingNetwork
    options: Options
    n_samples: int
    checkpoint: Checkpoint | None
    samples: CheckedSamples
    validation: CheckedSamples | Summable | None
    history: History
    best: tuple[float, Array]
    warned: bool
    most_threads: int
    n_parts: int
    start: float
    compares_with_goal = True  # after each epoch; or the compiled run does

    def __init__(self, net: ComputingNetwork, samples: CheckedSamples | Source, options: Options) -> None:
        self.net, self.options = net, options
        if isinstance(samples, CheckedSamples):
            check_weighted(samples, "sample_weight")
            samples = samples.apart_from(net.params)
        check_params(net.params)
        held_out = own_validation(net, options.validation)
        self.n_samples = self._n_to_train_on(samples)
        self.checkpoint, state = None, None
        if options.checkpoint is not None:
            self.checkpoint = Checkpoint(self, samples, held_out)
            state = self.checkpoint.load() if options.checkpoint.resume else None
        if state is not None:
            self.seed = state.seed
        self.validation = held_out
        self._take(samples)
        self.history = History(validation_loss=None if self.validation is None else [])
        self.best = (np.inf, net.params.copy())
        self.warned = False  # of a validation loss that is not finite
        self._prepare()
        if state is not None:
            restore(self, state)
        elif options.warm:
            self._recall()

    def _recall(self) -> None:
        """Go on with what the solver remembers of the last training of the network."""
        recall(self)

    def _n_to_train_on(self, samples: CheckedSamples | Source) -> int:
        """How many samples there are without those that are held out."""
        return len(samples) - n_held_out(self.options.validation, len(samples))

    @cached_property
    def seed(self) -> int:
        """Of all that is drawn; not all trainings ask for it."""
        return initial.some_seed(self.options.seed)

    @cached_property
    def draw(self) -> np.random.Generator:
        """What draws first the samples to hold out, and then what the run needs; not all trainings ask for it."""
        return initial.generator(self.seed)

    def _take(self, samples: CheckedSamples | Source) -> None:
        """Keep the samples, and hold a fraction of them out for validation."""
        assert isinstance(samples, CheckedSamples)
        self.samples = samples
        if self.options.validation is not None and self.validation is None:
            self.samples, self.validation = split(samples, self.n_samples, self.draw)

    @property
    def batch_size(self) -> int:
        """Samples in a step."""
        return min(self.options.batch_size or self.n_samples, self.n_samples)

    @property
    def shuffles(self) -> bool:
        """Whether each epoch has an order of its own; the sum over all samples has none."""
        return self.options.shuffle and self.batch_size < self.n_samples

    def _prepare(self) -> None:
        """What the run needs beside the samples."""
        order = np.arange(self.n_samples)
        self.samples = self.samples.ordered(order)
        self._prepare_run(order)

    def _prepare_run(self, order: Array) -> None:
        """Arrays of the compiled run."""
        net, options, draw = self.net, self.options, self.draw
        packed, size = net.packed, self.batch_size
        assert isinstance(options.solver, Choice)
        by_batches = options.dropout.any() or options.solver.by_batches
        one_by_one = size == 1 and net.topology.is_layered and not by_batches
        self.memory: Memory | OnlineMemory | None = net.online_memory if one_by_one else None
        solver = options.solver.start(
            packed.params.size,
            net.dtype,
            net.topology,
            l1=options.l1,
            l2=options.l2,
            mean=options.reduction == "mean",
            draw=draw,
        )
        self.checked_solver: CheckedSolver = net.engine.gate.solver(solver)
        random = draw.integers(0, 2**64, 1, np.uint64)
        self.run_state = epochs.Run(
            order=order,
            random=random,
            rates=np.empty(0),
            losses=np.empty(0),
            safe=packed.params.copy(),
            partial=np.zeros(packed.params.shape, net.dtype),  # zeros_like would touch all of it
            dropout=dropout.memory(options.dropout, draw, min(size, net.engine.part_size), net.dtype),
            first_epoch=0,
            position=np.zeros(3, np.int64),
            batch_size=size,
            part_size=net.engine.part_size,
            shuffle=self.shuffles,
            whole_epochs=self.watched and options.every == 1,
        )
        self.most_threads = net.engine.most_threads(min(size, self.run_state.part_size))
        self.n_parts = self._first_parts()  # of batches, for the next compiled call

    def _first_parts(self) -> int:
        """Parts of batches for the first compiled call."""
        seconds = SLOWEST * PART_SECONDS * self.batch_size / self.net.engine.part_size
        return max(1, int(RETURN_SECONDS / seconds))

    def kept_layout(self) -> Layout:
        """dtype and shape of each array of `kept`, known before there are any."""
        assert isinstance(self.options.solver, Choice)
        layout: Layout = {
            "moments": (self.net.dtype, (self.options.solver.kind.n_moments, self.net.n_params)),
            "decay": (np.dtype(np.float64), (2,)),
            "random": (np.dtype(np.uint64), (1,)),
        }
        return layout | ({"order": (ROW, (self.n_samples,))} if self.shuffles else {})

    def kept(self) -> dict[str, Array]:
        """What a checkpoint keeps beside the parameters: arrays that are copied, and written into by `restore`."""
        solver, run = self.solver, self.run_state
        moments = moments_of(self.options, solver)[:, : self.net.n_params]
        kept = {"moments": moments, "decay": solver.decay, "random": run.random}
        return kept | ({"order": run.order} if self.shuffles else {})

    @property
    def watched(self) -> bool:
        """Whether Python has something to do after each epoch."""
        o = self.options
        looks_for_goal = self.compares_with_goal and o.goal is not None
        wanted = o.callbacks or o.progress or o.patience or o.checkpoint or looks_for_goal
        return bool(wanted or o.rules.thresholds or o.tol is not None or self.validation is not None)

    def run(self) -> History:
        """Train until something stops it."""
        from fastbp.training.progress import bar

        if not isinstance(self.memory, OnlineMemory):
            solver = self.options.solver
            check_new_code(self.net.dtype, solver if isinstance(solver, Choice) else None)
        self.start = time.perf_counter() - self.history.time
        try:
            with bar(self.options.progress, self.options.epochs) as show:
                if self.history.stopped_by == "epochs":  # not so if a run that was over is resumed
                    self._epochs(show)
        except KeyboardInterrupt:
            self.history.stopped_by = "interrupt"
        finally:
            self._keep_finite()
            self.history.time = time.perf_counter() - self.start
            if self.options.keeps_best and self.history.best_epoch is not None:
                self.net.params = self.best[1]
            if self.options.warm:
                remember(self)
            self._give_back()
        if self.checkpoint is not None:
            self.checkpoint.write()
        if self.history.stopped_by == "not finite":
            self._warn_not_finite()
        return self.history

    def _epochs(self, show: Callable[[History], None]) -> None:
        """All epochs that are left, a window of them at a time."""
        for first in self.options.windows(self.history.n_epochs):
            rates = self.options.rates(first)
            self.run_state = self.run_state._replace(rates=rates, losses=np.zeros(len(rates)), first_epoch=first)
            self.run_state.position[:] = 0
            while self.run_state.position[0] < len(rates):
                finite = self._call()
                self._record(first)
                whole = not self.run_state.position[1:].any() and self._is_due(len(rates))
                if whole and (self.watched or self.history.n_epochs == self.options.epochs):
                    finite = finite and self._finite()
                stop = self._after_call(finite, whole, show)
                if self.checkpoint is not None and (whole or stop):
                    self.checkpoint.epoch_ended()
                if stop:
                    return

    def _is_due(self, n_epochs: int) -> bool:
        """Whether Python looks at the training at the end of this epoch; n_epochs: those of the window."""
        return self.options.every == 1 or int(self.run_state.position[0]) == n_epochs

    def _after_call(self, finite: bool, whole: bool, show: Callable[[History], None]) -> bool:
        """What there is to do in Python, `whole`: at the end of an epoch; returns whether to stop."""
        if not finite:
            self._stop_not_finite()
            return True
        if not (self.watched and whole):
            return False
        stop = self._after_epoch()
        show(self.history)
        return stop

    def _call(self) -> bool:
        """One compiled call: to the end of the epoch if Python is to look at it, and not for long anyway."""
        epoch = int(self.run_state.position[0])
        begin = time.perf_counter()
        with threads.limit(self.options.n_threads, self.most_threads) as n_threads:
            memory = self._memory(n_threads)
            finite = self._train(memory)
        seconds = time.perf_counter() - begin
        if seconds > RETURN_SECONDS or self.run_state.position[0] == epoch or not self.watched:
            self.n_parts = max(1, int(self.n_parts * min(4.0, RETURN_SECONDS / max(seconds, 1e-9))))
        return finite

    def _train(self, memory: Memory | OnlineMemory) -> bool:
        """Some steps; returns whether the error is finite."""
        gate, solver = self.options.gate_of(self.net), self.checked_solver
        if isinstance(memory, OnlineMemory):
            return gate.train_online(self.samples, memory, solver, self.run_state, self.n_parts)
        return gate.train(self.samples, memory, solver, self.run_state, self.n_parts)

    @property
    def solver(self) -> steps.Solver:
        """What takes the steps."""
        return self.checked_solver.solver

    def _memory(self, n_threads: int) -> Memory | OnlineMemory:
        """Work space for the steps; made anew if another number of threads is free than the last time."""
        if isinstance(self.memory, OnlineMemory):
            return self.memory
        if self.memory is None or self.memory.plan[PLAN.n_threads] != n_threads:
            run = self.run_state
            self._give_back()
            self.memory = self.net.engine.memory(
                min(run.batch_size, run.part_size), n_threads, dropout=run.dropout.address != NONE
            )
            self.run_state = run._replace(dropout=dropout.with_slots(run.dropout, self.memory.z))
        return self.memory

    def _give_back(self) -> None:
        """Leave the work space to who computes with the network next."""
        if isinstance(self.memory, Memory):
            size = min(self.run_state.batch_size, self.run_state.part_size)
            self.net.engine.give_back((size, int(self.memory.plan[PLAN.n_threads]), True), self.memory)

    def _record(self, first: int) -> None:
        """Losses of the epochs that have ended since the last time; `first` is the first of the window."""
        done = int(self.run_state.position[0])
        losses = self.run_state.losses[self.history.n_epochs - first : done] / self.n_samples
        self.history.loss.extend(losses.tolist())
        self._note_time()

    def _note_time(self) -> None:
        """Note the time, and which epoch was the best unless somebody watches."""
        self.history.time = time.perf_counter() - self.start
        if not self.watched and self.history.loss:
            self.history.best_epoch = self.history.loss.index(min(self.history.loss))

    def _after_epoch(self) -> bool:
        """Validation, best weights, callbacks; returns whether to stop."""
        history, options = self.history, self.options
        reaches_goal = options.goal is not None and history.loss[-1] <= options.goal
        is_last = reaches_goal or history.n_epochs == options.epochs
        if self.validation is not None and history.validation_loss is not None:
            history.validation_loss.extend([np.nan] * (history.n_epochs - 1 - len(history.validation_loss)))
            due = is_last or history.n_epochs % options.validate_every == 0
            history.validation_loss.append(self._validate(self.validation) if due else np.nan)
        loss = history.monitored[-1]
        if loss < self.best[0] - (options.tol or 0.0):
            self.best = (loss, self._weights_of_epoch().copy())
            history.best_epoch = history.n_epochs - 1
        reason = "goal" if reaches_goal else self._reason_to_stop()
        due = is_last or reason is not None or history.n_epochs % options.callback_every == 0
        stops = [wants_to_stop(callback(self.net, history)) for callback in (options.callbacks if due else [])]
        reason = "callback" if any(stops) else reason
        if reason is not None:
            history.stopped_by = reason
        return reason is not None

    def _reason_to_stop(self) -> str | None:
        """Which rule ends the training after this epoch, goal and callbacks apart."""
        history, options = self.history, self.options
        if (rule := options.rules.reason(history)) is not None:
            return rule
        waited = history.n_epochs - 1 - (-1 if history.best_epoch is None else history.best_epoch)
        if options.patience is not None:
            return "patience" if waited >= options.patience else None
        return "tol" if options.tol is not None and waited >= TOL_EPOCHS else None

    def _weights_of_epoch(self) -> Array:
        """The weights that had the epoch's loss: a training loss is that before a step, one of validation after all."""
        if self.validation is None and self.run_state.batch_size == len(self.samples):
            return self.run_state.safe[: self.net.n_params]
        return self.net.params

    def _validate(self, samples: CheckedSamples | Summable) -> float:
        if isinstance(samples, CheckedSamples):
            error, _ = self.net.engine.run(samples, chunks.ERROR, n_threads=self.options.n_threads)
            n_samples = len(samples)
        else:
            error, _, n_samples = samples.sums(chunks.ERROR, self.options.n_threads)
        if not np.isfinite(error) and not self.warned:
            self.warned = True
            warnings.warn(
                f"The validation loss is {error} after epoch {self.history.n_epochs}, and counts as no improvement: "
                f"{self.net.dtype.name} cannot hold it. Inputs and targets of about 1 may help, or float64.",
                RuntimeWarning,
                stacklevel=9,
            )
        return error / n_samples

    def _finite(self) -> bool:
        return bool(np.isfinite(self.net.params).all())

    def _keep_finite(self) -> None:
        if not self._finite():
            self.net.packed.params[:] = self.run_state.safe

    def _stop_not_finite(self) -> None:
        history = self.history
        self.net.packed.params[:] = self.run_state.safe
        history.stopped_by = "not finite"
        if history.validation_loss is not None:  # the last epoch's step may be what was too large
            history.validation_loss.extend([np.nan] * (history.n_epochs - len(history.validation_loss)))

    def _warn_not_finite(self) -> None:
        warnings.warn(
            f"The loss is no longer finite after epoch {self.history.n_epochs}: training stopped, the weights are "
            f"those from the start of the epoch. A smaller learning_rate may help, or inputs and targets of about 1.",
            RuntimeWarning,
            stacklevel=6,
        )


def wants_to_stop(answer: Any) -> bool:
    """Whether what a callback has returned is true."""
    try:
        return bool(answer)
    except (ValueError, TypeError):  # an array of several numbers, of whatever library
        raise TypeError(
            f"callback must return True to stop, or else False or None; got something of type {type(answer).__name__}"
        ) from None
