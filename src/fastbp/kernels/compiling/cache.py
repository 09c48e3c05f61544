"""Machine code kept on disk: made from these very sources and whole, or not used.

Numba stamps a cached function with the file it stands in alone: after an upgrade that changes a callee in
another file it would go on running the old machine code (numba issues 8851, 10659). It finds the code through
an index, in which processes that write at once lose or swap entries, and it believes whatever it reads. Here
each function, for each signature and processor, has one file; its name follows from them, and its checksum
covers the stamp of all kernel sources, and that of the function's own file where it stands elsewhere.
"""

import contextlib
import glob
import hashlib
import importlib.resources
import importlib.util
import marshal
import os
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, config
from numba.core.runtime import rtsys

from fastbp.kernels.compiling.numba_inside import why_not_own_passes
from fastbp.kernels.registers.machine import L2_BYTES, REGISTER_BYTES, TILE_REGISTERS

KERNELS = Path(__file__).parents[1]  # all rooms below it are one: an edit anywhere makes all machine code anew
CHECKSUM_BYTES = hashlib.sha256().digest_size


@cache
def package_stamp():
    """Hash of all kernel sources, and of what else changes the code made from them."""
    found = sorted(sources())
    if not found:
        raise RuntimeError("no kernel sources to tell old machine code by")
    versions = f"numba {numba.__version__}, llvmlite {llvmlite.__version__}, boundscheck {config.BOUNDSCHECK}"
    versions += f", own passes {not why_not_own_passes()}"
    versions += f", registers {REGISTER_BYTES} x {TILE_REGISTERS}, L2 cache {L2_BYTES}"
    digest = hashlib.sha256(versions.encode())
    for name, source in found:
        digest.update(f"; {name}, {len(source)} bytes: ".encode() + source)
    return digest.digest()


def sources() -> Any:
    """(name below the kernels' folder, content) of all kernel sources, also of those in a zip file."""
    package = __package__.rpartition(".")[0]
    yield from _sources_in(KERNELS if KERNELS.is_dir() else importlib.resources.files(package), "")


def _sources_in(folder, prefix):
    for item in folder.iterdir():
        if item.is_dir():
            yield from _sources_in(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py"):
            yield prefix + item.name, item.read_bytes()


def content_of(module: Any) -> Any:
    """The file of a module, wherever Python loads it from; its code, where that is kept without a file."""
    spec = importlib.util.find_spec(module)
    try:
        return spec.loader.get_data(spec.origin)
    except OSError:
        return marshal.dumps(spec.loader.get_code(module))


def own_stamp(py_func: Any) -> Any:
    """Hash of the file a function stands in, where that is none of the kernels' own: a test, a benchmark.

    What it calls in further files outside of the kernels is not covered.
    """
    path = py_func.__code__.co_filename
    return b"" if _is_kernel(path) else hashlib.sha256(Path(path).read_bytes()).digest()


def _is_kernel(path):
    """Whether a file is one of the kernels' sources."""
    return KERNELS in Path(path).parents


def _locator(name, is_there=lambda: True):
    """Numba's class, also for files within a zip file: without its stamp of one file; ours is in `CodeFiles`.

    Up to 0.61 the name begins with an underscore.
    """
    numbas = getattr(caching, name, None) or getattr(caching, "_" + name)

    class Locator(numbas):
        def get_source_stamp(self):
            return None

        @classmethod
        def from_function(cls, py_func, py_file):
            if not (is_there() and (_is_kernel(py_file) or os.path.exists(py_file))):
                return None
            locator = cls(py_func, py_file)
            with contextlib.suppress(OSError):
                locator.ensure_cache_path()
                return locator
            return None

    return Locator


def _has_home():
    """Whether there is a home: Numba would else make a folder named ~."""
    return os.path.isabs(caching.AppDirs(appname="numba", appauthor=False).user_cache_dir)


class _Places(caching.CompileResultCacheImpl):
    """Where to keep machine code: the first of these that can be written to."""

    _locator_classes = [  # noqa: RUF012 - Numba's
        _locator("UserProvidedCacheLocator", lambda: config.CACHE_DIR),
        _locator("InTreeCacheLocator"),
        _locator("UserWideCacheLocator", _has_home),
    ]


class CodeFiles(caching.IndexDataCacheFile):
    """The files of one function: a checksum, then a pickle of the key and the code."""

    def __init__(self, folder: Any, name: Any, own: Any = b"") -> None:
        super().__init__(folder, name, package_stamp())
        self._name, self._own = name, own
        self._checksums = {}  # by key, of the files whose code this process uses

    def path(self, key: Any, ending: Any = "nbc") -> Any:
        """The file for one key: what the machine code depends on besides the sources."""
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        return os.path.join(self._cache_path, f"{self._name}.{digest[:16]}.{ending}")

    def _checksum(self, content):
        return hashlib.sha256(package_stamp() + self._own + content).digest()

    def load(self, key: Any) -> Any:
        """The code, or None if there is none, or if it is damaged or of other sources: nothing of that is unpickled."""
        try:
            content = Path(self.path(key)).read_bytes()
        except FileNotFoundError:
            return None
        checksum, content = content[:CHECKSUM_BYTES], memoryview(content)[CHECKSUM_BYTES:]
        if self._checksum(content) != checksum:
            return None
        stored_key, code = pickle.loads(content)
        if stored_key != key:
            return None
        self._checksums[key] = checksum
        return code

    def save(self, key: Any, data: Any) -> None:
        """Put a file in its place, whole: another process may read or write it at the same time."""
        content = self._dump((key, data))
        checksum = self._checksum(content)
        with self._open_for_write(self.path(key)) as file:
            file.write(checksum + content)
        self._checksums[key] = checksum

    def has_passed(self, key: Any) -> Any:
        """Whether the code that this process uses is kept, and has a mark: the checksum of the file that passed."""
        if key not in self._checksums:
            return False
        with contextlib.suppress(OSError):
            return Path(self.path(key, "passed")).read_bytes() == self._checksums[key]
        return False

    def mark_passed(self, key: Any) -> None:
        """Put the mark beside the code, if that is kept. It is no mark of other code that takes the code's place."""
        if key in self._checksums:
            with self._open_for_write(self.path(key, "passed")) as file:
                file.write(self._checksums[key])

    def flush(self) -> None:
        """Remove the files, those that may be removed."""
        self._checksums.clear()
        for ending in ("passed", "nbc"):
            name = f"{glob.escape(self._name)}.*.{ending}"
            for path in glob.glob(os.path.join(glob.escape(self._cache_path), name)):
                with contextlib.suppress(OSError):  # gone already, or of a folder that is only read
                    os.unlink(path)


class PackageCache(caching.FunctionCache):
    """Numba's cache, with files that can be trusted to be whole; what cannot be read or written is compiled."""

    _impl_class = _Places

    def __init__(self, py_func: Any, key: Any) -> None:
        super().__init__(py_func)
        self._key = key
        self._cache_file = CodeFiles(self._cache_path, self._impl.filename_base, own_stamp(py_func))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, or None: then Numba compiles it.

        Numba would import all that it compiles with before it looks for the file: most of the first training's time.
        """
        with contextlib.suppress(Exception), self._guard_against_spurious_io_errors():  # unpickling raises anything
            rtsys.initialize(target_context)  # the functions that count references, which the machine code calls
            return self._load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled function, if there is room for it and a permission."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)

    def has_passed(self, sig: Any, target_context: Any) -> Any:
        """Whether the compiled function is kept, and has been marked as right."""
        return self._cache_file.has_passed(self._index_key(sig, target_context.codegen()))

    def mark_passed(self, sig: Any, target_context: Any) -> None:
        """Mark the compiled function as right, for later processes, if there is room and a permission."""
        with contextlib.suppress(OSError):
            self._cache_file.mark_passed(self._index_key(sig, target_context.codegen()))

    def _index_key(self, sig, codegen):
        # Numba would hash the bytes of the function and of what it encloses, which differ from process to
        # process where that is a compiled function. The stamp covers the sources; the key tells twins apart.
        return sig, codegen.magic_tuple(), self._key
