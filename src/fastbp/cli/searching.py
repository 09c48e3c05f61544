"""The options of `fastbp train` that say how settings are chosen, and how many networks answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fastbp import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastbp.population.search import Budget

SECONDS = 2.0  # of a search that nobody asked for
FEWEST, MOST = 3, 1000  # networks of an ensemble
FEWEST_FITS = 5  # one on each fold of a search
TUNED = (  # unless the user has chosen them
    "hidden", "activation", "learning_rate", "l2", "batch_size", "dropout", "label_smoothing", "schedule",
)  # fmt: skip
ENSEMBLE_SOLVERS = ("adam", "sgd", "rmsprop")


def check_ensemble(ctx: click.Context, _param: click.Parameter, value: int | None) -> int | None:
    """Refuse two networks: one part of the rows stops a training, one scores it, and one is learnt from."""
    if value is not None and (not 1 <= value <= MOST or 1 < value < FEWEST):
        raise click.UsageError(f"--ensemble must be 1, or from {FEWEST} to {MOST}; got {value}", ctx)
    return value


def check_seconds(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuse what is no time."""
    try:
        return None if value is None else checks.number(value, param.opts[0], low_open=True)
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from None


SEARCH_OPTIONS = (
    click.option(
        "--tune",
        metavar="SECONDS",
        type=float,
        callback=check_seconds,
        help=f"Time to try settings that are not given.  [default: {SECONDS:g}]",
    ),
    click.option(
        "--tune-fits",
        metavar="N",
        type=click.IntRange(min=FEWEST_FITS, max=2**31 - 1),
        help="Trainings to try settings, instead of a time.",
    ),
    click.option("--no-tune", is_flag=True, help="The usual settings and, without --ensemble, one network."),
    click.option(
        "--ensemble",
        metavar="K",
        type=int,
        callback=check_ensemble,
        help="Networks whose mean answers.  [default: up to 8, what takes about a second]",
    ),
)


def search_options(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the options of this file out of those of `fastbp train`; return what training wants to know of them.

    Raises
    ------
    click.UsageError
        For options that contradict each other, or what goes with one network only.
    """
    seconds, fits, no_tune = rest.pop("tune"), rest.pop("tune_fits"), rest.pop("no_tune")
    asked = "--tune" if seconds is not None else "--tune-fits" if fits is not None else ""
    if seconds is not None and fits is not None:
        raise click.UsageError("--tune and --tune-fits exclude each other: a time, or a number of trainings")
    if asked and no_tune:
        raise click.UsageError(f"{asked} and --no-tune exclude each other")
    alone = _why_alone(rest)
    why_not = alone or ("" if rest["solver"] == "adam" else f"--solver {rest['solver']}: settings are chosen for adam")
    if asked and why_not:
        raise click.UsageError(f"{asked} does not go with {why_not}")
    if alone and (rest["ensemble"] or 1) > 1:
        raise click.UsageError(f"--ensemble does not go with {alone}")
    plain = no_tune or bool(why_not)
    n = rest.pop("ensemble")
    return {
        "ensemble": 1 if plain and n is None else n,
        "tune": None if plain else _budget(seconds, fits),
        "given": _given(),
    }


def _why_alone(rest: dict[str, Any]) -> str:
    """Return what is for one network; nothing where there may be several."""
    if rest["evidence"]:
        return "--evidence, which finds out itself how sure one network is"
    if rest["checkpoint"]:
        return "--checkpoint, which keeps the training of one network"
    if rest["preset"]:
        return f"--preset {rest['preset']}, whose settings are those of one network"
    if rest["solver"] not in ENSEMBLE_SOLVERS:
        return f"--solver {rest['solver']}: several networks are trained by {', '.join(ENSEMBLE_SOLVERS)}"
    return ""


def _budget(seconds: float | None, fits: int | None) -> Budget:
    from fastbp.population.search import Budget

    return Budget(SECONDS if seconds is None else seconds, fits)


def _given() -> tuple[str, ...]:
    """Return which settings stand on the command line."""
    source: Callable[[str], Any] = click.get_current_context().get_parameter_source
    return tuple(name for name in TUNED if source(name) == click.core.ParameterSource.COMMANDLINE)
