"""`tune`: settings for a table, chosen by the score on rows that no network of the fold has seen."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.engine import threads
from fastbp.population.folds import folds_of
from fastbp.population.population import Population
from fastbp.population.search import Budget, Search, Tried
from fastbp.population.settings import Settings
from fastbp.population.tasks import Task, task_of
from fastbp.structure import initial

N_FOLDS = 5
FEWEST_ROWS = 4 * N_FOLDS


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

    def estimator_options(self) -> dict[str, Any]:
        """Name the parameters of an `MLPClassifier`, or `MLPRegressor`, with the best settings.

        Returns
        -------
        dict
            For samples and numbers that are standardised, as the search has them: its penalty `alpha` is divided by the
            samples of a batch.
        """
        s = self.settings
        smoothing = {"label_smoothing": s.label_smoothing} if self.task.is_classes else {}
        return smoothing | {
            "hidden_layer_sizes": s.hidden, "activation": s.activation, "alpha": s.l2 * s.batch_size,
            "batch_size": s.batch_size, "learning_rate_init": s.learning_rate, "learning_rate": s.schedule,
            "max_iter": self.tried[0].epochs, "dropout": s.dropout,
        }  # fmt: skip

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
    """Choose settings for a table, and train an ensemble.

    Layers, activation function, learning rate, l2 and batch size are drawn at random, beginning with the usual ones;
    with a larger budget dropout, label smoothing and schedules of the learning rate too, of some settings. Each is
    tried on five folds, all in one `Population`, and the best third of a round goes into the next, with three times as
    many epochs.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
        Numbers; columns are standardised.
    y : array (n_samples,) or (n_samples, n_outputs)
        Numbers of a floating-point dtype, which are standardised too; texts, integers and truth values are classes.
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

    Notes
    -----
    Ctrl-C ends the search with the best settings of the last whole round, and their networks.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 3))
    >>> tuned = fastbp.tune(X, X[:, 0] * X[:, 1], fits=40, seed=0)
    >>> tuned.predict(X).shape, tuned.n_fits <= 40
    ((200,), True)
    """
    task = task_of(X, y, FEWEST_ROWS)
    budget = Budget(
        checks.number(seconds, "seconds", low_open=True),
        None if fits is None else checks.integer(fits, "fits", minimum=N_FOLDS),
    )
    chosen_seed = initial.some_seed(initial.as_integer(seed))
    search = Search(
        task,
        folds_of(task.strata, N_FOLDS, np.random.default_rng(chosen_seed)),
        chosen_seed,
        [Settings(batch_size=min(32, max(8, len(task.strata) // 16)))],
        n_threads=threads.check(n_threads),
        says=print if checks.flag(verbose, "verbose") else _say_nothing,
    )
    search.run(budget)
    return _tuned(search, task)


def _say_nothing(_line: str) -> None:
    """What a search that is not verbose prints."""


def _tuned(search: Search, task: Task) -> Tuned:
    """What a search has found."""
    if search.best is None:
        raise KeyboardInterrupt
    _loss, scores = search.judged(search.networks)
    error = float(np.std(scores, ddof=1) / np.sqrt(N_FOLDS))
    population = Population(search.networks)
    return Tuned(search.best, float(np.mean(scores)), error, search.tried, population, search.n_fits, task)
