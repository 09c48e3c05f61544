"""Partitions: what each source reads, and what it says of data that are not as they should be."""

import os
import textwrap
from pathlib import Path

import numpy as np
import pytest
from subprocesses import run_python

import fastbp
from fastbp import data
from fastbp.data.reading import ahead
from fastbp.data.sums import PairwiseSum

RNG = np.random.default_rng(0)
X, T, WEIGHT = RNG.normal(size=(1000, 3)), RNG.normal(size=(1000, 2)), RNG.uniform(0.5, 2, 1000)
NAMES = ["x0", "x1", "x2", "t0", "t1", "w"]
COLUMNS = dict(zip(NAMES, np.c_[X, T, WEIGHT].T, strict=True))
READ = {"inputs": NAMES[:3], "targets": NAMES[3:5], "sample_weight": "w"}


def write_parquet(path, columns=COLUMNS, rows=100):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(columns), path, row_group_size=rows, write_page_checksum=True)
    return str(path)


def write_csv(path, columns=COLUMNS, separator=","):
    lines = [
        separator.join(columns),
        *(separator.join(map(repr, map(float, row))) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def npy_files(folder):
    for name, array in (("X", X), ("T", T), ("w", WEIGHT)):
        np.save(folder / f"{name}.npy", array)
    return [str(folder / f"{name}.npy") for name in ("X", "T", "w")]


def of_arrays(folder):
    return data.arrays(X, T, WEIGHT, rows=100)


def of_npy(folder):
    return data.memmap(*npy_files(folder), rows=100)


def of_maps(folder):
    return data.memmap(*(np.load(path, mmap_mode="r") for path in npy_files(folder)), rows=100)


def of_parquet(folder):
    halves = [{name: column[part] for name, column in COLUMNS.items()} for part in (slice(500), slice(500, None))]
    for k, half in enumerate(halves):
        write_parquet(folder / f"{k}.parquet", half)
    return data.parquet(str(folder / "*.parquet"), **READ)


def of_csv(folder):
    pytest.importorskip("pyarrow")
    return data.csv(write_csv(folder / "all.csv"), **READ, partition_bytes=7000)


def of_function(folder):
    return data.partitions(lambda k: tuple(a[100 * k : 100 * k + 100] for a in (X, T, WEIGHT)), 10)


def of_list(folder):
    return data.partitions([tuple(a[100 * k : 100 * k + 100] for a in (X, T, WEIGHT)) for k in range(10)])


SOURCES = [of_arrays, of_npy, of_maps, of_parquet, of_csv, of_function, of_list]


@pytest.mark.parametrize("source", SOURCES)
def test_sources_read_the_same_samples(source, tmp_path):
    found = source(tmp_path)
    parts = [found.read(k) for k in range(len(found))]
    assert len(parts) >= 10
    for place, expected in enumerate((X, T, WEIGHT)):
        assert np.array_equal(np.concatenate([part[place] for part in parts]), expected)
    assert f"{len(found)} partitions" in repr(found)


def test_parts_of_memory_maps(tmp_path):
    maps = [np.load(path, mmap_mode="r") for path in npy_files(tmp_path)]
    found = data.memmap(maps[0][100:300], maps[1][100:300][:, :], rows=150)
    assert np.array_equal(found.read(1).x, X[250:300]) and np.array_equal(found.read(0).t, T[100:250])
    with pytest.raises(ValueError, match="X must be a whole memory map in C order"):
        data.memmap(maps[0][:, :2], maps[1])


def test_columns_by_default_are_all_others_that_hold_numbers(tmp_path):
    columns = COLUMNS | {"name": ["a"] * 1000}
    path = write_parquet(tmp_path / "a.parquet", columns)
    assert data.parquet(path, targets="t0").read(0).x.shape == (100, 5)
    single = {name: column.astype(np.float32) for name, column in COLUMNS.items()}
    part = data.parquet(write_parquet(tmp_path / "b.parquet", single), targets="t0").read(3)
    assert part.x.dtype == np.float32 and np.array_equal(part.x[:, 0], single["x0"][300:400])


def test_lines_of_all_lengths(tmp_path):
    pytest.importorskip("pyarrow")
    columns = {"a": np.arange(50.0) * 10.0 ** (np.arange(50) % 7), "b": np.arange(50.0)}
    path = Path(write_csv(tmp_path / "a.csv", columns, ";"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    for n_bytes in (*range(1, 40), 10**6):
        found = data.csv(path, targets="b", separator=";", partition_bytes=n_bytes)
        parts = [found.read(k) for k in range(len(found))]
        assert np.array_equal(np.concatenate([part.x[:, 0] for part in parts]), columns["a"])
        assert np.array_equal(np.concatenate([part.t[:, 0] for part in parts]), columns["b"])


# ---------------------------------------------------------------- what is wrong


def spoilt(name="x1", row=170, value=np.nan):
    column = COLUMNS[name].copy()
    column[row] = value
    return COLUMNS | {name: column}


def test_a_row_that_is_not_a_number_is_named(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", spoilt())
    with pytest.raises(
        ValueError, match=r"a.parquet', row group 1, row 70 \(row 170 of the file\): column 'x1' .* nan"
    ):
        data.parquet(path, **READ).read(1)
    missing = spoilt() | {"x1": [None if k == 170 else 1.0 for k in range(1000)]}
    with pytest.raises(
        ValueError, match=r"row 70 \(row 170 of the file\): column 'x1' must be a number; it is missing"
    ):
        data.parquet(write_parquet(tmp_path / "b.parquet", missing), **READ).read(1)
    path = Path(write_csv(tmp_path / "a.csv", spoilt()))
    found = data.csv(path, **READ, partition_bytes=7000)
    with pytest.raises(ValueError, match=r"a.csv', partition 2, line 172: column 'x1' must be a number"):
        [found.read(k) for k in range(len(found))]
    path.write_text(path.read_text().replace("nan", "abc"))
    with pytest.raises(ValueError, match=r"partition 2 cannot be read: line 172: .*abc"):
        data.csv(path, **READ, partition_bytes=7000).read(2)
    x = X.copy()
    x[170, 1] = np.inf
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "T.npy", T)
    found = data.memmap(tmp_path / "X.npy", tmp_path / "T.npy", rows=100)
    with pytest.raises(ValueError, match=r"X.npy', partition 1, row 170: X\[:, 1\] must be finite; it is inf"):
        found.read(1)
    with pytest.raises(ValueError, match=r"partition 1, row 170: X\[:, 1\] must be finite"):
        data.arrays(x, T, rows=100).read(1)


def test_what_memmap_refuses(tmp_path):
    x, t, _ = npy_files(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"X must be a file that exists; there is no 'none.npy'"):
        data.memmap("none.npy", t)
    with pytest.raises(TypeError, match=r"T must be a path .*fastbp.data.arrays takes arrays in memory"):
        data.memmap(x, T)
    changed = np.load(x, mmap_mode="c")
    changed[:] = 0.0  # the file has not heard of it
    with pytest.raises(ValueError, match=r"X must be a memory map of mode 'r' or 'r\+'.*got mode 'c'"):
        data.memmap(changed[10:], np.load(t, mmap_mode="r")[10:])
    np.testing.assert_array_equal(data.arrays(changed, np.load(t, mmap_mode="r")).read(0).x, 0.0)


def test_text_without_a_line_of_names_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "old.csv").write_bytes(b"a,b\r1,2\r")
    with pytest.raises(ValueError, match=r"old.csv' cannot be read: its line of names is none"):
        data.csv(tmp_path / "old.csv", targets="b")


def test_streams_that_have_ended_say_so():
    net = fastbp.Network((3, 2), seed=0)

    def stream(n):
        return data.partitions(((X[:100], T[:100]) for _ in range(n)), 8)

    history = net.fit(stream(11), batch_size=None, epochs=5, seed=0)  # 8 and 3 partitions
    assert (history.n_epochs, history.stopped_by) == (2, "end of data")
    for ask in (net.loss, net.gradient):
        with pytest.raises(ValueError, match="the stream has ended: no partition is left"):
            ask(stream(0))
    with pytest.raises(ValueError, match="the stream has ended: no partition is left"):
        net.fit(X, T, epochs=5, validation=stream(11), seed=0)


def test_files_that_are_not_what_they_were(tmp_path):
    found, path = of_npy(tmp_path), tmp_path / "X.npy"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert found.read(0).x.shape == (100, 3)
    with pytest.raises(
        ValueError, match=rf"X.npy', partition 7 .* has {(len(content) // 2 - 128) // 24} rows, and had 1000"
    ):
        found.read(7)
    for other in (X.astype(np.float32).repeat(2, axis=0), np.r_[X, X]):  # as many bytes, or more: other numbers
        np.save(path, other)
        with pytest.raises(ValueError, match=r"X.npy', partition 0 .*another shape or dtype than when"):
            found.read(0)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"X.npy', partition 0 .* is missing"):
        found.read(0)
    folder = tmp_path / "parquet"
    folder.mkdir()
    found = of_parquet(folder)
    write_parquet(folder / "1.parquet", {name: column[:250] for name, column in COLUMNS.items()})
    assert found.read(5).x.shape == (100, 3)
    with pytest.raises(ValueError, match=r"1.parquet', row group 2 .* it has 50 rows, and had 100"):
        found.read(7)
    with pytest.raises(ValueError, match=r"1.parquet', row group 4 .* it has 0 rows, and had 100"):
        found.read(9)
    content = (folder / "0.parquet").read_bytes()
    (folder / "0.parquet").write_bytes(content[:3000] + bytes(300) + content[3300:])
    with pytest.raises(ValueError, match=r"0.parquet', row group \d"):
        [found.read(k) for k in range(5)]
    (folder / "0.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"0.parquet', row group 0 is missing"):
        found.read(0)


def test_files_that_cannot_be_opened(tmp_path):
    of_parquet(tmp_path)
    source = str(tmp_path / "*.parquet")
    write_parquet(tmp_path / "2.parquet", {name: column for name, column in COLUMNS.items() if name != "x2"})
    with pytest.raises(ValueError, match=r"2.parquet' must have a column 'x2'; it has x0, x1, t0, t1, w"):
        data.parquet(source, **READ)
    write_parquet(tmp_path / "2.parquet", COLUMNS | {"x2": ["a"] * 1000})
    with pytest.raises(TypeError, match=r"2.parquet': column 'x2' must hold numbers; it holds string"):
        data.parquet(source, **READ)
    write_parquet(tmp_path / "2.parquet", {name: column[:0] for name, column in COLUMNS.items()})
    with pytest.raises(ValueError, match=r"2.parquet'.* must have at least one row"):
        data.parquet(source, **READ)
    (tmp_path / "2.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"2.parquet' cannot be read"):
        data.parquet(source, **READ)
    with pytest.raises(FileNotFoundError, match="nothing matches"):
        data.parquet(str(tmp_path / "*.none"), **READ)
    with pytest.raises(ValueError, match="inputs must not name what targets names; both name 't0'"):
        data.parquet(str(tmp_path / "0.parquet"), inputs=["t0"], targets="t0")
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=r"a.csv' must have at least one row"):
        data.csv(tmp_path / "a.csv", targets="b")
    np.save(tmp_path / "F.npy", np.asfortranarray(X))
    with pytest.raises(ValueError, match="X must be in C order"):
        data.memmap(tmp_path / "F.npy", tmp_path / "F.npy")


def test_partitions_that_are_no_partitions():
    with pytest.raises(ValueError, match="n must be the number of partitions that the function gives"):
        data.partitions(lambda k: (X, T))
    with pytest.raises(TypeError, match=r"partition 0 must be \(X, T\) or"):
        data.partitions(lambda k: X, 3).read(0)
    with pytest.raises(TypeError, match="source must be a function, a sequence or an iterable; got 3"):
        data.partitions(3)
    with pytest.raises(ValueError, match="n must be at most the length of the sequence, 1; got 2"):
        data.partitions([(X, T)], 2)
    with pytest.raises(ValueError, match="partition 0 must have at least one row"):
        data.partitions([(X[:0], T[:0])]).read(0)
    with pytest.raises(ValueError, match="T must have as many samples as X, 1000; got 999"):
        data.arrays(X, T[:-1])
    with pytest.raises(ValueError, match="window must be at least 1; got 0"):
        data.arrays(X, T, window=0)
    net = fastbp.Network((3, 4, 2), seed=0)
    with pytest.raises(ValueError, match=r"partition 1: T must have shape \(n_samples, 2\)"):
        net.gradient(data.partitions([(X, T), (X, T[:, :1])]))
    with pytest.raises(ValueError, match="T must be left out where X are partitions"):
        net.gradient(data.arrays(X, T), T)


def test_pyarrow_is_asked_for():
    code = "import sys; sys.modules['pyarrow'] = sys.modules['pyarrow.csv'] = None; import fastbp\n"
    code += "try:\n fastbp.data.csv(sys.argv[1], targets='a')\nexcept ImportError as error: print(error)"
    assert "fastbp[data]" in run_python(code, os.devnull)


# ---------------------------------------------------------------- reading and adding up


def test_one_is_read_ahead():
    n_read = 0

    def read(k):
        nonlocal n_read
        n_read += 1
        if k == 3:
            raise ValueError("three")
        return k

    found = []
    with pytest.raises(ValueError, match="three"):
        for k in ahead(read, range(6)):
            found.append(k)
    assert found == [0, 1, 2] and n_read == 4


@pytest.mark.parametrize("n", range(1, 40))
def test_groups_add_up_to_the_same_bits(n):
    numbers = np.random.default_rng(n).normal(size=(n, 2)) * 10.0 ** np.arange(n)[::-1, None]

    def tree(first, last):
        if last - first == 1:
            return numbers[first]
        size = 1 << ((last - first - 1).bit_length() - 1)
        return tree(first, first + size) + tree(first + size, last)

    for size in (1, 2, 4, 8, 16):
        total = PairwiseSum()
        for start in range(0, n, size):
            part = PairwiseSum()
            for k in range(start, min(start + size, n)):
                part.add((float(numbers[k, 0]), numbers[k].copy(), 1))
            total.add(part.result())
        error, gradient, n_terms = total.result()
        assert n_terms == n and error == gradient[0] and np.array_equal(gradient, tree(0, n))


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_a_training_on_a_stream_that_gives_nothing():
    found = run_python(
        textwrap.dedent("""
        import os, queue, signal, threading
        import numpy as np
        import fastbp
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children ignore it
        def stream():
            yield np.zeros((10, 3)), np.zeros((10, 2))
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            yield queue.Queue().get()
        try:
            fastbp.Network((3, 2), seed=0).gradient(fastbp.data.partitions(stream(), 3))
        except KeyboardInterrupt:
            print("interrupted")
        """)
    )
    assert "interrupted" in found
