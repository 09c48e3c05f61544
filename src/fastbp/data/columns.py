"""Partitions of tables: columns by their names become inputs, targets and weights."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastbp.checks import Array
from fastbp.data.files import naming
from fastbp.data.partitions import Partition, Partitions
from fastbp.other_names import nearest

ROWS_AT_ONCE = 4096  # of all columns, on their way into rows: they stay in the L2 cache


class Names(NamedTuple):
    """The columns of a table that are read."""

    inputs: list[str]
    targets: list[str]
    weight: str | None

    @property
    def all(self) -> list[str]:
        """All of them."""
        return [*self.inputs, *self.targets, *([] if self.weight is None else [self.weight])]


class ColumnPartitions(Partitions):
    """Partitions whose samples stand in columns of a table."""

    def __init__(self, n_partitions: int, names: Names, window: int) -> None:
        self.names = names
        super().__init__(n_partitions, window)

    @abstractmethod
    def _table(self, k: int) -> Any:
        """The columns of partition k, as a table of pyarrow's."""

    def _read(self, k: int) -> Partition:
        return self._read_into(k, lambda _n_rows: (None, None))

    def _read_into(self, k: int, room: Callable[[int], tuple[Array | None, Array | None]]) -> Partition:
        with naming(self.place(k)):
            table = self._table(k)
        names = self.names
        columns = {name: self._numbers(k, table, name) for name in names.all}
        x, t = (
            matrix_of([columns[name] for name in part], rows)
            for part, rows in zip((names.inputs, names.targets), room(table.num_rows), strict=True)
        )
        return Partition(x, t, None if names.weight is None else columns[names.weight])

    def _numbers(self, k: int, table: Any, name: str) -> Array:
        column = table.column(name)
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise ValueError(
                f"{self.row_name(k, row)}: column {name!r} must be a number; it is missing: mend the row, or leave it "
                "out of the data"
            )
        values: Array = column.to_numpy()
        return values.astype(np.float64) if values.dtype.kind not in "fiub" else values

    def column_name(self, column: int, *, is_target: bool) -> str:
        """See `Partitions`."""
        return f"column {(self.names.targets if is_target else self.names.inputs)[column]!r}"

    @property
    def description(self) -> dict[str, Any]:
        """See `Partitions`."""
        return super().description | {"columns": list(self.names)}


def matrix_of(columns: list[Array], room: Array | None = None) -> Array:
    """Columns side by side, in C order, in the room for them if it fits: float32 if all of them are, else float64."""
    dtype = np.float32 if all(column.dtype == np.float32 for column in columns) else np.float64
    shape = len(columns[0]), len(columns)
    fits = room is not None and room.shape == shape and room.dtype == dtype
    out: Array = room if fits else np.empty(shape, dtype)  # type: ignore[assignment]
    for start in range(0, len(out), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for j, column in enumerate(columns):
            out[rows, j] = column[rows]
    return out


def check_columns(path: str, there: list[str], names: Names) -> None:
    """Refuse a file without a column that is wanted, or with two of that name."""
    for name in names.all:
        n = there.count(name)
        if n == 0:
            near = nearest(name, there)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"{path!r} must have a column {name!r}; it has {_some(there)}{hint}")
        if n > 1:
            raise ValueError(f"{path!r} must have one column {name!r}; it has {n}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
