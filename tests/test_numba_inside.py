"""What is leant on within Numba is there; where it is not, Numba's own passes compile the same kernels."""

import subprocess
import sys

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
