"""TableEncoder: the command line's preparation of tables as a transformer of scikit-learn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from math import isnan
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fastbp.checks import Array
from fastbp.tables.cells.choices import MAX_LEVELS, Choices
from fastbp.tables.cells.doubts import far_nines, open_decimals
from fastbp.tables.cells.errors import TableError, listed, shown
from fastbp.tables.cells.kinds import as_text
from fastbp.tables.preparing.encoder import Encoder
from fastbp.tables.preparing.planning import gaps_of, notes_of, plan_inputs, require_known
from fastbp.tables.preparing.scaling import SCALINGS, Scaling

_ARGUMENTS = (  # the command line's options, and what they are here
    (r"--keep-column ('.*?'|\".*?\")", r"keep=[\1]"), (r"--(categorical|numeric) ('.*?'|\".*?\")", r"\1=[\2]"),
    (r"--decimal (point|comma) or (point|comma)", r"decimal='\1' or '\2'"), ("--max-levels", "max_levels"),
)  # fmt: skip


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Make a network's inputs of a table, as ``fastbp train`` does.

    Numbers are scaled, text is one-hot encoded, dates become numbers; missing values are filled in (with an
    input of their own where there are more than a few), ids are left out. What is learnt by `fit` is applied
    unchanged by `transform`. A transformer of scikit-learn, so that it stands in a pipeline before any estimator;
    a pipeline fits it on the training rows alone.

    Parameters
    ----------
    max_levels : int
        Categories of a column at most; the rarer ones together are one more.
    categorical : sequence of str
        Columns of numbers that are codes.
    numeric : sequence of str
        Columns that hold numbers, whatever else stands in them.
    keep : sequence of str
        Columns that are used although they look like ids.
    dates : "day", "month" or None
        What comes first in 1/5/20, where no row tells.
    decimal : "point", "comma" or None
        What stands before decimals in 1.234, where no column tells.
    censored : "refuse", "limit", "half" or "missing"
        What to take of values such as ``<5``.
    scaling : "standard" or "robust"
        How numbers are scaled. "standard": to mean 0 and standard deviation 1. "robust": x = (value - median) / (third
        quartile - first quartile), or 2 (value - median) / (maximum - minimum) where the quartiles are one number; the
        input is x / sqrt(1 + (x / 3)**2), between -3 and 3 however far out a value is (Holzmüller et al., 2024).

    Attributes
    ----------
    notes_ : list of str
        What was decided about the columns, and what looks wrong in them.
    left_out_ : dict of str
        Why columns are left out, by their names.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import fastbp, polars as pl
    >>> table = pl.DataFrame({"height": [1.5, None, 1.7, 1.9], "sex": ["f", "m", "m", "f"]})
    >>> encoder = fastbp.TableEncoder()
    >>> encoder.fit_transform(table).shape
    (4, 3)
    >>> encoder.get_feature_names_out().tolist()
    ['height', 'sex=f', 'sex=m']
    """

    encoder_: Encoder
    left_out_: dict[str, str]
    notes_: list[str]
    feature_names_in_: Array
    n_features_in_: int

    def __init__(
        self,
        *,
        max_levels: int = MAX_LEVELS,
        categorical: Iterable[str] = (),
        numeric: Iterable[str] = (),
        keep: Iterable[str] = (),
        dates: str | None = None,
        decimal: str | None = None,
        censored: str = "refuse",
        scaling: str = "standard",
    ) -> None:
        self.max_levels = max_levels
        self.categorical = categorical
        self.numeric = numeric
        self.keep = keep
        self.dates = dates
        self.decimal = decimal
        self.censored = censored
        self.scaling = scaling

    def _choices(self) -> Choices:
        if self.dates not in (None, "day", "month"):
            raise ValueError(f"dates must be 'day', 'month' or None; got {self.dates!r}")
        if self.decimal not in (None, "point", "comma"):
            raise ValueError(f"decimal must be 'point', 'comma' or None; got {self.decimal!r}")
        if self.censored not in ("refuse", "limit", "half", "missing"):
            raise ValueError(f"censored must be 'refuse', 'limit', 'half' or 'missing'; got {self.censored!r}")
        if self.scaling not in SCALINGS:
            raise ValueError(f"scaling must be 'standard' or 'robust'; got {self.scaling!r}")
        if not isinstance(self.max_levels, int) or isinstance(self.max_levels, bool) or self.max_levels < 1:
            raise ValueError(f"max_levels must be an integer of at least 1; got {self.max_levels!r}")
        names: dict[str, Any] = {
            name: _names_in(getattr(self, name), name) for name in ("categorical", "numeric", "keep")
        }
        both = [name for name in names["numeric"] if name in names["categorical"]]
        if both:
            raise ValueError(f"numeric and categorical exclude each other; both have {both[0]!r}")
        said: dict[str, Any] = {"dates": self.dates, "decimal": self.decimal, "censored": self.censored}
        return Choices(max_levels=self.max_levels, **said, **names)

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn what each column is.

        Parameters
        ----------
        X : polars or pandas data frame, dict of columns, or array (n_rows, n_columns)
            The table, without the target.
        y : ignored
            As transformers have it.

        Returns
        -------
        self

        Raises
        ------
        TableError
            A ValueError that names the column and the row.
        """
        frame = frame_of(X)
        choices = self._choices().for_table(frame)
        require_known((*choices.categorical, *choices.numeric, *choices.keep), frame.columns)
        plans = plan_inputs(frame, choices)
        used = [plan.column for plan in plans if plan.used]
        self.encoder_ = Encoder.fit(used, max_levels=choices.max_levels, scaling=cast(Scaling, self.scaling))
        self.left_out_ = {plan.column.name: plan.reason for plan in plans if not plan.used}
        self.notes_ = notes_of(plans, choices)
        self.notes_ += [line for plan in plans for line in plan.column.odd]
        self.notes_ += [*open_decimals(used, choices), *far_nines(used)]
        if gaps := gaps_of(used):
            self.notes_.append(f"missing values filled in: {gaps}")
        self.notes_ = [_with_arguments(note) for note in self.notes_]
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.n_features_in_ = frame.width
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Learn what each column is, and encode the table; `notes_` say what was filled in.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        array (n_rows, n_inputs) of float32
            Inputs of a network.
        """
        return self.fit(X, y).encoder_.encode(frame_of(X), warn=False)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode a table.

        Parameters
        ----------
        X : polars or pandas data frame, dict of columns, or array (n_rows, n_columns)
            A table with the columns that `fit` has seen, in any order where they have names.

        Returns
        -------
        array (n_rows, n_inputs) of float32
            Inputs of a network.

        Warns
        -----
        TableWarning
            Of values that are missing, far outside of the training range, or not known.
        """
        check_is_fitted(self)
        return self.encoder_.encode(frame_of(X))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the inputs.

        Parameters
        ----------
        input_features : ignored
            As transformers have it.

        Returns
        -------
        array (n_inputs,) of str
            A column, or a column and one of its categories: "height", "sex=f".
        """
        check_is_fitted(self)
        return np.array(self.encoder_.inputs, dtype=object)


def _with_arguments(note: str) -> str:
    """Name arguments in the place of the command line's options."""
    for pattern, argument in _ARGUMENTS:
        note = re.sub(pattern, argument, note)
    return note


def _names_in(names: object, argument: str) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{argument} must be a sequence of names of columns; got {names!r}")
    return tuple(names)


def frame_of(X: Any) -> pl.DataFrame:
    """Return a table of any kind as a polars frame."""
    if isinstance(X, pl.DataFrame):
        frame = X
    elif hasattr(X, "iloc") and hasattr(X, "columns"):  # pandas, without asking for pyarrow
        names = [str(name) for name in X.columns]
        _refuse_repeated(names)
        frame = pl.DataFrame([_from_pandas(name, X.iloc[:, place]) for place, name in enumerate(names)])
    elif isinstance(X, dict):
        frame = _from_dict(X)
    else:
        cells = np.asarray(X)
        if cells.ndim != 2:
            raise TableError(f"X must be a table of rows and columns; got an array of shape {cells.shape}")
        frame = pl.DataFrame([_from_cells(f"column_{k + 1}", cells[:, k]) for k in range(cells.shape[1])])
    if frame.height == 0 or frame.width == 0:
        raise TableError(f"X must have rows and columns; got {frame.height} rows and {frame.width} columns")
    return frame


def _refuse_repeated(names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TableError(f"X must have columns of different names; got {shown(twice[0])} more than once")


def _from_dict(X: dict[Any, Any]) -> pl.DataFrame:
    """Make a frame of columns by name."""
    names = [str(name) for name in X]
    _refuse_repeated(names)
    try:
        columns = [pl.Series(name, column) for name, column in zip(names, X.values(), strict=True)]
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or ["it is none"])[0]
        raise TableError(f"X must be a dict of columns; one of {listed(names)} cannot be read: {reason}") from None
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{shown(name)} {length:,}" for name, length in list(lengths.items())[:5])
        raise TableError(f"X must have columns of one length; got {said}")
    return pl.DataFrame(columns)


def _from_pandas(name: str, series: Any) -> pl.Series:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufM":
        return pl.Series(name, series.to_numpy())
    column = _from_cells(name, series.astype(object).where(series.notna(), None).to_numpy())
    if not hasattr(series, "cat"):
        return column
    text = as_text(column)  # categories stay such, whatever they are called
    if text is None:
        text = pl.Series(name, [None if value is None else str(value) for value in column])
    return text.cast(pl.Categorical)


def _from_cells(name: str, cells: NDArray[Any]) -> pl.Series:
    """Make a column of anything: of one type where all values have it, else of text."""
    if cells.dtype.kind in "biufM":
        return pl.Series(name, cells)
    values = [
        None if value is None or (isinstance(value, float) and isnan(value)) else value for value in cells.tolist()
    ]
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [None if value is None else str(value) for value in values]
    return pl.Series(name, values, strict=False)
