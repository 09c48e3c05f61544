"""From a frame of any columns to the inputs of a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.columns import CategoryColumn, Column, NumberColumn, fit_column, warn_of_bad
from fastbp.tables.errors import TableError, TableWarning, nearest_hint, row_number, rows_named, shown
from fastbp.tables.kinds import MAX_LEVELS, Understood


@dataclass(frozen=True)
class Encoder:
    """The columns a network learns from, in the order of its inputs."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls, columns: Sequence[Understood], rows: NDArray[np.int64] | None = None, max_levels: int = MAX_LEVELS
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
        """
        fitted = []
        for column in columns:
            values = column.values if rows is None else column.values.gather(rows)
            fitted.append(fit_column(column, values, max_levels))
        return cls(tuple(fitted))

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
        self._require(frame.columns)
        X = np.empty((frame.height, self.n_inputs), dtype=np.float32)
        gaps: list[str] = []
        start = 0
        with warnings.catch_warnings():
            if not warn:
                warnings.simplefilter("ignore", TableWarning)
            for column in self.columns:
                n_inputs = len(column.inputs)
                with np.errstate(over="ignore"):
                    X[:, start : start + n_inputs] = self._encode(column, frame[column.name], clip, gaps)
                start += n_inputs
            if gaps:
                message = f"missing values were filled in: {', '.join(gaps)}"
                warnings.warn(message, TableWarning, stacklevel=2)
        self._require_finite(X, frame)
        return X

    def _encode(self, column: Column, series: pl.Series, clip: bool, gaps: list[str]) -> NDArray[Any]:
        values, bad = column.read(series)
        warn_of_bad(series, bad)
        if values.null_count():
            rows = values.is_null().arg_true().to_numpy()
            gaps.append(f"{column.name!r} {len(rows):,} ({rows_named(rows)})")
        if isinstance(column, NumberColumn):
            far, clipped = column.outside(values)
            if len(far):
                row = int(far[0])
                more = f" and {len(far) - 1:,} more" if len(far) > 1 else ""
                message = (
                    f"column {column.name!r}: {values[row]:.6g} in row {row_number(row)}{more} is far outside of the "
                    f"training range, {column.low:.6g} to {column.high:.6g}{': moved to its end' if clip else ''}"
                )
                warnings.warn(message, TableWarning, stacklevel=2)
            values = clipped if clip else values
        return column.encode(values)

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
            raise TableError(f"column {missing[0]!r} is missing, and the model needs it{others}{hint}")

    def _require_finite(self, X: NDArray[np.float32], frame: pl.DataFrame) -> None:
        """Values that are finite and yet, standardised, too large for float32."""
        if np.isfinite(X).all():
            return
        row, at = (int(k) for k in np.argwhere(~np.isfinite(X))[0])
        ends = np.cumsum([len(column.inputs) for column in self.columns])
        name = self.columns[int(np.searchsorted(ends, at, side="right"))].name
        raise TableError(
            f"column {name!r} has {shown(frame[name][row])} in row {row_number(row)}: too far from the training data"
        )
