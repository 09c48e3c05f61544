"""From a frame of any columns to the inputs of a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.cells.choices import MAX_LEVELS
from fastbp.tables.cells.errors import TableError, TableWarning, listed, nearest_hint, row_number, rows_named
from fastbp.tables.cells.kinds import Understood
from fastbp.tables.preparing.columns import CategoryColumn, Column, NumberColumn, fit_column, warn_of_bad
from fastbp.tables.preparing.parallel import for_each
from fastbp.tables.preparing.scaling import Scaling
from fastbp.tables.reading.naming import made_names

_CACHED = 1 << 18  # numbers, 1 MB
_FEWEST_ROWS = 2048
FAR = 0.5  # of the training range: how far outside of it a value is worth a warning

Values = tuple[NDArray[Any], ...]  # of each column, as its `array` returns them


@dataclass(frozen=True)
class Encoder:
    """The columns a network learns from, in the order of its inputs."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls,
        columns: Sequence[Understood],
        rows: NDArray[np.int64] | None = None,
        max_levels: int = MAX_LEVELS,
        scaling: Scaling = "standard",
    ) -> Encoder:
        """Learn from the training rows of columns that were understood.

        Parameters
        ----------
        columns : sequence of Understood
            Those that are used.
        rows : array of int, optional
            The training rows; all of them when left out.
        max_levels : int
            Categories of a column at most; the rarer ones together are one more.
        scaling : "standard" or "robust"
            How numbers are scaled, see `scaling.centre_and_scale`.
        """

        def fit_one(column: Understood) -> Column:
            values = column.values if rows is None else column.values.gather(rows)
            return fit_column(column, values, max_levels, scaling)

        return cls(tuple(for_each(fit_one, columns, len(columns[0].values) if columns else 0)))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the network's inputs."""
        return tuple(name for column in self.columns for name in column.inputs)

    @property
    def n_inputs(self) -> int:
        """Number of the network's inputs."""
        return len(self.inputs)

    def encode(self, frame: pl.DataFrame, *, clip: bool = False, warn: bool = True) -> NDArray[np.float32]:
        """Return the inputs (n_rows, n_inputs), float32; columns of `frame` that are not needed are ignored.

        Parameters
        ----------
        frame : polars.DataFrame
            As it was read, or as it was understood.
        clip : bool
            Whether numbers outside of the training range are moved to its ends.
        warn : bool
            Whether to warn of what is missing, far outside, or not known.

        Raises
        ------
        TableError
            For a column that is not there, or of the wrong kind.
        """
        return self.encode_read(self.read(frame, clip=clip, warn=warn))

    def read(self, frame: pl.DataFrame, *, clip: bool = False, warn: bool = True) -> Values:
        """Return the values of all columns as `encode_read` takes them; parameters and errors are those of `encode`."""
        self._require(frame.columns)
        gaps: list[str] = []
        with warnings.catch_warnings():
            if not warn:
                warnings.simplefilter("ignore", TableWarning)
            read = tuple(
                column.array(self._read(column, frame[column.name], clip, warn, gaps)) for column in self.columns
            )
            if gaps:
                message = f"missing values were filled in: {', '.join(gaps)}"
                warnings.warn(message, TableWarning, stacklevel=2)
        return read

    def encode_read(self, read: Values, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Return the inputs of what was read, or of some of its rows.

        Rows are encoded in parts that stay in the cache while one column after the other is written into them.
        """
        X = np.empty((len(read[0] if rows is None else rows), self.n_inputs), dtype=np.float32)
        n_rows = max(_FEWEST_ROWS, _CACHED // self.n_inputs)

        def encode_part(start: int) -> None:
            part = slice(start, start + n_rows)
            self._fill(X[part], [values[part if rows is None else rows[part]] for values in read])
            if not np.isfinite(X[part]).all():
                row, at = (int(k) for k in np.argwhere(~np.isfinite(X[part]))[0])
                row = start + row if rows is None else int(rows[start + row])
                self._refuse_infinite(row, at, read)

        for_each(encode_part, range(0, len(X), n_rows), len(X))
        return X

    def _fill(self, X: NDArray[np.float32], read: Sequence[NDArray[Any]]) -> None:
        start = 0
        for column, values in zip(self.columns, read, strict=True):
            n_inputs = len(column.inputs)
            with np.errstate(over="ignore"):
                X[:, start : start + n_inputs] = column.encode(values)
            start += n_inputs

    def _read(self, column: Column, series: pl.Series, clip: bool, warn: bool, gaps: list[str]) -> pl.Series:
        """Return the values of a column; warn of what is odd in it, and add to `gaps` how many are missing."""
        values, bad, unseen = column.read(series)
        warn_of_bad(series, bad)
        if values.null_count():
            rows = values.is_null().arg_true().to_numpy()
            gaps.append(f"{column.name!r} {len(rows):,} ({rows_named(rows)})")
        if unseen:
            message = f"column {column.name!r}: not seen in training: {listed(unseen)} (encoded as zeros)"
            warnings.warn(message, TableWarning, stacklevel=2)
        if column.ends is not None and (clip or warn):
            _warn_of_far(column, values, column.ends, clip)
            values = values.clip(*column.ends) if clip else values
        return values

    @property
    def plain_numbers(self) -> set[str]:
        """Names of the columns of which numbers say all that there is to say, without a unit or another notation."""
        numbers = (column for column in self.columns if isinstance(column, NumberColumn))
        return {n.name for n in numbers if n.notation.plain and n.notation.units in (None, ("",))}

    @property
    def text_columns(self) -> set[str]:
        """Names of the columns of categories."""
        return {column.name for column in self.columns if isinstance(column, CategoryColumn)}

    def _require(self, names: Iterable[str]) -> None:
        known = list(names)
        missing = [column.name for column in self.columns if column.name not in set(known)]
        if missing:
            others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            hint = nearest_hint(missing[0], known)
            if known == made_names(len(known)):
                hint = ": the table has no line of names (--header: the first line is one)"
            raise TableError(f"column {missing[0]!r} is missing, and the model needs it{others}{hint}")

    def _refuse_infinite(self, row: int, at: int, read: Values) -> NoReturn:
        """Name a value that is finite and yet, standardised, too large for float32: in a row, of an input."""
        ends = np.cumsum([len(column.inputs) for column in self.columns])
        place = int(np.searchsorted(ends, at, side="right"))
        name, value = self.columns[place].name, float(read[place][row])
        raise TableError(f"column {name!r} has {value!r} in row {row_number(row)}: too far from the training data")


def _warn_of_far(column: Column, values: pl.Series, ends: tuple[float, float], clip: bool) -> None:
    """Warn of values far outside of the training range."""
    low, high = ends
    margin = FAR * (high - low)
    far = ((values < low - margin) | (values > high + margin)).fill_null(False).arg_true()
    if len(far):
        row = int(far[0])
        more = f" and {len(far) - 1:,} more" if len(far) > 1 else ""
        where = f"{column.written(values[row])} in row {row_number(row)}{more}"
        message = (
            f"column {column.name!r}: {where} is far outside of the training range, {column.written(low)} to "
            f"{column.written(high)}{': moved to its end' if clip else ''}"
        )
        warnings.warn(message, TableWarning, stacklevel=2)
