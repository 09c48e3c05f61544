"""Dask's own arrays and data frames as partitions: their blocks, computed where they are needed."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastbp import checks
from fastbp.data.partitions import WINDOW, Partition, Partitions
from fastbp.data.reading import ahead

Block = tuple[Any, ...]  # (X, T), or (X, T, sample_weight): delayed arrays


class OfDask(Partitions):
    """Runs of rows of dask's arrays or data frames, computed where they are needed."""

    def __init__(self, parts: Sequence[Block], window: int, scheduler: str | None = None) -> None:
        self.parts, self._scheduler = list(parts), scheduler  # None: the user's, a cluster for one
        super().__init__(len(self.parts), window)

    def _read(self, k: int) -> Partition:
        return Partition(*self.computed(k))

    def computed(self, k: int, which: slice = slice(None)) -> tuple[Any, ...]:
        """The arrays of block k, or those of them that are wanted."""
        return _computed(*self.parts[k][which], scheduler=self._scheduler)

    def place(self, k: int) -> str:
        """See `Partitions`."""
        return f"block {k}"

    def for_workers(self) -> "OfDask":
        """The same for tasks on a cluster: one that asked for another, and waited, would keep a worker from both.

        Raises
        ------
        ValueError
            For blocks that are in the memory of a cluster: there is nothing to compute them from.
        """
        if _in_memory_of_workers(self.parts[0][0]):
            raise ValueError(
                "partitions must be of a collection as it was before persist(): workers load the blocks, and keep "
                "them (keep=True)"
            )
        return OfDask(self.parts, self.window, "synchronous")


def arrays(X: Any, T: Any, sample_weight: Any = None, *, window: int = WINDOW) -> Partitions:
    """Take the blocks of dask's arrays, or the partitions of its data frames, as partitions.

    Parameters
    ----------
    X : dask array (n_samples, n_inputs), or data frame
        Whose blocks hold whole rows; others are put together.
    T : dask array (n_samples, n_outputs) or (n_samples,), data frame or series
        In blocks of as many rows.
    sample_weight : dask array (n_samples,) or series, optional
    window : int
        As in `fastbp.data.arrays`.

    Returns
    -------
    Partitions
        For `fit`, and for `Network.fit`, which computes them one after the other.
    """
    given = {"X": X, "T": T} | ({} if sample_weight is None else {"sample_weight": sample_weight})
    blocks = {name: blocks_of(values, name) for name, values in given.items()}
    n = len(blocks["X"])
    for name, found in blocks.items():
        if len(found) != n:
            raise ValueError(f"{name} must be in as many blocks as X, {n}; got {len(found)}: rechunk or repartition it")
    return OfDask(list(zip(*blocks.values(), strict=True)), window)


def is_collection(values: Any) -> bool:
    """Whether these are an array, a data frame or a series of dask's."""
    return hasattr(type(values), "__dask_graph__") and (hasattr(values, "chunks") or hasattr(values, "to_dask_array"))


def as_array(values: Any) -> Any:
    """An array of dask's, in blocks of whole rows, of a data frame or an array."""
    array = values.to_dask_array() if hasattr(values, "to_dask_array") else values
    return array.rechunk({1: -1}) if array.ndim > 1 and array.numblocks[1] > 1 else array


def rows_of(array: Any) -> list[int]:
    """How many rows each block has; blocks of which dask does not know it are computed, and dropped."""
    if not np.isnan(array.chunks[0]).any():
        return list(array.chunks[0])
    from dask.delayed import delayed

    return list(_computed(*[delayed(len)(block) for block in blocks_of(array, "X")]))


def cut_alike(values: Any, rows: list[int], name: str) -> list[Any]:
    """Blocks of so many rows each, of an array of dask's or of one in memory."""
    if not is_collection(values):
        import dask.array

        in_memory = np.asarray(values)
        if in_memory.ndim == 0 or len(in_memory) != sum(rows):
            raise ValueError(f"{name} must have as many samples as X, {sum(rows)}; got shape {in_memory.shape}")
        values = dask.array.from_array(in_memory, chunks=(tuple(rows), *in_memory.shape[1:]))
    array = as_array(values)
    if not np.isnan(array.chunks[0]).any() and list(array.chunks[0]) != rows:
        if array.shape[0] != sum(rows):
            raise ValueError(f"{name} must have as many samples as X, {sum(rows)}; got {array.shape[0]}")
        array = array.rechunk({0: tuple(rows)})
    found = blocks_of(array, name)
    if len(found) != len(rows):
        raise ValueError(
            f"{name} must be in as many blocks as X, {len(rows)}; got {len(found)}: rechunk or repartition it"
        )
    return found


def blocks_of(values: Any, name: str) -> list[Any]:
    """The runs of rows, as delayed arrays."""
    if not is_collection(values):
        raise TypeError(f"{name} must be a dask array or data frame; got {checks.described(values)}")
    array = as_array(values)
    # What optimises the graph forgets where blocks are that workers have in memory.
    return list(array.to_delayed(optimize_graph=not _in_memory_of_workers(array)).reshape(-1))


def blocks_in_turn(values: Any) -> Iterator[Any]:
    """Each block with rows, computed, while the caller works on the one before."""
    return (block for block in ahead(lambda block: _computed(block)[0], blocks_of(values, "X")) if len(block))


def _in_memory_of_workers(values: Any) -> bool:
    if "distributed" not in sys.modules:
        return False
    from distributed.client import futures_of

    return bool(futures_of(values))  # type: ignore[no-untyped-call]


def _computed(*delayed: Any, scheduler: str | None = None) -> tuple[Any, ...]:
    from dask.base import compute

    found: tuple[Any, ...] = compute(*delayed, scheduler=scheduler)
    return found
