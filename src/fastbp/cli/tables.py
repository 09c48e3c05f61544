"""Tables: CSV and Parquet files, and the sets that come with scikit-learn, as polars data frames.

A frame from here has columns of numbers, booleans and text (`column_kind`); whatever else a Parquet file
holds is kept as it is and refused, with its name, where somebody wants to learn from it. CSV files are read
as text and understood by the rules of `_understood`, the same for every column and every row.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

BUNDLED_SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")

USABLE_KINDS = ("number", "boolean", "text")

# What people write for "no value" in a column of numbers. In a column of text it may be a category.
MISSING_MARKS = ["na", "n/a", "#n/a", "null", "none", "missing", "nil", "-", "--", "?", "."]

# What the reader says, and what it means to the owner of the file.
_REASONS = {
    "found more fields": "a row has more values than there are column names",
    "invalid utf-8": "it is not UTF-8 text",
}

_DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([T ]\d{1,2}:\d{2}.*)?$"


class TableError(ValueError):
    """Data that cannot be learnt from or predicted for; the message names the column and the row."""


class TableWarning(UserWarning):
    """Data that are used, but perhaps not in the way their owner thinks."""


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest to `name`; nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def is_bundled(source: str) -> bool:
    """Tell whether `source` names a set of scikit-learn: no path separator, no suffix, a known name."""
    return source in BUNDLED_SETS


def read_table(source: str, text_columns: Collection[str] = ()) -> pl.DataFrame:
    """Read a CSV or Parquet file, or a set that comes with scikit-learn.

    Parameters
    ----------
    source : str
        Name of a set (`BUNDLED_SETS`) or path of a file. A file that has the name of a set needs a suffix or
        a folder in its path, ``./iris``.
    text_columns : collection of str
        Columns of a CSV file that are text whatever they look like.

    Returns
    -------
    polars.DataFrame
        At least one row and one column.

    Raises
    ------
    TableError
        When there is no such file or set, or when it cannot be read.
    """
    frame = _read_bundled(source) if is_bundled(source) else _read_file(source, text_columns)
    if frame.height == 0 or frame.width == 0:
        raise TableError(f"{source!r} has no rows of data")
    return frame


def _read_bundled(name: str) -> pl.DataFrame:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    columns: dict[str, Any] = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    target = bunch.target
    if "target_names" in bunch and bunch.target_names[0] != 0:  # the names of the digits are the digits
        target = bunch.target_names[target].astype(str).tolist()
    return pl.DataFrame({**columns, "target": target})


def _read_file(source: str, text_columns: Collection[str]) -> pl.DataFrame:
    path = Path(source)
    if path.is_dir():
        raise TableError(f"{source!r} is a folder, not a CSV or Parquet file")
    try:
        return _read_format(path, text_columns)
    except FileNotFoundError:
        hint = nearest_hint(source, BUNDLED_SETS) or f" (sets: {', '.join(BUNDLED_SETS)})"
        raise TableError(f"there is no file and no data set {source!r}{hint}") from None
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except OSError as error:
        reason = error.strerror or str(error)
    except pl.exceptions.PolarsError as error:
        first_line = (str(error).splitlines() or ["it is broken"])[0]
        reason = next((ours for theirs, ours in _REASONS.items() if theirs in first_line), first_line)
    raise TableError(f"cannot read {source!r}: {reason}")


def _read_format(path: Path, text_columns: Collection[str]) -> pl.DataFrame:
    """Read a file in the format that its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(4096)
        header = head.partition(b"\n")[0] if b"\n" in head else head + file.readline()
    if head.startswith(b"PAR1"):
        return pl.read_parquet(path, glob=False)
    if b"\0" in head or head.startswith(b"\x1f\x8b"):
        raise TableError(f"{str(path)!r} is neither a CSV file (UTF-8 text) nor a Parquet file")
    if not head.strip():
        raise TableError(f"{str(path)!r} is empty")
    return _read_csv(path, header.decode("utf-8-sig"), text_columns)


def _read_csv(path: Path, header: str, text_columns: Collection[str]) -> pl.DataFrame:
    separator = next((s for s in ",;\t|" if s in header), ",")
    frame = pl.read_csv(path, separator=separator, infer_schema=False, glob=False)
    _warn_if_data(path, header.split(separator))
    frame = frame.rename(_stripped_names(frame.columns))
    return _without_blank_end(
        frame.select(
            pl.col(name).str.strip_chars().replace("", None) if name in text_columns else _understood(frame[name])
            for name in frame.columns
        )
    )


def _stripped_names(names: list[str]) -> dict[str, str]:
    """Return the names without the blanks around them, as long as they stay different."""
    stripped = [name.strip() for name in names]
    return dict(zip(names, stripped, strict=True)) if len(set(stripped)) == len(names) else {}


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the empty rows that blank lines at the end of a file make; others are missing values."""
    if frame.height == 0:
        return frame
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    return frame.head(int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0)


def _warn_if_data(path: Path, names: list[str]) -> None:
    """Warn of a first line of numbers, unless they count the columns (0, 1, 2 ... or 1, 2, 3 ...)."""
    clean = [name.strip().strip('"') for name in names]
    counted = [[str(k) for k in range(start, start + len(clean))] for start in (0, 1)]
    if clean not in counted and 2 * sum(_is_number(name) for name in clean) >= len(clean):
        warnings.warn(
            f"the first line of {str(path)!r} looks like data, but names the columns",
            TableWarning,
            stacklevel=2,
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _understood(text: pl.Series) -> pl.Series:
    """Turn a CSV column into booleans, integers or numbers if all its values can be read so.

    Blanks around a value do not count, an empty value is missing, and so is a missing mark
    (`MISSING_MARKS`) in a column whose other values are all numbers.
    """
    text = text.str.strip_chars().replace("", None)
    numbers = text.cast(pl.Float64, strict=False)
    others = text.filter(numbers.is_null()).drop_nulls().str.to_lowercase()
    n_numbers = len(text) - numbers.null_count()
    if n_numbers > 0 and others.is_in(MISSING_MARKS).all():
        integers = text.cast(pl.Int64, strict=False)
        return integers if integers.null_count() == numbers.null_count() else numbers
    if len(others) > 0 and n_numbers == 0 and others.is_in(["true", "false"]).all():
        return text.str.to_lowercase() == "true"
    return text


def column_kind(series: pl.Series) -> str:
    """Return "number", "boolean" or "text", or for other columns what they hold, "dates" for example."""
    dtype = series.dtype
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        return "dates or times"
    if dtype == pl.Null:
        return "text"  # not a single value: the message about missing ones is the better one
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        text = series.cast(pl.String).drop_nulls()
        return "dates" if len(text) and text.str.contains(_DATE).all() else "text"
    return f"values of type {dtype}"


def is_integer(series: pl.Series) -> bool:
    """Tell whether a column of numbers without missing values holds whole numbers only."""
    return series.dtype.is_integer() or bool((series == series.round(0)).all())


def check_columns(frame: pl.DataFrame) -> None:
    """Refuse a frame that cannot be learnt from.

    Parameters
    ----------
    frame : polars.DataFrame
        The columns to learn from, and the target.

    Raises
    ------
    TableError
        For a column of dates or of another unusable kind, and for a missing value.
    """
    for series in frame.iter_columns():
        kind = column_kind(series)
        if kind not in USABLE_KINDS:
            raise TableError(
                f"column {series.name!r} holds {kind}: numbers, booleans or text are needed "
                f"(make numbers of it, or leave it out with --drop {series.name!r})"
            )
    require_values(frame)


def require_values(frame: pl.DataFrame) -> None:
    """Raise a TableError for the first missing value: null, NaN or infinite."""
    masks = {series.name: missing_mask(series) for series in frame.iter_columns()}
    counts = {name: int(mask.sum()) for name, mask in masks.items() if mask.any()}
    if not counts:
        return
    name = next(iter(counts))
    row = int(np.flatnonzero(masks[name])[0])
    value = frame[name][row]
    what = "no value" if value is None else "NaN" if np.isnan(value) else f"{value}"
    total = sum(counts.values())
    where = f" ({total} such values in {len(counts)} column{'s' * (len(counts) > 1)})" if total > 1 else ""
    raise TableError(f"column {name!r} has {what} in row {row + 1}{where}: all values must be there and finite")


def missing_mask(series: pl.Series) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each row whether its value is null, NaN or infinite."""
    mask = series.is_null()
    if series.dtype.is_float():
        mask = mask | ~series.is_finite().fill_null(True)
    return mask.to_numpy()


def warn_of_row_numbers(frame: pl.DataFrame) -> None:
    """Warn of columns that only count the rows: a network would learn the order of the file."""
    count = pl.Series(np.arange(frame.height))
    for series in frame.iter_columns():
        if series.dtype.is_integer() and frame.height >= 10 and (series.cast(pl.Int64) - series[0] == count).all():
            warnings.warn(
                f"column {series.name!r} counts the rows; if it means nothing, --drop {series.name!r}",
                TableWarning,
                stacklevel=2,
            )


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as Parquet or CSV, as the suffix of `path` says."""
    write: Callable[[Path], Any] = frame.write_parquet if path.suffix == ".parquet" else frame.write_csv
    write(path)
