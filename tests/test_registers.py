"""The shapes of registers that a test run takes on, and what decides on a machine's own."""

import os
import subprocess
import sys

import numpy as np
import pytest
import registers
from subprocesses import TESTS, environment_of, run_python, start_python

from fastbp.kernels.registers import machine

AVX2 = {"avx", "avx2", "fma", "sse2"}


@pytest.mark.parametrize(
    ("features", "architecture", "own", "expected"),
    [
        (AVX2 | {"avx512f"}, "x86_64", (64, 4), {"AVX2": "haswell", "NEON": "16x4", "128-bit": "generic"}),
        (AVX2, "AMD64", (32, 2), {"AVX-512": "64x4", "NEON": "16x4", "128-bit": "generic"}),
        ({"sse2"}, "x86_64", (16, 2), {"AVX-512": "64x4", "AVX2": "32x2", "NEON": "16x4"}),
        ({"neon"}, "arm64", (16, 4), {"AVX-512": "64x4", "AVX2": "32x2", "128-bit": "16x2"}),
    ],
)
def test_each_machine_takes_on_what_it_is_not(features, architecture, own, expected):
    found = registers.others(features, architecture, own)
    assert {shape.name: next(iter(shape.settings.values())) for shape in found} == expected


def shape_under(**settings):
    code = "from fastbp.kernels.registers import machine; print(machine.REGISTER_BYTES, machine.TILE_REGISTERS)"
    return tuple(map(int, run_python(code, **settings).split()))


def test_the_settings_have_these_shapes():
    for shape in registers.here():
        assert shape_under(**({"FASTBP_REGISTERS": ""} | shape.settings)) == shape.shape
        assert shape_under(NUMBA_DISABLE_JIT="1", **registers.asked_for(*shape.shape)) == shape.shape


@pytest.mark.parametrize("uncompiled", [False, True])
def test_what_is_printed_for_ci(uncompiled):
    command = [sys.executable, str(TESTS / "registers.py"), *(["uncompiled"] if uncompiled else [])]
    printed = subprocess.run(command, env=environment_of(), capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in printed.splitlines()]
    assert [name for name, *_settings in lines] == [shape.name for shape in registers.here()]
    assert all("=" in setting for _name, *settings in lines for setting in settings)
    assert all(("NUMBA_DISABLE_JIT=1" in settings) == uncompiled for _name, *settings in lines)


@pytest.mark.parametrize("asked", ["16", "8x2", "16x3", "x", "16x4x2", "64 x 4"])
def test_other_shapes_are_refused(asked):
    process = start_python("import fastbp", FASTBP_REGISTERS=asked)
    assert "FASTBP_REGISTERS must be 16, 32 or 64 bytes" in process.stderr


@pytest.mark.skipif("NUMBA_CPU_NAME" in os.environ, reason="these are not the machine's own features")
def test_without_avx_no_instructions_of_it_are_taken_for_granted():
    """Numba leaves AVX out then; kernels with instructions of AVX-512 would end the process."""
    code = """
import numpy as np
from fastbp.activations import ACTIVATIONS
from fastbp.kernels.registers import machine
assert not [name for name in machine.cpu_features() if name.startswith("avx")]
print(machine.REGISTER_BYTES, ACTIVATIONS["tanh"].h(np.ones(9))[8])
"""
    register_bytes, h = run_python(code, NUMBA_ENABLE_AVX="0", FASTBP_REGISTERS="").split()
    assert register_bytes == "16"
    assert abs(float(h) - np.tanh(1.0)) < 1e-15


def test_lanes_of_a_register():
    assert machine.lanes_of(np.dtype("float32")) == 2 * machine.lanes_of(np.dtype("float64"))
