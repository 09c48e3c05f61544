"""Training an estimator with SciPy's L-BFGS-B, on the gradient of all samples."""

from typing import Any

import numpy as np
import scipy.optimize
from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
from sklearn.utils.optimize import _check_optimize_result

from fastbp.checks import Array
from fastbp.dropout import rates_of
from fastbp.estimators.network import Views
from fastbp.estimators.training import Watch, losses_of_scikit_learn, n_threads_of, share_of
from fastbp.kernels import batch
from fastbp.network import Network
from fastbp.training import History


class _Stop(Exception):
    """A callback, or early stopping, ends the minimisation."""


class Objective:
    """The loss and its gradient, of parameters in scikit-learn's order."""

    def __init__(self, estimator: Any, net: Network, samples: batch.Samples) -> None:
        self.estimator, self.net, self.samples = estimator, net, samples
        weight = samples.weight
        self.total = float(weight.sum(dtype=np.float64)) if weight.size else len(samples.x)
        self.share, self.n_weights = share_of(estimator, net), net.topology.n_weights
        self.params = net.params
        self.order = Views.of(net.topology, np.arange(net.n_params)).pack()
        self.n_threads, self.last = n_threads_of(estimator.n_jobs), np.inf

    def __call__(self, packed: Array) -> tuple[float, Array]:
        """(loss, gradient)."""
        self.unpack(packed)
        error, by_network = self.net.engine.run(self.samples, batch.GRADIENT, n_threads=self.n_threads)
        gradient, weights, alpha = by_network[self.order], packed[: self.n_weights], self.estimator.alpha
        gradient[: self.n_weights] += alpha * weights
        loss = self.share * error + 0.5 * alpha * float(weights @ weights)
        if self.estimator.l1:
            gradient[: self.n_weights] += self.estimator.l1 * np.sign(weights)
            loss += self.estimator.l1 * float(np.abs(weights).sum())
        gradient /= self.total
        self.last = loss / self.total
        return self.last, gradient

    def unpack(self, packed: Array) -> None:
        """Set the network's parameters."""
        self.params[self.order] = packed

    def pack(self) -> Array:
        """The network's parameters."""
        return self.params[self.order]


class LBFGSTraining:
    """One call of `fit` with the solver "lbfgs"."""

    def __init__(self, estimator: Any, net: Network, samples: batch.Samples, held_out: batch.Samples | None) -> None:
        if rates_of(estimator.dropout, len(net.sizes)).any():
            raise ValueError(
                f"dropout must be 0 for solver 'lbfgs', whose loss must not change; got {estimator.dropout}"
            )
        self.estimator = estimator
        self.objective = Objective(estimator, net, samples)
        self.watch = Watch(estimator, net, held_out, held_out is not None)
        if self.watch.score:  # scikit-learn's has no such thing
            estimator.validation_scores_, estimator.best_validation_score_ = [], -np.inf
            estimator._no_improvement_count = 0
        self.watched = bool(held_out is not None or self.watch.callbacks or estimator.progress)

    def run(self) -> None:
        """Minimise."""
        from fastbp.progress import bar

        est, objective = self.estimator, self.objective
        est.n_iter_ = 0
        options = {
            "maxfun": est.max_fun,
            "maxiter": est.max_iter,
            "gtol": est.tol,
            **_get_additional_lbfgs_options_dict("iprint", 1 if est.verbose else -1),
        }
        with losses_of_scikit_learn(objective.net), bar(est.progress, est.max_iter) as show:

            def after_iteration(packed: Array) -> None:
                objective.unpack(packed)
                est.n_iter_ += 1
                if est.progress:
                    show(History([objective.last] * est.n_iter_))
                if self._stops():
                    raise _Stop

            try:
                result = scipy.optimize.minimize(
                    objective,
                    objective.pack(),
                    method="L-BFGS-B",
                    jac=True,
                    options=options,
                    callback=after_iteration if self.watched else None,
                )
            except _Stop:
                est.loss_ = objective(objective.pack())[0]
            else:
                est.n_iter_ = _check_optimize_result("lbfgs", result, est.max_iter)
                est.loss_ = float(result.fun)
                objective.unpack(result.x)
            self.watch.restore_best()

    def _stops(self) -> bool:
        """Validation, and callbacks, after an iteration; returns whether to stop."""
        watch, est = self.watch, self.estimator
        watch.evaluate()
        watch.update_score()
        return watch.call_back() or (watch.score is not None and est._no_improvement_count > est.n_iter_no_change)
