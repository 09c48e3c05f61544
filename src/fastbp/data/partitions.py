"""What all sources of partitions are: so many partitions, each of which can be read, and named in an error."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastbp import checks
from fastbp.checks import Array
from fastbp.data.sums import Term

PARTITION_BYTES = 1 << 24  # of inputs and targets, where nothing else says how many rows a partition has
WINDOW = 4  # partitions whose rows are mixed


class Partition(NamedTuple):
    """The samples of a partition, as its source has them."""

    x: Array  # (n_samples, n_inputs)
    t: Array  # (n_samples, n_outputs) or (n_samples,)
    weight: Array | None = None  # (n_samples,)


Room = Callable[[int], tuple[Array, Array]]  # so many rows of inputs and targets, to be written into


class EndOfStream(ValueError):
    """A stream has no further partition."""

    def __init__(self) -> None:
        super().__init__("the stream has ended: no partition is left; what can be gone through again begins anew")


class Summable(Protocol):
    """A network, as far as sums elsewhere need to know."""

    @property
    def params(self) -> Array:
        """Its parameters."""


class Partitions(ABC):
    """Samples in partitions. It is made by the functions of `fastbp.data`.

    Parameters
    ----------
    n_partitions : int
        How many there are; of a stream, how many make an epoch.
    window : int
        Partitions that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Notes
    -----
    ``len(data)`` is the number of partitions, and ``data.read(k)`` gives partition k: inputs, targets, and weights or
    None, with an error that names the place of what is wrong.
    """

    window: int

    is_endless = False  # whether partition k is whatever comes next
    per_step: int | None = None  # partitions of a step that follows a sum; None: all
    sums_of: Callable[[Any, list[int], Any, int | None], Term] | None = None  # adds some up elsewhere, if anything does

    def __init__(self, n_partitions: int, window: int) -> None:
        self._n_partitions = n_partitions
        self.window = checks.integer(window, "window", minimum=1)

    def __len__(self) -> int:
        return self._n_partitions

    def __repr__(self) -> str:
        """A line: what it reads, and in how many partitions."""
        n = len(self)
        return f"{type(self).__name__}({n} partition{'s' * (n != 1)} of {self.place(0)!r} and on, window {self.window})"

    @abstractmethod
    def _read(self, k: int) -> Partition:
        """The arrays of partition k as they are."""

    def _read_into(self, k: int, room: Room) -> Partition:
        """The same, in the room that is there for it if the source can do so."""
        return self._read(k)

    @abstractmethod
    def place(self, k: int) -> str:
        """Name partition k, for an error: its file, and where in it.

        Parameters
        ----------
        k : int

        Returns
        -------
        str
        """

    def row_name(self, k: int, row: int) -> str:
        """Name a row of partition k, for an error.

        Parameters
        ----------
        k : int
        row : int
            Counted from 0 in the partition.

        Returns
        -------
        str
        """
        return f"{self.place(k)}, row {row}"

    def column_name(self, column: int, *, is_target: bool) -> str:
        """Name a column of the inputs, or of the targets, for an error.

        Parameters
        ----------
        column : int
        is_target : bool

        Returns
        -------
        str
        """
        return f"{'T' if is_target else 'X'}[:, {column}]"

    @property
    def description(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to go on: not the numbers, which are read once an epoch anyway."""
        return {"partitions": len(self), "window": self.window}

    def read(self, k: int, room: Room | None = None) -> Partition:
        """Read partition k.

        Parameters
        ----------
        k : int
        room : function, optional
            From a number of rows to arrays of inputs and targets that samples of their dtype may be read into.

        Returns
        -------
        Partition
            Inputs ``x``, targets ``t`` and weights ``weight`` or None.

        Raises
        ------
        ValueError, OSError
            For a partition that cannot be read, has no rows, or a number that is not finite: the message names the
            file, the part of it, the row and the column.
        """
        found = self._read(k) if room is None else self._read_into(k, room)
        x, t = checks.numeric(found.x, f"{self.place(k)}: X"), checks.numeric(found.t, f"{self.place(k)}: T")
        if x.ndim == 0 or len(x) == 0:
            raise ValueError(f"{self.place(k)} must have at least one row; it is empty: leave it out")
        for array, is_target in ((x, False), (t, True)):
            self._check_finite(k, array, is_target=is_target)
        return Partition(x, t, found.weight)

    def _check_finite(self, k: int, array: Array, *, is_target: bool) -> None:
        """Refuse a number that is not finite, by its row and column. A sum is finite only if every term is."""
        if array.dtype.kind != "f" or checks.are_finite(array):
            return
        row, *column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        name = self.column_name(column[0] if column else 0, is_target=is_target)
        value = array[row, column[0]] if column else array[row]
        raise ValueError(
            f"{self.row_name(k, row)}: {name} must be finite; it is {value}: mend the row, or leave it out of the data"
        )


def rows_by_bytes(row_bytes: int) -> int:
    """Rows of a partition where nobody says how many: by the size of a row alone, so that sums have the same bits."""
    return max(1, PARTITION_BYTES // max(1, row_bytes))
