"""What is known of all rows of a table that is read in pieces: counts, means and ranges of columns, and of the target.

The kinds of columns, and medians, are those of a sample of the rows.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.cells.errors import TableError
from fastbp.tables.cells.kinds import Understood, as_text, understand
from fastbp.tables.cells.notation import is_missing_mark
from fastbp.tables.preparing.base_column import are_many
from fastbp.tables.preparing.columns import BooleanColumn, CategoryColumn, Column, NumberColumn
from fastbp.tables.preparing.encoder import Encoder, Values
from fastbp.tables.preparing.scaling import scale_of
from fastbp.tables.preparing.targets import ClassTarget, Target, label_text

MOST_TEXTS = 1 << 17  # of a column that are counted; of more, those that came once are forgotten


class ColumnCounts:
    """Counts of one column.

    Parameters
    ----------
    column : Column
        As the sample has it.
    """

    def __init__(self, column: Column) -> None:
        self._column = column
        self._n_rows, self._n, self._mean, self._squares = 0, 0, 0.0, 0.0
        self._low, self._high = np.inf, -np.inf
        self._texts: dict[str, int] = {}

    def add(self, series: pl.Series, values: NDArray[Any]) -> None:
        """Add some rows: as they were read, and as `Column.array` has them."""
        self._n_rows += len(series)
        if isinstance(self._column, CategoryColumn):
            self._add_texts(series)
            return
        given = values[~np.isnan(values)]
        if len(given) == 0:
            return
        n, mean = self._n + len(given), float(given.mean())
        shift = mean - self._mean
        self._squares += float(((given - mean) ** 2).sum()) + shift**2 * self._n * len(given) / n
        self._mean += shift * len(given) / n
        self._n = n
        self._low, self._high = min(self._low, float(given.min())), max(self._high, float(given.max()))

    def _add_texts(self, series: pl.Series) -> None:
        text = as_text(series)
        if text is None:
            return
        different = text.drop_nulls().value_counts(sort=False)
        marks = is_missing_mark(different[series.name], of_numbers=False)
        known = different[series.name].is_in(self._column.categories) if series.dtype == pl.String else ~marks  # type: ignore[union-attr]
        for value, count in different.filter(~marks | known).iter_rows():
            self._texts[value] = self._texts.get(value, 0) + count
            self._n += count
        if len(self._texts) > MOST_TEXTS:
            self._texts = {value: count for value, count in self._texts.items() if count > 1}

    @property
    def n_gaps(self) -> int:
        """Number of rows without a value."""
        return self._n_rows - self._n

    def column(self, max_levels: int) -> Column:
        """The column with what all rows tell of it."""
        column, gaps = self._column, are_many(self.n_gaps, self._n_rows)
        match column:
            case CategoryColumn():
                return CategoryColumn.of_counts(column.name, self._texts, max_levels, gaps=gaps)
            case BooleanColumn():
                return msgspec.structs.replace(column, indicator=gaps, fill=self._mean > 0.5)
            case NumberColumn() if self._n:
                mean, scale = scale_of(column.name, self._mean, float(np.sqrt(self._squares / self._n)))
                if column.scaling == "robust":  # quartiles are the sample's
                    mean, scale = column.mean, column.scale
                return msgspec.structs.replace(
                    column, indicator=gaps, mean=mean, scale=scale, low=self._low, high=self._high
                )
            case _:
                return msgspec.structs.replace(column, indicator=gaps or column.indicator)


class TargetCounts:
    """Counts of the target.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
        As the sample has it.
    column : Understood
        The first target of the sample.
    """

    def __init__(self, target: Target, column: Understood) -> None:
        self._target, self._column = target, column
        self._counts = np.zeros(target.n_outputs, np.int64)
        self._new: dict[str, int] = {}
        self.low = np.inf

    def see_classes(self, frame: pl.DataFrame, true: NDArray[Any]) -> None:
        """See which classes there are that the sample has not, also in rows that are held out."""
        target = self._target
        if not isinstance(target, ClassTarget) or not (true < 0).any():
            return
        text = as_text(frame[target.name])
        if text is not None:
            self._new |= dict.fromkeys(text.filter(pl.Series(true < 0)).unique().to_list(), 0)
        if len(self._new) > MOST_TEXTS:
            raise TableError(f"the target {target.name!r} has too many different values for classes")

    def add(self, frame: pl.DataFrame, true: NDArray[Any]) -> None:
        """Add training rows, all of which have the target; `true`: the numbers of their classes, or their numbers."""
        target = self._target
        if not isinstance(target, ClassTarget):
            self.low = min(self.low, float(true.min(initial=np.inf)))
            return
        self._counts += np.bincount(true[true >= 0], minlength=target.n_outputs)
        text = as_text(frame[target.name])
        if text is not None and (true < 0).any():
            for value, count in text.filter(pl.Series(true < 0)).value_counts(sort=False).iter_rows():
                self._new[value] += count

    def target(self) -> ClassTarget:
        """The target with all classes there are."""
        target = self._with_new_classes() if self._new else self._target
        assert isinstance(target, ClassTarget)
        return msgspec.structs.replace(target, majority=int(self.counts(target).argmax()))

    def _with_new_classes(self) -> ClassTarget:
        column = self._column
        text = as_text(column.values) if column.text is None else column.text
        assert text is not None
        whole = understand(pl.concat([text.cast(pl.String), pl.Series(text.name, list(self._new), dtype=pl.String)]))
        return ClassTarget.fit(whole, np.arange(len(text)))

    def counts(self, target: ClassTarget) -> NDArray[np.int64]:
        """How many training rows each class of a target has."""
        assert isinstance(self._target, ClassTarget)
        known = dict(zip(map(label_text, self._target.classes), self._counts.tolist(), strict=True))
        counts = np.zeros(target.n_outputs, np.int64)
        for texts in (known, self._new):
            if texts:
                codes = target.codes(pl.Series(target.name, list(texts), dtype=pl.String))
                np.add.at(counts, codes, np.array(list(texts.values()), np.int64))
        return counts


class Counts:
    """Counts of all columns and the target."""

    def __init__(self, encoder: Encoder, target: Target, column: Understood) -> None:
        self._columns = [ColumnCounts(found) for found in encoder.columns]
        self._names = [found.name for found in encoder.columns]
        self.target = TargetCounts(target, column)

    def add(self, frame: pl.DataFrame, values: Values, true: NDArray[Any]) -> None:
        """Add training rows: as they were read, as columns have them, and their targets."""
        for counts, name, read in zip(self._columns, self._names, values, strict=True):
            counts.add(frame[name], read)
        self.target.add(frame, true)

    def gaps(self) -> dict[str, int]:
        """Number of missing values of each column."""
        return {name: counts.n_gaps for name, counts in zip(self._names, self._columns, strict=True)}

    def encoder(self, max_levels: int) -> Encoder:
        """The encoder by all rows."""
        return Encoder(tuple(counts.column(max_levels) for counts in self._columns))
