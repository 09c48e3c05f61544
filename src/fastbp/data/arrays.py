"""Partitions of arrays, of a function or a list, and of a stream."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.data.partitions import WINDOW, EndOfStream, Partition, Partitions, rows_by_bytes


class OfArrays(Partitions):
    """Rows of arrays, or of what can be cut as arrays are."""

    def __init__(self, X: Any, T: Any, sample_weight: Any, rows: int, window: int) -> None:
        self._arrays, self._rows, self._n = (X, T, sample_weight), rows, len(X)
        super().__init__(-(-self._n // rows), window)

    def _read(self, k: int) -> Partition:
        x, t, weight = self._arrays
        rows = slice(k * self._rows, (k + 1) * self._rows)
        return Partition(x[rows], t[rows], None if weight is None else weight[rows])

    def place(self, k: int) -> str:
        """See `Partitions`."""
        start = k * self._rows
        return f"partition {k} (rows {start} to {min(start + self._rows, self._n) - 1})"

    def row_name(self, k: int, row: int) -> str:
        """See `Partitions`."""
        return f"partition {k}, row {k * self._rows + row}"


def arrays(X: Any, T: Any, sample_weight: Any = None, *, rows: int | None = None, window: int = WINDOW) -> Partitions:
    """Cut arrays into partitions.

    Parameters
    ----------
    X : array (n_samples, n_inputs)
        Or anything of a shape and a dtype that can be cut with ``X[start:stop]``: a memory map, a data set of h5py or
        zarr.
    T : array (n_samples, n_outputs), or (n_samples,) for one output
    sample_weight : array (n_samples,), optional
    rows : int or None
        Samples in a partition; None: so many as take 16 MiB.
    window : int
        Partitions that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Returns
    -------
    Partitions
        For `Network.fit`, `Network.gradient` and `Network.loss`.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> X = np.linspace(-1, 1, 6000).reshape(-1, 2)
    >>> data = fastbp.data.arrays(X, X[:, :1] ** 2, rows=1000)
    >>> net = fastbp.Network((2, 8, 1), seed=0)
    >>> len(data), net.fit(data, epochs=3, seed=0).n_epochs
    (3, 3)
    """
    given = {"X": X, "T": T} | ({} if sample_weight is None else {"sample_weight": sample_weight})
    cut = {name: _sliceable(values, name) for name, values in given.items()}
    n = len(cut["X"])
    if n == 0:
        raise ValueError(f"X must have at least one sample; got shape {tuple(cut['X'].shape)}")
    for name, values in cut.items():
        if len(values) != n:
            raise ValueError(f"{name} must have as many samples as X, {n}; got {len(values)}")
    row_bytes = sum(_row_bytes(values) for values in cut.values())
    n_rows = rows_by_bytes(row_bytes) if rows is None else checks.integer(rows, "rows", minimum=1)
    return OfArrays(cut["X"], cut["T"], cut.get("sample_weight"), n_rows, window)


def _sliceable(values: Any, name: str) -> Any:
    """What can be cut into runs of rows: an array, or what behaves like one."""
    if (
        isinstance(getattr(values, "shape", None), tuple)
        and hasattr(values, "__getitem__")
        and hasattr(values, "dtype")
    ):
        if len(values.shape) == 0:
            raise ValueError(f"{name} must have a row for each sample; got shape ()")
        return values
    array = checks.numeric(values, name)
    if array.ndim == 0:
        raise ValueError(f"{name} must have a row for each sample; got shape ()")
    return array


def _row_bytes(values: Any) -> int:
    return int(np.prod(values.shape[1:], dtype=np.int64)) * int(np.dtype(values.dtype).itemsize)


class Given(Partitions):
    """What a function, or a list, gives."""

    def __init__(self, give: Callable[[int], Any], n: int, window: int) -> None:
        self._give = give
        super().__init__(n, window)

    def _read(self, k: int) -> Partition:
        return _partition(self._give(k), self.place(k))

    def place(self, k: int) -> str:
        """See `Partitions`."""
        return f"partition {k}"


class Streamed(Partitions):
    """What comes from an iterable, one partition after the other; it begins anew if it can."""

    is_endless = True

    def __init__(self, source: Iterable[Any], n: int, window: int) -> None:
        self._source, self._iterator, self._n_read = source, iter(source), 0
        super().__init__(n, window)

    def _read(self, k: int) -> Partition:
        given = self._next()
        self._n_read += 1
        return _partition(given, self.place(k))

    def _next(self) -> Any:
        """The next partition: the first again, where the source can be gone through again."""
        try:
            return next(self._iterator)
        except StopIteration:
            if isinstance(self._source, Iterator):
                raise EndOfStream from None
        self._iterator = iter(self._source)
        try:
            return next(self._iterator)
        except StopIteration:
            raise EndOfStream from None

    def place(self, k: int) -> str:
        """See `Partitions`: streams have no numbers but those of what has come."""
        return f"partition {max(0, self._n_read - 1)} of the stream"


def _partition(given: Any, place: str) -> Partition:
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise TypeError(f"{place} must be (X, T) or (X, T, sample_weight); got {checks.described(given)}")
    return Partition(*given)


def partitions(source: Any, n: int | None = None, *, window: int = WINDOW) -> Partitions:
    """Take partitions from a function, a list or an iterable: (X, T), or (X, T, sample_weight), each time.

    Parameters
    ----------
    source : function, sequence or iterable
        ``source(k)`` or ``source[k]`` is partition k, and gives the same samples each time; it is called by another
        thread, while the network learns from the partition before. From what can only be iterated over, partitions are
        taken as they come, and from the beginning again once it has ended; a generator cannot begin again, and need not
        end: when it ends, so does the training ("end of data").
    n : int or None
        Number of partitions: needed for a function; for what can only be iterated over, the partitions of an epoch.
    window : int
        Partitions that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Returns
    -------
    Partitions
        For `Network.fit`, `Network.gradient` and `Network.loss`.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> def simulated(k):
    ...     X = np.random.default_rng(k).uniform(-1, 1, (500, 2))
    ...     return X, X[:, 0] * X[:, 1]
    >>> net = fastbp.Network((2, 16, 1), seed=0)
    >>> history = net.fit(fastbp.data.partitions(simulated, 10), epochs=20, seed=0)
    >>> history.loss[-1] < history.loss[0]
    True
    """
    if callable(source):
        if n is None:
            raise ValueError("n must be the number of partitions that the function gives; got None")
        return Given(source, checks.integer(n, "n", minimum=1), window)
    if isinstance(source, str | bytes | dict | set) or not (
        hasattr(source, "__iter__") or (hasattr(source, "__getitem__") and hasattr(source, "__len__"))
    ):
        raise TypeError(f"source must be a function, a sequence or an iterable; got {checks.described(source)}")
    if n is None and not hasattr(source, "__len__"):
        raise ValueError("n must be the number of partitions in an epoch, for an iterable without a length; got None")
    n_partitions = checks.integer(len(source) if n is None else n, "n", minimum=1)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        if n_partitions > len(source):
            raise ValueError(f"n must be at most the length of the sequence, {len(source)}; got {n_partitions}")
        return Given(source.__getitem__, n_partitions, window)
    return Streamed(source, n_partitions, window)
