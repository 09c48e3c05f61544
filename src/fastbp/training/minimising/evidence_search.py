"""The evidence procedure: weights and their decays in turn, from several beginnings.

With groups g of weights, and H the Gauss-Newton matrix of E_D (MacKay 1992; Bishop 5.7):

    F = beta E_D + sum_g alpha_g / 2 |w_g|**2        A = beta H + diag(alpha)
    gamma_g = n_g - alpha_g tr_g(A^-1)               the parameters of a group that the data determine
    alpha_g = gamma_g / |w_g|**2                     beta = (N K - sum_g gamma_g) / (2 E_D)
"""

import math
import time
from collections.abc import Callable

import numpy as np

from fastbp import memory
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.curvature import FLOAT64, given_of
from fastbp.engine.gate import CheckedSamples
from fastbp.model.curved import CurvedNetwork
from fastbp.solvers import make_minimiser
from fastbp.structure import initial
from fastbp.training.history import History
from fastbp.training.loop import wants_to_stop
from fastbp.training.minimising.evidence import Evidence
from fastbp.training.minimising.evidence_checkpoints import Beginning, EvidenceCheckpoint, Standing
from fastbp.training.minimising.evidence_options import EvidenceOptions, groups_of, kind_of
from fastbp.training.minimising.evidence_units import Units, units_of
from fastbp.training.minimising.minimisers import LevenbergMarquardt, Objective
from fastbp.training.restarts import draw_anew

FIRST_ALPHA, LARGEST_ALPHA = 1e-2, 1e6  # from 100 on an input is pruned before anything is learned
SMALLEST_GAMMA = 1e-3
LEAST_NOISE = 1e-12  # variance of the noise of targets of about 1
MU_DECREASE = 1 / 3  # Nielsen's own, with which benchmarks/evidence.py was measured
SETTLED = 1e-6  # relative change of alphas and beta at which they have settled


def inverse_and_log_det(curvature: Array, alpha: Array) -> tuple[Array, float]:
    """(A^-1, log |A|) of A = curvature + diag(alpha), however small alpha is beside the curvature.

    A = D B D with D = diag(sqrt(alpha)), B = I + D^-1 curvature D^-1: no eigenvalue of B is below 1. Rounding can only
    hide that where others are 1e16 times as large; then those below are set to 1.
    """
    deviations = 1.0 / np.sqrt(alpha)
    B = curvature * np.multiply.outer(deviations, deviations)
    B[np.diag_indices_from(B)] += 1.0
    try:
        factor = np.linalg.cholesky(B)
        half, log_det = np.linalg.inv(factor), 2.0 * np.log(np.diag(factor)).sum()
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(B)
        values = np.maximum(values, 1.0)
        half, log_det = (vectors / np.sqrt(values)).T, np.log(values).sum()
    half *= deviations
    return half.T @ half, float(log_det + np.log(alpha).sum())


class Search:
    """The procedure from one beginning.

    Parameters
    ----------
    net : CurvedNetwork
        Of float64, in units of the targets; its weights are changed.
    samples : CheckedSamples
    units : Units
    options : EvidenceOptions
    number : int
        Of the beginning.
    """

    history: History
    number: int

    def __init__(
        self, net: CurvedNetwork, samples: CheckedSamples, units: Units, options: EvidenceOptions, number: int
    ) -> None:
        self._net, self._x, self._units, self._options, self.number = net, samples.x, units, options, number
        self._kind, (self._names, self._group_of) = kind_of(net), groups_of(net, options.groups)
        given, self._curvature = given_of(samples), net.own_curvature()
        self._given = given._replace(t=given.t / units.scale)
        self._sizes = np.bincount(self._group_of, minlength=len(self._names))
        self._alpha = np.full(len(self._names), FIRST_ALPHA)
        spread = float(np.var(self._given.t, axis=0).mean()) if self._kind == "values" else 1.0
        self._beta = 1.0 / max(spread, LEAST_NOISE)
        self._objective = Objective(self._curvature, self._given, self._beta, self._alpha[self._group_of], -np.inf)
        choice = make_minimiser("lm", {"min_gradient": 1e-6, "mu_decrease": MU_DECREASE}, None)
        self._minimiser = LevenbergMarquardt(choice, self._objective, net.loss_name, can_accelerate=True)
        self.history, self._n_done = History(mu=[]), 0

    def run(self, keep: Callable[[], None]) -> None:
        """Minimise F and re-estimate, in turn, until nothing changes or so many epochs are over; `keep` after each."""
        options, history = self._options, self.history
        begin = time.perf_counter() - history.time
        try:
            while self._n_done < options.epochs and history.stopped_by == "epochs":
                self._minimise(min(options.update_every, options.epochs - self._n_done))
                self._estimate()
                history.time = time.perf_counter() - begin
                stops = [
                    wants_to_stop(callback(self._units.shown(self._net), history)) for callback in options.callbacks
                ]  # all are called
                if any(stops):
                    history.stopped_by = "callback"
                keep()
        finally:
            self._minimiser.give_back()

    def standing(self) -> Beginning:
        """A copy of all that changes."""
        arrays = {
            "params": self._net.params.copy(),
            "alpha": self._alpha,  # never written into
            "beta": np.array([self._beta]),
            "damping": self._minimiser.kept()["damping"].copy(),
            "time": np.array([self.history.time]),
        }
        history = self.history
        return Beginning(self.number, self._n_done, history.stopped_by, history.n_epochs, history, arrays)

    def go_back(self, beginning: Beginning) -> None:
        """Stand where the search, or one in another process, once stood."""
        arrays, self.history, self._n_done = beginning.arrays, beginning.history, beginning.n_done
        for curve in (self.history.loss, self.history.mu):
            assert curve is not None
            del curve[beginning.n_epochs :]
        self.history.time, self.history.stopped_by = float(arrays["time"][0]), beginning.stopped_by
        self._net.params[:] = arrays["params"]
        self._minimiser.kept()["damping"][:] = arrays["damping"]
        self._believe(arrays["alpha"], float(arrays["beta"][0]))

    def _minimise(self, n_epochs: int) -> None:
        """Some steps with the decays as they are."""
        n_samples = len(self._given.x)
        with threads.limit(self._options.n_threads, self._net.engine.most_threads(n_samples)) as n_slots:
            _ended, losses = self._minimiser.run(n_epochs, n_slots)
        self._n_done += max(1, len(losses))
        self.history.loss.extend((losses / n_samples).tolist())
        assert self.history.mu is not None
        self.history.mu.extend(self._minimiser.mus.tolist())

    def _believe(self, alpha: Array, beta: float) -> None:
        """Go on with these decays."""
        self._alpha, self._beta = alpha, beta
        self._objective.scale, self._objective.decay = beta, alpha[self._group_of]
        self._minimiser.forget()

    def _posterior(self) -> tuple[float, Array, float]:
        """(E_D, inverse of A, logarithm of its determinant) at the weights."""
        error, _gradient, matrix = self._curvature.hessian(self._given, exact=False, n_threads=self._options.n_threads)
        if not (math.isfinite(error) and np.isfinite(matrix).all()):
            raise ValueError(
                "X must be of a size whose squares are finite, sums of them too; got numbers of up to "
                f"{abs(self._x).max():.3g}: standardise it"
            )
        return error, *inverse_and_log_det(self._beta * matrix, self._alpha[self._group_of])

    def _gammas(self, inverse: Array) -> Array:
        traces = np.bincount(self._group_of, weights=np.diag(inverse), minlength=len(self._alpha))
        return np.clip(self._sizes - self._alpha * traces, SMALLEST_GAMMA, self._sizes)

    def _estimate(self) -> None:
        """New alphas and beta."""
        error, inverse, _log_det = self._posterior()
        gammas, beta = self._gammas(inverse), self._beta
        squares = np.bincount(self._group_of, weights=self._net.params**2, minlength=len(self._alpha))
        alpha = np.minimum(LARGEST_ALPHA, gammas / np.maximum(squares, 1e-300))
        if self._kind == "values":
            n_free = max(self._given.t.size - gammas.sum(), 1e-3 * self._given.t.size)
            beta = float(n_free / max(2.0 * error, LEAST_NOISE * self._given.t.size))
        before, after = np.append(self._alpha, self._beta), np.append(alpha, beta)
        if (abs(after - before) <= SETTLED * before).all():
            self.history.stopped_by = "settled"
        self._believe(alpha, beta)

    def found(self) -> Evidence:
        """What there is at the weights and decays of now."""
        error, inverse, log_det = self._posterior()
        weights = self._net.params
        log_evidence = -self._beta * error - 0.5 * (self._alpha[self._group_of] * weights**2).sum() - 0.5 * log_det
        log_evidence += 0.5 * (self._sizes * np.log(self._alpha)).sum()
        if self._kind == "values":
            log_evidence += 0.5 * self._given.t.size * math.log(self._beta / (2 * math.pi))
        slopes = self._net.input_jacobian(self._x)
        found = Evidence(
            network=self._net,
            groups=self._names,
            alpha=self._alpha,
            beta=self._beta,
            gamma=float(self._gammas(inverse).sum()),
            log_evidence=float(log_evidence),
            relevance=np.sqrt((slopes**2).mean(axis=0)),
            history=self.history,
            covariance=inverse,
            kind=self._kind,
        )
        return self._units.of_user(found, self._group_of, self._given.t.size)


class Beginnings:
    """The search from one beginning after the other; the best of them is kept."""

    def __init__(self, net: CurvedNetwork, samples: CheckedSamples, options: EvidenceOptions) -> None:
        self._net, self._samples, self._options = net, samples, options
        self._units = units_of(net, samples.t.astype(FLOAT64), kind_of(net))
        # Weights that explain nothing are as they were drawn, for targets of about 1.
        with np.errstate(over="ignore"):
            self._has_learnt = float(((net.forward(samples.x) - samples.t) ** 2).mean()) < float(np.var(samples.t))
        self._checkpoint: EvidenceCheckpoint | None = None
        standing: Standing | None = None
        if options.checkpoint is not None:
            n_groups = len(groups_of(net, options.groups)[0])
            self._checkpoint = EvidenceCheckpoint(net, samples, options, n_groups)
            standing = self._checkpoint.load() if options.checkpoint.resume else None
        self._seed = initial.some_seed(options.seed) if standing is None else standing.seed
        known = [] if standing is None else [standing.best, standing.at_hand]
        self._known = {beginning.number: beginning for beginning in known if beginning is not None}
        self._n_estimates = 0
        self._at_hand: Search | None = None
        self._last: Beginning  # where the one at hand stood after its last estimate
        self._best: tuple[Evidence, Beginning] | None = None

    def run(self) -> Evidence:
        """The evidence of the best."""
        ended_by = ""
        try:
            ended_by = self._search()
        except KeyboardInterrupt:
            ended_by = "interrupt"
            if self._at_hand is not None:
                self._at_hand.go_back(self._last)
        if self._at_hand is not None and self._last.n_done:
            self._compare(self._at_hand)
        if self._checkpoint is not None:
            self._checkpoint.write()
        if self._best is None:  # nothing is known after Ctrl-C before the first estimate
            raise KeyboardInterrupt
        found, _beginning = self._best
        if ended_by:
            found.history.stopped_by = ended_by
        return found

    def _search(self) -> str:
        """Search from all of them; returns what ended that early. What a file knows to be over ends at once."""
        draw, last = initial.generator(self._seed), max(self._known, default=0)
        for number in range(self._options.restarts):
            net = self._net.astype(FLOAT64)
            if self._has_learnt:
                net.params /= self._units.factors
            if number > 0:  # where that is over, too: the next ones are drawn after it
                draw_anew(net, draw)
            if number < last and number not in self._known:
                continue
            search = Search(net, self._samples, self._units, self._options, number)
            if number in self._known:
                search.go_back(self._known[number])
            self._last, self._at_hand = search.standing(), search
            search.run(self._estimated)
            if search.history.stopped_by == "callback":
                return "callback"
            self._compare(search)
        return ""

    def _estimated(self) -> None:
        """Keep where the search stands after an estimate."""
        assert self._at_hand is not None
        self._last, self._n_estimates = self._at_hand.standing(), self._n_estimates + 1
        if self._checkpoint is not None:
            best = None if self._best is None else self._best[1]
            self._checkpoint.keep(Standing(self._seed, self._n_estimates, best, self._last))

    def _compare(self, search: Search) -> None:
        """Keep what a search has found if it is the best so far."""
        found = search.found()
        if self._best is None or found.log_evidence > self._best[0].log_evidence:
            self._best = found, self._last
        self._at_hand = None


def fit_evidence(net: CurvedNetwork, X: Array, T: Array, options: EvidenceOptions) -> Evidence:
    """See `Network.fit_evidence`."""
    samples = net.check_samples(X, T)
    n_bytes = 8 * 5 * net.n_params**2
    memory.check(n_bytes, "fit_evidence", f"matrices of {net.n_params:,} x {net.n_params:,} numbers")
    found = Beginnings(net, samples, options).run()
    net.params = found.network.params
    return found
