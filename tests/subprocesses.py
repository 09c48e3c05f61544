"""Run Python code in a process of its own, where environment variables can still change what Numba does."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import fastbp

TESTS = Path(__file__).parent
PACKAGE = Path(fastbp.__file__).parent.parent


PATIENCE = 900  # seconds until a child counts as hung; on a machine busy with other things compiling takes minutes


def run_python(code, *args, package=PACKAGE, patience=PATIENCE, **environment):
    """Run `code` with the package and the test modules on its path; return its standard output."""
    process = start_python(code, *args, package=package, patience=patience, **environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@contextlib.contextmanager
def hearing_ctrl_c():
    """Let this process and its children hear an interrupt, also where a shell has made them deaf to it: `pytest &`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def environment_of(package=PACKAGE, **environment):
    """Return the environment in which a child finds the package and the test modules."""
    path = os.pathsep.join([str(package), str(TESTS), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path} | environment


def start_process(code, *args):
    """Start `code` and return the process at once, its standard output being a pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], env=environment_of(), stdout=subprocess.PIPE, text=True
    )


def start_python(code, *args, package=PACKAGE, patience=PATIENCE, **environment):
    """Run `code` and return the finished process, whatever its return code."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env=environment_of(package, **environment),
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
