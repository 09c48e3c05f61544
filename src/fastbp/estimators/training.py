"""Training an estimator by steps: epochs, stopping and messages as scikit-learn has them, each epoch compiled.

A compiled call takes all steps of an epoch, in the order of samples that scikit-learn's random numbers give.
"""

import warnings
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.exceptions import ConvergenceWarning

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.engine import Engine, aligned_zeros
from fastbp.engine.first_use import check_new_code
from fastbp.engine.gate import CheckedSamples, CheckedSolver, check_weighted, score_outputs
from fastbp.estimators.counts import check_counts
from fastbp.estimators.curves import begin_curves
from fastbp.estimators.labels import no_scorer, scorer_of
from fastbp.estimators.optimizer import Optimizer, tell
from fastbp.estimators.orders import Orders, split
from fastbp.kernels.many_samples.dropout import DropoutMemory
from fastbp.kernels.tables import LAYER, NONE
from fastbp.kernels.training import chunks
from fastbp.kernels.training.losses import address_of_deviance
from fastbp.kernels.training.scikit_learn_epochs import EstimatorRun
from fastbp.kernels.training.scores import Scorer
from fastbp.network import Network
from fastbp.training import dropout
from fastbp.training.history import History
from fastbp.training.loop import wants_to_stop
from fastbp.training.options import check_callbacks

STOCHASTIC_SOLVERS = ("sgd", "adam", "rmsprop", "rprop")
WINDOW_NUMBERS = 1 << 15  # samples whose order is drawn ahead, for a run of epochs in one compiled call


def share_of(estimator: Any, net: Network) -> float:
    """What the error is multiplied by in the loss: scikit-learn's squared error is a mean over the outputs.

    Its gradient is that of the sum all the same.
    """
    return 1.0 / net.sizes[-1] if estimator.loss == "squared_error" else 1.0


def n_threads_of(n_jobs: int | None) -> int | None:
    """Number of threads: None for as many as pay."""
    if n_jobs is None or n_jobs == -1:
        return None
    return n_jobs if n_jobs > 0 else max(1, threads.available() + 1 + n_jobs)


def engine_of(net: Network) -> Engine:
    """What trains a network: where scikit-learn counts its errors otherwise, with a table of layers of its own.

    So the network keeps its loss meanwhile, for callbacks. See `kernels/training/losses.py`.
    """
    packed = net.packed
    address = address_of_deviance(packed.loss, int(packed.layers[-1, LAYER.function]), net.dtype)
    if not address:
        return net.engine
    layers = packed.layers.copy()
    layers[-1, LAYER.deltas_address] = address
    return net.engine.twin(packed._replace(layers=layers))


def learning_engine_of(net: Network, smoothing: float) -> Engine:
    """The same with targets smoothed; the loss is then the network's own, for scikit-learn has none of such targets."""
    return net.engine.twin(net.packed._replace(loss_option=smoothing)) if smoothing else engine_of(net)


def outputs_of(net: Network, samples: CheckedSamples, n_threads: int | None) -> Array:
    """Outputs (n_samples, n_outputs) for samples that are checked."""
    out = np.empty((len(samples), net.sizes[-1]), net.dtype)
    net.engine.run(samples, chunks.FORWARD, first_unit=net.topology.first_units[-1], out=out, n_threads=n_threads)
    return out


class Monitor:
    """What is looked at after each epoch, or iteration: validation, the best weights, callbacks."""

    net: Network
    engine: Engine
    held_out: CheckedSamples | None
    n_threads: int | None
    evaluated: CheckedSamples | None
    best_params: Array

    def __init__(
        self, estimator: Any, net: Network, engine: Engine, held_out: CheckedSamples | None, evaluated: bool
    ) -> None:
        self.estimator, self.net, self.engine = estimator, net, engine
        self.held_out = None if held_out is None else engine.gate.admit(held_out)
        self.n_threads = n_threads_of(estimator.n_jobs)
        self.evaluated = held_out if evaluated else None
        self.scorer: Scorer | None = None
        if held_out is not None and estimator.early_stopping:
            self.scorer = scorer_of(estimator, held_out)
        self.callbacks = check_callbacks(estimator.callback, "functions of the estimator")
        self.best_params = net.packed.params.copy() if self.scorer else aligned_zeros((0,), net.dtype)

    def evaluate(self) -> None:
        """Add the loss of the evaluation set to `validation_loss_curve_`."""
        if self.evaluated is not None:
            error, _ = self.engine.run(self.evaluated, chunks.ERROR, n_threads=self.n_threads)
            self.estimator.validation_loss_curve_.append(
                share_of(self.estimator, self.net) * error / self.evaluated.total
            )

    def update_score(self) -> None:
        """Score the held-out samples; count the epochs without a better score; keep the best weights."""
        est = self.estimator
        if self.scorer is None or self.held_out is None:
            return
        outputs = outputs_of(self.net, self.held_out, self.n_threads)
        score = score_outputs(self.scorer._replace(outputs=outputs))
        est.validation_scores_.append(score)
        est._no_improvement_count = est._no_improvement_count + 1 if score < est.best_validation_score_ + est.tol else 0
        if score > est.best_validation_score_:
            est.best_validation_score_ = score
            self.best_params[:] = self.net.packed.params

    def call_back(self) -> bool:
        """Call the callbacks; returns whether one of them wants to stop."""
        stops = [wants_to_stop(callback(self.estimator)) for callback in self.callbacks]
        if self.callbacks:
            check_counts(self.estimator)
            self.estimator._update_network()  # weights that they have put into `coefs_` are trained on
            if self.estimator.network_ is not self.net:
                raise ValueError(
                    "callback must leave the network of the training that calls it: it has set another activation, "
                    "coefs_ of other shapes, or has called fit"
                )
        return any(stops)

    def restore_best(self) -> None:
        """Go back to the weights with the best score."""
        if self.scorer is not None:
            self.net.packed.params[:] = self.best_params


class StochasticTraining:
    """One call of `fit` or `partial_fit` with a solver that takes steps."""

    interrupted = False
    net: Network
    samples: CheckedSamples
    engine: Engine
    n_samples: int
    batch_size: int
    dropout: DropoutMemory
    orders: Orders
    is_ordered: bool
    monitor: Monitor
    most_threads: int
    scored: bool
    n_batches: int
    most_samples: int

    def __init__(
        self,
        estimator: Any,
        net: Network,
        samples: CheckedSamples,
        held_out: CheckedSamples | None,
        random: RandomState,
    ) -> None:
        self.estimator, self.net, self.samples = estimator, net, samples
        rows = np.arange(len(samples))
        evaluated = held_out is not None and estimator.validation_loss_curve_ is not None
        if estimator.early_stopping and held_out is None:
            rows, taken = split(estimator, samples.t, random)
            held_out = samples.rows(taken)
            check_weighted(held_out, "sample_weight of the samples held out by early_stopping")
            check_weighted(samples.rows(rows), "sample_weight of the samples not held out by early_stopping")
        self._begin(len(rows), held_out, evaluated, random)
        self.orders = Orders(random, rows, estimator.shuffle)
        self.is_ordered = estimator.shuffle or len(rows) < len(samples) or self.dropout.address != NONE
        # Ctrl-C is heard between compiled calls, and so before and after scores that take long
        n_scored = len(held_out) if self.monitor.scorer is not None and held_out is not None else 0
        # The lists of tasks of an epoch with dropout call what leaves units out, and a score leaves none out
        self.scored = 0 < n_scored <= net.engine.part_size and self.dropout.address == NONE
        if self.scored:
            self.n_batches = self.n_batches * len(rows) // (len(rows) + n_scored)
        self.n_batches = max(1, self.n_batches)
        self.most_samples = max(self.batch_size, n_scored if self.scored else 0)

    def _begin(self, n_samples: int, held_out: CheckedSamples | None, evaluated: bool, random: RandomState) -> None:
        """What does not depend on where the samples are."""
        estimator, net = self.estimator, self.net
        self.engine = learning_engine_of(net, estimator.label_smoothing)
        self.n_samples, self.scored = n_samples, False
        self.batch_size = self.most_samples = self._batch_size()
        self.dropout = self._dropout(random)
        self.monitor = Monitor(estimator, net, engine_of(net), held_out, evaluated)
        self.most_threads = net.engine.most_threads(self.batch_size)
        self.n_batches = max(1, net.engine.part_size // self.batch_size)

    def _dropout(self, random: RandomState) -> DropoutMemory:
        """What dropout needs; the first seed is drawn after the split, and only if units are left out."""
        if type(self.estimator.dropout) is float and self.estimator.dropout == 0.0:
            return dropout.nothing(np.zeros(0), self.net.dtype)
        rates = dropout.rates_of(self.estimator.dropout, len(self.net.sizes))
        if not rates.any():
            return dropout.nothing(rates, self.net.dtype)
        draw = np.random.default_rng(random.randint(2**31))
        return dropout.memory(rates, draw, self.batch_size, self.net.dtype)

    def _batch_size(self) -> int:
        size, n_samples = self.estimator.batch_size, self.n_samples
        if size == "auto":
            return n_samples if self.estimator.solver == "rprop" else min(200, n_samples)
        if size < n_samples and self.estimator.solver == "rprop":
            raise ValueError(f"batch_size must be 'auto' for solver 'rprop', which needs all samples; got {size}")
        if size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=10
            )
        return int(np.clip(size, 1, n_samples))

    def run(self, *, incremental: bool) -> None:
        """Train until something stops it, or for one epoch."""
        from fastbp.training.progress import bar

        est, n_epochs, stop = self.estimator, 1 if incremental else self.estimator.max_iter, False
        check_new_code(self.net.dtype)
        if not (incremental and hasattr(est, "_optimizer")):
            est._optimizer = Optimizer.start(est, self.net)
        begin_curves(est)
        solver = est._optimizer.linked(est, self.net)
        est.n_iter_ = 0
        try:
            with bar(est.progress and not incremental, n_epochs) as show:
                while not stop and est.n_iter_ < n_epochs:
                    self._record(self._train(solver, min(self._window(), n_epochs - est.n_iter_)))
                    stop = self._stops()
                    if est.progress:
                        show(History([est.loss_] * est.n_iter_))
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=6)
            self.interrupted = True
        finally:
            self._leave()
        if est.n_iter_ == est.max_iter and not (stop or incremental):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )
        self.monitor.restore_best()

    def _leave(self) -> None:
        """The training is over, or an error has ended it."""
        self.orders.give_back()

    def _window(self) -> int:
        """Epochs after which Python looks at what has become of them: 1 if it has something to do after each."""
        est, monitor = self.estimator, self.monitor
        scores_itself = monitor.scorer is not None and not self.scored
        if scores_itself or monitor.evaluated or monitor.callbacks or est.progress or est.verbose:
            return 1
        return max(1, WINDOW_NUMBERS // self.n_samples)

    def _train(self, solver: CheckedSolver, most_epochs: int) -> EstimatorRun:
        """The next epochs: up to most_epochs, fewer if what becomes of them says that something has to be done."""
        orders = self.orders.next(most_epochs)
        samples = self.samples.ordered(orders.ravel()) if self.is_ordered else self.samples
        run = self._take_steps(samples, solver, self._run(len(orders)))
        self.orders.use(int(run.position[0]))
        return run

    def _take_steps(self, samples: CheckedSamples, solver: CheckedSolver, run: EstimatorRun) -> EstimatorRun:
        """Go through the epochs of a run, until something has to be done; returns where it stands."""
        while run.position[0] == 0 or (run.position[0] < run.losses.size and run.best[1] <= run.patience):
            with threads.limit(self.monitor.n_threads, self.most_threads) as n_threads:
                size = (self.most_samples, n_threads, True)
                dropped, taken = self.dropout.address != NONE, self.engine.take(size)
                memory = self.engine.scheduled(taken, chunks.GRADIENT, dropout=dropped)
                if dropped:
                    self.dropout = dropout.with_slots(self.dropout, memory.z)
                    run = run._replace(dropout=self.dropout)
                self.engine.gate.train_epochs(samples, memory, solver, run, self.n_batches)
                self.engine.give_back(size, memory)
        return run

    def _run(self, n_epochs: int) -> EstimatorRun:
        """What the next epochs need, and where they stand."""
        est, scorer, losses = self.estimator, self.monitor.scorer, np.zeros(n_epochs)
        best = est.best_loss_
        if scorer is not None:
            best = est.best_validation_score_
        return EstimatorRun(
            position=np.zeros(3, np.int64),
            losses=losses,
            rates=est._optimizer.rates(est, n_epochs, self.n_samples),
            scores=np.zeros(n_epochs),
            best=np.array([best, est._no_improvement_count], np.float64),
            best_params=self.monitor.best_params,
            scorer=scorer if scorer is not None and self.scored else no_scorer(self.samples, losses),
            dropout=self.dropout,
            n_seen=est.t_,
            n_samples=self.n_samples,
            batch_size=self.batch_size,
            share=share_of(est, self.net),
            tol=float(est.tol),
            patience=float(est.n_iter_no_change) if self.scored or scorer is None else np.inf,
        )

    def _record(self, run: EstimatorRun) -> None:
        """What has become of the epochs that are done."""
        est, monitor = self.estimator, self.monitor
        n_epochs = int(run.position[0])
        losses = run.losses[:n_epochs].tolist()
        est.loss_ = losses[-1]
        est.loss_curve_ += losses
        est.n_iter_ += n_epochs
        est.t_ += n_epochs * self.n_samples
        tell(est, f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
        monitor.evaluate()
        if monitor.scorer is None:
            est.best_loss_, est._no_improvement_count = float(run.best[0]), int(run.best[1])
        elif self.scored:
            est.validation_scores_ += run.scores[:n_epochs].tolist()
            est.best_validation_score_, est._no_improvement_count = float(run.best[0]), int(run.best[1])
        else:
            monitor.update_score()
        if monitor.scorer is not None:
            tell(est, f"Validation score: {est.validation_scores_[-1]:f}")
        est._optimizer.end_epoch(est)

    def _stops(self) -> bool:
        """Whether to stop: the callbacks are asked first."""
        est, monitor = self.estimator, self.monitor
        if monitor.callbacks and monitor.call_back():
            return True
        return est._no_improvement_count > est.n_iter_no_change and self._is_over()

    def _is_over(self) -> bool:
        """What follows from epochs without improvement; returns whether to stop."""
        est = self.estimator
        what = "Validation score" if est.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
        if est._optimizer.stops(est, message):
            return True
        est._no_improvement_count = 0
        return False
