"""Machine code kept on disk: never stale, never damaged, and never needed."""

import compileall
import os
import runpy
import shutil
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import COMPILED
from subprocesses import run_python

import fastbp
from fastbp import kernels
from fastbp.kernels.compiling import cache

# The least that calls a kernel which stands in another file: the whole engine takes long to compile.
ONE_RELU = """
import sys
from pathlib import Path
import numpy as np
from numba.core import event
import fastbp
from fastbp.activations import ACTIVATIONS

compiled = []

class Listener(event.Listener):
    def on_start(self, e):
        compiled.append(e.data["dispatcher"].py_func.__name__)

    def on_end(self, e):
        pass

event.register("numba:compile", Listener())
values = [ACTIVATIONS["relu"].h(np.ones(1, dtype)).item() for dtype in sys.argv[1:] or ["float64"]]
assert len(set(values)) == 1
print(values[0], len(compiled), Path(fastbp.__file__).parent.parent)
"""

ANOTHER_RELU = '''

@kernel
def relu(a):
    """Return three times a."""
    return 3.0 * a
'''


def one_relu(folder, package, *dtypes, before="", **environment):
    """Run `ONE_RELU` in a process of its own; return (relu(1), the number of functions it compiled)."""
    environment = {"NUMBA_CACHE_DIR": str(folder)} | environment
    value, n_compiled, used = run_python(before + ONE_RELU, *dtypes, package=package, **environment).split()
    assert Path(used) == package
    return float(value), int(n_compiled)


@pytest.fixture
def package(tmp_path):
    """Return the folder of a copy of the package."""
    folder = tmp_path / "package"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(fastbp.__file__).parent, folder / "fastbp", ignore=ignored)
    return folder


def cached_files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and ".nb" in path.name)


@pytest.mark.compiled_only
def test_an_edited_callee_is_compiled_anew(tmp_path, package):
    """Numba looks only at the file of the function that Python calls; relu stands in another."""
    kept = tmp_path / "cache"
    value, n_compiled = one_relu(kept, package)
    assert value == 1.0
    assert n_compiled > 0
    first = cached_files(kept)
    assert first, "nothing was cached"
    assert one_relu(kept, package) == (1.0, 0)
    assert cached_files(kept) == first

    with (package / "fastbp" / "kernels" / "formulas" / "activations.py").open("a") as functions:
        functions.write(ANOTHER_RELU)
    assert one_relu(kept, package)[0] == 3.0
    assert one_relu(kept, package) == (3.0, 0)
    assert cached_files(kept) == first, "what is out of date is replaced"


@pytest.mark.compiled_only
def test_two_processes_fill_it_at_once(tmp_path, package):
    """Each has a type of its own: in one index for both, one would be lost, or stand for the other."""
    kept = tmp_path / "cache"
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda dtype: one_relu(kept, package, dtype), ["float32", "float64"]))
    assert [value for value, _ in results] == [1.0, 1.0]
    assert one_relu(kept, package, "float32", "float64") == (1.0, 0)


@pytest.mark.compiled_only
def test_damaged_files_are_compiled_anew(tmp_path, package):
    kept = tmp_path / "cache"
    _, n_compiled = one_relu(kept, package)
    whole = {path: path.read_bytes() for path in cached_files(kept)}
    assert len(whole) > 1
    for k, (path, content) in enumerate(whole.items()):
        middle = len(content) // 2  # of the machine code: it unpickles as before
        garbled = (
            content[:middle] + bytes(byte ^ 0x55 for byte in content[middle : middle + 64]) + content[middle + 64 :]
        )
        path.write_bytes(garbled if k % 2 else content[:middle])
    assert one_relu(kept, package) == (1.0, n_compiled)
    assert cached_files(kept) == list(whole)
    assert one_relu(kept, package) == (1.0, 0), "they were written again"


NO_HOME = """
import os, pwd

def nobody(*_):
    raise KeyError

pwd.getpwuid = nobody
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
os.chdir(os.environ["ELSEWHERE"])
"""


@pytest.mark.compiled_only
@pytest.mark.parametrize("before", ["", NO_HOME], ids=["no folder in HOME", "no HOME"])
def test_no_place_for_it(tmp_path, package, before):
    """Neither beside the sources nor in a home: each process compiles for itself, without a warning."""
    if before:
        pytest.importorskip("pwd")
    for room in {path.parent for path in (package / "fastbp" / "kernels").rglob("*.py")}:
        (room / "__pycache__").touch()  # a file, where Numba wants a folder
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "ELSEWHERE": str(tmp_path / "elsewhere")}
    (tmp_path / "elsewhere").mkdir()
    options = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    value, n_compiled = one_relu("/dev/null/cache", package, before=before, **nowhere, **options)
    assert value == 1.0
    assert n_compiled > 0
    assert not cached_files(tmp_path)
    assert not list((tmp_path / "elsewhere").iterdir()), "a folder named ~ is no home"


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
"""
REMOVED_AFTER_THE_IMPORT = """
import os, shutil
import fastbp
shutil.rmtree(os.environ["NUMBA_CACHE_DIR"])
open(os.environ["NUMBA_CACHE_DIR"], "w").close()
"""


@pytest.mark.compiled_only
@pytest.mark.parametrize("before", [FULL_DISK, REMOVED_AFTER_THE_IMPORT], ids=["full disk", "removed"])
def test_it_cannot_be_written(tmp_path, package, before):
    if before is FULL_DISK:
        pytest.importorskip("resource")
    options = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    value, n_compiled = one_relu(tmp_path / "cache", package, before=before, **options)
    assert value == 1.0
    assert n_compiled > 0
    assert not cached_files(tmp_path / "cache"), "half a file is left"


@pytest.mark.compiled_only
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


# ---------------------------------------------------------------- one file


def test_each_key_has_a_file_and_flush_removes_them(tmp_path):
    files, others = cache.CodeFiles(str(tmp_path), "f[1]"), cache.CodeFiles(str(tmp_path), "f[1]x")
    for key in ("a", "b"):
        files.save(key, f"code of {key}")
    others.save("a", "another function's")
    assert [files.load(key) for key in "abc"] == ["code of a", "code of b", None]
    files.flush()
    assert [files.load(key) for key in "ab"] == [None, None]
    assert others.load("a") == "another function's"


def test_writers_that_overlap(tmp_path, monkeypatch):
    """Both are in the midst of it: with an index of Numba's, both would take the same name for their code."""
    dump, both = cache.CodeFiles._dump, threading.Barrier(2)
    monkeypatch.setattr(cache.CodeFiles, "_dump", lambda self, data: both.wait(60) >= 0 and dump(self, data))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: cache.CodeFiles(str(tmp_path), "f").save(key, [key]), ["a", "b"]))
    assert [cache.CodeFiles(str(tmp_path), "f").load(key) for key in "ab"] == [["a"], ["b"]]


def test_nothing_of_a_damaged_file_is_unpickled(tmp_path, monkeypatch):
    files = cache.CodeFiles(str(tmp_path), "f")
    files.save("key", b"machine code" * 20)
    (path,) = cached_files(tmp_path)
    content, loads = path.read_bytes(), []
    monkeypatch.setattr(cache.pickle, "loads", loads.append)
    for n in range(len(content)):
        path.write_bytes(content[:n])
        assert files.load("key") is None
        garbled = bytearray(content)
        garbled[n] ^= 1 << n % 8
        path.write_bytes(garbled)
        assert files.load("key") is None
    path.write_bytes(content + b"\0")
    assert files.load("key") is None
    assert not loads


def test_a_file_of_other_sources_or_of_another_key_is_not_used(tmp_path, monkeypatch):
    files = cache.CodeFiles(str(tmp_path), "f")
    files.save("a", "code")
    shutil.copy(files.path("a"), files.path("b"))
    assert files.load("b") is None
    assert files.load("a") == "code"
    monkeypatch.setattr(cache, "package_stamp", lambda: b"after an edit")
    assert files.load("a") is None


def test_without_sources_there_is_no_cache(tmp_path, monkeypatch):
    """Nothing would tell old machine code from new: a package of .pyc files, say."""
    monkeypatch.setattr(cache, "KERNELS", tmp_path)
    with pytest.raises(RuntimeError, match="no kernel sources"):
        cache.package_stamp.__wrapped__()


def test_what_the_stamp_depends_on(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "KERNELS", tmp_path)
    stamp, stamps = cache.package_stamp.__wrapped__, []
    (tmp_path / "below").mkdir()
    files = (("a.py", "x = 1"), ("a.py", "x = 2"), ("b.py", ""), ("below/a.py", ""), ("below/a.py", "x = 2"))
    for name, text in files:
        (tmp_path / name).write_text(text)
        stamps.append(stamp())
    (tmp_path / "below" / "a.py").rename(tmp_path / "below" / "b.py")
    stamps.append(stamp())
    monkeypatch.setattr(cache.numba, "__version__", "another")
    stamps.append(stamp())
    monkeypatch.setattr(cache.config, "BOUNDSCHECK", "another")
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


def test_the_stamp_covers_every_kernel():
    folder = Path(kernels.__file__).parent
    found = dict(cache.sources())
    assert found == {str(path.relative_to(folder).as_posix()): path.read_bytes() for path in folder.rglob("*.py")}
    assert len(found) >= 50


def zipped(package, target, suffix=".py"):
    """Return the path of a zip file with the package's files of this suffix."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in package.rglob("*" + suffix):
            archive.write(path, path.relative_to(package))
    return target


@pytest.mark.compiled_only
def test_from_a_zip_file(tmp_path, package):
    """It runs, keeps its machine code where NUMBA_CACHE_DIR says, and compiles anew what was edited."""
    archive, folder = zipped(package, tmp_path / "fastbp.zip"), tmp_path / "cache"
    assert one_relu(folder, archive) == (1.0, one_relu(tmp_path / "another", archive)[1])
    assert one_relu(folder, archive) == (1.0, 0)
    with (package / "fastbp" / "kernels" / "formulas" / "activations.py").open("a") as functions:
        functions.write(ANOTHER_RELU)
    zipped(package, archive)
    value, n_compiled = one_relu(folder, archive)
    assert value == 3.0
    assert n_compiled > 0


@pytest.mark.compiled_only
def test_without_its_sources(tmp_path, package):
    """A folder of .pyc files alone, and a zip file of them: each process compiles what it uses."""
    compileall.compile_dir(package, quiet=2, legacy=True)
    for path in package.rglob("*.py"):
        path.unlink()
    for place in (package, zipped(package, tmp_path / "fastbp.zip", ".pyc")):
        value, n_compiled = one_relu(tmp_path / "cache", place)
        assert value == 1.0
        assert n_compiled > 0
    assert not cached_files(tmp_path / "cache")


TWINS = """
from fastbp.kernels.compiling.decorators import entry

def inverse(x):
    return 1.0 / x

quiet, strict = entry(inverse), entry(inverse, error_model="python")
"""


@pytest.mark.skipif(not COMPILED, reason="plain Python has no options")
def test_options_tell_twins_apart(tmp_path, monkeypatch):
    """Numba would load the one's machine code for the other: its key knows nothing of the options."""
    (tmp_path / "twins.py").write_text(TWINS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(tmp_path))
    import twins

    assert twins.quiet(0.0) == np.inf
    assert len(cached_files(tmp_path)) == 1
    with pytest.raises(ZeroDivisionError):
        twins.strict(0.0)
    assert os.path.commonpath([tmp_path, twins.strict._cache.cache_path]) == str(tmp_path)


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled, nothing kept")
def test_an_edited_function_outside_of_the_kernels_is_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(tmp_path / "cache"))
    results = []
    for text in (TWINS, TWINS, TWINS.replace("1.0 / x", "3.0 / x")):
        (tmp_path / "edited.py").write_text(text)
        edited = runpy.run_path(str(tmp_path / "edited.py"))
        results.append((edited["quiet"](2.0), sum(edited["quiet"].stats.cache_hits.values())))
    assert results == [(0.5, 0), (0.5, 1), (1.5, 0)]
    assert len(cached_files(tmp_path / "cache")) == 1


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled, nothing kept")
def test_a_file_that_can_be_neither_read_nor_written(tmp_path, monkeypatch):
    (tmp_path / "unreadable.py").write_text(TWINS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(tmp_path))
    import unreadable

    monkeypatch.setattr(cache.CodeFiles, "path", lambda self, key: str(tmp_path))  # a folder
    assert unreadable.quiet(4.0) == 0.25
    assert not cached_files(tmp_path)
