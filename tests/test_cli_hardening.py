"""Nothing that is handed to the command line ends in a traceback, or costs what was trained."""

import copy
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import SHORT, changed, plants, refused, run, train_on_plants, trained
from subprocesses import environment_of

from fastbp.io import load_network, save_network
from fastbp.tables.modelling.model import TableModel, read_description

N_MUTATIONS = 2400 if os.environ.get("FASTBP_TESTS") == "nightly" else 200
ROWS = 100


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


def program(*args, shell=None, **options):
    """Run the program in a process of its own; `shell` closes or redirects what a list of arguments cannot."""
    command = [sys.executable, "-m", "fastbp", *map(str, args)]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    environment = environment_of(**options.pop("environment", {}))
    return subprocess.run(command, capture_output=True, env=environment, timeout=280, check=False, **options)


# --- numbers of every size ---------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--patience", "--threads", "--hidden", "--max-levels"])
@pytest.mark.parametrize("value", ["99999999999999999999", "-3", "1e3", "x"])
def test_numbers_of_options_that_make_no_sense(option, value):
    assert option in refused("train", "plants.csv", option, value)


def test_a_network_that_no_memory_holds():
    assert "memory" in refused("train", "plants.csv", "--hidden", "1000000,1000000")


def _columns(x, y=None):
    rng = np.random.default_rng(1)
    other = rng.normal(size=ROWS)
    target = pl.Series("y", np.where(other > 0, "a", "b")) if y is None else y.alias("y")
    return pl.DataFrame({"x": x, "other": other, "y": target})


TWO = [0, 1] * (ROWS // 2)
BIG_CLASSES = [
    pl.Series([2**63 + 5 * k for k in TWO], dtype=pl.UInt64),
    pl.Series([2**63 + 5 * k for k in TWO], dtype=pl.Int128),
    pl.Series([["1e20", "2e20"][k] for k in TWO]),
    pl.Series([[1e20, 2e20][k] for k in TWO]),
    pl.Series([["12345678901234567890", "12345678901234567891"][k] for k in TWO]),
    pl.Series([["1.50", "2.50"][k] for k in TWO]).cast(pl.Decimal(10, 2)),
    pl.Series([["01", "1"][k] for k in TWO]),
    pl.Series([[-(2**63), 2**63 - 1][k] for k in TWO], dtype=pl.Int64),
]


@pytest.mark.compiled_only
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("classes", BIG_CLASSES, ids=str)
def test_classes_are_kept_exactly(classes, suffix):
    frame = _columns(pl.Series(np.random.default_rng(0).normal(size=ROWS)), classes)
    name = f"big{suffix}"
    frame.write_parquet(name) if suffix == ".parquet" else frame.write_csv(name)
    said = trained(name, *SHORT, "--task", "classification")
    assert said["task"] == "classification"
    assert len(TableModel.load(said["model"]).target.classes) == 2
    result = run("predict", said["model"], name, "--out", "p.csv")
    assert result.exit_code == 0, result.output
    predicted = pl.read_csv("p.csv", infer_schema=False)["prediction"]
    written = pl.read_csv(name, infer_schema=False)["y"] if suffix == ".csv" else classes.cast(pl.String)
    numbers = {float(value) for value in written.unique()}
    assert {float(value) for value in predicted.unique()} <= numbers
    if "e" not in written[0]:
        assert set(predicted.unique()) <= set(written.unique())


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    "ids",
    [
        pl.Series([2**63 + 7919 * k for k in range(ROWS)], dtype=pl.UInt64),
        pl.Series([2**100 + k for k in range(ROWS)], dtype=pl.Int128),
        pl.Series([str(10**19 + k) for k in range(ROWS)]),
        pl.Series([f"user {k}" for k in range(ROWS)]),
        pl.Series([f"{k:08d}" for k in range(ROWS)]),
    ],
    ids=str,
)
def test_ids_are_left_out_with_a_word(ids):
    _columns(ids).write_parquet("ids.parquet")
    said = trained("ids.parquet", *SHORT)
    assert list(said["left_out"]) == ["x"]
    assert run("predict", said["model"], "ids.parquet").exit_code == 0


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([[k, 2] for k in range(ROWS)]),
        pl.Series([{"a": k} for k in range(ROWS)]),
        pl.Series([b"\xff" * k for k in range(ROWS)]),
        pl.Series([None] * ROWS),
    ],
    ids=lambda series: str(series.dtype),
)
def test_columns_of_other_types(values, model):
    """Left out of a training; refused by name where a model needs numbers, text or dates."""
    _columns(values).write_parquet("other.parquet")
    assert list(trained("other.parquet", *SHORT)["left_out"]) == ["x"]
    if values.dtype == pl.Null:
        return
    for name in ("soil", "height", "woody"):
        part = plants().head(ROWS).with_columns(values.alias(name))
        part.write_parquet("part.parquet")
        assert f"column '{name}' held" in refused("predict", model, "part.parquet")
    assert "classes or numbers are needed" in refused("train", "other.parquet", "--target", "x")


def test_numbers_kept_as_text_in_parquet():
    numbers = pl.Series([str(k * 1.5) for k in range(ROWS)])
    _columns(numbers).write_parquet("text.parquet")
    said = trained("text.parquet", *SHORT)
    assert load_network(said["model"])[0].n_inputs == 2


# --- where output goes -------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_narrow_consoles(encoding):
    changed("odd.csv", kind=pl.col("kind") + pl.lit("ja→"), soil=pl.col("soil") + pl.lit("ß→"))
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    process = program("train", "odd.csv", *SHORT, "--no-tune", environment=environment)
    assert process.returncode == 0, process.stderr
    assert b"ja\\u2192" in process.stdout
    for command in (("info", "odd.fastbp"), ("predict", "odd.fastbp", "odd.csv")):
        process = program(*command, environment=environment)
        assert process.returncode == 0, process.stderr
        assert b"ja\\u2192" in process.stdout


@pytest.mark.compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="no such redirection")
def test_closed_streams():
    for shell in ("2>&-", ">&-", "2>&- >&- <&-"):
        process = program("train", "plants.csv", *SHORT, "--no-tune", shell=shell)
        assert (process.returncode, b"Traceback" in process.stderr) == (0, False), (shell, process.stderr)
        assert run("info", "plants.fastbp").exit_code == 0


@pytest.mark.compiled_only
def test_control_characters_do_not_reach_the_terminal(model):
    net, extra = load_network(str(model))
    text = json.dumps(extra["table"])
    evil = "\x1b]0;owned\x07\x9b2J\u202e"
    made_up = json.loads(text.replace("soil", json.dumps(f"soil{evil}")[1:-1]).replace("tree", json.dumps(evil)[1:-1]))
    made_up["facts"]["data"] = made_up["facts"]["date"] = evil
    save_network(net, "evil.fastbp", extra={"table": made_up})
    shown = [run("info", "evil.fastbp"), run("predict", "evil.fastbp", "plants.csv")]
    plants().rename({"soil": f"soil{evil}"}).write_csv("evil.csv")
    shown += [run("train", "evil.csv", *SHORT), run("train", "evil.csv", "--target", f"k{evil}")]
    shown += [run("train", f"{evil}.csv"), run("train", "evil.csv", "--dry-run")]
    for result in shown:
        assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)
        for character in evil:
            if not character.isprintable():
                assert character not in result.output, result.output
    assert "\\x1b" in shown[0].stdout


# --- made-up models ----------------------------------------------------------------------------------------

ODD_VALUES = [None, True, False, 0, -1, 1, 2**70, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "\ud800", [],
              [1], ["a", "a"], {}, {"a": 1}, [[]], "number", 1e-320]  # fmt: skip


def _places(thing, path=()):
    yield path
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from _places(value, (*path, key))
    elif isinstance(thing, list):
        for place, value in enumerate(thing):
            yield from _places(value, (*path, place))


def mutated(table, rng):
    """Change, remove, double or add something at a random place."""
    table = copy.deepcopy(table)
    path = rng.choice([path for path in _places(table) if path])
    parent = table
    for key in path[:-1]:
        parent = parent[key]
    match rng.randrange(4):
        case 0:
            del parent[path[-1]]
        case 1 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        case 2 if isinstance(parent, dict):
            parent[rng.choice(["extra", "kind", "name", "version", ""])] = rng.choice(ODD_VALUES)
        case _:
            parent[path[-1]] = copy.deepcopy(rng.choice(ODD_VALUES))
    return table


@pytest.mark.filterwarnings("ignore::fastbp.tables.cells.errors.TableWarning")
def test_made_up_descriptions_are_refused_or_work(folder):
    """Every mutation of a description is refused with a ValueError that names a field, or predicts and is shown."""
    frame = plants().with_columns(
        when=pl.Series([f"2020-{1 + k % 12}-{1 + k % 28}" for k in range(200)]),
        rare=pl.Series([f"c{k % 40}" for k in range(200)]),
    )
    frame.write_csv("all.csv")
    models = []
    for target in ("kind", "weight", "weight,height"):
        models.append(
            trained("all.csv", *SHORT, "--target", target, "--max-levels", "9", "--out", f"{len(models)}.fastbp")[
                "model"
            ]
        )
    rng = random.Random(N_MUTATIONS)
    loaded = [load_network(model) for model in models]
    n_refused = 0
    for k in range(N_MUTATIONS):
        net, extra = loaded[k % len(loaded)]
        table = mutated(extra["table"], rng)
        try:
            made = TableModel.from_table([net], table, "made-up")
        except ValueError as error:
            n_refused += 1
            assert "made-up" in str(error)
            continue
        _shown_and_predicted(made, frame)
    assert 0.3 * N_MUTATIONS < n_refused < N_MUTATIONS


def _shown_and_predicted(made, frame):
    from io import StringIO

    from rich.console import Console

    from fastbp.cli import report
    from fastbp.tables.cells.errors import TableError
    from fastbp.tables.modelling.model import add_score
    from fastbp.tables.modelling.scores import RunningScore

    console = Console(file=StringIO(), markup=False)
    report.print_model(console, made, "made-up")
    try:
        outputs = made.outputs(frame)
        made.target.decode(outputs).write_csv()
        add_score(RunningScore(made.target), frame, outputs)
    except TableError:
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.update(version=3), "use a newer fastbp"),
        (lambda table: table.pop("version"), "train the model anew"),
        (
            lambda table: table["columns"][0].update(mean="1"),
            r"Expected `float`, got `str` - at `\$.columns\[0\].mean`",
        ),
        (lambda table: table["columns"][0].update(mean=float("nan")), "mean must be finite"),
        (lambda table: table["columns"][0].update(scale=-1.0), r"`float` >= 0.0 - at `\$.columns\[0\].scale`"),
        (lambda table: table["columns"][0].update(colour="red"), "unknown field `colour`"),
        (lambda table: table["target"].update(majority=3), "majority must be the number of a class"),
        (lambda table: table["columns"].append(table["columns"][0]), "columns must have different names"),
    ],
)
def test_descriptions_are_refused_by_field(model, change, message):
    table = load_network(str(model))[1]["table"]
    change(table)
    with pytest.raises(ValueError, match=message):
        read_description(table)


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_are_read_once(model):
    os.mkfifo("pipe")
    text = Path("plants.csv").read_bytes()
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(text), daemon=True)
    writer.start()
    assert trained("pipe", *SHORT, "--out", "m.fastbp")["rows"]["held_out"] == 40
    writer.join(10)
    for source in ("-", "/dev/stdin"):
        process = program("predict", model, source, input=text)
        assert process.returncode == 0, process.stderr
        assert process.stdout.count(b"\n") == 201
    process = program("train", "-", *SHORT, "--no-tune", input=text)
    assert process.returncode == 0, process.stderr
    assert Path("table.fastbp").exists()


def test_a_file_without_a_line_feed_is_not_read_to_its_end(folder):
    with open("zeros.csv", "wb") as file:
        file.truncate(1 << 40)  # a hole: more than any memory
    result = run("train", "zeros.csv")
    assert result.exit_code == 2
    warning, error = result.stderr.splitlines()
    assert "is large for the memory" in warning and "neither a text file" in error


def test_outputs_are_tried_before_training(monkeypatch, folder):
    def never(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr("fastbp.Network.fit", never)
    for option in ("--out", "--checkpoint", "--plot"):
        suffix = ".png" if option == "--plot" else ""
        assert option in refused("train", "plants.csv", option, "no/such/folder" + suffix)
        assert option in refused("train", "plants.csv", option, "n" * 300 + suffix)
        assert "is a folder" in refused("train", "plants.csv", "--out", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["plants.csv"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="the superuser may write everywhere")
def test_forbidden_output_is_refused_before_training(folder):
    (folder / "locked").mkdir(mode=0o555)
    assert "Permission denied" in refused("train", "plants.csv", "--out", "locked/model")


def test_what_was_trained_is_kept_whatever_fails_after(monkeypatch, folder):
    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fastbp.plots.learning.save", broken)
    result = run("train", "plants.csv", *SHORT[:-3], "--threads", "1")
    assert (result.exit_code, "accuracy" in result.stdout) == (0, True)
    assert (
        result.stderr == "fastbp: warning: no picture: plants.png: --plot cannot be written: No space left on device\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["plants.csv", "plants.fastbp"]
    Path("plants.fastbp").unlink()
    monkeypatch.setattr("fastbp.tables.modelling.training.TableTraining.score", broken)
    run("train", "plants.csv", *SHORT)
    assert TableModel.load("plants.fastbp").facts.score is None


def test_models_and_pictures_of_others_are_not_replaced_without_a_word(folder):
    trained("plants.csv", *SHORT)
    before = Path("plants.fastbp").read_bytes()
    (folder / "sub").mkdir()
    pl.DataFrame({"a": np.arange(50) * 1.5, "b": ["x", "y"] * 25}).write_csv("sub/plants.csv")
    message = refused("train", "sub/plants.csv", *SHORT)
    assert "is a model of another table, 'plants.csv'" in message
    assert Path("plants.fastbp").read_bytes() == before
    said = trained("sub/plants.csv", *SHORT, "--out", "plants.fastbp")
    assert "is replaced" in said["warnings"][0]
    Path("plants.fastbp").write_text("my letters")
    assert "is no model of a table" in refused("train", "plants.csv", *SHORT)
    Path("plants.png").write_bytes(b"my holidays")
    said = trained("plants.csv", *SHORT[:-3], "--threads", "1", "--out", "plants.fastbp")
    assert Path("plants.png").read_bytes() == b"my holidays"
    assert said["plot"] is None
    assert any("'plants.png' is not of fastbp and stays" in warning for warning in said["warnings"])
    Path("plants.png").unlink()
    for _ in range(2):
        assert trained("plants.csv", *SHORT[:-3], "--threads", "1")["plot"] == "plants.png"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predictions_are_written_whole_or_not_at_all(model, monkeypatch, folder, suffix):
    out = Path(f"p{suffix}")
    assert run("predict", model, "plants.csv", "--out", out).exit_code == 0
    before = out.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert f"{out}: --out cannot be written: No space left on device" in refused(
            "predict", model, "plants.csv", "--out", out
        )
    assert out.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == sorted(["plants.csv", out.name])
    link = Path(f"link{suffix}")
    link.symlink_to(out)
    out.write_bytes(b"old")
    assert run("predict", model, "plants.csv", "--out", link).exit_code == 0
    assert (link.is_symlink(), out.read_bytes()) == (True, before)
