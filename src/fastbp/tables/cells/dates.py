"""Dates and times as people write them, and the numbers that are made of them.

A column has one layout. Where it leaves open whether the day or the month comes first, the whole column
decides, or the column is refused.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastbp.tables.cells.date_words import MONTHS, NO_YEAR, plainly
from fastbp.tables.cells.errors import TableError, row_number, shown

Floats = NDArray[np.float64]
DateOrder = Literal["day", "month"]
Layout = Literal[
    "year first", "day first", "month first", "named month", "month by name", "digits", "time", "typed", "quarter",
    "month and year", "week", "day of year",
]  # fmt: skip

DAY = 86400.0
_TIME = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s?([AaPp]\.?[Mm]\.?)?"
_ZONE = r"(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?|[A-Z]{3,4})"
_THEN_TIME = rf"(?:[T ,]+{_TIME}\s?{_ZONE}?)?$"
_NO_TIME = "()()()()()$"
# Groups: three parts of the date, in the order that the layout says, then hour, minute, second, half of the day, zone.
_PATTERNS: dict[str, str] = {
    "year first": rf"^(\d{{4}})[-/.](\d{{1,2}})(?:[-/.](\d{{1,2}}))?{_THEN_TIME}",
    "numbers": rf"^(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}|\d{{2}}){_THEN_TIME}",
    "named month": rf"^(\d{{1,2}})[-/. ]+(\p{{L}}{{3,12}})[-/., ]+(\d{{4}}|\d{{2}}){_THEN_TIME}",
    "month by name": rf"^(\p{{L}}{{3,12}})[-/. ]+(?:(\d{{1,2}})[-/., ]+)?(\d{{4}}|\d{{2}}){_THEN_TIME}",
    "digits": rf"^((?:18|19|20|21)\d{{2}})(\d{{2}})(\d{{2}}){_NO_TIME}",
    "time": rf"^()()(){_TIME}()$",
    "quarter": rf"^(\d{{4}})[-/ ]?[Qq]([1-4])(){_NO_TIME}",
    "day of year": rf"^((?:18|19|20|21)\d{{2}})-()([0-3]\d{{2}}){_NO_TIME}",
    "month and year": rf"^(\d{{1,2}})[-/.](1[5-9]\d{{2}}|2[01]\d{{2}})(){_NO_TIME}",
    "week": rf"^(\d{{4}})[- ]?[Ww](\d{{1,2}})(?:-?([1-7]))?{_NO_TIME}",
}
_UNMISTAKABLE: tuple[Layout, ...] = ("year first", "named month", "month by name", "digits")
_ORDER = {
    "year first": (0, 1, 2), "digits": (0, 1, 2), "time": (0, 1, 2), "named month": (2, 1, 0),
    "month by name": (2, 0, 1), "quarter": (0, 1, 2), "day first": (2, 1, 0), "month first": (2, 0, 1),
    "month and year": (1, 0, 2), "week": (0, 1, 2), "day of year": (0, 1, 2),
}  # fmt: skip
MONTH_AND_YEAR = r"^(?:0[1-9]|1[0-2])\.(?:19|20)\d{2}$"  # which would be a number, too
_INCOMPLETE = rf"^(?:0[1-9]|[12]\d|3[01])/\d{{2}}$|{NO_YEAR}"
_CENTURY = 40  # years of two digits lie in 1940 to 2039
_SAMPLE = 300
_PERHAPS = 0.5  # of the first values, that look like dates in a column of dates


class Found(NamedTuple):
    """A layout of dates, what was decided, in words, and the column in seconds (NaN: no date)."""

    layout: Layout
    said: str
    seconds: Floats


def seconds_of(text: pl.Series, layout: Layout) -> Floats:
    """Return seconds since 1970 in UTC, or since midnight for times; NaN where a value is no date of this layout."""
    different = text.unique()
    if 2 * len(different) > len(text):
        return _seconds_of_each(text, layout)
    seconds = pl.Series(_seconds_of_each(different, layout), dtype=pl.Float64)
    return text.replace_strict(different, seconds, return_dtype=pl.Float64).to_numpy()


def seconds_of_any(text: pl.Series, layout: Layout) -> Floats:
    """Return the seconds of a column that had a layout before, also of values that leave nothing open otherwise."""
    seconds = seconds_of(text, layout)
    for other in _UNMISTAKABLE if layout != "time" else ():
        left = np.isnan(seconds) & text.is_not_null().to_numpy()
        if not left.any():
            break
        seconds = seconds.copy()
        seconds[left] = seconds_of(text.filter(pl.Series(left)), other)
    return seconds


def other_order(text: pl.Series, layout: Layout) -> str:
    """Say where the month must come first in a column in which the day did, or the day; nothing where either may."""
    pair: dict[Layout, Layout] = {"day first": "month first", "month first": "day first"}
    if layout not in pair:
        return ""
    same, other = (np.isfinite(seconds_of(text, one)) for one in (layout, pair[layout]))
    if not (other & ~same).any() or (same & ~other).any():
        return ""
    row = int(np.argmax(other & ~same))
    return f"{shown(text[row])} in row {row_number(row)}, with the {pair[layout]}"


def _seconds_of_each(text: pl.Series, layout: Layout) -> Floats:
    name = "numbers" if layout in ("day first", "month first") else layout
    groups = plainly(text).str.extract_groups(_PATTERNS[name]).struct.unnest()
    matched = (groups.to_series(0 if name != "time" else 3).is_not_null()).to_numpy()
    time = _seconds_of_day(groups)
    if layout == "time":
        return np.where(matched & (time < DAY), time, np.nan)
    parts = [groups.to_series(k) for k in _ORDER[layout]]
    days = _days_of(parts, layout)
    return np.where(matched & (time < DAY), days * DAY + time - _offsets(groups.to_series(7)), np.nan)


def _days_of(parts: list[pl.Series], layout: Layout) -> Floats:
    """Return days since 1970 of years, months (or what stands for them) and days."""
    year, month, day = map(_whole, parts)
    short = parts[0].str.len_chars().fill_null(4).to_numpy() == 2
    year = np.where(short, np.where(year < _CENTURY, 2000, 1900) + year, year)
    day = np.where((parts[2].fill_null("") == "").to_numpy(), 1, day)
    if layout == "week":
        return _days_of_weeks(year, month, day)
    if layout == "day of year":
        first, next_first = (_days(one, np.ones_like(one), np.ones_like(one)) for one in (year, year + 1))
        return np.where((day >= 1) & (first + day <= next_first), first + day - 1, np.nan)
    if layout == "quarter":
        month = 3 * month - 2
    if layout in ("named month", "month by name"):
        names = parts[1].str.slice(0, 3).str.to_lowercase()
        month = names.replace_strict(MONTHS, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
    return _days(year, month, day)


def _days_of_weeks(year: NDArray[np.int64], week: NDArray[np.int64], day: NDArray[np.int64]) -> Floats:
    """Return days since 1970 of ISO weeks, which begin on Mondays; the first one of a year has the 4th of January."""
    fourth = _days(year, np.ones_like(year), np.full_like(year, 4))
    monday = fourth - (fourth + 3) % 7 + 7 * (week - 1)  # 1970 began on a Thursday
    next_fourth = _days(year + 1, np.ones_like(year), np.full_like(year, 4))
    right = (week >= 1) & (monday < next_fourth - (next_fourth + 3) % 7)
    return np.where(right, monday + day - 1, np.nan)


def _offsets(zones: pl.Series) -> Floats:
    """Return by how many seconds local time is ahead of UTC; 0 where the zone has a name, or there is none."""
    parts = zones.str.extract_groups(r"^([+-])(\d{2}):?(\d{2})?$").struct.unnest()
    hours, minutes = _whole(parts.to_series(1)), _whole(parts.to_series(2))
    sign = np.where((parts.to_series(0) == "-").fill_null(False).to_numpy(), -1.0, 1.0)
    offsets: Floats = sign * (hours * 3600.0 + minutes * 60.0)
    return offsets


def _whole(part: pl.Series) -> NDArray[np.int64]:
    return part.cast(pl.Int64, strict=False).fill_null(0).to_numpy()


def _seconds_of_day(groups: pl.DataFrame) -> Floats:
    hour, minute, second = (_whole(groups.to_series(k)) for k in (3, 4, 5))
    half = groups.to_series(6).str.slice(0, 1).str.to_lowercase().fill_null("")
    twelve = (half != "").to_numpy()
    hour = np.where(twelve, hour % 12 + 12 * (half == "p").to_numpy(), hour)
    return (hour * 3600 + minute * 60 + second).astype(np.float64)


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> Floats:
    """Return days since 1970; NaN for what is in no calendar."""
    right = (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1) & (year <= 9999)
    months = (np.where(right, year, 1970) - 1970) * 12 + np.where(right, month, 1) - 1
    first = months.astype("datetime64[M]")
    date = first.astype("datetime64[D]") + (np.where(right, day, 1) - 1).astype("timedelta64[D]")
    right &= date.astype("datetime64[M]") == first
    return np.where(right, date.astype(np.int64), np.nan)


def find_dates(name: str, text: pl.Series, order: DateOrder | None, digits: bool = False) -> Found | None:
    """Find the layout in which nearly all values of a column are dates or times.

    Parameters
    ----------
    name : str
        Of the column, for the error.
    text : polars.Series of str
        The column; nulls are skipped.
    order : "day", "month" or None
        What comes first in 1/5/20; None leaves it to the column.
    digits : bool
        Whether 20200131 may be a date.

    Returns
    -------
    Found or None

    Raises
    ------
    TableError
        When the column leaves open what comes first.
    """
    values = text.drop_nulls()
    sample = plainly(values.head(_SAMPLE))
    for kind, pattern in _PATTERNS.items():
        if len(sample) == 0 or (kind == "digits" and not digits):
            continue
        if sample.str.contains(pattern).mean() < 0.8:  # type: ignore[operator]  # of a column of booleans: a float
            continue
        found = _numbered(name, text, order) if kind == "numbers" else Found(kind, "", seconds_of(text, kind))  # type: ignore[arg-type]
        found = found._replace(
            said=", ".join(filter(None, [found.said, _said_of_zones(sample), _said_of_years(sample, kind)]))
        )
        if np.isfinite(found.seconds).sum() >= (1.0 if digits else 0.9) * len(values):
            return found
    return None


def _said_of_years(sample: pl.Series, kind: str) -> str:
    """Say in which century years of two digits lie."""
    if kind not in ("numbers", "named month", "month by name"):
        return ""
    year = sample.str.extract(_PATTERNS[kind], 3)
    return f"years of two digits are 19{_CENTURY} to 20{_CENTURY - 1}" if (year.str.len_chars() == 2).any() else ""


def _said_of_zones(sample: pl.Series) -> str:
    """Say what becomes of offsets from UTC."""
    offset = sample.str.contains(r":\d{2}(?:[.,]\d+)?\s?[+-]\d{2}(?::?\d{2})?$")
    if not offset.any():
        return ""
    return "in UTC" if offset.all() else "in UTC, by their offsets; what has none is taken as UTC"


def unread_dates(text: pl.Series) -> str:
    """Say why a column of which most values look like dates or times is none; nothing for other columns.

    Parameters
    ----------
    text : polars.Series of str
        A column of which `find_dates` made nothing; nulls are skipped.
    """
    n_given = len(text) - text.null_count()
    if _share_of_dates(text.drop_nulls().head(_SAMPLE)) < _PERHAPS:
        return ""
    incomplete = text.str.contains(_INCOMPLETE).fill_null(False)
    if incomplete.sum() >= 0.8 * n_given:
        row = int(incomplete.arg_true()[0])
        return (
            f"{shown(text[row])} in row {row_number(row)} may be a date without its year, or without its day: taken "
            "for text. Write years with four digits"
        )
    plain = plainly(text)
    ways = {
        kind: plain.str.contains(pattern).fill_null(False) for kind, pattern in _PATTERNS.items() if kind != "digits"
    }
    used = {kind: rows.arg_true() for kind, rows in ways.items() if rows.any()}
    return "" if sum(map(len, used.values())) < 0.8 * n_given else _why_unread(text, used)


def _why_unread(text: pl.Series, used: dict[str, pl.Series]) -> str:
    """Say why dates are not read, of which these rows are written in each way."""
    if set(used) == {"time"}:
        late = int(np.argmin(np.isfinite(seconds_of(text, "time"))))
        return (
            f"{shown(text[late])} in row {row_number(late)} is no time of day: the column is taken for text. "
            "Write durations as numbers, of hours or minutes"
        )
    if set(used) == {"numbers"}:
        return _mixed_order(text)
    if len(used) == 1:
        first = int(next(iter(used.values()))[0])
        where = f"{shown(text[first])} in row {row_number(first)}"
        return f"values look like dates ({where}), but too many are none: taken for text"
    examples = ", ".join(
        f"{shown(text[row])} in row {row_number(row)}" for row in sorted(int(rows[0]) for rows in used.values())
    )
    return f"dates or times are written in several ways ({examples}): taken for text. Write all of them in one way"


def _share_of_dates(values: pl.Series) -> float:
    """Return how many of some values look like dates, or like parts of them."""
    patterns = [pattern for kind, pattern in _PATTERNS.items() if kind != "digits"]
    plain = plainly(values)
    like = pl.select(pl.any_horizontal(plain.str.contains(one) for one in (*patterns, _INCOMPLETE))).to_series()
    share = like.mean()
    return share if isinstance(share, float) else 0.0


def _mixed_order(text: pl.Series) -> str:
    """Say in which rows the day must come first, and in which the month."""
    day, month = (np.isfinite(seconds_of(text, layout)) for layout in ("day first", "month first"))
    only = [int(np.argmax(one & ~other)) for one, other in ((day, month), (month, day))]
    return (
        f"the day comes first in some dates ({shown(text[only[0]])} in row {row_number(only[0])}), the month in others "
        f"({shown(text[only[1]])} in row {row_number(only[1])}): taken for text. Write all of them in one way"
    )


def _numbered(name: str, text: pl.Series, order: DateOrder | None) -> Found:
    """Decide whether the day or the month comes first."""
    day, month = (seconds_of(text, layout) for layout in ("day first", "month first"))
    if order is not None:
        return Found("day first", "", day) if order == "day" else Found("month first", "", month)
    n_day, n_month = (int(np.isfinite(seconds).sum()) for seconds in (day, month))
    dots = bool(plainly(text.drop_nulls()).str.contains(r"^\d{1,2}\.").all())
    if n_day != n_month:
        return Found("day first", "the day comes first", day) if n_day > n_month else Found(
            "month first", "the month comes first", month)  # fmt: skip
    if dots or np.array_equal(day, month, equal_nan=True):
        return Found("day first", "the day comes first, as with dots", day)
    rising = [_runs_one_way(seconds) for seconds in (day, month)]
    if rising[0] != rising[1]:
        layout: Layout = "day first" if rising[0] else "month first"
        first = layout.partition(" ")[0]
        return Found(layout, f"the {first} comes first: only so the rows are in order", day if rising[0] else month)
    value = text.drop_nulls()[0]
    raise TableError(
        f"column {name!r} has dates such as {shown(value)}, and no row tells whether the day or the month comes first: "
        f"say it with --dates day-first or --dates month-first, or leave it out with --drop {name!r}"
    )


def _runs_one_way(seconds: Floats) -> bool:
    steps = np.diff(seconds[np.isfinite(seconds)])
    return len(steps) >= 5 and bool((steps >= 0).all() or (steps <= 0).all())


def typed_seconds(series: pl.Series) -> Floats:
    """Return a column of dates, times of day or durations in seconds; NaN where there is none."""
    if series.dtype == pl.Time:
        seconds: Any = series.cast(pl.Int64).cast(pl.Float64) / 1e9
    elif series.dtype == pl.Duration:
        seconds = series.dt.total_microseconds().cast(pl.Float64) / 1e6
    else:
        zone = getattr(series.dtype, "time_zone", None)
        in_utc = series if zone is None else series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        seconds = in_utc.cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64) / 1e6
    found: Floats = seconds.fill_null(float("nan")).to_numpy()
    return found


# --- the numbers that are made of them --------------------------------------------------------------------

FEATURES = ("days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos")


def features(seconds: Floats, first: float) -> dict[str, Floats]:
    """Return for each row days since the first, the year, and season, weekday and hour as points on a circle."""
    hour: Floats = seconds % DAY / DAY
    made: dict[str, Any] = {"days": (seconds - first) / DAY}
    made |= _of_days(np.floor(seconds / DAY).astype(np.int64))
    made |= _circle("hour", hour) if hour.any() else {"hour_sin": np.zeros(len(hour)), "hour_cos": np.ones(len(hour))}
    return made


def _of_days(days: NDArray[np.int64]) -> dict[str, Floats]:
    """Return what is the same for a whole day; of fewer days than rows a table is made, and looked up in."""
    low, high = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    if high - low < len(days):
        return {name: numbers[days - low] for name, numbers in _of_each_day(np.arange(low, high + 1)).items()}
    return _of_each_day(days)


def _of_each_day(days: NDArray[np.int64]) -> dict[str, Floats]:
    dates = days.astype("datetime64[D]")
    years = dates.astype("datetime64[Y]")
    day_of_year = (dates - years.astype("datetime64[D]")).astype(np.int64)
    return {
        "year": 1970.0 + years.astype(np.int64).astype(np.float64),
        **_circle("season", day_of_year / 365.25),
        **_circle("weekday", (days + 3) % 7 / 7),  # 1970 began on a Thursday
    }


def _circle(name: str, turn: Floats) -> dict[str, Floats]:
    return {f"{name}_sin": np.sin(2 * np.pi * turn), f"{name}_cos": np.cos(2 * np.pi * turn)}
