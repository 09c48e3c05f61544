"""Confusion tables, learning curves, and the page of a training."""

import re
from io import StringIO
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from browser import set_window, start_browser
from command_line import SHORT, assert_is_a_curve, plants, trained
from matplotlib.image import imread
from rich.console import Console

from fastbp.cli import report
from fastbp.cli.score_lines import MODELS, calibration_line, rare_line, score_facts, score_table
from fastbp.plots import draw_learning_curve, draw_predictions, learning_curve
from fastbp.tables.cells.notation import Notation
from fastbp.tables.modelling.scores import Score, calibration_of, rare_class, score_numbers
from fastbp.tables.preparing.targets import ClassTarget, NumberTarget


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


# --- calibration and the page ------------------------------------------------------------------------------


def test_calibration_groups_rows_by_how_sure_the_network_is():
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.5, 1, 4000)
    groups = calibration_of(probability, rng.random(4000) < probability)
    assert groups.shape == (10, 3)
    assert (np.diff(groups[:, 0]) > 0).all()
    assert np.abs(groups[:, 0] - groups[:, 1]).max() < 0.08
    assert groups[:, 2].sum() == 4000
    too_sure = calibration_of(probability, rng.random(4000) < 0.5)
    assert np.abs(too_sure[:, 0] - too_sure[:, 1]).mean() > 0.2
    assert calibration_of(probability[:3], np.array([True, False, True]))[0] == pytest.approx(
        [probability[:3].mean(), 2 / 3, 3]
    )


def test_line_of_calibration():
    score = Score("accuracy", 50, 0.8, 0.5, confidence=0.9, calibration_error=0.125)
    line = "probability of the predicted class 0.9000 on average, right 0.8000; calibration error 0.1250"
    assert calibration_line(score) == line
    assert calibration_line(Score("r2", 50, 0.8, 0.0, rmse=1.0, baseline_rmse=2.0)) == ""


def two_targets():
    """Return the scores of two guesses for two targets of different units, and the numbers behind them."""
    rng = np.random.default_rng(4)
    true = rng.normal([20, 300], [5, 80], (60, 2))
    target = NumberTarget(
        ("temp", "kw"), means=(19.0, 310.0), centres=(0.0, 0.0), scales=(1.0, 1.0), notations=(Notation(), Notation())
    )
    guess, line = true + rng.normal(0, [1, 30], (60, 2)), true + rng.normal(0, [2, 60], (60, 2))
    score = score_numbers(target, guess, true).score.beside(linear=score_numbers(target, line, true).score)
    return target, score, {"fastbp": guess, "linear": line, "baseline": np.array([[19.0, 310.0]])}, true


def test_each_target_has_its_own_score():
    """R2, RMSE and mean absolute error of each target, of each model, by hand."""
    _, score, guesses, true = two_targets()
    assert list(score.targets) == ["temp", "kw"]
    for k, models in enumerate(score.targets.values()):
        for model, guess in guesses.items():
            error, found = true[:, k] - guess[:, k], models[model]
            assert found.value == pytest.approx(1 - (error**2).mean() / true[:, k].var())
            assert found.rmse == pytest.approx(np.sqrt((error**2).mean()))
            assert found.mae == pytest.approx(np.abs(error).mean())
    assert score.value == pytest.approx(np.mean([models["fastbp"].value for models in score.targets.values()]))


def test_lines_and_table_of_several_targets():
    target, score, _, _ = two_targets()
    lines = score_facts(score, target)
    assert ["RMSE" in line for name, line in lines if name == "score"] == [False]  # degrees and kilowatts do not mix
    of_kw = next(line for name, line in lines if line.startswith("'kw'"))
    assert of_kw.count("RMSE") == 3
    rows = score_table(score)
    assert [row[0] for row in rows[:3]] == ["temp: R2", "temp: RMSE", "temp: mean absolute error"]
    assert rows[4] == ("kw: RMSE", *(f"{score.targets['kw'][model].rmse:.5g}" for model in MODELS))


def test_a_rare_class_is_told():
    target, confusion = ClassTarget("y", ("no", "yes"), 0), np.array([[138, 0], [21, 1]])
    rare = rare_class(target, confusion, balanced=False)
    assert rare_line(rare) == "1 of 22 rows of 'yes' found, recall 0.0455: --class-weight balanced finds more"
    assert "class-weight" not in rare_line(rare_class(target, confusion, balanced=True))
    assert "class-weight" not in rare_line(rare_class(target, np.array([[138, 0], [2, 20]]), balanced=False))
    assert rare_class(target, np.array([[40, 0], [21, 1]]), balanced=False) is None
    assert rare_class(target, np.array([[40, 0], [0, 0]]), balanced=False) is None


def test_a_panel_for_each_target():
    _, _, guesses, true = two_targets()
    figure = draw_predictions(true, guesses["fastbp"], ["temp: R2 0.9", "$kw"])
    assert [axes.get_title() for axes in figure.axes] == ["temp: R2 0.9", "$kw"]
    for k, axes in enumerate(figure.axes):
        np.testing.assert_array_equal(
            axes.lines[0].get_xydata(), np.column_stack([true, guesses["fastbp"]])[:, [k, k + 2]]
        )


def test_a_line_for_the_best_epoch_of_each_network():
    history = SimpleNamespace(loss=[3.0, 2.0, 1.0], validation_loss=[3.0, 2.0, 2.5], best_epoch=None)
    figure = draw_learning_curve(history, "", "loss", best_epochs=[2, 3])
    assert [line.get_xdata()[0] for line in figure.axes[0].lines[2:]] == [2, 3]


@pytest.mark.compiled_only
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_page_in_a_browser(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    driver = start_browser()
    try:
        long = "a_name_without_any_place_to_break_" * 4
        soil = pl.col("soil").str.replace("sand", "<b>sand & 'silt'</b>")
        plants().rename({"leaves": long}).with_columns(soil).write_csv("plants.csv")
        target = "kind" if task == "classification" else "weight"
        trained("plants.csv", *SHORT, "--target", target, "--report", "page.html")
        for width, dark, phone in ((1100, False, False), (1100, True, False), (390, False, True)):
            set_window(driver, width, 900, dark=dark, phone=phone)
            driver.get((tmp_path / "page.html").as_uri())
            check_page(driver, width, dark)
    finally:
        driver.quit()


def check_page(driver, width, dark):
    """Nothing is wider than the window, all pictures are there, and the page is as dark as asked."""
    assert driver.get_log("browser") == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = driver.execute_script("return [...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth])")
    assert len(sizes) == 3
    assert all(complete and natural > 100 and 100 < shown <= width for complete, natural, shown in sizes)
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", colour)[:3])) < 200) == dark
    assert "<b>sand & 'silt'</b>" in driver.find_element("tag name", "body").text
