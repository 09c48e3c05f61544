"""What is leant on within Numba is there; where it is not, Numba's own passes compile the same kernels."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import compiler_machinery
from subprocesses import environment_of, run_python

from fastbp.kernels.compiling import numba_inside
from fastbp.kernels.compiling.lowering import UNUSED_PASSES

ALL_NAMES = [
    name
    for table in (numba_inside.LEANT_ON, numba_inside.ALWAYS_LEANT_ON)
    for names in table.values()
    for name in names
]


@pytest.mark.parametrize("name", ALL_NAMES)
def test_numba_has_what_is_leant_on(name):
    assert numba_inside.missing([name]) == []


@pytest.mark.parametrize(
    "name",
    ["numba.core.lowering.Lower.nothing", "numba.nowhere.Class.method", "nowhere.at_all", "numba.core.cgutils.a|b"],
)
def test_what_is_missing_is_named(name):
    assert numba_inside.missing(["numba.njit", name]) == [name]


# Modules of Numba whose classes the kernels' compilation takes over or asks.
NUMBAS_MODULES = [
    *(f"core.{name}" for name in ("base", "caching", "callconv", "cgutils", "codegen", "compiler", "compiler_machinery",
                                  "dispatcher", "funcdesc", "lowering", "typed_passes", "typing.context",
                                  "typing.templates")),
    "np.ufunc.parallel",
]  # fmt: skip
# Ours, and by chance called as something of Numba's; `_replace` and `_fields` are any NamedTuple's.
OURS = {"_compiled", "_define", "_fields", "_functions", "_key", "_launch_threads", "_locator", "_name", "_replace"}


def private_names(path):
    """Names that begin with one underscore: attributes, methods, and texts that are asked for by `getattr`."""
    nodes = list(ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))))
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    found |= {target.id for node in nodes if isinstance(node, ast.Assign) for target in node.targets
              if isinstance(target, ast.Name)}  # fmt: skip
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr")]
    found |= {arg.value for call in calls for arg in call.args if isinstance(arg, ast.Constant)}
    return {name for name in found if str(name).startswith("_") and not str(name).startswith("__")}


def test_no_private_name_of_numba_is_used_unlisted():
    """Or it would be missed at the first compilation, not by name when the release changes it."""
    of_numba = set().union(
        *(private_names(importlib.import_module(f"numba.{name}").__file__) for name in NUMBAS_MODULES)
    )
    package = Path(numba_inside.__file__).parents[2]
    readers = [path for path in package.rglob("*.py") if "numba" in path.read_text(encoding="utf-8")]
    used = set().union(*map(private_names, readers)) & of_numba - OURS
    tables = (numba_inside.LEANT_ON, numba_inside.ALWAYS_LEANT_ON, numba_inside.USED_IF_THERE)
    listed = {name.split("|")[0].rpartition(".")[2] for table in tables for names in table.values() for name in names}
    assert len(used) > 15
    assert used <= listed, f"not in numba_inside.py: {sorted(used - listed)}"


def test_what_objects_of_a_class_get_when_made_is_found():
    assert numba_inside.missing(["numba.core.codegen.JITCodeLibrary._linking_libraries"]) == []
    assert numba_inside.missing(["numba.core.codegen.JITCodeLibrary._no_such_thing"]) != []


def test_a_name_may_have_two_forms():
    assert numba_inside.missing(["numba.core.caching.Nothing|IndexDataCacheFile"]) == []


def test_passes_that_are_left_out_are_passes():
    """A pass that Numba renames would be run again, without a word."""
    known = {step.pass_inst.name() for step in compiler_machinery._pass_registry._registry.values()}
    known |= {step.__name__ for step in compiler_machinery._pass_registry._registry}
    assert known >= UNUSED_PASSES


@pytest.mark.parametrize(
    ("version", "tried"),
    [
        ("0.61.0", True),
        ("0.68.1", True),
        ("0.68.9rc1", True),
        ("0.69.0dev0+12.gabc", False),
        ("0.70", False),
        ("1.0", False),
    ],
)
def test_which_releases_were_tried(version, tried):
    assert numba_inside.is_tried(version) == tried


COMPUTE = """
import hashlib, sys
import numpy as np
import numba
numba.__version__ = sys.argv[1] or numba.__version__
import fastbp

net = fastbp.Network((5, 9, 2), activation="tanh", seed=0, dtype="float32")
X, T = np.random.default_rng(0).standard_normal((2, 40, 5))
print(hashlib.sha256(net.gradient(X, T[:, :2])[1].tobytes()).hexdigest())
"""


@pytest.mark.compiled_only
def test_a_release_that_was_not_tried_computes_the_same_bits():
    command = [sys.executable, "-W", "always", "-c", COMPUTE, "0.99.0"]
    later = subprocess.run(command, env=environment_of(), capture_output=True, text=True, timeout=280, check=True)
    assert later.stdout == run_python(COMPUTE, "")
    assert later.stderr.count("RuntimeWarning") == 1
    assert "Numba 0.99.0 is newer than what fastbp was tried with" in later.stderr
