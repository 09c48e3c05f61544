"""A column of dates or times as inputs of a network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from msgspec import Meta

from fastbp.tables.cells.dates import FEATURES, Layout, features, other_order, seconds_of_any, typed_seconds
from fastbp.tables.cells.errors import TableError, at_the_beginning
from fastbp.tables.cells.kinds import Understood, as_text, kind_of_type
from fastbp.tables.cells.notation import ascii_digits, is_missing_mark
from fastbp.tables.preparing.base_column import (
    BaseColumn,
    Floats,
    Read,
    many_gaps,
    require_finite,
    require_some,
    with_indicator,
)
from fastbp.tables.preparing.scaling import Scaling, centre_and_scale, scaled


class DateColumn(BaseColumn, frozen=True, tag="date", omit_defaults=True):
    """A column of dates or times: the numbers that `features` makes of them, scaled as those of a `NumberColumn`.

    `fill`, the median in seconds, stands for missing values; `first` and `last` are the ends of the training range
    (`last` is None in older files).
    """

    layout: Layout
    features: tuple[
        Literal["days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos"], ...
    ]
    means: tuple[float, ...]
    scales: tuple[Annotated[float, Meta(gt=0)], ...]
    first: Annotated[float, Meta(ge=-1e12, le=1e12)]
    fill: Annotated[float, Meta(ge=-1e12, le=1e12)]
    scaling: Scaling = "standard"
    last: Annotated[float, Meta(ge=-1e12, le=1e12)] | None = None

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.means) == len(self.scales) == len(set(self.features)):
            raise ValueError("features, means and scales must have one length")
        if not self.inputs:
            raise ValueError("features must not be empty")
        require_finite(**{f"means[{k}]": mean for k, mean in enumerate((*self.means, *self.scales))})

    @classmethod
    def fit(cls, column: Understood, values: pl.Series, scaling: Scaling = "standard") -> DateColumn:
        """Learn from the training rows' values which of the numbers vary."""
        seconds = pl.Series(typed_seconds(values)).fill_nan(None).drop_nulls().to_numpy()
        if len(seconds) == 0:
            return cls(column.name, True, column.layout, (), (), (), 0.0, 0.0, scaling)
        first, fill, last = (float(number) for number in (seconds.min(), np.median(seconds), seconds.max()))
        made = features(seconds, first)
        days = (pl.Series(seconds) * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.day()
        if (days == 1).all():  # months, not days
            made = {name: made[name] for name in made if not name.startswith("weekday")}
        if column.layout == "time":
            made = {name: made[name] for name in ("days", "hour_sin", "hour_cos")}
        learnt = {name: centre_and_scale(column.name, made[name], scaling) for name in FEATURES if name in made}
        used: dict[Any, tuple[float, float]] = {
            name: (mean, scale) for name, (mean, scale) in learnt.items() if scale > 1e-9
        }
        means, scales = tuple(mean for mean, _ in used.values()), tuple(scale for _, scale in used.values())
        gaps = many_gaps(values) or not used
        return cls(column.name, gaps, column.layout, tuple(used), means, scales, first, fill, scaling, last)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        names = [f"{self.name} {feature}" for feature in self.features]
        return (*names, f"{self.name} missing") if self.indicator else tuple(names)

    def read(self, series: pl.Series) -> Read:
        """Return seconds, null where missing; TableError where the column holds no dates."""
        if series.dtype.is_temporal() and series.dtype != pl.Duration:
            return Read(pl.Series(series.name, typed_seconds(series)).fill_nan(None))
        text = as_text(series)
        text = None if text is None else ascii_digits(text)
        if text is None or series.dtype == pl.Duration:
            raise TableError(f"column {series.name!r} held dates in training, now {kind_of_type(series.dtype)}")
        missing = is_missing_mark(text, of_numbers=True)
        layout: Layout = "year first" if self.layout == "typed" else self.layout
        given = text.zip_with(~missing, pl.Series([None], dtype=pl.String))
        if at_the_beginning() and (other := other_order(given, layout)):
            raise TableError(f"column {series.name!r} has {other}: in training it had the {layout}")
        seconds = pl.Series(series.name, seconds_of_any(given, layout)).fill_nan(None)
        bad = (seconds.is_null() & ~missing).arg_true().to_numpy().astype(np.int64)
        require_some(seconds, text, bad, f"dates ({layout})")
        return Read(seconds, bad)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the training range; None where all dates are one, or the range is not known."""
        return None if self.last is None or self.last == self.first else (self.first, self.last)

    def written(self, number: float) -> str:
        """Return seconds as a date, with the time where there is one."""
        moment = np.datetime64(0, "s") + np.timedelta64(round(number), "s")
        if self.layout == "time":
            return str(moment)[11:]
        return str(moment).removesuffix("T00:00:00")

    def encode(self, values: Floats) -> Floats:
        """Return (n_rows, n_inputs) of an `array`."""
        gaps = np.isnan(values)
        made = features(np.where(gaps, self.fill, values), self.first)
        columns = [
            scaled(made[name], mean, scale, self.scaling)
            for name, mean, scale in zip(self.features, self.means, self.scales, strict=True)
        ]
        encoded = np.column_stack(columns) if columns else np.empty((len(values), 0))
        return with_indicator(encoded, gaps, self.indicator)
