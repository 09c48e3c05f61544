"""Arrays that have to be copied: the bytes are named before they are taken, and refused where there are not so many."""

import warnings

import numpy as np
import pytest

import fastbp
from fastbp import checks, memory

N = 300


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """Return a function that makes a read-only memory map of N samples; copies of any size count as large."""
    monkeypatch.setattr(checks, "LARGE_COPY", 1)

    def make(dtype="float32", order="C"):
        numbers = np.random.default_rng(0).normal(size=(N, 3)).astype(dtype)
        path = tmp_path / f"X.{dtype}.{order}"
        np.memmap(path, dtype, "w+", shape=(N, 3), order=order)[...] = numbers
        return np.memmap(path, dtype, "r", shape=(N, 3), order=order)

    return make


CALLS = {
    "forward": lambda net, X: net.forward(X),
    "gradient": lambda net, X: net.gradient(X, np.zeros((N, 1), net.dtype)),
    "fit": lambda net, X: net.fit(X, np.zeros((N, 1), net.dtype), epochs=1),
    "loss": lambda net, X: net.loss(X, np.zeros((N, 1), net.dtype)),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_bytes_of_a_copy_are_named(mapped, call):
    net = fastbp.Network((3, 4, 1), seed=0)
    message = f"X is a memory map of float32: its copy in float64 takes {N * 3 * 8:,} bytes of memory"
    with pytest.warns(RuntimeWarning, match=message):
        CALLS[call](net, mapped())
    with pytest.warns(
        RuntimeWarning, match="memory map that is not C-contiguous: its copy in float64 takes 7,200 bytes"
    ):
        CALLS[call](net, mapped("float64", "F"))
    with pytest.warns(RuntimeWarning, match="X is a memory map of float32: its copy in float64 takes 3,600 bytes"):
        net.forward(mapped()[::2])


@pytest.mark.parametrize("call", CALLS)
def test_a_copy_that_does_not_fit_is_refused(mapped, call, monkeypatch):
    net = fastbp.Network((3, 4, 1), seed=0)
    before = net.params.copy()
    monkeypatch.setattr(memory, "available", lambda: 7000)
    message = "X must fit into memory: its copy in float64 takes 7,200 bytes; 7,000 are left"
    for X in (mapped(), np.array(mapped()), np.array(mapped(), "int64")):
        with pytest.raises(MemoryError, match=message):
            CALLS[call](net, X)
    assert np.array_equal(net.params, before)


@pytest.mark.parametrize("call", CALLS)
def test_what_is_not_copied_is_taken_as_it_is(mapped, call, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in ("float32", "float64"):
            CALLS[call](fastbp.Network((3, 4, 1), dtype=dtype, seed=0), mapped(dtype))


def test_small_copies_are_not_announced(tmp_path):
    X = np.memmap(tmp_path / "X", "float32", "w+", shape=(N, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastbp.Network((3, 4, 1), seed=0).forward(X).shape == (N, 1)


# ---------------------------------------------------------------- how much is left


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a folder that stands for /sys/fs/cgroup, of a machine with 4 GB left and 1 GB of swap."""
    (tmp_path / "meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\nSwapFree: 1000000 kB\n")
    (tmp_path / "cgroup").write_text("0::/outer/inner\n4:memory:/outer/inner\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "LIMITS", (tmp_path / "v2" / "memory.max", tmp_path / "v1" / "memory.limit_in_bytes"))
    monkeypatch.setattr(memory, "total", lambda: 8_192_000_000)
    return tmp_path


def group(folder, limit, used, files, names):
    folder.mkdir(parents=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {files}\nactive_file {files}\n")


V2, V1 = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")


def test_memory_of_the_machine_that_is_left(machine):
    assert memory.available() == 5_000_000 * 1024
    (machine / "meminfo").unlink()  # not Linux
    assert memory.available() == 8_192_000_000


@pytest.mark.parametrize(("version", "names"), [("v2", V2), ("v1", V1)])
def test_memory_that_a_control_group_leaves(machine, version, names):
    group(machine / version / "outer", 700_000_000, 300_000_000, 50_000_000, names)
    assert memory.available() == 500_000_000  # what only files take is given up
    group(machine / version / "outer" / "inner", "max", 300_000_000, 0, names)
    assert memory.available() == 500_000_000
    (machine / version / "outer" / "inner" / names[0]).write_text("200000000\n")
    assert memory.available() == 0  # used already
    assert set(memory._limits()) >= {machine / version / "outer" / names[0]}
    with pytest.raises(MemoryError, match="X must fit into memory: its copy in float64 takes 1 bytes; 0 are"):
        memory.check_copy(1, "X", "float64")
