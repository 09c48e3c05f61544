"""Confusion tables and learning curves."""

from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import assert_is_a_curve
from matplotlib.image import imread
from rich.console import Console

from fastbp.cli import report
from fastbp.plots import learning_curve
from fastbp.tables.targets import ClassTarget


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
