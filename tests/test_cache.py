"""Machine code kept on disk: never stale, and never needed."""

import shutil
from pathlib import Path

import pytest
from subprocesses import run_python

import fastbp

pytestmark = pytest.mark.compiled_only

# The least that calls a kernel which stands in another file: the whole engine takes long to compile.
ONE_RELU = """
import numpy as np
import fastbp
from fastbp.activations import ACTIVATIONS

print(ACTIVATIONS["relu"].h(np.ones(1)).item(), fastbp.__file__)
"""

ANOTHER_RELU = '''

@kernel
def relu(a):
    """Return three times a."""
    return 3.0 * a
'''


def copy_package(folder):
    shutil.copytree(Path(fastbp.__file__).parent, folder / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))


def cached_files(folder):
    return sorted(path.name for path in folder.rglob("*.nb?"))


def test_an_edited_callee_is_compiled_anew(tmp_path):
    """Numba looks only at the file of the function that Python calls; relu stands in another."""
    shutil.copytree(Path(fastbp.__file__).parent, tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"package": tmp_path, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    value, file = run_python(ONE_RELU, **environment).split()
    assert Path(file).parent == tmp_path / "fastbp"
    assert float(value) == 1.0
    first = cached_files(tmp_path / "cache")
    assert first, "nothing was cached"
    assert float(run_python(ONE_RELU, **environment).split()[0]) == 1.0
    assert cached_files(tmp_path / "cache") == first

    with (tmp_path / "fastbp" / "kernels" / "functions.py").open("a") as functions:
        functions.write(ANOTHER_RELU)
    assert float(run_python(ONE_RELU, **environment).split()[0]) == 3.0


def test_no_place_for_a_cache(tmp_path):
    """Neither beside the sources nor in a home: each process compiles for itself, without a warning."""
    copy_package(tmp_path)
    (tmp_path / "fastbp" / "kernels" / "__pycache__").touch()  # a file, where Numba wants a folder
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "NUMBA_CACHE_DIR": "/dev/null/cache"}
    options = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    value, file = run_python(ONE_RELU, package=tmp_path, **nowhere, **options).split()
    assert Path(file).parent == tmp_path / "fastbp"
    assert float(value) == 1.0
    assert not cached_files(tmp_path)


def test_parallel_code_that_was_compiled_around_cached_code(tmp_path):
    """Fill the cache in an order in which Numba forgets that a function needs its threads; then load it all."""
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    start = """
import numpy as np, fastbp
net = fastbp.Network((3, 4, 2), dtype="float32")
X, T = np.ones((40, 3)), np.ones((40, 2))
"""
    run_python(start + "net.loss(X, T)", **environment)
    run_python(start + "net.forward(X); net.fit(X, T, epochs=1)", **environment)
    assert run_python(start + "print(net.fit(X, T, epochs=1).n_epochs)", **environment) == "1\n"
