"""The command line: mistakes get one line and exit code 2; the program, its pipes, and Ctrl-C."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from cases import COMPILED
from command_line import SHORT, changed, plants, refused, run, train_on_plants
from subprocesses import hearing_ctrl_c, start_python

import fastbp

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
        (("train", "plants.csv", "--drop", "kind", "--target", "kind"), "--drop and --target both name column 'kind'"),
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
        (("train", "plants.csv", "--schedule", "cosin"), "'cosine'"),
        (("train", "plants.csv", "--schedule", "cosine", "--solver", "rprop"), "takes no --schedule"),
        (("train", "plants.csv", "--dropout", "1"), "--dropout"),
        (("train", "plants.csv", "--preset", "realmpl"), "--preset"),
        (("train", "plants.csv", "--preset", "realmlp", "--solver", "sgd"), "it takes no --solver"),
        (("train", "plants.csv", "--preset", "realmlp", "--evidence"), "--preset and --evidence exclude each other"),
        (("train", "plants.csv", "--dropout", "0.1", "--hidden", "none"), "--hidden none"),
        (("train", "plants.csv", "--label-smoothing", "0.1", "--solver", "lm"), "takes no --label-smoothing"),
        (("train", "plants.csv", "--label-smoothing", "0.1", "--target", "weight"), "--label-smoothing is for classes"),
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
    ("columns", "more", "message"),
    [
        (
            {"height": pl.when(pl.col("leaves").cum_count() != 17).then("height"), "soil": pl.lit(None)},
            ("--missing", "error", "--drop", "soil"),
            "values are missing: 'height' 1 (row 17)",
        ),
        (
            {
                "height": pl.when(pl.col("leaves").cum_count() < 199).then("height"),
                "kind": pl.when(pl.col("leaves").cum_count() < 200).then("kind"),
            },
            ("--missing", "error"),
            "'kind' 1 (row 200), 'height' 2 (row 199, ...)",
        ),
        ({"kind": pl.lit("moss")}, (), "'kind' has a single class, 'moss'"),
        ({"kind": pl.lit(2.5)}, (), "'kind' is 2.5 in every row"),
        ({"kind": pl.lit(None)}, (), "the target 'kind' has no value in any row"),
        ({"kind": pl.lit("2024-05-01")}, (), "the target 'kind' holds dates"),
        ({"kind": pl.lit("plant ") + pl.col("height").cast(pl.String)}, (), "too many for classes"),
        ({"leaves": pl.lit(-1.0)}, ("--weight", "leaves"), "weights must be numbers that are not negative"),
        ({"soil": pl.lit("<5")}, ("--numeric", "soil"), "'soil' has '<5' in row 1: a limit, not a number"),
        ({}, ("--target", "kind,kind"), "named twice"),
        ({}, ("--target", "kind,soil"), "Train a model for each column of classes, --target 'kind'"),
        ({}, ("--loss", "huber"), "--loss huber is for numbers"),
        ({}, ("--target", "weight", "--class-weight", "balanced"), "--class-weight is for classes"),
        ({}, ("--target", "weight", "--log-target"), "--log-target needs numbers above 0"),
        ({"weight": pl.lit(-1) * pl.col("leaves")}, ("--target", "weight", "--loss", "poisson"), "not below 0"),
    ],
)
def test_wrong_data_get_one_line(columns, more, message):
    assert message in refused("train", changed(**columns), *SHORT, *more)


def test_too_little_data_gets_one_line(folder):
    plants().head(1).write_csv("few.csv")
    assert "1 row is too few" in refused("train", "few.csv", "--target", "weight")
    plants().select("kind").write_csv("lonely.csv")
    assert "no column besides the target 'kind'" in refused("train", "lonely.csv")


def test_unwritable_output_gets_one_line(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "plants.fastbp")

    monkeypatch.setattr("fastbp.tables.modelling.model.save_network", full)
    assert "plants.fastbp: No space left on device" in refused("train", "plants.csv", *SHORT, "--quiet")


def test_interrupt_before_training_writes_nothing(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastbp.tables.reading.sources.read_table", interrupted)
    result = run("train", "plants.csv")
    assert (result.exit_code, result.stderr) == (130, "fastbp: interrupted\n")
    assert not Path("plants.fastbp").exists()


# --- the program ---------------------------------------------------------------------------------------


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
from fastbp.cli.commands import fastbp
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
        "--no-tune",
        "--patience",
        "0",
        "--epochs",
        "3000000",
    ]
    terminal, child_side = os.openpty()
    with hearing_ctrl_c():
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=child_side,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
    os.close(child_side)
    shown = _read_until(terminal, "samples/s", timeout=200)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    shown += _read_until(terminal, "so far", timeout=10)
    os.close(terminal)
    assert process.returncode == 130, (process.returncode, stdout, shown)
    for part in (
        "epoch ",
        "/3000000",
        "loss ",
        "samples/s",
        "fastbp: interrupted: plants.fastbp has the last",
    ):
        assert part in shown
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
