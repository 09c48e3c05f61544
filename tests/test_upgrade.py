"""From one wheel to the next, whose only change is in a file that no function stands in which Python calls."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
from subprocesses import TESTS
from test_cache import ANOTHER_RELU, cached_files, one_relu

SOURCES = TESTS.parent
pytestmark = [
    pytest.mark.compiled_only,
    pytest.mark.skipif(not find_spec("hatchling"), reason="no hatchling to build wheels with"),
    pytest.mark.skipif(not find_spec("pip"), reason="no pip to install wheels with"),
    pytest.mark.skipif(not (SOURCES / "pyproject.toml").exists(), reason="no sources to build wheels from"),
]


def run(*command, **options):
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def build(folder, wheels):
    """Build a wheel without the network; return its path."""
    run("hatchling", "build", "-t", "wheel", "-d", str(wheels), cwd=folder)
    (wheel,) = wheels.glob("fastbp-*.whl")
    return wheel


def install(wheel, target):
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--no-compile", "--quiet")
    run("pip", "install", *options, "--upgrade", "--target", str(target), str(wheel))


def test_an_upgrade_runs_the_new_code(tmp_path):
    checkout, site, kept = tmp_path / "checkout", tmp_path / "site", tmp_path / "cache"
    checkout.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCES / name, checkout)
    shutil.copytree(SOURCES / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    old = build(checkout, tmp_path / "old")
    with (checkout / "src" / "fastbp" / "kernels" / "formulas/activations.py").open("a") as functions:
        functions.write(ANOTHER_RELU)
    new = build(checkout, tmp_path / "new")

    install(old, site)
    assert one_relu(kept, site)[0] == 1.0
    assert one_relu(kept, site) == (1.0, 0)
    assert cached_files(kept), "nothing was cached"
    install(new, site)
    assert one_relu(kept, site)[0] == 3.0
    install(old, site)
    assert one_relu(kept, site)[0] == 1.0
