"""`fastbp compare`: the same rows for each model, one table or a folder of them; and completion by the shell."""

import json

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("polars")
from command_line import plants, refused, run

from fastbp.cli import main
from fastbp.tables.modelling import comparison

MODELS = ["fastbp", "scikit-learn MLP", "linear", "boosting", "baseline"]
FEW = ("--hidden", "4", "--epochs", "3", "--threads", "1")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What each model of scikit-learn was trained on, and what it was asked for."""
    rows = []

    def fit(training, model, fitted, dtype=np.float32):
        rows.append((type(model).__name__, fitted))
        return lambda X: np.tile(np.arange(training.target.n_outputs, dtype=float), (len(X), 1))

    monkeypatch.setattr(comparison, "fit_estimator", fit)
    return rows


@pytest.mark.compiled_only
def test_models_are_scored_on_the_same_rows():
    plants().drop("weight").write_csv("plants.csv")
    said = json.loads(run("compare", "plants.csv", *FEW, "--quiet").stdout)
    assert list(said["models"]) == MODELS
    assert said["metric"] == "accuracy"
    assert said["rows"]["held_out"] == 40
    scores = {name: model["score"] for name, model in said["models"].items()}
    assert all(round(40 * score, 6) == round(40 * score) for score in scores.values())  # of 40 rows, all of them
    assert scores["linear"] > 0.8 > scores["baseline"]
    assert scores["boosting"] > 0.8
    assert all(said["models"][name]["seconds"] > 0 for name in MODELS[:-1])


@pytest.mark.compiled_only
def test_all_learn_from_what_is_not_held_out(asked):
    plants().drop("weight").write_csv("plants.csv")
    said = json.loads(run("compare", "plants.csv", *FEW, "--quiet").stdout)
    assert [name for name, _ in asked] == ["MLPClassifier", "LogisticRegression", "HistGradientBoostingClassifier"]
    for _, rows in asked:
        assert np.array_equal(rows, asked[0][1])
        assert len(rows) == said["rows"]["training"] + said["rows"]["validation"] == 160


@pytest.mark.compiled_only
def test_numbers_and_several_targets(asked):
    table = plants().drop("kind")
    table.with_columns(double=2 * table["weight"]).write_csv("plants.csv")
    result = run("compare", "plants.csv", "--target", "weight,double", *FEW)
    assert result.exit_code == 0, result.output
    assert [name for name, _ in asked] == ["MLPRegressor", "Ridge", "MultiOutputRegressor"]
    assert "RMSE" in result.stdout
    assert all(name in result.stdout for name in MODELS)


@pytest.mark.compiled_only
def test_a_folder_becomes_a_table_in_markdown(in_a_folder, asked):
    folder = in_a_folder / "tables"
    folder.mkdir()
    plants().drop("weight").write_csv(folder / "a|b.csv")
    plants().drop("kind").write_parquet(folder / "c.parquet")
    (folder / "empty.csv").write_text("")
    (folder / "notes.txt").write_text("no table\n")
    result = run("compare", "tables", *FEW)
    assert result.exit_code == 0, result.output
    heads, rule, *rows = result.stdout.splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| a\\|b.csv", "| c.parquet", "| empty.csv"]
    assert {len(row.replace("\\|", "").split("|")) for row in (heads, rule, *rows)} == {14}
    assert "refused" in rows[2]
    assert "regression of weight" in rows[1]


@pytest.mark.compiled_only
def test_a_model_that_refuses_is_said(monkeypatch):
    def fit(training, model, fitted, dtype=np.float32):
        raise ValueError("too few members\nof a class")

    monkeypatch.setattr(comparison, "fit_estimator", fit)
    plants().drop("weight").write_csv("plants.csv")
    result = run("compare", "plants.csv", *FEW)
    assert "boosting: too few members of a class" in result.stdout
    assert "baseline" in result.stdout


def test_what_cannot_be_compared_is_refused(in_a_folder):
    plants().head(8).write_csv("few.csv")
    assert "too few rows" in refused("compare", "few.csv")
    plants().write_csv("plants.csv")
    assert "--test-fraction" in refused("compare", "plants.csv", "--test-fraction", "0")
    (in_a_folder / "none").mkdir()
    assert "no table in the folder" in refused("compare", "none")
    assert "nothing.csv" in refused("compare", "nothing.csv")


@pytest.mark.parametrize(("line", "expected"), [
    ("fastbp comp", ["plain,compare"]),
    ("fastbp train --tar", ["plain,--target"]),
    ("fastbp compare --activ", ["plain,--activation"]),
    ("fastbp train dig", ["plain,digits"]),
    ("fastbp train my", ["file,my"]),
    ("fastbp predict m", ["file,m"]),
    ("fastbp train x.csv --solver r", ["plain,rmsprop", "plain,rprop"]),
    ("fastbp compare x.csv --activation ta", ["plain,tanh"]),
])  # fmt: skip
def test_the_shell_completes(line, expected, monkeypatch, capsys):
    """What click prints for the function that it defines in bash."""
    words = line.split()
    monkeypatch.setenv("_FASTBP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told(shell, monkeypatch, capsys):
    monkeypatch.setenv("_FASTBP_COMPLETE", f"{shell}_source")
    with pytest.raises(SystemExit):
        main([])
    assert f"_FASTBP_COMPLETE={shell}_complete" in capsys.readouterr().out
