"""New machine code is checked before its first use: once, and again where that check did not end."""

import sys
import threading
import types

import numpy as np
import pytest
from subprocesses import run_python

import fastbp
from fastbp.checking.self_check import check_gradients
from fastbp.engine import first_use
from fastbp.engine.first_use import check_new_code
from fastbp.kernels.compiling import cache
from fastbp.solvers import make_solver

DTYPE = np.dtype("float64")
MODULE = sys.modules["fastbp.checking.self_check"]  # of which `fastbp.self_check` is a function


class Kept(cache.PackageCache):
    """A cache in a folder."""

    def __init__(self, folder):
        self._cache_file, self._key = cache.CodeFiles(str(folder), "engine"), ""


class Process:
    """What a process knows at its start, with an engine whose code another may have kept."""

    def __init__(self, monkeypatch, folder, check):
        key = (("float64",), "processor", "")
        kept = None if folder is None else Kept(folder)
        context = types.SimpleNamespace(codegen=lambda: types.SimpleNamespace(magic_tuple=lambda: "processor"))
        engine = types.SimpleNamespace(overloads={("float64",): None}, targetctx=context, _cache=kept)
        self.n_checks = 0

        def counted(dtype, solver):
            self.n_checks += 1
            check_new_code(dtype)  # as a gradient does
            check()

        def compiled(dtype):
            if kept is not None and kept._cache_file.load(key) is None:
                kept._cache_file.save(key, "code")

        for name, value in {
            "CHECKED": set(), "JIT_DISABLED": False, "worker_address": compiled, "_compiled": lambda: engine
        }.items():  # fmt: skip
            monkeypatch.setattr(first_use, name, value)
        monkeypatch.setattr(MODULE, "check_gradients", counted)


@pytest.fixture
def process(monkeypatch, tmp_path):
    """Return what starts a process: of `check`, and of the folder of the cache, None if there is none."""
    return lambda check=lambda: None, folder=tmp_path: Process(monkeypatch, folder, check)


def stop():
    """Ctrl-C."""
    raise KeyboardInterrupt


def test_code_is_checked_once_for_all_processes(process):
    first = process()
    for _ in range(3):
        check_new_code(DTYPE)
    assert first.n_checks == 1
    second = process()
    check_new_code(DTYPE)
    assert second.n_checks == 0


def test_without_a_cache_once_in_each_process(process):
    for _ in range(2):
        started = process(folder=None)
        check_new_code(DTYPE)
        check_new_code(DTYPE)
        assert started.n_checks == 1


def test_a_check_that_is_interrupted_is_still_to_be_done(process):
    for _ in range(2):  # in this process, and in one that finds the code of this one
        stopped = process(stop)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                check_new_code(DTYPE)
        assert stopped.n_checks == 2
    after = process()
    check_new_code(DTYPE)
    assert after.n_checks == 1


def test_code_that_takes_the_place_of_what_has_passed_is_checked(process, tmp_path):
    process()
    check_new_code(DTYPE)
    key = (("float64",), "processor", "")
    cache.CodeFiles(str(tmp_path), "engine").save(key, "other code")  # a process that has not checked it yet
    other = process()
    check_new_code(DTYPE)
    assert other.n_checks == 1
    process()
    first_use.forget_all()
    assert not list(tmp_path.iterdir())


def test_a_thread_waits_for_the_check_of_another(process):
    begun, go_on = threading.Event(), threading.Event()
    ended = []

    def check():
        begun.set()
        assert go_on.wait(60)
        ended.append("check")

    started = process(check)
    first = threading.Thread(target=check_new_code, args=(DTYPE,))
    second = threading.Thread(target=lambda: (check_new_code(DTYPE), ended.append("second")))
    first.start()
    assert begun.wait(60)
    second.start()
    second.join(0.05)
    assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert ended == ["check", "second"]
    assert started.n_checks == 1


@pytest.mark.parametrize("folder", ["missing", "damaged"])
def test_marks_that_cannot_be_written_or_read(folder, tmp_path):
    """No folder to write to, as on a full disk: no error, and no mark. Damage is no mark."""
    kept, key = Kept(tmp_path), ("float64", "processor", "")
    context = types.SimpleNamespace(codegen=lambda: types.SimpleNamespace(magic_tuple=lambda: "processor"))
    kept._cache_file.save(key, "code")
    if folder == "missing":
        kept._cache_file._cache_path = str(tmp_path / "missing")
        kept.mark_passed("float64", context)
    else:
        kept.mark_passed("float64", context)
        assert kept.has_passed("float64", context)
        (mark,) = tmp_path.glob("*.passed")
        mark.write_bytes(mark.read_bytes()[:-1])
    assert not kept.has_passed("float64", context)


def test_a_self_check_that_is_interrupted_has_not_passed(monkeypatch):
    monkeypatch.setattr(first_use, "CHECKED", set())
    monkeypatch.setattr(MODULE, "_all_checks", lambda dtype: stop())
    with pytest.raises(KeyboardInterrupt):
        fastbp.self_check(["float64"])
    assert first_use.CHECKED == first_use._checking.dtypes == set()


@pytest.mark.parametrize("check", [lambda: check_gradients(DTYPE, make_solver("sgd", {}, None)), fastbp.self_check])
def test_a_training_that_hears_an_interrupt_ends_the_check(check, monkeypatch):
    """`fit` itself goes on with what it has."""
    monkeypatch.setattr("fastbp.training.loop.Training._call", lambda training: stop())
    with pytest.raises(KeyboardInterrupt):
        check()


# A process that must not check: the code was marked by this one
NO_CHECK = """
import importlib
import numpy as np, fastbp
from fastbp.engine.first_use import CHECKED

def check(dtype, solver):
    raise AssertionError("checked again")

importlib.import_module("fastbp.checking.self_check").check_gradients = check
fastbp.Network((3, 4, 1), seed=0).gradient(np.ones((40, 3)), np.ones(40))
print(*CHECKED)
"""


@pytest.mark.compiled_only
def test_what_has_passed_is_not_checked_by_later_processes():
    fastbp.Network((3, 4, 1), seed=0).gradient(np.ones((40, 3)), np.ones(40))
    assert DTYPE in first_use.CHECKED
    assert run_python(NO_CHECK).split() == ["float64"]
