"""`show_versions` and `fastbp versions`: what a report of a bug needs, and nothing more."""

import platform

import numba
import numpy as np
import pytest
from cases import COMPILED
from subprocesses import run_python

import fastbp
from fastbp.engine import threads
from fastbp.versions import versions


def test_every_section_has_something_to_say():
    found = versions()
    assert list(found) == ["system", "processor", "threads", "machine code", "packages", "settings"]
    assert all(isinstance(value, str) and value for section in found.values() for value in section.values())
    assert found["packages"]["numpy"] == np.__version__
    assert found["packages"]["numba"] == numba.__version__
    assert found["packages"]["llvmlite"]
    assert platform.python_version() in found["system"]["python"]
    assert "float32" in found["processor"]["lanes"]


def test_lanes_and_features_are_those_of_the_kernels():
    from fastbp.kernels.registers.machine import REGISTER_BYTES

    processor = versions()["processor"]
    assert processor["lanes"] == f"{REGISTER_BYTES // 4} float32, {REGISTER_BYTES // 8} float64"
    if processor["instructions"] == "AVX-512":
        assert "avx512f" in processor["features"].split()


def test_why_there_are_so_many_threads(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 8)
    monkeypatch.setattr(threads, "_quota", lambda: 3)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _pid: set(range(6)), raising=False)
    found = versions()["threads"]
    assert found["used"] == "3"
    assert found["bounds"] == "numba 8, affinity 6, quota 3"
    monkeypatch.setattr(threads, "_without_threads", True)
    assert versions()["threads"]["used"] == "1"
    assert versions()["threads"]["bounds"].endswith("forked 1")


def test_only_settings_that_matter_are_shown(monkeypatch, capsys):
    monkeypatch.setenv("NUMBA_SOMETHING", "visible")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PASSWORD", "hunter2")
    fastbp.show_versions()
    printed = capsys.readouterr().out
    assert "visible" in printed
    assert "OMP_NUM_THREADS" in printed
    assert "hunter2" not in printed


def test_what_is_printed_is_what_is_returned(capsys):
    fastbp.show_versions()
    printed = capsys.readouterr().out
    for section, entries in versions().items():
        assert not entries or f"\n{section}\n" in "\n" + printed
        for name, value in entries.items():
            assert f"  {name} " in printed
            assert value in printed


def test_the_command_prints_the_same(capsys):
    pytest.importorskip("click")
    from click.testing import CliRunner

    from fastbp.cli.commands import fastbp as group

    fastbp.show_versions()
    assert CliRunner().invoke(group, ["versions"]).output == capsys.readouterr().out


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled, nothing kept")
def test_where_machine_code_is_kept(tmp_path):
    script = "from fastbp.versions import versions; print(versions()['machine code']['kept in'])"
    assert run_python(script, NUMBA_CACHE_DIR=str(tmp_path)).startswith(str(tmp_path))
    assert "nothing is compiled" in run_python(script, NUMBA_DISABLE_JIT="1")
