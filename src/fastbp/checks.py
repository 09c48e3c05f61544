"""Checks of what users pass in. Each error names the argument, what was expected and what came."""

import mmap
import operator
import os
import warnings
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastbp import memory, other_names

Array = NDArray[Any]

SMALL = 1 << 12  # numbers of an array that are looked at one by one: setting NumPy's errors takes longer
LARGE_COPY = 1 << 24  # bytes of a user's array from which on a copy of it is looked at
LARGEST = 2**63 - 1  # of an integer that counts something
# What float() may take, and what is no real number all the same.
NOT_REAL = (bool, np.bool_, str, bytes, np.flexible, complex, np.complexfloating, np.datetime64, np.timedelta64)


def name_of(value: object, known: Iterable[str], argument: str) -> str:
    """`value` if it is one of the `known` names; otherwise an error with the nearest one."""
    names = tuple(known)
    if isinstance(value, str) and value in names:
        return value
    names = tuple(sorted(names))
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a name, one of {', '.join(names)}; got {described(value)}")
    nearest = other_names.nearest(value, names)
    hint = f"; did you mean {nearest!r}?" if nearest else ""
    raise ValueError(f"{argument} must be one of {', '.join(names)}; got {value!r}{hint}")


def integer(value: object, argument: str, *, minimum: int, maximum: float = LARGEST) -> int:
    """`value` as an int from `minimum` to `maximum`."""
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{argument} must be an integer; got {described(value)}")
    if number < minimum:
        raise ValueError(f"{argument} must be at least {minimum}; got {described(number)}")
    if number > maximum:
        raise ValueError(f"{argument} must be at most {maximum}; got {described(number)}")
    return number


def number(value: object, argument: str, *, low: float = 0.0, high: float = np.inf, low_open: bool = False) -> float:
    """`value` as a finite float in [low, high), or (low, high)."""
    is_plain = type(value) is float or type(value) is int  # as most are: no need to ask what else they may be
    if not is_plain and (isinstance(value, NOT_REAL) or (hasattr(value, "ndim") and not _is_real_number(value))):
        raise TypeError(f"{argument} must be a number; got {described(value)}")
    try:
        result = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise _out_of_bounds(argument, described(value), low, high, low_open) from None
    except Exception:  # what another library's number may raise
        raise TypeError(f"{argument} must be a number; got {described(value)}") from None
    inside = (low < result if low_open else low <= result) and result < high
    if not inside:
        raise _out_of_bounds(argument, f"{result:g}", low, high, low_open)
    return result


def _out_of_bounds(argument: str, got: str, low: float, high: float, low_open: bool) -> ValueError:
    bounds = f"{'above' if low_open else 'at least'} {low:g}" + (f" and below {high:g}" if high < np.inf else "")
    return ValueError(f"{argument} must be {bounds} and finite; got {got}")


def items(values: object, argument: str, expected: str) -> list[Any]:
    """What a sequence, or anything else with an order to iterate in, holds."""
    try:
        if not isinstance(values, str | bytes | dict | set | frozenset):
            return list(values)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        pass
    raise TypeError(f"{argument} must be {expected}; got {described(values)}")


def file_path(value: object, argument: str = "path") -> str:
    """`value` as the path of a file."""
    if not isinstance(value, str | os.PathLike) or not isinstance(path := os.fspath(value), str):
        raise TypeError(f"{argument} must be a string or a path; got {described(value)}")
    if not path or "\0" in path:
        raise ValueError(f"{argument} must be the name of a file; got {path!r}")
    return path


def float_dtype(dtype: object, argument: str = "dtype") -> np.dtype:
    """float32 or float64, in native byte order."""
    try:
        checked = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{argument} must be 'float32' or 'float64'; got {described(dtype)}") from None
    if dtype is None or checked not in (np.float32, np.float64):
        raise ValueError(f"{argument} must be 'float32' or 'float64'; got {described(dtype)}")
    return np.dtype(str(checked.name))


def flag(value: object, argument: str) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False; got {described(value)}")
    return bool(value)


def matrix(values: object, argument: str, n_columns: int, dtype: np.dtype, columns: str) -> Array:
    """`values` as a finite, C-contiguous array (n, n_columns) of `dtype`; from a 1-D one if it has one column."""
    array = numeric(values, argument)
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
    is_as_wanted = array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
    if is_as_wanted and array.size <= SMALL and np.isfinite(array).all():
        return np.ascontiguousarray(array)
    if array.nbytes >= LARGE_COPY and (array.dtype != dtype or not array.flags.c_contiguous):
        _announce_copy(array, argument, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
        if not converted.flags.aligned:
            converted = converted.copy()
        # One pass without temporaries: a sum is finite only if every term is (or if it overflows: then look).
        if not np.isfinite(converted.sum()) and not np.isfinite(converted).all():
            _raise_not_finite(array, converted, argument)
    return converted


def _announce_copy(array: Array, argument: str, dtype: np.dtype) -> None:
    """Refuse a copy for which there is no memory; warn of one of a memory map, which was to be none."""
    n_bytes = array.size * dtype.itemsize
    memory.check_copy(n_bytes, argument, dtype.name)
    if _is_mapped(array):
        kind = f"of {array.dtype.name}" if array.dtype != dtype else "that is not C-contiguous"
        warnings.warn(
            f"{argument} is a memory map {kind}: its copy in {dtype.name} takes {n_bytes:,} bytes of memory. A "
            f"C-contiguous map of {dtype.name} is read where it is; so is one of float32 by a network of that dtype",
            RuntimeWarning,
            stacklevel=5,
        )


def _is_mapped(array: Any) -> bool:
    """Whether an array's numbers stand in a file."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap | mmap.mmap)


def _raise_not_finite(array: Array, converted: Array, argument: str) -> NoReturn:
    """Raise the error for the first number that is not finite, or not in the dtype that it was converted to."""
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(converted))[0])
    where, dtype = f"{argument}[{', '.join(map(str, place))}]", converted.dtype
    if np.isfinite(array[place]):
        largest = f"the largest number of {dtype.name} is {np.finfo(dtype).max:.3g}"
        raise ValueError(f"{argument} must be finite in {dtype.name}; {where} is {array[place]!s}, {largest}")
    raise ValueError(f"{argument} must be finite in {dtype.name}; {where} is {array[place]!s}")


def vector(values: object, argument: str, length: int, dtype: np.dtype) -> Array:
    """`values` as a 1-D array of `length` finite numbers."""
    array = numeric(values, argument)
    if array.shape != (length,):
        raise ValueError(f"{argument} must have shape ({length},); got shape {array.shape}")
    return finite(array, argument, dtype)


def rows(values: object, argument: str, shape: tuple[int, int], dtype: np.dtype, columns: str) -> Array:
    """`values` as finite numbers of the shape (n_samples, n_columns); a single row, 1-D, stands for all of them."""
    if numeric(values, argument).ndim == 1:
        row = vector(values, argument, shape[1], dtype)
        return np.ascontiguousarray(np.broadcast_to(row, shape))
    array = matrix(values, argument, shape[1], dtype, columns)
    if len(array) != shape[0]:
        raise ValueError(f"{argument} must have a row for each sample, {shape[0]}; got {len(array)}")
    return array


def warn_unless_finite(values: Array, what: str) -> None:
    """Warn the caller of a method's caller of results that are infinite or not a number, as NumPy does."""
    if not are_finite(values):
        warnings.warn(
            f"{what} are not finite everywhere: {values.dtype.name} cannot hold what these weights, inputs and "
            f"targets make. Inputs and targets of about 1 may help, or float64",
            RuntimeWarning,
            stacklevel=4,
        )


def are_finite(values: Array) -> bool:
    """Whether all numbers are. Their sum tells in half the time, unless it overflows: 1 % of a gradient of 128 MB."""
    if values.size <= SMALL:
        return bool(np.isfinite(values).all())
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def sample_weights(values: object, argument: str, n_samples: int, dtype: np.dtype, *, signed: bool = False) -> Array:
    """Weights of the samples, none negative unless they are `signed`; an empty array for None."""
    if values is None:
        return np.empty(0, dtype)
    weights = vector(values, argument, n_samples, dtype)
    if not signed and (weights < 0).any():
        n = int(np.argmax(weights < 0))
        raise ValueError(f"{argument} must not be negative; {argument}[{n}] is {weights[n]}")
    return weights


def numeric(values: object, argument: str) -> Array:
    """`values` as an array of real numbers, of whatever dtype they have."""
    if type(values) is np.ndarray and values.dtype.kind in "fiub":  # what most calls pass, in a tenth of the time
        return values
    if values is None or isinstance(values, str | bytes | dict | set):
        raise TypeError(f"{argument} must be an array of numbers; got {described(values)}")
    rows = values if isinstance(values, list | tuple) else (values,)
    n_masked = sum(int(np.ma.getmaskarray(row).sum()) for row in rows if isinstance(row, np.ma.MaskedArray))
    if n_masked:
        raise ValueError(f"{argument} must have no masked values; got {n_masked} of them")
    try:
        array = np.asarray(values)
    except MemoryError:
        raise
    except ValueError as error:
        raise ValueError(f"{argument} must be an array of numbers with rows of one length; {error}") from None
    except Exception as error:  # what another library's __array__ may raise
        raise TypeError(f"{argument} must be an array of numbers; {type(values).__name__}: {error}") from error
    if array.dtype == object:
        return _from_objects(array, values, argument)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{argument} must hold real numbers; got an array of {array.dtype}")
    return array


def _from_objects(array: Array, values: object, argument: str) -> Array:
    """An array of Python objects as one of float64, if all of them are real numbers."""
    if array.ndim == 0:
        raise TypeError(f"{argument} must be an array of numbers; got {described(values)}")
    objects = array.ravel().tolist()
    wrong = {kind for kind in set(map(type, objects)) if not _is_real_kind(kind)}
    if wrong:
        first = next(k for k, item in enumerate(objects) if type(item) in wrong)
        place = ", ".join(map(str, np.unravel_index(first, array.shape)))
        raise TypeError(f"{argument} must hold numbers only; {argument}[{place}] is {described(objects[first])}")
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused later
            return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{argument} must be finite in float64; an integer in it is too large for that") from None
    except (TypeError, ValueError) as error:
        raise TypeError(f"{argument} must hold numbers only; {error}") from None


def _is_real_kind(kind: type) -> bool:
    """Whether objects of this type are real numbers."""
    return issubclass(kind, bool | np.bool_) or (
        hasattr(kind, "__float__") and not issubclass(kind, (*NOT_REAL, np.ndarray))
    )


def _is_real_number(array: Any) -> bool:
    """Whether an array of any library has no dimensions; one of NumPy's must hold a real number too."""
    is_real = not isinstance(array, np.ndarray) or (array.dtype.kind in "fiu" and not np.ma.is_masked(array))
    return bool(array.ndim == 0) and is_real


def described(value: object) -> str:
    """A value and its type, in a line."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write integers of thousands of digits
        return f"something of type {type(value).__name__}"
    return f"{text if len(text) <= 200 else text[:197] + '...'} ({type(value).__name__})"
