"""Rounds of trainings that choose settings: each round on all folds, of fewer settings, for more epochs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastbp.losses import SMOOTHED
from fastbp.network import Network
from fastbp.population.folds import Fold
from fastbp.population.population import Population
from fastbp.population.settings import Settings, cost_of, drawn, network_of, training_options
from fastbp.population.tasks import Problem

# Epochs of each round, epochs without a lower loss that end a training, and which part of the settings goes on
EPOCHS, PATIENCE, KEPT = (20, 60, 180), (6, 10, 20), 3
MOST_SETTINGS = 512
REHEARSED = 64  # rows


class Tried(NamedTuple):
    """Settings that were tried, in the last round that they came to.

    Attributes
    ----------
    settings : Settings
    epochs : int
        Of that round, at most.
    loss : float
        Mean error of the rows that the networks have not seen; infinite if it was not finite.
    score : float
        R2, or the share of right classes, of the same rows.
    """

    settings: Settings
    epochs: int
    loss: float
    score: float


class Budget(NamedTuple):
    """What may be spent: seconds, or if there is a number of `fits`, trainings of a network."""

    seconds: float
    fits: int | None = None


@dataclass
class Search:
    """Settings, and the networks that were trained with them.

    Attributes
    ----------
    problem : Problem
        What is learnt.
    folds : list of Fold
        Rows of the networks of each setting.
    seed : int
        Of what is drawn, first weights and orders.
    first : sequence of Settings
        Tried before any that are drawn; the first of them shows how long a training takes.
    fixed : collection of str
        Fields of `Settings` that are not drawn: the first settings have them.
    n_threads : int or None
    says : function
        Told of each round.
    """

    problem: Problem
    folds: list[Fold]
    seed: int
    first: Sequence[Settings]
    fixed: Collection[str] = ()
    n_threads: int | None = None
    says: Callable[[str], Any] = lambda _line: None
    n_fits: int = 0
    best: Settings | None = None
    networks: list[Network] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._n_drawn = 0
        self._last: dict[Settings, Tried] = {}
        self._end = 0.0

    def run(self, budget: Budget) -> None:
        """Try settings; afterwards `best` has the best ones, and `networks` those of all folds with them.

        `seconds` has the time that they took, without compiling.
        """
        networks = [network_of(self.problem, s, self.problem.x.shape[1], self.seed) for s in self.first]
        rehearse(networks, self.problem, training_options(self.first) | {"n_threads": self.n_threads})
        begun = time.perf_counter()
        try:
            self._try_all(budget)
        except KeyboardInterrupt:  # between trainings: what was found until then stays
            self.interrupted = True
        finally:
            self.seconds = time.perf_counter() - begun

    def _try_all(self, budget: Budget) -> None:
        """Try settings until the budget is spent."""
        if budget.fits is not None:
            chosen = self._drawn_for(budget.fits / len(self.folds) / _rounds(), lambda _settings: 1.0, self.first)
            self._bracket(chosen or list(self.first[:1]), budget)
            return
        self._end = time.perf_counter() + budget.seconds
        chosen = list(self.first)
        while chosen and not self.interrupted:
            begun = time.perf_counter()
            self._bracket(chosen, budget)
            unit = (time.perf_counter() - begun) / sum(map(self._cost, chosen))
            left = self._end - time.perf_counter()
            chosen = self._drawn_for(left / unit, self._cost) if left > 0 else []

    def _bracket(self, chosen: list[Settings], budget: Budget) -> None:
        """Rounds: the best of each go into the next."""
        for number in range(len(EPOCHS)):
            if budget.fits is not None:
                chosen = chosen[: (budget.fits - self.n_fits) // len(self.folds)]
            if not chosen or self.interrupted:
                return
            chosen = self._round(chosen, number)
            if budget.fits is None and time.perf_counter() > self._end:
                return

    @property
    def tried(self) -> list[Tried]:
        """All that was tried, the best first."""
        return sorted(self._last.values(), key=_rank)

    def judged(self, networks: Sequence[Network]) -> tuple[float, list[float]]:
        """(mean error, scores of the folds) on the rows that each network has not seen."""
        total, weight, scores = 0.0, 0.0, []
        for net, fold in zip(networks, self.folds, strict=True):
            x, t, w = self.problem.samples(fold.unseen)
            total += net.loss(x, t, w)
            weight += len(x) if w is None else w.sum()
            scores.append(self.problem.score(net.forward(x), fold.unseen))
        mean = total / weight if weight else np.inf
        return (mean if np.isfinite(mean) else np.inf), scores

    def _round(self, chosen: list[Settings], number: int) -> list[Settings]:
        """Train all of them; returns those that go on."""
        n_folds = len(self.folds)
        population = self._train(chosen, number)
        if self.interrupted and self.best is not None:  # half trained networks replace none that are ready
            return []
        self._last |= self._judged_all(chosen, population, EPOCHS[number])
        ranked = sorted(range(len(chosen)), key=lambda k: self._last[chosen[k]].loss)
        first = chosen[ranked[0]]
        if self.best is None or _rank(self._last[first]) <= _rank(self._last[self.best]):
            networks = population[ranked[0] * n_folds : (ranked[0] + 1) * n_folds]
            self.best, self.networks = first, networks
        found = f"best {self._last[first].score:.4f}, {first}"
        self.says(f"round {number + 1}: {len(chosen)} settings, {EPOCHS[number]} epochs; {found}")
        kept = [chosen[k] for k in ranked[: -(-len(chosen) // KEPT)]]
        usual = self.first[0]  # goes on in any case: it is what the others are compared with
        return kept if usual in kept or usual not in chosen else [*kept, usual]

    def _drawn_for(
        self, most: float, cost_of: Callable[[Settings], float], first: Sequence[Settings] = ()
    ) -> list[Settings]:
        """Settings whose costs add up to `most`, beginning with some; none of them twice, nor again."""
        chosen: list[Settings] = []
        left, known = most, set(self._last)
        for place in range(-len(first), MOST_SETTINGS - len(first)):
            settings = first[place] if place < 0 else self._drawn(self._n_drawn)
            if settings not in known:
                left -= cost_of(settings)
                if left < 0:
                    break
                chosen.append(settings)
                known.add(settings)
            self._n_drawn += place >= 0
        return chosen

    def _cost(self, settings: Settings) -> float:
        return cost_of(settings, self.problem.x.shape[1], self.problem.t.shape[1])

    def _drawn(self, number: int) -> Settings:
        """Settings at random, with what is fixed."""
        settings = drawn(self.seed, number, len(self.problem.strata), smooths=self.problem.loss in SMOOTHED)
        settings = settings._replace(**{name: getattr(self.first[0], name) for name in self.fixed})
        return settings if settings.hidden else settings._replace(dropout=self.first[0].dropout)

    def _train(self, chosen: list[Settings], number: int) -> Population:
        """A round: all settings on all folds."""
        n_folds = len(self.folds)
        of_each, n_inputs = [settings for settings in chosen for _fold in self.folds], self.problem.x.shape[1]
        networks = [network_of(self.problem, s, n_inputs, self.seed + k % n_folds) for k, s in enumerate(of_each)]
        population = Population(networks)
        histories = population.fit(
            self.problem.x, self.problem.t, epochs=EPOCHS[number], patience=PATIENCE[number],
            samples=[fold.training for fold in self.folds] * len(chosen),
            validation=[fold.validation for fold in self.folds] * len(chosen),
            sample_weight=self.problem.weights, seeds=[self.seed + k % n_folds for k in range(len(of_each))],
            n_threads=self.n_threads, **training_options(of_each),
        )  # fmt: skip
        self.interrupted = any(history.stopped_by == "interrupt" for history in histories)
        self.n_fits += len(of_each)
        return population

    def _judged_all(self, chosen: list[Settings], population: Population, epochs: int) -> dict[Settings, Tried]:
        """What came of the settings of a round."""
        n_folds, found = len(self.folds), {}
        for k, settings in enumerate(chosen):
            loss, scores = self.judged(population[k * n_folds : (k + 1) * n_folds])
            found[settings] = Tried(settings, epochs, loss, float(np.mean(scores)))
        return found


def rehearse(networks: Sequence[Network], problem: Problem, options: dict[str, Any]) -> None:
    """Train networks, which nobody needs, for an epoch of a few rows: afterwards nothing is left to be compiled.

    As in earnest they are stopped by rows of their own, and judged.
    """
    few = np.arange(min(REHEARSED, len(problem.strata)))
    x, t, weights = problem.samples(few)
    if weights is not None and not weights.all():
        weights = np.ones_like(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Population(networks).fit(
            x, t, epochs=1, patience=1, samples=[few] * len(networks), validation=[few] * len(networks),
            sample_weight=weights, **options,
        )  # fmt: skip
        networks[0].loss(x, t, weights)


def _rank(tried: Tried) -> tuple[float, float]:
    """The lowest is the best: of the settings that came furthest the one with the lowest loss."""
    return -tried.epochs, tried.loss


def _rounds() -> float:
    """In how many rounds settings are tried, on average."""
    return sum((1.0 / KEPT) ** k for k in range(len(EPOCHS)))
