"""Partitions of Parquet files: a row group each.

pyarrow reads them: it knows row groups, their lengths and columns from the files' ends without reading the rest, and
has one of them in memory at a time. polars, with which tables are read, hands out rows of a whole file.
"""

from typing import Any, NamedTuple

import numpy as np

from fastbp.data.columns import ColumnPartitions, Names, check_columns
from fastbp.data.files import check_apart, names_of, naming, needed, paths_of
from fastbp.data.partitions import WINDOW, Partitions


class RowGroup(NamedTuple):
    """A row group of a file."""

    path: str
    number: int
    n_rows: int
    first_row: int  # in the file


class OfRowGroups(ColumnPartitions):
    """Row groups of Parquet files."""

    def __init__(self, groups: list[RowGroup], names: Names, window: int) -> None:
        self._groups = groups
        super().__init__(len(groups), names, window)

    def _table(self, k: int) -> Any:
        """See `ColumnPartitions`: a row group, by one thread: the others work on the partition before."""
        group = self._groups[k]
        with needed("pyarrow.parquet", "fastbp.data.parquet").ParquetFile(
            group.path, memory_map=False, page_checksum_verification=True
        ) as file:
            n_groups = file.metadata.num_row_groups
            n_rows = file.metadata.row_group(group.number).num_rows if group.number < n_groups else 0
            if n_rows != group.n_rows:
                raise ValueError(f"it has {n_rows} rows, and had {group.n_rows} when the data were opened")
            _check(group.path, file.schema_arrow, self.names)
            return file.read_row_group(group.number, columns=self.names.all, use_threads=False)

    def place(self, k: int) -> str:
        """See `Partitions`."""
        return f"{self._groups[k].path!r}, row group {self._groups[k].number}"

    def row_name(self, k: int, row: int) -> str:
        """See `Partitions`."""
        return f"{self.place(k)}, row {row} (row {self._groups[k].first_row + row} of the file)"


def parquet(
    source: Any,
    *,
    inputs: Any = None,
    targets: Any,
    sample_weight: str | None = None,
    window: int = WINDOW,
) -> Partitions:
    """Read Parquet files in partitions, a row group each (needs ``fastbp[data]``).

    Parameters
    ----------
    source : path, or list of paths
        A file; a pattern such as ``"big/*.parquet"``; a folder. Files are taken in alphabetical order.
    inputs : list of str, or None
        Columns of the inputs, in the network's order; None: all others that hold numbers, in the first file's order.
    targets : str, or list of str
        Columns of the targets.
    sample_weight : str or None
        Column of the weights.
    window : int
        Row groups that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Returns
    -------
    Partitions
        For `Network.fit`, `Network.gradient` and `Network.loss`.

    Raises
    ------
    ValueError, TypeError, OSError
        For files that are missing, damaged or empty, or whose columns are not those of the first: the message names the
        file and the column.

    Notes
    -----
    A row group is in memory as a whole: 100,000 rows are enough for one. ``pyarrow.parquet.write_table(...,
    row_group_size=100_000)`` and ``polars.DataFrame.write_parquet(..., row_group_size=100_000)`` make them so.
    """
    paths = paths_of(source, "parquet")
    groups: list[RowGroup] = []
    names: Names | None = None
    for path in paths:
        with naming(f"{path!r}"), needed("pyarrow.parquet", "fastbp.data.parquet").ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        names = _names(schema, inputs, targets, sample_weight, path) if names is None else names
        _check(path, schema, names)
        sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        if 0 in sizes or not sizes:
            where = f"{path!r}" + (f", row group {sizes.index(0)}," if sizes else "")
            raise ValueError(f"{where} must have at least one row; it is empty: leave it out")
        starts = np.cumsum([0, *sizes])
        groups += [RowGroup(path, g, n, int(starts[g])) for g, n in enumerate(sizes)]
    assert names is not None
    return OfRowGroups(groups, names, window)


def _names(schema: Any, inputs: Any, targets: Any, weight: Any, path: str) -> Names:
    """The columns of inputs, targets and weights."""
    wanted = names_of(targets, "targets")
    if weight is not None:
        (weight,) = names_of(weight, "sample_weight")
    if inputs is None:
        inputs = [field.name for field in schema if _holds_numbers(field.type) and field.name not in (*wanted, weight)]
        if not inputs:
            raise ValueError(f"inputs must name columns of {path!r}; none but the targets hold numbers")
    names = names_of(inputs, "inputs")
    check_apart(names, wanted, weight)
    return Names(names, wanted, weight)


def _check(path: str, schema: Any, names: Names) -> None:
    """Refuse a file that has not the columns, or other things than numbers in them."""
    check_columns(path, schema.names, names)
    for name in names.all:
        if not _holds_numbers(schema.field(name).type):
            raise TypeError(f"{path!r}: column {name!r} must hold numbers; it holds {schema.field(name).type}")


def _holds_numbers(kind: Any) -> bool:
    types = needed("pyarrow", "fastbp.data.parquet").types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))
