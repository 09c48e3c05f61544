"""fastbp beside scikit-learn on one table: the same split, the same inputs and targets, time and score of each."""

from __future__ import annotations

import time
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from fastbp.tables.modelling.analysis import fit_estimator, linear_model
from fastbp.tables.preparing.targets import ClassTarget
from fastbp.training.options import DEFAULT_BATCH_SIZE

if TYPE_CHECKING:
    from fastbp.tables.modelling.scores import Score
    from fastbp.tables.modelling.training import TableTraining


class Contender(NamedTuple):
    """A model: its name, the seconds of its fit, its score on the rows held out; or why there is none."""

    name: str
    seconds: float | None
    score: Score | None
    refused: str = ""


def compare(training: TableTraining) -> list[Contender]:
    """Train each model on the rows that are not held out, and score it on those that are.

    Parameters
    ----------
    training : TableTraining
        The table, split and encoded. All models get its inputs and its targets, standardised; fastbp keeps its
        validation rows aside, scikit-learn's models hold out rows of their own where they stop early.

    Returns
    -------
    list of Contender
        fastbp, with the time of choosing settings; scikit-learn's network with the options before that; a linear
        model; scikit-learn's gradient boosting; and the baseline: always the most frequent class, or the mean.
    """
    others = {"scikit-learn MLP": _network(training), "linear": linear_model(training), "boosting": _boosting(training)}
    found = [_fastbp(training)]
    for name, model in others.items():
        found.append(_contender(training, name, model))
    return [*found, *_baseline(found)]


def _fastbp(training: TableTraining) -> Contender:
    """The network. The compiler's seconds are none of its own: it trains on a few rows first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs that were too few: the score says it
        training.tune()
        history = training.learn()
    seconds = history.time + (0.0 if training.tuning is None else training.tuning.seconds)
    if history.stopped_by == "interrupt":
        raise KeyboardInterrupt
    test = training.split.test
    score = training.scored(training.outputs(training.inputs(test)), test).score
    return Contender("fastbp", seconds, score)


def _contender(training: TableTraining, name: str, model: Any) -> Contender:
    """Time a model's fit to all rows that are not held out, and score what it makes of those that are."""
    rows, test = np.sort(np.concatenate([training.split.training, training.split.validation])), training.split.test
    try:
        with warnings.catch_warnings(), _threads(training.options.threads):
            warnings.simplefilter("ignore")
            begin = time.perf_counter()
            outputs_of = fit_estimator(training, model, rows)
            seconds = time.perf_counter() - begin
            outputs = outputs_of(training.inputs(test))
    except ValueError as error:
        return Contender(name, None, None, " ".join(str(error).split()))
    return Contender(name, seconds, training.scored(outputs, test).score)


def _threads(limit: int | None) -> Any:
    """Hold the threads of OpenMP and BLAS to a number; fastbp is told itself."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if limit is None else threadpool_limits(limit)


def _network(training: TableTraining) -> Any:
    """Return scikit-learn's network with the options of fastbp's."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    o, split = training.options, training.split
    batch = min(o.batch_size or DEFAULT_BATCH_SIZE, len(split.training) + len(split.validation))
    options: dict[str, Any] = {
        "hidden_layer_sizes": o.hidden,
        "activation": o.activation,
        "batch_size": batch,
        "alpha": o.l2 * batch,  # theirs is divided by the batch's size
        "max_iter": o.epochs,
        "random_state": o.seed,
    }
    if len(split.validation):
        options |= {"early_stopping": True, "n_iter_no_change": o.patience, "tol": 0.0}
    return (MLPClassifier if isinstance(training.target, ClassTarget) else MLPRegressor)(**options)


def _boosting(training: TableTraining) -> Any:
    """Return scikit-learn's gradient boosting of trees, with its defaults; one for each target."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor

    seed = training.options.seed
    if isinstance(training.target, ClassTarget):
        return HistGradientBoostingClassifier(random_state=seed)
    model = HistGradientBoostingRegressor(random_state=seed)
    return model if training.target.n_outputs == 1 else MultiOutputRegressor(model)


def _baseline(found: list[Contender]) -> list[Contender]:
    scores = [contender.score for contender in found if contender.score is not None]
    if not scores:
        return []
    given = {"value": scores[0].baseline, "rmse": scores[0].baseline_rmse, "log_loss": None, "auc": None, "mae": None}
    return [Contender("baseline", None, msgspec.structs.replace(scores[0], **given))]
