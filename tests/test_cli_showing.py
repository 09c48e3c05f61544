"""`fastbp explain` and `fastbp plot`: a row explained, and pictures, from a model file and a table."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import SHORT, changed, plants, refused, run, train_on_plants, trained
from matplotlib import pyplot
from matplotlib.image import imread

from fastbp.cli import showing
from fastbp.tables.modelling.model import TableModel, targets_of
from fastbp.tables.reading.sources import read_table


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train_on_plants(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plants().write_csv("plants.csv")
    return tmp_path


def test_a_row_is_explained(model):
    result = run("explain", model, "plants.csv", "--row", 3, "--unit", 7, "--learning-rate", 0.1)
    assert result.exit_code == 0, result.output
    table_model, frame = TableModel.load(str(model)), read_table("plants.csv").frame[2:3]
    x, t = table_model.encoder.encode(frame)[0], targets_of(table_model.target, frame)[0]
    assert str(table_model.net.explain(x, t, 0.1, unit=7)) in result.output
    assert f"   0  height = {x[0]:.6g}" in result.output
    assert "soil=clay = " in result.output
    assert "20 herb, 21 shrub, 22 tree" in result.output.replace("outputs: ", "")


def test_why_and_a_page(model, folder):
    result = run("explain", model, "plants.csv", "--why", 7, "--html", "page.html", "--notation", "neurons")
    assert result.exit_code == 0, result.output
    assert "In Bishop's names: f_2 is unit 7.\n\nFrom (5.55) to (5.56) for unit 7" in result.output
    assert "   x_1  height = " in result.output and "f_15 herb, f_16 shrub, f_17 tree" in result.output
    assert "as the network sees them" not in (folder / "page.html").read_text("utf-8")
    assert "page: page.html" in result.output
    assert "<svg" in (folder / "page.html").read_text("utf-8")


def test_names_of_columns_reach_the_page_and_the_drawing(model, folder):
    assert run("explain", model, "plants.csv", "--row", 23, "--html", "page.html").exit_code == 0
    text = (folder / "page.html").read_text("utf-8")
    assert '"soil=clay"' in text and '"herb"' in text and "row 23 of plants.csv" in text
    assert run("plot", model, "--out", "network.svg").exit_code == 0
    drawn = Path("network.svg").read_text("utf-8")
    assert "<!-- height -->" in drawn and "<!-- herb -->" in drawn


def test_warnings_name_the_row_of_the_table(model):
    is_23 = pl.int_range(pl.len()) == 22
    changed("far.csv", height=pl.when(is_23).then(1e6).otherwise("height"))
    result = run("explain", model, "far.csv", "--row", 23)
    assert "in row 23 is far outside" in result.stderr, result.stderr
    changed("gap.csv", kind=pl.when(is_23).then(None).otherwise("kind"))
    assert "of row 23 is missing" in refused("explain", model, "gap.csv", "--row", 23)


def test_numbers_are_in_the_units_of_the_table(model, folder):
    """The network's are standardised: beside inputs, of outputs and in pictures stand the table's."""
    frame = plants().select("height", "leaves", "weight")
    frame.write_csv("weights.csv")
    path = trained("weights.csv", *SHORT, "--out", "weights.fastbp")["model"]
    table_model = TableModel.load(path)
    (y,) = table_model.predict(frame[4:5])["prediction"]
    printed = run("explain", path, "weights.csv", "--row", 5).output
    assert f"({frame['height'][4]})" in printed
    assert f"weight = {y:.6g}, in the table {frame['weight'][4]:.6g} (in the network both are standardised)" in printed
    for kind in ("regression", "residuals"):
        axes = showing._axes(path, "weights.csv", kind, None)
        x, y = axes.collections[0].get_offsets().T
        predicted, true = table_model.predict(frame)["prediction"].to_numpy(), frame["weight"].to_numpy()
        assert np.allclose(x, true if kind == "regression" else predicted, rtol=1e-5)
        assert np.allclose(y, predicted if kind == "regression" else true - predicted, rtol=1e-3, atol=1e-4)
        assert "weight" in axes.get_xlabel()
        pyplot.close("all")


def test_of_a_large_network_a_part_is_drawn(folder):
    path = trained("digits", "--epochs", "2", "--no-plot", "--out", "digits.fastbp")["model"]
    for given in ((), ("--unit", 70)):
        result = run("plot", path, "--out", "network.png", *given)
        assert result.exit_code == 0, result.output
        assert imread("network.png").std() > 0.01
    assert "--kind network" in refused("plot", path, "--kind", "importance", "--unit", 70)
    assert "unit must be below 199" in refused("plot", path, "--unit", 200, "--out", "none.png")
    result = run("explain", path, "digits", "--unit", 7, "--html", "page.html")
    assert result.exit_code == 0, result.output
    assert "Unit 7 is an input" in result.output and "61 to 198 are computed" in " ".join(result.output.split())
    assert (folder / "page.html").stat().st_size < 1_000_000


def test_mistakes_of_explain(model, folder):
    assert "at most 200" in refused("explain", model, "plants.csv", "--row", 201)
    assert "row" in refused("explain", model, "plants.csv", "--row", 0)
    assert "unit" in refused("explain", model, "plants.csv", "--unit", 99)
    assert "j must be a unit" in refused("explain", model, "plants.csv", "--why", 0)
    assert ".html" in refused("explain", model, "plants.csv", "--html", "page.txt")
    plants().drop("kind").write_csv("without.csv")
    assert "needs the target" in refused("explain", model, "without.csv")
    (folder / "plants.html").write_text("x")
    assert "is read" in refused("explain", model, "plants.html", "--html", "plants.html")
    assert refused("explain", "nowhere.fastbp", "plants.csv")


@pytest.mark.parametrize("kind", ["network", "importance"])
def test_pictures_of_a_model(model, kind):
    result = run("plot", model, "--kind", kind, "--dark")
    assert result.exit_code == 0, result.output
    (out,) = result.output.split()
    assert out == f"plants-{kind}.png"
    pixels = imread(out)[..., :3]
    assert np.median(pixels) < 0.2 and pixels.max() > 0.8  # light on dark


def test_pictures_of_a_fit(model):
    result = run("plot", model, "plants.csv")
    assert result.exit_code == 0 and result.output.strip() == "plants-confusion.png", result.output
    table = plants().select("height", "leaves", "weight")
    table.write_csv("weights.csv")
    said = trained("weights.csv", *SHORT, "--out", "weights.fastbp")
    for kind in ("regression", "residuals", "boundary"):
        given = () if kind == "regression" else ("--kind", kind)
        result = run("plot", said["model"], "weights.csv", "--out", f"{kind}.svg", *given)
        assert result.exit_code == 0, result.output
        assert "<svg" in Path(f"{kind}.svg").read_text("utf-8")


def test_mistakes_of_plot(model):
    assert "needs DATA" in refused("plot", model, "--kind", "residuals")
    for kind in ("regression", "residuals"):
        assert "--kind confusion" in refused("plot", model, "plants.csv", "--kind", kind)
    assert "two inputs" in refused("plot", model, "plants.csv", "--kind", "boundary")
    assert ".png" in refused("plot", model, "--out", "picture.txt")
    assert refused("plot", "nowhere.fastbp")
