"""`fastbp explain` and `fastbp plot`: a row explained, and pictures, from a model file and a table."""

from pathlib import Path

import numpy as np
import pytest
from command_line import SHORT, plants, refused, run, train_on_plants, trained
from matplotlib.image import imread

from fastbp.tables.model import TableModel, targets_of
from fastbp.tables.sources import read_table


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
    assert "From (5.55) to (5.56) for unit 7" in result.output
    assert "page: page.html" in result.output
    assert "<svg" in (folder / "page.html").read_text("utf-8")


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
    assert "two inputs" in refused("plot", model, "plants.csv", "--kind", "boundary")
    assert ".png" in refused("plot", model, "--out", "picture.txt")
    assert refused("plot", "nowhere.fastbp")
