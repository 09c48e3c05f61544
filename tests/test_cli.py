"""The command line: training, predicting, and every option."""

import json
import os
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import (
    N_PLANTS,
    SHORT,
    assert_is_a_curve,
    changed,
    plants,
    refused,
    run,
    train_on_plants,
    trained,
)
from subprocesses import start_python

import fastbp
from fastbp.io import load_network, save_network
from fastbp.tables.cells.kinds import Choices
from fastbp.tables.modelling.model import TableModel
from fastbp.tables.modelling.training import Options, TableTraining
from fastbp.tables.preparing.columns import NumberColumn
from fastbp.tables.preparing.preparation import prepare
from fastbp.tables.preparing.splitting import split_rows
from fastbp.tables.reading.sources import read_table

PROGRAM = "import sys; from fastbp.cli import main; main(sys.argv[1:])"


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


# --- the way from a table to predictions ---------------------------------------------------------------


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
    here = TableModel.load(said["model"]).predict(read_table("plants.csv").frame)
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
    _, held_out = split_rows(np.zeros(N_PLANTS, dtype=np.int64), 0.5, np.random.default_rng(0))
    true, guess = table["weight"].to_numpy()[held_out], predictions[held_out]
    np.testing.assert_allclose(said["rmse"], np.sqrt(np.mean((true - guess) ** 2)), rtol=1e-6)
    np.testing.assert_allclose(said["score"], 1 - np.mean((true - guess) ** 2) / true.var(), rtol=1e-6)
    assert abs(said["baseline"]) < 0.5
    assert said["baseline_rmse"] > 0


def test_every_measure_of_classes_stands_beside_a_baseline():
    """The baseline's log loss by hand: that of the shares of the rows that were not held out."""
    said = trained("plants.csv", "--drop", "weight", *SHORT, "--patience", "0")
    kinds = plants()["kind"].to_numpy()
    codes = np.unique(kinds, return_inverse=True)[1]
    learnt, held_out = split_rows(codes, 0.2, np.random.default_rng(0))
    shares = np.bincount(codes[learnt]) / len(learnt)
    baseline, linear = said["models"]["baseline"], said["models"]["linear"]
    assert baseline["log_loss"] == pytest.approx(-np.log(shares[codes[held_out]]).mean(), rel=1e-6)
    assert baseline["auc"] == 0.5
    assert baseline["value"] == pytest.approx(said["baseline"])
    assert linear["value"] == said["linear"]
    assert 0 < linear["log_loss"] < baseline["log_loss"]
    assert linear["auc"] > 0.9


def test_probabilities_are_those_of_the_network(model):
    """Encode by hand what the model file says, and run the bare network on it."""
    net, extra = load_network(str(model))
    columns = {column["name"]: column for column in extra["table"]["columns"]}
    table = plants()
    inputs = [
        (table[name].to_numpy() - columns[name]["mean"]) / columns[name]["scale"] for name in ("height", "leaves")
    ]
    soils = [table["soil"].to_numpy() == soil for soil in ("clay", "loam", "sand")]
    X = np.column_stack([inputs[0], table["woody"].to_numpy(), *soils, inputs[1]]).astype(np.float32)
    result = run("predict", model, "plants.csv")
    predictions = pl.read_csv(StringIO(result.stdout))
    assert predictions.columns == ["prediction", "probability_herb", "probability_shrub", "probability_tree"]
    np.testing.assert_allclose(predictions.drop("prediction").to_numpy(), net.forward(X), rtol=1e-4, atol=1e-6)
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


def test_parquet_in_and_out():
    said = trained(changed("plants.parquet"), *SHORT)
    assert (said["data"], said["model"]) == ("plants.parquet", "plants.fastbp")
    result = run("predict", said["model"], "plants.parquet", "--out", "p.parquet")
    assert result.exit_code == 0, result.output
    assert pl.read_parquet("p.parquet").height == N_PLANTS
    result = run("predict", said["model"], "plants.csv", "--out", "p.csv")
    assert result.stdout.startswith("accuracy")
    assert pl.read_csv("p.csv")["prediction"].equals(pl.read_parquet("p.parquet")["prediction"])


def test_classes_keep_their_type():
    """Whole numbers, booleans and text that looks like numbers come back as they were."""
    for column in (
        pl.Series("kind", np.arange(N_PLANTS) % 3),
        pl.Series("kind", np.arange(N_PLANTS) % 2 == 0),
    ):
        name = changed("t.parquet", kind=column)
        said = trained(name, *SHORT)
        run("predict", said["model"], name, "--out", "p.parquet")
        assert pl.read_parquet("p.parquet")["prediction"].dtype == column.dtype
    digits = pl.Series("soil", (["01", "1", "x"] * N_PLANTS)[:N_PLANTS])
    said = trained(changed(soil=digits), *SHORT)
    plants().with_columns(soil=digits).filter(digits != "x").write_csv("subset.csv")
    result = run("predict", said["model"], "subset.csv")
    assert (result.exit_code, result.stderr.count("warning")) == (0, 0)


# --- options -------------------------------------------------------------------------------------------


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
        ("--scaling", "robust"),
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


def test_task_can_be_overridden():
    name = changed(kind=pl.Series(np.arange(N_PLANTS) % 4))
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


def test_schedule_dropout_and_label_smoothing_are_those_of_fit(folder):
    """Each of them changes what is learned."""
    further = ((), ("--schedule", "coslog4"), ("--dropout", "0.3"), ("--label-smoothing", "0.2"))
    nets = [load_network(trained("plants.csv", *SHORT, *more)["model"])[0] for more in further]
    assert len({net.params.tobytes() for net in nets}) == len(further)


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


def test_notes_and_warnings(recwarn):
    """What was decided stands in the report or the JSON line of --quiet; what looks wrong is a warning."""
    odd = pl.Series([*map(str, range(50)), "many"] + ["7"] * (N_PLANTS - 51))
    name = changed(count=pl.Series(range(N_PLANTS)), odd=odd)
    result = run("train", name, *SHORT, "--target", "kind")
    assert "note      column 'count' left out: it counts the rows (--keep-column 'count' uses it)" in result.stdout
    assert result.stderr == "fastbp: warning: column 'odd' holds numbers, but row 51 has 'many': counted as missing\n"
    said = trained(name, *SHORT, "--target", "kind")
    assert "row 51 has 'many'" in said["warnings"][0]
    assert any("'count' left out" in note for note in said["notes"])
    assert said["left_out"] == {"count": "counts the rows"}
    assert trained(name, *SHORT, "--target", "kind", "--keep-column", "count")["left_out"] == {}
    assert not recwarn


# --- what train prints ---------------------------------------------------------------------------------


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


# --- predict and info ----------------------------------------------------------------------------------


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


def test_predict_ignores_surplus_columns(model):
    name = changed(when=pl.lit("2024-05-01"), note=pl.lit(None))
    assert run("predict", model, name).stdout == run("predict", model, "plants.csv").stdout


def test_predict_with_unseen_category(model):
    result = run("predict", model, changed(soil=pl.lit("peat")))
    assert result.exit_code == 0
    assert "fastbp: warning: column 'soil': not seen in training: 'peat' (encoded as zeros)" in result.stderr


def test_predict_with_a_target_that_cannot_be_scored(model):
    name = changed(kind=pl.when(pl.col("height") > 0).then(pl.lit(None)))
    result = run("predict", model, name)
    assert result.exit_code == 0
    assert result.stderr == "fastbp: warning: no score: no row has a value of the target 'kind'\n"
    some = changed(kind=pl.when(pl.col("leaves").cum_count() > 3).then("kind"))
    assert "on 197 rows" in run("predict", model, some).stderr
    assert "(3 without a value of the target)" in run("predict", model, some).stderr
    result = run("predict", model, changed(kind=pl.lit("moss")))
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
        "one-hot, 3 levels: clay, loam, sand",
    ):
        assert part in result.stdout
    assert f"by fastbp {fastbp.__version__}" in result.stdout


def test_robust_scaling_is_kept_in_the_model():
    said = trained("plants.csv", *SHORT, "--scaling", "robust", "--test-fraction", "0")
    assert "clipped smoothly" in run("info", said["model"]).stdout
    encoder = TableModel.load(said["model"]).encoder
    assert {column.scaling for column in encoder.columns if column.name in ("height", "leaves")} == {"robust"}
    far = plants().with_columns(height=pl.lit(1e30))
    with pytest.warns(UserWarning, match="far outside"):
        assert (encoder.encode(far)[:, encoder.inputs.index("height")] == 3.0).all()


@pytest.mark.parametrize(
    ("dropped", "function", "rate"), [("weight", "selu", 0.04), ("kind", "mish", 0.2)], ids=["classes", "numbers"]
)
def test_a_preset_is_its_settings_one_by_one(dropped, function, rate):
    """What is on the command line stays: --hidden 8, --epochs 4, --l2."""
    said = trained("plants.csv", "--drop", dropped, *SHORT, "--preset", "realmlp", "--l2", "0.1")
    model = TableModel.load(said["model"])
    scalings = {column.name: column.scaling for column in model.encoder.columns if isinstance(column, NumberColumn)}
    assert scalings == {"height": "robust", "leaves": "robust"}
    options = Options((8,), function, "adam", 4, 256, rate, 0.1, 0, 256, 1, 0.2, scaling="robust")
    training = TableTraining(prepare(read_table("plants.csv"), None, Choices(drop=(dropped,))), options)
    net, n_inputs, draw = training.net, training.encoder.n_inputs, np.random.default_rng(0)
    net.weights = [draw.normal(0, n**-0.5, (m, n)) for n, m in ((n_inputs, 8), (8, net.n_outputs))]
    by_weight = [np.full(w.size, w.shape[1] ** -0.5) for w in net.weights]
    X, T, held_out = *training.samples(training.split.training), training.samples(training.split.validation)
    net.fit(
        X, T, epochs=4, batch_size=256, learning_rate=rate, schedule="coslog4", beta_2=0.95, l2=0.1, dropout=0.15,
        label_smoothing=0.1 if function == "selu" else 0.0, validation=held_out, patience=256, seed=0, n_threads=1,
        rate_factors=np.concatenate([*by_weight, np.full(8 + net.n_outputs, 0.1)]),
    )  # fmt: skip
    np.testing.assert_allclose(model.net.params, net.params, rtol=1e-5, atol=1e-6)


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


def test_a_training_goes_on_from_its_checkpoint(folder):
    whole = [*SHORT, "--epochs", "6"]
    trained("plants.csv", *whole, "--out", "whole.fastbp")
    trained("plants.csv", *SHORT, "--epochs", "3", "--checkpoint", "run.ckpt", "--out", "part.fastbp")
    facts = trained("plants.csv", *whole, "--checkpoint", "run.ckpt", "--resume", "--out", "resumed.fastbp")
    assert facts["epochs"] == 6
    one, other = (load_network(folder / name)[0] for name in ("whole.fastbp", "resumed.fastbp"))
    assert one.params.tobytes() == other.params.tobytes()
    assert "l2 was" in refused("train", "plants.csv", *whole, "--l2", 0.5, "--checkpoint", "run.ckpt", "--resume")
    assert "--checkpoint" in refused("train", "plants.csv", *SHORT, "--resume")
