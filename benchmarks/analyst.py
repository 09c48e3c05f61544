"""What an analyst writes by hand for a table: medians, "missing", one-hot, dates in days, ids left out.

It shares no code with what `fastbp train` makes of the columns, but the rows, the target and the network are the same,
so that a difference of scores is one of preparations.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastbp import Network
from fastbp.cli.commands import fastbp
from fastbp.cli.options import HIDDEN
from fastbp.tables.cells.choices import Choices
from fastbp.tables.modelling.scores import score_classes, score_numbers
from fastbp.tables.modelling.training import TableTraining
from fastbp.tables.preparing.options import Options
from fastbp.tables.preparing.preparation import Prepared, prepare
from fastbp.tables.preparing.targets import ClassTarget, NumberTarget
from fastbp.tables.reading.sources import read_table

NO_VALUE = ["", "?", "NA", "N/A", "nan", "NaN", "NULL", "null", "None", "-", ".", "<null>"]
IDS = ("", "id", "unnamed: 0", "index", "rownames", "row", "patient", "subject", "case", "obs")
MOSTLY = 0.95


def options_of_train() -> Options:
    """Return the options of `fastbp train` when none is given."""

    given = fastbp.commands["train"].make_context("train", ["any.csv"], resilient_parsing=False).params
    own = {"hidden": HIDDEN, "tune": None, "ensemble": 1}  # one network, with the settings that are usual
    return Options(**{name: given[name] for name in Options.__dataclass_fields__ if name in given} | own)


def columns_of(frame: pd.DataFrame, training: np.ndarray) -> np.ndarray:
    """Return the inputs (n_rows, n_inputs); medians, means and categories are those of the training rows."""
    made = []
    for place, name in enumerate(frame.columns):
        values = frame.iloc[:, place].replace(NO_VALUE, np.nan)
        given = values.notna().sum()
        numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
        if given and numbers.notna().sum() >= MOSTLY * given:
            if not is_id(str(name), numbers):
                made.append(standardised(numbers.astype(float), training))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dates = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
        dates = dates.where(dates.dt.year.between(1678, 2261))  # what pandas can compute with
        if given and dates.notna().sum() >= MOSTLY * given:
            days = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
            made.append(standardised(days, training))
            made.append(standardised(dates.dt.month, training))
        elif given and values.nunique() <= max(20, 0.5 * given):
            made.append(one_hot(values, training))
    return np.column_stack(made).astype(np.float32) if made else np.zeros((len(frame), 1), np.float32)


def is_id(name: str, numbers: pd.Series) -> bool:
    """Whether a column is a row's number, or called an id and different in every row."""
    given = numbers.dropna()
    if not given.is_unique or not (given == given.round()).all():
        return False
    return bool(name.lower() in IDS or name.lower().endswith(("_id", " id")) or (given.diff().dropna() == 1).all())


def standardised(numbers: pd.Series, training: np.ndarray) -> np.ndarray:
    """Fill in the median, and standardise."""
    known = numbers.iloc[training]
    filled = numbers.fillna(known.median() if known.notna().any() else 0.0).to_numpy(float)
    scale = filled[training].std()
    return np.asarray((filled - filled[training].mean()) / (scale if scale > 0 else 1.0))[:, np.newaxis]


def one_hot(values: pd.Series, training: np.ndarray) -> np.ndarray:
    """One input for each category of the training rows, and one for "missing"."""
    text = values.astype(object).where(values.notna(), "missing").astype(str)
    levels = sorted(set(text.iloc[training]))
    return np.column_stack([(text == level).to_numpy(float) for level in levels])


def analysts_score(path: Path, target: str | None) -> float | None:
    """Train the network of `fastbp train` on the analyst's inputs of the same rows; return the score."""
    options = options_of_train()
    table = read_table(str(path))
    prepared = prepare(table, target, Choices())
    training = TableTraining(prepared, options)
    split = training.split
    if len(split.test) == 0:
        return None
    kept = table.frame.filter(~rows_without(prepared, table.frame))
    names = [column.name for column in prepared.targets]
    cells = {name: pd.Series(kept[name].to_list(), dtype=object) for name in kept.columns if name not in names}
    X = columns_of(pd.DataFrame(cells), split.training)
    return score_of(X, training, options)


def rows_without(prepared: Prepared, frame: Any) -> Any:
    """Return which rows have no target: those that were left out."""
    from functools import reduce

    from fastbp.tables.cells.kinds import understand

    gaps = [understand(frame[column.name]).values.is_null() for column in prepared.targets]
    return reduce(lambda one, other: one | other, gaps)


def score_of(X: np.ndarray, training: TableTraining, options: Options) -> float | None:
    """Train as `fastbp train` does, with other inputs; classes and numbers as they are."""
    split, target = training.split, training.target
    if isinstance(target, NumberTarget):
        target = NumberTarget.fit(list(training.prepared.targets), split.training)
        T = target.encode(training.numbers)
    else:
        T = np.eye(target.n_outputs, dtype=np.float32)[training.codes]
    net = Network(
        (X.shape[1], *options.hidden, target.n_outputs), activation=options.activation, output=target.output,
        loss=target.loss, dtype="float32", seed=options.seed,
    )  # fmt: skip
    given: dict[str, Any] = {}
    if len(split.validation):
        given = {"validation": (X[split.validation], T[split.validation]), "patience": options.patience}
    net.fit(
        X[split.training], T[split.training], solver=options.solver, epochs=options.epochs, l2=options.l2,
        seed=options.seed, n_threads=1, **given,
    )  # fmt: skip
    outputs = net.forward(X[split.test])
    if isinstance(target, ClassTarget):
        return score_classes(target, outputs, training.codes[split.test]).score.value
    return score_numbers(target, target.numbers(outputs), training.numbers[split.test]).score.value
