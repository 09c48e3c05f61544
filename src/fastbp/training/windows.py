"""Training on partitions: compiled steps go through a window of them, or a step follows the sum over all of them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.data.partitions import EndOfStream
from fastbp.data.reading import ahead
from fastbp.engine.gate import CheckedSamples
from fastbp.kernels.training import chunks
from fastbp.model.partitioned import Source, Window
from fastbp.solvers import Choice
from fastbp.training.history import History
from fastbp.training.loop import Training
from fastbp.training.state import Layout, moments_of
from fastbp.training.steps import GradientSteps

END_OF_DATA = "end of data"
DONE, N_SAMPLES, ERROR = 0, 1, 2  # windows of the epoch that are done, their samples, the sum of their errors
MOST_PARTS = 1 << 20  # of batches in a compiled call: windows end before
FLOAT64 = np.dtype(np.float64)


class Turn(NamedTuple):
    """A window's turn in an epoch."""

    number: int  # among the windows of the epoch
    partitions: list[int]
    key: int  # of the order of its samples


class FromPartitions(Training):
    """One call of `fit` with partitions."""

    source: Source

    def _n_to_train_on(self, samples: CheckedSamples | Source) -> int:
        """Nobody knows before they are read."""
        return 0

    def _take(self, samples: CheckedSamples | Source) -> None:
        """Hold out whole partitions: rows of each would have all data read twice in an epoch."""
        assert isinstance(samples, Source)
        self.source = source = samples
        if self.options.validation is None or self.validation is not None:
            return
        fraction = checks.number(self.options.validation, "validation", high=1.0, low_open=True)
        if source.data.is_endless:
            raise ValueError(f"validation must be (X, T), or partitions, for a stream; got the fraction {fraction:g}")
        n_held_out = max(1, round(fraction * len(source)))
        if n_held_out >= len(source):
            raise ValueError(
                f"validation must leave a partition for training, and holds out whole ones; {fraction:g} of "
                f"{len(source)} leaves none"
            )
        rows = self.draw.permutation(len(source))
        held_out, rest = (np.sort(part).tolist() for part in (rows[:n_held_out], rows[n_held_out:]))
        self.validation = source.only([source.numbers[k] for k in held_out])
        self.source = source.only([source.numbers[k] for k in rest])


class OnPartitions(FromPartitions):
    """Steps along gradients: what `Training` does after an epoch stays as it is."""

    done: Array  # (3,): where the epoch stands
    _at_start: Array  # the parameters at the start of the epoch

    def kept_layout(self) -> Layout:
        """See `Training`."""
        assert isinstance(self.options.solver, Choice)
        return {
            "moments": (self.net.dtype, (self.options.solver.kind.n_moments, self.net.n_params)),
            "decay": (FLOAT64, (2,)),
            "done": (FLOAT64, (3,)),
        }

    def kept(self) -> dict[str, Array]:
        """See `Training`: the order of an epoch follows from the seed and its number."""
        moments = moments_of(self.options, self.solver)[:, : self.net.n_params]
        return {"moments": moments, "decay": self.solver.decay, "done": self.done}

    def _rate(self, epoch: int) -> Array:
        return self.options.solver.rates(range(epoch, epoch + 1), self.options.epochs)

    def _epochs(self, show: Callable[[History], None]) -> None:
        try:
            for epoch in range(self.history.n_epochs, self.options.epochs):
                self._at_start[:] = self.net.packed.params
                n_before = self.history.n_epochs
                finite = self._epoch(epoch) and self._finite()
                if finite and self.history.n_epochs == n_before:  # a stream has ended just before
                    return
                stop = self._after_call(finite, True, show) or self.history.stopped_by == END_OF_DATA
                if self.checkpoint is not None:
                    self.checkpoint.epoch_ended()
                if stop:
                    return
        finally:  # what a partition that cannot be read, or a callback, has stopped goes on from here
            if self.checkpoint is not None:
                self.checkpoint.write()

    def _epoch(self, epoch: int) -> bool:
        """One pass over the partitions; returns whether the error is finite."""
        raise NotImplementedError

    def _end_epoch(self, loss: float) -> None:
        self.done[:] = 0.0
        self.history.loss.append(loss)
        self._note_time()

    def _stop_not_finite(self) -> None:
        self.run_state.safe[:] = self._at_start
        super()._stop_not_finite()


class ByWindows(OnPartitions):
    """Steps for batches: of the rows of a window of partitions after the other."""

    @property
    def batch_size(self) -> int:
        """See `Training`."""
        assert self.options.batch_size is not None
        return self.options.batch_size

    @property
    def shuffles(self) -> bool:
        """See `Training`."""
        return self.options.shuffle

    def _prepare(self) -> None:
        self.done = np.zeros(3)
        self._prepare_run(np.arange(1))
        self._at_start = self.net.packed.params.copy()
        self._windows = [Window(self.net.engine.gate.port) for _ in range(2)]

    def turns(self, epoch: int) -> list[Turn]:
        """The windows of an epoch, in their order, which the seed and the number of the epoch determine."""
        draw, numbers = np.random.default_rng([self.seed, epoch]), self.source.numbers
        order = draw.permutation(len(numbers)).tolist() if self.shuffles else list(range(len(numbers)))
        starts = range(0, len(order), self.source.data.window)
        keys = draw.integers(0, 2**64, len(starts), np.uint64).tolist()
        return [
            Turn(w, [numbers[k] for k in order[start : start + self.source.data.window]], key)
            for w, (start, key) in enumerate(zip(starts, keys, strict=True))
        ]

    def _read(self, turn: Turn) -> tuple[Turn, CheckedSamples]:
        """A window's samples; the other window's are in use meanwhile."""
        if len(turn.partitions) == 1:
            return turn, self.source.checked(turn.partitions[0])
        window = self._windows[turn.number % 2]
        return turn, window.filled(self._until_end(turn.partitions, window), len(turn.partitions))

    def _until_end(self, numbers: list[int], window: Window) -> Iterator[CheckedSamples]:
        """Partitions, as many as come; none at all is the end."""
        for n_read, k in enumerate(numbers):
            try:
                samples = self.source.checked(k, window.room)
            except EndOfStream:
                if n_read == 0:
                    raise
                return
            yield samples

    def _epoch(self, epoch: int) -> bool:
        turns, finite = self.turns(epoch), True
        left = turns[int(self.done[DONE]) :]
        for turn, samples in ahead(self._read, left):
            self._check_batch(turn, samples, turns)
            finite = self._train_on(turn, samples, epoch, len(turns))
            if not finite:
                break
            if turn.number + 1 < len(turns) and self.checkpoint is not None:
                self.checkpoint.epoch_ended()
        if finite and self.done[DONE] < len(turns):
            self.history.stopped_by = END_OF_DATA
        if finite and self.done[N_SAMPLES]:
            self._end_epoch(float(self.done[ERROR] / self.done[N_SAMPLES]))
        return finite

    def _check_batch(self, turn: Turn, samples: CheckedSamples, turns: list[Turn]) -> None:
        """Refuse a batch that no window has samples enough for."""
        if len(samples) < self.batch_size and turn.number + 1 < len(turns):
            raise ValueError(
                f"batch_size must be at most the samples of a window of {self.source.data.window} partitions, here "
                f"{len(samples)}, or None for all samples together; got {self.batch_size}: a larger window holds more"
            )

    def _train_on(self, turn: Turn, samples: CheckedSamples, epoch: int, n_turns: int) -> bool:
        """Take the steps of a window; returns whether the error is finite."""
        order = np.arange(len(samples))
        self.samples = samples.ordered(order)
        self.run_state = self.run_state._replace(
            order=order,
            random=np.array([turn.key], np.uint64),
            rates=self._rate(epoch),
            losses=np.zeros(1),
            first_epoch=epoch * n_turns + turn.number,
        )
        self.run_state.position[:] = 0
        self.n_parts = min(self.n_parts, MOST_PARTS)
        while self.run_state.position[0] == 0:
            if not self._call():
                return False
        self.done += 1.0, len(samples), self.run_state.losses[0]
        return True

    def _weights_of_epoch(self) -> Array:
        return self.net.params


class BySums(OnPartitions):
    """Steps that follow the sum over all partitions, or over some: each has its own in an epoch."""

    def _prepare(self) -> None:
        options, net = self.options, self.net
        if options.dropout.any():
            raise ValueError("dropout must be 0 where a step follows the sum over partitions; a batch_size allows it")
        if options.label_smoothing:
            raise ValueError(
                "label_smoothing must be 0 where a step follows the sum over partitions; a batch_size allows it"
            )
        self.done = np.zeros(3)
        self._at_start = net.packed.params.copy()
        assert isinstance(options.solver, Choice)
        n_filled = net.packed.params.size
        solver = options.solver.start(n_filled, net.dtype, net.topology, l1=options.l1, l2=options.l2, mean=False)
        self._steps = GradientSteps(net, net.engine.gate.solver(solver))
        self.memory, self.checked_solver, self.run_state = None, self._steps.checked_solver, self._steps.run_state

    def turns(self, epoch: int) -> list[list[int]]:
        """The partitions of each step of an epoch; their order follows from the seed and the number of the epoch."""
        numbers, size = self.source.numbers, self.source.data.per_step or len(self.source)
        if size < len(numbers) and self.options.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(numbers)).tolist()
            numbers = [numbers[k] for k in order]
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def _epoch(self, epoch: int) -> bool:
        turns = self.turns(epoch)
        for numbers in turns[int(self.done[DONE]) :]:
            try:
                finite = self._step(self.source.only(numbers), epoch)
            except EndOfStream:
                self.history.stopped_by = END_OF_DATA
                return True
            if not finite:
                return False
            if self.done[DONE] < len(turns) and self.checkpoint is not None:
                self.checkpoint.epoch_ended()
        self._end_epoch(float(self.done[ERROR] / self.done[N_SAMPLES]))
        return True

    def _step(self, source: Source, epoch: int) -> bool:
        """Take a step along the gradient of some partitions; returns whether it is finite."""
        self.run_state.safe[:] = self.net.packed.params
        error, gradient, n_samples = source.sums(chunks.GRADIENT, self.options.n_threads)
        finite = bool(np.isfinite(error)) and checks.are_finite(gradient)
        if finite:
            scale = 1.0 / n_samples if self.options.reduction == "mean" else 1.0
            self._steps.take(gradient * self.net.dtype.type(scale), float(self._rate(epoch)[0]), error)
            self.done += 1.0, n_samples, error
        return finite

    def _weights_of_epoch(self) -> Array:
        if self.validation is None and self.source.data.per_step is None:
            return self.run_state.safe[: self.net.n_params]
        return self.net.params
