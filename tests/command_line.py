"""What the tests of the command line share: a table with a column of each kind, and ways to run commands."""

import json

import numpy as np
import polars as pl
from click.testing import CliRunner
from matplotlib.image import imread

from fastbp.cli import commands

N_PLANTS = 200
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


SEARCHED = ("--tune", "--tune-fits", "--no-tune", "--ensemble")


def run(*args):
    """Run a command; where nothing says how many settings and networks there are, one: a search takes seconds."""
    trains = args[:1] in (("train",), ("compare",))
    plain = () if not trains or set(SEARCHED) & set(args) else ("--no-tune",)
    return CliRunner().invoke(commands.fastbp, [*map(str, args), *plain])


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


def changed(name="changed.csv", **columns):
    """Write the plants with changed columns; return the file's name."""
    table = plants().with_columns(**columns)
    table.write_parquet(name) if name.endswith(".parquet") else table.write_csv(name)
    return name


def train_on_plants(folder):
    """Train on the kinds of plants; return the path of the model."""
    plants().write_csv(folder / "plants.csv")
    out = folder / "plants.fastbp"
    size = ("--hidden", "8,6", "--epochs", "30")
    trained(folder / "plants.csv", "--out", out, *size, "--no-plot", "--drop", "weight")
    return out


def assert_is_a_curve(path):
    """A picture with white, the two colours of the curves, and the black of the labels."""
    pixels = imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 300
    for colour in ((1, 1, 1), (0, 0x72 / 255, 0xB2 / 255), (0xD5 / 255, 0x5E / 255, 0), (0, 0, 0)):
        near = np.abs(pixels - np.array(colour)).max(axis=-1) < 0.02
        assert near.sum() > 40, colour
