"""Sparse matrices of a user's: SciPy's conversions believe their indices, and write where these say."""

from typing import Any

import numpy as np
from scipy import sparse


def check_whole(X: Any, name: str) -> None:
    """Refuse a sparse matrix whose own arrays do not go together; anything else passes.

    Raises
    ------
    ValueError
        If an index is out of range, or an array of another length than the others say.
    """
    if not sparse.issparse(X) or len(X.shape) != 2:  # what has another number of dimensions is refused for that
        return
    try:
        if X.format in ("csr", "csc", "bsr"):
            X.check_format(full_check=True)
        elif X.format == "coo":  # whose constructor looks at the indices
            type(X)((X.data, (X.row, X.col)), shape=X.shape)
        elif X.format == "dia":
            type(X)((X.data, X.offsets), shape=X.shape)
        elif X.format == "lil":
            _check_lists(X)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{name} must be a sparse matrix that is whole; its own arrays say: {error}") from None


def _check_lists(X: Any) -> None:
    """What `check_whole` asks of a matrix of lists."""
    for row, values in zip(X.rows, X.data, strict=True):
        if len(row) != len(values) or (len(row) and not 0 <= min(row) <= max(row) < X.shape[1]):
            raise ValueError(f"a row has {len(values)} numbers in the columns {row}")
    if len(X.rows) != X.shape[0]:
        raise ValueError(f"{len(X.rows)} rows, where the shape is {X.shape}")


def dense(X: Any, name: str = "X") -> Any:
    """A sparse matrix as an array; anything else as it is."""
    if not sparse.issparse(X):
        return X
    check_whole(X, name)
    return np.asarray(X.toarray())
