"""Train on a file that is ten times larger than the memory that may be taken: run by test_large_data.py, prints JSON.

python tests/large_data.py memmap|parquet folder bytes
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastbp

N_INPUTS, PARTS = 20, 200
FEW_PARTS, ROUNDS = 10, 3  # of the comparison with memory, which a part of the data has to fit into
ROW_BYTES = 4 * (N_INPUTS + 1)


def part(k, n):
    x = np.random.default_rng(k).random((n, N_INPUTS), np.float32)
    x += x - 1
    return x, np.tanh(x[:, :1] - x[:, 1:2])


def write_maps(folder, n_parts, n):
    shapes = {"X": (n_parts * n, N_INPUTS), "T": (n_parts * n, 1)}
    maps = [np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shapes[name]) for name in shapes]
    for k in range(n_parts):
        for array, values in zip(maps, part(k, n), strict=True):
            array[k * n : (k + 1) * n] = values
    for array in maps:
        array.flush()
    return fastbp.data.memmap(folder / "X.npy", folder / "T.npy", rows=n)


def write_parquet(folder, n_parts, n):
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*(f"x{j}" for j in range(N_INPUTS)), "t"]
    with pq.ParquetWriter(folder / "a.parquet", pa.schema([(name, pa.float32()) for name in names])) as file:
        for k in range(n_parts):
            x, t = part(k, n)
            file.write_table(pa.table(dict(zip(names, np.c_[x, t].T, strict=True))))
    return fastbp.data.parquet(folder / "a.parquet", inputs=names[:-1], targets="t")


class Epoch(NamedTuple):
    """Of one epoch: seconds by the clock, processor seconds of all threads, and the loss."""

    seconds: float
    processor: float
    loss: float


def trained(*samples):
    net = fastbp.Network((N_INPUTS, 32, 1), seed=0, dtype="float32")
    clock, processor = time.perf_counter(), time.process_time()
    history = net.fit(*samples, epochs=1, batch_size=256, seed=0)
    return Epoch(time.perf_counter() - clock, time.process_time() - processor, history.loss[0])


def in_turn(data):
    """Medians of epochs over partitions of files, and over the same samples in memory."""
    parts = [data.read(k) for k in range(len(data))]
    arrays = [np.concatenate(columns) for columns in zip(*(part[:2] for part in parts), strict=True)]
    rounds = [(trained(data), trained(*arrays)) for _ in range(ROUNDS)]
    return [Epoch(*np.median(epochs, axis=0)) for epochs in zip(*rounds, strict=True)]


def bytes_of(name):
    """What the system says of this process."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def whole_fits(n_bytes):
    try:
        np.ones(n_bytes, np.uint8)
    except MemoryError:
        return False
    return True


def main(kind, folder, n_bytes):
    write = {"memmap": write_maps, "parquet": write_parquet}[kind]
    folder, n = Path(folder), n_bytes // (PARTS * ROW_BYTES)
    (folder / "few").mkdir()
    few = write(folder / "few", FEW_PARTS, n)
    trained(few)  # compiles, and starts the threads
    data = write(folder, PARTS, n)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that from here on
    before, free = bytes_of("VmRSS"), resource.getrlimit(resource.RLIMIT_AS)
    limit = max(n_bytes // 10, 24 << 20)  # of address space, which allocators waste; what is resident is compared below
    resource.setrlimit(resource.RLIMIT_AS, (bytes_of("VmSize") + limit, free[1]))
    assert not whole_fits(2 * limit)
    whole = trained(data)
    peak = bytes_of("VmHWM") - before
    resource.setrlimit(resource.RLIMIT_AS, free)
    from_files, in_memory = in_turn(few)
    print(json.dumps({"bytes": n_bytes, "peak": peak, "share": FEW_PARTS / PARTS,
                      "whole": whole, "from_files": from_files, "in_memory": in_memory}))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
