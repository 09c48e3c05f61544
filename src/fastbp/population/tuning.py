"""`tune`: settings for a table, chosen by the score on rows that no network of the fold has seen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.network import Network
from fastbp.population.folds import folds_of
from fastbp.population.population import Population
from fastbp.population.tasks import Task, task_of
from fastbp.structure import initial

N_FOLDS = 5
FEWEST_ROWS = 4 * N_FOLDS
# Epochs of each round, epochs without a lower loss that end a training, and which part of the settings goes on
EPOCHS, PATIENCE, KEPT = (20, 60, 180), (6, 10, 20), 3
MOST_SETTINGS = 512
ACTIVATIONS = ("relu", "tanh", "silu", "gelu")
WIDTHS, DEPTHS, BATCHES = (16, 32, 64, 128), (1, 2, 2, 3), (16, 32, 64, 128)
L2, RATES = (1e-7, 3e-2), (7e-4, 2e-2)  # drawn evenly in their logarithms


class Settings(NamedTuple):
    """What is tried.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    activation : str
    learning_rate, l2 : float
    batch_size : int
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    learning_rate: float = 0.003
    l2: float = 1e-4
    batch_size: int = 32

    def __str__(self) -> str:
        layers = "-".join(map(str, self.hidden))
        rest = f"learning rate {self.learning_rate:.2g}, l2 {self.l2:.1g}, batch {self.batch_size}"
        return f"{layers} {self.activation}, {rest}"


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


@dataclass(repr=False)
class Tuned:
    """What `tune` has found: settings, and the networks of all folds, whose outputs are averaged.

    Attributes
    ----------
    settings : Settings
        The best ones.
    score : float
        R2, or the share of right classes, of rows that the network which answers has not seen.
    score_error : float
        Standard error of the score: over the folds.
    tried : list of Tried
        All settings, the best first.
    population : Population
        A network for each fold.
    n_fits : int
        Trainings of a network in all.
    """

    settings: Settings
    score: float
    score_error: float
    tried: list[Tried]
    population: Population
    n_fits: int
    task: Task = field(repr=False)

    def predict(self, X: Array, *, return_std: bool = False) -> Any:
        """Predict numbers, or classes, by the mean of the networks' outputs.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.
        return_std : bool
            Whether to return the spread of the networks as well: for classes that of the predicted one's probability.

        Returns
        -------
        array
            Of the shape of y; with `return_std` a pair of arrays.
        """
        wants_spread = checks.flag(return_std, "return_std")
        mean, spread = self.population.forward(self.task.inputs(X), mean=True)
        predicted = self.task.decoded(mean)
        return (predicted, self.task.spread(mean, spread)) if wants_spread else predicted

    def predict_proba(self, X: Array) -> Array:
        """Compute the probabilities of the classes, averaged over the networks.

        Parameters
        ----------
        X : array (n_samples, n_inputs)
            Samples.

        Returns
        -------
        array (n_samples, n_classes)
            In the order of ``np.unique(y)``.
        """
        if not self.task.is_classes:
            raise AttributeError("predict_proba is for classes; y had numbers")
        return self.population.mean(self.task.inputs(X))

    def __str__(self) -> str:
        lines = [repr(self)]
        lines += [f"  {one.score:8.4f}  {one.epochs:4d} epochs  {one.settings}" for one in self.tried[:10]]
        return "\n".join(lines)

    def __repr__(self) -> str:
        metric = "accuracy" if self.task.is_classes else "R2"
        return (
            f"Tuned({metric} {self.score:.4f} +- {self.score_error:.4f} on unseen rows, {self.settings}; "
            f"{len(self.tried)} settings, {self.n_fits} fits)"
        )


def tune(
    X: Array,
    y: Array,
    *,
    seconds: float = 10.0,
    fits: int | None = None,
    seed: initial.Seed = None,
    n_threads: int | None = None,
    verbose: bool = False,
) -> Tuned:
    """Choose layers, activation function, learning rate, l2 and batch size for a table, and train an ensemble.

    Settings are drawn at random, beginning with the usual ones. Each is tried on five folds, all in one `Population`,
    and the best third of a round goes into the next, with three times as many epochs.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
        Numbers; columns are standardised.
    y : array (n_samples,) or (n_samples, n_outputs)
        Numbers of a floating-point dtype, which are standardised too; all else are classes.
    seconds : float
        Time to spend, roughly: how many settings there are follows from the time of the first ones.
    fits : int or None
        Trainings of a network in all, instead of a time: the same seed then gives the same result.
    seed : int or None
        Of the folds, settings, first weights and orders.
    n_threads : int or None
        As `Network.fit` takes it.
    verbose : bool
        Whether to print each round.

    Returns
    -------
    Tuned
        The best settings, their score on unseen rows, all that was tried, and an ensemble that predicts.

    Raises
    ------
    ValueError, TypeError
        For arrays or options that make no sense, and for fewer than 20 samples.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 3))
    >>> tuned = fastbp.tune(X, X[:, 0] * X[:, 1], fits=40, seed=0)
    >>> tuned.predict(X).shape, tuned.n_fits <= 40
    ((200,), True)
    """
    task = task_of(X, y, FEWEST_ROWS)
    budget = checks.number(seconds, "seconds", low_open=True)
    most_fits = None if fits is None else checks.integer(fits, "fits", minimum=N_FOLDS)
    says = print if checks.flag(verbose, "verbose") else _say_nothing
    search = _Search(task, initial.some_seed(initial.as_integer(seed)), threads.check(n_threads), says)
    return search.run(budget, most_fits)


def _say_nothing(_line: str) -> None:
    """What a search that is not verbose prints."""


class _Search:
    """Rounds of trainings: each on all folds, for more epochs than the one before, of fewer settings."""

    def __init__(self, task: Task, seed: int, n_threads: int | None, says: Callable[[str], None]) -> None:
        self._task, self._seed, self._n_threads, self._says = task, seed, n_threads, says
        self._rng = np.random.default_rng(seed)
        self._folds = folds_of(task.strata, N_FOLDS, self._rng)
        self._n_fits = 0
        self._last: dict[Settings, Tried] = {}

    def run(self, seconds: float, most_fits: int | None) -> Tuned:
        """All rounds."""
        begun = time.perf_counter()
        default = Settings(batch_size=min(32, max(8, len(self._task.strata) // 16)))
        if most_fits is None:
            self._train([default], 0)  # compiles what is still to be compiled
            first = time.perf_counter()
            population = self._train([default], 0)
            each = max(1e-4, time.perf_counter() - first)
            most = min(MOST_SETTINGS, _settings_for(max(0.0, seconds - (time.perf_counter() - begun)) / each))
        else:
            most = min(MOST_SETTINGS, max(1, (most_fits // N_FOLDS) * 9 // 13))
        chosen = [default] + [self._drawn() for _ in range(most - 1)]
        for number in range(len(EPOCHS)):
            if most_fits is not None:
                chosen = chosen[: (most_fits - self._n_fits) // N_FOLDS]
            if not chosen:
                break
            population = self._train(chosen, number)
            ranked = sorted(range(len(chosen)), key=lambda k: self._last[chosen[k]].loss)
            best, networks = chosen[ranked[0]], population[ranked[0] * N_FOLDS : (ranked[0] + 1) * N_FOLDS]
            found = f"best {self._last[best].score:.4f}, {best}"
            self._says(f"round {number + 1}: {len(chosen)} settings, {EPOCHS[number]} epochs; {found}")
            chosen = [chosen[k] for k in ranked[: -(-len(chosen) // KEPT)]]
            if most_fits is None and time.perf_counter() - begun > seconds:
                break
        return self._tuned(best, Population(networks))

    def _drawn(self) -> Settings:
        """Settings at random."""
        rng, n_rows = self._rng, len(self._task.strata)
        width, depth = int(rng.choice(WIDTHS)), int(rng.choice(DEPTHS))
        rate, l2 = (float(np.exp(rng.uniform(*np.log(bounds)))) for bounds in (RATES, L2))
        batches = [size for size in BATCHES if size * 8 <= n_rows] or [BATCHES[0]]
        return Settings((width,) * depth, str(rng.choice(ACTIVATIONS)), rate, l2, int(rng.choice(batches)))

    def _train(self, chosen: list[Settings], number: int) -> Population:
        """A round: all settings on all folds."""
        task, folds = self._task, self._folds * len(chosen)
        of_each = [settings for settings in chosen for _fold in self._folds]
        networks = [self._network(settings, k % N_FOLDS) for k, settings in enumerate(of_each)]
        population = Population(networks)
        population.fit(
            task.x, task.t, epochs=EPOCHS[number], patience=PATIENCE[number], n_threads=self._n_threads,
            samples=[fold.training for fold in folds], validation=[fold.validation for fold in folds],
            seeds=[self._seed + k % N_FOLDS for k in range(len(of_each))], schedule="cosine",
            learning_rate=[s.learning_rate for s in of_each], l2=[s.l2 for s in of_each],
            batch_size=[s.batch_size for s in of_each],
        )  # fmt: skip
        self._n_fits += len(of_each)
        for k, settings in enumerate(chosen):
            loss, scores = self._judged(population[k * N_FOLDS : (k + 1) * N_FOLDS])
            self._last[settings] = Tried(settings, EPOCHS[number], loss, float(np.mean(scores)))
        return population

    def _network(self, settings: Settings, fold: int) -> Network:
        task = self._task
        sizes = task.x.shape[1], *settings.hidden, task.t.shape[1]
        return Network(
            sizes, activation=settings.activation, output=task.output, loss=task.loss, dtype="float32",
            seed=self._seed + fold, init="he_uniform" if settings.activation == "relu" else "glorot_uniform",
        )  # fmt: skip

    def _judged(self, networks: list[Network]) -> tuple[float, list[float]]:
        """(mean error, scores of the folds) on the rows that each network has not seen."""
        total, scores = 0.0, []
        for net, fold in zip(networks, self._folds, strict=True):
            x, t = self._task.x[fold.unseen], self._task.t[fold.unseen]
            total += net.loss(x, t)
            scores.append(self._task.score(net.forward(x), fold.unseen))
        mean = total / len(self._task.strata)
        return (mean if np.isfinite(mean) else np.inf), scores

    def _tuned(self, best: Settings, population: Population) -> Tuned:
        _loss, scores = self._judged(list(population))
        error = float(np.std(scores, ddof=1) / np.sqrt(N_FOLDS))
        tried = sorted(self._last.values(), key=lambda one: (-one.epochs, one.loss))
        tried.sort(key=lambda one: one.settings != best)
        return Tuned(best, float(np.mean(scores)), error, tried, population, self._n_fits, self._task)


def _settings_for(n_first: float) -> int:
    """Settings whose rounds take so many times as long as a setting's first one."""
    share, each = 1.0, 0.0
    for epochs in EPOCHS:
        each += share * epochs / EPOCHS[0]
        share /= KEPT
    return max(1, int(n_first / each))
