"""Options of `fastbp train` that cannot both be met: one of them would be passed over in silence."""

from __future__ import annotations

from typing import Any

import click

from fastbp.cli.presetting import refuse_beside_preset
from fastbp.minimiser_options import MINIMISERS
from fastbp.tables.cells.errors import shown

NEED_ALL = ("rprop", "quickprop", *MINIMISERS)  # solvers that take all samples at once
# Options that have no meaning where the evidence decides
_NOT_WITH_EVIDENCE = (
    "solver", "epochs", "batch_size", "learning_rate", "schedule", "dropout", "label_smoothing", "l2", "patience",
)  # fmt: skip

# Pairs of options of which one column can be in one only.
_EXCLUSIVE = (
    ("--numeric", "--categorical"),
    ("--drop", "--keep-column"),
    ("--drop", "--categorical"),
    ("--drop", "--numeric"),
    ("--drop", "--weight"),
    ("--drop", "--target"),
    ("--weight", "--keep-column"),
    ("--weight", "--categorical"),
)


def check_reading(table: str | None, query: str | None) -> None:
    """Refuse options of reading that contradict each other."""
    if table is not None and query is not None:
        raise click.UsageError("--table and --query exclude each other: the query says which table")


def refuse_contradictions(given: dict[str, Any]) -> None:
    """Refuse two options that cannot both be met: one of them would be passed over in silence."""
    check_reading(given["table"], given["query"])
    if given["plot"] is not None and given["no_plot"]:
        raise click.UsageError("--plot and --no-plot exclude each other")
    if given["evidence"]:
        _refuse_beside_evidence()
    if given["solver"] in NEED_ALL and given["batch_size"]:
        raise click.UsageError(f"--solver {given['solver']} learns from all samples at once: it takes no --batch-size")
    _refuse_of_solver(given)
    refuse_beside_preset(given)
    weight = () if given["weight"] is None else (given["weight"],)
    named = {"--drop": given["drop"], "--keep-column": given["keep_column"], "--categorical": given["categorical"],
             "--numeric": given["numeric"], "--weight": weight, "--target": (given["target"],)}  # fmt: skip
    for one, other in _EXCLUSIVE:
        both = [name for name in named[one] if name in named[other]]
        if both:
            raise click.UsageError(f"{one} and {other} both name column {shown(both[0])}: they exclude each other")


def _refuse_of_solver(given: dict[str, Any]) -> None:
    """Refuse what a solver, or a network without hidden layers, does not know."""
    solver = given["solver"]
    if solver in (*MINIMISERS, "rprop") and given["schedule"] != "constant":
        raise click.UsageError(f"--solver {solver} finds the length of its steps: it takes no --schedule")
    for name in ("dropout", "label_smoothing"):
        if solver in MINIMISERS and given[name]:
            raise click.UsageError(f"--solver {solver} takes no --{name.replace('_', '-')}: adam, sgd and rprop do")
    if given["hidden"] == () and given["dropout"]:
        raise click.UsageError("--dropout leaves hidden units out, and --hidden none has none")


def _refuse_beside_evidence() -> None:
    """Refuse options that would be passed over."""
    ctx = click.get_current_context()
    for name in _NOT_WITH_EVIDENCE:
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} has no meaning with --evidence, which decides by itself"
            )
