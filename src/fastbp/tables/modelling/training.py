"""Training on a table: splitting its rows, encoding, fitting, scoring on the rows held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp import memory
from fastbp.checks import Array
from fastbp.network import Network
from fastbp.population.settings import ALWAYS, SCHEDULE, Settings, network_of
from fastbp.tables.cells.errors import TableError
from fastbp.tables.modelling.analysis import importance, score_beside
from fastbp.tables.modelling.ensemble import FEWEST_TO_TUNE, Ensemble, choose, mean_outputs, n_networks, train
from fastbp.tables.modelling.model import Facts, TableModel
from fastbp.tables.modelling.scores import Scored, score_classes, score_numbers
from fastbp.tables.modelling.told import Tuning
from fastbp.tables.modelling.uncertainty import check_size
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.preparation import FEWEST_ROWS, Prepared
from fastbp.tables.preparing.splitting import FEWEST_TO_SPLIT, Rows, Split, split_table
from fastbp.tables.preparing.targets import (
    CLASS_LOSSES,
    NUMBER_LOSSES,
    ClassTarget,
    NumberTarget,
    Target,
    is_skewed,
    numbers_of,
    refuse_wrong,
)
from fastbp.training.history import History
from fastbp.version import __version__

if TYPE_CHECKING:
    from fastbp.training.minimising.evidence import Evidence

Floats32 = NDArray[np.float32]

_TRIAL_ROWS, _TRIAL_STEPS, _TRIAL_BATCH = 20_000, 5_000, 32
_FEW_ROWS, _FOLDS = 2_000, 5  # up to which each row is held out in a trial
_CLEARLY = 0.95  # of the error: better than by chance
_REHEARSED = 64  # rows


def split_of(prepared: Prepared, options: Options) -> Split:
    """Split the rows of a table as `TableTraining` does."""
    stops_early = options.patience > 0 and not options.evidence
    return split_table(prepared, options.seed, options.test_fraction, stops_early)


def refuse_options(prepared: Prepared, options: Options) -> None:
    """Refuse options that do not go with the target, and numbers that a loss cannot learn, by their rows."""
    loss, columns = options.loss, list(prepared.targets)
    if prepared.task == "classification":
        if loss not in (None, *CLASS_LOSSES):
            raise TableError(f"--loss {loss} is for numbers; classes are learnt with {', '.join(CLASS_LOSSES)}")
        if options.log_target:
            raise TableError("--log-target is for numbers; the target has classes")
        return
    if loss not in (None, *NUMBER_LOSSES):
        raise TableError(f"--loss {loss} is for classes; numbers are learnt with {', '.join(NUMBER_LOSSES)}")
    if options.class_weight or options.label_smoothing:
        option = "--class-weight" if options.class_weight else "--label-smoothing"
        raise TableError(f"{option} is for classes; the target has numbers")
    numbers = numbers_of(columns)
    if loss == "poisson":
        refuse_wrong(numbers < 0, columns, prepared.rows, "the poisson loss is for counts, not below 0")
    elif options.log_target:
        refuse_wrong(numbers <= 0, columns, prepared.rows, "--log-target needs numbers above 0")


class TableTraining:
    """A table made ready for learning: split, encoded, with the network that fits it.

    Parameters
    ----------
    prepared : Prepared
        The columns and rows to learn from.
    options : Options
        How to train.

    Raises
    ------
    TableError
        When there is too little to learn from.
    ValueError
        When the network refuses an option.
    """

    prepared: Prepared
    options: Options
    weights: Array | None
    split: Split
    encoder: Encoder
    target: Target
    nets: list[Network]  # whose mean answers
    numbers: Array
    tuning: Tuning | None
    ensemble: Ensemble | None

    def __init__(self, prepared: Prepared, options: Options) -> None:
        if prepared.n_rows < FEWEST_ROWS:
            raise TableError(f"{prepared.n_rows} row with a target is too few to learn from")
        self.prepared, self.options = prepared, options
        self.notes: list[str] = []
        self.tuning = self.ensemble = None
        self.weights = prepared.weights
        if prepared.n_rows < FEWEST_TO_SPLIT:
            self.notes.append(f"{prepared.n_rows} rows are too few to hold some out: there is no score")
        self.split = self._split()
        self.encoder = self._encoder()
        if 4 * self.encoder.n_inputs * prepared.n_rows > memory.total() // 2:
            raise TableError(
                f"{self.encoder.n_inputs:,} inputs for {prepared.n_rows:,} rows do not fit into memory: "
                "a smaller --max-levels, or --drop for a column with many texts, makes fewer"
            )
        self.read = self.encoder.read(prepared.frame, warn=False)
        self.target = self._target()
        self.nets = [self.network(self.options.seed)]
        self.evidence: Evidence | None = None
        if options.evidence:
            check_size(self.net)
            if self.weights is not None or options.class_weight:
                raise TableError("--evidence counts all rows alike: it goes with neither --weight nor --class-weight")

    def _split(self) -> Split:
        return split_of(self.prepared, self.options)

    def _encoder(self) -> Encoder:
        return Encoder.fit(self.prepared.inputs, self.split.training, self.options.max_levels, self.options.scaling)

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each part."""
        return self.split.sizes()

    def shared_out(self) -> dict[str, int]:
        """Return the number of rows of each part; several networks and a search take folds for their validation."""
        searches = self.options.tune is not None and self.tuning is None and self.options.ensemble != 1
        if not searches and self.n_networks == 1:
            return self.sizes()
        sizes = self.sizes()
        return {**sizes, "training": sizes["training"] + sizes["validation"], "validation": 0}

    def _target(self) -> Target:
        loss, columns = self.options.loss, list(self.prepared.targets)
        refuse_options(self.prepared, self.options)
        if self.prepared.task == "classification":
            return ClassTarget.fit(columns[0], self.split.training)
        chosen = loss or "squared_error"
        self.numbers = numbers_of(columns)
        plain = NumberTarget.fit(columns, self.split.training, loss=chosen)
        if self.options.log_target is False or loss == "poisson":
            return plain
        if self.options.log_target:
            return NumberTarget.fit(columns, self.split.training, loss=chosen, log=True)
        if loss is None and len(self.split.validation) and is_skewed(self.numbers):
            return self._better_by_validation(plain, NumberTarget.fit(columns, self.split.training, log=True))
        return plain

    def _better_by_validation(self, plain: NumberTarget, log: NumberTarget) -> NumberTarget:
        """Choose between a target and its logarithm by two short trainings."""
        errors = [self._trial(target) for target in (plain, log)]
        is_better = errors[1] < _CLEARLY * errors[0]
        better = "the logarithm of the target is learnt" if is_better else "the target is learnt as it is"
        self.notes.append(
            f"{better}: RMSE {errors[1]:.4g} on rows held out with the logarithm, {errors[0]:.4g} without "
            "(--log-target, --no-log-target)"
        )
        return log if is_better else plain

    def _trial(self, target: NumberTarget) -> float:
        """Return the RMSE of short trainings on rows that each leaves out."""
        squares = []
        for rows, held_out in self._folds():
            net = self.network(self.options.seed, target)
            net.fit(
                self.inputs(rows),
                target.encode(self.numbers[rows]),
                epochs=max(1, min(100, _TRIAL_STEPS * _TRIAL_BATCH // len(rows))),
                batch_size=_TRIAL_BATCH,
                seed=self.options.seed,
                n_threads=self.options.threads,
            )
            predicted = target.numbers(net.forward(self.inputs(held_out)))
            squares.append(((predicted - self.numbers[held_out]) ** 2).ravel())
        return float(np.sqrt(np.concatenate(squares).mean()))

    def _folds(self) -> list[tuple[Rows, Rows]]:
        """Return rows to learn from and rows to hold out, for each trial: of few rows each is held out once."""
        training, validation = self.split.training, self.split.validation
        rows = np.concatenate([training, validation])
        if len(rows) > _FEW_ROWS:
            return [(training[:_TRIAL_ROWS], validation)]
        parts = np.array_split(np.random.default_rng(self.options.seed).permutation(rows), _FOLDS)
        return [(np.sort(np.concatenate([*parts[:k], *parts[k + 1 :]])), parts[k]) for k in range(_FOLDS)]

    @property
    def net(self) -> Network:
        """The network, or the first of an ensemble."""
        return self.nets[0]

    @property
    def learnt_rows(self) -> Rows:
        """All rows that are not held out for the score."""
        return np.sort(np.concatenate([self.split.training, self.split.validation]))

    @property
    def n_networks(self) -> int:
        """How many networks will be trained."""
        n = self.options.ensemble
        return n_networks(self, self.options.settings) if n is None else n

    def tune(self, says: Callable[[str], Any] = lambda _line: None) -> None:
        """Choose the settings that the user has not, where there is a budget and there are rows for it."""
        o = self.options
        never = () if isinstance(self.target, ClassTarget) else ("label_smoothing",)
        fixed = [name for name in Settings._fields if name in (*o.given, *never)]
        if o.tune is None or len(self.learnt_rows) < FEWEST_TO_TUNE or fixed[: len(ALWAYS)] == list(ALWAYS):
            return
        if "schedule" not in o.given:
            self.options = replace(o, schedule=SCHEDULE)
        chosen = choose(self, fixed, o.tune, says)
        self.tuning = chosen.tuning
        self.options = replace(self.options, **chosen.settings._asdict())
        self.nets = [self.network(self.options.seed)]

    def outputs(self, X: Floats32) -> Floats32:
        """Return what the network answers, or the networks on average."""
        return mean_outputs(self.nets, X)

    def network(self, seed: int, target: Target | None = None) -> Network:
        """Return a network before its training; with tuned settings its first weights are drawn as in the search."""
        target = target or self.target
        if self.tuning is not None:
            return network_of(target, self.options.settings, self.encoder.n_inputs, seed)
        return Network(
            (self.encoder.n_inputs, *self.options.hidden, target.n_outputs),
            activation=self.options.activation,
            output=target.output,
            loss=target.loss,
            init="glorot_uniform" if self.options.preset is None else self.options.preset.init,
            dtype="float32",
            seed=seed,
        )

    def inputs(self, rows: Rows) -> Floats32:
        """Return the network's inputs of some rows."""
        return self.encoder.encode_read(self.read, rows)

    def _truth(self, rows: Rows) -> Floats32:
        if isinstance(self.target, ClassTarget):
            return np.eye(self.target.n_outputs, dtype=np.float32)[self.codes[rows]]
        return self.target.encode(self.numbers[rows])

    @cached_property
    def codes(self) -> Rows:
        """The number of each row's class."""
        assert isinstance(self.target, ClassTarget)
        return self.target.codes_of(self.prepared.targets[0])

    def weights_of(self, rows: Rows) -> NDArray[np.float64] | None:
        """Return what some rows weigh in training; None where all weigh the same."""
        weights = None if self.weights is None else self.weights[rows]
        if self.options.class_weight and isinstance(self.target, ClassTarget):
            counts = np.bincount(self.codes[self.split.training], minlength=self.target.n_outputs)
            balanced = len(self.split.training) / (self.target.n_outputs * np.maximum(counts, 1))
            weights = balanced[self.codes[rows]] * (1.0 if weights is None else weights)
        return weights

    def samples(self, rows: Rows) -> tuple[Floats32, Floats32]:
        """Return the network's inputs and targets of some rows."""
        return self.inputs(rows), self._truth(rows)

    def learn(self, callback: Callable[[Network, History], Any] | None = None) -> History:
        """Train the network; afterwards it holds the best weights (with patience) or the last ones."""
        o, training, validation = self.options, self.split.training, self.split.validation
        if (n := self.n_networks) > 1:
            self.ensemble = train(self, n)
            self.nets = self.ensemble.networks
            return self.ensemble.history
        if o.evidence:
            X, T = self.samples(training)
            self.evidence = self.net.fit_evidence(
                X, T, seed=o.seed, n_threads=o.threads, checkpoint=o.checkpoint, resume=o.resume
            )
            return self.evidence.history
        options, (X, T) = self._given_to_fit(), self.samples(training)
        if len(validation):
            held_out, weights = self.samples(validation), self.weights_of(validation)
            options |= {"validation": held_out if weights is None else (*held_out, weights), "patience": o.patience}
        weights = self.weights_of(training)
        options |= {} if weights is None else {"sample_weight": weights}
        self._rehearse(X, T, options)
        return self.net.fit(
            X, T, epochs=o.epochs, callback=callback, checkpoint=o.checkpoint, resume=o.resume, **options
        )

    def _given_to_fit(self) -> dict[str, Any]:
        """Return what `Network.fit` is given beside the samples."""
        o = self.options
        given = {"batch_size": o.batch_size, "learning_rate": o.learning_rate}
        options: dict[str, Any] = {"solver": o.solver, "l2": o.l2, "seed": o.seed, "n_threads": o.threads}
        options |= o.alike | ({} if o.preset is None else o.preset.solver_options(self.net))
        return options | {name: value for name, value in given.items() if value is not None}

    def _rehearse(self, X: Floats32, T: Floats32, options: dict[str, Any]) -> None:
        """Train another network for an epoch of a few rows, so that the time of the training has no compiling in it."""
        few = slice(0, _REHEARSED)
        weights = options.get("sample_weight")
        if weights is not None and not weights[few].any():
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = self.network(self.options.seed).fit(
                X[few], T[few], epochs=1, **options | ({} if weights is None else {"sample_weight": weights[few]})
            )
        if history.stopped_by == "interrupt":
            raise KeyboardInterrupt

    def score(self) -> Scored | None:
        """Score the network on the held-out rows; None without such rows."""
        rows = self.split.test
        if len(rows) == 0:
            return None
        return score_beside(self, self.scored(self.outputs(self.inputs(rows)), rows))

    def scored(self, outputs: NDArray[Any], rows: Rows) -> Scored:
        """Score outputs for some rows: those of the network, or of another model on its inputs and targets."""
        weights = self.score_weights(rows)
        if isinstance(self.target, ClassTarget):
            return score_classes(self.target, outputs, self.codes[rows], weights)
        return score_numbers(self.target, self.target.numbers(outputs), self.numbers[rows], weights)

    def score_weights(self, rows: Rows) -> NDArray[np.float64] | None:
        """Return what some rows weigh in a score; None where all weigh the same."""
        return None if self.weights is None or self.weights[rows].sum() == 0 else self.weights[rows]

    def _best_epoch(self, history: History) -> int | None:
        """Return the epoch, from 1, whose weights the network has; None when it has the last ones."""
        if len(self.split.validation) == 0 or history.best_epoch is None:
            return None
        return history.best_epoch + 1

    def model(self, data: str, history: History, scored: Scored | None) -> TableModel:
        """Return the network with everything that prediction needs, and facts about its training."""
        facts = Facts(
            data=data,
            rows=self.shared_out(),
            solver="evidence" if self.evidence is not None else self.options.solver,
            epochs=history.n_epochs,
            best_epoch=self._best_epoch(history),
            stopped_by=history.stopped_by,
            seconds=round(history.time, 3),
            score=None if scored is None else scored.score,
            date=datetime.now().astimezone().isoformat(timespec="seconds"),
            fastbp=__version__,
            importance={} if scored is None else importance(self),
            networks=len(self.nets),
            out_of_fold=None if self.ensemble is None else self.ensemble.out_of_fold,
            tuning=self.tuning,
            left_out={plan.column.name: plan.reason for plan in self.prepared.plans if not plan.used},
        )
        return TableModel(self.nets, self.encoder, self.target, facts, self.evidence)
