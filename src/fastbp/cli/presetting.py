"""The option --preset of `fastbp train`: settings that were found together, for all that is not on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import click

from fastbp.presets import PRESETS, Task, preset_of

if TYPE_CHECKING:
    from fastbp.tables.preparing.options import Options
    from fastbp.tables.preparing.preparation import Prepared

# Options of the command that a preset sets, by the names that settings have.
_SET = (
    "hidden", "activation", "epochs", "batch_size", "learning_rate", "schedule", "dropout", "label_smoothing", "l2",
    "scaling",
)  # fmt: skip
preset_option = click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    help="Settings of Holzmüller et al. (2024), for options that are not given.",
)


class Wishes(Protocol):
    """What is read here of the options of `fastbp train`."""

    @property
    def options(self) -> dict[str, Any]:
        """Those that say how to train."""
        ...

    @property
    def choices(self) -> dict[str, Any]:
        """Those that say what columns are."""
        ...


SOLVER_OF_CLUSTERS = "lbfgs"
_OF_STEPS = ("solver", "batch_size", "learning_rate", "schedule", "label_smoothing", "tune", "tune_fits")


def refuse_beside_preset(given: dict[str, Any]) -> None:
    """Refuse what a preset has no settings for.

    Raises
    ------
    click.UsageError
        That names both options.
    """
    if given["preset"] is None:
        return
    if given["evidence"]:
        raise click.UsageError("--preset and --evidence exclude each other: the evidence decides by itself")
    if given["solver"] != "adam":
        raise click.UsageError(f"--preset {given['preset']} has settings for adam: it takes no --solver")


def options_for(prepared: Prepared, wishes: Wishes) -> Options:
    """Return how to train, once it is known what is learnt: the settings of a preset depend on the task."""
    from fastbp.tables.preparing.options import Options

    options = dict(wishes.options)
    if options["preset"] is not None:
        options |= _settings(options["preset"], prepared.task)
    return Options(**options, max_levels=wishes.choices["max_levels"])


def options_of_stream(wishes: Wishes, *, on_cluster: bool) -> Options:
    """Return how to train on a table that is read in pieces, before it is known what is learnt.

    On a cluster a step follows whole pieces: few steps, for which lbfgs is the better solver, where nothing is asked
    for that it does not know. Nothing is searched for then: a search chooses settings for adam.
    """
    from fastbp.tables.preparing.options import Options

    if wishes.options["preset"] is not None:
        raise click.UsageError("--preset is for tables that are read whole: --no-stream reads them so")
    options, source = dict(wishes.options), click.get_current_context().get_parameter_source
    if on_cluster:
        if options["dropout"]:
            raise click.UsageError(
                "--dropout and --scheduler exclude each other: steps on a cluster sum up whole pieces"
            )
        options["given"] = (*options["given"], "dropout")  # which a search leaves alone
    if on_cluster and not any(source(name) == click.core.ParameterSource.COMMANDLINE for name in _OF_STEPS):
        options |= {"solver": SOLVER_OF_CLUSTERS, "tune": None}
    return Options(**options, max_levels=wishes.choices["max_levels"])


def _settings(name: str, task: Task) -> dict[str, Any]:
    """Return the preset, and those of its settings that are not on the command line; no training is stopped early."""
    source, preset = click.get_current_context().get_parameter_source, preset_of(name, task)
    wanted = {key: getattr(preset, key) for key in _SET} | {"patience": preset.epochs}
    by_user = {key for key in wanted if source(key) == click.core.ParameterSource.COMMANDLINE}
    return {"preset": preset} | {key: value for key, value in wanted.items() if key not in by_user}
