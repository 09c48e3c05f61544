"""Training an estimator on a collection that is larger than memory: steps through windows of its blocks, or sums.

Stopping, scores, curves and messages are those of the trainings on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.random import RandomState

from fastbp.checks import Array
from fastbp.data.reading import ahead
from fastbp.engine.gate import CheckedSamples, CheckedSolver, check_weighted, samples
from fastbp.estimators.large import Counting, Large, LargeSource
from fastbp.estimators.lbfgs import LBFGSTraining, Objective, penalized_of
from fastbp.estimators.minimising import MinimiserTraining
from fastbp.estimators.training import StochasticTraining, engine_of, n_threads_of
from fastbp.kernels.training import chunks
from fastbp.kernels.training.scikit_learn_epochs import EstimatorRun
from fastbp.model.partitioned import Window
from fastbp.network import Network
from fastbp.training.dropout import rates_of
from fastbp.training.steps import GradientSteps

if TYPE_CHECKING:
    from fastbp.kernels.curvature.loading import Given
    from fastbp.training.minimising.minimisers import Summed


class Turn(NamedTuple):
    """A window's turn in an epoch."""

    number: int  # among the windows of the epoch
    blocks: list[int]
    order: Array  # of its samples


class ByWindowsOfBlocks(StochasticTraining):
    """Steps for batches of the rows of a window of blocks after the other."""

    def __init__(
        self, estimator: Any, net: Network, large: Large, held_out: CheckedSamples | None, random: RandomState
    ) -> None:
        self.estimator, self.net, self._random = estimator, net, random
        evaluated = held_out is not None
        if estimator.early_stopping and not evaluated:
            large.hold_out(random)
        port = net.engine.gate.port
        self._source = LargeSource(net, large, port)
        if estimator.early_stopping and not evaluated:
            held_out = self._source.held_out()
            check_weighted(held_out, "sample_weight of the samples held out by early_stopping")
        self.samples = samples(port, np.zeros((1, port.n_inputs)), np.zeros((1, port.n_outputs)))  # until some are read
        self._begin(sum(self._source.n_training), held_out, evaluated, random)
        self._check_batch()
        self._windows = [Window(port, signed=True) for _ in range(2)]

    def _check_batch(self) -> None:
        """Refuse a batch that not every window has samples enough for."""
        source, size = self._source, self._source.data.window
        fewest = sum(sorted(n for n in source.n_training if n)[:size])
        if self.estimator.batch_size != "auto" and len(source) > size and self.batch_size > fewest:
            raise ValueError(
                f"batch_size must be at most the rows of a window of {size} blocks, of which there may be {fewest}; "
                f"got {self.batch_size}: larger blocks, X.rechunk or X.repartition, make larger windows"
            )

    def _leave(self) -> None:
        """See `StochasticTraining`: no random numbers are drawn ahead of an epoch."""

    def _window(self) -> int:
        """See `StochasticTraining`: an epoch is long."""
        return 1

    def _turns(self) -> Iterator[Turn]:
        """The windows of an epoch; their order, and that of their samples, are drawn as they are needed."""
        source, shuffle = self._source, self.estimator.shuffle
        numbers = self._random.permutation(source.numbers).tolist() if shuffle else source.numbers
        size = source.data.window
        for w, start in enumerate(range(0, len(numbers), size)):
            of_window = numbers[start : start + size]
            n = sum(source.n_training[k] for k in of_window)
            yield Turn(w, of_window, self._random.permutation(n) if shuffle else np.arange(n))

    def _read(self, turn: Turn) -> tuple[Turn, CheckedSamples]:
        """A window's samples; the other window's are in use meanwhile."""
        if len(turn.blocks) == 1:
            return turn, self._source.checked(turn.blocks[0])
        parts = map(self._source.checked, turn.blocks)
        return turn, self._windows[turn.number % 2].filled(parts, len(turn.blocks))

    def _train(self, solver: CheckedSolver, most_epochs: int) -> EstimatorRun:
        """See `StochasticTraining`: the next epoch; after an error all is as it was before."""
        before = self.net.packed.params.copy(), solver.solver.state.copy(), solver.solver.decay.copy()
        try:
            loss = self._loss_of_epoch(solver)
        except BaseException:
            self.net.packed.params[:], solver.solver.state[:], solver.solver.decay[:] = before
            raise
        return self._ended(loss)

    def _loss_of_epoch(self, solver: CheckedSolver) -> float:
        """Take the steps of an epoch; returns its loss."""
        total, n_seen, n_counted = 0.0, 0, 0
        for turn, found in ahead(self._read, self._turns()):
            self.samples, n_samples = found, len(found)
            run = self._run(1)._replace(n_samples=n_samples, n_seen=self.estimator.t_ + n_seen)
            self._take_steps(self.samples.ordered(turn.order), solver, run)
            n = n_samples - self._n_weightless(self.samples.weight, turn.order)
            total, n_seen, n_counted = total + float(run.losses[0]) * n, n_seen + n_samples, n_counted + n
        return total / max(1, n_counted)

    def _n_weightless(self, weight: Array, order: Array) -> int:
        """Samples of batches whose weights sum to 0: they have no part in the loss of an epoch."""
        if not weight.size:
            return 0
        starts = np.arange(0, len(order), self.batch_size)
        totals = np.add.reduceat(weight[order].astype(np.float64), starts)
        return int(np.diff([*starts, len(order)])[totals == 0.0].sum())

    def _ended(self, loss: float) -> EstimatorRun:
        """An epoch that is done, as the compiled epochs count them."""
        run = self._run(1)
        best, n_worse = run.best
        run.losses[0], run.position[0] = loss, 1
        if self.monitor.scorer is None:
            run.best[:] = min(best, loss), n_worse + 1 if loss > best - run.tol else 0
        return run


class BySumOfBlocks(ByWindowsOfBlocks):
    """A step in an epoch, which follows the sum over all blocks."""

    def _begin(self, n_samples: int, held_out: CheckedSamples | None, evaluated: bool, random: RandomState) -> None:
        has_dropout = rates_of(self.estimator.dropout, len(self.net.sizes)).any()
        for name, is_set in (("dropout", has_dropout), ("label_smoothing", self.estimator.label_smoothing)):
            if is_set:
                raise ValueError(f"{name} must be 0 for solver 'rprop' on a collection that is read block by block")
        super()._begin(n_samples, held_out, evaluated, random)
        self._sums = LargeSource(Counting(self.engine), self._source.large, self.net.engine.gate.port)
        self._total = self._sums.total()

    def _loss_of_epoch(self, solver: CheckedSolver) -> float:
        penalized = penalized_of(self.estimator, self.net, self._total)
        error, summed, _n = self._sums.sums(chunks.GRADIENT, self.monitor.n_threads)
        gradient = np.empty(self.net.n_params, self.net.dtype)
        loss = self.engine.gate.finish_gradient(summed, penalized, error, gradient)
        plain = self.net.engine.gate.solver(solver.solver._replace(mean=False, l1=0.0, l2=0.0))
        rate = float(self.estimator._optimizer.rates(self.estimator, 1, self.n_samples)[0])
        GradientSteps(self.net, plain).take(gradient, rate, error)
        return loss


class ObjectiveOnBlocks(Objective):
    """The loss and its gradient, each a pass over the blocks."""

    def __init__(self, estimator: Any, net: Network, large: Large) -> None:
        self.engine = engine_of(net)
        self._source = LargeSource(Counting(self.engine), large, net.engine.gate.port)
        self.penalized = penalized_of(estimator, net, self._source.total())
        self.net, self.params, self.n_threads = net, net.params, n_threads_of(estimator.n_jobs)
        self.last, self._gradient = np.inf, np.empty(0)

    def __call__(self, params: Array) -> float:
        """The loss."""
        self._gradient = np.empty_like(self.params)
        self.params[:] = params
        error, summed, _n = self._source.sums(chunks.GRADIENT, self.n_threads)
        self.last = self.engine.gate.finish_gradient(summed, self.penalized, error, self._gradient)
        return self.last


class LBFGSOnBlocks(LBFGSTraining):
    """One call of `fit` with the solver "lbfgs"."""

    def _objective(self, estimator: Any, net: Network, samples: Any) -> Objective:
        """See `LBFGSTraining`."""
        return ObjectiveOnBlocks(estimator, net, samples)

    def run(self, *, incremental: bool = False) -> None:
        """See `LBFGSTraining`; after a block that cannot be read the parameters are those it began with."""
        params = self.objective.params
        before = params.copy()
        try:
            super().run(incremental=incremental)
        except BaseException:
            params[:] = before
            raise


class MinimiserOnBlocks(MinimiserTraining):
    """One call of `fit` with a minimiser."""

    def _split(self, samples: Any, random: RandomState) -> tuple[Any, CheckedSamples]:
        """See `MinimiserTraining`."""
        samples.hold_out(random)
        held_out = LargeSource(self.net, samples, self.net.engine.gate.port).held_out()
        check_weighted(held_out, "sample_weight of the samples held out by early_stopping")
        return samples, held_out

    def _summed(self, samples: Any) -> tuple[Summed, Given, float, int]:
        """See `MinimiserTraining`; the samples are one that nobody looks at."""
        from fastbp.training.minimising.partitions import SumsOfPartitions, no_samples

        net, n_threads = self.net, n_threads_of(self.estimator.n_jobs)
        source = LargeSource(net, samples, net.engine.gate.port)
        self._sums = SumsOfPartitions(net, lambda asked: source.sums(asked, n_threads))
        return self._sums, no_samples(net), source.total(), self._sums.n_samples

    def _run_minimiser(self, n_slots: int) -> tuple[str | None, Array]:
        """See `MinimiserTraining`; where a sum could not be had, the parameters are as they were before."""
        before = self.net.params.copy()
        ended, losses = super()._run_minimiser(1)
        if self._sums.failure is not None:
            self.net.params[:] = before
            raise self._sums.failure
        return ended, losses
