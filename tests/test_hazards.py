"""How kernels are compiled: what every one of them must have, or must not have, to be right."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import numba
import numpy as np
import pytest
from cases import COMPILED, Case, draw
from numba.core.dispatcher import Dispatcher
from subprocesses import run_python

from fastbp import kernels
from fastbp.engine import engine
from fastbp.kernels.compiling.cache import PackageCache
from fastbp.kernels.compiling.decorators import Kernel, entry, kernel
from fastbp.kernels.registers import machine
from fastbp.kernels.registers.lanes import lanes, load, number, store, view
from fastbp.kernels.training.chunks import GRADIENT, run_job

SOURCES = sorted(Path(kernels.__file__).parent.rglob("*.py"))
assert len(SOURCES) >= 50, "the kernels are elsewhere: nothing would be looked at"
SOURCES = [path for path in SOURCES if path.name != "plain.py"]  # stands in for what is compiled
# Neither nnan nor ninf, with which isnan(nan) is False.
# Of an index that may be negative; Numba's older releases choose between whole arrays too.
INDEX_TESTED = re.compile(r"select i1 [^,]+, i64 ")
HARMLESS = {"contract", "reassoc", "nsz", "arcp"}

compiled_only = pytest.mark.skipif(not COMPILED, reason="plain Python has no options")


def jitted():
    """Return every compiled function of the kernels by its name."""
    found = {}
    for info in pkgutil.walk_packages(kernels.__path__, "fastbp.kernels."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, Dispatcher | Kernel) and value.py_func.__module__ == info.name:
                found[f"{info.name}.{name}"] = value.dispatcher if isinstance(value, Kernel) else value
    return found


@compiled_only
def test_options_of_every_function():
    functions = jitted()
    assert len(functions) > 100
    for name, function in functions.items():
        options = function.targetoptions
        assert options["error_model"] == "numpy", f"{name}: a division by zero raises"
        assert set(options["fastmath"]) <= HARMLESS, name
        # Except what takes 0.1 ms at most, and shares its work space with other calls.
        is_short = name.endswith((".few.forward_few", ".few_links.forward_few_links", ".stream.learn_few"))
        assert options["nogil"] == (not is_short), f"{name} keeps other threads waiting"


@compiled_only
def test_what_python_calls_is_kept_on_disk():
    kept = [name for name, function in jitted().items() if isinstance(function._cache, PackageCache)]
    assert {"fastbp.kernels.training.chunks.run_job", "fastbp.kernels.training.epochs.train"} <= set(kept)


@compiled_only
def test_no_function_is_compiled_from_a_source_that_another_one_has():
    """Numba would load the machine code of the one for the other; unless they have been given names of their own."""
    functions = {id(function): function.py_func for function in jitted().values()}.values()
    sources = [(f.__code__.co_filename, f.__code__.co_firstlineno, f.__qualname__) for f in functions]
    assert len(set(sources)) == len(sources)


@compiled_only
def test_nan_and_division_by_zero_in_compiled_code():
    @entry
    def is_nan_or_inverse(x):
        return np.isnan(x), 1.0 / x

    assert is_nan_or_inverse(np.nan)[0]
    assert is_nan_or_inverse(0.0) == (False, np.inf)


NARROW = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "intc", "short", "int_"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_narrow_integers_and_no_setting_that_compiling_freezes(path):
    """Indices overflow in silence; a global that changes would keep the value it had."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np"
    }
    assert not names & NARROW
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]


def test_settings_reach_compiled_code_as_arguments(monkeypatch):
    case = Case((6, 9, 2), "tanh", n_samples=400)
    used = []
    for fewest in (64, 128):
        monkeypatch.setattr(engine, "min_chunk", lambda topology, dtype, fewest=fewest: fewest)
        net, X, T, _ = draw(case)
        memory = net.engine.memory(400)
        run_job(net.packed, net.check_samples(X, T).arrays, memory, GRADIENT, 0, X)
        used.append(np.count_nonzero(memory.errors))
    assert used == [6, 3]


NO_COMPILATION = """
from numba.core import event

class Listener(event.Listener):
    def on_start(self, e):
        raise AssertionError(f"compiled: {e.data['dispatcher'].py_func}")

    def on_end(self, e):
        pass

event.register("numba:compile", Listener())
import fastbp
net = fastbp.Network((3, 4, 2), activation="relu")
print(net.n_params)
"""


@compiled_only
def test_neither_the_import_nor_a_network_compiles_anything(tmp_path):
    assert run_python(NO_COMPILATION, NUMBA_CACHE_DIR=str(tmp_path)) == "26\n"


# ---------------------------------------------------------------- machine code


@kernel
def add_indexed(z, a, n):
    """Add by NumPy's indices, which may be negative."""
    for k in range(n):
        z[k - 1] += a[k - 1]


@kernel
def add_views(z, a, n):
    """Add by `number` and registers."""
    for k in range(0, n, lanes(a)):
        store(z, k, load(z, k) + load(a, k))
    return number(z, 0)


def llvm_of(function, *arguments):
    """Return the optimised code of a kernel, compiled into an entry that is not kept."""
    function(*arguments)
    (code,) = function.inspect_llvm().values()
    return code


@compiled_only
@pytest.mark.skipif(bool(numba.config.BOUNDSCHECK), reason="each index is tested then")
def test_registers_are_as_wide_as_the_machine_has_and_indices_not_tested():
    """LLVM would take half of a 512-bit register, test for overlap before a loop, and for negative indices in it."""

    @numba.njit
    def with_views(z, a):
        add_views(view(z), view(a), a.size)

    @numba.njit
    def with_indices(z, a):
        add_indexed(z, a, a.size)

    z, a = np.zeros(64), np.ones(64)
    by_views, by_indices = llvm_of(with_views, z, a), llvm_of(with_indices, z, a)
    n_lanes = machine.lanes_of(np.dtype("float64"))
    assert f"<{n_lanes} x double>" in by_views.replace(" x  ", " x ")
    assert "memcheck" not in by_views
    assert not INDEX_TESTED.search(by_views)
    assert "memcheck" in by_indices or INDEX_TESTED.search(by_indices), "the test would not see it"
    assert np.all(z[:-1] >= 1)
