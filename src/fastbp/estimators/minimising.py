"""Training an estimator with fastbp's own minimisers, or by the evidence: all samples at once, in float64.

What they need of second derivatives is imported when it is asked for: no other solver needs it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState
from sklearn.exceptions import ConvergenceWarning

from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.first_use import check_new_code
from fastbp.engine.gate import CheckedSamples, check_weighted
from fastbp.estimators.curves import begin_curves
from fastbp.estimators.labels import refuse_smoothing
from fastbp.estimators.orders import split
from fastbp.estimators.training import Monitor, engine_of, n_threads_of, share_of
from fastbp.kernels.training import chunks
from fastbp.network import Network
from fastbp.solvers import make_minimiser
from fastbp.training.dropout import rates_of
from fastbp.training.history import History

if TYPE_CHECKING:
    from fastbp.kernels.curvature.loading import Given
    from fastbp.training.minimising.evidence import Evidence
    from fastbp.training.minimising.minimisers import Summed

MINIMISERS = ("lm", "scg", "cg", "newton_cg")
EVIDENCE, RESTARTS, UPDATE_EVERY = "evidence", 3, 1


def takes_all_samples(estimator: Any) -> bool:
    """Whether an estimator is trained in float64, by all samples at once."""
    return estimator.solver in ("lbfgs", *MINIMISERS) or estimator.alpha == EVIDENCE


def refuse_noise(estimator: Any, net: Network, what: str) -> None:
    """Refuse what has no derivative, or changes the loss from step to step."""
    if rates_of(estimator.dropout, len(net.sizes)).any():
        raise ValueError(f"dropout must be 0 for {what}, whose loss must not change; got {estimator.dropout}")
    refuse_smoothing(estimator, what)
    if estimator.l1 > 0.0:
        raise ValueError(f"l1 must be 0 for {what}, which needs derivatives everywhere; got {estimator.l1}")


class MinimiserTraining:
    """One call of `fit` with a minimiser; `tol` is the length of the gradient at which it ends, as for "lbfgs"."""

    interrupted = False

    def __init__(
        self,
        estimator: Any,
        net: Network,
        samples: Any,
        held_out: CheckedSamples | None,
        random: RandomState,
    ) -> None:
        from fastbp.training.minimising.loop import check_network
        from fastbp.training.minimising.minimisers import Objective, minimiser_of

        refuse_noise(estimator, net, f"solver {estimator.solver!r}")
        choice = make_minimiser(estimator.solver, {"min_gradient": float(estimator.tol)}, None)
        check_network(net, choice)
        evaluated = held_out is not None
        self.estimator, self.net = estimator, net
        if estimator.early_stopping and not evaluated:
            samples, held_out = self._split(samples, random)
        curvature, given, self.total, self.n_samples = self._summed(samples)
        is_weight = np.arange(net.n_params) < net.topology.n_weights
        decay = np.where(is_weight, estimator.alpha / self.total, 0.0) if estimator.alpha > 0 else np.empty(0)
        objective = Objective(curvature, given, 1.0 / self.total, decay, -np.inf)
        self.minimiser = minimiser_of(choice, objective, net)
        self.monitor = Monitor(estimator, net, engine_of(net), held_out, evaluated)

    def _split(self, samples: Any, random: RandomState) -> tuple[Any, CheckedSamples]:
        """Samples to train on, and those that stop the training."""
        rows, taken = split(self.estimator, samples.t, random)
        left, held_out = samples.rows(rows), samples.rows(taken)
        check_weighted(left, "sample_weight of the samples not held out by early_stopping")
        check_weighted(held_out, "sample_weight of the samples held out by early_stopping")
        return left, held_out

    def _summed(self, samples: Any) -> tuple[Summed, Given, float, int]:
        """What adds up over the samples, the samples, the sum of their weights, and their number."""
        from fastbp.engine.curvature import given_of

        return self.net.own_curvature(), given_of(samples), samples.total, len(samples)

    def run(self, *, incremental: bool = False) -> None:
        """Minimise; not for `incremental` training, which is refused before."""
        from fastbp.training.progress import bar

        est = self.estimator
        check_new_code(self.net.dtype)
        begin_curves(est)
        est.n_iter_, ended = 0, None
        try:
            with bar(est.progress, est.max_iter) as show:
                while ended is None and est.n_iter_ < est.max_iter:
                    n_before, ended = est.n_iter_, self._iterate()
                    if est.n_iter_ > n_before and self._stops():
                        ended = "stopped"
                    if est.progress:
                        show(History([est.loss_] * est.n_iter_))
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=6)
            ended, self.interrupted = "interrupted", True
        if ended is None:
            warnings.warn(
                f"{est.solver}: Maximum iterations ({est.max_iter}) reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )
        self.minimiser.give_back()
        self.monitor.restore_best()

    def _iterate(self) -> str | None:
        """One iteration; returns why there are no more, if there are not."""
        est, engine = self.estimator, self.net.engine
        with threads.limit(n_threads_of(est.n_jobs), engine.most_threads(self.n_samples)) as n_slots:
            ended, losses = self._run_minimiser(n_slots)
        if losses.size:
            est.n_iter_ += 1
            est.t_ += self.n_samples
            est.loss_ = self._loss(float(losses[0]))
            est.loss_curve_.append(est.loss_)
            if not est.early_stopping:
                est.best_loss_ = min(est.best_loss_, est.loss_)
        elif est.n_iter_ == 0:  # there was nothing to gain
            est.loss_ = self._loss(self.minimiser.error)
        return ended

    def _run_minimiser(self, n_slots: int) -> tuple[str | None, Array]:
        return self.minimiser.run(1, n_slots)

    def _loss(self, error: float) -> float:
        """The loss as scikit-learn reports it, from sum_n weight_n E_n."""
        weights = self.net.params[: self.net.topology.n_weights]
        penalty = 0.5 * self.estimator.alpha * float(weights @ weights)
        return float((share_of(self.estimator, self.net) * error + penalty) / self.total)

    def _stops(self) -> bool:
        """Validation, and callbacks, after an iteration; returns whether to stop."""
        monitor, est, before = self.monitor, self.estimator, self.net.params.copy()
        monitor.evaluate()
        monitor.update_score()
        wanted = monitor.call_back()
        if not np.array_equal(before, self.net.params):
            self.minimiser.forget()
        return wanted or (monitor.scorer is not None and est._no_improvement_count > est.n_iter_no_change)


class EvidenceTraining:
    """One call of `fit` with ``alpha="evidence"``: see `Network.fit_evidence`."""

    interrupted = False

    def __init__(
        self,
        estimator: Any,
        net: Network,
        samples: CheckedSamples,
        held_out: CheckedSamples | None,
        random: RandomState,
    ) -> None:
        from fastbp.training.minimising.evidence_options import kind_of

        refuse_noise(estimator, net, "alpha='evidence'")
        if estimator.early_stopping:
            raise ValueError("early_stopping must be False for alpha='evidence', which needs no samples held out")
        if samples.weight.size:
            raise ValueError("sample_weight must be None for alpha='evidence', and class_weight too")
        kind_of(net)
        self.estimator, self.net, self.samples = estimator, net, samples
        self.monitor = Monitor(estimator, net, engine_of(net), held_out, held_out is not None)
        self.seed = random.randint(2**31)

    def run(self, *, incremental: bool = False) -> None:
        """Train, and keep what was found in `evidence_`."""
        from fastbp.training.minimising.evidence_options import EvidenceOptions
        from fastbp.training.minimising.evidence_search import fit_evidence

        est, net = self.estimator, self.net
        n_threads = n_threads_of(est.n_jobs)
        check_new_code(net.dtype)
        options = EvidenceOptions(
            groups="inputs", restarts=RESTARTS, epochs=est.max_iter, update_every=UPDATE_EVERY, seed=self.seed,
            callback=None, n_threads=n_threads,
        )  # fmt: skip
        found = fit_evidence(net, self.samples.x, self.samples.t, options)
        est.evidence_, est.n_iter_ = found, found.history.n_epochs
        est.t_ += est.n_iter_ * len(self.samples)
        est.loss_curve_ += [share_of(est, net) * loss for loss in found.history.loss]
        error, _ = self.monitor.engine.run(self.samples, chunks.ERROR, n_threads=n_threads)
        begin_curves(est)
        est.loss_ = est.best_loss_ = share_of(est, net) * error / self.samples.total
        if found.history.stopped_by == "interrupt":
            warnings.warn("Training interrupted by user.", stacklevel=6)
            self.interrupted = True
        elif found.history.stopped_by == "epochs":
            warnings.warn(
                f"evidence: Maximum iterations ({est.max_iter}) reached and the decays haven't settled yet.",
                ConvergenceWarning,
                stacklevel=6,
            )
        self.monitor.evaluate()
        self.monitor.call_back()


def evidence_of(estimator: Any) -> Evidence:
    """The evidence of an estimator, if it is that of its weights as they are."""
    found: Evidence | None = vars(estimator).get("evidence_")
    if found is None:
        raise ValueError(
            "standard deviations, and moderated probabilities, need a fit with alpha='evidence', or several networks, "
            f"n_estimators=8; this one had alpha={estimator.alpha!r}, or another when it was fitted"
        )
    if not np.array_equal(found.network.params, estimator.network_.params):
        raise ValueError("evidence_ must be that of the weights: they have been changed since, fit anew")
    return found


def predict_with_std(estimator: Any, X: Array) -> tuple[Array, Array]:
    """Predictions and their standard deviations, both as `predict` shapes them."""
    y, std = evidence_of(estimator).predict(X, return_std=True)
    return (y.ravel(), std.ravel()) if y.shape[1] == 1 else (y, std)
