"""The forms in which an array of a user's may come, all of them right."""

import decimal
import fractions

import numpy as np


class OwnArray(np.ndarray):
    """A subclass."""


class HasArray:
    """What another library's array looks like."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array.copy()


def unaligned(array):
    if array.dtype == object:
        return array
    buffer = np.zeros(array.nbytes + 1, np.uint8)[1:]
    result = buffer.view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    wide = np.full([2 * n + 1 for n in array.shape], 7).astype(array.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_strides(array):
    back = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[back])[back]


FORMS = {
    "plain": lambda a: a,
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "negative strides": reversed_strides,
    "read-only": read_only,
    "unaligned": unaligned,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "objects": lambda a: a.astype(object),
    "lists": lambda a: a.tolist(),
    "tuple of rows": tuple,
    "subclass": lambda a: a.view(OwnArray),
    "has an array": HasArray,
    "masked without a mask": lambda a: np.ma.array(a, mask=False),
}


def to_pandas(array):
    import pandas

    return (pandas.DataFrame if array.ndim == 2 else pandas.Series)(array)


def to_polars(array):
    import polars

    return (polars.DataFrame if array.ndim == 2 else polars.Series)(array)


# Forms that hold numbers only.
FORMS_OF_NUMBERS = {
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "longdouble": lambda a: a.astype(np.longdouble),
    "fractions": np.vectorize(lambda x: fractions.Fraction(float(x)), otypes=[object]),
    "decimals": np.vectorize(lambda x: decimal.Decimal(float(x)), otypes=[object]),
    "memoryview": lambda a: memoryview(np.ascontiguousarray(a)),
    "pandas": to_pandas,
    "pandas nullable": lambda a: to_pandas(a).convert_dtypes(),
    "pandas objects": lambda a: to_pandas(a).astype(object),
    "polars": to_polars,
}
