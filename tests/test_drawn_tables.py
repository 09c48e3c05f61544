"""Random tables through the command line: trained on as what they are, or refused in one line for a known reason."""

import json
import os
import re

import numpy as np
import polars as pl
import pytest
from command_line import run
from drawn_tables import draw

N_TABLES = 5000 if os.environ.get("FASTBP_TESTS") == "nightly" else 25
FAST = ("--hidden", "4", "--epochs", "1", "--no-plot", "--threads", "1", "--quiet", "--out", "model.fastbp")
# What a careful person would ask back about, too.
REASONS = re.compile(
    r"no row tells whether the day or the month comes first|single class|no column is left to learn from|"
    r"units differ|names must differ"
)


@pytest.mark.compiled_only
@pytest.mark.filterwarnings("ignore")
def test_random_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = 0
    for seed in range(N_TABLES):
        table = draw(np.random.default_rng(seed))
        (tmp_path / table.name).write_bytes(table.data)
        trained += check(table, seed)
    assert trained > 0.9 * N_TABLES


def check(table, seed):
    """Train on a table and predict for it; return whether it was not refused."""
    where = f"table {seed}: {table}"
    result = run("train", table.name, "--target", table.target, *FAST)
    assert result.exit_code in (0, 2), f"{where}\n{result.exception!r}"
    if result.exit_code == 2:
        assert re.fullmatch(r"fastbp: error: [^\n]+\n", result.stderr), where
        assert REASONS.search(result.stderr), f"{where}\n{result.stderr}"
        return False
    said = json.loads(result.stdout)
    assert said["task"] == table.task, where
    assert sum(said["rows"].values()) == table.n_with_target, where
    result = run("predict", "model.fastbp", table.name, "--out", "answers.csv")
    assert result.exit_code == 0, f"{where}\n{result.stderr}\n{result.exception!r}"
    assert pl.read_csv("answers.csv").height == table.n_rows, where
    return True
