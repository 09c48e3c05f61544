"""Train on a file that is ten times larger than the memory that may be taken: run by test_large_data.py, prints JSON.

python tests/large_data.py memmap|parquet folder bytes
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

import fastbp

N_INPUTS, PARTS = 20, 200
ROW_BYTES = 4 * (N_INPUTS + 1)


def part(k, n):
    x = np.random.default_rng(k).uniform(-1, 1, (n, N_INPUTS)).astype(np.float32)
    return x, np.tanh(x[:, :1] - x[:, 1:2])


def write_maps(folder, n_parts, n):
    for name, width in (("X", N_INPUTS), ("T", 1)):
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (n_parts * n, width))
        for k in range(n_parts):
            array[k * n : (k + 1) * n] = part(k, n)[name == "T"]
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


def trained(*samples):
    """The rate of an epoch, in samples a second, and its loss."""
    net = fastbp.Network((N_INPUTS, 32, 1), seed=0, dtype="float32")
    start = time.perf_counter()
    history = net.fit(*samples, epochs=1, batch_size=256, seed=0)
    return time.perf_counter() - start, history.loss[0]


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
    (folder / "small").mkdir()
    trained(write(folder / "small", 10, n))  # compiles, and starts the threads
    data = write(folder, PARTS, n)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that from here on
    before, free = bytes_of("VmRSS"), resource.getrlimit(resource.RLIMIT_AS)
    limit = max(n_bytes // 10, 24 << 20)  # of address space, which allocators waste; what is resident is compared below
    resource.setrlimit(resource.RLIMIT_AS, (bytes_of("VmSize") + limit, free[1]))
    assert not whole_fits(2 * limit)
    seconds, loss = trained(data)
    peak = bytes_of("VmHWM") - before
    resource.setrlimit(resource.RLIMIT_AS, free)
    x, t = (np.concatenate(arrays) for arrays in zip(*(data.read(k)[:2] for k in range(PARTS)), strict=True))
    in_memory, other_loss = trained(x, t)
    print(json.dumps({"bytes": n_bytes, "peak": peak, "loss": loss, "loss_in_memory": other_loss,
                      "samples_a_second": PARTS * n / seconds, "in_memory": PARTS * n / in_memory}))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
