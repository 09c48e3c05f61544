"""The files of examples/export: CMake, C, Fortran and Octave find what the network computes, where these tools are."""

import shutil
import subprocess
import sys
from pathlib import Path

import exchanged
import numpy as np
import pytest

import fastbp

FOLDER = Path(__file__).parents[1] / "examples" / "export"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="an installed package has no examples beside its tests")
X = np.array([[0.5, -0.25]])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(a copy of the folder with what `surface.py` writes, the network)."""
    folder = tmp_path_factory.mktemp("export") / "files"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("surface.c", "*.safetensors", "build", "__pycache__"))
    sys.path.insert(0, str(FOLDER))
    try:
        import surface
    finally:
        sys.path.remove(str(FOLDER))
    surface.main(folder)
    return folder, fastbp.Network.load(folder / "surface.safetensors")


def run(command, folder):
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
    return result.stdout


def assert_right(printed, net):
    y, *dx = (float(number) for number in printed.split())
    assert y == pytest.approx(net.forward(X)[0, 0], rel=1e-13)
    assert dx == pytest.approx(net.input_gradient(X, np.ones((1, 1)))[0], rel=1e-12)


def test_the_network_has_learnt(exported):
    assert exported[1].forward(X)[0, 0] == pytest.approx(np.sin(0.5) * np.cos(0.25), abs=0.05)


def test_cmake_and_c(exported):
    folder, net = exported
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    run(["cmake", "-B", "build", "-S", "."], folder)
    run(["cmake", "--build", "build"], folder)
    assert "100% tests passed" in run(["ctest", "--test-dir", "build"], folder)
    assert_right(run([str(folder / "build" / "caller")], folder), net)


def test_fortran(exported):
    folder, net = exported
    run(["gfortran", "-O2", "-Wall", "-Werror", "caller.f90", "surface.c", "-o", "caller", "-lm"], folder)
    assert_right(run([str(folder / "caller")], folder), net)


def test_octave(exported, tmp_path):
    """Every function, skips, both precisions."""
    folder, _net = exported
    names = sorted(set(fastbp.activations.ACTIVATIONS) - {"exp"})
    for dtype in ("float64", "float32"):
        sizes = [3, *([5] * len(names)), 4]
        net = fastbp.Network(sizes, activation=names, output="softmax", skip=[(0, 5), (3, 8)], dtype=dtype, seed=1)
        net.save(tmp_path / f"{dtype}.safetensors")
        lines = np.linspace(-1, 1, 12).reshape(4, 3).astype(dtype)
        code = (
            f"y = evaluate('{tmp_path / dtype}.safetensors', reshape(linspace(-1, 1, 12), 3, 4)'); printf('%.17g ', y')"
        )
        printed = run(["octave", "--no-gui", "--norc", "--quiet", "--eval", code], folder)
        found = np.array(printed.split(), float).reshape(4, 4)
        assert exchanged.ulps(found, net.forward(lines).astype(float), np.dtype(dtype)) <= 64
