"""A file that is ten times larger than the memory which may be taken: 64 MB, and 2 GB in the night."""

import json
import os
import sys

import pytest
from cases import COMPILED
from subprocesses import run_python

N_BYTES = 2 << 30 if os.environ.get("FASTBP_TESTS") == "nightly" else 64 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="limits and sizes of processes are Linux's")
@pytest.mark.skipif(not COMPILED, reason="needs compiled kernels")
@pytest.mark.parametrize("kind", ["memmap", "parquet"])
def test_a_tenth_of_the_data_is_memory_enough(kind, tmp_path):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    # Each thread would reserve an arena of 64 MiB, which counts as address space.
    settings = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    code = "import sys, large_data; large_data.main(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
    found = json.loads(run_python(code, kind, str(tmp_path), str(N_BYTES), **settings))
    ratio = found["samples_a_second"] / found["in_memory"]
    print(f"{kind}: peak {found['peak'] / 2**20:.1f} MiB of {N_BYTES / 2**20:.0f}, {ratio:.2f} of the rate in memory")
    assert found["peak"] < N_BYTES // 10
    assert found["loss"] == pytest.approx(found["loss_in_memory"], rel=0.2)
