"""Targets of any size: the procedure works on targets of about 1, in units that are a power of two.

With s units of the targets, an output y = s y', and a weight from unit i to unit j is w_ij = w'_ij s_j / s_i, where s_j
is s for outputs and 1 for all others: outputs are sums here. Alphas and the damping are then those of targets of about
1; powers of two leave all digits as they are.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.model.curved import CurvedNetwork
from fastbp.training.minimising.evidence import Evidence

CONSTANT = 1e-9  # a deviation, beside the largest of the targets, below which they are one number but for rounding
MOST = 1e100  # deviation of targets, whose square is a number, too


class Units(NamedTuple):
    """In what targets are measured.

    Attributes
    ----------
    scale : float
        s, a power of two; 1 for classes.
    factors : array (n_params,)
        w_ij / w'_ij of each parameter.
    """

    scale: float
    factors: Array

    def shown(self, net: CurvedNetwork) -> CurvedNetwork:
        """The network for targets as the user has them: itself, if these are in units of 1."""
        if self.scale == 1.0:
            return net
        copy = net.astype(net.params.dtype)
        copy.params *= self.factors
        return copy

    def of_user(self, found: Evidence, group_of: Array, n_targets: int) -> Evidence:
        """What was found, for targets as the user has them.

        The decay of a group is that of its own parameters; where some are of outputs and some are not, it stays the one
        of targets of about 1.
        """
        if self.scale == 1.0:
            return found
        least, most = (np.full(len(found.alpha), value) for value in (np.inf, 0.0))
        np.minimum.at(least, group_of, self.factors)
        np.maximum.at(most, group_of, self.factors)
        return replace(
            found,
            network=self.shown(found.network),
            alpha=np.where(least == most, found.alpha / most**2, found.alpha),
            beta=found.beta / self.scale**2,
            log_evidence=found.log_evidence - n_targets * math.log(self.scale),
            relevance=found.relevance * self.scale,
            covariance=found.covariance * np.multiply.outer(self.factors, self.factors),
        )


def units_of(net: CurvedNetwork, t: Array, kind: str) -> Units:
    """The units of targets: near their deviation, or near their size where they are all one number."""
    scale = _power_of_two(t) if kind == "values" else 1.0
    topology = net.topology
    first_output = topology.first_output
    factors = np.ones(net.n_params)
    sources, targets = topology.connections().T
    factors[: len(targets)] = np.where(targets >= first_output, scale, 1.0) / np.where(
        sources >= first_output, scale, 1.0
    )
    for start, first, size in zip(topology.bias_offsets[:-1], topology.first_units, topology.sizes, strict=True):
        if start >= 0:
            factors[start : start + size] = np.where(np.arange(first, first + size) >= first_output, scale, 1.0)
    return Units(scale, factors)


def _power_of_two(t: Array) -> float:
    """The power of two that is nearest to the deviation of the targets; 1 if they are all 0."""
    largest = float(abs(t).max())
    if largest == 0.0:
        return 1.0
    small = t / largest  # whose squares neither overflow nor vanish
    deviation = math.sqrt(float(np.var(small, axis=0).mean()))
    size = largest * (deviation if deviation > CONSTANT else 1.0)
    if not 1.0 / MOST <= size <= MOST:
        raise ValueError(f"T must have a deviation from {1.0 / MOST:g} to {MOST:g}; got {size:.3g}: standardise it")
    return math.ldexp(1.0, round(math.log2(size)))
