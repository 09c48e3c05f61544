"""How much to believe in: weight decay found from the data, and the uncertainty of what a network predicts.

MacKay (1992); Bishop, Pattern Recognition and Machine Learning, 5.7; `evidence_search.py` finds it.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.activations import ACTIVATIONS
from fastbp.checks import Array
from fastbp.model.curved import CurvedNetwork
from fastbp.training.history import History

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
        change any more, or "epochs"; or what ended the search from any beginning: "callback" or "interrupt".
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
