"""Training an estimator with SciPy's L-BFGS-B, on the gradient of all samples."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import scipy.optimize
from threadpoolctl import ThreadpoolController

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.first_use import check_new_code
from fastbp.engine.gate import CheckedSamples
from fastbp.estimators.compat import check_optimize_result, lbfgs_options
from fastbp.estimators.labels import refuse_smoothing
from fastbp.estimators.training import Monitor, engine_of, n_threads_of, share_of
from fastbp.kernels.training import chunks
from fastbp.kernels.training.scikit_learn_epochs import Penalized
from fastbp.network import Network
from fastbp.training.dropout import rates_of
from fastbp.training.history import History


class _Stop(Exception):
    """A callback, or early stopping, ends the minimisation."""


@cache
def blas_libraries() -> Any:
    """The BLAS libraries of this process. To find them takes longer than some fits."""
    return ThreadpoolController()


class OneThreadOfBlas:
    """While anybody minimises, BLAS has one thread: the first to come limits it, the last to leave sets it back.

    SciPy's own vectors are short: with its BLAS on two threads, 25 iterations of 64-100-3 took 250 ms, not 21.
    """

    def __init__(self) -> None:
        self._lock, self._n_users, self._limit = threading.Lock(), 0, None

    @contextmanager
    def limited(self) -> Iterator[None]:
        """The limit, for one more minimisation."""
        with self._lock:
            if self._n_users == 0:
                self._limit = blas_libraries().limit(limits=1, user_api="blas")
            self._n_users += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_users -= 1
                if self._n_users == 0 and self._limit is not None:
                    self._limit.restore_original_limits()


_ONE_THREAD_OF_BLAS = OneThreadOfBlas()


def penalized_of(estimator: Any, net: Network, total: float) -> Penalized:
    """How the sum of the errors becomes the loss; `total`: of the samples' weights."""
    return Penalized(
        total, share_of(estimator, net), float(estimator.l1), float(estimator.alpha), net.topology.n_weights
    )


class Objective:
    """The loss and its gradient, of all parameters in the order of `Network.params`."""

    penalized: Penalized
    net: Network
    samples: CheckedSamples
    params: Array
    n_threads: int | None
    most_threads: int
    is_one_call: bool
    last: float

    def __init__(self, estimator: Any, net: Network, samples: CheckedSamples) -> None:
        self.penalized = penalized_of(estimator, net, samples.total)
        self.net, self.samples, self.params, self.engine = net, samples, net.params, engine_of(net)
        self.n_threads, self.most_threads = n_threads_of(estimator.n_jobs), self.engine.most_threads(len(samples))
        self.is_one_call = len(samples) <= self.engine.most_samples(chunks.GRADIENT)
        self.last, self._gradient = np.inf, np.empty(0)

    def __call__(self, params: Array) -> float:
        """The loss."""
        engine, self._gradient = self.engine, np.empty_like(self.params)
        if self.is_one_call:
            with threads.limit(self.n_threads, self.most_threads) as n_used:
                size = (len(self.samples), n_used, True)
                memory = engine.scheduled(engine.take(size), chunks.GRADIENT)
                self.last = engine.gate.loss_and_gradient(self.samples, memory, self.penalized, params, self._gradient)
            engine.give_back(size, memory)
        else:
            self.params[:] = params
            error, summed = engine.run(self.samples, chunks.GRADIENT, n_threads=self.n_threads)
            self.last = engine.gate.finish_gradient(summed, self.penalized, error, self._gradient)
        return self.last

    def gradient(self, params: Array) -> Array:
        """Its gradient: it comes with the loss, for which SciPy asks first."""
        if not self._gradient.size or not (self.params == params).all():
            self(params)
        return self._gradient


class LBFGSTraining:
    """One call of `fit` with the solver "lbfgs"."""

    interrupted = False
    objective: Objective
    monitor: Monitor
    monitored: bool

    def __init__(self, estimator: Any, net: Network, samples: Any, held_out: CheckedSamples | None) -> None:
        if rates_of(estimator.dropout, len(net.sizes)).any():
            raise ValueError(
                f"dropout must be 0 for solver 'lbfgs', whose loss must not change; got {estimator.dropout}"
            )
        refuse_smoothing(estimator, "solver 'lbfgs'")
        self.estimator = estimator
        self.objective = self._objective(estimator, net, samples)
        self.monitor = Monitor(estimator, net, self.objective.engine, held_out, held_out is not None)
        if self.monitor.scorer:  # scikit-learn's has no such thing
            estimator.validation_scores_, estimator.best_validation_score_ = [], -np.inf
            estimator._no_improvement_count = 0
        self.monitored = bool(held_out is not None or self.monitor.callbacks or estimator.progress)

    def _objective(self, estimator: Any, net: Network, samples: Any) -> Objective:
        """What is made small."""
        return Objective(estimator, net, samples)

    def run(self, *, incremental: bool = False) -> None:
        """Minimise; not for `incremental` training, which scikit-learn has refused."""
        from fastbp.training.progress import bar

        est, objective = self.estimator, self.objective
        check_new_code(objective.net.dtype)
        est.n_iter_ = 0
        options = {
            "maxfun": est.max_fun,
            "maxiter": est.max_iter,
            "gtol": est.tol,
            **lbfgs_options(est.verbose),
        }
        with _ONE_THREAD_OF_BLAS.limited(), bar(est.progress, est.max_iter) as show:

            def after_iteration(params: Array) -> None:
                objective.params[:] = params
                est.n_iter_ += 1
                if est.progress:
                    show(History([objective.last] * est.n_iter_))
                if self._stops():
                    raise _Stop

            try:
                result = scipy.optimize.minimize(
                    objective,
                    objective.params.copy(),
                    method="L-BFGS-B",
                    jac=objective.gradient,
                    options=options,
                    callback=after_iteration if self.monitored else None,
                )
            except _Stop:
                est.loss_ = objective(objective.params.copy())
            else:
                est.n_iter_ = check_optimize_result("lbfgs", result, est.max_iter)
                est.loss_ = float(result.fun)
                objective.params[:] = result.x
            self.monitor.restore_best()

    def _stops(self) -> bool:
        """Validation, and callbacks, after an iteration; returns whether to stop."""
        monitor, est = self.monitor, self.estimator
        monitor.evaluate()
        monitor.update_score()
        return monitor.call_back() or (monitor.scorer is not None and est._no_improvement_count > est.n_iter_no_change)
