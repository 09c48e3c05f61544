"""How much to believe in: weight decay found from the data, and the uncertainty of what a network predicts.

MacKay (1992); Bishop, Pattern Recognition and Machine Learning, 5.7. With groups g of weights, and H the Gauss-Newton
matrix of E_D:

    F = beta E_D + sum_g alpha_g / 2 |w_g|**2        A = beta H + diag(alpha)
    gamma_g = n_g - alpha_g tr_g(A^-1)               the parameters of a group that the data determine
    alpha_g = gamma_g / |w_g|**2                     beta = (N K - sum_g gamma_g) / (2 E_D)
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp import checks, memory
from fastbp.activations import ACTIVATIONS
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.engine.curvature import FLOAT64, given_of
from fastbp.engine.gate import CheckedSamples
from fastbp.engine.groups import layers_of
from fastbp.model.curved import CurvedNetwork
from fastbp.solvers import make_minimiser
from fastbp.structure import initial
from fastbp.training.history import History
from fastbp.training.loop import wants_to_stop
from fastbp.training.minimising.minimisers import LevenbergMarquardt, Objective
from fastbp.training.options import Callback, Callbacks, check_callbacks
from fastbp.training.restarts import draw_anew

GROUPS = ("inputs", "layers", "one")
FIRST_ALPHA, LARGEST_ALPHA = 1e-2, 1e6  # from 100 on an input is pruned before anything is learned
SMALLEST_GAMMA = 1e-3
SETTLED = 1e-6  # relative change of alphas and beta at which they have settled
KINDS = {
    ("squared_error", "identity"): "values",
    ("binary_cross_entropy", "logistic"): "classes",
    ("cross_entropy", "softmax"): "classes",
}
BLOCK_NUMBERS = 1 << 22  # of a Jacobian, for a prediction of many samples


@dataclass(frozen=True)
class Evidence:
    """What the evidence procedure has found; it keeps a copy of the network.

    Attributes
    ----------
    network : Network
        The network, in float64.
    groups : list of str
        Names of the groups of parameters.
    alpha : array (n_groups,)
        Weight decay of each.
    beta : float
        1 / variance of the noise of the targets; 1 for classes.
    gamma : float
        Effective number of parameters: those that the data determine.
    log_evidence : float
        Logarithm of the probability of the targets, given these alphas and beta: what tells better networks from worse
        ones without held-out samples.
    relevance : array (n_outputs, n_inputs)
        Root mean square of dy_k/dx_i over the samples: near 0 for an input that does not matter.
    history : History
        Losses after each step, of the best beginning, and what ended them: "settled", once alphas and beta do not
        change any more, "callback" or "epochs".
    """

    network: CurvedNetwork
    groups: list[str]
    alpha: Array
    beta: float
    gamma: float
    log_evidence: float
    relevance: Array
    history: History
    covariance: Array
    kind: str

    def __repr__(self) -> str:
        """A line."""
        return (
            f"Evidence(log_evidence={self.log_evidence:.6g}, gamma={self.gamma:.3g} of {self.network.n_params} "
            f"parameters, noise {1 / math.sqrt(self.beta):.3g})"
        )

    def predict(self, X: Array, return_std: bool = False) -> Any:
        """Outputs, and how far off they may be.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
        return_std : bool

        Returns
        -------
        y : array (n_samples, n_outputs)
            Of classes: probabilities, moderated by what is not known of the weights.
        std : array (n_samples, n_outputs)
            Only with `return_std`. Standard deviation of a target, noise included; of classes, of the probability.
        """
        y, std_of_weights = self.network.forward(X), None
        if self.kind == "classes":
            linear = _without_output(self.network)
            variance = _variances(linear, X, self.covariance)
            y = _moderated(self.network, linear.forward(X), variance)
        if not checks.flag(return_std, "return_std"):
            return y
        std_of_weights = _variances(self.network, X, self.covariance)
        return y, np.sqrt(std_of_weights + (1.0 / self.beta if self.kind == "values" else 0.0))

    def interval(self, X: Array, level: float = 0.95) -> tuple[Array, Array]:
        """Bounds between which a target lies with a probability of `level`: (lower, upper), (n_samples, n_outputs).

        Raises
        ------
        ValueError
            For classes: their probabilities say it already.
        """
        if self.kind == "classes":
            raise ValueError("interval is for outputs that are values; of classes, predict gives the probabilities")
        checked = checks.number(level, "level", high=1.0, low_open=True)
        y, std = self.predict(X, return_std=True)
        far = _normal_quantile(0.5 + checked / 2)
        return y - far * std, y + far * std


def fit_evidence(
    net: CurvedNetwork, X: Array, T: Array, *, groups: str, restarts: int, epochs: int, update_every: int,
    seed: initial.Seed, callback: Callbacks, n_threads: int | None,
) -> Evidence:  # fmt: skip
    """See `Network.fit_evidence`."""
    kind = kind_of(net)
    checks.name_of(groups, GROUPS, "groups")
    restarts = checks.integer(restarts, "restarts", minimum=1)
    epochs, update_every = (
        checks.integer(value, name, minimum=1) for value, name in ((epochs, "epochs"), (update_every, "update_every"))
    )
    n_threads, draw = threads.check(n_threads), initial.generator(seed)
    callbacks = check_callbacks(callback, "a function of (net, history), or a list of them")
    samples = net.check_samples(X, T)
    n_bytes = 8 * 5 * net.n_params**2
    memory.check(n_bytes, "fit_evidence", f"matrices of {net.n_params:,} x {net.n_params:,} numbers")
    names, group_of = groups_of(net, groups)
    best: Evidence | None = None
    for start in range(restarts):
        double = net.astype(FLOAT64)
        if start > 0:
            draw_anew(double, draw)
        found = _Search(double, samples, names, group_of, kind, n_threads).run(epochs, update_every, callbacks)
        if best is None or found.log_evidence > best.log_evidence:
            best = found
        if found.history.stopped_by == "callback":
            break
    assert best is not None
    net.params = best.network.params
    return best


def kind_of(net: CurvedNetwork) -> str:
    """What the outputs are, "values" or "classes"; refuses those that are no probability of the targets."""
    functions = set(net.unit_functions[-net.n_outputs :])
    kind = KINDS.get((net.loss_name, functions.pop() if len(functions) == 1 else ""))
    if kind is None or (kind == "classes" and not net.topology.ends_in_outputs):
        pairs = ", ".join(f"{loss} with {output}" for loss, output in KINDS)
        raise ValueError(
            f"fit_evidence needs a loss and outputs that are a probability: {pairs}; got {net.loss_name} "
            f"with {', '.join(sorted(set(net.unit_functions[-net.n_outputs :])))}"
        )
    return kind


def groups_of(net: CurvedNetwork, groups: str) -> tuple[list[str], Array]:
    """(names of the groups, number of the group of each parameter)."""
    topology = net.topology
    names: dict[str, int] = {}
    group_of = np.zeros(net.n_params, np.int64)
    layer_of = layers_of(topology)
    order = np.argsort(
        np.concatenate([np.arange(f, f + s) for f, s in zip(topology.first_units, topology.sizes, strict=True)])
    )
    layer_of = layer_of[order]
    for place, (source, target) in enumerate(topology.connections()):
        name = "all"
        if groups == "inputs" and source < net.n_inputs:
            name = f"input {source}"
        elif groups != "one":
            name = f"weights of layer {layer_of[target]}"
        group_of[place] = names.setdefault(name, len(names))
    for layer, start in enumerate(topology.bias_offsets[:-1]):
        if start >= 0:
            name = "all" if groups == "one" else f"biases of layer {layer}"
            group_of[start : start + topology.sizes[layer]] = names.setdefault(name, len(names))
    return list(names), group_of


class _Search:
    """The procedure from one beginning."""

    def __init__(
        self, net: CurvedNetwork, samples: CheckedSamples, names: list[str], group_of: Array, kind: str,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        self._net, self._x, self._names, self._group_of, self._kind = net, samples.x, names, group_of, kind
        self._given, self._curvature = given_of(samples), net.own_curvature()
        self._n_threads, self._sizes = n_threads, np.bincount(group_of, minlength=len(names))
        self._alpha = np.full(len(names), FIRST_ALPHA)
        spread = float(np.var(self._given.t, axis=0).mean())
        self._beta = 1.0 / max(spread, 1e-12) if kind == "values" else 1.0

    def run(self, epochs: int, update_every: int, callbacks: list[Callback]) -> Evidence:
        """Minimise F and re-estimate, in turn, until nothing changes or so many epochs are over."""
        begin, history = time.perf_counter(), History()
        objective = Objective(self._curvature, self._given, self._beta, self._alpha[self._group_of], -np.inf)
        choice = make_minimiser("lm", {"min_gradient": 1e-6}, None)
        minimiser = LevenbergMarquardt(choice, objective, self._net.loss_name, can_accelerate=True)
        n_done, ended = 0, False
        history.mu = []
        while n_done < epochs and not ended:
            with threads.limit(self._n_threads, self._net.engine.most_threads(len(self._given.x))) as n_slots:
                _ended, losses = minimiser.run(min(update_every, epochs - n_done), n_slots)
            n_done += max(1, len(losses))
            history.loss.extend((losses / len(self._given.x)).tolist())
            history.mu.extend(minimiser.mus.tolist())
            before = np.append(self._alpha, self._beta)
            self._estimate()
            after = np.append(self._alpha, self._beta)
            if (abs(after - before) <= SETTLED * before).all():
                history.stopped_by, ended = "settled", True
            objective.scale, objective.decay = self._beta, self._alpha[self._group_of]
            minimiser.forget()
            stops = [wants_to_stop(callback(self._net, history)) for callback in callbacks]  # all of them are called
            if any(stops):
                history.stopped_by, ended = "callback", True
        minimiser.give_back()
        history.time = time.perf_counter() - begin
        return self._found(history)

    def _posterior(self) -> tuple[float, Array, Array]:
        """(E_D, A, inverse of A) at the weights."""
        error, _gradient, matrix = self._curvature.hessian(self._given, exact=False, n_threads=self._n_threads)
        A = self._beta * matrix
        A[np.diag_indices_from(A)] += self._alpha[self._group_of]
        return error, A, np.linalg.inv(A)

    def _gammas(self, inverse: Array) -> Array:
        traces = np.bincount(self._group_of, weights=np.diag(inverse), minlength=len(self._alpha))
        return np.clip(self._sizes - self._alpha * traces, SMALLEST_GAMMA, self._sizes)

    def _estimate(self) -> None:
        """New alphas and beta."""
        error, _A, inverse = self._posterior()
        gammas = self._gammas(inverse)
        squares = np.bincount(self._group_of, weights=self._net.params**2, minlength=len(self._alpha))
        self._alpha = np.minimum(LARGEST_ALPHA, gammas / np.maximum(squares, 1e-300))
        if self._kind == "values":
            n_free = max(self._given.t.size - gammas.sum(), 1e-3 * self._given.t.size)
            self._beta = n_free / max(2.0 * error, 1e-12 * self._given.t.size)

    def _found(self, history: History) -> Evidence:
        error, A, inverse = self._posterior()
        weights = self._net.params
        _sign, log_det = np.linalg.slogdet(A)
        log_evidence = -self._beta * error - 0.5 * (self._alpha[self._group_of] * weights**2).sum() - 0.5 * log_det
        log_evidence += 0.5 * (self._sizes * np.log(self._alpha)).sum()
        if self._kind == "values":
            log_evidence += 0.5 * self._given.t.size * math.log(self._beta / (2 * math.pi))
        slopes = self._net.input_jacobian(self._x)
        return Evidence(
            network=self._net,
            groups=self._names,
            alpha=self._alpha,
            beta=self._beta,
            gamma=float(self._gammas(inverse).sum()),
            log_evidence=float(log_evidence),
            relevance=np.sqrt((slopes**2).mean(axis=0)),
            history=history,
            covariance=inverse,
            kind=self._kind,
        )


def _variances(net: CurvedNetwork, X: Array, covariance: Array) -> Array:
    """j^T A^-1 j of each sample and output, j = dy_k/dw."""
    x = net.check_inputs(X)
    size = max(1, BLOCK_NUMBERS // (net.n_outputs * net.n_params))
    found = [
        np.einsum("nkp,nkp->nk", J @ covariance, J)
        for J in (net.jacobian(x[start : start + size]) for start in range(0, len(x), size))
    ]
    variances: Array = np.maximum(np.concatenate(found), 0.0)
    return variances


def _without_output(net: CurvedNetwork) -> CurvedNetwork:
    """The same network, whose outputs are the a of its outputs."""
    return net.with_output(ACTIVATIONS["identity"])


def _moderated(net: CurvedNetwork, a: Array, variance: Array) -> Array:
    """Probabilities averaged over what is not known of a: Bishop (4.153) to (4.155); of softmax, for each a_k."""
    a = a / np.sqrt(1.0 + np.pi * variance / 8.0)
    if net.has_softmax:
        powers = np.exp(a - a.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * a)))


def _normal_quantile(p: float) -> float:
    """Of the standard normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
