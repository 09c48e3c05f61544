"""`fastbp train --evidence`, which keeps its search in a file and goes on from there."""

from functools import partialmethod

import pytest
from command_line import plants, refused, run, trained
from stopped import interrupt_after

import fastbp
from fastbp.io import load_network

pytestmark = pytest.mark.compiled_only

SEARCH = ("plants.csv", "--evidence", "--hidden", "2", "--no-plot", "--threads", "1")
KEPT = ("--checkpoint", "run.ckpt", "--resume")


def test_a_search_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plants().write_csv("plants.csv")
    facts, kept = trained(*SEARCH, "--out", "whole.fastbp"), tmp_path / "run.ckpt"
    search = fastbp.Network.fit_evidence
    with monkeypatch.context() as patched:
        patched.setattr(fastbp.Network, "fit_evidence", partialmethod(search, callback=interrupt_after(4)))
        run("train", *SEARCH, *KEPT, "--out", "part.fastbp")
    part = kept.read_bytes()
    resumed = trained(*SEARCH, *KEPT, "--out", "resumed.fastbp")
    assert kept.read_bytes() != part  # it was not over
    assert resumed["epochs"] == facts["epochs"]
    one, other = (load_network(f"{name}.fastbp")[0] for name in ("whole", "resumed"))
    assert one.params.tobytes() == other.params.tobytes()
    assert "run.ckpt" in refused("train", *SEARCH, *KEPT, "--seed", "5")
