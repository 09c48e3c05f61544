"""No kernel reads or writes past an array: it would meet a page without access, and its process would end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from subprocesses import environment_of

pytestmark = [
    pytest.mark.compiled_only,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs mprotect"),
]

PROGRAM = Path(__file__).with_name("guarded.py")
SEEDS = range(20) if os.environ.get("FASTBP_TESTS") == "nightly" else range(1)


def run(*args):
    command = [sys.executable, "-X", "faulthandler", str(PROGRAM), *map(str, args)]
    return subprocess.run(command, env=environment_of(), capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("end", ["begin", "end"])
def test_the_pages_are_guarded(end):
    process = run("touch", end)
    assert -process.returncode in (signal.SIGSEGV, signal.SIGBUS), process.stdout


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ["begin", "end"])
def test_nothing_is_read_past_the_arrays(end, seed):
    """Neither past the user's nor past parameters and work spaces."""
    pytest.importorskip("sklearn")
    process = run(seed, end, "all")
    assert process.returncode == 0, process.stderr[-3000:]
    assert process.stdout.startswith("all done")
