"""The command line: every option, every mistake, and the way from a table to predictions and back."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from cases import COMPILED
from click.testing import CliRunner
from matplotlib.image import imread
from rich.console import Console
from subprocesses import start_python

import fastbp
from fastbp import commands, report
from fastbp.encoding import ClassTarget
from fastbp.io import load_network, save_network
from fastbp.plots import learning_curve
from fastbp.tables import read_table
from fastbp.tabular import TableModel

N_PLANTS = 200
PROGRAM = "import sys; from fastbp.cli import main; main(sys.argv[1:])"
SHORT = ("--hidden", "8", "--epochs", "4", "--no-plot", "--threads", "1")


def plants():
    """Draw a table with a column of each kind; what predicts the target is sure enough to be learnt."""
    rng = np.random.default_rng(11)
    height = rng.normal(30, 8, N_PLANTS)
    woody = rng.integers(0, 2, N_PLANTS).astype(bool)
    soil = rng.choice(["clay", "loam", "sand"], N_PLANTS)
    score = (height - 30) / 8 + np.where(woody, 1.0, -1.0) + np.where(soil == "sand", 1.0, 0.0)
    kind = np.where(score > 0.8, "tree", np.where(score > -0.5, "shrub", "herb"))
    columns = {"height": height, "woody": woody, "soil": soil, "leaves": rng.integers(1, 90, N_PLANTS)}
    return pl.DataFrame({**columns, "weight": 50 + 20 * score, "kind": kind})


def run(*args):
    return CliRunner().invoke(commands.fastbp, list(map(str, args)))


def trained(*args):
    """Train quietly and return what the command line says of it."""
    result = run("train", *args, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refused(*args):
    """Expect exit code 2 and one line on stderr; return the line."""
    result = run(*args)
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("fastbp: error: ")
    return lines[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder that has the plants."""
    monkeypatch.chdir(tmp_path)
    plants().write_csv("plants.csv")
    return tmp_path


@pytest.fixture
def change(folder):
    """Write the plants with changed columns; return the file's name."""

    def write(name="changed.csv", **columns):
        table = plants().with_columns(**columns)
        table.write_parquet(name) if name.endswith(".parquet") else table.write_csv(name)
        return name

    return write


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Train once for the tests of predict and info; the path of a model of the plants' kind."""
    folder = tmp_path_factory.mktemp("model")
    plants().write_csv(folder / "plants.csv")
    out = folder / "plants.fastbp"
    trained(
        folder / "plants.csv",
        "--out",
        out,
        "--hidden",
        "8,6",
        "--epochs",
        "30",
        "--no-plot",
        "--drop",
        "weight",
    )
    return out


# --- the way from a table to predictions -----------------------------------------------------------------


@pytest.mark.compiled_only
def test_digits_are_learnt(folder):
    process = start_python(PROGRAM, "train", "digits", "--quiet")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    said = json.loads(process.stdout)
    assert said["task"] == "classification"
    assert said["score"] >= 0.97
    assert 0.08 < said["baseline"] < 0.12
    assert sum(said["rows"].values()) == 1797
    assert said["rows"]["held_out"] == 359
    assert Path(said["model"]).stat().st_size > 4 * (65 * 128 + 129 * 10)
    assert_is_a_curve(said["plot"])


def test_predictions_are_the_same_in_a_fresh_process(folder):
    said = trained("plants.csv", *SHORT)
    here = TableModel.load(said["model"]).predict(read_table("plants.csv"))
    process = start_python(PROGRAM, "predict", said["model"], "plants.csv", "--out", "predictions.parquet")
    assert process.returncode == 0, process.stderr
    assert pl.read_parquet("predictions.parquet").equals(here)


def test_score_is_that_of_the_predictions(folder):
    """Find the held-out rows' score again from a file that has the held-out rows only."""
    said = trained("plants.csv", "--target", "weight", "--drop", "kind", *SHORT, "--test-fraction", "0.5")
    table = pl.read_csv("plants.csv")
    result = run("predict", said["model"], "plants.csv")
    assert result.exit_code == 0
    predictions = pl.read_csv(StringIO(result.stdout))["prediction"].to_numpy()
    from fastbp.table_training import split_rows

    _, held_out = split_rows(np.zeros(N_PLANTS, dtype=np.int64), 0.5, np.random.default_rng(0))
    true, guess = table["weight"].to_numpy()[held_out], predictions[held_out]
    np.testing.assert_allclose(said["rmse"], np.sqrt(np.mean((true - guess) ** 2)), rtol=1e-6)
    np.testing.assert_allclose(said["score"], 1 - np.mean((true - guess) ** 2) / true.var(), rtol=1e-6)
    assert abs(said["baseline"]) < 0.5
    assert said["baseline_rmse"] > 0


def test_probabilities_are_those_of_the_network(model):
    """Encode by hand what the model file says, and run the bare network on it."""
    net, extra = load_network(str(model))
    columns = {column["name"]: column for column in extra["table"]["columns"]}
    table = plants()
    inputs = [
        (table[name].to_numpy() - columns[name]["mean"]) / columns[name]["scale"]
        for name in ("height", "leaves")
    ]
    soils = [table["soil"].to_numpy() == soil for soil in ("clay", "loam", "sand")]
    X = np.column_stack([inputs[0], table["woody"].to_numpy(), *soils, inputs[1]]).astype(np.float32)
    result = run("predict", model, "plants.csv")
    predictions = pl.read_csv(StringIO(result.stdout))
    assert predictions.columns == ["prediction", "probability_herb", "probability_shrub", "probability_tree"]
    np.testing.assert_allclose(
        predictions.drop("prediction").to_numpy(), net.forward(X), rtol=1e-4, atol=1e-6
    )
    winners = np.array(["herb", "shrub", "tree"])[net.forward(X).argmax(axis=1)]
    assert (predictions["prediction"].to_numpy() == winners).all()


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("args", "metric", "least"),
    [
        (("iris",), "accuracy", 0.9),
        (("breast_cancer",), "accuracy", 0.93),
        (("diabetes",), "r2", 0.3),
        (("plants.csv", "--drop", "weight"), "accuracy", 0.75),
        (("plants.csv", "--drop", "kind"), "r2", 0.9),
    ],
)
def test_sets_are_learnt_with_the_defaults(args, metric, least):
    said = trained(*args, "--no-plot")
    assert said["metric"] == metric
    assert said["score"] >= least
    assert said["score"] > said["baseline"]


def test_parquet_in_and_out(change):
    said = trained(change("plants.parquet"), *SHORT)
    assert (said["data"], said["model"]) == ("plants.parquet", "plants.fastbp")
    result = run("predict", said["model"], "plants.parquet", "--out", "p.parquet")
    assert result.exit_code == 0, result.output
    assert pl.read_parquet("p.parquet").height == N_PLANTS
    result = run("predict", said["model"], "plants.csv", "--out", "p.csv")
    assert result.stdout.startswith("accuracy")
    assert pl.read_csv("p.csv")["prediction"].equals(pl.read_parquet("p.parquet")["prediction"])


def test_classes_keep_their_type(change):
    """Whole numbers, booleans and text that looks like numbers come back as they were."""
    for column in (
        pl.Series("kind", np.arange(N_PLANTS) % 3),
        pl.Series("kind", np.arange(N_PLANTS) % 2 == 0),
    ):
        name = change("t.parquet", kind=column)
        said = trained(name, *SHORT)
        run("predict", said["model"], name, "--out", "p.parquet")
        assert pl.read_parquet("p.parquet")["prediction"].dtype == column.dtype
    digits = pl.Series("soil", (["01", "1", "x"] * N_PLANTS)[:N_PLANTS])
    said = trained(change(soil=digits), *SHORT)
    plants().with_columns(soil=digits).filter(digits != "x").write_csv("subset.csv")
    result = run("predict", said["model"], "subset.csv")
    assert (result.exit_code, result.stderr.count("warning")) == (0, 0)


# --- options ---------------------------------------------------------------------------------------------


def test_same_command_gives_the_same_network(folder):
    nets = [load_network(trained("plants.csv", *SHORT, "--out", f"{k}.fastbp")["model"])[0] for k in "ab"]
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize(
    "option",
    [
        ("--activation", "tanh"),
        ("--solver", "rmsprop"),
        ("--batch-size", "7"),
        ("--learning-rate", "0.03"),
        ("--l2", "0.5"),
        ("--seed", "1"),
        ("--test-fraction", "0.4"),
        ("--epochs", "5"),
        ("--drop", "leaves"),
    ],
)
def test_option_changes_the_network(option):
    base, other = (load_network(trained("plants.csv", *SHORT, *more)["model"])[0] for more in ((), option))
    assert not np.array_equal(base.params, other.params)


def test_threads_change_nothing(folder):
    one, two = (
        load_network(trained("plants.csv", "--hidden", "8", "--epochs", "3", "--threads", k)["model"])[0]
        for k in (1, min(2, os.cpu_count()))
    )
    np.testing.assert_array_equal(one.params, two.params)


@pytest.mark.parametrize(("hidden", "sizes"), [("5", (7, 5, 3)), ("9, 4", (7, 9, 4, 3)), ("none", (7, 3))])
def test_hidden_layers(hidden, sizes):
    said = trained("plants.csv", *SHORT, "--hidden", hidden)
    assert tuple(load_network(said["model"])[0].sizes) == sizes


def test_activation_and_output(folder):
    net = load_network(trained("plants.csv", *SHORT, "--activation", "silu")["model"])[0]
    assert list(net.layer_functions) == ["silu", "softmax"]
    assert net.dtype == np.float32
    net = load_network(trained("plants.csv", *SHORT, "--target", "weight")["model"])[0]
    assert list(net.layer_functions) == ["relu", "identity"]


def test_task_can_be_overridden(change):
    name = change(kind=pl.Series(np.arange(N_PLANTS) % 4))
    assert trained(name, *SHORT)["task"] == "classification"
    assert trained(name, *SHORT, "--task", "regression")["metric"] == "r2"
    said = run("train", name, *SHORT).stdout
    assert "classification of 'kind' (whole numbers, 4 distinct; --task overrides)" in said
    assert "regression of 'kind' (by --task)" in run("train", name, *SHORT, "--task", "regression").stdout


def test_epochs_and_patience(folder):
    said = trained("plants.csv", *SHORT, "--patience", "0")
    assert (said["epochs"], said["stopped_by"], said["best_epoch"]) == (4, "epochs", None)
    assert said["rows"] == {"training": 160, "validation": 0, "held_out": 40}
    said = trained("plants.csv", *SHORT, "--epochs", "400", "--patience", "3", "--learning-rate", "0.05")
    assert said["stopped_by"] == "patience"
    assert said["epochs"] == said["best_epoch"] + 3


def test_nothing_held_out_is_no_score(folder):
    said = trained("plants.csv", *SHORT, "--test-fraction", "0")
    assert (said["score"], said["metric"], said["rows"]["held_out"]) == (None, None, 0)
    assert "none: no row was held out" in run("train", "plants.csv", *SHORT, "--test-fraction", "0").stdout
    assert "none: no row was held out" in run("info", "plants.fastbp").stdout


def test_solver_rprop_learns_from_all_samples(folder):
    assert trained("plants.csv", *SHORT, "--solver", "rprop")["solver"] == "rprop"


def test_output_files(folder):
    (folder / "sub").mkdir()
    said = trained("plants.csv", *SHORT[:-3], "--out", "sub/best.model")
    assert (said["model"], said["plot"]) == ("sub/best.model", "sub/best.png")
    assert_is_a_curve("sub/best.png")
    said = trained("plants.csv", "--hidden", "4", "--epochs", "2", "--plot", "curve.svg")
    assert (said["model"], said["plot"]) == ("plants.fastbp", "curve.svg")
    assert "<svg" in Path("curve.svg").read_text()
    assert trained("plants.csv", *SHORT)["plot"] is None
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "curve.svg",
        "plants.csv",
        "plants.fastbp",
    ]


def test_quiet_line_has_all_that_a_script_needs(folder):
    said = trained("plants.csv", "--hidden", "4", "--epochs", "2")
    assert {
        "task",
        "score",
        "baseline",
        "metric",
        "epochs",
        "best_epoch",
        "model",
        "plot",
        "warnings",
    } <= set(said)
    assert said["warnings"] == []


def test_warnings(change, recwarn):
    """On stderr, or in the JSON line of --quiet."""
    rare = pl.Series(["clay"] * (N_PLANTS - 1) + ["peat"])
    name = change(soil=rare, leaves=pl.Series(range(N_PLANTS)))
    result = run("train", name, *SHORT)
    assert (
        "fastbp: warning: column 'leaves' counts the rows; if it means nothing, --drop 'leaves'"
        in result.stderr
    )
    assert "column 'leaves' counts the rows" in trained(name, *SHORT)["warnings"][0]
    assert not recwarn


# --- what train prints -----------------------------------------------------------------------------------


def test_train_report(folder):
    result = run("train", "plants.csv", "--hidden", "8", "--epochs", "6", "--seed", "2")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for part in (
        "plants.csv: 200 rows, 144 training, 16 validation, 40 held out",
        "classification of 'kind' (text, 3 classes;",
        "7-8-3, relu + softmax, 91 parameters",
        "6 epochs in",
        "baseline 0.",
        "(always ",
        "predicted",
        "plants.fastbp",
        "plants.png",
    ):
        assert part in result.stdout
    result = run("train", "plants.csv", *SHORT, "--target", "weight")
    assert "R2 " in result.stdout
    assert "RMSE " in result.stdout
    assert "predicted" not in result.stdout


def confusion_text(names, confusion, width=80):
    console = Console(file=StringIO(), width=width)
    report.print_confusion(console, np.array(confusion), ClassTarget("y", tuple(names), 0))
    return console.file.getvalue()


def test_confusion_table():
    lines = confusion_text(["cat", "[red]dog"], [[8, 1], [0, 12]]).splitlines()
    cells = [line.split() for line in lines]
    assert ["true", "cat", "[red]dog"] in cells
    assert ["cat", "8", "1"] in cells
    assert ["[red]dog", "·", "12"] in cells


def test_confusion_table_with_long_names_fits_the_terminal():
    names = [f"a rather long name of class {k}" for k in range(6)]
    text = confusion_text(names, np.eye(6, dtype=int) * 7)
    assert max(map(len, text.splitlines())) <= 80
    assert "6 a rather long name of class 5" in text
    assert text.count("7") >= 6


def test_many_classes_show_the_worst_confusions():
    confusion = np.diag(np.full(20, 9))
    confusion[3, 17], confusion[5, 2] = 4, 2
    cells = [line.split() for line in confusion_text([f"c{k}" for k in range(20)], confusion).splitlines()]
    assert cells.index(["c3", "c17", "4", "13"]) < cells.index(["c5", "c2", "2", "11"])
    assert not any(line[:2] == ["c0", "c0"] for line in cells)


# --- pictures --------------------------------------------------------------------------------------------


def assert_is_a_curve(path):
    """A picture with white, the two colours of the curves, and the black of the labels."""
    pixels = imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 300
    for colour in ((1, 1, 1), (0, 0x72 / 255, 0xB2 / 255), (0xD5 / 255, 0x5E / 255, 0), (0, 0, 0)):
        near = np.abs(pixels - np.array(colour)).max(axis=-1) < 0.02
        assert near.sum() > 40, colour


@pytest.mark.parametrize(
    ("loss", "validation", "best"),
    [
        ([1.0, 0.3, 0.01, 0.002], [1.1, 0.4, 0.2, 0.3], 2),
        ([5.0], [6.0], 0),
        ([1.0, np.nan, 0.5], [1.0, np.inf, 0.7], 2),
        ([0.0, 0.0, 0.0], [0.1, 0.0, 0.0], 1),
    ],
)
def test_learning_curve_is_a_picture(tmp_path, loss, validation, best):
    history = SimpleNamespace(loss=loss, validation_loss=validation, best_epoch=best)
    learning_curve(history, tmp_path / "curve.png", "50 % of $5_000: learning curve", "squared_error")
    assert_is_a_curve(tmp_path / "curve.png")


def test_learning_curve_without_validation(tmp_path):
    history = SimpleNamespace(loss=[3.0, 2.0], validation_loss=None, best_epoch=None)
    learning_curve(history, tmp_path / "curve.png", "x", "loss")
    assert imread(tmp_path / "curve.png")[..., :3].std() > 0.05


# --- predict and info ------------------------------------------------------------------------------------


def test_predict_writes_csv_to_stdout_and_the_score_to_stderr(model):
    result = run("predict", model, "plants.csv")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == N_PLANTS + 1
    assert result.stderr.startswith("accuracy ")
    assert "200 rows; baseline" in result.stderr


def test_predict_needs_no_target(model):
    plants().drop("kind", "weight").write_csv("inputs.csv")
    result = run("predict", model, "inputs.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == run("predict", model, "plants.csv").stdout


def test_predict_ignores_surplus_columns(model, change):
    name = change(when=pl.lit("2024-05-01"), note=pl.lit(None))
    assert run("predict", model, name).stdout == run("predict", model, "plants.csv").stdout


def test_predict_with_unseen_category(model, change):
    result = run("predict", model, change(soil=pl.lit("peat")))
    assert result.exit_code == 0
    assert "fastbp: warning: column 'soil': not seen in training: 'peat' (encoded as zeros)" in result.stderr


def test_predict_with_a_target_that_cannot_be_scored(model, change):
    name = change(kind=pl.when(pl.col("height") > 0).then(pl.lit(None)))
    result = run("predict", model, name)
    assert result.exit_code == 0
    assert result.stderr == "fastbp: warning: no score: the target column 'kind' has no value in row 1\n"
    result = run("predict", model, change(kind=pl.lit("moss")))
    assert result.stderr.startswith("accuracy 0.0000 on 200 rows")


def test_info(model):
    result = run("info", model)
    assert result.exit_code == 0, result.output
    for part in (
        "1 hidden",
        "relu",
        "2 hidden",
        "3 outputs",
        "softmax",
        "classification of 'kind'",
        "herb, shrub, tree",
    ):
        assert part in result.stdout
    for part in (
        "30 epochs in",
        "adam",
        "accuracy 0.",
        "height",
        "deviation ",
        "0 or 1",
        "one-hot: clay, loam, sand",
    ):
        assert part in result.stdout
    assert f"by fastbp {fastbp.__version__}" in result.stdout


def test_info_of_a_network_without_a_table(folder):
    save_network(fastbp.Network((3, 4, 2), seed=0), "bare.fastbp")
    result = run("info", "bare.fastbp")
    assert result.exit_code == 0
    assert "tanh" in result.stdout
    assert "without a table's columns" in refused("predict", "bare.fastbp", "plants.csv")


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.pop("target"),
        lambda table: table["columns"].pop(),
        lambda table: table["columns"][0].update(kind="colour"),
        lambda table: table["columns"][0].pop("mean"),
        lambda table: table["facts"].pop("date"),
        lambda table: table.update(columns=3),
    ],
)
def test_damaged_description_is_refused(model, damage):
    net, extra = load_network(str(model))
    damage(extra["table"])
    save_network(net, "damaged.fastbp", extra=extra)
    assert "damaged.fastbp" in refused("predict", "damaged.fastbp", "plants.csv")
    assert "damaged.fastbp" in refused("info", "damaged.fastbp")


# --- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "Missing command"),
        (("trian", "plants.csv"), "No such command 'trian'"),
        (("train",), "Missing argument 'DATA'"),
        (("train", "plants.csv", "--foo"), "No such option"),
        (("train", "nowhere.csv"), "there is no file and no data set 'nowhere.csv'"),
        (("train", "digit"), "did you mean 'digits'"),
        (("train", "."), "is a folder"),
        (("train", "plants.csv", "--target", "kin"), "there is no column 'kin'; did you mean 'kind'"),
        (("train", "plants.csv", "--drop", "soli"), "there is no column 'soli'; did you mean 'soil'"),
        (("train", "plants.csv", "--drop", "kind", "--target", "kind"), "there is no column 'kind'"),
        (("train", "plants.csv", "--task", "clustering"), "'clustering' is not one of"),
        (("train", "plants.csv", "--task", "regression"), "'kind' is text: regression needs numbers"),
        (("train", "plants.csv", "--hidden", "64,x"), "got '64,x'"),
        (("train", "plants.csv", "--hidden", "64,0"), "got '64,0'"),
        (("train", "plants.csv", "--hidden", ""), "got ''"),
        (("train", "plants.csv", "--activation", "rellu"), "'relu'"),
        (("train", "plants.csv", "--activation", "threshold"), "threshold"),
        (("train", "plants.csv", "--solver", "adma"), "'adam'"),
        (("train", "plants.csv", "--epochs", "0"), "--epochs"),
        (("train", "plants.csv", "--batch-size", "0"), "--batch-size"),
        (("train", "plants.csv", "--learning-rate", "-1"), "--learning-rate"),
        (("train", "plants.csv", "--learning-rate", "nan"), "learning"),
        (("train", "plants.csv", "--l2", "-1"), "--l2"),
        (("train", "plants.csv", "--seed", "-1"), "--seed"),
        (("train", "plants.csv", "--patience", "few"), "--patience"),
        (("train", "plants.csv", "--threads", "0"), "--threads"),
        (("train", "plants.csv", "--l2", "inf"), "--l2"),
        (("train", "plants.csv", "--solver", "rprop", "--batch-size", "8"), "takes no --batch-size"),
        (("train", "plants.csv", "--test-fraction", "1"), "--test-fraction"),
        (("train", "plants.csv", "--test-fraction", "nan"), "--test-fraction"),
        (
            ("train", "plants.csv", "--out", "no/model"),
            "--out must be in a folder that is there; got 'no/model'",
        ),
        (("train", "plants.csv", "--out", "."), "is a folder"),
        (("train", "plants.csv", "--out", "plants.csv"), "writing to it would destroy it"),
        (("train", "plants.csv", "--out", "a.png", "--plot", "a.png"), "'a.png' would be written twice"),
        (("train", "plants.csv", "--plot", "curve.txt"), "--plot must end in .png"),
        (("train", "plants.csv", "--solver", "sgd", "--learning-rate", "1e30"), "smaller --learning-rate"),
        (("predict", "nowhere.fastbp", "plants.csv"), "nowhere.fastbp"),
        (("predict", "plants.csv", "plants.csv"), "plants.csv"),
        (("predict", "plants.csv"), "Missing argument 'DATA'"),
        (("info", "plants.csv"), "plants.csv"),
        (("info", "."), "."),
    ],
)
def test_mistakes_get_one_line(args, message):
    assert message in refused(*args)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere.csv",), "there is no file"),
        (("plants.csv", "--out", "p.txt"), "--out must end in .csv or .parquet"),
        (("plants.csv", "--out", "plants.csv"), "writing to it would destroy it"),
        (("iris",), "column 'height' is missing"),
    ],
)
def test_mistakes_of_predict_get_one_line(model, args, message):
    assert message in refused("predict", model, *args)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"height": pl.when(pl.col("leaves").cum_count() != 17).then("height")},
            "'height' has no value in row 17",
        ),
        ({"soil": pl.when(pl.col("leaves").cum_count() != 3).then("soil")}, "'soil' has no value in row 3"),
        (
            {"kind": pl.when(pl.col("leaves").cum_count() < 200).then("kind")},
            "'kind' has no value in row 200",
        ),
        ({"height": pl.lit(float("inf"))}, "'height' has inf in row 1 (200 such values in 1 column)"),
        (
            {"soil": pl.lit("plant ") + pl.col("height").cast(pl.String)},
            "'soil' is text with 200 distinct values",
        ),
        ({"soil": pl.lit("2024-05-01")}, "'soil' holds dates"),
        ({"kind": pl.lit("moss")}, "'kind' has a single class, 'moss'"),
        ({"kind": pl.lit(2.5)}, "'kind' is 2.5 in every row"),
    ],
)
def test_wrong_data_get_one_line(change, columns, message):
    assert message in refused("train", change(**columns))


def test_too_little_data_gets_one_line(folder):
    plants().head(9).write_csv("few.csv")
    assert "9 rows are too few" in refused("train", "few.csv", "--target", "weight")
    plants().select("kind").write_csv("lonely.csv")
    assert "no column besides the target 'kind'" in refused("train", "lonely.csv")


def test_unwritable_output_gets_one_line(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "plants.fastbp")

    monkeypatch.setattr("fastbp.tabular.save_network", full)
    assert "plants.fastbp: No space left on device" in refused("train", "plants.csv", *SHORT, "--quiet")


def test_forbidden_output_is_refused_before_training(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert "no permission to write 'plants.fastbp'" in refused("train", "plants.csv")


def test_interrupt_before_training_writes_nothing(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastbp.tables.read_table", interrupted)
    result = run("train", "plants.csv")
    assert (result.exit_code, result.stderr) == (130, "fastbp: interrupted\n")
    assert not Path("plants.fastbp").exists()


# --- the program -----------------------------------------------------------------------------------------


def test_module_runs_as_a_program(folder):
    process = subprocess.run(
        [sys.executable, "-m", "fastbp", "--version"], capture_output=True, text=True, check=True, timeout=120
    )
    assert fastbp.__version__ in process.stdout


@pytest.mark.parametrize("args", [("--help",), ("train", "--help"), ("predict", "-h"), ("info", "--help")])
def test_help(args):
    result = run(*args)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(("module", "project"), [("click", "click"), ("sklearn", "scikit-learn")])
def test_missing_extra_is_a_hint(module, project):
    process = start_python(f"import sys; sys.modules[{module!r}] = None\n{PROGRAM}", "--version")
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr == f'fastbp: error: {project} not installed: pip install "fastbp[cli]"\n'


def test_start_is_light():
    """Neither the help nor a mistake waits for the libraries that only work needs."""
    heavy = ("matplotlib", "sklearn", "polars", "rich", "pandas")
    code = f"""
import sys
from fastbp.commands import fastbp
try:
    fastbp.main(["train", "--help"])
except SystemExit:
    pass
print([name for name in {heavy} if name in sys.modules])"""
    process = start_python(code)
    assert process.stdout.splitlines()[-1] == "[]"


def test_closed_pipe_is_no_traceback(model):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastbp", "predict", str(model), "plants.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=120)
    assert "Traceback" not in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.skipif(not COMPILED, reason="an interrupt of plain Python loops may come anywhere")
def test_progress_on_a_terminal_and_interrupt(folder):
    """Press Ctrl-C when the bar shows a loss: exit code 130, and a model that predicts."""
    command = [
        sys.executable,
        "-m",
        "fastbp",
        "train",
        "plants.csv",
        "--patience",
        "0",
        "--epochs",
        "3000000",
    ]
    terminal, child_side = os.openpty()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=child_side,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(child_side)
    shown = _read_until(terminal, "left", timeout=200)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    shown += _read_until(terminal, "so far", timeout=10)
    os.close(terminal)
    for part in (
        "epoch ",
        "/3000000",
        "loss ",
        "samples/s",
        "fastbp: interrupted: plants.fastbp has the last",
    ):
        assert part in shown
    assert process.returncode == 130
    assert b"stopped by interrupt" in stdout
    assert run("predict", "plants.fastbp", "plants.csv").exit_code == 0


def _read_until(terminal, text, timeout):
    """Return what a terminal shows until `text` has come."""
    shown = ""
    end = time.monotonic() + timeout
    while text not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # the other side is closed
                break
    return shown
