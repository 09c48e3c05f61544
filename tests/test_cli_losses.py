"""The command line loses nothing: no other file is replaced, no training lost to an output, no output cut unsaid."""

import contextlib
import os
import stat
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from command_line import SHORT, changed, plants, refused, run, train_on_plants, trained
from subprocesses import environment_of

import fastbp
from fastbp.io import load_network

PAGE = "<!DOCTYPE html>\n<html><head><title>mine</title></head></html>\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder that has the plants."""
    monkeypatch.chdir(tmp_path)
    plants().write_csv("plants.csv")
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Train once for the tests that need a model."""
    return train_on_plants(tmp_path_factory.mktemp("model"))


def shell(command, *args, **environment):
    """Run the program as `sh` does with pipes; `fastbp` is $0 $1 $2."""
    command = command.replace("fastbp", f"{sys.executable} -m fastbp", 1)
    return subprocess.run(
        ["bash", "-c", command, "bash", *map(str, args)],
        capture_output=True, text=True, env=environment_of(**environment), timeout=280, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def small_files(n_bytes):
    """Let files end after so many bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- checkpoints -------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_checkpoint_replaces_nothing_else(folder, model):
    notes = folder / "notes.txt"
    notes.write_text("mine\n")
    before = model.read_bytes()
    for path in (notes, model):
        said = refused("train", "plants.csv", *SHORT, "--checkpoint", path)
        assert f"--checkpoint must be a new file or a checkpoint, which are replaced; {str(path)!r}" in said
        with pytest.raises(ValueError, match="checkpoint must be a new file or a checkpoint"):
            fastbp.Network((1, 2, 1)).fit(np.ones((4, 1)), np.ones((4, 1)), checkpoint=path)
    assert (notes.read_text(), model.read_bytes()) == ("mine\n", before)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "plants.csv"]


@pytest.mark.compiled_only
def test_a_checkpoint_replaces_that_of_another_training_and_an_empty_file(folder):
    path = folder / "c.ckpt"
    path.write_bytes(b"")
    trained("plants.csv", *SHORT, "--checkpoint", path)
    first = path.read_bytes()
    trained("plants.csv", *SHORT, "--seed", "5", "--checkpoint", path)
    assert path.read_bytes().startswith(b"fastbp checkpoint\n")
    assert path.read_bytes() != first


@pytest.mark.parametrize("kind", ["null", "fifo", "link", "folder"])
def test_a_checkpoint_that_cannot_be_read_back(folder, kind):
    path = folder / "c.ckpt"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/null")
    elif kind == "folder":
        path = folder / "none" / "c.ckpt"
    else:
        path = "/dev/null"
    assert "--checkpoint" in refused("train", "plants.csv", *SHORT, "--checkpoint", path)
    if kind == "null":
        assert stat.S_ISCHR(os.stat(path).st_mode)


# --- pages and pictures ------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_report_replaces_reports_alone(folder):
    page = folder / "page.html"
    page.write_text(PAGE)
    assert "--report" in refused("train", "plants.csv", *SHORT, "--report", page)
    assert page.read_text() == PAGE
    page.write_text("")
    for _ in range(2):
        trained("plants.csv", *SHORT, "--report", page)
        assert "by fastbp" in page.read_text()
    explained = ("explain", "plants.fastbp", "plants.csv", "--html", page)
    for _ in range(2):
        assert run(*explained).exit_code == 0
    page.write_text(PAGE)
    assert "--html" in refused(*explained)
    assert page.read_text() == PAGE


@pytest.mark.compiled_only
@pytest.mark.parametrize("args", [("plot",), ("export", "--to", "c")], ids=" ".join)
def test_a_file_that_nobody_named_is_not_replaced(folder, model, args):
    path = folder / ("plants-network.png" if args == ("plot",) else "plants.c")
    path.write_text("mine")
    command, *rest = args
    assert "would be replaced: name a file with --out" in refused(command, model, *rest)
    assert path.read_text() == "mine"
    path.unlink()
    for _ in range(2):
        assert run(command, model, *rest).exit_code == 0
    assert run(command, model, *rest, "--out", path.name).exit_code == 0


# --- outputs that are full, or closed ------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_predictions_on_a_full_disk(folder, model, name):
    table = pl.concat([plants()] * 5).with_columns(height=np.linspace(10, 50, 1000))  # numbers that cannot be packed
    table.write_csv("t.csv")
    old = b"what was there"
    (folder / name).write_bytes(old)
    with small_files(4096):
        said = refused("predict", model, "t.csv", "--out", name)
    assert name in said
    assert "cannot be written" in said
    assert (folder / name).read_bytes() == old
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "plants.csv", "t.csv"])


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    "args",
    [
        ("plot", "MODEL", "--out", "q.png"),
        ("plot", "MODEL", "--out", "q.svg"),
        ("plot", "MODEL", "--out", "q.pdf"),
        ("explain", "MODEL", "plants.csv", "--html", "q.html"),
        ("export", "MODEL", "--to", "c", "--out", "q.c"),
        ("export", "MODEL", "--to", "safetensors", "--out", "q.safetensors"),
    ],
    ids=" ".join,
)
def test_other_files_on_a_full_disk(folder, model, args):
    name = args[-1]
    (folder / name).write_text("old")
    with small_files(512):
        said = refused(*(model if arg == "MODEL" else arg for arg in args))
    assert name in said
    assert (folder / name).read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "plants.csv"])


@pytest.mark.compiled_only
def test_pictures_and_reports_on_a_full_disk_cost_no_model(folder):
    with small_files(6000):
        said = trained(
            "plants.csv",
            *(option for option in SHORT if option != "--no-plot"),
            "--plot",
            "p.svg",
            "--report",
            "r.html",
        )
    assert len(said["warnings"]) == 2
    assert load_network(said["model"])
    assert not (folder / "r.html").exists()
    assert not (folder / "p.svg").exists()


SHORT_LINE = " ".join((*SHORT, "--no-tune"))


@pytest.mark.compiled_only
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("> /dev/full", 2, "the report could not be written (No space left on device); the model is saved: m.fastbp"),
        ("--quiet > /dev/full", 2, "the model is saved: m.fastbp"),
        ("| :", 0, "warning: the report could not be written (Broken pipe); the model is saved: m.fastbp"),
    ],
)
def test_the_model_is_there_whatever_becomes_of_the_report(folder, end, code, said):
    # `:` may be gone before the first line or after it; a pipe is read until then.
    result = shell(f"fastbp train plants.csv {SHORT_LINE} --out m.fastbp {end}; exit ${{PIPESTATUS[0]}}")
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert load_network("m.fastbp")[0].n_params > 0


SHORT_WRITES = """
import io, os, sys

class Slow(io.FileIO):
    def write(self, data):
        return super().write(bytes(data)[:100])  # as a disk that is nearly full, or a pipe, may do

sys.stdout = io.TextIOWrapper(Slow(1, "w", closefd=False), encoding="utf-8", write_through=True)
from fastbp.cli import main
main(sys.argv[1:])
"""


@pytest.mark.compiled_only
def test_predictions_are_not_cut_without_a_buffer(folder, model):
    pl.concat([plants()] * 20).write_csv("t.csv")
    whole = run("predict", model, "t.csv").stdout
    result = subprocess.run(
        [sys.executable, "-c", SHORT_WRITES, "predict", str(model), "t.csv"],
        capture_output=True, text=True, env=environment_of(), timeout=280, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == whole
    with small_files(20_000):
        result = shell('fastbp predict "$1" t.csv > p.csv', model, PYTHONUNBUFFERED="1")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("fastbp: error: output: ")


# --- models from pipes ---------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_models_are_read_from_pipes(folder, model):
    read, write = os.pipe()
    os.write(write, model.read_bytes())  # it fits into the pipe
    os.close(write)
    try:
        result = run("info", f"/dev/fd/{read}")
    finally:
        os.close(read)
    assert result.exit_code == 0, result.output
    assert result.stdout.replace(f"/dev/fd/{read}", "") == run("info", model).stdout.replace(str(model), "")
    read, write = os.pipe()
    os.write(write, b"fastbp model\nand nothing")
    os.close(write)
    try:
        assert f"/dev/fd/{read}: the file is not whole" in refused("info", f"/dev/fd/{read}")
    finally:
        os.close(read)


# --- names and options that contradict each other ---------------------------------------------------------------

NAMES = ("--categorical", "--numeric")


@pytest.mark.parametrize("option", NAMES)
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("height,height", "names 'height' twice"),
        (",", "names '' twice"),
        ("", "must name a column"),
        ("height,nobody", "there is no column 'nobody'"),
        ("a\nb", "must be names such as A,B"),
        ("height,", "there is no column ''"),
    ],
)
def test_names_of_columns(option, names, said):
    assert said in refused("train", "plants.csv", option, names)


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("height,height", "--keep names 'height' twice"),
        ("", "--keep must name a column"),
        ("nobody", "there is no column 'nobody'"),
        ("height,prediction", "the predictions have a column of that name"),
        ("probability_tree", "the predictions have a column of that name"),
    ],
)
def test_columns_to_keep(model, names, said):
    new = {name: pl.lit(1) for name in ("prediction", "probability_tree")}
    assert said in refused("predict", model, changed(**new), "--keep", names)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--numeric", "soil", "--categorical", "height,soil"), "--numeric and --categorical both name column 'soil'"),
        (("--drop", "soil", "--keep-column", "soil"), "--drop and --keep-column both name column 'soil'"),
        (("--drop", "soil", "--numeric", "soil"), "--drop and --numeric both"),
        (("--drop", "soil", "--categorical", "soil"), "--drop and --categorical both"),
        (("--drop", "weight", "--weight", "weight"), "--drop and --weight both"),
        (("--keep-column", "weight", "--weight", "weight"), "--weight and --keep-column both"),
        (("--plot", "p.png", "--no-plot"), "--plot and --no-plot exclude each other"),
        (("--dry-run", "--quiet"), "--dry-run and --quiet exclude each other"),
        (("--table", "t", "--query", "SELECT 1"), "--table and --query exclude each other"),
        (("--table", "zz"), "--table means nothing for a text file"),
        (("--drop", "kind", "--target", "kind"), "--drop and --target both"),
    ],
)
def test_options_that_contradict_each_other(options, said):
    assert said in refused("train", "plants.csv", *options)


@pytest.mark.compiled_only
def test_a_column_may_be_dropped_twice():
    assert trained("plants.csv", *SHORT, "--drop", "weight", "--drop", "weight")["target"] == "kind"
