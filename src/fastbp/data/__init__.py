"""Samples in partitions: files larger than memory, and anything else that gives some samples at a time.

`net.fit(data)`, `net.gradient(data)` and `net.loss(data)` take what these functions return. In reading order:

- `partitions.py`: what they all are, and what a partition that is not as it should be is called in an error;
- `arrays.py`: arrays, functions, lists and streams;
- `memory_maps.py`, `parquet_files.py`, `csv_files.py`: files;
- `reading.py`: the next partition is read while one is worked on;
- `sums.py`: sums over partitions, always in the same order.
"""

from fastbp.data.arrays import arrays, partitions
from fastbp.data.csv_files import csv
from fastbp.data.memory_maps import memmap
from fastbp.data.parquet_files import parquet
from fastbp.data.partitions import Partitions

__all__ = ["Partitions", "arrays", "csv", "memmap", "parquet", "partitions"]
