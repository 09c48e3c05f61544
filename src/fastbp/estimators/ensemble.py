"""Several networks in an estimator, `n_estimators`: each on folds of its own, and their mean answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy import sparse
from sklearn.base import ClassifierMixin, clone

from fastbp.checks import Array
from fastbp.estimators.compat import check_sample_weight
from fastbp.estimators.labels import decode
from fastbp.estimators.minimising import EVIDENCE
from fastbp.estimators.orders import random_state
from fastbp.estimators.sparse_arrays import check_whole
from fastbp.population.folds import Fold, folds_of

_LEFT = ("_network", "_views", "_recipe", "_optimizer", "_label_binarizer", "_no_improvement_count")
USER = 8  # calls from a warning up to the line that called `fit`
FEWEST = 3  # networks: one part of the samples stops a training, one scores it, and one is learnt from


def has_several(estimator: Any) -> bool:
    """Whether an estimator was fitted with several networks."""
    return "estimators_" in vars(estimator)


def forget(estimator: Any) -> None:
    """Take all from an estimator that a fit has left; scikit-learn has private attributes of its own there."""
    for name in list(vars(estimator)):
        if name in _LEFT or (name.endswith("_") and not name.startswith("_")):
            del estimator.__dict__[name]


def check(estimator: Any, eval_set: Any) -> None:
    """Refuse what goes with one network only.

    Raises
    ------
    ValueError
        That names the parameter.
    """
    n = estimator.n_estimators
    if n < FEWEST:
        raise ValueError(f"n_estimators must be 1, or at least {FEWEST}; got {n}")
    if estimator.warm_start:
        raise ValueError(f"warm_start must be False for n_estimators={n}, whose networks are trained anew")
    if estimator.alpha == EVIDENCE:
        raise ValueError(f"alpha must be a number for n_estimators={n}; got {EVIDENCE!r}, which is for one network")
    if eval_set is not None:
        raise ValueError(f"eval_set must be None for n_estimators={n}: each network is stopped by samples of its own")


def fit(estimator: Any, X: Any, y: Any, sample_weight: Any, eval_set: Any) -> None:
    """Train several networks; what is refused, or interrupted, leaves all as it was."""
    before = dict(vars(estimator))
    try:
        estimator._check_parameters(incremental=False)
        check(estimator, eval_set)
        forget(estimator)
        check_whole(X, "X")
        check_whole(y, "y")
        X, y = estimator._validate(X, y, reset=True)
        targets = estimator._targets(y, X.dtype, learns=True, evaluates=False)
        weight = None if sample_weight is None else np.asarray(check_sample_weight(sample_weight, X))
        X = X.tocsr() if sparse.issparse(X) else X
        with random_state(estimator.random_state) as random:
            _fit_checked(estimator, (X, y, weight), estimator._strata(y, targets), random)
    except BaseException:
        estimator._set_back(before)
        raise


def _fit_checked(estimator: Any, samples: tuple[Any, Array, Array | None], strata: Array, random: RandomState) -> None:
    """Train all networks, and score the samples by those that have not seen them.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With its classes, if there are any.
    samples : X, y, sample_weight
        Checked.
    strata : array of int (n_samples,)
        The class of each sample, or zeros.
    random : RandomState
        Draws the folds, first weights and orders.
    """
    X, y, weight = samples
    n = estimator.n_estimators
    if len(strata) < n:
        raise ValueError(f"n_estimators must be at most n_samples = {len(strata)}; got {n}")
    folds = folds_of(strata, n, np.random.default_rng(random.randint(2**31)))
    members = _members(estimator, [random.randint(2**31) for _fold in folds])
    with _each_warning_once():
        for member, fold in zip(members, folds, strict=True):
            _fit_member(member, (X, y, weight), fold)
    _take_over(estimator, members)
    outputs = np.empty((len(strata), members[0].n_outputs_), members[0].network_.dtype)
    for member, fold in zip(members, folds, strict=True):
        outputs[fold.unseen] = member._outputs_of_checked(X[fold.unseen])
    _keep_unseen(estimator, outputs, y, weight)


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """Say once, and of the line that calls `fit`, what several networks are warned of in the same words."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for kind, words in dict.fromkeys((one.category, str(one.message)) for one in caught):
        warnings.warn(words, kind, stacklevel=USER)


def _members(estimator: Any, seeds: list[int]) -> list[Any]:
    """Estimators with one network each, that know all classes."""
    stops = estimator.solver != "lbfgs" and estimator.preset is None  # a preset stops by eval_set in any case
    alike = clone(estimator).get_params(
        deep=False
    )  # once: scikit-learn looks at signatures for longer than a fit takes
    alike |= {"n_estimators": 1, "early_stopping": stops}
    members = [type(estimator)(**alike | {"random_state": seed}) for seed in seeds]
    for name in ("classes_", "_label_binarizer"):
        if name in vars(estimator):
            for member in members:
                setattr(member, name, vars(estimator)[name])
    return members


def _fit_member(member: Any, samples: tuple[Any, Array, Array | None], fold: Fold) -> None:
    """Train a network; by "lbfgs", which nothing stops, on what would have stopped it, too."""
    X, y, weight = samples
    rows, eval_set = fold.training, None
    if member.early_stopping or member.preset is not None:
        held = fold.validation
        eval_set = (X[held], y[held]) if weight is None else (X[held], y[held], weight[held])
    else:
        rows = np.sort(np.concatenate([fold.training, fold.validation]))
    training = member._train(X[rows], y[rows], None if weight is None else weight[rows], eval_set, of_several=True)
    if training.interrupted:
        raise KeyboardInterrupt


def _take_over(estimator: Any, members: list[Any]) -> None:
    """The attributes of an estimator with several networks."""
    estimator.estimators_ = members
    first = members[0]
    estimator.n_outputs_, estimator.n_layers_ = first.n_outputs_, first.n_layers_
    estimator.out_activation_ = first.out_activation_
    estimator.n_iter_, estimator.t_ = max(one.n_iter_ for one in members), sum(one.t_ for one in members)
    estimator.loss_ = float(np.mean([one.loss_ for one in members]))


def _keep_unseen(estimator: Any, outputs: Array, y: Array, weight: Array | None) -> None:
    """What was predicted for the samples by networks that have not seen them, and the score of that."""
    from sklearn.metrics import accuracy_score, r2_score

    if isinstance(estimator, ClassifierMixin):
        predicted = decode(estimator._label_binarizer, outputs)
        estimator.oof_decision_function_ = np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs
        estimator.oof_score_ = float(accuracy_score(y, predicted, sample_weight=weight))
    else:
        estimator.oof_prediction_ = outputs.ravel() if outputs.shape[1] == 1 else outputs
        estimator.oof_score_ = float(r2_score(y, estimator.oof_prediction_, sample_weight=weight))


def mean_and_spread(estimator: Any, X: Any) -> tuple[Array, Array]:
    """The mean of the networks' outputs (n_samples, n_outputs), and their standard deviation, divided by n - 1.

    X is checked.
    """
    for member in estimator.estimators_:
        member._update_network()  # weights that a user has set
    outputs = np.stack([member._outputs_of_checked(X) for member in estimator.estimators_])
    return outputs.mean(axis=0), outputs.std(axis=0, ddof=1)
