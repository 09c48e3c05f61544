"""`fastbp train --tune` and `--ensemble`: what is chosen, what several networks answer, and one file for all of it."""

import json
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

pytest.importorskip("click")
pytest.importorskip("polars")
from cases import COMPILED
from command_line import plants, refused, run, trained

import fastbp
from fastbp.cli.searching import FEWEST
from fastbp.population import search, settings
from fastbp.population.merging import averaged
from fastbp.tables.modelling import ensemble
from fastbp.tables.modelling.model import TableModel
from fastbp.tables.reading.sources import read_table

if not COMPILED:
    pytest.skip("hundreds of trainings", allow_module_level=True)

ALL = ("plants.csv", "--target", "weight", "--drop", "kind", "--no-plot")
SMALL = ("--hidden", "8", "--epochs", "30", "--no-plot", "--threads", "1")
NUMBERS = ("plants.csv", "--target", "weight", "--drop", "kind", *SMALL)
CLASSES = ("plants.csv", "--drop", "weight", *SMALL)
SEVERAL = ("--no-tune", "--ensemble", "4")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder that has the plants."""
    monkeypatch.chdir(tmp_path)
    plants().write_csv("plants.csv")
    return tmp_path


def predicted(model, *args):
    result = run("predict", model, "plants.csv", *args)
    assert result.exit_code == 0, result.output
    return pl.read_csv(StringIO(result.stdout))


# --- several networks ----------------------------------------------------------------------------------


def test_numbers_are_the_mean_of_the_networks_and_spread_is_their_deviation():
    said = trained(*NUMBERS, *SEVERAL)
    assert said["networks"] == 4
    model = TableModel.load(said["model"])
    X = model.encoder.encode(read_table("plants.csv").frame)
    each = np.stack([model.target.numbers(net.forward(X))[:, 0] for net in model.nets])
    table = predicted(said["model"], "--spread")
    np.testing.assert_allclose(table["prediction"].to_numpy(), each.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(table["spread"].to_numpy(), each.std(axis=0, ddof=1), rtol=1e-4)
    assert predicted(said["model"]).columns == ["prediction"]


def test_probabilities_are_the_mean_of_the_networks():
    said = trained(*CLASSES, *SEVERAL)
    model = TableModel.load(said["model"])
    X = model.encoder.encode(read_table("plants.csv").frame)
    each = np.stack([net.forward(X) for net in model.nets])
    table = predicted(said["model"], "--spread")
    given = table.drop("prediction", "spread").to_numpy()
    np.testing.assert_allclose(given, each.mean(axis=0), rtol=1e-4, atol=1e-6)
    winners = given.argmax(axis=1)
    np.testing.assert_allclose(
        table["spread"].to_numpy(), each.std(axis=0, ddof=1)[np.arange(len(given)), winners], rtol=1e-3, atol=1e-6
    )


def test_score_of_rows_that_a_network_has_not_seen():
    """Of a target that is noise nothing can be known, whatever its own rows look like."""
    noise = np.random.default_rng(0).normal(size=plants().height)
    plants().with_columns(weight=noise).write_csv("plants.csv")
    said = trained(*NUMBERS, *SEVERAL, "--patience", "0", "--epochs", "200", "--learning-rate", "0.02")
    assert said["out_of_fold"]["metric"] == "r2"
    assert said["out_of_fold"]["value"] < 0.0
    assert said["out_of_fold"]["error"] > 0.0
    plants().write_csv("plants.csv")
    assert trained(*NUMBERS, *SEVERAL, "--epochs", "200")["out_of_fold"]["value"] > 0.5


def test_the_file_is_a_population(folder):
    said = trained(*CLASSES, *SEVERAL)
    population = fastbp.Population.load(said["model"])
    assert len(population) == 4
    with pytest.raises(ValueError, match="not a fastbp model file, but a fastbp population"):
        fastbp.Network.load(said["model"])
    shown = run("info", said["model"]).stdout
    assert "the first of 4 networks" in shown
    assert "4 networks, whose mean answers" in shown


def test_a_file_that_is_changed_is_refused():
    said = trained(*CLASSES, *SEVERAL)
    path = Path(said["model"])
    data = path.read_bytes()
    for place in (3, 40, 200, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert str(path) in refused("predict", path, "plants.csv")
    path.write_bytes(data[:-8])
    assert "not whole" in refused("predict", path, "plants.csv")


def test_explain_and_plot_and_export():
    said = trained(*NUMBERS, *SEVERAL)
    shown = run("explain", said["model"], "plants.csv", "--row", "3")
    assert shown.exit_code == 0, shown.output
    assert "by network" in shown.stdout
    assert "the nearest to their mean" in shown.stdout
    for kind in ("network", "importance", "regression"):
        result = run("plot", said["model"], "plants.csv", "--kind", kind, "--out", f"{kind}.svg")
        assert result.exit_code == 0, result.output
    assert run("export", said["model"], "--to", "c").exit_code == 0
    assert run("export", said["model"], "--to", "safetensors").exit_code == 0
    model = TableModel.load(said["model"])
    X = model.encoder.encode(read_table("plants.csv").frame)
    np.testing.assert_allclose(averaged(model.nets).forward(X), model.answers(X), atol=1e-5)


def test_export_of_classes():
    said = trained(*CLASSES, *SEVERAL)
    assert "3 classes" in refused("export", said["model"], "--to", "c")
    assert "--network must be at most 4" in refused("export", said["model"], "--to", "c", "--network", "5")
    assert run("export", said["model"], "--to", "c", "--network", "2").exit_code == 0
    plants().with_columns(kind=pl.col("kind") == "tree").write_csv("plants.csv")
    said = trained(*CLASSES, *SEVERAL)
    assert run("export", said["model"], "--to", "c").exit_code == 0


SHAPES = [
    ((3, 4, 2), {}),
    ((3, 2), {}),
    ((3, 5, 4, 1), {"activation": ["tanh", "relu"]}),
    ((3, 5, 4, 2), {"output": "softmax", "loss": "cross_entropy"}),
    ((3, 2), {"output": "softmax", "loss": "cross_entropy"}),
    ((3, 4, 2), {"output": "exp", "loss": "poisson"}),
]


@pytest.mark.parametrize(("sizes", "options"), SHAPES)
def test_networks_side_by_side(sizes, options):
    rng = np.random.default_rng(0)
    networks = [fastbp.Network(sizes, seed=k, **options) for k in range(3)]
    for net in networks:
        net.params = rng.normal(size=net.n_params)
    X = rng.normal(size=(20, 3))
    mean = np.mean([net.forward(X) for net in networks], axis=0)
    np.testing.assert_allclose(averaged(networks).forward(X), mean, rtol=1e-12, atol=1e-13)


def test_more_than_two_classes_are_no_plain_network():
    networks = [fastbp.Network((3, 4, 3), output="softmax", loss="cross_entropy", seed=k) for k in range(3)]
    with pytest.raises(ValueError, match="3 classes"):
        averaged(networks)
    assert averaged(networks[:1]) is networks[0]


# --- settings --------------------------------------------------------------------------------------------


def test_settings_are_chosen_and_told():
    result = run("train", *ALL, "--threads", "1", "--tune-fits", "60", "--report", "report.html")
    assert result.exit_code == 0, result.output
    tuning = TableModel.load("plants.fastbp").facts.tuning
    assert tuning.n_fits <= 60
    assert f"{tuning.n_settings} settings on" in result.stdout
    assert tuning.chosen.settings in result.stdout
    assert tuning.usual.settings.startswith("128 relu, learning rate 0.001")
    assert tuning.chosen.score >= tuning.usual.score - 0.05
    page = Path("report.html").read_text()
    assert "Settings that were tried" in page
    assert all(one.settings in page for one in tuning.tried)


def test_a_number_of_fits_gives_the_same_bits():
    args = (*CLASSES[:3], "--no-plot", "--tune-fits", "40", "--epochs", "40")
    nets = [TableModel.load(trained(*args, "--threads", n, "--out", f"{n}.fastbp")["model"]).nets for n in (1, 2)]
    assert len(nets[0]) == len(nets[1]) == ensemble.USUAL_NETWORKS
    assert all(np.array_equal(one.params, other.params) for one, other in zip(*nets, strict=True))


def test_what_is_given_is_not_tuned():
    given = ("--hidden", "5", "--activation", "gelu", "--l2", "0.002", "--learning-rate", "0.01", "--epochs", "10")
    said = trained("plants.csv", "--drop", "weight", *given, "--tune-fits", "30", "--no-plot")
    tried = [one["settings"] for one in said["tuning"]["tried"]]
    assert all(one.startswith("5 gelu, learning rate 0.01") and ", l2 0.002, batch" in one for one in tried)
    assert len(set(tried)) == len(tried) == said["tuning"]["n_settings"]
    nets = TableModel.load(said["model"]).nets
    assert {(net.sizes[1], net.layer_functions[0]) for net in nets} == {(5, "gelu")}
    assert said["epochs"] <= 10
    said = trained("plants.csv", "--drop", "weight", *given, "--batch-size", "16", "--tune-fits", "30", "--no-plot")
    assert said["tuning"] is None


def test_dropout_smoothing_and_schedule_are_chosen_or_given(monkeypatch):
    """With a budget that comes to them; here they are in all settings but the usual ones."""
    monkeypatch.setattr(settings, "FIRST_PLAIN", 0)
    monkeypatch.setattr(settings, "SELDOM", 1.0)
    args = ("plants.csv", "--drop", "weight", "--hidden", "8", "--epochs", "5", "--no-plot", "--tune-fits", "30")
    *_usual, drawn = [
        one["settings"] for one in sorted(trained(*args)["tuning"]["tried"], key=lambda one: "drop" in one["settings"])
    ]
    assert ", dropout 0." in drawn
    assert ", label smoothing 0." in drawn
    assert any(f" {name}, l2" in drawn for name in settings.SCHEDULES)
    given = ("--dropout", "0.4", "--label-smoothing", "0.2", "--schedule", "step")
    for one in trained(*args, *given)["tuning"]["tried"]:
        assert " step, l2" in one["settings"]
        assert one["settings"].endswith("dropout 0.4, label smoothing 0.2")
    numbers = trained("plants.csv", "--target", "weight", "--drop", "kind", *args[3:])
    assert not any("label smoothing" in one["settings"] for one in numbers["tuning"]["tried"])


def test_without_tuning_there_is_one_network():
    said = trained(*CLASSES, "--no-tune")
    assert (said["networks"], said["tuning"], said["out_of_fold"]) == (1, None, None)
    assert fastbp.Network.load(said["model"]).sizes[1:] == (8, 3)


def test_an_ensemble_of_one_is_tuned():
    said = trained(*CLASSES, "--tune-fits", "10", "--ensemble", "1")
    assert said["networks"] == 1
    assert said["tuning"]["n_fits"] == 10


def test_large_tables_get_one_network(monkeypatch):
    monkeypatch.setattr(ensemble, "UNASKED_PRODUCTS", 1e5)
    assert trained(*CLASSES, "--tune-fits", "5")["networks"] == 1


def test_very_few_rows():
    plants().head(12).write_csv("plants.csv")
    said = trained(*NUMBERS, "--tune", "0.1")
    assert said["tuning"] is None
    plants().head(5).write_csv("plants.csv")
    assert trained(*NUMBERS, "--tune", "0.1")["networks"] == 1


REFUSED = [
    (("--ensemble", "2"), f"--ensemble must be 1, or from {FEWEST} to 1000; got 2"),
    (("--ensemble", "0"), "--ensemble"),
    (("--ensemble", "x"), "--ensemble"),
    (("--tune", "0"), "--tune"),
    (("--tune", "nan"), "--tune"),
    (("--tune-fits", "0"), "--tune-fits"),
    (("--tune-fits", "4"), "--tune-fits"),
    (("--no-tune", "--ensemble", "900"), "--ensemble must be at most"),
    (("--tune", "1", "--no-tune"), "--tune and --no-tune exclude each other"),
    (("--tune", "1", "--tune-fits", "5"), "--tune and --tune-fits exclude each other"),
    (("--tune", "1", "--solver", "lm"), "--tune does not go with --solver lm"),
    (("--tune", "1", "--solver", "sgd"), "settings are chosen for adam"),
    (("--ensemble", "3", "--solver", "lbfgs"), "--ensemble does not go with --solver lbfgs"),
    (("--ensemble", "3", "--evidence"), "--ensemble does not go with --evidence"),
    (("--ensemble", "3", "--checkpoint", "c.ckpt"), "--ensemble does not go with --checkpoint"),
]


@pytest.mark.parametrize(("args", "words"), REFUSED, ids=[" ".join(args) for args, _ in REFUSED])
def test_what_is_refused(args, words):
    assert words in refused("train", *ALL, *args)


def test_spread_needs_several_networks():
    said = trained(*NUMBERS)
    assert "--spread needs a model of several networks" in refused("predict", said["model"], "plants.csv", "--spread")


def test_compare_does_as_train_does():
    said = json.loads(
        run("compare", "plants.csv", "--drop", "weight", "--threads", "1", "--tune-fits", "20", "--quiet").stdout
    )
    assert said["models"]["fastbp"]["seconds"] > 0
    assert said["models"]["fastbp"]["score"] > 0.5


def test_compiling_is_no_part_of_the_time(folder, monkeypatch):
    """Neither of a search nor of an ensemble: on a clock that leaps while they rehearse, both take little."""
    rehearse, leaps = search.rehearse, []

    def slow(*args):
        rehearse(*args)
        leaps.append(1000.0)

    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + sum(leaps))
    for module in (search, ensemble):
        monkeypatch.setattr(module, "rehearse", slow)
        monkeypatch.setattr(module, "time", clock)
    said = trained("plants.csv", *SMALL, "--tune-fits", "10", "--ensemble", "3")
    assert len(leaps) == 2
    assert max(said["tuning"]["seconds"], said["seconds"]) < 500


def test_an_ensemble_tells_of_no_validation_rows(folder):
    """Each network has others: there is no split to tell of."""
    result = run("train", "plants.csv", *SMALL, "--no-tune", "--ensemble", "3")
    assert "plants.csv: 200 rows, 160 training, 40 held out" in result.stdout
    assert TableModel.load("plants.fastbp").facts.rows == {"training": 160, "validation": 0, "held_out": 40}
