"""Checks of what users pass in. Each error names the argument, what was expected and what came."""

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def name_of(value: object, known: Iterable[str], argument: str) -> str:
    """`value` if it is one of the `known` names; otherwise an error with the nearest one."""
    names = sorted(known)
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a name, one of {', '.join(names)}; got {_describe(value)}")
    if value not in names:
        nearest = difflib.get_close_matches(value, names, 1, 0.5)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"{argument} must be one of {', '.join(names)}; got {value!r}{hint}")
    return value


def integer(value: object, argument: str, *, minimum: int) -> int:
    """`value` as an int of at least `minimum`."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be an integer; got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{argument} must be an integer; got {_describe(value)}") from None
    if number < minimum:
        raise ValueError(f"{argument} must be at least {minimum}; got {number}")
    return number


def number(value: object, argument: str, *, low: float = 0.0, high: float = np.inf, low_open: bool = False) -> float:
    """`value` as a finite float in [low, high), or (low, high)."""
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"{argument} must be a number; got {value!r}")
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{argument} must be a number; got {_describe(value)}") from None
    inside = (low < result if low_open else low <= result) and result < high
    if not inside:
        bounds = f"{'above' if low_open else 'at least'} {low:g}" + (f" and below {high:g}" if high < np.inf else "")
        raise ValueError(f"{argument} must be {bounds} and finite; got {result:g}")
    return result


def float_dtype(dtype: object) -> np.dtype:
    """float32 or float64, in native byte order."""
    try:
        checked = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"dtype must be 'float32' or 'float64'; got {dtype!r}") from None
    if dtype is None or checked not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")
    return np.dtype(str(checked.name))


def flag(value: object, argument: str) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False; got {_describe(value)}")
    return bool(value)


def matrix(values: object, argument: str, n_columns: int, dtype: np.dtype, columns: str) -> Array:
    """`values` as a finite, C-contiguous array (n, n_columns) of `dtype`; from a 1-D one if it has one column."""
    array = _numeric(values, argument)
    if array.ndim == 1 and n_columns == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != n_columns:
        also = ", or (n_samples,)" if n_columns == 1 else ""
        raise ValueError(
            f"{argument} must have shape (n_samples, {n_columns}){also}: the network has {n_columns} {columns}; "
            f"got shape {array.shape}"
        )
    if len(array) == 0:
        raise ValueError(f"{argument} must have at least one sample; got shape {array.shape}")
    return finite(array, argument, dtype)


def finite(array: Array, argument: str, dtype: np.dtype) -> Array:
    """`array` as a C-contiguous one of `dtype`; an error names the first number that is not finite there."""
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
    # One pass without temporaries: a sum is finite only if every term is (or if it overflows: then look).
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(converted.sum()) and not np.isfinite(converted).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(converted))[0])
            raise ValueError(
                f"{argument} must be finite in {dtype.name}; {argument}[{', '.join(map(str, place))}] "
                f"is {np.asarray(array)[place]}"
            )
    return converted


def vector(values: object, argument: str, length: int, dtype: np.dtype) -> Array:
    """`values` as a 1-D array of `length` finite numbers."""
    array = _numeric(values, argument)
    if array.shape != (length,):
        raise ValueError(f"{argument} must have shape ({length},); got shape {array.shape}")
    return finite(array, argument, dtype)


def rows(values: object, argument: str, shape: tuple[int, int], dtype: np.dtype, columns: str) -> Array:
    """`values` as finite numbers of the shape (n_samples, n_columns); a single row, 1-D, stands for all of them."""
    if _numeric(values, argument).ndim == 1:
        row = vector(values, argument, shape[1], dtype)
        return np.ascontiguousarray(np.broadcast_to(row, shape))
    array = matrix(values, argument, shape[1], dtype, columns)
    if len(array) != shape[0]:
        raise ValueError(f"{argument} must have a row for each sample, {shape[0]}; got {len(array)}")
    return array


def sample_weights(values: object, argument: str, n_samples: int, dtype: np.dtype) -> Array:
    """Weights of the samples, none negative; an empty array for None."""
    if values is None:
        return np.empty(0, dtype)
    weights = vector(values, argument, n_samples, dtype)
    if (weights < 0).any():
        n = int(np.argmax(weights < 0))
        raise ValueError(f"{argument} must not be negative; {argument}[{n}] is {weights[n]}")
    return weights


def _numeric(values: object, argument: str) -> Array:
    if values is None or isinstance(values, str | bytes | dict | set):
        raise TypeError(f"{argument} must be an array of numbers; got {_describe(values)}")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{argument} must have no masked values; got {int(np.ma.getmaskarray(values).sum())} of them")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{argument} must be an array of numbers with rows of one length; {error}") from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{argument} must hold numbers only; got an array of Python objects") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{argument} must hold real numbers; got an array of {array.dtype}")
    return array


def _describe(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"
