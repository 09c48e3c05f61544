"""When to stop: Prechelt's rules (PROBEN1, 1994; "Early stopping - but when?", 1998).

With losses E_tr of training and E_va of validation, both after t epochs, and strips of k epochs:

    GL(t)  = 100 (E_va(t) / min_{t' <= t} E_va(t') - 1)                       generalisation loss, in percent
    P_k(t) = 1000 (sum_{t-k < t' <= t} E_tr(t') / (k min E_tr(t')) - 1)       training progress, in per mille

The training stops after an epoch with GL > alpha; at the end of a strip with P_k < alpha, or with GL / P_k > alpha.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastbp import checks
from fastbp.training.history import History

RULES = ("GL", "P", "PQ")
ON_VALIDATION = ("GL", "PQ")  # rules that look at its loss
AT_STRIPS = ("P", "PQ")  # rules that look at the end of a strip


@dataclass(frozen=True)
class Rules:
    """Rules by name, each with its threshold alpha, and the length of a strip.

    Attributes
    ----------
    thresholds : dict of str to float
    strip : int
    """

    thresholds: dict[str, float]
    strip: int

    @property
    def every(self) -> int:
        """Epochs after which a rule may look at the training losses; 0 if none does."""
        return self.strip if any(name in self.thresholds for name in AT_STRIPS) else 0

    @property
    def need_validation(self) -> list[str]:
        """The rules that look at the loss of validation."""
        return [name for name in ON_VALIDATION if name in self.thresholds]

    def reason(self, history: History) -> str | None:
        """The first rule that says to stop after the last epoch; None if there is none."""
        found = self._values(history)
        for name, alpha in self.thresholds.items():
            value = found.get(name, math.nan)
            if value < alpha if name == "P" else value > alpha:  # not if it is NaN
                return name
        return None

    def _values(self, history: History) -> dict[str, float]:
        """What the rules look at, as far as there is something to see after this epoch."""
        found = {}
        if history.validation_loss and math.isfinite(history.validation_loss[-1]):
            found["GL"] = generalisation_loss(history.validation_loss)
        if self.every and history.n_epochs % self.strip == 0:
            found["P"] = progress(history.loss[-self.strip :])
            if "GL" in found:
                found["PQ"] = found["GL"] / found["P"] if found["P"] > 0.0 else math.inf * found["GL"]
        return found


NO_RULES = Rules({}, 5)


def generalisation_loss(losses: list[float]) -> float:
    """GL after the last of these losses of validation; of losses that are not above 0 there is none: NaN."""
    lowest = min(loss for loss in losses if math.isfinite(loss))
    return 100.0 * (losses[-1] / lowest - 1.0) if lowest > 0.0 else math.nan


def progress(strip: list[float]) -> float:
    """P_k of the losses of a strip of k epochs; of losses that are not above 0 there is none: NaN."""
    lowest = min(strip)
    return 1000.0 * (sum(strip) / (len(strip) * lowest) - 1.0) if lowest > 0.0 else math.nan


def check(stop: Any, strip: object) -> Rules:
    """The arguments `stop` and `strip` of `fit`, checked."""
    length = checks.integer(strip, "strip", minimum=1)
    if stop is None:
        return Rules({}, length)
    if not isinstance(stop, Mapping):
        raise TypeError(
            f"stop must be a dict of rules and thresholds, such as {{'GL': 5, 'P': 0.1}}; got {checks.described(stop)}"
        )
    names = [checks.name_of(name, RULES, "a rule of stop") for name in stop]
    return Rules({name: checks.number(stop[name], f"stop[{name!r}]") for name in names}, length)
