"""A file ten times larger than the memory which may be taken: 64 MB, FASTBP_LARGE_DATA bytes, or 20 GB in the night."""

import json
import os
import shutil
import sys

import pytest
from cases import COMPILED
from subprocesses import PATIENCE, run_python

NIGHTLY = os.environ.get("FASTBP_TESTS") == "nightly"
N_BYTES = int(os.environ.get("FASTBP_LARGE_DATA", "0")) or (20 << 30 if NIGHTLY else 64 << 20)
SLOWEST = 4 << 20  # bytes a second, on a machine that is busy with other things


@pytest.fixture
def disk(tmp_path):
    """A folder with room for the data, which is not kept as pytest keeps its own."""
    free = shutil.disk_usage(tmp_path).free
    if free < 1.2 * N_BYTES:
        pytest.skip(f"takes {1.2 * N_BYTES / 2**30:.0f} GiB of disk, and {tmp_path} has {free / 2**30:.0f}")
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits and sizes of processes are Linux's")
@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
@pytest.mark.parametrize("kind", ["memmap", "parquet"])
def test_a_tenth_of_the_data_is_memory_enough(kind, disk):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    # Each thread would reserve an arena of 64 MiB, which counts as address space.
    settings = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    code = "import sys, large_data; large_data.main(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
    patience = PATIENCE + N_BYTES / SLOWEST
    found = json.loads(run_python(code, kind, str(disk), str(N_BYTES), patience=patience, **settings))
    print(report(kind, found))
    assert found["peak"] < N_BYTES // 10
    losses = {name: found[name][2] for name in ("whole", "from_files", "in_memory")}
    assert losses["from_files"] == pytest.approx(losses["in_memory"], rel=0.2)
    assert losses["whole"] < losses["from_files"]  # more of the same samples


def report(kind, found):
    """Memory; and the rates of part of the data from files, and of all, as shares of that in memory."""
    (clock, processor, _), (clock_of_whole, processor_of_whole, _) = found["in_memory"], found["whole"]
    by_clock, by_processor = clock / found["from_files"][0], processor / found["from_files"][1]
    whole_by_clock = clock / (found["share"] * clock_of_whole)
    whole_by_processor = processor / (found["share"] * processor_of_whole)
    return (
        f"{kind}: peak {found['peak'] / 2**20:.1f} MiB of {N_BYTES / 2**20:.0f}; of the rate in memory, by the clock "
        f"and by processor time: {by_clock:.2f} and {by_processor:.2f} of {found['share']:.0%} of the data, "
        f"{whole_by_clock:.2f} and {whole_by_processor:.2f} of all, {N_BYTES / clock_of_whole / 1e6:.0f} MB/s"
    )
