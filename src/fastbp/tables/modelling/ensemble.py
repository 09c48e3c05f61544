"""Settings that are tried on a table before its training, and several networks whose mean answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.population import Population
from fastbp.population.folds import Fold, folds_of
from fastbp.population.search import EPOCHS, Budget, Search, rehearse
from fastbp.population.settings import Settings, cost_of
from fastbp.population.tasks import score_of
from fastbp.tables.cells.errors import TableError
from fastbp.tables.modelling.told import OutOfFold, TriedSettings, Tuning
from fastbp.tables.preparing.targets import ClassTarget, Target
from fastbp.training.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastbp.network import Network
    from fastbp.tables.modelling.scores import Scored
    from fastbp.tables.preparing.options import Options

USUAL_NETWORKS, FEWEST_NETWORKS = 8, 3
FEWEST_IN_FOLD = 4  # rows
FEWEST_TO_TUNE = 20  # rows
UNASKED_PRODUCTS = 1e11  # of an ensemble's training, that nobody asked for: about a second
SEARCH_FOLDS = 5
SEARCH_PRODUCTS = 2e10  # in a second of a search
FEWEST_SEARCHED = 1000  # rows
MANY_ROWS, FOLDS_OF_MANY = 2000, 2  # of so many, two parts tell settings apart
_PASSES = 3  # forward, backward, gradient
_SHOWN = 10

Rows = NDArray[np.int64]


class Ready(Protocol):
    """A table that is made ready for learning."""

    options: Options
    target: Target

    @property
    def net(self) -> Network:
        """A network as it will be trained."""
        ...

    @property
    def learnt_rows(self) -> Rows:
        """All rows that are not held out."""
        ...

    @property
    def codes(self) -> Rows:
        """The number of each row's class."""
        ...

    def inputs(self, rows: Rows) -> NDArray[np.float32]:
        """The networks' inputs of some rows."""
        ...

    def samples(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The networks' inputs and targets of some rows."""
        ...

    def weights_of(self, rows: Rows) -> NDArray[np.float64] | None:
        """What some rows weigh."""
        ...

    def network(self, seed: int) -> Network:
        """A network before its training."""
        ...

    def scored(self, outputs: NDArray[Any], rows: Rows) -> Scored:
        """The score of outputs for some rows."""
        ...


@dataclass(frozen=True, eq=False)
class TableProblem:
    """A table's rows as `Search` wants them."""

    x: NDArray[np.float32]
    t: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    strata: Rows
    target: Target

    @property
    def output(self) -> str:
        """The output function."""
        return self.target.output

    @property
    def loss(self) -> str:
        """The loss."""
        return self.target.loss

    @property
    def n_outputs(self) -> int:
        """Classes, or numbers."""
        return self.target.n_outputs

    @property
    def is_classes(self) -> bool:
        """Whether classes are learnt, or else numbers."""
        return isinstance(self.target, ClassTarget)

    @classmethod
    def of(cls, training: Ready, rows: Rows) -> TableProblem:
        """Some rows of a table that is made ready for learning."""
        x, t = training.samples(rows)
        is_classes = isinstance(training.target, ClassTarget)
        strata = training.codes[rows] if is_classes else np.zeros(len(rows), np.int64)
        return cls(x, t, training.weights_of(rows), strata, training.target)

    def samples(self, rows: Rows) -> tuple[Any, Any, Any]:
        """Inputs, targets and weights of some rows."""
        return self.x[rows], self.t[rows], None if self.weights is None else self.weights[rows]

    def score(self, outputs: NDArray[Any], rows: Rows) -> float:
        """The share of right classes, or R2 of what the networks learn."""
        return score_of(outputs, self.t[rows], self.strata[rows] if self.is_classes else None)


class Chosen(NamedTuple):
    """What a search has chosen, and what is told of it."""

    settings: Settings
    tuning: Tuning


def choose(training: Ready, fixed: list[str], budget: Budget, says: Callable[[str], Any]) -> Chosen:
    """Try settings on a table's training rows, or on some of very many.

    Parameters
    ----------
    training : Ready
        Before its training.
    fixed : list of str
        Fields of the settings that the user has given.
    budget : Budget
    says : function
        Told of each round.
    """
    usual = training.options.settings
    rng = np.random.default_rng(training.options.seed)
    rows, most = training.learnt_rows, _most_rows(training, usual, budget)
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    problem = TableProblem.of(training, rows)
    other = Settings()._replace(**{name: getattr(usual, name) for name in fixed})
    first = [usual] if other == usual else [usual, other]
    folds = folds_of(problem.strata, SEARCH_FOLDS, rng)[: FOLDS_OF_MANY if len(rows) > MANY_ROWS else SEARCH_FOLDS]
    search = Search(problem, folds, training.options.seed, first, fixed, training.options.threads)
    search.run(budget)
    if search.best is None or search.interrupted:
        raise KeyboardInterrupt
    tried = {one.settings: TriedSettings(str(one.settings), one.epochs, _finite(one.score)) for one in search.tried}
    metric = "accuracy" if problem.is_classes else "R2"
    seconds = round(search.seconds, 3)
    shown = tuple(tried.values())[:_SHOWN]
    return Chosen(
        search.best,
        Tuning(metric, len(tried), search.n_fits, seconds, tried[search.best], tried[usual], shown),
    )


def _most_rows(training: Ready, settings: Settings, budget: Budget) -> int:
    """Rows with which the first round of settings takes a third of the time at most."""
    if budget.fits is not None:
        return len(training.learnt_rows)
    of_a_row = SEARCH_FOLDS * EPOCHS[0] * _PASSES * cost_of(settings, training.net.n_inputs, training.net.n_outputs)
    return max(FEWEST_SEARCHED, int(budget.seconds * SEARCH_PRODUCTS / 3 / of_a_row))


def _finite(score: float) -> float | None:
    return score if np.isfinite(score) else None


def n_networks(training: Ready, settings: Settings) -> int:
    """How many networks to train unasked: what takes about a second, up to eight; one where that is not three."""
    n_rows, epochs = len(training.learnt_rows), min(training.options.epochs, EPOCHS[-1])
    each = cost_of(settings, training.net.n_inputs, training.net.n_outputs) * _PASSES * n_rows * epochs
    n = min(USUAL_NETWORKS, int(UNASKED_PRODUCTS / each), n_rows // FEWEST_IN_FOLD)
    return n if n >= FEWEST_NETWORKS else 1


class Ensemble(NamedTuple):
    """Networks whose mean answers, and what became of their training."""

    networks: list[Network]
    history: History
    out_of_fold: OutOfFold
    best_epochs: list[int]  # from 0, of each network; none without early stopping


def train(training: Ready, n: int) -> Ensemble:
    """Train n networks, each on the rows of its own folds, all in one call.

    Raises
    ------
    TableError
        For more networks than rows.
    """
    o, rows = training.options, training.learnt_rows
    if n > len(rows):
        raise TableError(f"--ensemble must be at most {len(rows)}, the rows not held out for the score; got {n}")
    problem = TableProblem.of(training, rows)
    folds = folds_of(problem.strata, n, np.random.default_rng(o.seed))
    if not o.patience:  # nothing stops: what would have learns, too
        folds = [Fold(np.sort(np.concatenate(fold[:2])), fold.validation, fold.unseen) for fold in folds]
    population = Population(training.network(o.seed + k) for k in range(n))
    given: dict[str, Any] = {"batch_size": o.batch_size, "learning_rate": o.learning_rate}
    given = {name: value for name, value in given.items() if value is not None} | o.alike
    held: dict[str, Any] = (
        {"validation": [fold.validation for fold in folds], "patience": o.patience} if o.patience else {}
    )
    given |= {"solver": o.solver, "seeds": o.seed, "n_threads": o.threads, "l2": o.l2}
    rehearse([training.network(o.seed)], problem, given)
    begun = time.perf_counter()
    histories = population.fit(
        problem.x, problem.t, epochs=o.epochs, samples=[fold.training for fold in folds],
        sample_weight=problem.weights, **given, **held,
    )  # fmt: skip
    history = mean_history(histories)
    history.time = time.perf_counter() - begun
    networks = list(population)
    best = [one.best_epoch for one in histories if one.best_epoch is not None] if o.patience else []
    return Ensemble(networks, history, _out_of_fold(training, networks, folds), best)


def mean_outputs(networks: Sequence[Network], X: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the networks' outputs."""
    if len(networks) == 1:
        return networks[0].forward(X)
    total = networks[0].forward(X).astype(np.float64)
    for net in networks[1:]:
        total += net.forward(X)
    mean: NDArray[np.float32] = (total / len(networks)).astype(np.float32)
    return mean


class Averaged:
    """Networks that answer as one: `forward` is the mean of theirs, all else is that of the first."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def forward(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the mean of the networks' outputs."""
        return mean_outputs(self._networks, X)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._networks[0], name)


def spread(networks: Sequence[Network], target: Target, X: NDArray[np.float32]) -> pl.DataFrame:
    """Standard deviation of the networks' answers: in the target's unit, or of the predicted class's probability.

    Raises
    ------
    TableError
        For a single network.
    """
    if len(networks) == 1:
        raise TableError("--spread needs a model of several networks: train --ensemble 8")
    outputs = np.stack([net.forward(X) for net in networks])
    if isinstance(target, ClassTarget):
        predicted = outputs.mean(axis=0).argmax(axis=1)
        deviations = np.take_along_axis(outputs.std(axis=0, ddof=1), predicted[:, np.newaxis], axis=1)
        return pl.DataFrame({"spread": deviations[:, 0]})
    deviations = np.stack([target.numbers(one) for one in outputs]).std(axis=0, ddof=1)
    names = ["spread"] if len(target.names) == 1 else [f"spread_{name}" for name in target.names]
    return pl.DataFrame(dict(zip(names, deviations.T, strict=True)))


def _out_of_fold(training: Ready, networks: list[Network], folds: list[Fold]) -> OutOfFold:
    """The score of all rows, each by the network that has not seen it."""
    rows = training.learnt_rows
    outputs = np.empty((len(rows), training.target.n_outputs), np.float32)
    for net, fold in zip(networks, folds, strict=True):
        outputs[fold.unseen] = net.forward(training.inputs(rows[fold.unseen]))

    def scored(part: Rows) -> Scored:
        return training.scored(outputs[part], rows[part])

    score = scored(np.arange(len(rows))).score
    of_folds = [value for fold in folds if (value := scored(fold.unseen).score.value) is not None]
    error = float(np.std(of_folds, ddof=1) / np.sqrt(len(of_folds))) if len(of_folds) > 1 else None
    return OutOfFold(score.metric, score.value, error)


def mean_history(histories: list[History]) -> History:
    """Losses averaged over the networks; one that has stopped counts with its last epoch."""
    if len(histories) == 1:
        return histories[0]
    reasons = [history.stopped_by for history in histories]
    first = next((reason for reason in ("interrupt", "not finite") if reason in reasons), None)
    most = max(reasons, key=reasons.count)
    with_validation = all(history.validation_loss for history in histories)
    return History(
        loss=_mean_curve([history.loss for history in histories]),
        validation_loss=_mean_curve([history.validation_loss or [] for history in histories])
        if with_validation
        else None,
        stopped_by=first or most,
    )


def _mean_curve(curves: list[list[float]]) -> list[float]:
    longest = max(map(len, curves))
    filled = [curve + curve[-1:] * (longest - len(curve)) for curve in curves if curve]
    means: list[float] = np.mean(filled, axis=0).tolist() if filled else []
    return means
