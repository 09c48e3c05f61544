"""Partitions of CSV files: runs of lines, each of about so many bytes."""

import csv as lines_of_csv
import os
import re
from typing import Any, NamedTuple

import numpy as np

from fastbp import checks
from fastbp.data.columns import ColumnPartitions, Names, check_columns
from fastbp.data.files import check_apart, names_of, naming, needed, paths_of
from fastbp.data.partitions import PARTITION_BYTES, WINDOW, Partitions

LOOKED_AT = 1 << 16  # bytes at a time, on the way to the end of a line


class Lines(NamedTuple):
    """A run of whole lines in a file."""

    path: str
    start: int
    stop: int
    file_bytes: int
    header: list[str]  # the file's columns


class OfLines(ColumnPartitions):
    """Runs of lines of CSV files."""

    def __init__(self, runs: list[Lines], names: Names, separator: str, window: int) -> None:
        self._runs, self._separator = runs, separator
        super().__init__(len(runs), names, window)

    def _table(self, k: int) -> Any:
        """See `ColumnPartitions`: a run of lines, by one thread: the others work on the partition before."""
        run, arrow = self._runs[k], needed("pyarrow.csv", "fastbp.data.csv")
        n_bytes = os.path.getsize(run.path)
        if n_bytes != run.file_bytes:
            raise ValueError(f"the file has {n_bytes:,} bytes, and had {run.file_bytes:,} when the data were opened")
        with open(run.path, "rb") as file:
            file.seek(run.start)
            content = file.read(run.stop - run.start)
        try:
            return arrow.read_csv(
                needed("pyarrow", "fastbp.data.csv").BufferReader(content),
                arrow.ReadOptions(column_names=run.header, use_threads=False, block_size=len(content) + 1),
                arrow.ParseOptions(delimiter=self._separator),
                arrow.ConvertOptions(
                    include_columns=self.names.all,
                    column_types=dict.fromkeys(self.names.all, needed("pyarrow", "fastbp.data.csv").float64()),
                ),
            )
        except ValueError as error:
            row = re.search(r"Row #(\d+)", str(error))
            where = "" if row is None else f"{self._line_name(k, int(row[1]) - 1)}: "
            raise ValueError(where + str(error)) from error

    def place(self, k: int) -> str:
        """See `Partitions`."""
        return f"{self._runs[k].path!r}, partition {k}"

    def row_name(self, k: int, row: int) -> str:
        """See `Partitions`: by the line of the file, as an editor counts."""
        return f"{self.place(k)}, {self._line_name(k, row)}"

    def _line_name(self, k: int, row: int) -> str:
        """The line of the file in which a row of partition k stands; lines are counted when somebody asks."""
        run, n = self._runs[k], 0
        with open(run.path, "rb") as file:
            while file.tell() < run.start:
                n += file.read(min(1 << 20, run.start - file.tell())).count(b"\n")
        return f"line {n + 1 + row}"


def csv(
    source: Any,
    *,
    inputs: Any = None,
    targets: Any,
    sample_weight: str | None = None,
    separator: str = ",",
    partition_bytes: int = PARTITION_BYTES,
    window: int = WINDOW,
) -> Partitions:
    """Read CSV files in partitions, a run of lines each (needs ``fastbp[data]``).

    Parameters
    ----------
    source : path, or list of paths
        A file; a pattern such as ``"big/*.csv"``; a folder. Files are taken in alphabetical order, and each begins with
        a line of names.
    inputs : list of str, or None
        Columns of the inputs, in the network's order; None: all others, in the first file's order.
    targets : str, or list of str
        Columns of the targets.
    sample_weight : str or None
        Column of the weights.
    separator : str
        Between the columns: one character.
    partition_bytes : int
        Bytes of a file in a partition, up to the end of a line.
    window : int
        Partitions that are in memory at a time, and whose rows are mixed where `fit` shuffles.

    Returns
    -------
    Partitions
        For `Network.fit`, `Network.gradient` and `Network.loss`.

    Raises
    ------
    ValueError, TypeError, OSError
        For files that are missing or empty, or whose columns are not those of the first: the message names the file and
        the column.

    Notes
    -----
    For tables of numbers, without line breaks inside of quotes. What is trained on more than once is read faster as
    Parquet.
    """
    if not isinstance(separator, str) or len(separator) != 1:
        raise ValueError(f"separator must be one character; got {checks.described(separator)}")
    n_bytes = checks.integer(partition_bytes, "partition_bytes", minimum=1)
    needed("pyarrow.csv", "fastbp.data.csv")
    runs: list[Lines] = []
    names: Names | None = None
    for path in paths_of(source, "csv"):
        with naming(f"{path!r}"):
            try:
                found = _runs(path, separator, n_bytes)
            except lines_of_csv.Error as error:  # no ValueError
                raise ValueError(f"its line of names is none: {error}") from error
        if not found:
            raise ValueError(f"{path!r} must have at least one row below its names; it is empty: leave it out")
        header = found[0].header
        if names is None:
            wanted = names_of(targets, "targets")
            weight = None if sample_weight is None else names_of(sample_weight, "sample_weight")[0]
            rest = [name for name in header if name not in (*wanted, weight)] if inputs is None else inputs
            names = Names(names_of(rest, "inputs"), wanted, weight)
            check_apart(*names)
        check_columns(path, header, names)
        runs += found
    assert names is not None
    return OfLines(runs, names, separator, window)


def _runs(path: str, separator: str, n_bytes: int) -> list[Lines]:
    """The runs of lines of a file: each ends with the first line that ends behind a multiple of n_bytes."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        first = file.readline()
        (header,) = lines_of_csv.reader([first.decode("utf-8-sig")], delimiter=separator) if first.strip() else ([],)
        starts = [len(first)]
        while starts[-1] < size:
            starts.append(_end_of_line(file, min(size, starts[-1] + n_bytes), size))
    return [Lines(path, start, stop, size, header) for start, stop in np.c_[starts[:-1], starts[1:]].tolist()]


def _end_of_line(file: Any, place: int, size: int) -> int:
    """Where the line ends that the byte before `place` belongs to."""
    file.seek(place - 1)
    while content := file.read(LOOKED_AT):
        found = content.find(b"\n")
        if found >= 0:
            return int(file.tell()) - len(content) + int(found) + 1
    return size
